"""asyncio's own connections: ``ssl=True`` follows the block, a context is a choice, and servers are untouched."""

import asyncio
import contextvars
import ssl

import pytest
from servers import BODY, verify_failure

from trusted_context import trusted_context
from trusted_context.sources import stores

silent = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


async def fetch(port, host="localhost", ssl=True, **arguments):
    """What the server at that port answers to a plain request."""
    reader, writer = await asyncio.open_connection(host, port, ssl=ssl, **arguments)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


async def refused(port, host="localhost", **arguments):
    """The verification error that connecting ends in; fails where it does not."""
    with pytest.raises(OSError) as caught:
        await fetch(port, host, **arguments)
    assert verify_failure(caught.value)
    return caught.value


@pytest.fixture
def port(server):
    """The port of a server for localhost and 127.0.0.1."""
    return server.server_port


def test_a_context_wins(port, ca_file, other_file):
    """ssl=context is a choice, in a block that trusts the server and in one that does not."""

    async def check():
        with trusted_context(ca_file):
            await refused(port, ssl=ssl.create_default_context(cafile=other_file))
            assert await fetch(port, ssl=ssl.create_default_context()) == BODY  # which trusts what nobody chose
        with trusted_context(other_file):
            assert await fetch(port, ssl=ssl.create_default_context(cafile=ca_file)) == BODY

    asyncio.run(check())


def test_create_connection_follows_the_block(port, ca_file):
    """loop.create_connection(ssl=True) is covered as open_connection() is, and sees a context that verifies."""

    async def check():
        with trusted_context(ca_file):
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(asyncio.Protocol, "localhost", port, ssl=True)
        context = transport.get_extra_info("sslcontext")
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        transport.abort()  # a close() would wait for the server, which the end of the loop does not
        await refused(port)

    asyncio.run(check())


def test_the_host_name_is_checked_but_where_the_caller_gave_it_up(port, ca_file, other_file):
    """A wrong server_hostname fails; an empty one leaves the chain to be verified, for that connection alone."""

    async def check():
        with trusted_context(ca_file):
            await refused(port, server_hostname="elsewhere.test")
            assert await fetch(port, server_hostname="") == BODY
            await refused(port, server_hostname="elsewhere.test")
        with trusted_context(other_file):
            await refused(port, server_hostname="")

    asyncio.run(check())


@silent
def test_insecure_matches_the_host_and_never_a_port(port, other_file):
    """The port is not known where the context is made: a host with a port stays verified."""

    async def check():
        with trusted_context(other_file, insecure={"LOCALHOST."}):
            assert await fetch(port) == BODY
            await refused(port, "127.0.0.1")
            await refused(port, server_hostname="")
        with trusted_context(other_file, insecure={f"localhost:{port}"}):
            await refused(port)
        with trusted_context(insecure=True):
            assert await fetch(port) == await fetch(port, server_hostname="") == BODY

    asyncio.run(check())


@silent
def test_tasks_in_different_blocks_follow_each_their_own(port, ca_file, other_file):
    """Tasks that take turns, in local blocks and in none."""

    async def trusting():
        with trusted_context(ca_file, local=True):
            for _ in range(4):
                assert await fetch(port) == BODY

    async def distrusting():
        with trusted_context(other_file, local=True):
            for _ in range(4):
                await refused(port)

    async def ungoverned():
        for _ in range(4):
            await refused(port)

    async def check():
        await asyncio.gather(*(task() for task in (trusting, distrusting, ungoverned) * 2))

    asyncio.run(check())


def test_a_block_governs_other_tasks_unless_it_is_local(port, ca_file):
    """A task with nothing of the block's context is governed by a process-wide block alone."""

    async def check():
        async with trusted_context(ca_file):
            assert await asyncio.create_task(fetch(port), context=contextvars.Context()) == BODY
        async with trusted_context(ca_file, local=True):
            await asyncio.create_task(refused(port), context=contextvars.Context())

    asyncio.run(check())


def test_a_trust_of_the_operating_systems_verifies(port, ca_file, monkeypatch):
    """As on Windows and macOS (played here): the system's verification decides."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)

    async def check():
        with trusted_context(system=True):
            assert await fetch(port) == await fetch(port, server_hostname="") == BODY
            await refused(port, server_hostname="elsewhere.test")

    asyncio.run(check())


@pytest.mark.parametrize("native", [False, True])
def test_a_handshake_that_begins_after_its_block_is_a_failure_to_asyncio(native, ca_file, monkeypatch):
    """Another thread may end the block in between. An error other than SSLError would leave asyncio waiting."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", native)
    context = ssl.create_default_context()
    with trusted_context(system=native or None):
        connection = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    with pytest.raises(ssl.SSLError, match="has ended") as caught:
        connection.do_handshake()
    assert isinstance(caught.value, ConnectionResetError)
