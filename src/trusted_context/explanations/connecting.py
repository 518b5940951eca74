"""Why a connection failed before there was a certificate to verify, or after: causes to be told from a wrong CA."""

from __future__ import annotations

import functools
import os
import re
import socket
import ssl

from ..clients.downgrade import RefusedDowngradeError
from ..core.redaction import show_words
from . import table, walk
from .failure import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    # Puts the cause into words for a server.
    Make: TypeAlias = Callable[[str], Cause]

# http.client's words, and httpx's.
_TUNNEL = re.compile(r"(?P<tunnel>Tunnel connection failed: |^)(?P<status>[45]\d\d) (?P<words>[\w -]{1,60})")


def find(errors: list[BaseException], *, by_a_client: bool) -> tuple[Make, BaseException] | None:
    """What puts the cause into words, and which of *errors* tells it: a TLS alert, the proxy's answer, the network's.

    Args:
        errors: an exception and those within it.
        by_a_client: whether an HTTP client, or a check, raised them.
    """
    finders = (_of_tls, _of_proxy, _of_downgrade, functools.partial(_of_network, by_a_client=by_a_client))
    found = ((make, error) for find_in in finders for error in errors if (make := find_in(error)) is not None)
    return next(found, None)


def _of_tls(error: BaseException) -> Make | None:
    if not isinstance(error, ssl.SSLError):
        return None
    # Python 3.11.2 raises the second for a connection that ends in the middle of a handshake.
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _cut_off
    return _BY_NAME.get(table.of_reason(_reason(error)) or "")


# An older Python has no name for what a newer OpenSSL says, and gives its words alone.
_WITHOUT_NAME = re.compile(r"\[SSL\] ([a-z ]{1,80}) \(")


def _reason(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None)  # aiohttp's errors of that type have none
    if isinstance(reason, str):
        return reason
    words = _WITHOUT_NAME.match(str(error))
    return words[1].replace(" ", "_").upper() if words else ""


def _not_tls(server: str) -> Cause:
    variable = next(
        (name for name in _PROXY_VARIABLES if os.environ.get(name, "").lower().startswith("https://")), None
    )
    if variable:
        return Cause(
            "proxy-not-tls",
            f"{server}: what answered does not speak TLS, and {variable} names the proxy with https://",
            f"a proxy that takes plain HTTP, as most do, though {variable} begins with https://",
            f"write http:// in {variable}: export {variable}=http://... (the traffic in its tunnel stays encrypted)",
        )
    return Cause(
        "not-tls",
        f"{server}: what answered does not speak TLS",
        "a plain HTTP server on this port, or a proxy or login page of this network that answers in its place",
        "check the port, and HTTPS_PROXY; on a guest network open a browser and log in first: no CA file cures this",
    )


_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def old_tls(server: str) -> Cause:
    """A server that speaks no version of TLS that is allowed."""
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


def client_certificate(server: str) -> Cause:
    """A server that asks for a client certificate."""
    return Cause(
        "client-certificate",
        f"{server}: it asks for a client certificate, and got none, or one that it refuses",
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
        f"{server}: what answers there does not know that name",
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


_BY_NAME: dict[str, Make] = {
    "not-tls": _not_tls,
    "old-tls": old_tls,
    "old-renegotiation": _old_renegotiation,
    "client-certificate": client_certificate,
    "no-agreement": _no_agreement,
    "unknown-name": _unknown_name,
    "cut-off": _cut_off,
}


def _of_proxy(error: BaseException) -> Make | None:
    if walk.is_proxys_407(error):
        return _proxy_authentication
    status = next((found for text in walk.texts(error) if (found := _TUNNEL.search(text))), None)
    # Any text may begin with a number: without http.client's words it takes a client's own error.
    if status is None or not (status["tunnel"] or walk.is_a_clients(error)):
        return None
    if status["status"] == "407":
        return _proxy_authentication
    return functools.partial(_proxy_refused, status[0]) if status["tunnel"] else None


def _proxy_authentication(server: str) -> Cause:
    return Cause(
        "proxy-authentication",
        f"{server}: the proxy asks for user and password (407 Proxy Authentication Required)",
        "HTTPS_PROXY holds none, or wrong ones",
        "HTTPS_PROXY=http://user:password@proxy:port, special characters percent-encoded: no CA file cures this",
    )


def _proxy_refused(answer: str, server: str) -> Cause:
    return Cause(
        "proxy-refused",
        f"{server}: the proxy made no connection to it ({show_words(answer)})",
        "the proxy does not let this server through, or cannot reach it",
        "ask IT to allow the host, or check HTTPS_PROXY and NO_PROXY: no CA file cures this",
    )


def _of_downgrade(error: BaseException) -> Make | None:
    return _refused_downgrade if isinstance(error, RefusedDowngradeError) else None


def _refused_downgrade(server: str) -> Cause:
    return Cause(
        "refused-downgrade",
        f"{server}: the download failed over https, and the block refused to repeat it over plain http",
        "the library asks again without encryption after a failure: anybody in between could then change the download",
        "cure the first failure (it is the cause of this error), or fetch the http URL outside the block",
    )


def _of_network(error: BaseException, *, by_a_client: bool) -> Make | None:
    if isinstance(error, socket.gaierror):
        return _unknown_address
    if not walk.is_of_the_network(error, by_a_client=by_a_client):
        return None
    if isinstance(error, ConnectionRefusedError):
        return _refused
    return _timed_out if isinstance(error, TimeoutError) else _cut_off


def _unknown_address(server: str) -> Cause:
    return Cause(
        "dns",
        f"{server}: its name could not be resolved",
        "a mistake in the name, or no connection; in many organisations only the proxy resolves outside names",
        "check the name; set HTTPS_PROXY=http://proxy:port if your browser uses a proxy: no CA file cures this",
    )


def _refused(server: str) -> Cause:
    return Cause(
        "refused",
        f"{server}: the connection was refused",
        "nothing listens on that port, or a firewall refuses; or HTTPS_PROXY names a proxy that is not there",
        "check the port and HTTPS_PROXY: no CA file cures this",
    )


def _timed_out(server: str) -> Cause:
    return Cause(
        "timed-out",
        f"{server}: no answer in time",
        "a firewall that drops what it does not let through; or a slow server",
        "set HTTPS_PROXY=http://proxy:port if your browser uses a proxy; else try again: no CA file cures this",
    )
