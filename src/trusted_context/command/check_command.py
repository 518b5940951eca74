"""``trusted-context check``: its arguments, and the report on a terminal, in a pipe, or as JSON."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from ..checks.report import Report

_DESCRIPTION = """\
Find out why downloads from a server fail on this machine, and print the line of code that cures it.

It looks at the CA variables, certifi, the system's store and the proxies, connects, shakes hands by each kind of trust,
and closes. No request is sent, nothing that was seen is trusted, and nothing is changed."""

_EXAMPLES = """\
examples:
  trusted-context check https://www.cs.toronto.edu/
  trusted-context check --cafile corp.crt registry.corp.example:8443
  trusted-context check --json pypi.org > report.json

The exit status is 0 where something on this machine verifies the server, 1 where nothing does, 2 where the options are
wrong."""

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130
_COLOURS = {"ok": "32", "FAIL": "31", "!": "33", "title": "1", "code": "1;36"}
_CLEAR_LINE = "\r\x1b[K"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's options."""
    parser = subparsers.add_parser(
        "check",
        help="find out why downloads from a server fail, and what cures it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="https://host[:port]/..., host, or host:port")
    parser.add_argument(
        "--cafile",
        action="append",
        metavar="FILE",
        help="CA certificates to try beside what the machine has: a file or a folder; can be given several times",
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="the time for all of it together (10)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON, for a bug report")
    parser.add_argument(
        "--save-ca",
        metavar="FILE",
        help="write the topmost CA certificate that the server sent to a new file, to compare it with IT's; it proves "
        "nothing, and is not trusted by this",
    )


def main(arguments: argparse.Namespace) -> int:
    """Check, print, and return the exit status."""
    progress = _Progress(sys.stderr)
    try:
        return _run(arguments, progress)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ValueError, OSError) as error:
        progress.end()
        return _complain(error)
    finally:
        progress.end()


def _run(arguments: argparse.Namespace, progress: _Progress) -> int:
    from ..checks.check import examine

    if arguments.save_ca is not None and os.path.lexists(arguments.save_ca):
        raise FileExistsError(17, "is there already, and is not overwritten", arguments.save_ca)
    report = examine(arguments.url, arguments.cafile, timeout=arguments.timeout, tell=progress.tell)
    progress.end()
    _print(f"{report.to_json()}\n" if arguments.json else _text(report, sys.stdout))
    if arguments.save_ca is not None:
        _save(report, arguments.save_ca)
    return 0 if report.works else _FAILED


def _save(report: Report, path: str) -> None:
    import ssl

    authority = report.topmost_authority()
    if authority is None:
        _tell("the server sent no CA certificate, so none was saved: ask IT for it")
        return
    # Exclusively, so that nothing that appeared meanwhile is overwritten, nor what a link points to.
    with open(path, "x", encoding="ascii") as file:
        file.write(ssl.DER_cert_to_PEM_cert(authority.der))
    _tell(
        f'saved "{authority.subject}" to {path}; sha256 {authority.sha256}\n'
        "This proves nothing: whoever is in between could have sent it. Compare the sha256 with what IT says, by "
        "telephone or on paper, before anything is to trust it."
    )


def _text(report: Report, stream: TextIO | None) -> str:
    from ..checks.report import lines

    if stream is None or not _is_terminal(stream):
        return f"{report}\n"
    coloured = not os.environ.get("NO_COLOR")  # https://no-color.org
    shown = lines(report.as_dict(), shutil.get_terminal_size().columns)
    return "".join(f"{_coloured(mark, line) if coloured else line}\n" for mark, line in shown)


def _coloured(mark: str, line: str) -> str:
    colour = _COLOURS.get(mark)
    if colour is None or not line:
        return line
    if not line.startswith(mark):
        return line if mark in ("ok", "FAIL", "!") else f"\x1b[{colour}m{line}\x1b[0m"
    return f"\x1b[{colour}m{mark}\x1b[0m{line.removeprefix(mark)}"


def _is_terminal(stream: TextIO) -> bool:
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return False
    # Consoles before Windows Terminal show escape sequences as they are.
    return sys.platform != "win32" or bool(os.environ.get("WT_SESSION") or os.environ.get("TERM"))


def _print(text: str) -> None:
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


def _complain(error: Exception) -> int:
    where = f"{error.filename}: " if isinstance(error, OSError) and error.filename is not None else ""
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    _tell(f"trusted-context check: error: {where}{what}")
    return _MISUSED


def _tell(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(_encodable(f"{text}\n", sys.stderr))


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


class _Progress:
    """One line on a terminal that says what is being done, and is gone afterwards."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and _is_terminal(stream) else None
        self._shown = False

    def tell(self, text: str) -> None:
        if self._stream:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{_CLEAR_LINE}{text[:width]}")
            self._shown = True

    def end(self) -> None:
        if self._shown:
            self._shown = False
            self._write(_CLEAR_LINE)

    def _write(self, text: str) -> None:
        assert self._stream
        with contextlib.suppress(OSError):
            self._stream.write(_encodable(text, self._stream))
            self._stream.flush()
