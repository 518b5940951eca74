"""The clients that a block reaches, one module each: the standard library's at once, others when they are imported."""

from __future__ import annotations

import functools

# The one module of a client that every block needs and that needs no library. Imported by the first block, it would be
# half of what that costs beside the certificates.
from . import for_ssl as for_ssl
from . import importing
from .patches import NotCoveredError
from .records import CLIENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_installed: list[ModuleType] = []


def install() -> None:
    """Cover the standard library, and the others, those that are imported and those that will be; if one fails, none.

    The caller holds the lock of the live blocks, and sees to :func:`restore`, also after Ctrl-C in the middle of it.

    Raises:
        RuntimeError: a client's library is not as it should be; the message names the client.
    """
    if _installed:
        return
    try:
        for client in _AT_ONCE:
            _call(client, "install")
        importing.watch(_SEAMS)
    except Exception:
        restore()
        raise


def _call(client: str, verb: str, *theirs: ModuleType) -> None:
    """Have one of our modules do its part.

    It is imported under the lock, for which a fork waits: a child that was forked in the middle of an import would wait
    for ever for the lock of that module.
    """
    module = _import(client)
    if module not in _installed:
        _installed.append(module)
    try:
        getattr(module, verb)(*theirs)
    except NotCoveredError:
        raise
    except Exception as error:
        raise RuntimeError(f"the client {client!r} could not be installed, none was: {error}") from error


@functools.cache
def _import(client: str) -> ModuleType:
    from importlib import import_module

    return import_module(f".for_{client}", __name__)


def _named_for_freezers() -> None:  # pragma: no cover  # never called
    """Import by name what :func:`_import` does: freezers such as PyInstaller and Nuitka take what code names."""
    from . import (  # noqa: F401  # as above
        for_aiohttp,
        for_botocore,
        for_greenlets,
        for_httpx,
        for_multiprocessing,
        for_urllib,
        for_urllib3,
    )


# The clients that are covered without waiting for a module, and each module that is waited for, with what covers it.
# Ours is imported when theirs is: most programs have one or two of these clients, and pay for no more at their first
# block.
_AT_ONCE = [client.name for client in CLIENTS if not client.modules]
_SEAMS = {
    module: functools.partial(_call, client.name, cover)
    for client in CLIENTS
    for module, cover in client.modules.items()
}


def restore() -> list[str]:
    """Put everything back, the last first, and return what somebody else had replaced meanwhile, for a warning.

    Each client is forgotten only once it is restored: interrupted by Ctrl-C, it can be called again to do the rest.
    """
    importing.forget(_SEAMS)
    replaced: list[str] = []
    while _installed:
        replaced += _installed[-1].restore()
        _installed.pop()
    return replaced
