"""Python's own TLS, under every client: the connections of a context with default trust are verified by the block.

Two methods make all of them, ``SSLContext.wrap_socket`` and ``wrap_bio``. The context stays the caller's, and so does
all that it says but the anchors: the connection borrows those for its handshake. What it cannot borrow is decided by a
context that stands in when the connection is made: no verification for an insecure host, and no strictness where that
is merely Python's default.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import weakref
from contextvars import ContextVar

from ..core import connections, live, probing
from ..core.connections import Plan
from ..core.contexts import Context, Settings, TrueSSLContext, is_ours
from ..core.hosts import normalise_host
from ..core.lock import lock
from ..sources import defaults
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..core.live import Entry

_patches = Patches()


class _Known:
    """What is known of one context while a block lives.

    Attributes:
        loads: whether each load of CAs since the context was made was a default's; ``None`` where it was made before.
        certificate: the arguments of the client certificate that was loaded; ``None`` where none was seen.
        looks: the settings and numbers of certificates for which the rest holds.
        default: whether its trust is default.
        settings: what is its owner's in any case.
        protocols: what it offers by ALPN; ``None`` where that is not known yet.
        has_key: whether it has a client certificate; ``None`` where that is not known yet.
        stand_ins: contexts that stand in for it, by what verifies.
    """

    __slots__ = ("certificate", "default", "has_key", "loads", "looks", "protocols", "settings", "stand_ins")

    def __init__(self, *, is_new: bool) -> None:
        self.loads: list[bool] | None = [] if is_new else None
        self.certificate: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.protocols: list[str] | None = [] if is_new else None
        self.has_key: bool | None = False if is_new else None
        self.forget()

    def forget(self) -> None:
        """Look at the context anew."""
        self.looks: object = None
        self.default = False
        self.settings: Settings | None = None
        self.stand_ins: dict[object, ssl.SSLContext] = {}


# Emptied when the last block ends: what happens to a context outside is not seen.
_known: weakref.WeakKeyDictionary[ssl.SSLContext, _Known] = weakref.WeakKeyDictionary()

# Where a client that knows it is connecting to.
_destination: ContextVar[tuple[str, int | None] | None] = ContextVar("trusted_context_destination", default=None)


def install() -> None:
    """Put a look at its context before every TLS connection of this process."""
    _patches.wrap(TrueSSLContext, "wrap_socket", _make_wrap_socket)
    _patches.wrap(TrueSSLContext, "wrap_bio", _make_wrap_bio)
    _patches.wrap(TrueSSLContext, "__new__", _make_new)
    for name in ("load_default_certs", "set_default_verify_paths"):
        _patches.override(TrueSSLContext, name, _make_load_defaults)
    _patches.override(TrueSSLContext, "load_verify_locations", _make_load_verify_locations)
    _patches.override(TrueSSLContext, "load_cert_chain", _make_load_cert_chain)
    _patches.override(TrueSSLContext, "set_alpn_protocols", _make_set_alpn_protocols)
    _patches.override(TrueSSLContext, "set_ciphers", _make_set_ciphers)


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    global _known
    replaced = _patches.restore()
    _known = weakref.WeakKeyDictionary()
    return replaced


# Whether a client that knows more says that no block decides on its connection.
_left_alone: ContextVar[bool] = ContextVar("trusted_context_left_alone", default=False)


@contextlib.contextmanager
def left_alone() -> Iterator[None]:
    """Leave alone the connections made inside: their trust was chosen, also where it equals a default."""
    token = _left_alone.set(True)
    try:
        yield
    finally:
        _left_alone.reset(token)


@contextlib.contextmanager
def going_to(host: str, port: int | None) -> Iterator[None]:
    """Tell, for connections made inside, the server's host and port, of which the layer sees the host alone."""
    token = _destination.set((normalise_host(host), port))
    try:
        yield
    finally:
        _destination.reset(token)


def is_default(context: Any) -> bool:
    """Whether nobody chose what *context* trusts: its CAs are a default's, and it verifies by them."""
    inner = defaults.inner_of(context)
    # A subclass may have taken the hash away, by which contexts are remembered.
    if inner is None or type(inner).__hash__ is None or is_ours(inner) or inner.verify_mode == ssl.CERT_NONE:
        return False
    if inner is not context:
        # truststore's own, which trusts what the operating system does, and what was loaded into it.
        return not any(inner.cert_store_stats().values()) or _look(inner).default
    if _is_overridden(inner) or inner.protocol not in _PROTOCOLS:
        return False
    return _look(inner).default


# Those with a version of their own are told from these by nothing that could be copied.
_PROTOCOLS = (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS)


