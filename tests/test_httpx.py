"""httpx and httpx2: what goes through a block's pool, how that is like the transport's own, and how it ends."""

import gc
import socket
import threading
import time
import types
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import BODY, KeepAliveHandler, Server, fails, redirect_to, serving
from servers import fetch as fetch_by_urllib

from trusted_context import trusted_context

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")

by_library = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
silent = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


@pytest.fixture(autouse=True)
def _small_default(other_file, monkeypatch):
    """Outside, clients trust a bundle that is quicker to read than certifi's, and knows none of our servers."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))


@pytest.fixture
def keeper(ca):
    """A server that keeps its connections open."""
    with serving(Server(ca.issue_cert("localhost"), handler=KeepAliveHandler)) as running:
        yield running


def fetch(url, library=httpx, **settings):
    """What the URL holds, through a client made with *settings* and closed at once."""
    with library.Client(timeout=20, **settings) as made:
        return made.get(url).content


def soon(condition):
    """Wait until the condition holds."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def beside(transport):
    """The block's pools beside the transport's own."""
    return list(vars(transport._pool)["close"].pools.values())


# --- every way to a transport


@by_library
def test_mounts_and_transports_of_the_callers_are_covered(library, server, ca_file):
    """A transport for some hosts alone, one passed by hand, and one used without a client are covered like any."""
    mounted, passed, alone = library.HTTPTransport(), library.HTTPTransport(retries=1), library.HTTPTransport()
    made = library.Client(transport=passed, mounts={"all://localhost": mounted}, timeout=20)
    with made, alone:
        with trusted_context(ca_file):
            assert made.get(server.url).content == BODY
            assert made.get(server.url.replace("localhost", "127.0.0.1")).content == BODY
            assert alone.handle_request(library.Request("GET", server.url)).read() == BODY
        for transport in (mounted, passed, alone):
            assert len(beside(transport)) == 1
        fails(made.get, server.url)
        fails(alone.handle_request, library.Request("GET", server.url))


def test_plain_http_is_none_of_a_blocks_business(plain_server, ca_file):
    """An http:// URL goes through the transport's own pool, and its connections are kept there."""
    with httpx.Client() as made, trusted_context(ca_file):
        assert made.get(plain_server.url).content == BODY
        assert "close" not in vars(made._transport._pool)


def test_a_subclass_is_covered_where_it_asks_its_base(server, ca_file):
    """A transport that overrides handle_request() and calls super() is covered; its end is its own."""
    ended = []

    class Tracing(httpx.HTTPTransport):
        def handle_request(self, request):
            response = super().handle_request(request)
            response.headers["traced"] = self.mark
            return response

        def __del__(self):
            ended.append(self.mark)

    transport = Tracing()
    transport.mark = "yes"
    with httpx.Client(transport=transport, timeout=20) as made, trusted_context(ca_file):
        assert made.get(server.url).headers["traced"] == "yes"
        assert ended == []


def test_transports_of_another_kind_are_left_alone(ca_file):
    """Mock and WSGI transports, and one with no pool of httpcore's, answer inside a block as ever."""

    def application(_environ, start_response):
        start_response("200 OK", [])
        return [BODY]

    class Poolless(httpx.HTTPTransport):
        def __init__(self):
            self._pool = types.SimpleNamespace(handle_request=self._answer, __enter__=list, __exit__=lambda *_: None)

        @staticmethod
        def _answer(_request):
            return types.SimpleNamespace(status=200, headers=[], stream=[BODY], extensions={})

        def close(self):
            pass

    transports = (
        httpx.MockTransport(lambda _request: httpx.Response(200, content=BODY)),
        httpx.WSGITransport(application),
        Poolless(),
    )
    with trusted_context(ca_file):
        for transport in transports:
            assert fetch("https://localhost/", transport=transport) == BODY


def test_per_host_insecurity_matches_the_exact_host_and_port(server, other_file):
    """insecure={"host:port"} is for that host and port; the same server by another name stays verified."""
    with pytest.warns(UserWarning, match="localhost"), httpx.Client(timeout=20) as made:
        with trusted_context(other_file, insecure={f"localhost:{server.server_port}"}):
            assert (
                made.get(server.url).content == made.get(server.url.replace("localhost", "LOCALHOST")).content == BODY
            )
            fails(made.get, server.url.replace("localhost", "127.0.0.1"))
            assert made.get(server.url).content == BODY
        with trusted_context(other_file, insecure={"localhost:1"}):
            fails(made.get, server.url)


