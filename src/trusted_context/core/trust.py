"""Trust: an immutable value that says what verifies a server, and builds the SSLContexts that do it."""

from __future__ import annotations

import functools
import ssl

from . import handshake
from .hosts import normalise_host
from .lock import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, TypeAlias

    from .hosts import Host

    Insecure: TypeAlias = bool | frozenset[Host]
    Configure: TypeAlias = Callable[[ssl.SSLContext], None]

# truststore.inject_into_ssl() puts its own class in ssl.SSLContext's place, and a subclass of that one would accept
# the system's roots beside ours. The true class is the one in its ancestry that the module ssl defined.
_TrueSSLContext: type[ssl.SSLContext] = next(cls for cls in ssl.SSLContext.__mro__ if cls.__module__ == "ssl")


def _settable(name: str) -> Any:
    """A property that sets through the C type.

    The setters of ``ssl.SSLContext`` look that name up in the module at every call, and recurse for ever once
    ``truststore.inject_into_ssl()`` has replaced it.
    """
    readable = getattr(_TrueSSLContext, name)
    writable = getattr(_TrueSSLContext.__base__, name)
    return property(readable.fget, writable.__set__)


class _Context(_TrueSSLContext):  # type: ignore[misc, valid-type]  # a class found at run time
    """The standard library's context, whose settings stay settable when somebody replaced ``ssl.SSLContext``.

    A verification that fails by it keeps what the server presented, with what was trusted.
    """

    sslsocket_class = handshake.Socket
    sslobject_class = handshake.Object
    trust: Trust | None = None

    minimum_version = _settable("minimum_version")
    maximum_version = _settable("maximum_version")
    options = _settable("options")
    verify_flags = _settable("verify_flags")
    verify_mode = _settable("verify_mode")


class Trust:
    """What a block trusts. Equal values share their contexts; nothing in a value ever changes.

    Args:
        anchors: DER certificates, any of which may end a chain.
        folder: a folder of hashed names where OpenSSL looks for more anchors when it needs one.
        native: the operating system verifies by its own rules (Windows, macOS), with *anchors* beside its store.
        insecure: ``True`` for no verification at all, or the hosts that are not verified.
        strict: add RFC 5280 strictness (``VERIFY_X509_STRICT``).
        key_log: where the keys of connections are written for Wireshark, as ``create_default_context()`` does.
    """

    __slots__ = ("_built", "_hash", "anchors", "folder", "insecure", "key_log", "native", "strict")

    def __init__(  # noqa: PLR0913  # a value is made of all its parts
        self,
        anchors: tuple[bytes, ...] = (),
        *,
        folder: str | None = None,
        native: bool = False,
        insecure: Insecure = False,
        strict: bool = False,
        key_log: str | None = None,
    ) -> None:
        self.anchors = anchors
        self.folder = folder
        self.native = native
        self.insecure = insecure
        self.strict = strict
        self.key_log = key_log
        self._hash = hash(self._key())
        self._built: _Contexts | None = None

    def _key(self) -> tuple[object, ...]:
        return (self.anchors, self.folder, self.native, self.insecure, self.strict, self.key_log)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trust) and self._key() == other._key()

    def without_contexts(self) -> Trust:
        """An equal value that keeps nothing alive: for what its own contexts hold."""
        return Trust(
            self.anchors,
            folder=self.folder,
            native=self.native,
            insecure=self.insecure,
            strict=self.strict,
            key_log=self.key_log,
        )

    def verifies(self, host: str | None, port: int | None) -> bool:
        """Whether a connection to exactly this host and port is verified."""
        if isinstance(self.insecure, bool):
            return not self.insecure
        if not self.insecure or host is None:
            return True
        name = normalise_host(host)
        return (name, None) not in self.insecure and (name, port) not in self.insecure

    def new_context(self, host: str | None = None, port: int | None = None) -> ssl.SSLContext:
        """A private context for this host, that nobody else holds."""
        return self._contexts.new(verified=self.verifies(host, port))

    def shared_context(self, configure: Configure, host: str | None, port: int | None) -> ssl.SSLContext:
        """The context for this host that *configure* prepared: for a client that writes nothing more to it."""
        return self._contexts.shared(configure, verified=self.verifies(host, port))

    @property
    def _contexts(self) -> _Contexts:
        built = self._built
        if built is None:
            with lock:
                # With a key log they hold a file open, which is to be closed when the last block with it is gone.
                built = self._built = _Contexts(self) if self.key_log else _contexts_of(self)
        return built

    def prove(self) -> None:
        """Build the first context now.

        Raises:
            OSError: it cannot be built, since the key log cannot be written.
        """
        self._contexts  # noqa: B018  # building it is the proof

    @property
    def refused(self) -> tuple[int, ...]:
        """Positions of the anchors that OpenSSL cannot read."""
        return self._contexts.refused

    @property
    def authorities(self) -> int:
        """How many anchors are CAs."""
        return self._contexts.authorities

    @property
    def flags(self) -> ssl.VerifyFlags:
        """The verify flags that are in force for verified hosts."""
        return _VERIFY_FLAGS | ssl.VERIFY_X509_STRICT if self.strict else _VERIFY_FLAGS


