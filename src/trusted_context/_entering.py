"""Entering and leaving: what both do to the process, undone as a whole where they fail or are interrupted."""

from __future__ import annotations

import os
import sys

from . import clients
from .core import live
from .core.lock import lock
from .core.warning import warn
from .sources import environment
from .sources.exhaustion import add_remedy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.live import Entry


def enter(entry: Entry, replaced: tuple[Entry, ...] = ()) -> Entry:
    """Make *entry* live and return it; end those *replaced* without a moment in which neither governs.

    Raises:
        RuntimeError: a client's library is not as it should be; nothing was changed.
        OSError: the variables to export cannot be set; nothing was changed.
    """
    __tracebackhide__ = True
    try:
        with lock:
            replaced = tuple(old for old in replaced if old.live)
            if not replaced:
                live.enter(entry)
                clients.install()
            if entry.resolved.exported is not None:
                environment.export(entry, entry.resolved.exported)
            if replaced:  # last, since from here on they no longer govern
                live.enter(entry, replaced)
        for old in replaced:
            leave(old)
        return entry  # noqa: TRY300  # so that Ctrl-C at this line, too, finds the way out below
    except BaseException as error:
        for ended in (entry, *(old for old in replaced if not old.live)):
            leave(ended)
        if isinstance(error, OSError):
            add_remedy(error)
        raise


def leave(entry: Entry | None) -> None:
    """End *entry*, with the warnings that it deserves; do nothing where it has ended."""
    if entry is None:
        return
    try:
        replaced, variables = _end(entry)
    except BaseException:  # Ctrl-C between two of its lines: what is left of it is done before that is heeded
        _end(entry)
        raise
    for name in replaced:
        warn(
            f"{name} was replaced by other code while a trusted_context block was live, and is left as that code set "
            "it; it works as before the block, but that code keeps the original only through ours",
            RuntimeWarning,
        )
    for name in variables:
        warn(
            f"the environment variable {name} was changed by other code while a trusted_context block exported it, and "
            "is left as that code set it",
            RuntimeWarning,
        )


def _end(entry: Entry) -> tuple[list[str], list[str]]:
    """End the entry, or what an interrupted call left of that; name the attributes and variables others replaced."""
    with lock:
        live.leave(entry)
        variables = environment.withdraw(entry)
        return [] if live.anything_live() else clients.restore(), variables


def place(callers: int) -> int | None:
    """Which ``with`` statement that many callers above is: both its ends run in one frame, be it in another thread."""
    try:
        return id(sys._getframe(callers + 1))
    except ValueError:  # called from C, by atexit for one
        return None


def _after_fork_in_child() -> None:
    live.keep_own()
    for entry in environment.exporting():
        if isinstance(entry, live.Entry) and not entry.live:
            environment.withdraw(entry)
    if not live.anything_live():
        clients.restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
