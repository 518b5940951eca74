"""The blocks of a PEM text (RFC 7468), and what somebody took out of use by writing something before it."""

from __future__ import annotations

import binascii
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = b"-----BEGIN "
_END = b"-----END "
_DASHES = b"-----"

# What may stand before the dashes: blanks, a byte-order mark, and a line break that was written as "\n".
# OpenSSL reads no block whose line starts with anything else, and neither do curl and requests.
_BLANKS = re.compile(rb"(?:[ \t\v\f\0]|\xef\xbb\xbf|\\[nr])*")
_NO_BREAK_SPACE = b"\xc2\xa0"
_WRITTEN_BREAK = re.compile(rb"\\[nr]")
_HEADER = re.compile(rb"\s*+[A-Za-z0-9-]{1,40}:")  # RFC 1421, 4.6
_END_OF_HEADERS = re.compile(rb"\r\n[ \t]*+\r\n|\n[ \t]*+\n|\r[ \t]*+\r")


class Block:
    """One block.

    Attributes:
        label: what its first line says it is.
        prefix: what stands before its first line's dashes and takes it out of use; empty where nothing does.
        start: where in the text its first line starts.
        stop: where its last line ends, or what follows an unended block starts.
    """

    __slots__ = ("_body", "_end_label", "label", "prefix", "start", "stop")

    def __init__(self, label: str, prefix: bytes, body: bytes, end_label: str | None, span: tuple[int, int]) -> None:
        self.label: str = label
        self.prefix: bytes = prefix
        self._body = body
        self._end_label = end_label
        self.start: int = span[0]
        self.stop: int = span[1]

    @property
    def fault(self) -> str | None:
        """What is wrong with its outline, in words."""
        if self._end_label is None:
            return "is cut short: its '-----END' line is missing; copy the whole file again"
        if self._end_label != self.label:
            return "is damaged: its last line does not end what its first line begins; copy the file again"
        return None

    def content(self) -> bytes:
        """What its lines encode, without headers; nothing where they are no base64 to the last character."""
        body = _with_breaks(self._body)
        if b":" in body and _HEADER.match(body):
            end = _END_OF_HEADERS.search(body)
            body = body[end.end() :] if end else b""
        return from_base64(body)


def from_base64(text: bytes) -> bytes:
    """What *text* encodes, whose blanks and null characters count for nothing; nothing where it is no base64."""
    if not text.isascii():
        text = text.replace(_NO_BREAK_SPACE, b"")  # as web pages have it at line ends; OpenSSL passes over it too
    try:
        return binascii.a2b_base64(_with_breaks(text).translate(None, b" \t\r\n\v\f\0"), strict_mode=True)
    except binascii.Error:
        return b""


def _with_breaks(text: bytes) -> bytes:
    return _WRITTEN_BREAK.sub(b"\n", text) if b"\\" in text else text


def blocks(text: bytes) -> Iterator[Block]:
    """All blocks of *text*, those out of use too, in their order; each byte is looked at a few times at most."""
    floor = 0  # before it all is said
    out_of_use = False  # whether a block on the line that goes on here was
    start = text.find(BEGIN)
    while start >= 0:
        following = text.find(BEGIN, start + len(BEGIN))
        limit = following if following >= 0 else len(text)
        line = 1 + max(text.rfind(b"\n", floor, start), text.rfind(b"\r", floor, start))
        prefix = text[line or floor : start]
        out_of_use = (out_of_use and not line) or not _BLANKS.fullmatch(prefix)
        label, body, end_label, stop = _outline(text, start + len(BEGIN), limit)
        yield Block(label, (prefix or BEGIN) if out_of_use else b"", body, end_label, (start, stop))
        # What comes before the next one's dashes is within this one, where this one has no end.
        floor, start = start + len(BEGIN) if end_label is None else stop, following


def _outline(text: bytes, start: int, limit: int) -> tuple[str, bytes, str | None, int]:
    """The label, the body, the label at the end where there is one, and where the block stops."""
    label_end = text.find(_DASHES, start, limit)
    if label_end < 0:
        return text[start:limit].decode("latin-1"), b"", None, limit
    label, body = text[start:label_end].decode("latin-1"), label_end + len(_DASHES)
    end = text.find(_END, body, limit)
    closing = text.find(_DASHES, end + len(_END), limit) if end >= 0 else -1
    if closing < 0:
        return label, text[body:limit], None, limit
    return label, text[body:end], text[end + len(_END) : closing].decode("latin-1"), closing + len(_DASHES)


def is_plain(content: bytes) -> bool:
    """Whether each block's first line is '-----BEGIN CERTIFICATE-----' and nothing else, as every program reads it."""
    first_lines = {line for line in content.splitlines() if BEGIN in line}
    return first_lines == {b"-----BEGIN CERTIFICATE-----"}