# RFC 5280, 6.1 leaves it to the user what an anchor is; OpenSSL alone insists on a self-signed one.
_VERIFY_FLAGS = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN


class _Contexts:
    """The contexts of one Trust: the one that proved its anchors is the first to be used."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._shared: dict[tuple[Configure, bool], ssl.SSLContext] = {}
        self._spare: list[ssl.SSLContext] = []
        self.refused: tuple[int, ...] = ()
        self.authorities = 0
        if trust.insecure is True:
            _unverified(trust)  # what is wrong with it is an error at entry
            return
        first = _Context(ssl.PROTOCOL_TLS_CLIENT)
        self.refused = _load(first, trust.anchors)
        self.authorities = first.cert_store_stats()["x509_ca"]
        if not trust.native:
            self._spare.append(_prepare(first, trust))

    def new(self, *, verified: bool) -> ssl.SSLContext:
        if not verified:
            return _unverified(self._trust)
        try:
            return self._spare.pop()
        except IndexError:
            return self._build()

    def _build(self) -> ssl.SSLContext:
        if self._trust.native:
            import truststore

            context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            handshake.watch(context, self._trust.without_contexts())
        else:
            context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        readable = [der for place, der in enumerate(self._trust.anchors) if place not in self.refused]
        if readable:
            context.load_verify_locations(cadata=b"".join(readable))
        return _prepare(context, self._trust)

    def shared(self, configure: Configure, *, verified: bool) -> ssl.SSLContext:
        # truststore holds its context's lock during the handshake: shared, one stalled server would hold up all.
        if verified and self._trust.native:
            return self._configured(configure, verified=True)
        key = (configure, verified)
        context = self._shared.get(key)
        if context is None:
            with lock:
                context = self._shared.get(key) or self._shared.setdefault(
                    key, self._configured(configure, verified=verified)
                )
        return context

    def _configured(self, configure: Configure, *, verified: bool) -> ssl.SSLContext:
        context = self.new(verified=verified)
        configure(context)
        return context


@functools.lru_cache(maxsize=8)
def _contexts_of(trust: Trust) -> _Contexts:
    return _Contexts(trust)


def _prepare(context: ssl.SSLContext, trust: Trust) -> ssl.SSLContext:
    # PROTOCOL_TLS_CLIENT starts with CERT_REQUIRED and check_hostname on; both are left alone here.
    context.verify_flags |= trust.flags
    if trust.folder:
        context.load_verify_locations(capath=trust.folder)
    if isinstance(context, _Context):
        context.trust = trust.without_contexts()
    return _harden(context, trust)


def _unverified(trust: Trust) -> ssl.SSLContext:
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _harden(context, trust)


def _harden(context: ssl.SSLContext, trust: Trust) -> ssl.SSLContext:
    # RFC 8996 deprecates TLS 1.0 and 1.1, which a Python built to follow OpenSSL's configuration may still allow.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if trust.key_log:
        context.keylog_filename = trust.key_log
    return context


def _load(context: ssl.SSLContext, certificates: Collection[bytes]) -> tuple[int, ...]:
    """Add *certificates*, each another, to an empty context; return the positions of those that OpenSSL refused."""
    if not certificates:
        return ()
    try:
        context.load_verify_locations(cadata=b"".join(certificates))
    except ssl.SSLError:
        pass
    else:
        # CPython takes some broken elements for the end of the data and then loads no more, without an error.
        if context.cert_store_stats()["x509"] == len(certificates):
            return ()
    return tuple(place for place, der in enumerate(certificates) if not _load_one(context, der))


def _load_one(context: ssl.SSLContext, der: bytes) -> bool:
    try:
        context.load_verify_locations(cadata=der)
    except ssl.SSLError:
        return False
    return True


def count_in(path: str) -> int:
    """How many certificates OpenSSL, and so most programs, find in the PEM file at *path*; 0 where it is none."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except OSError:  # ssl.SSLError is one
        return 0
    found: int = context.cert_store_stats()["x509"]
    return found
