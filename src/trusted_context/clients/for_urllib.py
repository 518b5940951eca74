"""urllib.request's global opener, and http.client under every opener.

Connections with a default context are verified by the block as those of every client are (``for_ssl``). Here are those
that are verified by it though their context is another: what the global opener was built with gives way to the block,
and so does what a program made the default of all its connections to skip verification.
"""

from __future__ import annotations

import functools
import http.client
import ssl
import urllib.request
import weakref
from contextvars import ContextVar
from urllib.request import AbstractHTTPHandler, HTTPSHandler, OpenerDirector

from ..core import live
from ..core.contexts import Context
from ..core.identity import IdentityMap
from ..core.lock import lock
from ..sources import defaults
from . import downgrade, for_ssl, seen_contexts
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core.live import Entry

# What decides the trust of a connection is private there; typeshed does not know it.
_urllib: Any = urllib.request
_ssl: Any = ssl

_patches = Patches()
# What was the global opener before, while we are installed: an opener, or None.
_before: list[OpenerDirector | None] = []

# The opener that a call of the global opener is in, and the connections that were made for such calls.
_through: ContextVar[OpenerDirector | None] = ContextVar("trusted_context_opener", default=None)
_made_by_global_opener: weakref.WeakSet[http.client.HTTPConnection] = weakref.WeakSet()
# Contexts that stand for none.
_placeholders = IdentityMap()


def install() -> None:
    """Put our opener in the global one's place, and ask which block governs whenever a connection is made.

    Raises:
        LookupError: http.client's own class is nowhere to be found.
    """
    _before.append(_urllib._opener)
    owners = _find_https_connection(), urllib.request.AbstractHTTPHandler, urllib.request.OpenerDirector
    _patches.repeat(functools.partial(_replace, *owners), *owners)
    urllib.request.install_opener(_GlobalOpener(_before[0]))


def _replace(connection: type, handler: type, opener: type) -> None:
    _patches.wrap(connection, "connect", _make_connect)
    _patches.wrap(handler, "do_open", _make_do_open)
    _patches.wrap(opener, "open", _make_open)


def restore() -> list[str]:
    """Put back the very opener that was there, ``None`` included, and the methods where they are still ours."""
    if _before:  # pragma: no branch  # Ctrl-C may come before it is filled, as test_interrupts.py has it, unmeasured
        _urllib._opener = _before[0]
        _before.clear()
    return _patches.restore()


def _find_https_connection() -> type:
    """http.client's own class, also while a recorder such as vcrpy has put a double in its place."""
    present = http.client.HTTPSConnection
    if _is_genuine(present, "HTTPSConnection"):
        return present
    for base in object.__subclasses__():
        if _is_genuine(base, "HTTPConnection"):
            for found in base.__subclasses__():
                if _is_genuine(found, "HTTPSConnection"):
                    return found
    raise LookupError("http.client.HTTPSConnection was replaced, and the class it was is gone")


def _is_genuine(cls: type, name: str) -> bool:
    return (cls.__module__, cls.__qualname__) == ("http.client", name) and "connect" in vars(cls)


