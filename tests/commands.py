"""The command ``trusted-context``, started as its users start it."""

import os
import signal
import subprocess
import sys

PYTHON = sys.executable
FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).read().decode())"


if "PYTHONPATH" in os.environ:  # for programs that run in other folders
    os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, os.environ["PYTHONPATH"].split(os.pathsep)))


def trusted(*arguments):
    """The command line ``trusted-context arguments...``."""
    return [PYTHON, "-m", "trusted_context", *map(str, arguments)]


# What background jobs and nohup ignore, and a terminal's programs do not.
_OFTEN_IGNORED = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


def start(command, **options):
    """Start it with pipes, and with the signals as a terminal's programs have them, however the tests were started."""
    settings = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | {"text": True}
    # A handler of ours is the default in what is started.
    before = {number: signal.signal(number, signal.default_int_handler) for number in _OFTEN_IGNORED}
    try:
        return subprocess.Popen(list(map(str, command)), **settings | options)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ended(process, typed=""):
    """Its exit status, stdout and stderr, once it ended."""
    with process:
        try:
            stdout, stderr = process.communicate(typed, timeout=30)
        finally:
            process.kill()
    return process.returncode, stdout, stderr


def run(*arguments, **options):
    """What ``trusted-context run arguments...`` ends in: exit status, stdout and stderr."""
    return ended(start(trusted("run", *arguments), **options))


def assert_refused(outcome, *words):
    """It ended with status 2 and one line on stderr that holds *words*, and ran nothing."""
    status, stdout, stderr = outcome
    assert (status, stdout, stderr.count("\n")) == (2, "", 1), outcome
    assert stderr.startswith("trusted-context run: ")
    assert all(word in stderr for word in words), stderr
