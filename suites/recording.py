"""Runs a suite plainly, inside one block, or with a block around each test, and records which tests passed.

A plugin of pytest (``-p recording``), and for CPython's own tests a program: ``recording.py test.test_ssl``. Both read
``SUITE_MODE`` (``plain``, ``process`` or ``each``) and write a JSON list of the tests that passed to ``SUITE_PASSED``.
"""

import json
import os
import pathlib
import sys
import unittest

from trusted_context import trusted_context

_MODE = os.environ["SUITE_MODE"]


class _Recorder:
    """The tests that passed, and the blocks around them."""

    def __init__(self):
        self._passed = set()
        self._failed = set()
        self._process = trusted_context() if _MODE == "process" else None
        self._each = trusted_context() if _MODE == "each" else None
        if self._process:
            self._process.start()

    def enter(self):
        if self._each:
            self._each.start()

    def leave(self):
        if self._each:
            self._each.stop()

    def note(self, name, *, passed):
        (self._passed if passed else self._failed).add(name)

    def finish(self):
        if self._process:
            self._process.stop()
        pathlib.Path(os.environ["SUITE_PASSED"]).write_text(json.dumps(sorted(self._passed - self._failed)))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # for a failed test may have left threads that wait for ever


_recorder = _Recorder()


# pytest


def pytest_runtest_logstart():
    """Before a test's fixtures."""
    _recorder.enter()


def pytest_runtest_logfinish():
    """After a test and its fixtures."""
    _recorder.leave()


def pytest_runtest_logreport(report):
    """What came of a test, or of one of its fixtures."""
    if report.when == "call" or report.failed:
        _recorder.note(report.nodeid, passed=report.passed)


def pytest_unconfigure():
    """At the end."""
    _recorder.finish()


# unittest


class _Result(unittest.TextTestResult):
    def startTest(self, test):
        _recorder.enter()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        _recorder.leave()

    def addSuccess(self, test):
        super().addSuccess(test)
        _recorder.note(test.id(), passed=True)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        _recorder.note(test.id(), passed=False)

    def addError(self, test, error):
        super().addError(test, error)
        _recorder.note(test.id(), passed=False)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            _recorder.note(test.id(), passed=False)


if __name__ == "__main__":
    from test import support

    support.use_resources = []  # nothing that asks the network
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    unittest.TextTestRunner(verbosity=0, resultclass=_Result).run(suite)
    _recorder.finish()
