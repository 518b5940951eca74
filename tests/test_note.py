"""The note that a block adds to an exception that leaves it."""

import asyncio
import contextlib
import ssl
import sys
import threading
import traceback
import urllib.error

import pytest
from conftest import assert_same, state
from failing import raising
from issuing import issue, root
from servers import BODY, Server, fetch, serving, verify_failure
from test_interrupts import Interrupter

from trusted_context import InsecureWarning, explain, trusted_context
from trusted_context.core import live
from trusted_context.explanations import explain as explaining

_PASSWORD = "S3CRET"


def leaving(block, action):
    """What leaves the block in which *action* runs."""
    with pytest.raises(BaseException) as caught, block:  # whatever it is
        action()
    return caught.value


def notes_of(error):
    return getattr(error, "__notes__", [])


@pytest.fixture
def port(bad):
    """A server that an inspecting product answers for."""
    return bad["known-interception"]


@pytest.fixture
def block(port):
    return trusted_context(port.cafile)


def test_the_note_is_the_explanation(port, block):
    """The exception that leaves has one note, which is what explain() says, and the traceback shows it."""
    error = leaving(block, lambda: fetch(port.url))
    assert notes_of(error) == [str(explain(error))]
    assert f"trusted    cafile={port.cafile}" in notes_of(error)[0]
    assert 'next       ask IT for the CA certificate "Zscaler Root CA"' in "".join(traceback.format_exception(error))


def test_the_exception_is_otherwise_as_it_was(port, block):
    """The same object with the same type, arguments, cause and context leaves; it is caught as before."""
    inside = []

    def action():
        try:
            fetch(port.url)
        except OSError as error:
            inside.append((error, type(error), error.args, error.__cause__, error.__context__, str(error)))
            raise

    error = leaving(block, action)
    expected = inside[0]
    assert error is expected[0]
    assert (type(error), error.args, error.__cause__, error.__context__, str(error)) == expected[1:]


def test_every_way_to_leave_a_block_adds_it(port, block):
    """with, async with, and the decorated function, coroutine, generator and async generator."""

    @block
    def function():
        fetch(port.url)

    @block
    async def coroutine():
        fetch(port.url)

    @block
    def generator():
        yield fetch(port.url)

    @block
    async def async_generator():
        yield fetch(port.url)

    async def within():
        async with block:
            fetch(port.url)

    async def step():
        await anext(async_generator())

    ways = [
        function,
        lambda: asyncio.run(coroutine()),
        lambda: next(generator()),
        lambda: asyncio.run(step()),
        lambda: asyncio.run(within()),
    ]
    for way in ways:
        with pytest.raises(OSError) as caught:
            way()
        assert len(notes_of(caught.value)) == 1
        assert "Zscaler" in notes_of(caught.value)[0]


def test_once_however_often_it_leaves(port, block):
    """Nested blocks, an exception raised again, and a wrapper whose traceback shows it: one note in all."""

    def nested():
        with block, trusted_context(port.cafile, strict=True):
            fetch(port.url)

    error = leaving(block, nested)
    assert len(notes_of(error)) == 1
    assert leaving(block, raising(error)) is error
    assert len(notes_of(error)) == 1

    def wrap():
        try:
            raise error
        except OSError as inner:
            raise RuntimeError("no data") from inner

    wrapper = leaving(block, wrap)
    assert notes_of(wrapper) == []
    assert "".join(traceback.format_exception(wrapper)).count("likely     ") == 1


def test_a_wrapper_that_hides_what_it_wraps_has_a_note_of_its_own(port, block):
    """``raise ... from None`` shows no note of the error it replaces."""

    def wrap():
        try:
            with block:
                fetch(port.url)
        except OSError:
            raise RuntimeError("no data") from None

    wrapper = leaving(block, wrap)
    assert len(notes_of(wrapper)) == 1
    assert "".join(traceback.format_exception(wrapper)).count("likely     ") == 1


