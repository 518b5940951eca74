"""aiohttp's connections: none crosses the boundary of a block, whoever waits for it, keeps it or gives it up."""

import asyncio
import contextvars
import socket
import ssl

import pytest

pytest.importorskip("aiohttp")

import aiohttp.web
from asynchronous import fetch, in_session, refused, with_connector
from servers import BODY, soon

from trusted_context import trusted_context

silent = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


# --- tasks


@silent
def test_tasks_in_different_local_blocks_share_a_session(keeper, ca_file, other_file):
    """Tasks that take turns, each in a local block or in none, get each their own trust from one session."""

    async def trusting(session):
        with trusted_context(ca_file, local=True):
            for _ in range(8):
                assert await fetch(session, keeper.url) == BODY

    async def distrusting(session):
        with trusted_context(other_file, local=True):
            for _ in range(8):
                await refused(session, keeper.url)

    async def ungoverned(session):
        for _ in range(8):
            await refused(session, keeper.url)

    async def insecure(session):
        with trusted_context(insecure=True, local=True):
            for _ in range(8):
                assert await fetch(session, keeper.url) == BODY

    async def check(session):
        await asyncio.gather(*(task(session) for task in (trusting, distrusting, ungoverned, insecure) * 2))

    in_session(check)


def test_tasks_in_different_process_wide_blocks_share_a_session(keeper, ca_file, other_file):
    """Blocks that are not local, entered by tasks that take turns: each task follows its own."""

    async def trusting(session):
        async with trusted_context(ca_file):
            for _ in range(8):
                assert await fetch(session, keeper.url) == BODY

    async def distrusting(session):
        async with trusted_context(other_file):
            for _ in range(8):
                await refused(session, keeper.url)

    async def check(session):
        await asyncio.gather(*(task(session) for task in (trusting, distrusting) * 3))

    in_session(check)


def test_a_task_started_before_the_block_follows_it_unless_it_is_local(keeper, ca_file):
    """A block that one task enters governs another that runs meanwhile; a local one does not."""

    async def check(session):
        for local in (False, True):
            ready, entered, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def other(ready=ready, entered=entered, left=left, local=local):
                await refused(session, keeper.url)
                ready.set()
                await entered.wait()
                if local:
                    await refused(session, keeper.url)
                else:
                    assert await fetch(session, keeper.url) == BODY
                left.set()

            task = asyncio.create_task(other())
            await ready.wait()
            async with trusted_context(ca_file, local=local):
                entered.set()
                await left.wait()
            await task

    in_session(check)


def test_a_task_that_outlives_its_block_is_ordinary(keeper, ca_file):
    """A task started inside inherits the block, and nothing of it once it has ended."""

    async def check(session):
        ended = asyncio.Event()

        async def work():
            assert await fetch(session, keeper.url) == BODY
            inside.set()
            await ended.wait()
            await refused(session, keeper.url)

        inside = asyncio.Event()
        with trusted_context(ca_file):
            task = asyncio.create_task(work())
            await inside.wait()
        ended.set()
        await task

    in_session(check)


# --- keeping


@silent
def test_a_kept_connection_is_used_again_in_its_own_block_alone(keeper, ca_file, other_file):
    """Each block of different trust opens its own connection once; one of equal trust may use what it finds."""

    async def check(session):
        context = trusted_context(ca_file).ssl_context()
        for _ in range(2):
            assert await fetch(session, keeper.url, ssl=context) == BODY
        assert keeper.accepted == 1
        with trusted_context(insecure=True):
            for _ in range(2):
                assert await fetch(session, keeper.url) == BODY
            assert keeper.accepted == 2
            with trusted_context(ca_file):
                for _ in range(2):
                    assert await fetch(session, keeper.url) == BODY
            assert keeper.accepted == 3
            with trusted_context(ca_file):
                assert await fetch(session, keeper.url) == BODY
            assert keeper.accepted == 3
            with trusted_context(other_file):
                await refused(session, keeper.url)
        await refused(session, keeper.url)
        assert keeper.accepted == 5

    in_session(check)


def test_names_that_were_looked_up_inside_serve_outside(keeper, ca_file):
    """A connector's cache of addresses holds no trust."""

    async def check(session):
        await refused(session, keeper.url)
        with trusted_context(ca_file):
            assert await fetch(session, keeper.url) == BODY
        await refused(session, keeper.url)

    with_connector(check, use_dns_cache=True, ttl_dns_cache=None)


def test_limit_per_host_holds_inside_a_block(keeper, ca_file):
    """Requests of one block share the limit of their host, and none waits for ever."""

    async def check(session):
        with trusted_context(ca_file):
            assert await asyncio.gather(*(fetch(session, keeper.url) for _ in range(12))) == [BODY] * 12
        assert keeper.accepted == 2
        assert not session.connector._acquired
        assert not session.connector._acquired_per_host

    with_connector(check, limit_per_host=2)


