"""Proxies of httpx and httpx2: the server at the tunnel's end, the proxy itself, and what was chosen for either."""

import ssl

import pytest
import trustme
from servers import BODY, ConnectProxy, fails, serving, write_ca

from trusted_context import trusted_context

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")

by_library = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
silent = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
AUTH = ("user", "p@ss")


@pytest.fixture(autouse=True)
def _small_default(other_file, monkeypatch):
    """Outside, clients trust a bundle that is quicker to read than certifi's, and knows none of our servers."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))


@pytest.fixture(scope="module")
def _running(ca):
    with serving(ConnectProxy(":".join(AUTH), certificate=ca.issue_cert("localhost"))) as running:
        yield running


@pytest.fixture
def proxy(_running):
    """An https:// proxy whose certificate the CA signed, with user and password."""
    _running.tunnelled.clear()
    _running.forwarded.clear()
    return _running


def fetch(url, proxy, library=httpx, *, context=None, **settings):
    """What the URL holds, through the proxy, for which *context* may be chosen."""
    through = library.Proxy(proxy.url, auth=AUTH, ssl_context=context)
    with library.Client(proxy=through, timeout=20, **settings) as made:
        return made.get(url).content


@by_library
def test_an_https_proxy_is_verified_by_the_block(library, server, proxy, ca_file, other_file):
    """A proxy and a server behind it whose CA the block holds work inside; outside and with another CA they fail."""
    fails(fetch, server.url, proxy, library)
    with trusted_context(other_file):
        fails(fetch, server.url, proxy, library)
    assert proxy.tunnelled == []
    with trusted_context(ca_file):
        assert fetch(server.url, proxy, library) == BODY
        if library is httpx2 or httpx.__version__ >= "0.28":
            assert fetch(server.url, proxy, library, http2=True) == BODY
    fails(fetch, server.url, proxy, library)
    assert set(proxy.tunnelled) == {f"localhost:{server.server_port}"}


def test_a_proxy_that_forwards_plain_http_is_verified_too(plain_server, proxy, ca_file, other_file):
    """The connection to an https:// proxy is TLS, also where what is asked for is an http:// URL."""
    with trusted_context(other_file):
        fails(fetch, plain_server.url, proxy)
    assert proxy.forwarded == []
    with trusted_context(ca_file):
        assert fetch(plain_server.url, proxy) == BODY
    assert proxy.forwarded == [plain_server.url]


def test_a_context_that_was_chosen_for_the_proxy_is_kept(server, proxy, ca_file, other_file):
    """Proxy(ssl_context=...) decides about the proxy, and the block about the server behind it."""
    third = write_ca(trustme.CA(organization_name="Third"), other_file.with_name("third.pem"))
    right, wrong = (ssl.create_default_context(cafile=file) for file in (ca_file, third))
    with trusted_context(ca_file):
        assert fetch(server.url, proxy, context=right) == BODY
        fails(fetch, server.url, proxy, context=wrong)
    proxy.tunnelled.clear()
    with trusted_context(other_file):
        fails(fetch, server.url, proxy, context=right)
    assert proxy.tunnelled == [f"localhost:{server.server_port}"]


def test_a_proxy_is_verified_by_the_block_where_only_the_servers_trust_was_chosen(server, proxy, ca_file, other_file):
    """What was chosen by verify= is not for the proxy, to httpx: that one nobody chose."""
    chosen = ssl.create_default_context(cafile=ca_file)
    with trusted_context(ca_file):
        assert fetch(server.url, proxy, verify=chosen) == fetch(server.url, proxy, verify=False) == BODY
        fails(fetch, server.url, proxy, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    proxy.tunnelled.clear()
    with trusted_context(other_file):
        fails(fetch, server.url, proxy, verify=chosen)
        fails(fetch, server.url, proxy, verify=False)
    assert proxy.tunnelled == []


@silent
def test_insecurity_is_of_the_proxy_or_of_the_server_behind_it(ca, other_ca, server, other_file, ca_file):
    """A host named in insecure is unverified as proxy or as server; the other of the two stays verified."""
    at_127 = server.url.replace("localhost", "127.0.0.1")
    port = server.server_port
    with serving(ConnectProxy(":".join(AUTH), certificate=other_ca.issue_cert("localhost"))) as theirs:
        address = theirs.url.partition("//")[2]
        with trusted_context(ca_file, insecure={address}):
            assert fetch(at_127, theirs) == BODY
        with trusted_context(other_file, insecure={address}):
            fails(fetch, at_127, theirs)
        with trusted_context(other_file, insecure={f"127.0.0.1:{port}"}):
            assert fetch(at_127, theirs) == BODY
            fails(fetch, server.url, theirs)
        with trusted_context(ca_file, insecure={f"127.0.0.1:{port}"}):
            fails(fetch, at_127, theirs)


@by_library
def test_a_407_stays_what_it_is_and_shows_no_password(library, server, proxy, ca_file):
    """Wrong credentials are a proxy's error, not one of trust, and no message repeats them."""
    through = library.Proxy(proxy.url, auth=("user", "wrong-secret"))
    with trusted_context(ca_file), library.Client(proxy=through, timeout=20) as made:
        with pytest.raises(library.ProxyError, match="407") as caught:
            made.get(server.url)
        assert "wrong-secret" not in f"{caught.value!r} {made!r} {made._mounts!r}"


@by_library
def test_a_socks_proxy_is_gone_through(library, server, ca_file, other_file):
    """Through a SOCKS proxy the block verifies the server."""
    pytest.importorskip("socksio")
    from socks import SocksProxy

    with serving(SocksProxy(*AUTH)) as socks:
        through = library.Proxy(socks.url, auth=AUTH)
        with library.Client(proxy=through, timeout=20) as made:
            with trusted_context(ca_file):
                assert made.get(server.url).content == BODY
            fails(made.get, server.url)
            with trusted_context(other_file):
                fails(made.get, server.url)
    assert len(socks.tunnelled) == 3
