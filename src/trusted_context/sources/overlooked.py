"""What a text holds outside of its PEM blocks that was meant to be a certificate: it is told, never read."""

from __future__ import annotations

import re

from .parts import BEGIN_IN_UTF_16

_LETTERS = rb"[A-Za-z0-9+/]{45}"
# Every one has a bounded length, so that a search takes time in proportion to the text. What each begins with is looked
# for before the pattern, which takes longer: in capitals, where that ignores the case.
_IN_CAPITALS = b"BEGIN"
_KINDS = (
    (
        _IN_CAPITALS,
        # Word processors make one long dash of several.
        re.compile(rb"(?:-|\xe2\x80[\x90-\x95])[ \t]{0,4}BEGIN[A-Z0-9_ #\t-]{1,40}CERTIFICATE(?! REQ)", re.IGNORECASE),
        "the damaged first line of a certificate, which is to be '-----BEGIN CERTIFICATE-----' and nothing else",
    ),
    (
        b"MI",  # base64 of a SEQUENCE with a long length
        re.compile(rb"MI[A-P]" + _LETTERS),
        "base64 without a '-----BEGIN CERTIFICATE-----' line before it",
    ),
    (
        b"LS0tLS1CRUdJTi",  # base64 of '-----BEGIN'
        re.compile(rb"LS0tLS1CRUdJTi" + _LETTERS),
        "PEM encoded once more in base64: give what it encodes",
    ),
    (
        b"\x30\x82",
        re.compile(rb"\x30\x82..\x30[\x80-\x83]", re.DOTALL),
        "what looks like a certificate in DER within a text: give it as a file of its own",
    ),
)
_WIDE = tuple(BEGIN_IN_UTF_16.values())


def find(text: bytes) -> str | None:
    """What in *text* was meant to be a certificate, in words."""
    wide = b"\0" in text and any(begin in text for begin in _WIDE)
    return "a block in UTF-16 within a text that is not: save the file in one encoding" if wide else find_narrow(text)


def find_narrow(content: bytes) -> str | None:
    """The same without UTF-16, for what is in UTF-16 as a whole."""
    for start, pattern, words in _KINDS:
        if start in (content.upper() if start is _IN_CAPITALS else content) and pattern.search(content):
            return words
    return None
