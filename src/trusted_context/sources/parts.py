"""A file taken apart where its encoding changes: text, text in UTF-16, and binary certificates one after another."""

from __future__ import annotations

import re

from . import der
from .pem import BEGIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Spelt out: to encode them would import a codec, whose lock a child forked at that moment would wait for.
BEGIN_IN_UTF_16 = {
    "utf-16-le": b"".join(bytes((letter, 0)) for letter in BEGIN),
    "utf-16-be": b"".join(bytes((0, letter)) for letter in BEGIN),
}
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_PADDING = re.compile(rb"[\s\0]*+")
# Within a text, another encoding is looked for only right after a block, which is where `cat` and `>>` put it.
_AFTER_A_BLOCK = re.compile(
    rb"-----END [A-Z0-9 #]{1,40}-----[\s\0]*+(?=\x30[\x80-\x84]|\xff\xfe|\xfe\xff|-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0)"
)


class Part:
    """A piece of a file in one encoding.

    Attributes:
        raw: its bytes.
        text: the same as text, in UTF-8 where it was in UTF-16; ``None`` where it is binary.
    """

    __slots__ = ("raw", "text")

    def __init__(self, raw: bytes, text: bytes | None) -> None:
        self.raw: bytes = raw
        self.text: bytes | None = text


class _Next:
    """Where something comes next in a content that is walked through once: no byte is searched twice."""

    def __init__(self, content: bytes, what: re.Pattern[bytes]) -> None:
        self._content = content
        self._what = what
        self._found: tuple[int, int] | None = (-1, -1)

    def after(self, position: int) -> tuple[int, int] | None:
        """The start and the end of the next one that starts at *position* or later; each call's is no less."""
        if self._found is not None and self._found[0] < position:
            match = self._what.search(self._content, position)
            self._found = match.span() if match else None
        return self._found


def split(content: bytes) -> Iterator[Part]:
    """The parts of *content* in their order, without the null characters and blanks before each."""
    if is_utf_8(content) and b"\0" not in content:  # nothing else can be in it, which takes longer to find out
        text = content.lstrip()
        if text:
            yield Part(text, text)
        return
    walk = _Walk(content)
    position = 0
    while True:
        start = _skip_padding(content, position)
        if start == len(content):
            return
        if der.starts_at(content, start):
            position = _end_of_binary(content, start)
            yield Part(content[start:position], None)
            continue
        start, encoding = walk.encoding(position, start)
        position = walk.end_of_text(start, encoding)
        raw = content[start:position]
        yield Part(raw, raw.decode(encoding, "replace").encode() if encoding else raw)


def is_utf_8(text: bytes) -> bool:
    """Whether *text* is in UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _skip_padding(content: bytes, position: int) -> int:
    match = _PADDING.match(content, position)
    return match.end() if match else position


def _end_of_binary(content: bytes, start: int) -> int:
    if der.is_indefinite(content, start):  # where it ends is known to its reader alone
        return len(content)
    try:
        end = min(der.element(content, start)[2], len(content))
    except IndexError:
        return len(content)
    if der.kind(content, start) != der.CERTIFICATE:
        return end
    # A certificate that was cut short would take what it lacks from the text that follows, of which it shall not take
    # what makes a line a comment.
    text = content.find(BEGIN, start, end + len(BEGIN) - 1)
    if not start < text < end:
        return end
    return 1 + max(content.rfind(b"\n", start, text), content.rfind(b"\r", start, text), start)


class _Walk:
    """A walk through the text in a content."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._plain = _Next(content, re.compile(BEGIN))
        self._wide = {encoding: _Next(content, re.compile(begin)) for encoding, begin in BEGIN_IN_UTF_16.items()}
        self._boundary = _Next(content, _AFTER_A_BLOCK)

    def encoding(self, padding: int, start: int) -> tuple[int, str | None]:
        """Where the text after the *padding* starts, past its byte-order mark, and its encoding if it is UTF-16."""
        marked = _BYTE_ORDER_MARKS.get(self._content[start : start + 2])
        if marked:
            return start + 2, marked
        plain = self._plain.after(start)
        # Of the letters of big-endian text the first byte is a null character, and looks like padding.
        aligned = start - 1 if (start - padding) % 2 and self._content[start - 1] == 0 else start
        for encoding, wide in self._wide.items():
            found = wide.after(aligned)
            # At an odd place it is the other byte order's text, read across its characters.
            if found and (found[0] - aligned) % 2 == 0 and not (plain and plain[0] < found[0]):
                return aligned, encoding
        return start, None

    def end_of_text(self, start: int, encoding: str | None) -> int:
        """Where the text that starts at *start* ends, and another encoding begins."""
        if encoding is None:
            found = self._boundary.after(start)
            return found[1] if found else len(self._content)
        plain = self._content.find(BEGIN, start)
        # Within a line it has something before it, which would be lost.
        while plain > start and self._content[plain - 1] not in b"\n\r\0":
            plain = self._content.find(BEGIN, plain + 1)
        return plain if plain >= 0 else len(self._content)
