"""What a context trusts by a folder of hashed names (``capath``), which it does not show by itself."""

from __future__ import annotations

import contextlib
import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def reveal(context: ssl.SSLContext, certificates: Iterable[bytes]) -> None:
    """Have *context* show in ``get_ca_certs()`` those of *certificates* (DER) that it finds in a folder.

    OpenSSL reads of a folder what a chain asks for, when it does. So each is put to *context* as the certificate that a
    server presents, in the first two messages of a TLS 1.2 handshake (RFC 5246, 7.4.1.3 and 7.4.2). It goes no further:
    no connection is made, nothing is sent, and what *context* trusts is what it was.
    """
    suites = [suite["id"] & 0xFFFF for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.2"]
    for certificate in certificates if suites else ():
        incoming = ssl.MemoryBIO()
        incoming.write(_record(_message(2, _server_hello(suites[0])) + _message(11, _chain(certificate))))
        # RFC 2606: no certificate of a CA is for this name.
        client = context.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="nobody.invalid")
        with contextlib.suppress(ssl.SSLError):
            client.do_handshake()


def _server_hello(suite: int) -> bytes:
    # Version, random, no session, the cipher suite, no compression, and RFC 5746's sign of safe renegotiation.
    return b"\3\3" + bytes(32) + b"\0" + suite.to_bytes(2, "big") + b"\0" + b"\0\5\xff\1\0\1\0"


def _chain(certificate: bytes) -> bytes:
    alone = len(certificate).to_bytes(3, "big") + certificate
    return len(alone).to_bytes(3, "big") + alone


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def _record(fragment: bytes) -> bytes:
    return b"\x16\3\3" + len(fragment).to_bytes(2, "big") + fragment
