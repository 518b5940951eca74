"""aiohttp, and what sits on top of it: fsspec, gcsfs.

A connector keeps its connections by a key that holds what the request said as ``ssl=``. Inside a block ours is put
there for whoever said nothing, in a copy of the request: aiohttp itself then keeps apart what was opened inside from
what was opened outside.
"""

from __future__ import annotations

import copy
import functools
import ssl
import weakref
from contextvars import ContextVar

from ..core import live
from ..core.lock import lock
from ..core.trust import _Context
from ..sources import environment
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from ..core.live import Entry
    from ..core.trust import Trust

_patches = Patches()

# The contexts of single servers live only as long as the connections in whose keys they are.
_kept_by_connections: weakref.WeakValueDictionary[tuple[object, ...], ssl.SSLContext] = weakref.WeakValueDictionary()

# The modules that were imported under an export, each with the default context that it made of that.
_imported_under_export: list[tuple[Any, object]] = []


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    replaced = _patches.restore()
    _renew_defaults()
    return replaced


def meet_connector(module: ModuleType) -> None:
    """Cover aiohttp: each request for a connection, and the context that one is opened by.

    Raises:
        NotCoveredError: it is not as we know it.
    """
    _patches.require(module, "TCPConnector._get_ssl_context", "BaseConnector.connect", "ClientConnectorError")
    _patches.wrap(module.TCPConnector, "_get_ssl_context", _make_get_ssl_context)
    _patches.wrap(module.BaseConnector, "connect", functools.partial(_make_connect, module))
    # From 3.10.11 on the default context is made when the module is imported, and of the environment of that moment.
    baked = getattr(module, "_SSL_CONTEXT_VERIFIED", None)
    if baked is not None and environment.exporting():
        _imported_under_export.append((module, baked))


def _renew_defaults() -> None:
    """Make anew, as soon as nothing is exported, the default contexts that were made of what was."""
    if not _imported_under_export:
        return
    with lock:
        while _imported_under_export and not environment.exporting():
            module, baked = _imported_under_export[-1]
            if module._SSL_CONTEXT_VERIFIED is baked:
                module._SSL_CONTEXT_VERIFIED = module._make_ssl_context(verified=True)
            _imported_under_export.pop()


class _Attempt:
    """One request's way to a connection, of which one is found in the pool or opened."""

    def __init__(self, entry: Entry, context: ssl.SSLContext) -> None:
        self.entry = entry
        self.context = context
        self.opens = False


class _EndedError(Exception):
    """The block ended while a request waited for its turn."""


_attempt: ContextVar[_Attempt | None] = ContextVar("trusted_context_attempt", default=None)


def _make_connect(module: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def connect(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        while True:
            entry = live.governing()
            if entry is None:
                _renew_defaults()
                return await original(self, req, *args, **kwargs)
            # The request itself is the caller's, who may send it again after the block.
            own = copy.copy(req)
            if not _is_default(self, req, module) or not _give(own, entry.trust):
                return await original(self, req, *args, **kwargs)
            attempt, before = _Attempt(entry, own.ssl), _attempt.get()
            _attempt.set(attempt)
            try:
                connection = await original(self, own, *args, **kwargs)
            except _EndedError:
                continue
            except module.ClientConnectorError as error:
                _name_the_key(error, attempt.context, req.ssl)
                raise
            finally:
                # A reset() would raise where the coroutine is closed from another context.
                _attempt.set(before)
            if attempt.opens or entry.live:
                return connection
            # Waited for, and handed on by another request, when the block had ended.
            connection.release()

    return connect


def _is_default(connector: Any, req: Any, module: Any) -> bool:
    """Whether nobody chose the trust: not the request, not the connector, and no subclass of either."""
    if not isinstance(connector, module.TCPConnector) or not _is_unset(req.ssl) or not _is_unset(connector._ssl):
        return False
    return getattr(connector._get_ssl_context, "__func__", None) is module.TCPConnector._get_ssl_context


def _is_unset(value: object) -> bool:
    return value is True or value is None  # None up to 3.9


def _give(req: Any, trust: Trust) -> bool:
    """Make ours the context of a request, and so of its key; false where it has no use for one."""
    servers = [req] if req.is_ssl() else []
    if req.proxy is not None and req.proxy.scheme == "https":
        servers.append(req.proxy)
    if not servers:
        return False
    # Each gets its own below. When the block ends meanwhile there is but this one, which must not verify too little.
    server = next((server for server in servers if trust.verifies(server.host, server.port)), servers[0])
    req._ssl = _context(trust, server.host, server.port)
    return req.connection_key.ssl is req.ssl is req._ssl


def _make_get_ssl_context(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_ssl_context(self: Any, req: Any) -> Any:
        attempt = _attempt.get()
        # The request to an https:// proxy, too, has what was given to the one that goes through it.
        if attempt is None or req.ssl is not attempt.context:
            return original(self, req)
        if not (attempt.opens or attempt.entry.live):
            raise _EndedError
        attempt.opens = True
        return _context(attempt.entry.trust, req.host, req.port) if req.is_ssl() else original(self, req)

    return get_ssl_context


def _name_the_key(error: Any, context: ssl.SSLContext, said: object) -> None:
    """Let the error name what the caller said: a context can be neither read in a message nor pickled."""
    key: Any = getattr(error, "_conn_key", None)
    if getattr(key, "ssl", None) is context and hasattr(key, "_replace"):  # up to 3.10 a key is no tuple
        error._conn_key = key._replace(ssl=said)
        error.args = (error._conn_key, *error.args[1:])


def _context(trust: Trust, host: str, port: int | None) -> ssl.SSLContext:
    # Never shared between servers where a context is locked during the handshake (truststore's).
    if not trust.native:
        return trust.shared_context(_as_aiohttp_does, host, port)
    with lock:
        context = _kept_by_connections.get((trust, host, port))
        if context is None:
            context = trust.new_context(host, port)
            _as_aiohttp_does(context)
            _kept_by_connections[trust, host, port] = context
    return context


def _as_aiohttp_does(context: ssl.SSLContext) -> None:
    context.set_alpn_protocols(["http/1.1"])
    if isinstance(context, _Context):
        context.__class__ = _Recognised


class _Recognised(_Context):
    """A context that is one to ``isinstance()`` also where truststore took ``ssl.SSLContext``'s place.

    asyncio's ``start_tls()`` takes no other, and what aiohttp does not recognise it replaces by an unverified one.
    """

    __class__ = property(lambda _self: ssl.SSLContext)