def stand_in(context: Any, entry: Entry, host: str | None, port: int | None) -> ssl.SSLContext | None:
    """A private context for a client that keeps its connections apart: the settings of *context*, a block's trust.

    ``None`` where *context* has a client certificate that cannot be read from it.
    """
    context = defaults.inner_of(context)
    known, verified = _look(context), entry.trust.verifies(host, port)
    if not _has_key(context, known):
        return _make_stand_in(context, known, entry, verified=verified)
    if verified:
        return _with_key(context, known, entry)
    made = _make_stand_in(context, known, entry, verified=False)
    if isinstance(made, Context):
        # Nothing is verified, so the anchors do not matter: what is borrowed is the client certificate.
        plan = Plan(
            creating=made, during=context, shown=made, trust=entry.trust, source=entry.resolved.summary, is_over=None
        )
        made.follow(plan)
    return made


def _is_overridden(context: Any) -> bool:
    """Whether somebody gave *context*, or its class, a way of its own to make connections: a choice."""
    return any(
        name in vars(context) or getattr(type(context), name) is not vars(TrueSSLContext)[name]
        for name in ("wrap_socket", "wrap_bio")
    )


def _known_of(context: Any) -> _Known | None:
    try:
        return _known.get(context)
    except TypeError:  # a subclass whose instances cannot be hashed
        return None


def _look(context: Any) -> _Known:
    known = _known_of(context)
    if known is None:
        with lock:
            known = _known.setdefault(context, _Known(is_new=False))
    looks = _looks(context)
    if known.looks != looks:
        known.forget()
        known.default = _has_default_loads(known) or defaults.is_default(context)
        known.settings = Settings(context)
        known.looks = _looks(context)  # OpenSSL has put into its memory what it found in a folder
    return known


def _has_default_loads(known: _Known) -> bool:
    return bool(known.loads) and all(known.loads or ())


def _looks(context: Any) -> tuple[object, ...]:
    return (*(getattr(context, name) for name in _LOOKS), tuple(context.cert_store_stats().values()))


_LOOKS = (
    "verify_flags",
    "check_hostname",
    "options",
    "minimum_version",
    "maximum_version",
    "hostname_checks_common_name",
    "post_handshake_auth",
    "keylog_filename",
)


def _has_key(context: Any, known: _Known) -> bool:
    if known.has_key is None:
        known.has_key = probing.has_client_certificate(context)
    return known.has_key


def _with_key(context: Any, known: _Known, entry: Entry) -> ssl.SSLContext | None:
    """A context with the anchors and the client certificate; ``None`` where that was loaded before, or is gone."""
    if known.certificate is None or known.settings is None or entry.trust.native:
        return None
    args, kwargs = known.certificate
    try:
        made = entry.resolved.verifier.with_client_certificate(
            known.settings,
            lambda private: private.load_cert_chain(*args, **kwargs),
            check_hostname=context.check_hostname,
            verify_flags=context.verify_flags,
            source=entry.resolved.summary,
        )
    except OSError:  # ssl.SSLError is one; the files were removed since
        return None
    _copy_protocols(context, known, made)
    return made


def _make_stand_in(context: Any, known: _Known, entry: Entry, *, verified: bool) -> ssl.SSLContext:
    assert known.settings
    made = entry.resolved.verifier.stand_in(
        known.settings,
        verified=verified,
        check_hostname=context.check_hostname,
        verify_flags=context.verify_flags,
        source=entry.resolved.summary,
    )
    _copy_protocols(context, known, made)
    return made


def _copy_protocols(context: Any, known: _Known, made: ssl.SSLContext) -> None:
    if known.protocols is None:
        known.protocols = probing.alpn_protocols(context)
    if known.protocols:
        made.set_alpn_protocols(known.protocols)


def _plan_for(context: Any, server_hostname: Any, *, is_connected: bool) -> Plan | ssl.SSLContext | None:
    """How a connection of *context* is made: by a plan, by another context, or as it would be without a block."""
    entry = live.governing()
    if entry is None or _left_alone.get() or not is_default(context):
        return None
    known, verified = _look(context), entry.trust.verifies(*_where(server_hostname))
    has_key = _has_key(context, known)
    creating = _remembered(context, known, entry, verified=verified, has_key=has_key, is_connected=is_connected)
    if creating is None or (entry.trust.native and verified):
        return creating
    assert known.settings
    lent = creating if has_key else entry.resolved.verifier.lend(known.settings)
    during = lent if verified else context
    return _plan(creating, during, context, entry)


def _plan(creating: ssl.SSLContext, during: ssl.SSLContext, shown: ssl.SSLContext, entry: Entry) -> Plan:
    return Plan(
        creating=creating,
        during=during,
        shown=shown,
        trust=entry.trust,
        source=entry.resolved.summary,
        is_over=entry.is_over,
    )


