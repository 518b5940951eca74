"""The kinds of client a block reaches, one module each: urllib at once, the others when their library is there."""

from __future__ import annotations

import functools

from . import importing
from .patches import NotCoveredError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    # Never run: PyInstaller and cx_Freeze take into a program what its byte code imports by name, and see these.
    from . import (  # noqa: F401
        for_aiohttp,
        for_botocore,
        for_httpx,
        for_multiprocessing,
        for_ssl,
        for_urllib,
        for_urllib3,
    )

# Each module in which a client is met, with our module for it and the function of that which meets it. Ours is imported
# when theirs is: most programs have one or two of these clients, and pay for no more when they enter their first block.
_SEAMS = {
    "urllib3.connection": ("urllib3", "meet_connections"),
    "urllib3.connectionpool": ("urllib3", "meet_pools"),
    "urllib3.poolmanager": ("urllib3", "meet_pool_manager"),
    "requests.sessions": ("urllib3", "meet_sessions"),
    "botocore.httpsession": ("botocore", "meet_httpsession"),
    "httpx": ("httpx", "meet_library"),
    "httpx._transports.default": ("httpx", "meet_transports"),
    "httpx2": ("httpx", "meet_library"),
    "httpx2._transports.default": ("httpx", "meet_transports"),
    "aiohttp.connector": ("aiohttp", "meet_connector"),
    "multiprocessing.spawn": ("multiprocessing", "meet_spawn"),
    "multiprocessing.util": ("multiprocessing", "meet_util"),
    "loky.backend.spawn": ("multiprocessing", "meet_spawn"),
    "joblib.externals.loky.backend.spawn": ("multiprocessing", "meet_spawn"),
    "multiprocess.spawn": ("multiprocessing", "meet_spawn"),
    "multiprocess.util": ("multiprocessing", "meet_util"),
}

_installed: list[ModuleType] = []


def install() -> None:
    """Install urllib, and meet the others, those that are imported and those that will be; where one fails, none.

    The caller holds the lock of the live blocks, and sees to :func:`restore`, also after Ctrl-C in the middle of it.

    Raises:
        RuntimeError: a client's library is not as it should be; the message names the client.
    """
    if _installed:
        return
    try:
        _call("ssl", "install")
        _call("urllib", "install")
        importing.meet({name: functools.partial(_call, *seam) for name, seam in _SEAMS.items()})
    except Exception:
        restore()
        raise


def _call(client: str, verb: str, *theirs: ModuleType) -> None:
    """Have one of our modules do its part.

    It is imported under the lock. A fork waits for that, so no child is born in the middle of an import whose module
    lock nobody would release.
    """
    from importlib import import_module

    room = import_module(f".for_{client}", __name__)
    if room not in _installed:
        _installed.append(room)
    try:
        getattr(room, verb)(*theirs)
    except NotCoveredError:
        raise
    except Exception as error:
        raise RuntimeError(f"the client {client!r} could not be installed, none was: {error}") from error


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