@silent
def test_per_host_insecurity_does_not_follow_redirects(ca, server, ca_file, other_file):
    """An unverified host that redirects to a verified one, and the other way, changes nothing for either."""
    at_127 = server.url.replace("localhost", "127.0.0.1")
    server.files["/there"] = redirect_to(at_127)
    server.files["/back"] = redirect_to(server.url)
    with httpx.Client(follow_redirects=True, timeout=20) as made:
        with trusted_context(other_file, insecure={"localhost"}):
            fails(made.get, server.url + "there")
        with trusted_context(other_file, insecure={"127.0.0.1"}):
            fails(made.get, at_127 + "back")
        with trusted_context(ca_file, insecure={"127.0.0.1"}):
            assert made.get(server.url + "there").content == BODY


# --- HTTP/2


@by_library
def test_http2_is_spoken_inside_and_offered_by_nobody_else(library, ca, ca_file):
    """A client with http2=True speaks it inside a block; other clients of the same block do not begin to offer it."""
    make_server = pytest.importorskip("http2").make_server
    with (
        serving(make_server(ca.issue_cert("localhost"))) as speaking,
        library.Client(http2=True, timeout=20) as made,
        library.Client(timeout=20) as plain,
    ):
        with trusted_context(ca_file):
            for _ in range(2):
                assert made.get(speaking.url).http_version == "HTTP/2"
                assert plain.get(speaking.url).http_version == "HTTP/1.1"
                assert fetch_by_urllib(speaking.url) == BODY
            contexts = {id(beside(each._transport)[0]._ssl_context) for each in (made, plain)}
            assert len(contexts) == 2, "another thread could offer what was set for this one"
        fails(made.get, speaking.url)
    # Two each, but for those that keep their connection.
    assert speaking.agreed == ["h2", "http/1.1", "http/1.1", "http/1.1"]


# --- a pool like the transport's


@by_library
def test_a_blocks_pool_has_the_transports_own_settings(library, server, ca_file):
    """Limits, retries, addresses, socket options and protocols are those that the transport was made with."""
    given = {
        "limits": library.Limits(max_connections=3, max_keepalive_connections=2, keepalive_expiry=7.5),
        "retries": 4,
        "local_address": "127.0.0.1",
        "socket_options": [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)],
    }
    with library.HTTPTransport(**given) as transport, trusted_context(ca_file):
        assert transport.handle_request(library.Request("GET", server.url)).read() == BODY
        (ours,) = beside(transport)
        kept = {"_ssl_context", "_connections", "_requests", "_optional_thread_lock", "close", "create_connection"}
        for name in (vars(transport._pool).keys() | vars(ours).keys()) - kept:
            assert vars(ours)[name] is vars(transport._pool)[name], name
        assert (ours._max_connections, ours._retries, ours._local_address) == (3, 4, "127.0.0.1")


@by_library
def test_an_exhausted_pool_and_a_silent_server_time_out_as_ever(library, keeper, ca_file):
    """A limit of one connection and a read time-out hold inside a block, and leave the client usable."""
    silence = threading.Event()
    keeper.files["/silent"] = lambda _request: silence.wait(20)
    with library.Client(limits=library.Limits(max_connections=1)) as made, trusted_context(ca_file):
        with made.stream("GET", keeper.url, timeout=20), pytest.raises(library.PoolTimeout):
            made.get(keeper.url, timeout=0.05)
        with pytest.raises(library.ReadTimeout):
            made.get(keeper.url + "silent", timeout=library.Timeout(20, read=0.05))
        silence.set()
        assert made.get(keeper.url, timeout=20).content == BODY


def test_what_was_put_in_a_pools_place_is_followed(server, ca_file):
    """Where other code gave a transport a pool with settings of its own, the block's pool has these."""
    import httpcore

    with httpx.Client(timeout=20) as made, trusted_context(ca_file):
        assert made.get(server.url).content == BODY
        made._transport._pool = httpcore.ConnectionPool(retries=9)
        assert made.get(server.url).content == BODY
        assert beside(made._transport)[0]._retries == 9


# --- many at once


def test_sixteen_threads_share_one_client(keeper, ca_file, other_file):
    """Threads in blocks of their own, with one client between them, each get what their own block says."""
    with httpx.Client(timeout=20) as made, trusted_context(ca_file):

        def work(number):
            # What is not local governs the threads that are in no block of their own: each is in one.
            with trusted_context(ca_file, local=bool(number % 3)):
                for _ in range(6):
                    assert made.get(keeper.url).content == BODY
                    with trusted_context(other_file, local=bool(number % 2)):
                        fails(made.get, keeper.url)

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(work, range(16)))
        assert len(beside(made._transport)) == 2


# --- the end


@by_library
def test_a_client_that_is_closed_after_the_block_closes_what_it_kept(library, keeper, ca_file):
    """close() and the end of a with, after the block as in it, close the connections of the block's pools."""
    entered = library.Client(timeout=20)
    closed = library.Client(timeout=20)
    with entered:
        with trusted_context(ca_file):
            for made in (entered, closed):
                assert made.get(keeper.url).content == BODY
        pools = [pool for made in (entered, closed) for pool in beside(made._transport)]
        assert [len(pool.connections) for pool in pools] == [1, 1]
        closed.close()
    assert [len(pool.connections) for pool in pools] == [0, 0]


