"""``trusted-context run``: its arguments, the block they describe, and the program that runs in it."""

from __future__ import annotations

import os
import sys
import warnings

from .._block import TrustedContext, trusted_context
from ..core.hosts import authority, parse_url
from ..core.redaction import show_path
from ..explanations import notes
from ..sources.error import BundleError
from . import child, run, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

_USAGE = "trusted-context run [options] (script.py | -m module | [--] command) [arguments ...]"

_DESCRIPTION = """\
Run a program whose HTTPS downloads trust what the options say; with none of them, what this machine is set up to trust.

A script (.py, .pyw, .pyz, .zip, a folder with __main__.py, - for stdin) or a module (-m) runs unchanged in this Python,
inside a block that child processes follow too. Any other command, and whatever comes after "--", is started as a child
process that is told the CAs by environment variables. What comes after the program's name is the program's."""

_EXAMPLES = """\
examples:
  trusted-context run --cafile corp.crt train.py --epochs 3
  trusted-context run --cafile corp.crt -m pip install tensorflow
  trusted-context run --system -- git clone https://git.corp.example/data
  trusted-context run --insecure nas.local:8443 --proxy proxy.corp.example:8080 download.py

The exit status is the program's; 2 where the options are wrong, 126 or 127 where a command cannot be started."""

_TAKE_A_VALUE = ("--cafile", "--insecure", "--proxy")
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as POSIX has it for env and nohup


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's options."""
    parser = subparsers.add_parser(
        "run",
        help="run a script, a module or a command that trusts the CAs you name",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=terminal.Formatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--cafile",
        action="append",
        metavar="FILE",
        help="CA certificates to trust, and only these: a file or a folder; can be given several times",
    )
    parser.add_argument(
        "--system",
        action="store_true",
        help="trust the operating system's store, alone or together with --cafile",
    )
    parser.add_argument(
        "--insecure",
        action="append",
        metavar="HOST",
        help="do not verify this host (or host:port); can be given several times; not for child processes",
    )
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help="set the proxy variables for this program alone: http://[user:password@]host:port",
    )


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What is ours to read, and the rest: the program and what is the program's.

    argparse is given the first part alone, since it looks for options of its own, and for ``--``, everywhere.
    """
    place = 1
    while place < len(arguments):
        argument = arguments[place]
        if argument in {"-", "--"} or argument.startswith("-m") or not argument.startswith("-"):
            break
        place += 2 if argument in _TAKE_A_VALUE else 1
    return arguments[:place], arguments[place:]


def main(arguments: argparse.Namespace) -> int:
    """Run the program; return its exit status.

    Raises:
        SystemExit: with status 2, after a line on stderr, where nothing could be run as was asked.
        BaseException: whatever a script or module ends in.
    """
    kind, name, rest = _identify(arguments.program)
    if not name:
        _refuse("there is nothing to run: give a script.py, -m module, or -- command")
    source = _read(name) if kind == "script" else b""
    if arguments.proxy is not None:
        _set_proxy(arguments.proxy)
    if kind == "command":
        return _run_child(arguments, [name, *rest])
    _enter_here(arguments)
    try:
        if kind == "script":
            run.run_script(name, source, rest)
        elif kind == "module":
            run.run_module(name, rest)
        else:
            run.run_archive(name, rest)
    except Exception as error:  # as it leaves the block, though the block goes on to the end of the process
        notes.annotate(error)
        raise
    return 0


def _identify(program: list[str]) -> tuple[str, str, list[str]]:
    """What kind of program it is, its name (empty where there is none), and its arguments."""
    first, *rest = program or [""]
    if first in {"--", "-m"}:
        name, *rest = rest or [""]
        return "command" if first == "--" else "module", name, rest
    if first.startswith("-m"):
        return "module", first[2:], rest
    if run.is_archive(first):
        return "archive", first, rest
    return "script" if first == "-" or run.is_script(first) else "command", first, rest


def _read(script: str) -> bytes:
    try:
        return run.read_script(script)
    except OSError as error:
        _refuse(f"can't open file {show_path(error.filename)!r}: {error.strerror}")


def _run_child(arguments: argparse.Namespace, command: list[str]) -> int:
    if arguments.insecure:
        _refuse(
            "--insecure reaches no child process, which would verify as ever: run a script.py or -m module, or turn "
            f"verification off by an option of {show_path(command[0])} itself"
        )
    try:
        environment = _enter(arguments, export=False).environment()
    except (OSError, BundleError) as error:
        _refuse(_words(error))
    except ValueError:
        _refuse(
            "the operating system's store is no file that a child process could be given: name the CAs by --cafile "
            "without --system, or run a script.py or -m module, which verifies by the store in this process"
        )
    try:
        return child.run(command, environment)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        _say(f"{show_path(command[0])}: {'command not found' if missing else error.strerror}")
        return _NOT_FOUND if missing else _NOT_EXECUTABLE


def _enter_here(arguments: argparse.Namespace) -> TrustedContext:
    """The block, entered for the rest of this process: a script's threads and exit handlers outlive its last line."""
    try:
        return _enter(arguments, export=True)
    except ValueError:
        block = _enter(arguments, export=False)
        _say("child processes will verify as ever: the operating system's store is no file that they could be given")
        return block


def _enter(arguments: argparse.Namespace, *, export: bool) -> TrustedContext:
    """The block, live; what it warns of is said in a line each.

    Raises:
        SystemExit: it could not be entered for a reason that the user can mend.
        ValueError: what it trusts cannot be exported.
    """
    try:
        block = trusted_context(
            arguments.cafile, system=arguments.system or None, insecure=arguments.insecure or False, export=export
        )
    except ValueError as error:
        _refuse(_words(error))
    # By lines of ours, since no line of the user's program is to blame, and whatever filters are set for the program.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            block.start()
        except (OSError, BundleError) as error:
            _refuse(_words(error))
    for warning in caught:
        _say(f"{warning.category.__name__}: {warning.message}")
    return block


# Written out, because curl takes 1080 where no port is given, and Python's clients the scheme's own.
_PROXY_PORTS = {"http": 80, "https": 443, "socks5h": 1080}


def _set_proxy(text: str) -> None:
    """Name the proxy in the variables that everything reads; ``NO_PROXY`` stays the user's.

    Not in ``ALL_PROXY``, which decides nothing where the others are set. No message repeats any of *text*: where it is
    not understood, neither is which of it is the password.
    """
    try:
        url = parse_url(text)
    except ValueError:
        url = None
    if "@" in text and (url is None or "@" in url.rest or not url.is_encoded):
        _refuse("--proxy: percent-encode the special characters in user and password (@ as %40, / as %2F, % as %25)")
    if url is None or url.rest not in ("", "/"):
        _refuse(
            "--proxy takes a host and port, as http://host:port or http://user:password@host:port, and nothing after "
            "that; a port is a number from 1 to 65535"
        )
    scheme = url.scheme or "http"
    if scheme not in _PROXY_PORTS:
        _refuse(f"--proxy takes a URL that begins with {', '.join(f'{known}://' for known in _PROXY_PORTS)}")
    user = f"{url.userinfo}@" if url.userinfo else ""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        os.environ[name] = f"{scheme}://{user}{authority(url.host, url.port or _PROXY_PORTS[scheme])}"


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{show_path(str(error.filename))}: {error.strerror}"
    return str(error)


def _say(message: str) -> None:
    if sys.stderr is not None:  # it is where whoever started us closed it
        sys.stderr.write(f"trusted-context run: {' '.join(message.splitlines())}\n")


def _refuse(message: str) -> NoReturn:
    _say(message)
    sys.exit(2)
