"""Why a connection failed before there was a certificate to verify, or after: causes to be told from a wrong CA."""

from __future__ import annotations

import os
import re
import socket
import ssl

from ..core.certificate import printable
from . import walk
from .failure import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_TUNNEL = re.compile(r"(?:Tunnel connection failed: |^)(?P<status>[45]\d\d) (?P<words>[\w -]{1,60})")


def of_connection(errors: list[BaseException], host: str | None) -> Cause | None:
    """The cause of the failure among *errors*, by what tells most: a TLS alert, the proxy's answer, the network's."""
    server = printable(host) if host else "the server"
    finders: tuple[Callable[[BaseException, str], Cause | None], ...] = (_of_tls, _of_proxy, _of_downgrade, _of_network)
    found = (find(error, server) for find in finders for error in errors)
    return next(filter(None, found), None)


def _of_tls(error: BaseException, server: str) -> Cause | None:
    if not isinstance(error, ssl.SSLError):
        return None
    # Python 3.11.2 raises the second for a connection that ends in the middle of a handshake.
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _cut_off(server)
    make = _BY_REASON.get(str(getattr(error, "reason", None)))  # aiohttp's of that type have none
    return make(server) if make else None


def _not_tls(server: str) -> Cause:
    variable = next(
        (name for name in _PROXY_VARIABLES if os.environ.get(name, "").lower().startswith("https://")), None
    )
    if variable:
        return Cause(
            "proxy-not-tls",
            f"{server}: what answered does not speak TLS, and {variable} names the proxy with https://",
            f"a proxy that is spoken to in plain HTTP, as most are, though {variable} begins with https://",
            f"write http:// in {variable}: export {variable}=http://... (the traffic in its tunnel stays encrypted)",
        )
    return Cause(
        "not-tls",
        f"{server}: what answered does not speak TLS",
        "a plain HTTP server on this port, or a proxy or login page of this network that answers in its place",
        "check the port, and HTTPS_PROXY; on a guest network open a browser and log in first: no CA file cures this",
    )


_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def _old_tls(server: str) -> Cause:
    return Cause(
        "old-tls",
        f"{server}: it speaks only TLS 1.1 or older, which RFC 8996 withdrew",
        "an old server or device, or an old proxy in between",
        "tell whoever runs it to allow TLS 1.2, or look for another mirror: no CA file cures this",
    )


def _old_renegotiation(server: str) -> Cause:
    return Cause(
        "old-renegotiation",
        f"{server}: it lacks secure renegotiation (RFC 5746), without which OpenSSL 3 makes no connection",
        "an old TLS-inspecting proxy, or an old server",
        "tell IT, or whoever runs it, to update it: no CA file cures this",
    )


def _client_certificate(server: str) -> Cause:
    return Cause(
        "client-certificate",
        f"{server}: it asks for a client certificate, and refused what it was given or that none was",
        "a server for members of an organisation only",
        "ask its operator for a client certificate, and give it to your client: requests.get(url, cert=(...))",
    )


def _no_agreement(server: str) -> Cause:
    return Cause(
        "no-agreement",
        f"{server}: no version, cipher or key that both sides accept",
        "an old or narrowly configured server; or one that asks for a client certificate",
        "tell whoever runs it, or look for another mirror: no CA file cures this",
    )


def _unknown_name(server: str) -> Cause:
    return Cause(
        "unknown-name",
        f"{server}: what answers there knows no server of that name",
        "a mistake in the name, or a wrong DNS entry",
        "check the name in the URL: no CA file cures this",
    )


def _cut_off(server: str) -> Cause:
    return Cause(
        "cut-off",
        f"{server}: the connection was cut off",
        "a firewall that does not let this server's name through; or the server, or a proxy, broke down",
        "try it in a browser on this machine; if that works by a proxy, set HTTPS_PROXY; else ask IT to allow the host",
    )


