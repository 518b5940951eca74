"""The kinds of client a block reaches, one module each with ``install()`` and ``restore()``: all of them or none."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_installed: list[ModuleType] = []


def load() -> tuple[ModuleType, ...]:
    """The modules of this package that have a client to meet, imported under the lock.

    A fork waits for that lock, so no child is born in the middle of an import whose module lock nobody would release.
    """
    from . import urllib

    return (urllib,)


def install() -> None:
    """Install every client, or, where one fails, none.

    The caller holds the lock of the live blocks, and sees to it that this is done once until :func:`restore`.

    Raises:
        RuntimeError: a client's library is not as it should be; the message names the client.
    """
    for client in load():
        try:
            client.install()
        except BaseException as error:
            restore()
            if isinstance(error, Exception):
                raise RuntimeError(
                    f"the client {client.NAME!r} could not be installed, so none was: {error}"
                ) from error
            raise
        _installed.append(client)


def restore() -> list[str]:
    """Put everything back, the last first, and return what somebody else had replaced meanwhile, for a warning."""
    replaced: list[str] = []
    with contextlib.ExitStack() as stack:
        while _installed:
            stack.callback(_restore_one, _installed.pop(0), replaced)
    return replaced


def _restore_one(client: ModuleType, replaced: list[str]) -> None:
    replaced += client.restore()
