"""Hosts and URLs, read from what people write: the one grammar of them, and the form in which hosts are compared."""

from __future__ import annotations

import functools
import ipaddress
import re

from .redaction import quote_url, show_kind, show_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Host: TypeAlias = tuple[str, int | None]

# A longer one than a name has no host (RFC 1035, 2.3.4); encoded, each letter of a name takes more than one of these.
_LONGEST_NAME, _LONGEST_LABEL, _LONGEST_TEXT = 253, 63, 2048
# What is read of it takes more than linear time in the standard library (urllib.parse.unquote()).
_LONGEST_URL = 16 * 1024
# What the two standards encode differently (UTS 46, 2.3): sharp s, final sigma, the two joiners.
_IDNA_DEVIATIONS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
# RFC 6874, 2: a zone is written in unreserved characters.
_ZONE = re.compile(r"[\w.~-]{1,15}", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")
_END_OF_AUTHORITY = re.compile(r"[/?#]")
# A browser takes a backslash for a slash and others do not, so that they disagree on which host is meant.
_UNUSABLE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
# What user and password may hold as it is (RFC 3986, 3.2.1).
_ENCODED = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them (RFC 3986, 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class NotEncodedError(ValueError):
    """A URL whose user or password holds a character that ends them too early."""


PERCENT_ENCODE = (
    "the user or password has a character that a URL cannot carry as it is: percent-encode it (/ as %2F, ? as %3F, # "
    "as %23, @ as %40, % as %25)"
)


class Url:
    """A URL's parts as far as its host, and the rest unread.

    Attributes:
        scheme: in lower case; ``None`` where there is none.
        userinfo: user and password as they are written, percent-encoded or not.
        host: in the form it is compared in.
        port: ``None`` where there is none.
        rest: path, query and fragment.
    """

    __slots__ = ("host", "port", "rest", "scheme", "userinfo")

    def __init__(self, scheme: str | None, userinfo: str, host: Host, rest: str) -> None:
        self.scheme: str | None = scheme
        self.userinfo: str = userinfo
        self.host: str = host[0]
        self.port: int | None = host[1]
        self.rest: str = rest

    @property
    def is_encoded(self) -> bool:
        """Whether user and password hold nothing that had to be percent-encoded."""
        return _ENCODED.fullmatch(self.userinfo) is not None


def scheme_of(text: str) -> str | None:
    """The scheme of a URL, in lower case; ``None`` where *text* begins with none."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else None


def parse_url(text: str) -> Url:
    """Read ``[scheme://][user[:password]@]host[:port][/path][?query][#fragment]``.

    User and password end at the last ``@`` before the path, since people write it into passwords as it is.

    Raises:
        NotEncodedError: user or password hold a character that ends them too early.
        ValueError: it names no host.
    """
    if len(text) > _LONGEST_URL:
        raise ValueError(f"{quote_url(text)} names no host: no URL of a server is that long")
    scheme = scheme_of(text)
    after = text if scheme is None else text[len(scheme) + 3 :]
    end = _END_OF_AUTHORITY.search(after)
    authority, rest = (after[: end.start()], after[end.start() :]) if end else (after, "")
    userinfo, _, place = authority.rpartition("@")
    if "@" in rest and not _is_host_and_port(place):
        raise NotEncodedError(f"{show_url(text)}: {PERCENT_ENCODE}")
    # A key in base64 has slashes, and what stands before the first may look like a host.
    if not place or _UNUSABLE.search(place) or (scheme is None and rest and show_url(text).startswith("<")):
        raise ValueError(f"{quote_url(text)} names no host: give it as https://host/, host, or host:port")
    return Url(scheme, userinfo, _parse(place, text), rest)


def parse_host(text: str) -> Host:
    """Read ``"host"`` or ``"host:port"``, an IPv6 address with a port in brackets, in the form it is compared in.

    Raises:
        TypeError: it is no text.
        ValueError: it is a URL, a pattern, or no host at all.
    """
    if not isinstance(text, str):
        raise TypeError(f"a host is text such as 'host' or 'host:port', not {show_kind(text)}")
    return _parse(text, text)


def _parse(place: str, given: str) -> Host:
    """The host and port at *place*, a part of what was *given*."""
    written, port = _split_port(place)
    name = normalise_host(written) if len(written) <= _LONGEST_TEXT else ""
    if not _is_host(name):
        raise ValueError(
            f"{quote_url(given)} is not a host: give the exact name, as 'host' or 'host:port', not a URL or pattern"
        )
    if not _IDNA_DEVIATIONS.isdisjoint(written):
        raise ValueError(
            f"{quote_url(given)} is one host for urllib and another for requests (IDNA 2003 and 2008): "
            "give the form that begins with xn--, or the one without the special letter"
        )
    if _is_too_long(name):
        raise ValueError(f"{quote_url(given)} names no host: it, or one of its parts, is too long for a name")
    if port is not None and not _is_port(port):
        raise ValueError(f"{quote_url(given)} has no valid port: it is a number from 1 to 65535")
    return name, None if port is None else int(port)


def _split_port(text: str) -> tuple[str, str | None]:
    # An IPv6 address alone has colons of its own, and takes brackets where a port follows (RFC 3986, 3.2.2).
    if text.startswith("["):
        address, bracket, rest = text.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "", None
        return address + bracket, rest[1:] if rest else None
    name, colon, port = text.partition(":")
    if not colon or ":" in port or "/" in port:  # an address, a name or a URL, which the caller finds to be no host
        return text, None
    return name, port


def _is_host_and_port(text: str) -> bool:
    name, port = _split_port(text)
    return len(name) <= _LONGEST_TEXT and _is_host(normalise_host(name)) and (port is None or _is_port(port))


def _is_port(text: str) -> bool:
    # Its length first: Python refuses to read thousands of digits.
    return len(text) <= 5 and text.isascii() and text.isdecimal() and 0 < int(text) < 65536


def _is_host(name: str) -> bool:
    if ":" in name:
        return _address(name) is not None
    return ".." not in name and _NAME.fullmatch(name) is not None


def _is_too_long(name: str) -> bool:
    return ":" not in name and (len(name) > _LONGEST_NAME or max(map(len, name.split("."))) > _LONGEST_LABEL)


def _address(text: str) -> str | None:
    """The shortest form of an IPv6 address; ``None`` where it is none."""
    plain, percent, zone = text.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        return None
    try:
        return f"{ipaddress.IPv6Address(plain).compressed}{percent}{zone}"
    except ValueError:
        return None


@functools.lru_cache(maxsize=512)
def normalise_host(host: str) -> str:
    """The form in which host names are equal: lower case, IDNA (RFC 3490), no final dot, shortest address.

    What is neither a name nor an address can only be equal to itself.
    """
    lower = host.lower()
    inner = lower[1:-1] if lower[:1] == "[" and lower[-1:] == "]" else lower
    if ":" in inner:
        return _address(inner) or lower
    if lower.isascii():
        return _without_final_dot(lower)
    if len(lower) > _LONGEST_TEXT:  # punycode takes more than linear time
        return lower
    try:
        encoded = _without_final_dot(lower.encode("idna").decode().lower())
    except ValueError:
        return lower
    return encoded if _is_host(encoded) else lower


def _without_final_dot(name: str) -> str:
    return name if name.endswith("..") else name.removesuffix(".")
