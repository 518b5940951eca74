"""What a context does not tell, found out in memory: nothing is sent, and the context is what it was.

The first messages of a TLS handshake are the same for every server, so a few bytes stand for one.
"""

from __future__ import annotations

import base64
import contextlib
import ssl

from .contexts import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# RFC 2606: no certificate of a CA is for this name.
_NOBODY = "nobody.invalid"


def reveal(context: ssl.SSLContext, certificates: Iterable[bytes]) -> None:
    """Have *context* show in ``get_ca_certs()`` those of *certificates* (DER) that it finds in a folder.

    OpenSSL reads of a folder what a chain asks for, when it does. So each is put to *context* as the certificate that a
    server presents, in the first two messages of a TLS 1.2 handshake (RFC 5246, 7.4.1.3 and 7.4.2).
    """
    suites = [suite["id"] & 0xFFFF for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.2"]
    for certificate in certificates if suites else ():
        client, incoming, _ = _client_of(context)
        incoming.write(_record(_message(2, _server_hello(suites[0])), _message(11, _chain(certificate))))
        with contextlib.suppress(ssl.SSLError):
            client.do_handshake()


def alpn_protocols(context: ssl.SSLContext) -> list[str]:
    """The protocols that *context* offers by ALPN, in its order, read from its ClientHello (RFC 7301, 3.1)."""
    client, _, outgoing = _client_of(context)
    with contextlib.suppress(ssl.SSLError):
        client.do_handshake()
    return _alpn_in(outgoing.read())


def has_client_certificate(context: ssl.SSLContext) -> bool:
    """Whether *context* would present a client certificate to a server that asks for one.

    A connection takes the certificate from the context that it has when it is asked (``SSL_set_SSL_CTX``). So one of
    our own, which verifies nothing, gets as far as a server's certificate, is given *context*, and asked (RFC 5246,
    7.4.4); an empty Certificate message is the answer of a context that has none (7.4.6).
    """
    own = Context(ssl.PROTOCOL_TLS_CLIENT)
    own.check_hostname = False
    own.verify_mode = ssl.CERT_NONE
    own.set_ciphers(f"{_KEY_TRANSPORT}:@SECLEVEL=0")
    own.minimum_version = own.maximum_version = ssl.TLSVersion.TLSv1_2
    client, incoming, outgoing = _client_of(own)
    steps = (
        b"",
        _record(_message(2, _server_hello(_KEY_TRANSPORT_SUITE)), _message(11, _chain(_SOME_CERTIFICATE))),
        _record(_message(13, _CERTIFICATE_REQUEST), _message(14, b"")),
    )
    answer = b""
    for step in steps:
        if step is steps[-1]:
            client.context = context
        incoming.write(step)
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        answer = outgoing.read()
    # A record's header of five bytes, a message's of four, and the length of the list.
    return answer[5:6] == b"\x0b" and answer[9:12] != bytes(3)


def _client_of(context: ssl.SSLContext) -> tuple[Any, ssl.MemoryBIO, ssl.MemoryBIO]:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    # Not context.wrap_bio(), which a block replaces.
    make: Any = ssl.SSLObject._create  # type: ignore[attr-defined]  # private
    return make(incoming, outgoing, server_hostname=_NOBODY, context=context), incoming, outgoing


def _alpn_in(client_hello: bytes) -> list[str]:
    # Headers of the record and the message, version, random; then session, suites and compression with their lengths.
    place = 5 + 4 + 2 + 32
    for size in (1, 2, 1):
        place += size + int.from_bytes(client_hello[place : place + size], "big")
    place += 2
    while place + 4 <= len(client_hello):
        kind, length = (int.from_bytes(client_hello[at : at + 2], "big") for at in (place, place + 2))
        body = client_hello[place + 4 : place + 4 + length]
        if kind == 16:
            return _names_in(body[2:])
        place += 4 + length
    return []


def _names_in(names: bytes) -> list[str]:
    found = []
    while names:
        found.append(names[1 : 1 + names[0]].decode("latin-1"))
        names = names[1 + names[0] :]
    return found


def _server_hello(suite: int) -> bytes:
    # Version, random, no session, the cipher suite, no compression, and RFC 5746's sign of safe renegotiation.
    return b"\3\3" + bytes(32) + b"\0" + suite.to_bytes(2, "big") + b"\0" + b"\0\5\xff\1\0\1\0"


def _chain(certificate: bytes) -> bytes:
    alone = len(certificate).to_bytes(3, "big") + certificate
    return len(alone).to_bytes(3, "big") + alone


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def _record(*messages: bytes) -> bytes:
    fragment = b"".join(messages)
    return b"\x16\3\3" + len(fragment).to_bytes(2, "big") + fragment


# With RSA key transport a server signs nothing, so that no private key is needed to stand for one.
_KEY_TRANSPORT, _KEY_TRANSPORT_SUITE = "AES128-GCM-SHA256", 0x009C
# RSA and ECDSA certificates, every usual signature, and any CA.
_SIGNATURES = bytes.fromhex("0401050106010403050306030804080508060807080802010203")
_CERTIFICATE_REQUEST = b"\2\1\x40" + len(_SIGNATURES).to_bytes(2, "big") + _SIGNATURES + b"\0\0"
# A certificate with an RSA key, that nobody trusts and nobody has the private key of.
_SOME_CERTIFICATE = base64.b64decode(
    "MIIBpjCCAQ+gAwIBAgIBATANBgkqhkiG9w0BAQsFADAZMRcwFQYDVQQDDA5ub2JvZHkuaW52YWxpZDAeFw0wMDAxMDEwMDAwMDBaFw0wMDAxMDIw"
    "MDAwMDBaMBkxFzAVBgNVBAMMDm5vYm9keS5pbnZhbGlkMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDks0e41ANfwxOSQWfPojaxhaUxxFn7"
    "CgMpESPbWlgDayI98hcvcSqJ80ywPicC/hIu92lo6j8frrFUpmhC15yEWTnMrtxK/fINWd0LCv0yVRyomktoceKlpE91dJKAvFBVK+iL4SXpRI9X"
    "J0SN2eaqfL83+YtW9+HW9jaP/mGXpQIDAQABMA0GCSqGSIb3DQEBCwUAA4GBADuCo80IKWsN3s6GhEVJiHJKdxSUBqqhawQx1zwh45/yL67Pd1YK"
    "JiaWv5dUg5IYOYy+zZjzZcfGABSPVRwKdz+NT/O6pB2x7RUnWG/vC+LXQWfGR8HgF1DH3AkA/PUtWTw8YSS239avXK4Dg8EO/6ihmXR7tkAGFsLH"
    "BQ8sA7fL"
)
