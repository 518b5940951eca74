"""asyncio's own connections: ``ssl=True`` of ``open_connection()``, ``create_connection()`` and the like.

asyncio makes a default context for each of them, told neither the address nor the port: the host is the name that the
certificate is checked for, and an ``insecure`` that names a port matches none of them.
"""

from __future__ import annotations

import functools

from .. import _live
from . import _on_import
from ._patch import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

NAME = "asyncio"

_patches = Patches()


def install() -> None:
    """Meet asyncio's TLS, now where it is imported, else when it will be."""
    try:
        _on_import.meet(_SEAMS)
    except BaseException:
        restore()
        raise


def restore() -> list[str]:
    """Put the function back where it is still ours."""
    _on_import.forget(_SEAMS)
    return _patches.restore()


def _meet_sslproto(module: ModuleType) -> None:
    _patches.require(module, "_create_transport_context")
    _patches.wrap(module, "_create_transport_context", _make_create_transport_context)


_SEAMS: dict[str, Callable[[ModuleType], None]] = {"asyncio.sslproto": _meet_sslproto}


def _make_create_transport_context(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def create_transport_context(server_side: bool, server_hostname: str | None) -> Any:
        entry = _live.governing()
        if entry is None or server_side:
            return original(server_side, server_hostname)
        configure = _as_asyncio_does if server_hostname else _without_names
        return entry.trust.shared_context(configure, server_hostname or None, None)

    return create_transport_context


def _as_asyncio_does(_context: ssl.SSLContext) -> None:
    """Leave it: asyncio puts nothing on the default context."""


def _without_names(context: ssl.SSLContext) -> None:
    """What ``server_hostname=""`` asks for: the certificate is verified, whose it is does not matter."""
    context.check_hostname = False
