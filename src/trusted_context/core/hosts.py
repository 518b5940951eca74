"""Host names, read from what people write and brought into the form in which they are compared."""

from __future__ import annotations

import functools
import ipaddress
import re

from .redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Host: TypeAlias = tuple[str, int | None]


def parse_host(text: str) -> Host:
    """Read ``"host"`` or ``"host:port"``, an IPv6 address with a port in brackets, in the form it is compared in.

    Raises:
        ValueError: it is a URL, a pattern, or no host at all.
    """
    match = _HOST_AND_PORT.fullmatch(text)
    name = normalise_host(match["host"] or match["address"]) if match else ""
    if match is None or not _is_host(name):
        raise ValueError(
            f"{redact(text)!r} is not a host: give the exact name, as 'host' or 'host:port', not a URL or pattern"
        )
    if not _IDNA_DEVIATIONS.isdisjoint(text):
        raise ValueError(
            f"{redact(text)!r} is one host for urllib and another for requests (IDNA 2003 and 2008): "
            "give the form that begins with xn--, or the one without the special letter"
        )
    port = match["port"]
    if port is not None and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{redact(text)!r} has no valid port: it is a number from 1 to 65535")
    return name, None if port is None else int(port)


# An IPv6 address alone has colons of its own, and takes brackets where a port follows (RFC 3986, 3.2.2).
_HOST_AND_PORT = re.compile(
    r"(?P<host>\[[^\[\]]*:[^\[\]]*\]|[^:\[\]]+)(:(?P<port>[^:/]*))?"
    r"|(?P<address>[^\[\]]*:[^\[\]]*:[^\[\]]*)"
)
# What the two standards encode differently (UTS 46, 2.3): sharp s, final sigma, the two joiners.
_IDNA_DEVIATIONS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def _is_host(name: str) -> bool:
    if ":" not in name:
        return ".." not in name and _NAME.fullmatch(name) is not None
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@functools.lru_cache(maxsize=512)
def normalise_host(host: str) -> str:
    """The form in which host names are equal: lower case, IDNA (RFC 3490), no final dot, shortest address."""
    name = host.strip("[]").removesuffix(".").lower()
    try:
        if ":" in name:
            return ipaddress.ip_address(name).compressed
        return name if name.isascii() else name.encode("idna").decode()
    except ValueError:  # neither an address nor an international name: it can only be equal to itself
        return name
