"""The live blocks, and which of them governs here and now. This module knows nothing of what a block trusts."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._block import TrustedContext
    from ..sources.resolution import Resolved
    from .trust import Insecure, Trust


class Entry:
    """One entering of one block, from then until it is left.

    Args:
        owner: the block.
        resolved: what it trusts.
        unverified: what it leaves unverified: nothing, everything, or some hosts.
        local: whether it governs this context alone.
        place: which ``with`` statement entered it; none for ``start()`` and a decorated body.
    """

    __slots__ = ("__weakref__", "around", "live", "local", "owner", "place", "resolved", "trust", "unverified")

    def __init__(
        self, owner: TrustedContext, resolved: Resolved, *, unverified: Insecure, local: bool, place: int | None
    ) -> None:
        self.owner: TrustedContext = owner
        self.resolved: Resolved = resolved
        self.trust: Trust = resolved.trust
        self.unverified: Insecure = unverified
        self.local: bool = local
        self.place: int | None = place
        self.live: bool = False
        self.around: tuple[Entry, ...] = ()

    def renew(self, resolved: Resolved) -> None:
        """Make *resolved* what is trusted from the next connection on."""
        self.resolved = resolved
        self.trust = resolved.trust

    def is_over(self) -> bool:
        """Whether this entry has ended, and no other with the same trust is live."""
        return not self.live and not is_trusted(self.trust)


# Entries that ended stay in the tuples of contexts they were not left in, marked, and drop out at the next entering:
# ContextVar.reset() would raise in another context than the one that set it.
_stack: ContextVar[tuple[Entry, ...]] = ContextVar("trusted_context", default=())
# Every live entry, the newest last. Replaced as a whole, under the lock: other threads read it without one, and walking
# what is written meanwhile raises RuntimeError.
_entries: tuple[Entry, ...] = ()
_elected: Entry | None = None


def governing() -> Entry | None:
    """The entry that governs a connection made here and now: the innermost of this context, else the process's."""
    for entry in reversed(_stack.get()):
        if entry.live:
            return entry
    return _elected


def surrounding() -> tuple[Entry, ...]:
    """Every live entry around this place: those of this context, and the one that governs with those around it."""
    elected = _elected
    others = () if elected is None else (*elected.around, elected)
    return tuple(dict.fromkeys(entry for entry in (*_stack.get(), *others) if entry.live))


def anything_live() -> bool:
    """Whether any block is live, in any thread."""
    return bool(_entries)


def all_live() -> tuple[Entry, ...]:
    """Every live entry, the newest first."""
    return _entries[::-1]


def is_trusted(trust: Trust) -> bool:
    """Whether a block with this *trust* is live, in any thread."""
    for entry in _entries:  # noqa: SIM110  # asked at each request of some clients, of one block in most programs
        if entry.trust is trust or entry.trust == trust:
            return True
    return False


def enter(entry: Entry, replaced: tuple[Entry, ...] = ()) -> None:
    """Make *entry* the innermost of this context, and end *replaced* by the same election. The caller holds the lock.

    They are still to be left for what else hangs on them.
    """
    global _entries
    for old in replaced:
        old.live = False
    entry.around = tuple(around for around in _stack.get() if around.live)
    _entries = (*(other for other in _entries if other.live), entry)
    entry.live = True
    _stack.set((*entry.around, entry))
    _elect()


def adopt(entries: tuple[Entry, ...]) -> None:
    """Make live *entries* of other contexts this context's too, each inside those that are older."""
    here = frozenset((*_stack.get(), *entries))
    _stack.set(tuple(entry for entry in _entries if entry in here))


def leave(entry: Entry) -> None:
    """End *entry*, from wherever; called again it finishes what was interrupted. The caller holds the lock."""
    global _entries
    entry.live = False
    _entries = tuple(other for other in _entries if other is not entry)
    _stack.set(tuple(around for around in _stack.get() if around.live))
    entry.around = ()
    _elect()


def count(owner: TrustedContext) -> int:
    """How many entries of *owner* are live."""
    return sum(entry.owner is owner for entry in _entries)


def find(owner: TrustedContext, place: int | None) -> Entry | None:
    """The entry of *owner* to leave from *place*: the newest entered there in this context, else nearest to that."""
    here = [entry for entry in reversed(_stack.get()) if entry.live and entry.owner is owner]
    found = next((entry for entry in here if entry.place == place), None)
    if found is not None:
        return found
    anywhere = [entry for entry in all_live() if entry.owner is owner]
    there = (entry for entry in anywhere if entry.place == place)
    return next(there, None) or next(iter(here or anywhere), None)


def inherited() -> dict[Entry, bool]:
    """The entries that a child has which this thread starts, the newest last, and of each whether it is this context's.

    What this thread is in, and the verifying block that governs it; no insecure one outlives its thread.
    """
    here = frozenset(_stack.get())
    elected = None if _elected is None or _elected.unverified else _elected
    return {entry: entry in here for entry in _entries if entry in here or entry is elected}


def keep_own() -> None:
    """In a forked child: end the entries of threads that do not exist here, and can never leave them."""
    own = inherited()
    for entry in [entry for entry in _entries if entry not in own]:
        leave(entry)


def _elect() -> None:
    """Choose who governs threads that entered no block: the newest, but never against a stricter one."""
    global _elected
    _elected = next((entry for entry in all_live() if not entry.local and _may_govern_others(entry)), None)


def _may_govern_others(candidate: Entry) -> bool:
    """Whether the candidate was entered inside every live block that verifies what it does not."""
    if candidate.unverified is False:
        return True
    around = frozenset(candidate.around)
    stricter = (
        entry for entry in _entries if not entry.local and verifies_more(entry.unverified, candidate.unverified)
    )
    return all(entry in around for entry in stricter)


def verifies_more(one: Insecure, other: Insecure) -> bool:
    """Whether *one* verifies something that *other*, of the two sets of unverified hosts, does not."""
    if one is True or other is False:
        return False
    return other is True or one is False or not other <= one
