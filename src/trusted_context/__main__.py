"""The command ``trusted-context``, also as ``python -m trusted_context``."""

from __future__ import annotations

import argparse
import sys

from .command import check_command, run_command, suggestions, terminal
from .core.redaction import show_argument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# Each module has add_parser(subparsers), and main(arguments), which returns the exit status.
_COMMANDS = {"check": check_command, "run": run_command}

_DESCRIPTION = """\
Find out why HTTPS downloads fail here, and say which CA certificates they are to trust, without changing the
program that downloads."""

_EXAMPLES = """\
examples:
  trusted-context check https://download.pytorch.org
  trusted-context run --cafile corp.crt train.py
  trusted-context run --cafile corp.crt -m pip install tensorflow

"trusted-context COMMAND --help" says more of a command."""


def main() -> int:
    """Run the command that ``sys.argv`` asks for; return its exit status.

    Raises:
        SystemExit: what was asked for is not understood (status 2), or was help or the version (status 0).
        BaseException: whatever a script that ``run`` runs in this process ends in.
    """
    given = sys.argv[1:]
    own, program = run_command.split(given) if given[:1] == ["run"] else (given, [])
    arguments = make_parser().parse_args(own)
    arguments.program = program
    status: int = _COMMANDS[arguments.command].main(arguments)
    return status


class _Parser(argparse.ArgumentParser):
    """One whose errors suggest the right word, and repeat of what was typed only what may be shown."""

    def error(self, message: str) -> NoReturn:
        message = _without_secrets(message)
        parsers = [self, *_made_for_commands(self).values()]
        super().error(message + suggestions.for_error(message, parsers, _COMMANDS))


def _without_secrets(message: str) -> str:
    """Argparse's *message*, in which a password may stand in any place where something was mistyped."""
    given = {text for typed in sys.argv[1:] for text in (typed, typed.partition("=")[2]) if text}
    for text in sorted(given, key=len, reverse=True):
        shown = show_argument(text)
        if shown != text:
            message = message.replace(text, shown).replace(repr(text)[1:-1], shown)
    return message


def _made_for_commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    made = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(made[0]) if made else {}


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands, from which programs such as shtab make completions for a shell."""
    parser = _Parser(
        prog="trusted-context",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=terminal.Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in _COMMANDS.values():
        command.add_parser(subparsers)
    return parser


class _Version(argparse.Action):
    """Looks the version up when it is asked for: what knows it takes longer to import than all else here."""

    def __call__(self, parser: argparse.ArgumentParser, *_rest: Any) -> None:
        from .checks.surroundings import own_version

        sys.stdout.write(f"trusted-context {own_version()}\n")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
