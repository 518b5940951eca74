"""Run pytest again and again, each time in a fork of one process that has imported the slow libraries already.

Each line of standard input is a run, as JSON: the seconds it may take, pytest's arguments, and tests that go first. The
answer is a line of JSON: whether all tests passed, and the tests that failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time

import pytest

# What the tests import but pytest's plugins, and the package itself, which is another one at each run.
_SLOW = ("aiohttp", "cryptography.x509", "httpx", "requests", "trustme", "truststore", "urllib3")
for _name in _SLOW:
    with contextlib.suppress(ImportError):
        __import__(_name)


class _Order:
    """Runs some tests before all others, and remembers what failed."""

    def __init__(self, first: list[str]) -> None:
        self.first = first
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        place = {name: number for number, name in enumerate(self.first)}
        items.sort(key=lambda item: place.get(item.nodeid, len(place)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def _run(arguments: list[str], first: list[str], told: str) -> None:
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(quiet, stream)
    order = _Order(first)
    status = pytest.main(arguments, plugins=[order])
    with open(told, "w", encoding="utf-8") as file:
        json.dump([status == 0, order.failed], file)


def _wait(child: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what its tests left running


def main() -> None:
    """Answer until standard input ends."""
    with tempfile.TemporaryDirectory() as folder:
        told = os.path.join(folder, "told")
        for line in sys.stdin:
            seconds, arguments, first = json.loads(line)
            child = os.fork()
            if child == 0:
                try:
                    _run(arguments, first, told)
                finally:
                    os._exit(0)
            _wait(child, seconds)
            try:
                with open(told, encoding="utf-8") as file:
                    answer = json.load(file)
                os.unlink(told)
            except OSError:  # it hung, or ended without a word
                answer = [False, []]
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
