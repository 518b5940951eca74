"""For the tests of the check: a machine with small stores of its own, and what a report's code does when it is run."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import struct
import subprocess
import sys
import types
from typing import NamedTuple

import certifi
import pytest
import trustme
from servers import fetch, write_ca

from trusted_context.checks import paths
from trusted_context.sources import stores

# Variables that name folders in which CAs, or settings that name them, are looked for.
_NAMING_FOLDERS = (
    *("APPDATA", "AWS_", "CAROOT", "CARGO_", "CLOUDSDK_", "CONDA", "CURL_HOME", "GIT_", "JAVA_HOME", "KUBE"),
    *("LOCALAPPDATA", "NIX_", "NPM_", "PIP_CONFIG", "ProgramData", "ProgramFiles", "WGETRC", "XDG_", "npm_"),
)
SECRET = "s3cr@t%w:rd"


class Machine(NamedTuple):
    """Where its stores are, each a file with a CA that signed nothing, and how to change what it is set up to.

    What is searched below "/" is below *root*, and the home directory is *home*, which is the working directory too.
    """

    system: object
    certifi: object
    patch: pytest.MonkeyPatch
    root: object
    home: object

    def place(self, path, content):
        """Write a file there: below *root*, or in the home directory where it begins with ``~/``."""
        where = self.home / path[2:] if path.startswith("~/") else self.root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content if isinstance(content, bytes) else content.encode())
        return where

    def set_version_of_certifi(self, days):
        """Make certifi that old."""
        day = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
        self.patch.setattr(certifi, "__version__", f"{day:%Y.%m.%d}")


@contextlib.contextmanager
def small_machine(folder):
    """A machine whose stores, in that new folder, are read in no time."""
    folder.mkdir()
    system = write_ca(trustme.CA(organization_name="Everybody"), folder / "system.pem")
    other = write_ca(trustme.CA(organization_name="Everybody"), folder / "certifi.pem")
    defaults = types.SimpleNamespace(openssl_cafile=str(system), openssl_capath=str(folder / "none"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "ssl", types.SimpleNamespace(get_default_verify_paths=lambda: defaults))
        patch.setattr(stores, "SYSTEM_FILES", ())
        patch.setattr(stores, "VERIFIES_NATIVELY", False)
        patch.setattr(certifi, "where", lambda: str(other))
        for name in [name for name in os.environ if name.startswith(_NAMING_FOLDERS)]:
            patch.delenv(name)
        home = folder / "home"
        home.mkdir()
        patch.setenv("HOME", str(home))
        patch.chdir(home)
        patch.setattr(paths, "root", str(folder / "root"))
        machine = Machine(system, other, patch, folder / "root", home)
        machine.set_version_of_certifi(days=10)
        yield machine


def code(report):
    """The code that the report ends in, for Python."""
    (advice,) = [one for one in report.as_dict()["advice"] if one["tool"] == "python"]
    assert report.line in advice["lines"]
    return "\n".join(advice["lines"])


def run_line(report, url):
    """What a download gets in the block that the report tells to use, after the code was run as it is."""
    exec(code(report), {})
    names = {"fetch": fetch, "url": url}
    exec(f"{code(report)}\n    body = fetch(url)", names)
    return names["body"]


def shell_lines(report):
    """The commands that the report ends in, by what they are for."""
    return {one["tool"]: one["lines"][0] for one in report.as_dict()["advice"] if one["where"] == "shell"}


def flat(report):
    """The report's text as it is where no line is too long."""
    return " ".join(str(report).split())


def steps(report):
    """The result of each step on the way to the server."""
    return {step["name"]: step["result"] for step in report.as_dict()["steps"]}


def verdicts(report):
    """Whether each kind of trust verified the server."""
    return {verdict["trust"]: verdict["works"] for verdict in report.as_dict()["verdicts"]}


def forms(report):
    """Everything that is ever shown of a report."""
    return [str(report), repr(report), report.to_json(), report._repr_html_(), repr(report.as_dict())]


COMMAND = ["-m", "trusted_context", "check"]

# A terminal of its own for the program, which heeds Ctrl-C though whoever started the tests may ignore it.
_IN_TERMINAL = """
import os, signal, sys
os.login_tty(int(sys.argv[1]))
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def run_in_terminal(*arguments, columns=100, until=None, type_then=b"", **variables):
    """What the command writes to a terminal, and its status; *type_then* is typed once *until* was written."""
    fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))
    master, slave = pty.openpty()
    with open(master, "rb+", buffering=0) as terminal:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        command = [sys.executable, "-c", _IN_TERMINAL, str(slave), *COMMAND, *map(str, arguments)]
        environment = os.environ | {"TERM": "xterm", "NO_COLOR": "", "COLUMNS": "", **variables}
        process = subprocess.Popen(command, pass_fds=[slave], env=environment)
        os.close(slave)
        written = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while data := terminal.read(65536):
                written += data
                if until and until in written:
                    until = None
                    terminal.write(type_then)
        return written.decode().replace("\r\n", "\n"), process.wait(20)
