"""What the tests of aiohttp share: sessions of their own, each on an event loop of its own."""

import asyncio

import aiohttp
import pytest
from servers import all_closed, verify_failure


def at_127(server):
    """The server's URL by its address."""
    return server.url.replace("localhost", "127.0.0.1")


async def fetch(session, url, **arguments):
    """What the URL holds."""
    async with session.get(url, **arguments) as response:
        body = await response.read()
    await asyncio.sleep(0)  # up to aiohttp 3.10 a connection is given back only then
    return body


async def refused(session, url, **arguments):
    """The verification error that asking for the URL ends in; fails where it does not."""
    with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
        await fetch(session, url, **arguments)
    assert verify_failure(caught.value)
    return caught.value


def in_session(check, **arguments):
    """Run the coroutine function with a session of its own, and let nothing stay behind."""

    async def run():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20), **arguments) as session:
            await check(session)
        await all_closed()

    asyncio.run(run())


def with_connector(check, **arguments):
    """The same, over a connector with these settings."""

    async def run():
        connector = aiohttp.TCPConnector(**arguments)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(20)) as session:
            await check(session)
        await all_closed()

    asyncio.run(run())