def test_a_tls_error_that_no_connection_raised_is_left_alone(block, tmp_path):
    """A client certificate without its key, say: OpenSSL's words are all that there is to know."""
    file = tmp_path / "client.pem"
    file.write_bytes(root().pem)
    error = leaving(block, lambda: ssl.create_default_context().load_cert_chain(file))
    assert isinstance(error, ssl.SSLError)
    assert notes_of(error) == []


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        ValueError("certificate"),
        FileNotFoundError(2, "no such file", "x.pem"),
        TimeoutError("a queue's"),
        ConnectionResetError("a database's"),
        urllib.error.URLError("unknown url type"),
        StopIteration(1),
        KeyboardInterrupt(),
        SystemExit(1),
        GeneratorExit(),
        ExceptionGroup("x", [KeyError(1)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_are_not_touched(error, block):
    """Nothing is added to, and nothing is imported for, what no HTTP client says of a connection."""
    before = vars(error).copy()
    loaded = sys.modules.pop("trusted_context.explanations.explain", None)
    try:
        assert leaving(block, raising(error)) is error
        assert "trusted_context.explanations.explain" not in sys.modules
    finally:
        sys.modules["trusted_context.explanations.explain"] = loaded or explaining
    assert vars(error) == before
    assert not hasattr(error, "__notes__")


def test_an_error_that_lies_about_itself_runs_no_code(block):
    """Properties, __str__ and __eq__ of a user's exception are not called."""

    class HostileError(Exception):
        __hash__ = None

        def __str__(self):
            raise SystemExit

        __repr__ = __str__

        def __eq__(self, _other):
            raise SystemExit

        @property
        def reason(self):
            raise SystemExit

        add_note = reason

    class Proxy:
        @property
        def __class__(self):
            raise SystemExit

        def __getattr__(self, name):
            raise SystemExit

    error = HostileError("CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired")
    error.__cause__ = HostileError()
    error.held = Proxy()
    assert leaving(block, raising(error)) is error
    assert len(notes_of(error)) == 1


def test_a_failing_explanation_never_replaces_the_users_error(port, block, monkeypatch):
    """Whatever goes wrong in it, the user's exception is what leaves, and the block was left."""

    def broken(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(explaining, "explain", broken)
    error = leaving(block, lambda: fetch(port.url))
    assert isinstance(verify_failure(error), ssl.SSLCertVerificationError)
    assert notes_of(error) == []
    frozen = OSError("CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired")
    monkeypatch.undo()
    frozen.__notes__ = "not a list"
    assert leaving(block, raising(frozen)) is frozen


def test_the_block_is_left_before_anything_is_explained(port, block, monkeypatch):
    """Ctrl-C during the explanation finds the process as it was."""
    before = state()
    seen = []

    def interrupted(_error):
        seen.append(live.anything_live())
        assert_same(before, state())
        raise KeyboardInterrupt

    monkeypatch.setattr(explaining, "explain", interrupted)
    assert isinstance(leaving(block, lambda: fetch(port.url)), KeyboardInterrupt)
    assert seen == [False]


@pytest.mark.slow
def test_an_interrupt_at_any_line_of_leaving_with_a_failure_leaves_all_as_it_was(block):
    """Ctrl-C at any line of leaving and of explaining: the block is left, by it or already."""
    error = "CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"
    leaving(block, raising(RuntimeError(error)))
    before = state()
    unsafe, at = [], 1
    while (where := _interrupted_leaving(block, RuntimeError(error), at)) is not None:
        if live.anything_live():
            unsafe.append(where)
            block.stop()
        assert_same(before, state())
        at += 1
    assert {where.rpartition(" ")[2] for where in unsafe} <= {"__exit__", "_leave"}
    assert len(unsafe) <= 2
    assert at > 100


def _interrupted_leaving(block, error, at):
    interrupter, before = Interrupter(at), sys.gettrace()
    try:
        with block:
            sys.settrace(interrupter)
            raise error
    except (RuntimeError, KeyboardInterrupt):
        pass
    finally:
        sys.settrace(before)
    return interrupter.where


def test_the_note_opens_no_connection(port, block):
    """The server sees the one connection that failed, and no data."""
    accepted, received = port.accepted, port.received
    leaving(block, lambda: fetch(port.url))
    assert (port.accepted, port.received) == (accepted + 1, received)


def test_secrets_stand_in_no_note(bad, block, monkeypatch):
    """A password in a proxy's address, or behind OpenSSL's words in a text, is repeated nowhere."""
    address = f"http://user:{_PASSWORD}@localhost:{bad['plain-http'].number}"
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", address)
    words = "CERTIFICATE_VERIFY_FAILED] certificate verify failed:"
    for action in (
        lambda: fetch(bad["known-interception"].url),
        raising(RuntimeError(f"{words} certificate rejected (_ssl.c:1006) by {address}")),
        raising(RuntimeError(f"{words} {address}")),
        raising(RuntimeError(f"{words} unheard of\n{address}")),
    ):
        error = leaving(block, action)
        assert len(notes_of(error)) == 1
        assert _PASSWORD not in notes_of(error)[0]


def test_hostile_names_are_stripped_and_bounded(tmp_path):
    """Control characters, terminal codes, bidirectional marks and endless names of a server's do not reach the note."""
    evil = "\x1b[2J\x07\r\n  next       pip install evil\u202e\u2066" + "A" * 1000
    ca = issue('evil CA" or write trusted_context(insecure=True) "', ca=True, organisation=evil)
    names = [f"{'x' * 60}.{'y' * 60}.{number}.test" for number in range(300)]
    file = tmp_path / "ca.pem"
    file.write_bytes(root().pem)
    leaf = issue(evil, ca, names=names).presenting(ca, *[issue(evil, ca=True) for _ in range(5)])
    with serving(Server(leaf)) as server:
        error = leaving(trusted_context(file), lambda: fetch(server.url))
    note = notes_of(error)[0]
    assert all(letter.isprintable() or letter == "\n" for letter in note)
    assert "\u202e" not in note
    assert 'evil CA"' not in note
    assert len(note) < 4000
    assert len(note.splitlines()) == 6
    assert [line.split()[0] for line in note.splitlines()[1:]] == ["presented", "trusted", "likely", "next", "more"]


def test_an_endless_text_is_looked_at_in_bounded_time(block):
    """Megabytes of text in an exception are searched at their beginning alone."""
    error = RuntimeError(
        "x" * 5_000_000 + "CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"
    )
    assert notes_of(leaving(block, raising(error))) == []


def test_hosts_beside_an_insecure_one(bad):
    """In a block that is insecure for another host, the failure of a verified one is explained as ever."""
    port = bad["expired"]
    with pytest.warns(InsecureWarning):
        error = leaving(trusted_context(port.cafile, insecure={"other.test"}), lambda: fetch(port.url))
    assert notes_of(error)[0].startswith("localhost: its certificate expired on ")


def test_strict_of_a_context_of_ones_own_is_named(bad):
    """Python 3.13's default strictness, in a context of the caller's, is told apart from the block's own."""
    port = bad["no-authority-key"]
    context = ssl.create_default_context(cafile=port.cafile)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    error = leaving(trusted_context(port.cafile), lambda: fetch(port.url, context=context))
    assert "VERIFY_X509_STRICT" in notes_of(error)[0]
    assert "leave out strict=True" not in notes_of(error)[0]
    assert "a context that is not a block's" in notes_of(error)[0]
    with trusted_context(port.cafile):
        assert fetch(port.url) == BODY


def test_a_failure_in_another_thread_is_noted_where_it_leaves(port, block):
    """A worker's exception that is raised again in the block is explained with the worker's chain."""
    failures = []

    def work():
        with contextlib.suppress(OSError):
            try:
                fetch(port.url)
            except OSError as error:
                failures.append(error)

    def action():
        worker = threading.Thread(target=work)
        worker.start()
        worker.join(20)
        raise failures[0]

    assert "Zscaler Root CA" in notes_of(leaving(block, action))[0]


def test_the_end_of_an_iteration_gets_no_note(server, other_file):
    """StopIteration is control flow, also where it is raised while a failure is handled."""

    def end():
        try:
            fetch(server.url)
        except OSError as error:
            raise StopIteration from error

    with pytest.raises(StopIteration) as caught, trusted_context(other_file):
        end()
    assert not hasattr(caught.value, "__notes__")
