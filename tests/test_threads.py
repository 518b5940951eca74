"""Many threads in one block, and nobody waits for another's handshake."""

import concurrent.futures
import contextlib
import socket
import threading

from servers import BODY, fetch, refusal

from trusted_context import trusted_context
from trusted_context.core import live


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


def test_a_blocks_context_does_not_grow_with_its_connections(server, ca_file):
    """100 connections leave the shared context with the certificates it began with, and only one of it."""
    with trusted_context(ca_file):
        contexts = {id(live.governing().trust.shared_context(_configure, "localhost", 1)) for _ in range(3)}
        before = live.governing().trust.shared_context(_configure, "localhost", 1).cert_store_stats()
        for _ in range(100):
            fetch(server.url)
        assert live.governing().trust.shared_context(_configure, "localhost", 1).cert_store_stats() == before
    assert len(contexts) == 1


def _configure(_context):
    pass
