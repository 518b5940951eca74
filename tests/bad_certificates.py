"""A loopback server with a port for each way in which a connection can fail, as badssl.com has a host for each.

``with serving_bad(folder) as bad`` gives a mapping of cases by name; ``bad["expired"].url`` fails as ``expired`` says
when ``bad["expired"].cafile`` is what is trusted. Certificates are made, and ports opened, when a case is asked for.
"""

from __future__ import annotations

import contextlib
import functools
import selectors
import socket
import ssl
import struct
import threading
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from issuing import inspector, intermediate, issue, no_warnings, root, rsa_root, signed_with_sha1, stranger
from servers import BODY

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


# Cases


@dataclass(frozen=True)
class Case:
    """One way to fail: what the server presents, what is trusted, and what comes of it.

    Args:
        present: gives what the server presents; with ``None`` it does no TLS, but what *serve* does.
        cause: the stable name of the cause; ``None`` where the connection succeeds.
        code: OpenSSL's ``verify_code``, where the verification fails.
        trust: gives the CAs that are trusted.
        host: by which name the server is asked for.
        by_common_name: whether it fails only for clients that read no common names, as urllib3 and browsers.
        strict: whether it fails under strict verification only.
        configure: prepares the server's context.
        serve: what the server does with a socket, where that is not TLS.
    """

    present: Callable | None
    cause: str | None
    code: int | None = None
    _: KW_ONLY
    trust: Callable = root
    host: str = "localhost"
    by_common_name: bool = False
    strict: bool = False
    configure: Callable | None = None
    serve: Callable | None = None


def _expired_root():
    return issue("Corp Root 2019", ca=True, days=(-60, -30))


_EXPIRED_ROOT = functools.cache(_expired_root)
_OLD_ROOT = functools.cache(lambda: issue("Corp Root", ca=True, organisation="Corp"))


def _through(ca, **kwargs):
    return issue("localhost", ca, **kwargs).presenting(ca)


def _expired_intermediate():
    return _through(issue("Corp Issuing CA 2019", root(), ca=True, days=(-60, -30)))


def _reversed_chain():
    return issue("localhost", intermediate()).presenting(root(), intermediate())


def _long_chain():
    above, chain = root(), []
    for depth in range(8):
        above = issue(f"Corp CA {depth}", above, ca=True)
        chain.insert(0, above)
    return issue("localhost", above).presenting(*chain)


def _weakest(context):
    context.set_ciphers("ALL:@SECLEVEL=0")


def _only(version):
    def configure(context):
        with contextlib.suppress(ssl.SSLError):
            _weakest(context)
        with no_warnings():
            context.minimum_version = context.maximum_version = version

    return configure