def test_every_pool_is_closed_though_the_closing_of_one_fails(keeper, ca_file, other_file, monkeypatch):
    """An error at the close of the transport's own pool, or of one of a block's, keeps no other open."""
    made = httpx.Client(timeout=20)
    with trusted_context(ca_file):
        assert made.get(keeper.url).content == BODY
    with trusted_context(other_file):
        fails(made.get, keeper.url)
    kind, close = type(made._transport._pool), type(made._transport._pool).close
    closed = []

    def close_and_fail(pool):
        closed.append(pool)
        close(pool)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(kind, "close", close_and_fail)
        with pytest.raises(ZeroDivisionError):
            made.close()
    assert set(closed) == {made._transport._pool, *beside(made._transport)}
    assert len(closed) == 3


def test_a_transport_that_is_dropped_takes_the_blocks_pool_with_it(keeper, ca_file):
    """What nobody closed and nobody holds is gone at once, the block's pools too: no cycle waits for a collection."""
    gc.disable()
    try:
        with trusted_context(ca_file):
            transport = httpx.HTTPTransport()
            request = httpx.Request("GET", keeper.url, headers={"Host": "localhost", "Connection": "close"})
            assert transport.handle_request(request).read() == BODY
            ours, theirs = (weakref.ref(pool) for pool in (*beside(transport), transport._pool))
        del transport
        assert ours() is None
        assert theirs() is None
    finally:
        gc.enable()


def test_a_client_closed_while_another_thread_reads_ends_that(keeper, ca_file):
    """close() in one thread breaks off what another reads inside the block, as it does outside, and nothing hangs."""
    begun, silence = threading.Event(), threading.Event()

    def begin(request):
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        begun.set()
        silence.wait(20)
        request.close_connection = True

    keeper.files["/begin"] = begin
    made = httpx.Client(timeout=20)
    seen = []

    def read():
        with pytest.raises((httpx.HTTPError, OSError)) as caught:
            made.get(keeper.url + "begin")
        seen.append(caught.value)

    with trusted_context(ca_file):
        reading = threading.Thread(target=read)
        reading.start()
        assert begun.wait(20)
        made.close()
        silence.set()
        reading.join(20)
    assert len(seen) == 1


# --- waiting


@silent
@by_library
@pytest.mark.parametrize("kept", [1, 0], ids=["kept", "new"])
def test_a_request_that_waited_until_the_block_had_ended_is_ordinary(kept, library, keeper, held):
    """Handed a kept connection of the block's, or a free place for a new one, it takes what governs then: nothing."""
    limits = library.Limits(max_connections=1, max_keepalive_connections=kept)
    with library.Client(limits=limits, timeout=20) as made, ThreadPoolExecutor(1) as pool:
        block = trusted_context(insecure=True).start()
        with made.stream("GET", keeper.url + "held") as response:
            waiting = pool.submit(fails, made.get, keeper.url)
            soon(lambda: any(request.is_queued() for own in beside(made._transport) for request in own._requests))
            block.stop()
            held.set()
            assert response.read() == BODY * 2
        assert waiting.result(20)
    assert keeper.requests == ["GET /held"]


@silent
@by_library
def test_a_request_that_waited_follows_the_next_block_with_its_body(library, keeper, held, ca_file):
    """One that waits while a block ends and another begins is sent, whole, by the one that governs then."""
    limits, steps = library.Limits(max_connections=1), []
    with library.Client(limits=limits, timeout=20) as made, ThreadPoolExecutor(1) as pool:
        block = trusted_context(ca_file).start()
        with made.stream("GET", keeper.url + "held") as response:
            trace = {"trace": lambda step, _info: steps.append(step)}
            waiting = pool.submit(made.post, keeper.url, content=iter([b"a ", b"body"]), extensions=trace)
            soon(lambda: any(request.is_queued() for own in beside(made._transport) for request in own._requests))
            block.stop()
            with trusted_context(ca_file, insecure=["elsewhere.test"]):
                held.set()
                assert response.read() == BODY * 2
                assert waiting.result(20).content == BODY
        assert keeper.accepted == 2
        assert "connection.connect_tcp.started" in steps


def test_what_other_code_sends_in_a_thread_of_its_own_follows_the_caller(server, ca_file, monkeypatch):
    """A local block governs what a patch from before it hands to another thread, and it is not tried for ever."""
    original = httpx.HTTPTransport.handle_request
    with ThreadPoolExecutor(1) as pool:

        def send(transport, request):
            return pool.submit(original, transport, request).result(20)

        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", send)
        with httpx.Client(timeout=20) as made, trusted_context(ca_file, local=True):
            assert made.get(server.url).content == BODY
