"""aiohttp through proxies: server and https:// proxy are each verified as the block says, by their own names."""

import asyncio
import sys

import pytest

pytest.importorskip("aiohttp")

import aiohttp
from asynchronous import fetch, in_session, refused, with_connector
from servers import BODY, ConnectProxy, serving, soon

from trusted_context import trusted_context

silent = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")

_FAILED_WITHIN_TLS = (
    aiohttp.ClientConnectionError if sys.version_info >= (3, 11, 3) else (aiohttp.ClientConnectionError, AttributeError)
)


@silent
def test_an_https_proxy_obeys_the_block_by_its_own_name(other_ca, ca_file, other_file, server, plain_server):
    """An https:// proxy is verified by the block, and is not what an insecure target is, nor the other way."""
    with serving(ConnectProxy(certificate=other_ca.issue_cert("localhost"))) as proxy:
        named = f"localhost:{proxy.server_address[1]}"

        async def check(session):
            both = [other_file, ca_file]
            with trusted_context(both):
                assert await fetch(session, server.url, proxy=proxy.url) == BODY
                assert await fetch(session, plain_server.url, proxy=proxy.url) == BODY
            for url in (server.url, plain_server.url):
                with trusted_context(ca_file), pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await fetch(session, url, proxy=proxy.url)
            with trusted_context(ca_file, insecure={named}):
                assert await fetch(session, server.url, proxy=proxy.url) == BODY
                assert await fetch(session, plain_server.url, proxy=proxy.url) == BODY
            # Python 3.11.7 stumbles over a failed handshake within TLS, and aiohttp says that it is not supported;
            # in 3.11.2 asyncio has an AttributeError of its own there.
            with trusted_context(other_file, insecure={named}), pytest.raises(_FAILED_WITHIN_TLS):
                await fetch(session, server.url, proxy=proxy.url)
            with trusted_context(other_file, insecure={f"localhost:{server.server_port}"}):
                assert await fetch(session, server.url, proxy=proxy.url) == BODY
            with trusted_context(ca_file, insecure={f"localhost:{server.server_port}"}):
                await refused(session, server.url, proxy=proxy.url)
            assert len(proxy.tunnelled) == 4
            tunnelled, forwarded = len(proxy.tunnelled), len(proxy.forwarded)
            for url in (server.url, plain_server.url):
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await fetch(session, url, proxy=proxy.url)
            assert (len(proxy.tunnelled), len(proxy.forwarded)) == (tunnelled, forwarded)

        in_session(check)


@silent
def test_a_proxy_is_verified_for_a_request_that_waited(keeper, held, server, other_ca, ca_file):
    """When the block ends meanwhile, no https:// proxy is spoken to because the target is insecure."""
    with serving(ConnectProxy(certificate=other_ca.issue_cert("localhost"))) as proxy:

        async def check(session):
            block = trusted_context(ca_file, insecure={f"localhost:{server.server_port}"}).start()
            async with session.get(keeper.url + "held") as response:
                waiting = asyncio.create_task(refused(session, server.url, proxy=proxy.url))
                await soon(lambda: session.connector._waiters)
                block.stop()
                held.set()
                await response.read()
            await waiting
            assert proxy.tunnelled == []

        with_connector(check, limit=1)


def test_with_truststore_injected_cafile_stays_exclusive(inject_truststore, server, public_server, ca_file):
    """Whenever truststore takes ssl.SSLContext's place, the block's CAs are the only ones, through a proxy too."""

    async def check(session):
        inject_truststore("before")
        with trusted_context(ca_file):
            inject_truststore("inside")
            for via in (None, proxy.url):
                assert await fetch(session, server.url, proxy=via) == BODY
                await refused(session, public_server.url, proxy=via)
        inject_truststore("after")
        await refused(session, server.url)

    with serving(ConnectProxy()) as proxy:
        in_session(check)
        assert len(proxy.tunnelled) == 2