def _old_key(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _weakest(context)


def _no_common_cipher(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0")


def _for_members(version):
    def configure(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.maximum_version = version
        context.load_verify_locations(cadata=root().pem.decode())

    return configure


def _refuse_every_name(context):
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


# What a server does that speaks no TLS


def _answer_plainly(connection):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


def _reset(connection):
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _hang_up(connection):
    connection.recv(4096)


def _say_nothing(connection):
    while connection.recv(4096):
        pass


def _without_renegotiation(connection):
    """A ServerHello without the extension of RFC 5746."""
    connection.recv(4096)
    hello = b"\x03\x03" + bytes(32) + b"\x00" + b"\xc0\x2f" + b"\x00"
    message = b"\x02" + len(hello).to_bytes(3, "big") + hello
    connection.sendall(b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message)
    connection.recv(4096)


CASES = {
    # Verification
    "not-yet-valid": Case(lambda: issue("localhost", root(), days=(10, 30)), "not-yet-valid", 9),
    "expired": Case(lambda: issue("localhost", root(), days=(-30, -10)), "expired", 10),
    "expired-root": Case(lambda: issue("localhost", _EXPIRED_ROOT()), "expired-root", 10, trust=_EXPIRED_ROOT),
    "expired-root-sent": Case(lambda: _through(_EXPIRED_ROOT()), "expired-root", 10, trust=_EXPIRED_ROOT),
    "expired-intermediate": Case(_expired_intermediate, "expired-intermediate", 10),
    "self-signed": Case(lambda: issue("localhost"), "self-signed", 18),
    "untrusted-root": Case(lambda: _through(stranger()), "unknown-root", 19),
    "known-interception": Case(lambda: _through(inspector()), "inspected", 19),
    "known-interception-unsent": Case(lambda: issue("localhost", inspector()), "inspected", 20),
    "unknown-issuer": Case(lambda: issue("localhost", stranger()), "unknown-issuer", 20),
    "incomplete-chain": Case(lambda: issue("localhost", intermediate()), "missing-intermediate", 20),
    "incomplete-public-chain": Case(
        lambda: issue("localhost", issue("R9", root(), ca=True), locates_issuer=True), "missing-intermediate", 20
    ),
    "same-name-other-key": Case(lambda: issue("localhost", _OLD_ROOT()), "same-name-other-key", 20),
    "same-name-other-key-sent": Case(lambda: _through(_OLD_ROOT()), "same-name-other-key", 19),
    "same-name-no-identifier": Case(
        lambda: issue("localhost", _OLD_ROOT(), authority_key=False), "same-name-other-key", 7
    ),
    "wrong-host": Case(lambda: issue("elsewhere", root(), names=["a.test", "b.test"]), "wrong-host", 62),
    "common-name-only": Case(lambda: issue("localhost", root(), names=()), "no-names", 62, by_common_name=True),
    "1000-sans": Case(lambda: issue("x", root(), names=[f"host-{n}.test" for n in range(1000)]), "wrong-host", 62),
    "captive-portal": Case(lambda: _through(root(), names=["login.portal.test"]), "wrong-host", 62),
    "wrong-address": Case(
        lambda: issue("localhost", root(), names=["localhost"]), "wrong-address", 64, host="127.0.0.1"
    ),
    "issuer-not-a-ca": Case(lambda: _through(issue("not a CA", root())), "issuer-not-a-ca", 79),
    "client-only": Case(
        lambda: issue("localhost", root(), purpose=ExtendedKeyUsageOID.CLIENT_AUTH), "wrong-purpose", 26
    ),
    "small-key": Case(
        lambda: issue("localhost", root(), key=rsa.generate_private_key(65537, 1024)),
        "weak-key",
        66,
        configure=_old_key,
    ),
    "sha1-intermediate": Case(lambda: _through(signed_with_sha1()), "weak-key", 68, trust=rsa_root, configure=_weakest),
    "name-constraints": Case(
        lambda: _through(issue("Limited CA", root(), ca=True, permitted="corp.test")), "not-allowed", 47
    ),
    "path-length": Case(
        lambda: issue("localhost", _below_limited()).presenting(_below_limited(), _limited()), "not-allowed", 25
    ),
    "no-authority-key": Case(lambda: issue("localhost", root(), authority_key=False), "strict", 85, strict=True),
    "basic-constraints": Case(
        lambda: _through(issue("Sloppy CA", root(), ca=True, critical=False)), "strict", 89, strict=True
    ),
    "no-key-usage": Case(
        lambda: _through(issue("Sloppy CA", root(), ca=True, key_usage=False)), "strict", 92, strict=True
    ),
    # Sound ones
    "sound": Case(lambda: issue("localhost", root()), None),
    "no-subject": Case(lambda: issue("", root()), None),
    "reversed-chain": Case(_reversed_chain, None),
    "long-chain": Case(_long_chain, None),
    "tls-v1-2": Case(lambda: issue("localhost", root()), None, configure=_only(ssl.TLSVersion.TLSv1_2)),
    "tls-v1-3": Case(lambda: issue("localhost", root()), None, configure=_only(ssl.TLSVersion.TLSv1_3)),
    # Not verification
    "tls-v1-0": Case(lambda: issue("localhost", root()), "old-tls", configure=_only(ssl.TLSVersion.TLSv1)),
    "tls-v1-1": Case(lambda: issue("localhost", root()), "old-tls", configure=_only(ssl.TLSVersion.TLSv1_1)),
    "null-cipher": Case(lambda: issue("localhost", root()), "no-agreement", configure=_no_common_cipher),
    "client-cert-missing": Case(
        lambda: issue("localhost", root()), "client-certificate", configure=_for_members(ssl.TLSVersion.TLSv1_3)
    ),
    "client-cert-missing-1-2": Case(
        lambda: issue("localhost", root()), "no-agreement", configure=_for_members(ssl.TLSVersion.TLSv1_2)
    ),
    "unrecognized-name": Case(lambda: issue("localhost", root()), "unknown-name", configure=_refuse_every_name),
    "plain-http": Case(None, "not-tls", serve=_answer_plainly),
    "reset": Case(None, "cut-off", serve=_reset),
    "hang-up": Case(None, "cut-off", serve=_hang_up),
    "stalled": Case(None, "timed-out", serve=_say_nothing),
    "legacy-renegotiation": Case(None, "old-renegotiation", serve=_without_renegotiation),
}


@functools.cache
def _limited():
    return issue("Corp Last CA", root(), ca=True, path_length=0)


@functools.cache
def _below_limited():
    return issue("One too many", _limited(), ca=True)


# The server


class Port:
    """A case's port, which is open from the first time it is asked for.

    Attributes:
        case: what happens there.
        cafile: the file with what is trusted.
        accepted: the number of connections.
        received: the bytes of application data that came over them.
    """

    def __init__(self, name, case, folder):
        self.name, self.case = name, case
        self.accepted = self.received = 0
        self.cafile = folder / f"{name}.pem"
        self.cafile.write_bytes(case.trust().pem)
        self.identity = case.present() if case.present else None
        self.context = self._make_context() if self.identity else None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.number = self.listener.getsockname()[1]
        self.url = f"https://{case.host}:{self.number}/"

    def _make_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.case.configure:
            self.case.configure(context)
        self.identity.configure_cert(context)
        return context

    def handle(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(20)
            if self.context is None:
                self.case.serve(connection)
                return
            with self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
                try:
                    secured.do_handshake()
                    self.received += len(secured.recv(65536))
                    secured.sendall(_ANSWER)
                except OSError:
                    _drain(secured)


def _drain(secured):
    """Take what the client still sends: closed before, a socket says so with a reset that overtakes the TLS alert."""
    secured.settimeout(1)
    secured.shutdown(socket.SHUT_WR)
    while socket.socket.recv(secured, 65536):
        pass


class BadServer:
    """All cases by name; one thread accepts for all of them."""

    def __init__(self, folder):
        self._folder = folder
        self._ports = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake, woken = socket.socketpair()
        self._woken = woken
        self._selector.register(woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __getitem__(self, name):
        with self._lock:
            if name not in self._ports:
                port = self._ports[name] = Port(name, CASES[name], self._folder)
                self._selector.register(port.listener, selectors.EVENT_READ, port)
                self._wake.send(b"+")
            return self._ports[name]

    def __iter__(self):
        return iter(CASES)

    def _accept(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    if self._woken.recv(1) != b"+":
                        return
                    continue
                try:
                    connection, _ = key.fileobj.accept()
                except OSError:  # its client gave up before: waiting for another would hold up every case
                    continue
                key.data.accepted += 1
                threading.Thread(target=key.data.handle, args=(connection,), daemon=True).start()

    def close(self):
        self._wake.send(b"-")
        self._thread.join(10)
        self._selector.close()
        for closing in (self._wake, self._woken, *(port.listener for port in self._ports.values())):
            closing.close()


@contextlib.contextmanager
def serving_bad(folder):
    """Serve every case until the end of the ``with``; *folder* takes the CA files."""
    server = BadServer(folder)
    try:
        yield server
    finally:
        server.close()
