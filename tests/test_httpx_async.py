"""AsyncClient of httpx and httpx2, under asyncio and trio: blocks of tasks, cancellation, and the end."""

import asyncio
import gc
import threading
import weakref

import pytest
from servers import BODY, KeepAliveHandler, Server, serving, verify_failure

from trusted_context import trusted_context

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
anyio = pytest.importorskip("anyio")
trio = pytest.importorskip("trio")


def under(*backends):
    """Run a coroutine function as a test, in event loops of these kinds."""

    def decorate(function):
        import functools
        import inspect

        @functools.wraps(function)
        def test(backend, **fixtures):
            anyio.run(lambda: function(**fixtures), backend=backend)

        signature = inspect.signature(function)
        first = inspect.Parameter("backend", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])
        return pytest.mark.parametrize("backend", backends)(test)

    return decorate


by_library = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)


@pytest.fixture(autouse=True)
def _small_default(other_file, monkeypatch):
    """Outside, clients trust a bundle that is quicker to read than certifi's, and knows none of our servers."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))


@pytest.fixture
def keeper(ca):
    """A server that keeps its connections open."""
    with serving(Server(ca.issue_cert("localhost"), handler=KeepAliveHandler)) as running:
        yield running


async def outcome(made, url):
    """Either "fetched" or "refused"; any other error is raised."""
    try:
        response = await made.get(url)
    except (httpx.HTTPError, httpx2.HTTPError) as error:
        if verify_failure(error) is None:
            raise
        return "refused"
    assert response.content == BODY
    return "fetched"


def beside(made):
    """The block's pools beside the client's own."""
    return list(vars(made._transport._pool)["aclose"].pools.values())


@by_library
@under("asyncio", "trio")
async def test_tasks_in_blocks_of_their_own_share_one_client(library, keeper, ca_file, other_file):
    """Tasks that hold different local blocks at the same time, with one client, each get what theirs says."""
    seen = {}

    async def work(number):
        file, expected = ((ca_file, "fetched"), (other_file, "refused"))[number % 2]
        with trusted_context(file, local=True):
            for _ in range(3):
                seen.setdefault((number, expected), []).append(await outcome(made, keeper.url))
                await anyio.sleep(0)

    async with library.AsyncClient(timeout=20) as made:
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(work, number)
        assert await outcome(made, keeper.url) == "refused"
    assert seen == {(number, expected): [expected] * 3 for number, expected in seen}
    assert len(seen) == 8


@under("asyncio", "trio")
async def test_a_block_of_one_task_governs_those_that_are_in_none(keeper, ca_file, other_file):
    """A block that is not local governs another task without one, and not a task in a block of its own."""
    entered, done = anyio.Event(), anyio.Event()
    seen = []

    async def hold():
        with trusted_context(ca_file):
            entered.set()
            await done.wait()

    async def apart():
        with trusted_context(other_file, local=True):
            seen.append(await outcome(made, keeper.url))

    async with httpx.AsyncClient(timeout=20) as made, anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
        await entered.wait()
        async with anyio.create_task_group() as others:
            others.start_soon(apart)
        seen.append(await outcome(made, keeper.url))
        done.set()
    assert seen == ["refused", "fetched"]


@by_library
@under("asyncio", "trio")
async def test_a_request_cancelled_inside_leaves_the_client_usable(library, keeper, ca_file):
    """Cancelled before the answer came, a request gives back its place in the block's pool."""
    begun, silence = threading.Event(), threading.Event()

    def answer_late(_request):
        begun.set()
        silence.wait(20)

    keeper.files["/silent"] = answer_late
    async with library.AsyncClient(limits=library.Limits(max_connections=1), timeout=20) as made:
        with trusted_context(ca_file):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(made.get, keeper.url + "silent")
                await anyio.to_thread.run_sync(begun.wait, 20)
                tasks.cancel_scope.cancel()
            silence.set()
            assert await outcome(made, keeper.url) == "fetched"
            assert len(beside(made)[0].connections) == 1
        assert await outcome(made, keeper.url) == "refused"


