"""The way to one server, as far as its TLS handshake: name lookup, TCP, the proxy's tunnel, TLS.

No application data is sent, nothing that was seen is trusted, and one deadline ends everything.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

from ..core import handshake
from ..core.contexts import Context, TrueSSLContext
from ..core.hosts import authority
from .deadline import within
from .plain import PlainAnswerError
from .tunnel import PlainProxyError, TunnelError, open_tunnel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any, Protocol, TypeAlias

    from ..core.certificate import Certificate
    from .deadline import Deadline
    from .target import Proxy

    Address: TypeAlias = tuple[Any, Any]

    class Carrier(Protocol):
        """What carries bytes to the other side and back."""

        def send(self, data: bytes) -> None:
            """Send all of *data*."""

        def receive(self) -> bytes:
            """Return what has arrived; empty at the end."""


# A name with more addresses than this has others that answer, or none.
_MOST_ADDRESSES = 8
# TLS alone frames what it reads; one record is the most that a read is good for (RFC 8446, 5.1).
_MOST_AT_ONCE = 16 * 1024 + 256
_HANDSHAKE_RECORD, _CERTIFICATE_REQUEST = 22, 13
_LONGEST_WAIT_FOR_REFUSAL = 1.0


class Stopped(Exception):  # noqa: N818  # it says where the way ended; what ended it is the error
    """The way ended before the handshake was done.

    Args:
        stage: where: ``"lookup"``, ``"connection"``, ``"proxy"`` or ``"tls"``.
        error: what ended it.
        asks_for_certificate: the server had asked for a client certificate.
    """

    def __init__(self, stage: str, error: OSError | ValueError, *, asks_for_certificate: bool = False) -> None:
        super().__init__(f"{stage}: {error}")
        self.stage = stage
        self.error = error
        self.asks_for_certificate = asks_for_certificate


class Handshake:
    """What was agreed on at a handshake, and what was presented; not verified unless the context did.

    Attributes:
        asks_for_certificate: the server asked for a client certificate.
        refusal: how it refused to go on without one.
    """

    __slots__ = ("asks_for_certificate", "chain", "cipher", "refusal", "version")

    def __init__(self, tls: ssl.SSLObject) -> None:
        self.version: str = tls.version() or "unknown"
        self.cipher: str = (tls.cipher() or ("unknown",))[0]
        self.chain: tuple[Certificate, ...] = handshake.read_chain(tls)
        self.asks_for_certificate: bool = False
        self.refusal: OSError | None = None


class Probe:
    """The way to one server, found once and then gone by every connection.

    Args:
        host: the server's name or address.
        port: its port.
        proxy: what all connections go through; ``None`` for none.
        deadline: when all is over.
    """

    def __init__(self, host: str, port: int, proxy: Proxy | None, deadline: Deadline) -> None:
        self.host = host
        self.port = port
        self.proxy = proxy
        self.deadline = deadline
        self._addresses: list[Address] = []

    def look_up(self) -> list[str]:
        """The addresses of the server, or of the proxy, which looks the server's up by itself.

        Raises:
            Stopped: there are none.
        """
        host, port = (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)
        with _at("lookup"):
            # As bytes, since for text Python would encode it by a codec that refuses names which the resolver takes.
            found = within(self.deadline, socket.getaddrinfo, host.encode(), port, type=socket.SOCK_STREAM)
        self._addresses = [(family, address) for family, _, _, _, address in found][:_MOST_ADDRESSES]
        return [str(address[0]) for _, address in self._addresses]

    def connect(self) -> str:
        """Open a connection, by the first address that answers, and close it; that address is the one used from now on.

        Raises:
            Stopped: none answered.
        """
        with contextlib.closing(self._open()):
            return str(self._addresses[0][1][0])

    def look(self, proxy_context: ssl.SSLContext | None = None) -> Handshake:
        """Connect anew, read what the server presents without verifying any of it, and close.

        Raises:
            Stopped: the handshake, or something before it, failed.
        """
        asked: list[bool] = []
        with contextlib.closing(self._open()) as connection:
            plain = _Plain(connection, self.deadline)
            encrypted = self._shake_hands(plain, _lenient_context(asked), proxy_context, asked)
            found = Handshake(encrypted.tls)
            found.asks_for_certificate = bool(asked)
            if asked:
                # In TLS 1.3 the server refuses only after the client is done with its part (RFC 8446, 4.4.2.4).
                with _at("tls"):
                    plain.deadline = self.deadline.at_most(_LONGEST_WAIT_FOR_REFUSAL)
                found.refusal = encrypted.read_refusal()
            encrypted.say_goodbye()
            return found

    def verify(self, context: ssl.SSLContext, proxy_context: ssl.SSLContext | None = None) -> None:
        """Connect anew, shake hands by *context*, which verifies, and close.

        Raises:
            Stopped: the handshake, or something before it, failed.
        """
        with contextlib.closing(self._open()) as connection:
            plain = _Plain(connection, self.deadline)
            self._shake_hands(plain, context, proxy_context, []).say_goodbye()

    def verify_proxy(self, context: ssl.SSLContext) -> None:
        """Shake hands with a proxy that is spoken to in TLS by *context*, and close: no tunnel is asked for.

        Raises:
            Stopped: the handshake, or something before it, failed.
        """
        assert self.proxy
        with contextlib.closing(self._open()) as connection, _at("proxy"):
            # Whoever waits for a line of text, as plain proxies do, never answers.
            plain = _Plain(connection, self.deadline.at_most(self.deadline.left() / 3))
            encrypted = _Encrypted(plain, context, self.proxy.host)
            try:
                encrypted.shake_hands()
            except ssl.SSLCertVerificationError:
                raise
            except OSError:
                if self._proxy_speaks_plainly():
                    raise PlainProxyError("it speaks plain HTTP") from None
                raise
            encrypted.say_goodbye()

    def _proxy_speaks_plainly(self) -> bool:
        with contextlib.closing(self._open()) as connection:
            plain = _Plain(connection, self.deadline.at_most(self.deadline.left() / 3))
            try:
                open_tunnel(plain, authority(self.host, self.port), None)
            except TunnelError as error:
                return error.status is not None
            except OSError:
                return False
            return True

    def _shake_hands(
        self, plain: _Plain, context: ssl.SSLContext, proxy_context: ssl.SSLContext | None, asked: list[bool]
    ) -> _Encrypted:
        carrier: Carrier = plain
        if self.proxy:
            with _at("proxy"):
                carrier = self._through(self.proxy, plain, proxy_context)
        with _at("tls", asked):
            encrypted = _Encrypted(carrier, context, self.host)
            encrypted.shake_hands()
            return encrypted

    def _through(self, proxy: Proxy, carrier: Carrier, context: ssl.SSLContext | None) -> Carrier:
        if proxy.scheme == "https" and context:
            encrypted = _Encrypted(carrier, context, proxy.host)
            encrypted.shake_hands()
            carrier = encrypted
        try:
            open_tunnel(carrier, authority(self.host, self.port), proxy.authorization)
        except (TunnelError, ConnectionError) as error:
            is_answer = isinstance(error, TunnelError) and error.status is not None
            if not is_answer and proxy.scheme == "http" and self._proxy_speaks_tls(proxy):
                raise TunnelError("it speaks TLS", speaks_tls=True) from None
            raise
        return carrier

    def _proxy_speaks_tls(self, proxy: Proxy) -> bool:
        with contextlib.closing(self._open()) as connection:
            plain = _Plain(connection, self.deadline.at_most(self.deadline.left() / 3))
            try:
                _Encrypted(plain, _lenient_context([]), proxy.host).shake_hands()
            except OSError:
                return False
            return True

    def _open(self) -> socket.socket:
        with _at("connection"):
            failure: OSError = OSError("the name has no address")
            for place, (family, address) in enumerate(self._addresses):
                # A server that drops what is sent to one address may answer at another.
                part = self.deadline.left() / (len(self._addresses) - place)
                try:
                    connection = _open_to(family, address, part)
                except OSError as error:
                    failure = error
                else:
                    self._addresses = [(family, address)]
                    return connection
            raise failure


def _open_to(family: Any, address: Any, seconds: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _at(stage: str, asked: Collection[bool] = ()) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise Stopped(stage, error, asks_for_certificate=bool(asked)) from error


def _lenient_context(asked: list[bool]) -> ssl.SSLContext:
    """A context that reads what any server presents, and fills *asked* when that wants a client certificate.

    For looking alone: nothing is verified, so what comes over such a connection proves nothing.
    """
    context: ssl.SSLContext = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Down to the oldest TLS and the weakest keys that this OpenSSL knows, so that they can be named.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")

    def note(*message: Any) -> None:
        _, direction, _, record, kind, _ = message
        if (record, kind, direction) == (_HANDSHAKE_RECORD, _CERTIFICATE_REQUEST, "read"):
            asked.append(True)

    # Nothing public tells it. Through the C type, as with every setting: see _trust.
    callback = getattr(TrueSSLContext.__base__, "_msg_callback", None)
    if callback is not None:  # pragma: no branch  # private, so a later Python may lack it
        callback.__set__(context, note)
    return context


def _heed_interruption(error: ssl.SSLError) -> None:
    """Raise the Ctrl-C that came while OpenSSL called a function of ours: it is no more than this error's context."""
    if isinstance(error.__context__, KeyboardInterrupt):
        raise error.__context__


