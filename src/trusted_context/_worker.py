"""Worker processes: what a child that Python starts inside a block is handed, to be governed as a forked one is."""

from __future__ import annotations

import os
import pickle
from contextvars import Context

from . import _entering as entering
from ._block import rebuild
from .core import live
from .core.lock import lock
from .sources import environment


def pack() -> bytes | None:
    """What a child needs that this thread starts now, for :func:`enter`; ``None`` where a forked one has no block.

    The trust itself is packed, not the arguments that it was found by: a forked child does not look for it again.
    """
    with lock:
        inherited = live.inherited()
        if not inherited:
            return None
        owners = list(dict.fromkeys(entry.owner for entry in inherited))
        entries = [
            (owners.index(entry.owner), entry.resolved, entry.unverified, entry.local, here)
            for entry, here in inherited.items()
        ]
        own = environment.set_by_user() if environment.exporting() else {}
        parts = [owner._parts_for_child() for owner in owners]  # noqa: SLF001  # of use to nobody else
        return pickle.dumps((parts, entries, own))


def enter(packed: bytes) -> None:
    """Enter for the life of this process what :func:`pack` packed in another one. Nothing is warned of a second time.

    Raises:
        RuntimeError: the standard library is not as it should be; nothing was entered.
    """
    parts, entries, own = pickle.loads(packed)  # noqa: S301  # the parent's own, by the pipe that the child's code comes by
    owners = [rebuild(*arguments) for arguments in parts]
    # The child has this process's variables, or those of a fork server's start.
    _set(own)
    entered: list[live.Entry] = []
    try:
        for owner, resolved, unverified, local, here in entries:
            entry = live.Entry(owners[owner], resolved, unverified=unverified, local=local, place=None)
            # The block that governs other threads need not be one of this thread's own.
            entered.append(entering.enter(entry) if here else Context().run(entering.enter, entry))
    except BaseException:
        for entry in reversed(entered):
            entering.leave(entry)
        raise


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
