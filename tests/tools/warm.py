"""Run pytest again and again, each time in a fork of one process that has imported the slow libraries already.

Each line of standard input is a run, as JSON: the seconds it may take, pytest's arguments, tests that go first, and a
source file, or null. The answer is a line of JSON: whether all tests passed, the tests that failed, and, where a source
file was named, of each test the seconds that it took and the lines of that file that it ran in its own process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

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


class _Lines:
    """Records which lines of one source file each test runs."""

    def __init__(self, path: str) -> None:
        self.of_tests: dict[str, tuple[float, list[int]]] = {}
        self._path = path
        self._seen: set[int] = set()
        self._monitoring = sys.monitoring
        self._tool = self._monitoring.COVERAGE_ID
        events = self._monitoring.events
        self._monitoring.use_tool_id(self._tool, "mutants")
        self._monitoring.register_callback(self._tool, events.PY_START, self._start)
        self._monitoring.register_callback(self._tool, events.LINE, self._line)
        self._monitoring.set_events(self._tool, events.PY_START)

    def _start(self, code: CodeType, _offset: int) -> object:
        if code.co_filename == self._path:
            self._monitoring.set_local_events(self._tool, code, self._monitoring.events.LINE)
        return self._monitoring.DISABLE

    def _line(self, _code: CodeType, line: int) -> None:
        self._seen.add(line)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._seen = set()
        begun = time.monotonic()
        result = yield
        self.of_tests[item.nodeid] = time.monotonic() - begun, sorted(self._seen)
        return result


def _run(arguments: list[str], first: list[str], source: str | None, told: str) -> None:
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(quiet, stream)
    order = _Order(first)
    lines = [] if source is None else [_Lines(source)]
    status = pytest.main(arguments, plugins=[order, *lines])
    with open(told, "w", encoding="utf-8") as file:
        json.dump([status == 0, order.failed, *(each.of_tests for each in lines)], file)


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
            seconds, arguments, first, source = json.loads(line)
            child = os.fork()
            if child == 0:
                try:
                    _run(arguments, first, source, told)
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