class _Plain:
    """A TCP connection, read and written until the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self.deadline = deadline

    def send(self, data: bytes) -> None:
        self._connection.settimeout(self.deadline.left())
        self._connection.sendall(data)

    def receive(self) -> bytes:
        self._connection.settimeout(self.deadline.left())
        return self._connection.recv(_MOST_AT_ONCE)


class _Encrypted:
    """A TLS connection over any other, another TLS connection to a proxy included."""

    def __init__(self, beneath: Carrier, context: ssl.SSLContext, host: str) -> None:
        self._beneath = beneath
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._first = b""
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError as error:
                _heed_interruption(error)
                self._exchange()
            except ssl.SSLError as error:
                _heed_interruption(error)
                # The alert that says why: without it the server's log would show a connection that broke.
                with contextlib.suppress(OSError):
                    self._flush()
                if self._first.startswith(b"HTTP/"):
                    raise PlainAnswerError(error, self._first) from None
                raise
            else:
                self._flush()
                return

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self._flush()

    def receive(self) -> bytes:
        while True:
            try:
                return self.tls.read(_MOST_AT_ONCE)
            except ssl.SSLWantReadError:
                self._exchange()

    def read_refusal(self) -> OSError | None:
        """How the server ends the connection now, if it does."""
        try:
            self.receive()
        except TimeoutError:
            return None
        except OSError as error:
            return error
        return None

    def say_goodbye(self) -> None:
        # One alert and no wait for the answer (RFC 8446, 6.1), which nothing depends on.
        with contextlib.suppress(OSError):
            self.tls.unwrap()
        with contextlib.suppress(OSError):
            self._flush()

    def _exchange(self) -> None:
        self._flush()
        data = self._beneath.receive()
        if data:
            self._first = self._first or data
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._beneath.send(self._outgoing.read())
