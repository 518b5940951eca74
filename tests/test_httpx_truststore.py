"""httpx and httpx2 where the operating system verifies, and where truststore took a class's place."""

import ssl
import sys

import pytest
import truststore
from servers import BODY, Server, fails, serving, verify_failure

from trusted_context import trusted_context
from trusted_context.clients import httpx_defaults
from trusted_context.sources import stores

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")

by_library = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)


def fetch(url, library):
    """What the URL holds, through a client of its own."""
    with library.Client(timeout=20) as made:
        return made.get(url).content


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="a test cannot add to that system's store")
@by_library
def test_where_the_system_verifies_each_connection_has_a_context_of_its_own(
    library, ca, ca_file, other_file, monkeypatch
):
    """As on Windows and macOS: no handshake waits for another's, and connections are kept in one pool as ever."""
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))

    def context_of(response):
        return response.extensions["network_stream"].get_extra_info("ssl_object").context

    make_server = pytest.importorskip("http2").make_server
    with serving(make_server(ca.issue_cert("localhost", "127.0.0.1"))) as running:
        at_127 = running.url.replace("localhost", "127.0.0.1")
        with library.Client(timeout=20, http2=True) as made:
            with trusted_context(ca_file, system=True):
                contexts = [context_of(made.get(url)) for url in (running.url, at_127, running.url)]
                assert contexts[0] is contexts[2] is not contexts[1]
                assert running.agreed == ["h2", "h2"]
                assert len(vars(made._transport._pool)["close"].pools) == 1
            with trusted_context(system=True):
                fails(made.get, running.url)


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="a test cannot add to that system's store")
def test_where_the_system_verifies_asynchronous_clients_are_covered(ca, ca_file, other_file, monkeypatch):
    """As on Windows and macOS, under asyncio and trio."""
    anyio = pytest.importorskip("anyio")
    pytest.importorskip("trio")
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))

    async def use():
        async with httpx.AsyncClient(timeout=20) as made:
            with trusted_context(ca_file, system=True):
                assert (await made.get(running.url)).content == BODY
            with trusted_context(system=True), pytest.raises(httpx.ConnectError) as caught:
                await made.get(running.url)
            assert verify_failure(caught.value)

    with serving(Server(ca.issue_cert("localhost"))) as running:
        for backend in ("asyncio", "trio"):
            anyio.run(use, backend=backend)


def test_a_plain_context_of_truststores_is_a_default(ca_file):
    """Such as httpx2's on Windows and macOS: it trusts what the system does; with a CA of its own it was chosen."""
    assert httpx_defaults.is_default(truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "httpx2")
    own = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own.load_verify_locations(ca_file)
    assert not httpx_defaults.is_default(own, "httpx2")


@by_library
def test_with_truststore_injected_cafile_stays_exclusive(inject_truststore, library, server, public_server, ca_file):
    """Whenever truststore takes ssl.SSLContext's place, the block's CAs are the only ones, and nothing recurses."""
    inject_truststore("before")
    with trusted_context(ca_file):
        inject_truststore("inside")
        assert fetch(server.url, library) == BODY
        fails(fetch, public_server.url, library)
        with library.Client(timeout=20) as made:
            assert made.get(server.url).content == BODY
    inject_truststore("after")
    fails(fetch, server.url, library)
