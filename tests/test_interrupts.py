"""Ctrl-C at any line of entering and leaving."""

import linecache
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import assert_same, state
from servers import BODY, fetch

import trusted_context as package
from trusted_context import trusted_context
from trusted_context.core import live
from trusted_context.core.lock import lock

pytestmark = pytest.mark.slow

_SOURCE = str(Path(package.__file__).parent)


class Interrupter:
    """Raises KeyboardInterrupt once, at the given line of this package that runs while it is on; counts the lines."""

    def __init__(self, at):
        self._left = at
        self.where = None

    def __call__(self, frame, event, _argument):
        if not frame.f_code.co_filename.startswith(_SOURCE):
            return None
        # The line of a "with lock" is traced once more at its end, where CPython looks for no signal.
        if event == "line" and linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() != "with lock:":
            self._left -= 1
            if self._left == 0:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
                raise KeyboardInterrupt
        return self


def interrupted(block, at):
    """Enter and leave the block with an interrupt at that line, and return where it was; None past the last."""
    interrupter, before = Interrupter(at), sys.gettrace()
    sys.settrace(interrupter)
    try:
        with block:
            pass
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return interrupter.where


@pytest.mark.parametrize("built", [False, True], ids=["no opener", "an opener"])
def test_an_interrupt_at_any_line_of_entering_or_leaving_leaves_all_as_it_was(built, server, ca_file):
    """Wherever Ctrl-C comes, nothing stays live, every attribute is the object it was, and the next block works."""
    block = trusted_context(ca_file.read_bytes())
    with block:
        assert fetch(server.url) == BODY
    urllib.request.install_opener(urllib.request.build_opener() if built else None)
    before = state()
    unsafe = []
    at = 1
    while (where := interrupted(block, at)) is not None:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lock.acquire, timeout=5).result(), where
            pool.submit(lock.release).result()
        if live.anything_live():
            unsafe.append(where)
            block.stop()
        assert_same(before, state())
        at += 1
    # Between the with statement and our "try" there is a line at each end that nobody could guard.
    assert {where.rpartition(" ")[2] for where in unsafe} <= {"__enter__", "__exit__", "_leave"}
    assert len(unsafe) <= 3
    assert at > 100
    with block:
        assert fetch(server.url) == BODY
    assert_same(before, state())
