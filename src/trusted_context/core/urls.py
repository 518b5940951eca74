"""URLs in the form in which equal ones are equal, however they are spelled (RFC 3986, 6.2.2 and 6.2.3)."""

from __future__ import annotations

import re
import string

from .hosts import normalise_host

_PERCENT_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
# RFC 3986, 2.3
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
# Those of http and https are one here, since the two schemes of one URL are compared.
_DEFAULT_PORTS = frozenset({80, 443})


def normalise_authority(authority: str) -> str:
    """The form of ``host`` or ``host:port``, already percent-decoded: the host's case, no default port."""
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        return normalise_host(authority)
    name = normalise_host(host)
    try:
        number = int(port or "80")  # as http.client reads it; an empty one is the default (3.2.3)
    except ValueError:
        return f"{name}:{port}"
    return name if number in _DEFAULT_PORTS else f"{name}:{number}"


def normalise_selector(selector: str) -> str:
    """The form of a path with its query: percent-encodings, dot segments, and ``/`` for an empty path."""
    path, mark, query = _normalise_encoding(selector).partition("?")
    return _remove_dot_segments(path) + mark + query


def _normalise_encoding(text: str) -> str:
    return _PERCENT_ENCODED.sub(_decode_unreserved, text)


def _decode_unreserved(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def _remove_dot_segments(path: str) -> str:
    """The path without ``.`` and ``..``, as RFC 3986, 5.2.4 removes them."""
    segments = path.removeprefix("/").split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept[-1:] = []
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
