"""Every SSLContext of this library is made here."""

from __future__ import annotations

import functools
import ssl
import sys

from . import connections, handshake, versions
from .connections import Plan
from .identity import IdentityMap
from .loading import load, load_readable, stats
from .lock import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .trust import Trust

    IsOver = Callable[[], bool] | None

# truststore.inject_into_ssl() puts its own class in ssl.SSLContext's place, and a subclass of that one would accept
# the system's roots beside ours. The true class is the one in its ancestry that the module ssl defined. gevent and
# eventlet put subclasses there.
TrueSSLContext: type[ssl.SSLContext] = next(cls for cls in ssl.SSLContext.__mro__ if cls.__module__ == "ssl")


def _settable(name: str) -> Any:
    """A property that sets through the C type.

    The setters of ``ssl.SSLContext`` look that name up in the module at every call, and recurse for ever once
    ``truststore.inject_into_ssl()`` has replaced it.
    """
    readable = getattr(TrueSSLContext, name)
    writable = getattr(TrueSSLContext.__base__, name)
    return property(readable.fget, writable.__set__)


_ITSELF: Any = object()


class Context(TrueSSLContext):  # type: ignore[misc, valid-type]  # a class found at run time
    """A context of ours. Its settings stay settable when somebody replaced ``ssl.SSLContext``."""

    sslsocket_class = ssl.SSLSocket
    sslobject_class = ssl.SSLObject
    # With _ITSELF in the place of this context: a cycle would keep each connection's until the collector runs.
    _plan: Plan | None = None

    minimum_version: Any = _settable("minimum_version")
    maximum_version: Any = _settable("maximum_version")
    options: Any = _settable("options")
    verify_flags: Any = _settable("verify_flags")
    verify_mode: Any = _settable("verify_mode")

    def follow(self, plan: Plan) -> None:
        """Make and verify connections as *plan* says from now on, not as any context does."""
        self._plan = plan.exchanging(self, _ITSELF)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Make a TLS socket, by the plan if there is one."""
        if self._plan is None:
            made: ssl.SSLSocket = super().wrap_socket(*args, **kwargs)
            return made
        return connections.wrap_socket(self._plan.exchanging(_ITSELF, self), *args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Make a memory connection, by the plan if there is one."""
        if self._plan is None:
            made: ssl.SSLObject = super().wrap_bio(*args, **kwargs)
            return made
        return connections.wrap_bio(self._plan.exchanging(_ITSELF, self), *args, **kwargs)


def _class_shown(own: type) -> type:
    return own if issubclass(own, ssl.SSLContext) else ssl.SSLContext


# The standard library's contexts in those of truststore's that were made here.
_within_truststores = IdentityMap()


def is_ours(context: ssl.SSLContext) -> bool:
    """Whether *context*, one of the standard library's, was made here."""
    return isinstance(context, Context) or _within_truststores.get(context) is not None


class _Borrowing(Context):
    """A context without CAs, for one connection or one client, whose connections borrow the anchors of a Verifier."""

    _verifier: Verifier | None = None

    # asyncio's start_tls() takes nothing but an instance of ssl.SSLContext, which truststore may have replaced.
    __class__ = property(lambda self: _class_shown(type(self)))

    # Decided when it was made, with check_hostname: urllib3 writes on it what is meant for another server.
    verify_mode = property(Context.verify_mode.fget, lambda _self, _mode: None)

    def load_cert_chain(self, *args: Any, **kwargs: Any) -> None:
        """Take a client certificate, and the anchors with it."""
        super().load_cert_chain(*args, **kwargs)
        # The context that lends the anchors has no client certificate. So this one gets anchors of its own.
        if self._verifier is not None and self._plan is not None:
            self._verifier.load_into(self)
            self._verifier = None
            self._plan.during = _ITSELF

    def borrow(self, verifier: Verifier, plan: Plan) -> None:
        """Let connections borrow the anchors of *verifier*, as *plan* says."""
        self._verifier = verifier
        self.follow(plan)


def _read(context: ssl.SSLContext, name: str) -> Any:
    """What *context* is, whatever its class says of it."""
    return getattr(TrueSSLContext, name).__get__(context)