_BY_REASON: dict[str, Callable[[str], Cause]] = {
    **dict.fromkeys(
        (
            "HTTPS_PROXY_REQUEST",
            "HTTP_REQUEST",
            "PACKET_LENGTH_TOO_LONG",
            "RECORD_LAYER_FAILURE",
            "UNKNOWN_PROTOCOL",
            "WRONG_VERSION_NUMBER",
        ),
        _not_tls,
    ),
    **dict.fromkeys(
        ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "UNSUPPORTED_SSL_VERSION"),
        _old_tls,
    ),
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": _old_renegotiation,
    **dict.fromkeys(
        (
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_NO_CERTIFICATE",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "TLSV1_ALERT_ACCESS_DENIED",
            "TLSV1_ALERT_UNKNOWN_CA",
        ),
        _client_certificate,
    ),
    **dict.fromkeys(
        (
            "DH_KEY_TOO_SMALL",
            "NO_CIPHERS_AVAILABLE",
            "NO_SHARED_CIPHER",
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "SSL/TLS_ALERT_HANDSHAKE_FAILURE",
            "TLSV1_ALERT_INSUFFICIENT_SECURITY",
            "UNSUPPORTED_ELLIPTIC_CURVE",
            "WRONG_CURVE",
            "WRONG_SIGNATURE_TYPE",
        ),
        _no_agreement,
    ),
    **dict.fromkeys(("SSLV3_ALERT_ILLEGAL_PARAMETER", "TLSV1_UNRECOGNIZED_NAME"), _unknown_name),
    "UNEXPECTED_EOF_WHILE_READING": _cut_off,
}


def _of_proxy(error: BaseException, server: str) -> Cause | None:
    status = next((tunnel for text in walk.texts(error) if (tunnel := _TUNNEL.search(text))), None)
    if (status and status["status"] == "407") or walk.is_proxys_407(error):
        return Cause(
            "proxy-authentication",
            f"{server}: the proxy asks for user and password (407 Proxy Authentication Required)",
            "HTTPS_PROXY holds none, or wrong ones",
            "HTTPS_PROXY=http://user:password@proxy:port, special characters percent-encoded: no CA file cures this",
        )
    if status and "Tunnel connection failed" in status[0]:
        return Cause(
            "proxy-refused",
            f"{server}: the proxy made no connection to it ({printable(status[0])})",
            "the proxy does not let this server through, or cannot reach it",
            "ask IT to allow the host, or check HTTPS_PROXY and NO_PROXY: no CA file cures this",
        )
    return None


def _of_downgrade(error: BaseException, server: str) -> Cause | None:
    if not any(text.startswith("refused to fetch from ") for text in walk.texts(error)):
        return None
    return Cause(
        "refused-downgrade",
        f"{server}: the download failed over https, and the block refused to repeat it over plain http",
        "the library answers any failure by asking again without encryption, for anybody to change what comes",
        "cure the first failure (it is the cause of this error), or fetch the http URL outside the block",
    )


def _of_network(error: BaseException, server: str) -> Cause | None:
    if isinstance(error, socket.gaierror):
        return Cause(
            "dns",
            f"{server}: its name could not be resolved",
            "a mistake in the name, or no connection; in many organisations only the proxy resolves outside names",
            "check the name; set HTTPS_PROXY=http://proxy:port if your browser uses a proxy: no CA file cures this",
        )
    if isinstance(error, ConnectionRefusedError):
        return Cause(
            "refused",
            f"{server}: the connection was refused",
            "nothing listens on that port, or a firewall refuses; or HTTPS_PROXY names a proxy that is not there",
            "check the port and HTTPS_PROXY: no CA file cures this",
        )
    if isinstance(error, ConnectionError):
        return _cut_off(server)
    if isinstance(error, TimeoutError):
        return Cause(
            "timed-out",
            f"{server}: no answer in time",
            "a firewall that drops what it does not let through; or a slow server",
            "set HTTPS_PROXY=http://proxy:port if your browser uses a proxy; else try again: no CA file cures this",
        )
    return None
