"""Asking an HTTP proxy for a tunnel, and what its answer means (RFC 9110, 9.3.6)."""

from __future__ import annotations

import re

from ..core.certificate import printable
from ..core.redaction import show_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .probe import Carrier

# What http.client reads of one line; a proxy's whole answer before the tunnel is under a kilobyte.
_LONGEST_ANSWER = 64 * 1024
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: ([^\r\n]*))?\r?\n")
_CHALLENGE = re.compile(rb"^proxy-authenticate:[ \t]*([A-Za-z]+)", re.IGNORECASE | re.MULTILINE)
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # an alert, a handshake (RFC 8446, 5.1)


class TunnelError(OSError):
    """The proxy opened no tunnel.

    Attributes:
        status: the code that it answered with; ``None`` where that was no HTTP.
        schemes: how it wants to be authenticated to, in lower case (RFC 9110, 11.7.1).
        speaks_tls: it answered in TLS.
    """

    def __init__(
        self, message: str, *, status: int | None = None, schemes: tuple[str, ...] = (), speaks_tls: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.schemes = schemes
        self.speaks_tls = speaks_tls


class PlainProxyError(OSError):
    """The proxy is named with ``https://`` and speaks plain HTTP."""


def open_tunnel(carrier: Carrier, authority: str, authorization: str | None) -> None:
    """Ask the proxy at the other side of *carrier* for a tunnel to *authority*.

    Raises:
        TunnelError: it gave none.
        OSError: the connection failed.
    """
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    carrier.send("\r\n".join([*lines, "", ""]).encode("ascii"))
    answer = _read_answer(carrier)
    found = _STATUS.match(answer)
    if not found:
        raise TunnelError(_describe(answer), speaks_tls=answer.startswith(_TLS_RECORDS))
    status = int(found[1])
    if not 200 <= status < 300:
        reason = show_words((found[2] or b"").decode("latin-1"))
        schemes = dict.fromkeys(scheme.decode("ascii").lower() for scheme in _CHALLENGE.findall(answer))
        raise TunnelError(f"{status} {reason}".strip(), status=status, schemes=tuple(schemes))


def explain_refusal(error: TunnelError, *, authenticated: bool) -> Iterator[str]:
    """What the proxy's answer means, and what to do about it; *authenticated* if user and password were sent."""
    if error.speaks_tls:
        yield "this proxy is spoken to in TLS, and its address says http://: write https:// in its place"
        return
    if error.status == 407:
        yield from _explain_407(error.schemes, authenticated=authenticated)
        return
    meaning = _MEANINGS.get(error.status or 0)
    if meaning is None and error.status and 300 <= error.status < 400:
        meaning = "it sends elsewhere, most often to a login page: open any page in a browser and sign in first"
    yield meaning or "it is not an HTTP proxy that opens tunnels: is its address right?"


def _explain_407(schemes: tuple[str, ...], *, authenticated: bool) -> Iterator[str]:
    if schemes and "basic" not in schemes:
        yield (
            f"it asks for {' or '.join(map(printable, schemes))}, which Python's clients do not speak: run a small "
            "proxy on this machine that does (px, cntlm), and name that as the proxy"
        )
    elif authenticated:
        yield (
            "it refuses the user and password in its address: are they right, and the special letters in them "
            "percent-encoded (@ as %40, / as %2F, % as %25)?"
        )
    else:
        yield "it asks for a user and password: write them into its address, as http://user:password@host:port"


_MEANINGS = {
    400: "it did not understand the request for a tunnel: is this the address of a proxy?",
    401: "it asks for a user and password as a server does, not a proxy: is this the address of a proxy?",
    403: "it forbids this host or port: ask IT to allow it",
    404: "it takes the request for a page of its own: it is a web server, not a proxy",
    405: "it opens no tunnels: it is a web server, not a proxy",
    500: "it failed by itself: try again, or ask IT",
    501: "it opens no tunnels: it is a web server, not a proxy",
    502: "it could not reach the host: is the name right, and the host up?",
    503: "it could not reach the host: is the name right, and the host up?",
    504: "it got no answer from the host in time",
    511: "it wants a login to this network first: open any page in a browser and sign in (RFC 6585)",
}


def _read_answer(carrier: Carrier) -> bytes:
    answer = b""
    while len(answer) < _LONGEST_ANSWER:
        data = carrier.receive()
        answer += data
        end = re.search(rb"\r?\n\r?\n", answer)
        if end:
            return answer[: end.end()]
        if not data or answer.startswith(_TLS_RECORDS):
            return answer
    raise TunnelError(f"the answer has no end after {_LONGEST_ANSWER >> 10} KiB")


def _describe(answer: bytes) -> str:
    if answer.startswith(_TLS_RECORDS):
        return "the answer is TLS, not HTTP"
    if not answer:
        return "the connection was closed without an answer"
    return f"the answer is not HTTP: {show_words(answer[:40].decode('latin-1'))}"
