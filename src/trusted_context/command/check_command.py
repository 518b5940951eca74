"""``trusted-context check``: its arguments, and the reports on a terminal, in a pipe, or as JSON."""

from __future__ import annotations

import os
import sys

from ..core.redaction import show_path
from . import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..checks.report import Report
    from ..core.certificate import Certificate

_DESCRIPTION = """\
Find out why downloads from a server fail on this machine, and print what cures it: lines to paste.

It looks at the CA variables, settings files, certifi, the system's store and the proxies, connects, shakes hands by
each kind of trust, and closes. Where nothing verifies the server, it looks for the CA on this machine. No request is
sent, nothing that was seen is trusted, and nothing is changed.

Without a URL it checks the hosts that people download from most, in a line each; so it does with several."""

_EXAMPLES = """\
examples:
  trusted-context check
  trusted-context check https://www.cs.toronto.edu/
  trusted-context check --cafile corp.crt registry.corp.example:8443
  trusted-context check --json pypi.org > report.json

The exit status is 0 where something on this machine verifies the servers, 1 where nothing does, 2 where the options are
wrong."""

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's options."""
    parser = subparsers.add_parser(
        "check",
        help="find out why downloads from a server fail, and what cures it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=terminal.Formatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "urls",
        nargs="*",
        metavar="URL",
        help="https://host[:port]/..., host, or host:port; without one: PyPI, Hugging Face, PyTorch, GitHub, conda",
    )
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
    parser.add_argument(
        "--save-cert",
        metavar="FILE",
        help="write the server's own certificate to a new file, for a server without a CA; compare it with its "
        "owner's; it proves nothing, and is not trusted by this",
    )


def main(arguments: argparse.Namespace) -> int:
    """Check, print, and return the exit status."""
    progress = terminal.Progress(sys.stderr)
    try:
        run = _run_one if len(arguments.urls) == 1 else _run_several
        return run(arguments, progress)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ValueError, OSError) as error:
        progress.end()
        return _complain(error)
    finally:
        progress.end()


def _run_one(arguments: argparse.Namespace, progress: terminal.Progress) -> int:
    from ..checks.check import examine

    for path in filter(None, (arguments.save_ca, arguments.save_cert)):
        if os.path.lexists(path):
            raise FileExistsError(17, "is there already, and is not overwritten", path)
    report = examine(arguments.urls[0], arguments.cafile, timeout=arguments.timeout, tell=progress.tell)
    progress.end()
    terminal.write(f"{report.to_json()}\n" if arguments.json else _text(report))
    if arguments.save_ca is not None:
        _save(report.topmost_authority(), arguments.save_ca, "CA certificate", "IT says")
    if arguments.save_cert is not None:
        _save(report.server_certificate(), arguments.save_cert, "certificate", "the server's owner says")
    return 0 if report.works else _FAILED


def _run_several(arguments: argparse.Namespace, progress: terminal.Progress) -> int:
    from ..checks import several

    if arguments.save_ca is not None or arguments.save_cert is not None:
        raise ValueError("--save-ca and --save-cert take one URL")
    found = several.examine(
        arguments.urls or several.POPULAR, arguments.cafile, timeout=arguments.timeout, tell=progress.tell
    )
    progress.end()
    terminal.write(f"{several.to_json(found)}\n" if arguments.json else _marked(list(several.lines(found, _width()))))
    return 0 if all(report.works for report in found) else _FAILED


def _save(certificate: Certificate | None, path: str, kind: str, who_says: str) -> None:
    import ssl

    if certificate is None:
        terminal.tell(f"the server sent no {kind}, so none was saved: ask for it")
        return
    # Exclusively, so that nothing that appeared meanwhile is overwritten, nor what a link points to.
    with open(path, "x", encoding="ascii") as file:
        file.write(ssl.DER_cert_to_PEM_cert(certificate.der))
    terminal.tell(
        f'saved "{certificate.subject}" to {show_path(path)}; sha256 {certificate.sha256}\n'
        f"This proves nothing: whoever is in between could have sent it. Compare the sha256 with what {who_says}, by "
        "telephone or on paper, before anything is to trust it."
    )


def _text(report: Report) -> str:
    from ..checks.report import lines

    return _marked(list(lines(report.findings, _width())))


def _marked(lines: list[tuple[str, str]]) -> str:
    if terminal.is_terminal(sys.stdout):
        return terminal.coloured(lines)
    return "".join(f"{line}\n" for _, line in lines)


def _width() -> int:
    from ..checks.report import WIDTH

    return terminal.width() if terminal.is_terminal(sys.stdout) else WIDTH


def _complain(error: Exception) -> int:
    where = f"{show_path(str(error.filename))}: " if isinstance(error, OSError) and error.filename is not None else ""
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    terminal.tell(f"trusted-context check: error: {where}{what}")
    return _MISUSED
