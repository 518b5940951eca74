"""Many threads in one block, and nobody waits for another's handshake."""

import concurrent.futures
import contextlib
import os
import socket
import sys
import threading

from servers import BODY, fetch, lent, refusal

from trusted_context import current, trusted_context
from trusted_context.core import live
from trusted_context.sources import environment


def test_16_threads_sharing_one_block_are_each_verified_at_every_moment(server, ca_file, other_file):
    """While 16 threads enter, download and leave, a server the block does not trust is never reached, nor one lost."""
    trusting, refusing = trusted_context(ca_file), trusted_context(other_file)
    start = threading.Barrier(16)

    def visit(number):
        start.wait(20)
        for _ in range(12):
            if number % 2:
                with trusting:
                    assert fetch(server.url) == BODY
            else:
                with refusing:
                    refusal(server.url)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(visit, range(16)))
    assert len(server.requests) == 8 * 12
    assert not live.anything_live()


def test_16_threads_inside_one_process_wide_block_are_covered(server, ca_file):
    """Threads that enter nothing share the block's context."""
    with trusted_context(ca_file), concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(fetch, [server.url] * 64)) == [BODY] * 64


def test_no_thread_waits_for_another_threads_handshake(server, ca_file):
    """A server that never answers the handshake holds up its own client alone."""
    with socket.create_server(("127.0.0.1", 0)) as silent, trusted_context(ca_file):
        stalled_url = f"https://localhost:{silent.getsockname()[1]}/"

        def stall():
            with contextlib.suppress(OSError):
                fetch(stalled_url)

        stalled = threading.Thread(target=stall)
        stalled.start()
        held, _ = silent.accept()
        assert held.recv(1)
        assert fetch(server.url) == BODY
        assert stalled.is_alive()
        held.close()
        stalled.join(20)


def test_a_blocks_anchors_do_not_grow_with_its_connections(server, ca_file):
    """100 connections leave the context that lends the anchors with the certificates it began with."""
    with trusted_context(ca_file):
        for _ in range(100):
            fetch(server.url)
        assert lent() == {1}


def test_what_other_threads_ask_of_a_block_is_answered_while_blocks_come_and_go(ca_file):
    """repr(), describe(), ssl_context(), environment() and current() never meet a half-written registry.

    With the global interpreter lock a dictionary is copied in one step, and the first four held also before the
    registries were replaced as a whole; a free-threaded Python raised RuntimeError. environment() failed on both.
    """
    blocks = [trusted_context(ca_file, export=bool(number % 2)) for number in range(4)]
    asked = [repr, lambda block: block.describe(), lambda block: block.ssl_context(), lambda _block: current()]
    asked += [lambda block: block.environment(), lambda _block: live.surrounding()]
    asked += [lambda _block: [environment.for_child(None) for _ in range(20)]]
    done = threading.Event()

    def churn(block):
        while not done.is_set():
            with block:
                pass

    def ask(function):
        for number in range(150):
            function(blocks[number % len(blocks)])

    with _switching_often(), concurrent.futures.ThreadPoolExecutor(16) as pool:
        writing = [pool.submit(churn, block) for block in blocks] + [pool.submit(_change_the_environment, done)]
        asking = [pool.submit(ask, function) for function in asked]
        try:
            for reader in asking:
                reader.result(50)
        finally:
            done.set()
        for writer in writing:
            writer.result(20)
    assert not live.anything_live()


@contextlib.contextmanager
def _switching_often():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def _change_the_environment(done):
    while not done.is_set():
        for number in range(50):
            os.environ[f"TRUSTED_CONTEXT_TEST_{number}"] = "x"
        for number in range(50):
            del os.environ[f"TRUSTED_CONTEXT_TEST_{number}"]
