"""The kinds of client a block reaches, one module each with ``install()`` and ``restore()``: all of them or none."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_installed: list[ModuleType] = []


def load() -> tuple[ModuleType, ...]:
    """The modules of this package that have a client to meet, imported under the lock.

    A fork waits for that lock, so no child is born in the middle of an import whose module lock nobody would release.
    """
    from . import aiohttp, asyncio, botocore, httpx, urllib, urllib3

    return (urllib, urllib3, botocore, httpx, asyncio, aiohttp)


def install() -> None:
    """Install every client that is not, or, where one fails, none.

    The caller holds the lock of the live blocks, and sees to :func:`restore`, also after Ctrl-C in the middle of it.

    Raises:
        RuntimeError: a client's library is not as it should be; the message names the client.
    """
    for client in load():
        if client in _installed:
            continue
        _installed.append(client)
        try:
            client.install()
        except Exception as error:
            restore()
            raise RuntimeError(f"the client {client.NAME!r} could not be installed, none was: {error}") from error


def restore() -> list[str]:
    """Put everything back, the last first, and return what somebody else had replaced meanwhile, for a warning.

    Each client is forgotten only once it is restored: interrupted by Ctrl-C, it can be called again to do the rest.
    """
    replaced: list[str] = []
    while _installed:
        replaced += _installed[-1].restore()
        _installed.pop()
    return replaced