def _remembered(  # all of them facts of one connection
    context: Any, known: _Known, entry: Entry, *, verified: bool, has_key: bool, is_connected: bool
) -> ssl.SSLContext | None:

    def make() -> ssl.SSLContext | None:
        if has_key and verified:
            return _with_key(context, known, entry)
        return _make_stand_in(context, known, entry, verified=verified)

    # Until it is connected, a socket shows the context that it is made by: so that is its own.
    if not is_connected or (entry.trust.native and verified):
        return make()
    key = (entry.resolved.verifier, verified)
    found = known.stand_ins.get(key)
    if found is None:
        made = make()
        if made is None:
            return None
        found = known.stand_ins.setdefault(key, made)
    return found


def _where(server_hostname: Any) -> tuple[str | None, int | None]:
    if not server_hostname:
        return None, None
    host = server_hostname.decode("ascii", "replace") if isinstance(server_hostname, bytes) else str(server_hostname)
    told = _destination.get()
    # A port is believed for the server alone, not for an https:// proxy on the way.
    return host, told[1] if told is not None and told[0] == normalise_host(host) else None


def _make_wrap_socket(original: Callable[..., ssl.SSLSocket]) -> Callable[..., ssl.SSLSocket]:
    @functools.wraps(original)
    def wrap_socket(  # as it is there
        self: Any,
        sock: socket.socket,
        server_side: bool = False,  # noqa: FBT002
        do_handshake_on_connect: bool = True,  # noqa: FBT002
        suppress_ragged_eofs: bool = True,  # noqa: FBT002
        server_hostname: Any = None,
        session: Any = None,
    ) -> ssl.SSLSocket:
        rest = (server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session)
        found = None if server_side else _plan_for(self, server_hostname, is_connected=_is_connected(sock))
        if found is None:
            return original(self, sock, *rest)
        if isinstance(found, Plan):
            return connections.wrap_socket(found, sock, *rest)
        return found.wrap_socket(sock, *rest[:-1])

    return wrap_socket


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _make_wrap_bio(original: Callable[..., ssl.SSLObject]) -> Callable[..., ssl.SSLObject]:
    @functools.wraps(original)
    def wrap_bio(  # as it is there
        self: Any,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT002
        server_hostname: Any = None,
        session: Any = None,
    ) -> ssl.SSLObject:
        rest = (server_side, server_hostname, session)
        found = None if server_side else _plan_for(self, server_hostname, is_connected=True)
        if found is None:
            return original(self, incoming, outgoing, *rest)
        if isinstance(found, Plan):
            return connections.wrap_bio(found, incoming, outgoing, *rest)
        return found.wrap_bio(incoming, outgoing, *rest[:-1])

    return wrap_bio


def _make_new(original: staticmethod[..., ssl.SSLContext]) -> staticmethod[..., ssl.SSLContext]:
    @functools.wraps(original.__func__)
    def new(cls: type, *args: Any, **kwargs: Any) -> ssl.SSLContext:
        made: ssl.SSLContext = original.__func__(cls, *args, **kwargs)
        if not isinstance(made, Context):
            with lock, contextlib.suppress(TypeError):
                _known[made] = _Known(is_new=True)
        return made

    return staticmethod(new)


def _noting(original: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    """A method that lets *note* know what was done to a context that is not ours."""

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        known = None if isinstance(self, Context) else _known_of(self)
        if known is not None:
            note(known, *args, **kwargs)
        return result

    return method


def _make_load_defaults(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> None:
        known = None if isinstance(self, Context) else _known_of(self)
        before = known.loads if known else None
        original(self, *args, **kwargs)
        if known is not None and before is not None:
            known.loads = [*before, True]  # whatever it called for that

    return method


def _make_load_verify_locations(original: Callable[..., None]) -> Callable[..., None]:
    def note(known: _Known, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        if known.loads is not None:
            paths = [path for path in (cafile, capath) if path is not None]
            is_default = cadata is None and all(map(defaults.is_default_path, paths))
            known.loads = [*known.loads, is_default]

    return _noting(original, note)


def _make_load_cert_chain(original: Callable[..., None]) -> Callable[..., None]:
    def note(known: _Known, *args: Any, **kwargs: Any) -> None:
        known.certificate = args, kwargs
        known.has_key = True
        known.stand_ins = {}

    return _noting(original, note)


def _make_set_alpn_protocols(original: Callable[..., None]) -> Callable[..., None]:
    def note(known: _Known, alpn_protocols: Any) -> None:
        protocols = list(alpn_protocols)
        if known.protocols != protocols:
            known.protocols = protocols
            known.stand_ins = {}

    return _noting(original, note)


def _make_set_ciphers(original: Callable[..., None]) -> Callable[..., None]:
    def note(known: _Known, *_args: Any) -> None:
        known.looks = None

    return _noting(original, note)
