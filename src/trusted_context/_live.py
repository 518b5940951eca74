"""The live blocks, and which of them governs here and now. Of what a block trusts this room knows nothing."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._block import TrustedContext
    from ._resolved import Resolved
    from ._trust import Trust

# How much of the verification a block leaves off: nothing, some hosts, everything.
STRICT, LAX, INSECURE = 0, 1, 2


class Entry:
    """One entering of one block, from then until it is left."""

    __slots__ = ("__weakref__", "around", "laxity", "live", "local", "owner", "place", "resolved", "trust")

    def __init__(
        self, owner: TrustedContext, resolved: Resolved, *, laxity: int, local: bool, place: int | None
    ) -> None:
        self.owner = owner
        self.resolved = resolved
        self.trust: Trust = resolved.trust
        self.laxity = laxity
        self.local = local
        self.place = place
        self.live = False
        self.around: tuple[Entry, ...] = ()


# Entries that ended stay in the tuples of contexts they were not left in, marked, and drop out at the next entering:
# ContextVar.reset() would raise in another context than the one that set it.
_stack: ContextVar[tuple[Entry, ...]] = ContextVar("trusted_context", default=())
_entries: dict[Entry, None] = {}
_elected: Entry | None = None


def governing() -> Entry | None:
    """The entry that governs a connection made here and now: the innermost of this context, else the process's."""
    for entry in reversed(_stack.get()):
        if entry.live:
            return entry
    return _elected


def surrounding() -> Iterator[Entry]:
    """Every live entry around this place: those of this context, and the one that governs."""
    yield from (entry for entry in _stack.get() if entry.live)
    if _elected is not None:
        yield _elected


def anything_live() -> bool:
    """Whether any block is live, in any thread."""
    return bool(_entries)


def enter(entry: Entry) -> None:
    """Make *entry* the innermost of this context. The caller holds the lock."""
    entry.around = tuple(around for around in _stack.get() if around.live)
    _entries[entry] = None
    entry.live = True
    _stack.set((*entry.around, entry))
    _elect()


def leave(entry: Entry) -> None:
    """End *entry*, from whichever context or thread. The caller holds the lock."""
    entry.live = False
    entry.around = ()
    _entries.pop(entry, None)
    _stack.set(tuple(around for around in _stack.get() if around.live))
    _elect()


def count(owner: TrustedContext) -> int:
    """How many entries of *owner* are live."""
    return sum(entry.owner is owner for entry in tuple(_entries))


def find(owner: TrustedContext, place: int | None) -> Entry | None:
    """The entry of *owner* to leave from *place*: the newest entered there in this context, else nearest to that."""
    here = [entry for entry in reversed(_stack.get()) if entry.live and entry.owner is owner]
    found = next((entry for entry in here if entry.place == place), None)
    if found is not None:
        return found
    anywhere = [entry for entry in reversed(_entries) if entry.owner is owner]
    there = (entry for entry in anywhere if entry.place == place)
    return next(there, None) or next(iter(here or anywhere), None)


def keep_own() -> None:
    """In a forked child: end the entries of threads that do not exist here, and can never leave them.

    What this thread was in stays, so does the verifying block that governs it; no insecure one outlives its thread.
    """
    own = {entry for entry in _stack.get() if entry.live}
    if _elected is not None and _elected.laxity == STRICT:
        own.add(_elected)
    for entry in [entry for entry in _entries if entry not in own]:
        leave(entry)


def _elect() -> None:
    """Choose who governs threads that entered no block: the newest, but never against a stricter one."""
    global _elected
    _elected = next((entry for entry in reversed(_entries) if not entry.local and _may_govern_others(entry)), None)


def _may_govern_others(candidate: Entry) -> bool:
    if candidate.laxity == STRICT:
        return True
    stricter = (entry for entry in reversed(_entries) if not entry.local and entry.laxity < candidate.laxity)
    newest = next(stricter, None)
    return newest is None or newest in candidate.around
