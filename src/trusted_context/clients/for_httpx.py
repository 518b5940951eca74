"""httpx, and its fork httpx2.

A transport keeps its connections in a pool that has one SSLContext, from the moment it is made. Inside a block a
request goes through another pool, of the block's own, that stands beside the transport's and is closed with it: so a
client made earlier is covered, and what was opened inside stays apart from what was opened outside.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import weakref

from ..core import handshake, live
from ..core.lock import lock
from ..core.per_connection import OnePerConnection
from . import for_ssl, httpx_defaults, importing
from .patches import NotCoveredError, Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from ..core.trust import Trust

_patches = Patches()


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    return _patches.restore()


def cover_library(module: ModuleType) -> None:
    """See that the library, once it is imported, has the module in which it is covered.

    Raises:
        NotCoveredError: the library has no such module.
    """
    name = f"{module.__name__}._transports.default"
    if name not in sys.modules:
        raise NotCoveredError(f"which finds no {name}")


def cover_transports(module: ModuleType) -> None:
    """Cover the transports of httpx or httpx2, and the contexts that they get when they are made.

    Raises:
        NotCoveredError: it lacks a function that a block replaces.
    """
    _patches.require(
        module, "HTTPTransport.handle_request", "AsyncHTTPTransport.handle_async_request", "create_ssl_context"
    )
    library = module.__name__.partition(".")[0]
    wrappers: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
        (_patches.owner(module, "HTTPTransport"), "handle_request", _make_handle_request),
        (_patches.owner(module, "AsyncHTTPTransport"), "handle_async_request", _make_handle_async_request),
    )
    for kind, name, make in wrappers:
        _patches.wrap(kind, name, functools.partial(make, kind=kind, library=library))
    make = httpx_defaults.make_create_ssl_context
    _patches.wrap(module, "create_ssl_context", functools.partial(make, library=library))


def _make_handle_request(original: Any, kind: type, library: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        while True:
            try:
                return _bind(original, _governed(self, request, kind, library))(request)
            except _EndedError:
                continue
            except Exception as error:
                handshake.keep_with_wrapper(error)
                raise

    return handle_request


def _make_handle_async_request(original: Any, kind: type, library: str) -> Callable[..., Any]:
    @functools.wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        while True:
            try:
                return await _bind(original, _governed(self, request, kind, library))(request)
            except _EndedError:
                continue
            except Exception as error:
                handshake.keep_with_wrapper(error)
                raise

    return handle_async_request


def _bind(original: Any, transport: Any) -> Any:
    # Instrumentation and tests leave other things there than functions, and expect to be called as attributes are.
    return original.__get__(transport, type(transport)) if hasattr(type(original), "__get__") else original


def _governed(transport: Any, request: Any, kind: type, library: str) -> Any:
    """The transport, or, where a block decides something, a double of it that holds a pool of the block's."""
    entry = live.governing()
    pool = vars(transport).get("_pool")
    kind_of_pool: Any = type(pool)
    # A pool of somebody else's making is somebody else's choice.
    if entry is None or kind_of_pool.__module__.partition(".")[0] != library.replace("httpx", "httpcore"):
        return transport
    if _beside_of(pool) is None and (lacking := _lacking(pool)):
        importing.warn_not_covered(library, f"which finds no {lacking} in its pools")
        return transport
    ours = _pool_for(pool, request.url, entry.trust, library)
    if ours is None:
        return transport
    # Of the library's own class: what a subclass does at the end of its life is not for one that lives for a request.
    double: Any = object.__new__(kind)
    vars(double).update(vars(transport), _pool=ours)
    return double


def _lacking(pool: Any) -> str | None:
    """What a pool like this one would be made with, and it does not keep."""
    kind: Any = type(pool)
    return next((name for name in (*_SETTINGS, *_parameters(kind)) if f"_{name}" not in vars(pool)), None)


# What decides which context a pool needs.
_SETTINGS = ("ssl_context", "http1", "http2")


@functools.lru_cache(maxsize=16)
def _parameters(kind: Any) -> tuple[str, ...]:
    """What a pool of this class is made with, each of which it keeps under its name with an underscore before it."""
    with lock:  # a fork waits for it, and with it for the import
        import inspect

    # The user and password for a proxy it keeps as one of proxy_headers.
    return tuple(name for name in inspect.signature(kind).parameters if name != "proxy_auth")


