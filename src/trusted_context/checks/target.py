"""What is checked, and the proxy in between, read from what people write for them."""

from __future__ import annotations

import base64
import re

from ..core.hosts import PERCENT_ENCODE, NotEncodedError, authority, parse_url, scheme_of
from ..core.redaction import quote_url, show_kind, show_url

# A day: more is a mistake, and far more overflows what the operating system counts in.
_LONGEST_TIMEOUT = 86400
_WITH_TLS = frozenset({"https", "wss"})
_WITHOUT_TLS = frozenset({"ftp", "http", "ws"})
_ONE_SLASH = re.compile(r"(https?|wss?):/(?!/)", re.IGNORECASE)
_MARKS = frozenset({'""', "''", "``", "<>", "\u2018\u2019", "\u201c\u201d"})
_MOST_MARKS = 3
# A browser takes a backslash for a slash and others do not, so that they disagree on which host is meant.
_UNUSABLE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
# The schemes of proxies, and the ports that are meant where none is named.
_PROXY_PORTS = {"http": 80, "https": 443} | dict.fromkeys(("socks", "socks4", "socks4a", "socks5", "socks5h"), 1080)


class Proxy:
    """A proxy, as a variable or the operating system names it.

    Attributes:
        scheme: how it is spoken to: ``http``, ``https``, or one that a check cannot speak, such as ``socks5``.
        authorization: the ``Proxy-Authorization`` header's value for its user and password (RFC 7617), if it has any.
    """

    __slots__ = ("authorization", "host", "port", "scheme")

    def __init__(self, scheme: str, host: str, port: int, authorization: str | None) -> None:
        self.scheme: str = scheme
        self.host: str = host
        self.port: int = port
        self.authorization: str | None = authorization

    def __str__(self) -> str:
        return f"{self.scheme}://{authority(self.host, self.port)}"


def parse_target(url: object) -> tuple[str, int]:
    """The host and port of ``"https://host[:port]/..."``, ``"host"`` or ``"host:port"``.

    Also of the forms in which people copy them: in quotation marks or angle brackets (RFC 3986, appendix C), with one
    slash after the scheme, or as ``wss://``, which is TLS on the same port (RFC 6455, 3).

    Raises:
        TypeError: it is no text.
        ValueError: it names no HTTPS server.
    """
    if not isinstance(url, str):
        raise TypeError(f"url takes text such as 'https://host/', not {show_kind(url)}")
    text = _ONE_SLASH.sub(r"\1://", _unwrap(url), count=1)
    scheme = scheme_of(text) or "https"
    if scheme in _WITHOUT_TLS:
        raise ValueError(
            f"{quote_url(text)} is not fetched over TLS, so there is nothing to check: give the https:// address"
        )
    if scheme not in _WITH_TLS:
        raise ValueError(
            f"{quote_url(text)} is no https:// address, and no other can be checked: give one, or host:port"
        )
    found = parse_url(text)
    if _UNUSABLE.search(found.userinfo):
        raise ValueError(f"{quote_url(text)} names no host: give it as https://host/, host, or host:port")
    return found.host, 443 if found.port is None else found.port


def _unwrap(text: str) -> str:
    """*text* without blanks and marks around it."""
    text = text.strip()
    for _ in range(_MOST_MARKS):
        if text[:1] + text[-1:] not in _MARKS:
            break
        text = text[1:-1].strip()
    return text


def parse_proxy(text: str) -> Proxy:
    """Read a proxy's URL, whose scheme may be missing (it is ``http`` then, as everywhere).

    Raises:
        ValueError: it is none; the message repeats no credentials.
    """
    try:
        url = parse_url(text)
    except NotEncodedError:
        raise
    except ValueError:
        raise ValueError(f"{show_url(text)} is no proxy's address: write http://host:port") from None
    if "@" in url.rest:
        raise NotEncodedError(f"{show_url(text)}: {PERCENT_ENCODE}")
    scheme = url.scheme or "http"
    if scheme not in _PROXY_PORTS:
        known = ", ".join(f"{name}://" for name in _PROXY_PORTS)
        raise ValueError(f"{show_url(text)} is no proxy's address: it begins with none of {known}")
    return Proxy(scheme, url.host, url.port or _PROXY_PORTS[scheme], _authorization(url.userinfo))


def check_timeout(timeout: object) -> float:
    """*timeout*, if it is a number of seconds.

    Raises:
        TypeError: it is no number.
        ValueError: it is not above 0, or more than a day.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout takes a number of seconds, not {show_kind(timeout)}")
    if not 0 < timeout <= _LONGEST_TIMEOUT:  # nor is it where it is no number (NaN)
        raise ValueError(f"timeout is no time to wait: give seconds, more than 0 and at most {_LONGEST_TIMEOUT}")
    return float(timeout)


def _authorization(userinfo: str) -> str | None:
    from urllib.parse import unquote

    if not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    credentials = f"{unquote(user)}:{unquote(password)}".encode(errors="surrogateescape")
    return f"Basic {base64.b64encode(credentials).decode('ascii')}"
