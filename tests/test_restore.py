"""After any exit the process is exactly as it was."""

import asyncio
import contextlib
import functools
import http.client
import signal
import subprocess
import sys
import threading
import types
import urllib.request

import pytest
from conftest import assert_same, state
from servers import BODY, fetch, refusal

from trusted_context import clients, trusted_context
from trusted_context.clients import for_urllib as urllib_client


def _normally(block, url):
    with block:
        fetch(url)


def _by_exception(block, url):
    with pytest.raises(ZeroDivisionError), block:
        fetch(url)
        raise ZeroDivisionError


def _by_keyboard_interrupt(block, url):
    with pytest.raises(KeyboardInterrupt), block:
        fetch(url)
        raise KeyboardInterrupt


def _by_system_exit(block, url):
    with pytest.raises(SystemExit), block:
        fetch(url)
        sys.exit(1)


def _by_closing_a_generator(block, url):
    def steps():
        with block:
            yield fetch(url)

    running = steps()
    next(running)
    running.close()


def _by_cancellation(block, url):
    async def download():
        async with block:
            fetch(url)
            await asyncio.sleep(30)

    async def main():
        task = asyncio.create_task(download())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def _by_stop(block, url):
    block.start()
    fetch(url)
    block.stop()


_EXITS = [
    _normally,
    _by_exception,
    _by_keyboard_interrupt,
    _by_system_exit,
    _by_closing_a_generator,
    _by_cancellation,
    _by_stop,
]


@pytest.mark.parametrize("built", [False, True], ids=["no opener", "an opener"])
@pytest.mark.parametrize("leave", _EXITS)
def test_every_attribute_is_the_object_it_was_after_any_exit(leave, built, server, ca_file):
    """However a block is left, each attribute is the object it was, the opener (also None) included."""
    urllib.request.install_opener(urllib.request.build_opener() if built else None)
    before = state()
    leave(trusted_context(ca_file), server.url)
    assert_same(before, state())
    assert server.requests == ["GET /"]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="Windows delivers no signal to a thread")
def test_ctrl_c_in_the_middle_of_a_download_leaves_all_as_it_was(server, ca_file):
    """A real SIGINT while the body is being read ends the block and gives KeyboardInterrupt to the caller."""

    def half_a_body(request):
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"half")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        released.wait(10)

    released = threading.Event()
    server.files["/"] = half_a_body
    before = state()
    # A shell starts its background jobs with SIGINT ignored.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), trusted_context(ca_file):
            fetch(server.url)
    finally:
        released.set()
        signal.signal(signal.SIGINT, handler)
    assert_same(before, state())


def test_an_outer_block_is_all_that_is_left_of_an_inner_one(server, ca_file, other_file):
    """Leaving an inner block, the outer one governs; its patches are not taken away early."""
    with trusted_context(ca_file):
        inside = state()
        with trusted_context(other_file):
            refusal(server.url)
        assert_same(inside, state())
        assert fetch(server.url) == BODY


def test_a_failing_install_undoes_its_completed_steps_and_names_the_client(monkeypatch, ca_file):
    """When a later client cannot be installed, the earlier ones are restored, and the error says which it was."""

    def fail(_module):
        raise ZeroDivisionError("its seam is gone")

    before = state()
    broken = types.SimpleNamespace(cover_it=fail, restore=list)
    monkeypatch.setitem(sys.modules, f"{clients.__name__}.for_broken", broken)
    monkeypatch.setitem(clients._SEAMS, "sys", functools.partial(clients._call, "broken", "cover_it"))
    with pytest.raises(RuntimeError, match=r"'broken' could not be installed.*its seam is gone"):
        trusted_context(ca_file).start()
    assert_same(before, state())


@pytest.mark.parametrize("step", ["_make_connect", "_make_open", "_GlobalOpener"])
def test_an_install_that_fails_half_way_undoes_its_first_half(step, monkeypatch, server, ca_file):
    """Whichever step of the urllib client fails, the ones before it are undone, and the next block works."""

    def fail(*_args):
        raise ZeroDivisionError(step)

    before = state()
    with monkeypatch.context() as patch:
        patch.setattr(urllib_client, step, fail)
        patch.setattr(urllib_client._patches, "_kept", ((), ()))  # as before the first block
        with pytest.raises(RuntimeError, match="'urllib'"):
            trusted_context(ca_file).start()
    assert_same(before, state())
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY


def test_somebody_elses_later_patch_is_neither_clobbered_nor_lost(server, ca_file):
    """A patch that other code puts over ours inside the block works inside, stays after, and is named in a warning."""
    original = http.client.HTTPSConnection.connect
    seen = []
    try:
        with pytest.warns(RuntimeWarning, match=r"HTTPSConnection\.connect was replaced") as caught:
            with trusted_context(ca_file):
                ours = http.client.HTTPSConnection.connect

                def theirs(connection):
                    seen.append(connection.host)
                    return ours(connection)

                http.client.HTTPSConnection.connect = theirs
                assert fetch(server.url) == BODY
            assert caught[0].filename == __file__
        assert http.client.HTTPSConnection.connect is theirs
        refusal(server.url)
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
        assert http.client.HTTPSConnection.connect is theirs
        refusal(server.url)
        assert seen == ["localhost"] * 4
    finally:
        http.client.HTTPSConnection.connect = original


def test_a_patch_made_before_the_block_is_put_back(server, ca_file):
    """What other code had patched before the block is what is there after it, and works inside: in a second one too."""
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    original = http.client.HTTPSConnection.connect
    seen = []

    def theirs(connection):
        seen.append(connection.host)
        return original(connection)

    http.client.HTTPSConnection.connect = theirs
    try:
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
        assert http.client.HTTPSConnection.connect is theirs
        assert seen == ["localhost"]
    finally:
        http.client.HTTPSConnection.connect = original


def test_an_error_at_entry_changes_nothing(tmp_path):
    """What cannot be entered leaves no trace, and leaving it then does nothing."""
    before = state()
    block = trusted_context(tmp_path / "missing.pem")
    with pytest.raises(FileNotFoundError), block:
        pass
    block.stop()
    assert_same(before, state())


def test_a_standard_library_without_its_own_class_is_said_to_be_so(ca_file):
    """Where http.client's connection is gone, no block can be entered, and all is as it was."""
    code = (
        "import gc, http.client, sys, urllib.request\n"
        "class Other(http.client.HTTPConnection): pass\n"
        "http.client.HTTPSConnection = Other\n"
        "gc.collect()\n"
        "from trusted_context import current, trusted_context\n"
        "before = dict(vars(urllib.request.OpenerDirector)), list(sys.meta_path), urllib.request._opener\n"
        "try:\n"
        "    trusted_context(sys.argv[1]).start()\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
        "after = dict(vars(urllib.request.OpenerDirector)), list(sys.meta_path), urllib.request._opener\n"
        "print(before == after, current())\n"
    )
    command = [sys.executable, "-c", code, ca_file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert "the client 'urllib' could not be installed, none was: http.client.HTTPSConnection was" in done.stdout
    assert done.stdout.splitlines()[-1] == "True None"


def test_importing_the_package_imports_no_client_and_changes_nothing():
    """The import brings in neither http.client nor urllib3, certifi or truststore, and builds no context."""
    code = (
        "import sys, trusted_context\n"
        "heavy = {'http.client', 'urllib.request', 'urllib3', 'requests', 'httpx', 'aiohttp', 'certifi', 'truststore',"
        " 'inspect', 'dataclasses', 'typing', 'importlib.util', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.strip() == "[]"


def test_entering_from_an_exit_stack_is_left_by_it(server, ca_file):
    """contextlib.ExitStack enters and leaves a block like any other context manager."""
    before = state()
    block = trusted_context(ca_file)
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(block) is block
        stack.enter_context(block)
        assert fetch(server.url) == BODY
    assert_same(before, state())


def test_a_block_can_be_left_from_where_no_frame_calls(server, ca_file):
    """``atexit`` calls from C: a block entered at the end of a program is left by it all the same."""
    code = (
        "import atexit, sys, urllib.request\n"
        "from trusted_context import trusted_context\n"
        "from trusted_context.core import live\n"
        "atexit.register(lambda: print(live.anything_live(), urllib.request._opener))\n"
        "block = trusted_context(sys.argv[1])\n"
        "atexit.register(block.__exit__, None, None, None)\n"
        "block.__enter__()\n"
        "print(urllib.request.urlopen(sys.argv[2], timeout=20).read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ca_file, server.url], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.splitlines() == [str(BODY), "False None"]
