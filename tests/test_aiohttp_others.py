"""aiohttp where a block has nothing to decide, or decides by a context that somebody made."""

import asyncio
import ssl

import pytest

pytest.importorskip("aiohttp")

import aiohttp.web
from asynchronous import fetch, in_session, refused, with_connector
from servers import BODY

from trusted_context import trusted_context


def test_plain_http_is_none_of_a_blocks_business(plain_server, ca_file):
    """It is fetched as ever, over a connection that is kept and used again."""

    async def check(session):
        with trusted_context(ca_file):
            assert await fetch(session, plain_server.url) == BODY
        assert await fetch(session, plain_server.url) == BODY

    in_session(check)


@pytest.mark.skipif(not hasattr(asyncio, "start_unix_server"), reason="needs sockets of Unix")
def test_a_socket_of_unix_is_none_of_a_blocks_business(tmp_path, ca_file):
    """Docker's, for one: its connector is no TCPConnector."""
    path = str(tmp_path / "socket")

    async def answer(_request):
        return aiohttp.web.Response(body=BODY)

    async def run():
        app = aiohttp.web.Application()
        app.router.add_get("/", answer)
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        await aiohttp.web.UnixSite(runner, path).start()
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
            with trusted_context(ca_file):
                assert await fetch(session, "http://docker/") == BODY
        await runner.cleanup()

    asyncio.run(run())


def test_a_context_with_default_trust_follows_the_block(server, ca_file, other_file):
    """One that somebody made in a block without choosing CAs is no choice, of a request or a connector."""

    async def check(session):
        for cafile, is_trusted in ((ca_file, True), (other_file, False), (ca_file, True)):
            with trusted_context(cafile):
                if is_trusted:
                    assert await fetch(session, server.url) == BODY
                    assert await fetch(session, server.url, ssl=own) == BODY
                else:
                    await refused(session, server.url)
                    await refused(session, server.url, ssl=own)
        await refused(session, server.url)

    with trusted_context(other_file):
        own = ssl.create_default_context()
    with_connector(check, ssl=own)
