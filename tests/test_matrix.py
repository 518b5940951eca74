"""Every client, by every kind of trust, made and used at every time, on every route: on real connections."""

import contextlib
import re
import ssl
import sys
import threading
import types
from pathlib import Path

import client
import pytest
from matrix import CLIENTS, PASSWORD, USER, coverage, going, markdown, with_credentials
from servers import BODY, ConnectProxy, KeepAliveHandler, Server, serving

from trusted_context import trusted_context
from trusted_context.sources import stores

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "coverage.md"

# urllib3 warns of each unverified request, and an insecure block of itself: test_urllib3.py and test_insecure.py.
pytestmark = [
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
    pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning"),
]

# Kinds of trust by which the server's certificate is accepted, and by which it is not.
ACCEPTING = ("CA file", "exported CA file", "system", "one insecure host", "insecure")
REFUSING = ("another CA", "another insecure host")


def label(client):
    return client.name.partition(":")[0].partition(",")[0].replace("`", "")


def ways():
    """Each client on each of its routes, with each kind of trust.

    On routes by a proxy the default run has one kind of either outcome: a client's trust does not depend on its route.
    """
    every = [(each, route, kind) for each in CLIENTS for route in each.routes for kind in (*ACCEPTING, *REFUSING)]
    for each, route, kind in every:
        is_slow = route != each.routes[0] and kind not in {ACCEPTING[0], REFUSING[0]}
        marks = [pytest.mark.slow] if is_slow else []
        yield pytest.param((each, route, kind), id=f"{label(each)}-{route}-{kind}", marks=marks)


by_client = pytest.mark.parametrize("client", CLIENTS, ids=label)
by_keeping_client = pytest.mark.parametrize("client", [client for client in CLIENTS if client.keeps], ids=label)


@pytest.fixture(scope="module")
def _running_proxy():
    with serving(ConnectProxy(f"{USER}:{PASSWORD}")) as running:
        yield running


@pytest.fixture
def proxy(_running_proxy):
    """A CONNECT proxy that asks for user and password."""
    _running_proxy.tunnelled.clear()
    return _running_proxy


@pytest.fixture(scope="module")
def _running_keeper(ca):
    with serving(Server(ca.issue_cert("localhost"), handler=KeepAliveHandler)) as running:
        yield running


@pytest.fixture
def keeper(_running_keeper):
    """A server that keeps its connections open."""
    _running_keeper.accepted = 0
    return _running_keeper


@pytest.fixture
def block_of(ca_file, other_file, monkeypatch):
    """Makes the block with a kind of trust; the system's store is one of our own, that holds the CA."""
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile=str(ca_file), openssl_capath="")
    monkeypatch.setattr(stores, "ssl", types.SimpleNamespace(get_default_verify_paths=lambda: paths))
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", False)
    blocks = {
        "CA file": lambda: trusted_context(ca_file),
        "exported CA file": lambda: trusted_context(ca_file, export=True),
        "system": lambda: trusted_context(system=True),
        "one insecure host": lambda: trusted_context(other_file, insecure={"localhost"}),
        "insecure": lambda: trusted_context(insecure=True),
        "another CA": lambda: trusted_context(other_file),
        "another insecure host": lambda: trusted_context(other_file, insecure={"127.0.0.1"}),
    }
    return lambda kind: blocks[kind]()


def trust_outside(file, monkeypatch):
    """Outside every block *file* is what a client trusts, as a machine may be set up."""
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    if client.requests:
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(file))
    if client.botocore:
        monkeypatch.setattr("botocore.httpsession.where", lambda: str(file))
    if hasattr(sys.modules.get("aiohttp.connector"), "_SSL_CONTEXT_VERIFIED"):
        monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=file))
    if hasattr(sys.modules.get("requests.adapters"), "_preloaded_ssl_context"):  # requests 2.32.0 to 2.32.4
        monkeypatch.setattr("requests.adapters._preloaded_ssl_context", ssl.create_default_context(cafile=file))


@pytest.fixture
def trusted_outside(ca_file, monkeypatch):
    """The server is trusted outside every block."""
    trust_outside(ca_file, monkeypatch)


@pytest.fixture
def distrusted_outside(other_file, monkeypatch):
    """The server is not trusted outside, by a bundle that is quicker to read than certifi's."""
    trust_outside(other_file, monkeypatch)


def expected(kind, cell):
    """The one rule: a block governs what is fetched inside it, whenever the client was made, and nothing else."""
    _, used_inside = cell
    return "fetched" if kind in ACCEPTING and used_inside else "refused"