def _make_connect(original: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(original)
    def connect(self: Any) -> None:
        entry = live.governing()
        if entry is None:
            return original(self)
        host, port = (self._tunnel_host, self._tunnel_port) if self._tunnel_host else (self.host, self.port)
        own = self._context
        if _gives_way(self, own, verified=entry.trust.verifies(host, port)):
            # For the time of the handshake alone: what the connection was built with is what it has afterwards.
            self._context = _make_context(entry, host, port)
        try:
            with for_ssl.going_to(host, port):
                return original(self)
        finally:
            self._context = own

    return connect


def _make_context(entry: Entry, host: str, port: int) -> ssl.SSLContext:
    """A context of the block's, with what http.client sets on its own."""
    context = entry.resolved.verifier.borrowing(host, port, source=entry.resolved.summary, is_over=entry.is_over)
    context.set_alpn_protocols(["http/1.1"])
    context.post_handshake_auth = True
    return context


def _gives_way(connection: Any, context: Any, *, verified: bool) -> bool:
    """Whether the block puts a context in the place of the connection's own.

    A default one stays, with its owner's settings: its connections are verified by the block all the same. A chosen one
    stays too, unless the global opener was built with it and the block verifies.
    """
    if _placeholders.get(context):
        return True
    if connection in _made_by_global_opener:
        return verified and not seen_contexts.is_default(context)
    return _is_pasted(context)


def _is_pasted(context: Any) -> bool:
    """Whether http.client made this context while ``ssl._create_default_https_context`` was one that does not verify.

    http.client enables post-handshake authentication on what it makes, which no function of the module ssl does.
    """
    if _ssl._create_default_https_context is ssl.create_default_context or defaults.inner_of(context) is not context:
        return False
    unverified = context.verify_mode == ssl.CERT_NONE and not context.cert_store_stats()["x509"]
    return unverified and bool(context.post_handshake_auth)


def _make_do_open(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def do_open(self: AbstractHTTPHandler, http_class: Any, *args: Any, **kwargs: Any) -> Any:
        # A handler, or the body of a request, may open connections of its own, whose context is somebody's choice.
        through = _through.get()
        if not any(self is handler for handler in getattr(through, "handlers", ())):
            return original(self, http_class, *args, **kwargs)

        def make(*of_connection: Any, **settings: Any) -> Any:
            connection = http_class(*of_connection, **settings)
            if isinstance(connection, http.client.HTTPConnection):
                _made_by_global_opener.add(connection)
            return connection

        return original(self, make, *args, **kwargs)

    return do_open


def _make_open(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def opening(self: OpenerDirector, fullurl: Any, *args: Any, **kwargs: Any) -> Any:
        if self is _through.get() or self is _urllib._opener:
            return downgrade.guarded(original, self, fullurl, *args, **kwargs)
        return original(self, fullurl, *args, **kwargs)

    return opening


class _GlobalOpener(OpenerDirector):
    """The opener that was installed before, in everything; its calls alone are marked as the global opener's.

    No handler is copied or moved: each has one ``parent``, and keeps the state of the opener it belongs to.
    """

    def __init__(self, before: OpenerDirector | None) -> None:
        object.__setattr__(self, "_inner", before)

    def open(self, *args: Any, **kwargs: Any) -> Any:
        inner = object.__getattribute__(self, "_get_inner")()
        # Kept by somebody and called after the block, it is no longer the global opener.
        token = _through.set(inner if _urllib._opener is self else None)
        try:
            return inner.open(*args, **kwargs)
        finally:
            _through.reset(token)

    def _get_inner(self) -> OpenerDirector:
        # Built at its first use, as urlopen() does it: an opener keeps the proxies that were set when it was made.
        with lock:  # one for all threads, since what is set on it is to stay
            if object.__getattribute__(self, "_inner") is None:
                object.__setattr__(self, "_inner", urllib.request.build_opener(_LazyHTTPSHandler()))
        inner: OpenerDirector = object.__getattribute__(self, "_inner")
        return inner

    def __getattribute__(self, name: str) -> Any:
        if name in ("open", "__class__"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_get_inner")(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_get_inner")(), name, value)


class _LazyHTTPSHandler(HTTPSHandler):
    """The ordinary handler without its context: from Python 3.12 it would load the system's store to no purpose."""

    def __init__(self) -> None:
        AbstractHTTPHandler.__init__(self)
        # It trusts no CA, and gives way when a connection is made.
        self._placeholder = Context(ssl.PROTOCOL_TLS_CLIENT)
        _placeholders.set(self._placeholder, True)  # noqa: FBT003  # a value, not a switch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        # The class as it is at the call: a recorder may have put a double there.
        context = self._placeholder if live.governing() else None
        return self.do_open(http.client.HTTPSConnection, req, context=context)
