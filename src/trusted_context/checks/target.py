"""What is checked, and the proxy in between, read from what people write for them."""

from __future__ import annotations

import base64
import math
import re

from ..core.certificate import printable
from ..core.hosts import parse_host
from ..core.redaction import redact, redact_proxy

# A day: more is a mistake, and far more overflows what the operating system counts in.
_LONGEST_TIMEOUT = 86400.0
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# A browser takes a backslash for a slash and others do not, so that they disagree on which host is meant.
_UNUSABLE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")


class Proxy:
    """A proxy, as a variable or the operating system names it.

    Attributes:
        scheme: how it is spoken to: ``http``, ``https``, or one that a check cannot speak, such as ``socks5``.
        authorization: the ``Proxy-Authorization`` header's value for its user and password (RFC 7617), if it has any.
    """

    __slots__ = ("authorization", "host", "port", "scheme")

    def __init__(self, scheme: str, host: str, port: int, authorization: str | None) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.authorization = authorization

    def __str__(self) -> str:
        return f"{self.scheme}://{authority(self.host, self.port)}"


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them (RFC 3986, 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_target(url: object) -> tuple[str, int]:
    """The host and port of ``"https://host[:port]/..."``, ``"host"`` or ``"host:port"``.

    Raises:
        TypeError: it is no text.
        ValueError: it names no HTTPS server.
    """
    if not isinstance(url, str):
        raise TypeError(f"url takes text such as 'https://host/', not {type(url).__name__}")
    text = url.strip()
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else "https"
    if scheme != "https":
        raise ValueError(
            f"{_shown(url)} is not fetched over TLS, so there is nothing to check: give the https:// address"
        )
    host, port = parse_host(_authority_of(text[match.end() :] if match else text, url))
    _check_length(host, url)
    return host, 443 if port is None else port


def parse_proxy(text: str) -> Proxy:
    """Read a proxy's URL, whose scheme may be missing (it is ``http`` then, as everywhere).

    Raises:
        ValueError: it is none; the message repeats no credentials.
    """
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else "http"
    rest = text[match.end() :] if match else text
    before_path = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, _, place = before_path.rpartition("@")
    if "@" in rest and "@" not in before_path:
        raise ValueError(
            f"{redact_proxy(text)}: the user or password has a character that a URL cannot carry as it is: "
            "percent-encode it (/ as %2F, ? as %3F, # as %23)"
        )
    try:
        host, port = parse_host(place)
    except ValueError:
        raise ValueError(f"{redact_proxy(text)} is no proxy's address: write http://host:port") from None
    return Proxy(scheme, host, port or {"https": 443, "http": 80}.get(scheme, 1080), _authorization(userinfo))


def check_timeout(timeout: object) -> float:
    """*timeout*, if it is a number of seconds.

    Raises:
        TypeError: it is no number.
        ValueError: it is not above 0, or more than a day.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout takes a number of seconds, not {type(timeout).__name__}")
    if math.isnan(timeout) or not 0 < timeout <= _LONGEST_TIMEOUT:
        raise ValueError(f"timeout={timeout!r} is no time to wait: give seconds, more than 0 and at most 86400")
    return float(timeout)


def _authority_of(rest: str, url: str) -> str:
    before_path = re.split(r"[/?#]", rest, maxsplit=1)[0]
    place = before_path.rpartition("@")[2]
    if not place or _UNUSABLE.search(before_path):
        raise ValueError(f"{_shown(url)} names no host: give it as https://host/, host, or host:port")
    return place


def _check_length(host: str, url: str) -> None:
    # RFC 1035, 2.3.4
    if len(host) > 253 or any(not 0 < len(label) <= 63 for label in host.split(".") if ":" not in host):
        raise ValueError(f"{_shown(url)} names no host: it, or one of its parts, is too long for a name")


def _authorization(userinfo: str) -> str | None:
    from urllib.parse import unquote

    if not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    credentials = f"{unquote(user)}:{unquote(password)}".encode(errors="surrogateescape")
    return f"Basic {base64.b64encode(credentials).decode('ascii')}"


def _shown(url: str) -> str:
    return repr(printable(redact(url)))
