"""aiohttp imported in the middle of a block: covered from then on, and nothing of the block stays in it."""

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("aiohttp")

_IMPORTED = """
import asyncio, os, sys
from trusted_context import trusted_context
cafile, other, url = sys.argv[1:]

async def get(session):
    import aiohttp
    try:
        async with session.get(url) as response:
            return await response.read()
    except aiohttp.ClientConnectorCertificateError:
        return "refused"

async def main():
    {body}

asyncio.run(main())
"""


@pytest.fixture
def run(keeper, ca_file, other_file):
    """Runs the body of a coroutine in a fresh interpreter, in which aiohttp is not imported."""

    def in_fresh_interpreter(body):
        code = _IMPORTED.format(body=textwrap.indent(textwrap.dedent(body), "    ").strip())
        command = [sys.executable, "-W", "error", "-c", code, str(ca_file), str(other_file), keeper.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""

    return in_fresh_interpreter


def test_what_is_imported_inside_an_exporting_block_keeps_nothing_of_it(run):
    """aiohttp makes its default context at its import: after the block it is of the user's own environment."""
    run("""
    os.environ["SSL_CERT_FILE"] = other
    with trusted_context(cafile, export=True):
        assert "aiohttp" not in sys.modules
        import aiohttp
        session = aiohttp.ClientSession()
        assert os.environ["SSL_CERT_FILE"] == cafile
        assert await get(session) == b"a data set"
        for inner in (trusted_context(other), trusted_context(other, local=True)):
            with inner:
                assert await get(session) == "refused"
    assert await get(session) == "refused"
    default = getattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", None)  # up to 3.10 made at its first use
    assert default is None or default.cert_store_stats()["x509"] == 1
    await session.close()
    async with aiohttp.ClientSession() as another:
        assert await get(another) == "refused"
        os.environ["SSL_CERT_FILE"] = cafile
        with trusted_context(cafile):
            assert await get(another) == b"a data set"
        assert getattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", None) is default
    """)


def test_the_export_is_gone_though_another_block_lives(run):
    """A task that is in no block is ordinary as soon as the exporting block has ended, whatever else is live."""
    run("""
    with trusted_context(other, local=True):
        import contextvars
        block = trusted_context(cafile, export=True).start()
        import aiohttp
        session = aiohttp.ClientSession()
        assert await get(session) == b"a data set"
        block.stop()
        assert await get(session) == "refused"
        outside = asyncio.create_task(get(session), context=contextvars.Context())
        assert await outside == "refused"
    await session.close()
    """)


def test_a_default_that_somebody_replaced_meanwhile_stays(run):
    """After the export aiohttp's own is made anew, and no other."""
    run("""
    with trusted_context(other, export=True):
        import aiohttp, ssl
        if not hasattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED"):
            return  # up to 3.10 it is made at its first use
        chosen = aiohttp.connector._SSL_CONTEXT_VERIFIED = ssl.create_default_context(cafile=cafile)
    async with aiohttp.ClientSession() as session:
        assert await get(session) == b"a data set"
    assert aiohttp.connector._SSL_CONTEXT_VERIFIED is chosen
    """)


def test_what_is_imported_inside_is_covered_from_then_on(run):
    """A block imports no aiohttp by itself, covers one imported inside, and is taken back from it at the end."""
    run("""
    before = list(sys.meta_path)
    with trusted_context(cafile):
        assert "aiohttp" not in sys.modules
        import aiohttp
        async with aiohttp.ClientSession() as session:
            assert await get(session) == b"a data set"
    assert sys.meta_path == before
    for method in (aiohttp.BaseConnector.connect, aiohttp.TCPConnector._get_ssl_context):
        assert "trusted_context" not in method.__code__.co_filename
    async with aiohttp.ClientSession() as session:
        assert await get(session) == "refused"
    """)