@pytest.mark.parametrize("way", [*ways()])
@pytest.mark.usefixtures("distrusted_outside")
def test_a_block_governs_what_is_fetched_inside_it_and_nothing_else(way, server, proxy, block_of):
    """A client follows the block for what it fetches inside, made before or inside, and is ordinary after."""
    client, route, kind = way
    seen = {}
    with going(route, with_credentials(proxy)) as via, contextlib.ExitStack() as stack:

        def build():
            built = client.build(via)
            stack.callback(client.close, built)
            return built

        before, unused = build(), build()
        with block_of(kind):
            inside = build()
            seen["made before, used inside", True] = client.outcome(before, server.url, via)
            seen["made inside, used inside", True] = client.outcome(inside, server.url, via)
        seen["made before, used inside and after", False] = client.outcome(before, server.url, via)
        seen["made inside, used after", False] = client.outcome(inside, server.url, via)
        seen["made before, used after", False] = client.outcome(unused, server.url, via)
    assert seen == {cell: expected(kind, cell) for cell in seen}
    assert set(proxy.tunnelled) == ({f"localhost:{server.server_port}"} if route == "proxy" else set())


@by_client
def test_a_response_that_outlives_the_block_is_read_to_its_end(client, server, proxy, ca_file):
    """What was asked for inside is read to its end after the block, though half of it was not yet sent."""
    half, left = bytes(200_000), threading.Event()

    def slow(request):
        request.send_response(200)
        request.send_header("Content-Length", str(2 * len(half)))
        request.end_headers()
        request.wfile.write(half)
        left.wait(10)
        request.wfile.write(half)

    server.files["/slow"] = slow
    with going(client.routes[0], with_credentials(proxy)) as via, contextlib.ExitStack() as stack:
        built = client.build(via)
        stack.callback(client.close, built)
        with trusted_context(ca_file):
            read = client.begin(built, server.url + "slow", via)
        left.set()
        assert read() == 2 * half


@by_keeping_client
@pytest.mark.usefixtures("distrusted_outside")
def test_no_connection_opened_inside_is_reused_after_exit(client, keeper, proxy, block_of):
    """A client that keeps its connections opens another after the block, which is verified as ever."""
    for kind in ACCEPTING:
        with going(client.routes[0], with_credentials(proxy)) as via:
            built = client.build(via)
            keeper.accepted = 0
            with block_of(kind):
                assert client.fetch(built, keeper.url, via) == client.fetch(built, keeper.url, via) == BODY
                assert keeper.accepted == 1
            assert client.outcome(built, keeper.url, via) == "refused"
            assert keeper.accepted == 2
            client.close(built)


@by_keeping_client
@pytest.mark.usefixtures("trusted_outside")
def test_no_connection_opened_outside_is_reused_inside(client, keeper, proxy, block_of):
    """A connection kept from before a block is not used in it, and is used again after it."""
    with going(client.routes[0], with_credentials(proxy)) as via:
        built = client.build(via)
        assert client.fetch(built, keeper.url, via) == client.fetch(built, keeper.url, via) == BODY
        assert keeper.accepted == 1
        with block_of("another CA"):
            assert client.outcome(built, keeper.url, via) == "refused"
        with block_of("CA file"):
            assert client.fetch(built, keeper.url, via) == client.fetch(built, keeper.url, via) == BODY
        assert keeper.accepted == 3
        assert client.fetch(built, keeper.url, via) == BODY
        assert keeper.accepted == 3
        client.close(built)


@by_keeping_client
def test_no_connection_is_reused_in_another_block(client, keeper, proxy, block_of):
    """An unverified connection of an insecure block is not used in a verifying one within it, nor the other way."""
    with going(client.routes[0], with_credentials(proxy)) as via:
        built = client.build(via)
        with block_of("insecure"):
            assert client.fetch(built, keeper.url, via) == BODY
            with block_of("another CA"):
                assert client.outcome(built, keeper.url, via) == "refused"
            with block_of("CA file"):
                assert client.fetch(built, keeper.url, via) == BODY
            assert keeper.accepted == 3
            assert client.fetch(built, keeper.url, via) == BODY
        assert keeper.accepted == 3
        client.close(built)


@by_keeping_client
def test_nothing_stays_open_after_its_client_was_closed(client, keeper, proxy, ca_file):
    """Closing a client closes the connections that it kept from a block, too."""
    ended = threading.Event()

    def note_the_end(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(BODY)))
        request.end_headers()
        request.wfile.write(BODY)
        request.rfile.peek(1)
        ended.set()

    keeper.files["/noted"] = note_the_end
    with going(client.routes[0], with_credentials(proxy)) as via:
        built = client.build(via)
        with trusted_context(ca_file):
            assert client.fetch(built, keeper.url + "noted", via) == BODY
        client.close(built)
    assert ended.wait(10)


@pytest.mark.usefixtures("distrusted_outside")
def test_the_documentation_says_what_is_covered(ca, tmp_path):
    """The table of docs/reference/coverage.md is what connections of every client show."""
    for library in ("requests", "botocore", "httpx", "httpx2", "trio", "aiohttp", "fsspec"):
        pytest.importorskip(library, reason="the table has rows for it")
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"<!-- coverage -->\n(.*?)\n<!-- /coverage -->", text, re.DOTALL)
    assert found, f"{PAGE} has no table between <!-- coverage --> and <!-- /coverage -->"
    table = markdown(coverage(ca, tmp_path))
    assert found[1] == table, f"the table of {PAGE} is to be replaced by this one:\n\n{table}\n"
