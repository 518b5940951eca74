"""Explaining is harmless and bounded, whatever an exception or a text holds."""

import os
import sys
import threading
import time

import pytest
from failing import failure, failure_of, raising
from issuing import root
from servers import fetch

from trusted_context import explain, trusted_context
from trusted_context.explanations import anchors, notes
from trusted_context.sources import stores

pytestmark = pytest.mark.slow

_FAILED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
_SIZE = 64_000
# What repeats in a text that shall make a regular expression try again at each place.
_REPEATED = [
    "x",
    " ",
    "\n",
    "@",
    ":",
    "(",
    "a@",
    "a.",
    "://",
    "https://",
    "https://a@",
    "host=",
    " (_ssl.c:",
    _FAILED,
    "not valid for '",
    'not valid for name "',
    "matches target host name '",
    "certificate is valid for ",
    "certificate is valid for x, no",
    "Tunnel connection failed: ",
    "Tunnel connection failed: 407",
    "407 a",
    "x509: ",
    "SSL: ",
    "invalid peer certificate: ",
    "SSL certificate problem: ",
    "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
]


def _seconds(error):
    """The processor time of this thread for one explanation, the least of several."""
    took = []
    for _ in range(5):
        began = time.thread_time()
        explain(error)
        took.append(time.thread_time() - began)
    return min(took)


@pytest.mark.parametrize("repeated", _REPEATED)
@pytest.mark.parametrize("form", ["{}", _FAILED + "{}", "{}" + _FAILED, "https://{}" + _FAILED])
def test_a_text_eight_times_as_long_takes_no_more_than_its_share(form, repeated):
    """Time grows with the length and not with its square: eightfold would be 64 times as much."""

    def of(size):
        return RuntimeError(form.format(repeated * (size // len(repeated))))

    short, long = _seconds(of(_SIZE // 8)), _seconds(of(_SIZE))
    # What is too short to be measured is no sign of anything.
    assert long / max(short, 0.0005) < 30


@pytest.mark.parametrize("name", ["unknown-issuer", "incomplete-chain", "untrusted-root"])
def test_a_second_note_reads_no_store_again(name, bad, monkeypatch):
    """The system's store and its folder are read once for a state of theirs, however many failures are explained."""
    system = trusted_context(bad[name].cafile, system=True)

    def fail():
        with system:
            fetch(bad[name].url)

    failure(fail)
    read = []
    monkeypatch.setattr(stores, "read_hashed", lambda folder: read.append(folder) or ())
    monkeypatch.setattr(anchors, "load", lambda *_args: read.append("parsed"))
    (note,) = failure(fail).__notes__
    assert read == []
    assert note.count("likely") == 1


def test_a_folder_that_changed_is_read_again(tmp_path):
    """A certificate that is added to the system's folder is known to the next explanation."""
    folder = tmp_path / "certs"
    folder.mkdir()
    assert anchors._with_folder((), str(folder)) == ()
    (folder / "0123abcd.0").write_bytes(root().pem)
    assert anchors._with_folder((), str(folder)) == (root().der,)
    (folder / "0123abcd.0").unlink()
    folder.rmdir()
    assert anchors._with_folder((b"x",), str(folder)) == (b"x",)


def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch):
    """Where the descriptors are used up, which made the connection fail perhaps, what is known already is said."""

    def refuse(_folder):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(stores, "read_hashed", refuse)
    assert anchors._with_folder((root().der,), str(tmp_path)) == (root().der,)


def test_a_folder_that_changed_within_a_tick_of_its_clock_is_read_again(tmp_path):
    """Where a young folder keeps its time stamp, what was read of it counts for nothing."""
    folder, now = tmp_path / "certs", time.time_ns()
    folder.mkdir()
    os.utime(folder, ns=(now, now))
    assert anchors._with_folder((), str(folder)) == ()
    (folder / "0123abcd.0").write_bytes(root().pem)
    os.utime(folder, ns=(now, now))
    assert anchors._with_folder((), str(folder)) == (root().der,)


def test_a_client_whose_objects_raise_is_passed_over():
    """What a client's request or pool raises when it is asked for its host is its own affair."""

    class Raising:
        def __getattr__(self, name):
            raise ZeroDivisionError(name)

    held = type("Request", (Raising,), {"__module__": "httpx"})()
    error = type("ConnectError", (OSError,), {"__module__": "httpx"})(_FAILED + "certificate has expired")
    error.request = held
    explanation = explain(error)
    assert (explanation.cause, explanation.host) == ("expired", None)


def test_a_grpc_error_without_the_usual_state_is_passed_over():
    """Whatever stands in the place of a call's state is read as text or not at all."""
    kind = type("RpcError", (Exception,), {"__module__": "grpc._channel"})
    state = type("State", (), {"__module__": "grpc._channel"})
    error = kind()
    for found in (None, "text", object(), state()):
        error._state = found
        assert explain(error) is None
    error._state.details = "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired"
    assert explain(error).cause == "expired"


def test_a_stop_iteration_is_not_explained(bad):
    """Control flow is nobody's failure, also where it carries one."""
    for kind in (StopIteration, StopAsyncIteration):
        error = kind()
        error.__cause__ = failure_of(bad["expired"])
        notes.annotate(error)
        assert not hasattr(error, "__notes__")
        assert explain(error).cause == "expired"


def test_arguments_without_end_are_looked_at_in_bounded_steps():
    """Of a million arguments the first few are."""
    late = RuntimeError(*["x"] * 1_000_000, _FAILED + "certificate has expired")
    assert explain(late) is None
    wide = RuntimeError(*(RuntimeError(RuntimeError(number)) for number in range(1000)))
    assert explain(wide) is None


def test_a_graph_of_errors_that_hold_each_other_comes_to_an_end():
    """Each of many errors holds each of the others, in every way there is."""
    errors = [RuntimeError(_FAILED + "certificate has expired") for _ in range(100)]
    for number, error in enumerate(errors):
        error.args = (*error.args, *errors)
        error.held, error.__cause__, error.__context__ = errors[number - 1], errors[number - 2], errors[number - 3]
    assert explain(errors[0]).cause == "expired"
    with pytest.raises(RuntimeError) as caught, trusted_context(root().pem):
        raising(errors[0])()
    assert len(caught.value.__notes__) == 1


def test_a_deep_group_and_a_deep_recursion_do_no_harm():
    """A group within a group, ten thousand deep, leaves a block as it is; so does a traceback of that depth."""
    group = ExceptionGroup("x", [RuntimeError(_FAILED + "certificate has expired")])
    for _ in range(10_000):
        group = ExceptionGroup("x", [group])
    with pytest.raises(ExceptionGroup) as caught, trusted_context(root().pem):
        raise group
    assert caught.value is group
    while isinstance(group, ExceptionGroup):  # taken apart from the outside: freeing it at once would recurse
        (group,) = group.exceptions


def test_explaining_in_many_threads_while_blocks_come_and_go(bad):
    """What is read of the live blocks is read as a whole."""
    error = failure_of(bad["unknown-issuer"])
    ended, problems = threading.Event(), []

    def enter():
        while not ended.is_set():
            with trusted_context(bad["sound"].cafile):
                pass

    def ask():
        try:
            for _ in range(200):
                explain(error)
        except Exception as problem:  # noqa: BLE001  # whatever it is
            problems.append(problem)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    entering = threading.Thread(target=enter)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in (entering, *threads):
            thread.start()
        for thread in threads:
            thread.join(30)
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        entering.join(30)
    assert problems == []