@by_library
@under("asyncio", "trio")
async def test_an_answer_that_outlives_block_and_client_scope_is_read_to_its_end(library, keeper, ca_file):
    """A stream that was begun inside goes on after the block, and its connection is closed with the client."""
    half, left = bytes(100_000), threading.Event()

    def slow(request):
        request.send_response(200)
        request.send_header("Content-Length", str(2 * len(half)))
        request.end_headers()
        request.wfile.write(half)
        left.wait(20)
        request.wfile.write(half)

    keeper.files["/slow"] = slow
    async with library.AsyncClient(timeout=20) as made:
        with trusted_context(ca_file):
            answer = await made.send(made.build_request("GET", keeper.url + "slow"), stream=True)
        left.set()
        assert await answer.aread() == 2 * half
        (ours,) = beside(made)
        assert len(ours.connections) == 1
    assert ours.connections == []


@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
@pytest.mark.parametrize("kept", [1, 0], ids=["kept", "new"])
@by_library
@under("asyncio", "trio")
async def test_a_request_that_waited_until_the_block_had_ended_is_ordinary(kept, library, keeper, held):
    """A task that waited in a full pool of an insecure block is verified again once it is served after that."""
    limits = library.Limits(max_connections=1, max_keepalive_connections=kept)
    seen = []

    async def wait(made):
        seen.append(await outcome(made, keeper.url))

    async with library.AsyncClient(limits=limits, timeout=20) as made, anyio.create_task_group() as group:
        block = trusted_context(insecure=True).start()
        async with made.stream("GET", keeper.url + "held") as answer:
            group.start_soon(wait, made)
            while not any(request.is_queued() for own in beside(made) for request in own._requests):
                await anyio.sleep(0.005)
            block.stop()
            held.set()
            assert await answer.aread() == 2 * BODY
        with anyio.fail_after(20):
            while not seen:
                await anyio.sleep(0.005)
    assert seen == ["refused"]
    assert keeper.requests == ["GET /held"]


@by_library
@under("asyncio", "trio")
async def test_aclose_closes_the_blocks_pools_even_when_cancelled(library, keeper, ca_file):
    """aclose() after the block closes what was kept from it, also in a task that is being cancelled."""
    for cancelled in (False, True):
        made = library.AsyncClient(timeout=20)
        with trusted_context(ca_file):
            assert await outcome(made, keeper.url) == "fetched"
        (ours,) = beside(made)
        with anyio.CancelScope() as scope:
            if cancelled:
                scope.cancel()
            await made.aclose()
        assert ours.connections == []


@under("asyncio", "trio")
async def test_transports_of_another_kind_are_left_alone(ca_file):
    """An ASGI transport and a mock answer inside a block as ever."""

    async def application(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": BODY})

    mock = httpx.MockTransport(lambda _request: httpx.Response(200, content=BODY))
    for transport in (httpx.ASGITransport(application), mock):
        async with httpx.AsyncClient(transport=transport) as made:
            with trusted_context(ca_file):
                assert await outcome(made, "https://localhost/") == "fetched"


@by_library
@under("asyncio", "trio")
async def test_http2_carries_many_requests_at_once(library, ca, ca_file):
    """Ten requests at once over HTTP/2 inside a block use one connection of it, and none after."""
    make_server = pytest.importorskip("http2").make_server
    with serving(make_server(ca.issue_cert("localhost"))) as speaking:
        async with library.AsyncClient(http2=True, timeout=20) as made:
            with trusted_context(ca_file):
                assert await outcome(made, speaking.url) == "fetched"
                async with anyio.create_task_group() as tasks:
                    for _ in range(10):
                        tasks.start_soon(outcome, made, speaking.url)
            assert speaking.agreed == ["h2"]
            assert await outcome(made, speaking.url) == "refused"


def test_a_transport_that_is_dropped_takes_the_blocks_pool_with_it(keeper, ca_file):
    """What nobody closed and nobody holds is gone at once, the block's pools too: no cycle waits for a collection."""

    async def use():
        transport = httpx.AsyncHTTPTransport()
        request = httpx.Request("GET", keeper.url, headers={"Host": "localhost", "Connection": "close"})
        response = await transport.handle_async_request(request)
        assert await response.aread() == BODY
        await response.aclose()
        return [weakref.ref(pool) for pool in (transport._pool, *vars(transport._pool)["aclose"].pools.values())]

    gc.disable()
    try:
        with trusted_context(ca_file):
            held = asyncio.run(use())
        assert [pool() for pool in held] == [None, None]
    finally:
        gc.enable()
