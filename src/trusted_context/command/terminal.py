"""What the command writes to a terminal or a pipe: colours, width, and letters that the output has."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import textwrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

NARROWEST = 40
_COLOURS = {"ok": "32", "FAIL": "31", "!": "33", "title": "1", "code": "1;36"}
_CLEAR_LINE = "\r\x1b[K"
# For outputs such as cp1252's, which have no such letter.
_IN_ASCII = str.maketrans({"\N{LEFTWARDS ARROW}": "<-", "\N{RIGHTWARDS ARROW}": "->", "\N{REPLACEMENT CHARACTER}": "?"})


def width() -> int:
    """The terminal's, but no less than 40 columns."""
    return max(shutil.get_terminal_size().columns, NARROWEST)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether *stream* is shown to a person, and heeds escape sequences."""
    if stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        return False
    # Consoles before Windows Terminal show escape sequences as they are.
    return sys.platform != "win32" or bool(os.environ.get("WT_SESSION") or os.environ.get("TERM"))


def coloured(lines: Iterable[tuple[str, str]]) -> str:
    """Lines with their marks as text, in colours unless ``NO_COLOR`` is set (https://no-color.org)."""
    wanted = not os.environ.get("NO_COLOR")
    return "".join(f"{_coloured(mark, line) if wanted else line}\n" for mark, line in lines)


def _coloured(mark: str, line: str) -> str:
    colour = _COLOURS.get(mark)
    if colour is None or not line:
        return line
    if not line.startswith(mark):
        return line if mark in ("ok", "FAIL", "!") else f"\x1b[{colour}m{line}\x1b[0m"
    return f"\x1b[{colour}m{mark}\x1b[0m{line.removeprefix(mark)}"


def write(text: str) -> None:
    """Write *text* to standard output.

    Raises:
        OSError: it takes no more, as a full disk.
    """
    stream = sys.stdout
    if stream is None:  # closed by whoever started us
        return
    try:
        stream.write(_encodable(text, stream))
        stream.flush()
    except BrokenPipeError:  # as with "| head"
        _discard(stream)
    except OSError:
        _discard(stream)
        raise


def _discard(stream: TextIO) -> None:
    # What is left in the buffer would fail again at exit, with a message that nobody can do anything about.
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(null, stream.fileno())
    os.close(null)


def tell(text: str) -> None:
    """Write *text* to standard error, as far as that is possible."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(_encodable(f"{text}\n", sys.stderr))


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


class Progress:
    """One line on a terminal that says what is being done, and is gone afterwards."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if is_terminal(stream) else None
        self._shown = False

    def tell(self, text: str) -> None:
        """Show *text* in the place of what was shown."""
        if self._stream:
            self._write(f"{_CLEAR_LINE}{text[: shutil.get_terminal_size().columns - 1]}")
            self._shown = True

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            self._shown = False
            self._write(_CLEAR_LINE)

    def _write(self, text: str) -> None:
        assert self._stream
        with contextlib.suppress(OSError):
            self._stream.write(_encodable(text, self._stream))
            self._stream.flush()


class Formatter(argparse.HelpFormatter):
    """Wraps a help text at the terminal's width; indented lines, which are examples to paste, stay whole."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = []
        for paragraph in text.split("\n\n"):
            lines = paragraph.splitlines()
            if any(line.startswith(" ") for line in lines):
                filled.append(paragraph)
            else:
                wrapped = textwrap.wrap(" ".join(lines), width, initial_indent=indent, subsequent_indent=indent)
                filled.append("\n".join(wrapped))
        return "\n\n".join(filled)

    def _format_usage(self, usage: str | None, actions: object, groups: object, prefix: str | None) -> str:
        if usage is None:
            made = super()._format_usage(usage, actions, groups, prefix)  # type: ignore[arg-type]  # what came
            if max(map(len, made.splitlines())) <= self._width:
                return made
            # It lines options up below the program's name, which leaves them no width on a narrow terminal.
            usage = " ".join(made.split()).removeprefix("usage: ")
        filled = textwrap.wrap(f"usage: {usage}", self._width, subsequent_indent=" " * 7, break_long_words=False)
        return "\n".join([*filled, "", ""])
