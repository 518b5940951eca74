"""aiohttp, and what sits on top of it: fsspec, gcsfs.

A connector keeps its connections by a key that holds what the request said as ``ssl=``. Inside a block a token is put
there for whoever chose no trust, in a copy of the request: aiohttp itself then keeps apart what was opened inside from
what was opened outside. Each connection gets a context of its own.
"""

from __future__ import annotations

import copy
import functools
import ssl
from contextvars import ContextVar

from ..core import live
from ..core.contexts import Context
from ..core.identity import IdentityMap
from ..core.lock import lock
from ..sources import environment
from . import for_ssl, seen_contexts
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from ..core.live import Entry
    from ..core.trust import Trust

_patches = Patches()

# What stands in keys for contexts of the caller's with default trust, by the trust of the block.
_tokens = IdentityMap()

# The modules that were imported under an export, each with the default context that it made of that.
_imported_under_export: list[tuple[Any, object]] = []


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    replaced = _patches.restore()
    _renew_defaults()
    return replaced


def cover_connector(module: ModuleType) -> None:
    """Cover aiohttp: each request for a connection, and the context that one is opened by.

    Raises:
        NotCoveredError: it lacks a method that a block replaces, or its error.
    """
    _patches.require(module, "TCPConnector._get_ssl_context", "BaseConnector.connect", "ClientConnectorError")
    _patches.wrap(_patches.owner(module, "TCPConnector"), "_get_ssl_context", _make_get_ssl_context)
    _patches.wrap(_patches.owner(module, "BaseConnector"), "connect", functools.partial(_make_connect, module))
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

    def __init__(self, entry: Entry, token: ssl.SSLContext, own: ssl.SSLContext | None) -> None:
        self.entry = entry
        self.token = token
        self.own = own
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
            asked = copy.copy(req)
            own = _own_context(self, req)
            token = _token(entry.trust, own)
            if not _is_default(self, req, module) or not _give(asked, token):
                return await original(self, req, *args, **kwargs)
            attempt, before = _Attempt(entry, token, own), _attempt.get()
            _attempt.set(attempt)
            try:
                connection = await original(self, asked, *args, **kwargs)
            except _EndedError:
                continue
            except module.ClientConnectorError as error:
                _name_the_key(error, token, req.ssl)
                raise
            finally:
                # A reset() would raise where the coroutine is closed from another context.
                _attempt.set(before)
            if attempt.opens or entry.live:
                return connection
            # Waited for, and handed on by another request, when the block had ended.
            connection.release()

    return connect


def _own_context(connector: Any, req: Any) -> ssl.SSLContext | None:
    """The context that the request brings along, or the connector; ``None`` where aiohttp makes it."""
    own = getattr(connector, "_ssl", None)  # which a connector to a socket of Unix has not
    return next((given for given in (req.ssl, own) if isinstance(given, ssl.SSLContext)), None)


def _is_default(connector: Any, req: Any, module: Any) -> bool:
    """Whether the trust is default: neither the request, nor the connector, nor a subclass of either chose it."""
    if not isinstance(connector, module.TCPConnector):
        return False
    if getattr(connector._get_ssl_context, "__func__", None) is not module.TCPConnector._get_ssl_context:
        return False
    return all(given is True or given is None or seen_contexts.is_default(given) for given in (req.ssl, connector._ssl))


def _give(req: Any, token: ssl.SSLContext) -> bool:
    """Make *token* what the request says as ``ssl=``, and so a part of its key; false where it has no use for one."""
    if not (req.is_ssl() or (req.proxy is not None and req.proxy.scheme == "https")):
        return False
    req._ssl = token
    return req.connection_key.ssl is req.ssl is token


def _token(trust: Trust, own: ssl.SSLContext | None) -> ssl.SSLContext:
    """What tells the connections of this trust apart in a connector's keys. As a context it trusts no CA."""
    if own is None:
        return _token_of(trust)
    with lock:
        tokens: dict[Trust, ssl.SSLContext] | None = _tokens.get(own)
        if tokens is None:
            tokens = {}
            _tokens.set(own, tokens)
        return tokens.setdefault(trust, Context(ssl.PROTOCOL_TLS_CLIENT))


@functools.lru_cache(maxsize=16)
def _token_of(_trust: Trust) -> ssl.SSLContext:
    return Context(ssl.PROTOCOL_TLS_CLIENT)


def _make_get_ssl_context(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_ssl_context(self: Any, req: Any) -> Any:
        attempt = _attempt.get()
        # The request to an https:// proxy, too, has what was given to the one that goes through it.
        if attempt is None or req.ssl is not attempt.token:
            return original(self, req)
        if not (attempt.opens or attempt.entry.live):
            raise _EndedError
        attempt.opens = True
        return _context(attempt, req.host, req.port) if req.is_ssl() else original(self, req)

    return get_ssl_context


def _context(attempt: _Attempt, host: str, port: int | None) -> ssl.SSLContext:
    """A context for one connection."""
    entry = attempt.entry
    if attempt.own is not None:
        # One with a client certificate that cannot be read from it stays: it is verified as without a block.
        return for_ssl.stand_in(attempt.own, entry, host, port) or attempt.own
    context = entry.resolved.verifier.borrowing(host, port, source=entry.resolved.summary)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _name_the_key(error: Any, context: ssl.SSLContext, said: object) -> None:
    """Let the error name what the caller said: a context can be neither read in a message nor pickled."""
    key: Any = getattr(error, "_conn_key", None)
    # Up to 3.10 a key is no tuple.
    if getattr(key, "ssl", None) is context and hasattr(key, "_replace"):  # pragma: no branch  # as above
        error._conn_key = key._replace(ssl=said)
        error.args = (error._conn_key, *error.args[1:])