class Settings:
    """What of a context is its owner's also where the block decides on trust."""

    __slots__ = ("ciphers", "key_log", "level", "values")

    def __init__(self, context: ssl.SSLContext) -> None:
        ciphers = _read(context, "get_ciphers")()
        names = (str(cipher["name"]) for cipher in ciphers if cipher["protocol"] != "TLSv1.3")
        self.ciphers: str = ":".join(names)
        self.level: int | None = _read(context, "security_level")
        self.key_log: str | None = _read(context, "keylog_filename")
        self.values: dict[str, Any] = {name: _read(context, name) for name in _COPIED}

    def write(self, context: ssl.SSLContext) -> None:
        """Give *context* the same settings, but neither what it verifies nor what it offers by ALPN."""
        for name, value in versions.without_deprecated(self.values, self.level).items():
            setattr(context, name, value)
        self.write_ciphers(context)

    def write_ciphers(self, context: ssl.SSLContext) -> None:
        """Give *context* the same ciphers and key log, which a connection takes from the context that it borrows."""
        if self.ciphers:
            context.set_ciphers(f"{self.ciphers}:@SECLEVEL={self.level}")
        if self.key_log:
            context.keylog_filename = self.key_log

    @property
    def chooses_versions(self) -> bool:
        """Whether somebody set the lowest version, which is otherwise what this Python was built with."""
        return bool(self.values["minimum_version"] != _default_settings().values["minimum_version"])

    @property
    def of_loan(self) -> tuple[object, ...]:
        """What the context that is borrowed must have in common with the one that borrows."""
        return self.ciphers, self.level, self.key_log


_COPIED = ("options", "minimum_version", "maximum_version", "hostname_checks_common_name", "post_handshake_auth")


_defaults: Settings | None = None


def _default_settings(new: Context | None = None) -> Settings:
    """The settings of a new context, read once: from *new*, where one is at hand, since another takes time to make."""
    global _defaults
    if _defaults is None:
        _defaults = Settings(new or Context(ssl.PROTOCOL_TLS_CLIENT))
    return _defaults


