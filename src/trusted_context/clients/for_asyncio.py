"""asyncio's own connections: ``ssl=True`` of ``open_connection()``, ``create_connection()`` and the like.

asyncio makes a default context for each of them, told neither the address nor the port: the host is the name that the
certificate is checked for, and an ``insecure`` that names a port matches none of them.
"""

from __future__ import annotations

import functools

from ..core import live
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_patches = Patches()


def restore() -> list[str]:
    """Put the function back where it is still ours."""
    return _patches.restore()


def meet_sslproto(module: ModuleType) -> None:
    """Cover the connections for which asyncio itself makes the context.

    Raises:
        NotCoveredError: it is not as we know it.
    """
    _patches.require(module, "_create_transport_context")
    _patches.wrap(module, "_create_transport_context", _make_create_transport_context)


def _make_create_transport_context(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def create_transport_context(server_side: bool, server_hostname: str | None) -> Any:
        entry = live.governing()
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
