"""What somebody who mistyped an option or a command most likely meant."""

from __future__ import annotations

import difflib
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

_OPTION = re.compile(r"(?:^|\s)(--?[A-Za-z][\w-]*)")
_CHOICE = re.compile(r"invalid choice: '([^']*)'")
# Of a path, which check does not need, the message may show only a part.
_SERVER = re.compile(r"((?:https?://)?[\w.-]+\.[A-Za-z]{2,}(?::\d+)?)(?:/.*)?")


def for_error(message: str, parsers: Iterable[argparse.ArgumentParser], commands: Iterable[str]) -> str:
    """The end of a sentence that suggests the right word for the wrong one that argparse's *message* repeats.

    Empty where nothing is near enough.
    """
    choice = _CHOICE.search(message)
    if choice:
        return _for_command(choice[1], tuple(commands))
    if not message.startswith("unrecognized arguments"):
        return ""
    known = {option for parser in parsers for option in parser._option_string_actions}
    for wrong in _OPTION.findall(message):
        near = difflib.get_close_matches(wrong, sorted(known - {wrong}), n=1)
        if near:
            return f"; did you mean {near[0]}?"
    return ""


def _for_command(wrong: str, commands: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(wrong, commands, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    if wrong.endswith(".py"):
        return f"; did you mean trusted-context run {wrong}"
    server = _SERVER.fullmatch(wrong)
    return f"; did you mean trusted-context check {server[1]}" if server else ""