class Verifier:
    """Makes the contexts of one Trust. They share its parsed certificates, which no user of a context can reach.

    Args:
        trust: what is trusted.

    Attributes:
        refused: positions of the anchors that OpenSSL cannot read.
        authorities: how many anchors are CAs.

    Raises:
        OSError: the key log cannot be written.
    """

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self._lent: dict[tuple[object, ...], ssl.SSLContext] = {}
        self.refused: tuple[int, ...] = ()
        self.authorities: int = 0
        if trust.insecure is True:
            self.new()  # what is wrong with it is an error at entry
            return
        first = Context(ssl.PROTOCOL_TLS_CLIENT)
        settings = _default_settings(first)
        self.refused = load(first, trust.anchors)
        self.authorities = stats(first)["x509_ca"]
        if not trust.native:
            self._lent[settings.of_loan] = self._finish(first)

    def new(self, host: str | None = None, port: int | None = None, *, source: str | None = None) -> ssl.SSLContext:
        """A private context that verifies this host by itself, and outlives every block."""
        if not self.trust.verifies(host, port):
            return self._unverified(Context(ssl.PROTOCOL_TLS_CLIENT), source=source)
        if self.trust.native:
            return self._native(source, None)
        context = Context(ssl.PROTOCOL_TLS_CLIENT)
        self.load_into(context)
        context.follow(Plan(creating=context, during=context, shown=context, trust=self.trust, source=source))
        return context

    def borrowing(
        self, host: str | None, port: int | None, *, source: str | None = None, is_over: IsOver = None
    ) -> ssl.SSLContext:
        """A private context for connections to this host that end with their block; cheap to make."""
        if not self.trust.verifies(host, port):
            return self._unverified(_Borrowing(ssl.PROTOCOL_TLS_CLIENT), source=source, is_over=is_over)
        if self.trust.native:
            return self._native(source, is_over)
        context = _Borrowing(ssl.PROTOCOL_TLS_CLIENT)
        self._harden(context)
        return self._borrow(context, _default_settings(), source, is_over)

    def stand_in(  # noqa: PLR0913  # all of them facts of one connection
        self,
        settings: Settings,
        *,
        verified: bool,
        check_hostname: bool,
        verify_flags: int,
        source: str | None = None,
        is_over: IsOver = None,
    ) -> ssl.SSLContext:
        """A private context in place of one that has these settings."""
        if not verified:
            context = self._unverified(_Borrowing(ssl.PROTOCOL_TLS_CLIENT), source=source, is_over=is_over)
            settings.write(context)
            context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
            return context
        if self.trust.native:
            context = self._native(source, is_over)
            self._write(settings, context)
            context.check_hostname = check_hostname
            return context
        context = _Borrowing(ssl.PROTOCOL_TLS_CLIENT)
        self._write(settings, context)
        context.check_hostname = check_hostname
        self._borrow(context, settings, source, is_over)
        context.verify_flags = ssl.VerifyFlags(self._flags(verify_flags))
        return context

    def with_client_certificate(
        self,
        settings: Settings,
        load_certificate: Callable[[ssl.SSLContext], None],
        *,
        check_hostname: bool,
        verify_flags: int,
        source: str | None = None,
    ) -> ssl.SSLContext:
        """A private context with these settings, the anchors, and a client certificate."""
        context = Context(ssl.PROTOCOL_TLS_CLIENT)
        self.load_into(context)
        settings.write(context)
        context.check_hostname = check_hostname
        context.follow(Plan(creating=context, during=context, shown=context, trust=self.trust, source=source))
        context.verify_flags = ssl.VerifyFlags(self._flags(verify_flags))
        load_certificate(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Give *context* the anchors."""
        readable = [der for place, der in enumerate(self.trust.anchors) if place not in self.refused]
        load_readable(context, readable)
        return self._finish(context)

    def _finish(self, context: ssl.SSLContext) -> ssl.SSLContext:
        # PROTOCOL_TLS_CLIENT starts with CERT_REQUIRED and check_hostname on; both are left alone here.
        context.verify_flags |= self.trust.flags
        if self.trust.folder:
            context.load_verify_locations(capath=self.trust.folder)
        return self._harden(context)

    def _write(self, settings: Settings, context: ssl.SSLContext) -> None:
        settings.write(context)
        if not settings.chooses_versions:
            self._harden(context)

    def _flags(self, own: int) -> int:
        """The verify flags of a context that had *own*: all of them, but a strictness that is merely Python's default.

        CRL checks stay, and so does a strictness that Python did not set by itself.
        """
        if own == _PYTHONS_STRICT_FLAGS and not self.trust.strict:
            own &= ~ssl.VERIFY_X509_STRICT
        return own | self.trust.flags

    def _borrow(self, context: _Borrowing, settings: Settings, source: str | None, is_over: IsOver) -> ssl.SSLContext:
        context.verify_flags |= self.trust.flags
        during = self.lend(settings)
        plan = Plan(creating=context, during=during, shown=context, trust=self.trust, source=source, is_over=is_over)
        context.borrow(self, plan)
        return context

    def lend(self, settings: Settings) -> ssl.SSLContext:
        """The context with the anchors, for connections of contexts that have these settings; for handshakes alone."""
        key = settings.of_loan
        lent = self._lent.get(key)
        if lent is None:
            with lock:
                lent = self._lent.get(key) or self._load_loan(settings)
                self._lent = {**dict(list(self._lent.items())[-_MOST_LENT:]), key: lent}
        return lent

    def _load_loan(self, settings: Settings) -> ssl.SSLContext:
        lent = self.load_into(Context(ssl.PROTOCOL_TLS_CLIENT))
        settings.write_ciphers(lent)
        return lent

    def _native(self, source: str | None, is_over: IsOver) -> ssl.SSLContext:
        # One a connection: truststore holds its context's lock during the handshake, and one stalled server would hold
        # up all others.
        with lock:  # a fork waits for it, and with it for the import
            import truststore

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        plan = Plan(creating=context, during=context, shown=context, trust=self.trust, source=source, is_over=is_over)
        handshake.watch(context, plan)
        _within_truststores.set(getattr(context, "_ctx", context), True)  # noqa: FBT003  # a value, not a switch
        return self.load_into(context)

    def _unverified(self, context: Context, *, source: str | None, is_over: IsOver = None) -> ssl.SSLContext:
        context.check_hostname = False
        Context.verify_mode.fset(context, ssl.CERT_NONE)
        plan = Plan(creating=context, during=context, shown=context, trust=self.trust, source=source, is_over=is_over)
        context.follow(plan)
        return self._harden(context)

    def _harden(self, context: ssl.SSLContext) -> ssl.SSLContext:
        # RFC 8996 deprecates TLS 1.0 and 1.1, which a Python built to follow OpenSSL's configuration may still allow.
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        if self.trust.key_log:
            context.keylog_filename = self.trust.key_log
        return context


# Programs have few sets of ciphers.
_MOST_LENT = 15
# What create_default_context() and urllib3 set by themselves from Python 3.13 on.
_PYTHONS_STRICT_FLAGS = (
    ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if sys.version_info >= (3, 13)
    else -1
)


def verifier(trust: Trust) -> Verifier:
    """What makes the contexts of *trust*: one for equal values.

    Raises:
        OSError: the key log cannot be written.
    """
    # With a key log its contexts hold a file open, which is to be closed when the last block with it is gone.
    with lock:
        return Verifier(trust) if trust.key_log else _verifier(trust)


@functools.lru_cache(maxsize=8)
def _verifier(trust: Trust) -> Verifier:
    return Verifier(trust)


def count_in(path: str) -> int:
    """How many certificates OpenSSL, and so most programs, find in the PEM file at *path*; 0 where it is none."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except OSError:  # ssl.SSLError is one
        return 0
    return stats(context)["x509"]
