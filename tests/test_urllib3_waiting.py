"""urllib3 when a connection is made later than its pool was asked for: the block that governs then decides."""

import contextlib
import queue
import ssl
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3
from servers import BODY, fails, fetch, verify_failure
from urllib3.exceptions import HTTPError

from trusted_context import trusted_context

quiet = [
    pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning"),
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
]
pytestmark = quiet


def get(pool, **kwargs):
    """What / holds."""
    return pool.request("GET", "/", timeout=20, **kwargs).data


def test_a_retry_that_slept_past_the_end_of_its_block_connects_as_things_are_then(server):
    """No connection is unverified after its insecure block, though the request began in it."""
    began, ended = threading.Event(), threading.Event()

    class Sleeping(urllib3.Retry):
        def sleep(self, response=None):
            began.set()
            assert ended.wait(20)

    def unavailable(request):
        del server.files["/"]
        request.send_response(503)
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.files["/"] = unavailable
    with urllib3.PoolManager() as manager, ThreadPoolExecutor(1) as thread:
        with trusted_context(insecure=True):
            asked = thread.submit(
                manager.request, "GET", server.url, retries=Sleeping(1, status_forcelist=[503]), timeout=20
            )
            assert began.wait(20)
        ended.set()
        assert verify_failure(asked.exception(20)) is not None
    assert server.requests == ["GET /"]


@pytest.mark.parametrize("kept", [False, True])
def test_a_request_that_waited_for_a_full_pool_goes_by_the_block_of_its_turn(kept, keeper, ca_file):
    """With block=True it gets the connection of another when the block is over: that one is not used, nor its trust."""
    pool = urllib3.HTTPSConnectionPool("localhost", keeper.server_port, maxsize=1, block=True)
    go, asking = threading.Event(), threading.Event()

    def slow(request):
        asking.set()
        assert go.wait(20)
        request.send_response(200)
        request.send_header("Content-Length", str(len(BODY)))
        request.send_header("Connection", "keep-alive" if kept else "close")
        request.end_headers()
        request.wfile.write(BODY)

    keeper.files["/slow"] = slow
    with ThreadPoolExecutor(2) as threads:
        with trusted_context(insecure=True):
            first = threads.submit(pool.request, "GET", "/slow", timeout=20)
            assert asking.wait(20)
            second = threads.submit(get, pool, retries=False)
            time.sleep(0.2)  # for the second to wait in the pool: nothing tells that it does
        go.set()
        assert first.result(20).data == BODY
        with contextlib.suppress(ConnectionResetError):
            assert isinstance(second.exception(20), (HTTPError, OSError))
    assert "GET /" not in keeper.requests
    pool.close()


def test_a_pool_taken_inside_a_block_is_not_that_blocks(keeper, ca_file, other_file):
    """Used in another block, or in none, it goes by that one: kept connections, too."""
    with urllib3.PoolManager(retries=False) as manager:
        with trusted_context(insecure=True):
            pool = manager.connection_from_url(keeper.url)
            assert get(pool) == BODY
        fails(get, pool)
        with trusted_context(other_file):
            fails(get, pool)
        with trusted_context(ca_file):
            assert get(pool) == get(pool) == BODY
            with trusted_context(other_file):
                fails(get, pool)
        fails(get, pool)
        with trusted_context(ca_file):
            assert get(pool) == BODY
    assert len(keeper.requests) == 4


def test_a_pool_made_by_hand_is_covered_as_any(keeper, ca_file, other_file):
    """HTTPSConnectionPool without a manager keeps no connection over the ends of a block."""
    with urllib3.HTTPSConnectionPool("localhost", keeper.server_port, retries=False) as pool:
        fails(get, pool)
        for _ in range(2):
            with trusted_context(ca_file):
                assert get(pool) == get(pool) == BODY
            with trusted_context(other_file):
                fails(get, pool)
            fails(get, pool)
    with urllib3.HTTPSConnectionPool("localhost", keeper.server_port, ca_certs=str(ca_file)) as pinned:
        with trusted_context(other_file):
            assert get(pinned) == BODY
        accepted = keeper.accepted
        assert get(pinned) == BODY
        assert keeper.accepted == accepted  # chosen trust is the same inside and outside, and so is the connection


@pytest.mark.parametrize("waiting", ["a connection", "a free place"])
def test_connections_that_come_back_while_a_block_ends_take_the_others_places(waiting, keeper, ca_file):
    """A pool holds so many, and what it has no room for is closed. (A double of the thread that gives one back.)"""
    closed = []

    class Connection(urllib3.HTTPSConnectionPool.ConnectionCls):
        def close(self):
            closed.append(self)
            super().close()

    class Queue(queue.LifoQueue):
        def get_nowait(self):
            try:
                return super().get_nowait()
            except queue.Empty:
                self.put_nowait(back)
                raise

    class Pool(urllib3.HTTPSConnectionPool):
        ConnectionCls, QueueCls = Connection, Queue

    with Pool("localhost", keeper.server_port, maxsize=1, retries=False) as pool:
        with trusted_context(ca_file):
            assert get(pool) == BODY
            (mine,) = pool.pool.queue
            back = pool._new_conn()
            if waiting == "a free place":
                pool.pool.queue[0] = None
        assert list(pool.pool.queue) == [back]
        assert (mine in closed) == (waiting == "a connection")
        mine.close()


def test_pools_of_two_trusts_have_keys_that_differ(keeper, ca_file, other_file):
    """By either comparison, as other code may look for one; those of one trust are equal."""

    def key(cafile=None):
        with trusted_context(cafile) if cafile else contextlib.nullcontext(), urllib3.PoolManager() as manager:
            manager.connection_from_url(keeper.url)
            (made,) = manager.pools.keys()
        return made

    assert key(ca_file) == key(ca_file)
    assert not key(ca_file) != key(ca_file)  # noqa: SIM202  # what is asked is the other comparison
    assert key(ca_file) != key(other_file)
    assert key(ca_file) != key()
    assert not key(ca_file) == key(other_file)  # noqa: SIM201  # as above


# --- a pin is not undone by its settings


def _by_urlopen(url, context):
    return fetch(url, context=context)


def _by_handler(url, context):
    with urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)).open(url, timeout=20) as response:
        return response.read()


def _by_global_opener(url, context):
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)))
    return fetch(url)


def _by_connection(url, context):
    connection = urllib.request.http.client.HTTPSConnection("localhost", context=context, timeout=20)
    connection.port = int(url.rpartition(":")[2].strip("/"))
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("way", [_by_urlopen, _by_handler, _by_connection, _by_global_opener])
def test_a_pin_is_not_undone_by_post_handshake_auth(way, server, ca_file, other_file):
    """create_urllib3_context() sets it, as http.client does on contexts of its own: the CAs tell the two apart."""
    right, wrong = (urllib3.util.create_urllib3_context() for _ in range(2))
    right.load_verify_locations(ca_file)
    wrong.load_verify_locations(other_file)
    assert right.post_handshake_auth
    with trusted_context(insecure=True):
        fails(way, server.url, wrong)
        assert way(server.url, right) == BODY
    if way is not _by_global_opener:  # a block beats what the global opener was built with, where it verifies
        with trusted_context(ca_file):
            fails(way, server.url, wrong)
        with trusted_context(other_file):
            assert way(server.url, right) == BODY
    assert ssl.CERT_REQUIRED == right.verify_mode == wrong.verify_mode