# --- waiting


@silent
@pytest.mark.parametrize("settings", [{"limit": 1}, {"limit_per_host": 1}, {"limit": 1, "force_close": True}], ids=str)
def test_a_request_that_waited_until_the_block_had_ended_is_ordinary(settings, keeper, held):
    """Handed a kept connection of the block's, or a free place for a new one, it takes what governs then: nothing."""

    async def check(session):
        block = trusted_context(insecure=True).start()
        async with session.get(keeper.url + "held") as response:
            waiting = asyncio.create_task(refused(session, keeper.url))
            await soon(lambda: session.connector._waiters)
            block.stop()
            held.set()
            assert await response.read() == BODY * 2
        await waiting
        assert keeper.requests == ["GET /held"]

    with_connector(check, **settings)


@pytest.mark.parametrize("force_close", [False, True], ids=["kept", "new"])
def test_a_request_that_waited_follows_the_next_block(force_close, keeper, held, ca_file, other_file):
    """One that waits while a block ends and another begins connects by the one that governs then."""

    async def check(session):
        block = trusted_context(ca_file).start()
        async with session.get(keeper.url + "held") as response:
            waiting = asyncio.create_task(refused(session, keeper.url))
            await soon(lambda: session.connector._waiters)
            block.stop()
            with trusted_context(other_file):
                held.set()
                assert await response.read() == BODY * 2
                await waiting

    with_connector(check, limit=1, force_close=force_close)


def test_requests_that_wait_inside_are_served_inside(keeper, held, ca_file):
    """A queue of requests in one block goes over its one connection."""

    async def check(session):
        with trusted_context(ca_file):
            async with session.get(keeper.url + "held") as response:
                waiting = [asyncio.create_task(fetch(session, keeper.url)) for _ in range(3)]
                await soon(lambda: session.connector._waiters)
                held.set()
                await response.read()
            assert await asyncio.gather(*waiting) == [BODY] * 3
        assert keeper.accepted == 1

    with_connector(check, limit=1)


# --- giving up


async def begin_to_shake_hands(session, listener, **arguments):
    """A request whose server has accepted it and says nothing, and the server's end of that."""
    listener.setblocking(False)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
    request = asyncio.create_task(fetch(session, url, **arguments))
    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    assert await asyncio.get_running_loop().sock_recv(connection, 1)
    return request, connection


def test_a_cancelled_connect_leaves_nothing_behind(keeper, ca_file):
    """A request cancelled in the middle of its handshake holds no place, and the next one is served."""

    async def check(session):
        with trusted_context(ca_file), socket.create_server(("127.0.0.1", 0)) as listener:
            request, connection = await begin_to_shake_hands(session, listener)
            with connection:
                request.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await request
            assert not session.connector._acquired
            assert await fetch(session, keeper.url) == BODY
        await refused(session, keeper.url)

    with_connector(check, limit=1)


def test_a_connector_closed_in_mid_connect_ends_the_request(ca_file):
    """A session that is closed while a request of a block shakes hands ends that request with an error."""

    async def check(session):
        with trusted_context(ca_file), socket.create_server(("127.0.0.1", 0)) as listener:
            request, connection = await begin_to_shake_hands(session, listener)
            await session.close()
            connection.close()
            with pytest.raises(aiohttp.ClientError):
                await request

    in_session(check)


def test_a_coroutine_closed_in_another_context_ends_quietly(ca_file):
    """A connect that is thrown away from elsewhere, as a loop does at its end, raises nothing."""

    class Waiting(aiohttp.abc.AbstractResolver):  # a socket of asyncio's own would stay behind
        async def resolve(self, *_args, **_kwargs):
            await asyncio.Event().wait()

        async def close(self):
            pass

    async def check(session):
        with trusted_context(ca_file):
            coroutine = contextvars.copy_context().run(fetch, session, "https://localhost:1/")
            contextvars.copy_context().run(coroutine.send, None)
        contextvars.copy_context().run(coroutine.close)

    with_connector(check, resolver=Waiting())


# --- websockets


def test_a_websocket_follows_the_block(ca, ca_file, other_file):
    """wss:// is verified by the block at its handshake, and goes on when the block has ended."""

    async def echo(request):
        answering = aiohttp.web.WebSocketResponse()
        await answering.prepare(request)
        async for message in answering:
            await answering.send_str(message.data)
        return answering

    async def check(session):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
        app = aiohttp.web.Application()
        app.router.add_get("/", echo)
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "localhost", 0, ssl_context=context)
        await site.start()
        url = f"wss://localhost:{site._server.sockets[0].getsockname()[1]}/"
        with trusted_context(ca_file):
            asking = await session.ws_connect(url)
        await asking.send_str("hello")
        assert (await asking.receive()).data == "hello"
        await asking.close()
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.ws_connect(url)
        with trusted_context(other_file), pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.ws_connect(url)
        await runner.cleanup()

    in_session(check)
