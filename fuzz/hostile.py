"""What the targets share: a secret to look for, and a limit of time for what repeats."""

from __future__ import annotations

import time
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# It has a digit, so that it is no ordinary word, and is too short to look like a key.
MARK = "Zq7xKw9T"
_LONG = 64 * 1024
# Of this thread's processor time: a hundred times what is usual, where the square of that length takes minutes.
_MOST_SECONDS = 3.0
_LONGEST_PIECE = 4
# Most inputs are only read as they are, which is faster.
_STRETCHED = 128


def place(content: bytes | str, number: int = 0) -> int:
    """A place in *content* that depends on nothing else, so that each input does the same each time."""
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return zlib.crc32(raw, number) % (len(content) + 1)


def planted(text: str, secret: str) -> str:
    """*text* with *secret* somewhere in it."""
    at = place(text)
    return text[:at] + secret + text[at:]


def assert_hidden(said: object) -> None:
    """Nothing that is *said* repeats the secret."""
    assert MARK.lower() not in str(said).lower(), "the secret is shown"


def assert_linear(read: Callable[[bytes], object], content: bytes) -> None:
    """A part of *content*, repeated to 64 KiB, is read in bounded time; tried for some inputs alone."""
    if place(content, 1) % _STRETCHED or not content:
        return
    start = place(content, 2) % len(content)
    piece = content[start : start + 1 + place(content, 3) % _LONGEST_PIECE]
    stretched = content[:start] + piece * (_LONG // len(piece)) + content[start:]
    began = time.thread_time()
    read(stretched)
    assert time.thread_time() - began < _MOST_SECONDS, "it takes more than its share of time"


def as_text(content: bytes) -> str:
    """*content* as the text that Python makes of foreign bytes: in UTF-8, with surrogates for what is none."""
    return content.decode(errors="surrogateescape")