def _pool_for(pool: Any, url: Any, trust: Trust, library: str) -> Any:
    """The block's pool beside *pool* for this URL, or ``None`` where the block has nothing to decide."""
    proxy: Any = getattr(pool, "_proxy_url", None)
    decides_proxy = proxy is not None and proxy.scheme == b"https" and pool._proxy_ssl_context is None
    decides_server = url.scheme != "http" and httpx_defaults.is_default(pool._ssl_context, library)
    if not (decides_proxy or decides_server):
        return None
    host, port = url.raw_host.decode("ascii"), url.port or 443
    beside = _beside(pool)
    key = (trust, trust.verifies(host, port) if decides_server else None)
    ours = beside.pools.get(key)
    if ours is None:
        changed: dict[str, ssl.SSLContext] = {}
        if decides_server:
            changed["ssl_context"] = OnePerConnection(_make_for(trust, pool._ssl_context, host, port))
        if decides_proxy:
            of_proxy = _make_for(trust, None, proxy.host.decode("ascii"), proxy.port or 443)
            changed["proxy_ssl_context"] = OnePerConnection(of_proxy)
        with lock:
            ours = beside.pools.get(key)
            if ours is None:  # pragma: no branch  # unless another thread was first
                ours = _like(pool, changed)
                _guard(ours, trust)
                beside.pools[key] = ours
    return ours


def _make_for(trust: Trust, own: ssl.SSLContext | None, host: str, port: int) -> Callable[[], ssl.SSLContext]:
    """What makes the context of each connection, with the settings of the client's own context if it has one."""

    def make() -> ssl.SSLContext:
        entry = next((entry for entry in live.all_live() if entry.trust == trust), None)
        if entry is None:
            raise _EndedError
        if own is None:
            return entry.resolved.verifier.borrowing(host, port, source=entry.resolved.summary)
        # One with a client certificate that cannot be read from it stays: it is verified as without a block.
        return for_ssl.stand_in(own, entry, host, port) or own

    return make


def _like(pool: Any, changed: dict[str, ssl.SSLContext]) -> Any:
    """A pool like *pool*, empty, with what is *changed*."""
    kind: Any = type(pool)
    settings = {name: getattr(pool, f"_{name}") for name in _parameters(kind)}
    if hasattr(pool, "_proxy_auth"):  # a SOCKS proxy's, which has no headers
        settings["proxy_auth"] = pool._proxy_auth
    return kind(**settings | changed)


class _EndedError(Exception):
    """The block ended while a request waited for its turn."""


def _guard(pool: Any, trust: Trust) -> None:
    """Have *pool*, one of a block's, send no request that waited in it until no block of that trust was live."""
    held = weakref.ref(pool)

    def create_connection(origin: Any) -> Any:
        pool = held()
        kind: Any = type(pool)
        connection = kind.create_connection(pool, origin)
        _check_each_turn(connection, trust)
        return connection

    pool.create_connection = create_connection


def _check_each_turn(connection: Any, trust: Trust) -> None:
    """Have *connection* take no request when no block of that trust is live: nothing of it was sent yet."""
    name = "handle_async_request" if hasattr(connection, "handle_async_request") else "handle_request"
    held = weakref.ref(connection)

    def handle(request: Any) -> Any:
        # Not whether one governs here: other code may send in a thread of its own what a local block governs.
        if not live.is_trusted(trust):
            raise _EndedError
        connection = held()
        return getattr(type(connection), name)(connection, request)

    setattr(connection, name, handle)


def _beside_of(pool: Any) -> _Beside | None:
    own = vars(pool)
    found = own.get("close", own.get("aclose"))
    return found if isinstance(found, _Beside) else None


def _beside(pool: Any) -> _Beside:
    beside = _beside_of(pool)
    if beside is None:
        with lock:
            beside = _beside_of(pool)
            if beside is None:  # pragma: no branch  # unless another thread was first
                is_async = hasattr(pool, "aclose")
                beside = (_AsyncBeside if is_async else _Beside)(pool)
                # On the pool itself: it may be closed when no block is live, and is to take ours along when it goes.
                setattr(pool, "aclose" if is_async else "close", beside)
    return beside


class _Beside:
    """The blocks' own pools, beside a transport's pool. It replaces that pool's ``close()``, and closes them all."""

    def __init__(self, pool: Any) -> None:
        self._pool = weakref.ref(pool)
        self.pools: dict[tuple[Trust, bool | None], Any] = {}

    def _all(self) -> tuple[Any, ...]:
        with lock:  # other threads add to them
            return tuple(self.pools.values())

    def __call__(self) -> Any:
        pool = self._pool()
        with contextlib.ExitStack() as stack:
            for ours in self._all():
                stack.callback(ours.close)
            if pool is not None:  # pragma: no branch  # unless its method alone was kept
                type(pool).close(pool)


class _AsyncBeside(_Beside):
    """The same for an asynchronous pool, whose ``aclose()`` it replaces."""

    async def __call__(self) -> Any:
        pool = self._pool()
        async with contextlib.AsyncExitStack() as stack:
            for ours in self._all():
                stack.push_async_callback(ours.aclose)
            if pool is not None:  # pragma: no branch  # unless its method alone was kept
                await type(pool).aclose(pool)
