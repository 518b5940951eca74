"""Issuer and subject of a certificate, compared as RFC 5280 (7.1) says: by their text, in any case and encoding."""

from __future__ import annotations

from ..core.hosts import normalise_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import TypeAlias

    Name: TypeAlias = tuple[tuple[bytes, str], ...]

_VERSION = 0xA0
# The text types of X.520 names, by their tags (X.680, 8.6): UTF8String, PrintableString, TeletexString, IA5String, ...
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}


def issuer_and_subject(der: bytes) -> tuple[Name, Name] | None:
    """The names in the certificate *der*; ``None`` where it is none (RFC 5280, 4.1: they stand at fixed places)."""
    try:
        body = _content(der, 0)
        fields = list(_elements(der, *_span(der, body)))
        if fields and fields[0][0] == _VERSION:
            del fields[0]
        _, _, issuer, _, subject = fields[:5]
        return _name(der, issuer), _name(der, subject)
    except (IndexError, ValueError):
        return None


def leading_to(chain: Collection[bytes], certificates: Collection[bytes]) -> tuple[bytes, ...]:
    """Those of *certificates* by which *chain* may be verified: members of it, and those named as an issuer in it."""
    members = frozenset(chain)
    issuers = {names[0] for names in map(issuer_and_subject, chain) if names}
    found = []
    for der in certificates:
        names = issuer_and_subject(der)
        if der in members or (names and names[1] in issuers):
            found.append(der)
    return tuple(found)


def cover(certified: Collection[str], host: str) -> bool:
    """Whether one of the names and addresses *certified* is *host*'s (RFC 9525, 6.3: ``*`` for its first label)."""
    if not certified:  # by its common name alone, which OpenSSL compares too
        return True
    wanted = normalise_host(host)
    _, _, parent = wanted.partition(".")
    names = {normalise_host(name) for name in certified}
    return wanted in names or (bool(parent) and f"*.{parent}" in names)


def _name(der: bytes, field: tuple[int, int, int]) -> Name:
    parts = []
    for _, start, end in _elements(der, field[1], field[2]):  # relative distinguished names
        for _, inner, inner_end in _elements(der, start, end):  # attributes
            (_, kind, kind_end), (tag, text, text_end) = list(_elements(der, inner, inner_end))[:2]
            said = der[text:text_end].decode(_ENCODINGS.get(tag, "latin-1"), "replace")
            parts.append((der[kind:kind_end], " ".join(said.lower().split())))
    return tuple(parts)


def _elements(der: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The tag, start and end of the content of each DER element from *start* to *end* (X.690, 8.1)."""
    while start < end:
        content, after = _span(der, start)
        yield der[start], content, after
        start = after


def _content(der: bytes, start: int) -> int:
    return _span(der, start)[0]


def _span(der: bytes, start: int) -> tuple[int, int]:
    length, content = der[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        length, content = int.from_bytes(der[content : content + size], "big"), content + size
    if content + length > len(der):
        raise IndexError("the element goes on after the end")
    return content, content + length
