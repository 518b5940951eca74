"""urllib3's ProxyManager: the server at the tunnel's end, the proxy itself, and what callers chose for either."""

import ssl

import pytest
import urllib3
from servers import BODY, ConnectProxy, Server, fails, serving
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from trusted_context import trusted_context

silent = pytest.mark.filterwarnings(
    "ignore::urllib3.exceptions.InsecureRequestWarning", "ignore::trusted_context.InsecureWarning"
)
CREDENTIALS = "user:p@ss"


def fetch(url, proxy, **settings):
    """What the URL holds, through the proxy."""
    headers = urllib3.make_headers(proxy_basic_auth=settings.pop("credentials", CREDENTIALS))
    with urllib3.ProxyManager(proxy.url, proxy_headers=headers, **settings) as manager:
        return manager.request("GET", url, timeout=20, retries=False).data


def address(running):
    return running.url.partition("//")[2].strip("/")


@pytest.fixture(scope="module")
def _running(ca):
    with serving(ConnectProxy(CREDENTIALS, certificate=ca.issue_cert("localhost"))) as running:
        yield running


@pytest.fixture
def proxy(_running):
    """An https:// proxy whose certificate the CA signed, with user and password."""
    _running.tunnelled.clear()
    _running.forwarded.clear()
    return _running


@pytest.fixture
def misnamed_proxy(ca):
    """An https:// proxy whose certificate the CA signed for another name."""
    with serving(ConnectProxy(CREDENTIALS, certificate=ca.issue_cert("elsewhere.test"))) as running:
        yield running


def test_an_https_proxy_is_verified_by_the_block(server, proxy, ca_file, other_file):
    """A proxy and a server behind it whose CA the block holds work inside; outside and with another CA they fail."""
    fails(fetch, server.url, proxy)
    with trusted_context(other_file):
        fails(fetch, server.url, proxy)
    assert proxy.tunnelled == []
    with trusted_context(ca_file):
        assert fetch(server.url, proxy) == BODY
    fails(fetch, server.url, proxy)
    assert proxy.tunnelled == [f"localhost:{server.server_port}"]


def test_the_server_behind_an_https_proxy_is_verified_too(ca, other_ca, proxy, ca_file):
    """A trusted proxy lends the server behind it no trust, neither of its CA nor of its name."""
    with serving(Server(other_ca.issue_cert("localhost"))) as untrusted, trusted_context(ca_file):
        fails(fetch, untrusted.url, proxy)
    with serving(Server(ca.issue_cert("elsewhere.test"))) as misnamed, trusted_context(ca_file):
        assert fails(fetch, misnamed.url, proxy).verify_code == 62
    assert len(proxy.tunnelled) == 2


@silent
def test_insecurity_is_of_the_proxy_or_of_the_server_behind_it(other_ca, server, proxy, misnamed_proxy, ca_file):
    """A host that insecure names is the proxy or the server; the other of the two stays verified."""
    with trusted_context(ca_file, insecure={address(server)}):
        assert fails(fetch, server.url, misnamed_proxy).verify_code == 62
        assert misnamed_proxy.tunnelled == []
        assert fetch(server.url, proxy) == BODY
    with trusted_context(ca_file, insecure={address(misnamed_proxy)}):
        assert fetch(server.url, misnamed_proxy) == BODY
        with serving(Server(other_ca.issue_cert("localhost"))) as untrusted:
            fails(fetch, untrusted.url, misnamed_proxy)
    with serving(Server(other_ca.issue_cert("localhost"))) as untrusted:
        with trusted_context(ca_file, insecure={address(untrusted)}):
            assert fetch(untrusted.url, proxy) == BODY
            assert fails(fetch, server.url, misnamed_proxy).verify_code == 62
        with trusted_context(ca_file):
            assert fetch(server.url, proxy) == BODY


def test_a_context_that_was_chosen_for_the_proxy_is_kept(server, proxy, ca_file, other_file):
    """proxy_ssl_context decides about the proxy alone; the block decides about the server."""
    right, wrong = (ssl.create_default_context(cafile=file) for file in (ca_file, other_file))
    with trusted_context(ca_file):
        assert fetch(server.url, proxy, proxy_ssl_context=right) == BODY
        fails(fetch, server.url, proxy, proxy_ssl_context=wrong)
    with trusted_context(other_file):
        fails(fetch, server.url, proxy, proxy_ssl_context=right)
    assert len(proxy.tunnelled) == 2


def test_what_was_chosen_for_the_server_is_kept_behind_a_proxy(server, ca_file, other_file):
    """ca_certs of a ProxyManager is a pin behind a plain proxy as it is without one."""
    with serving(ConnectProxy(CREDENTIALS)) as plain:
        with trusted_context(ca_file):
            fails(fetch, server.url, plain, ca_certs=str(other_file))
        with trusted_context(other_file):
            assert fetch(server.url, plain, ca_certs=str(ca_file)) == BODY


def test_a_proxy_is_verified_by_the_block_where_only_the_servers_context_was_chosen(server, proxy, ca_file, other_file):
    """A context for the server is no choice of trust in the proxy in between."""
    chosen = {"ssl_context": ssl.create_default_context(cafile=ca_file)}
    with trusted_context(ca_file):
        assert fetch(server.url, proxy, **chosen) == BODY
    with trusted_context(other_file):
        fails(fetch, server.url, proxy, **chosen)


def test_a_name_that_is_asserted_of_the_proxy_is_for_that_proxy(server, misnamed_proxy, proxy, ca_file):
    """proxy_assert_hostname holds for its own manager; others check their proxy's and their server's name as before."""
    with trusted_context(ca_file):
        assert fetch(server.url, misnamed_proxy, proxy_assert_hostname="elsewhere.test") == BODY
        with pytest.raises(HTTPError, match=r"other\.test"):
            fetch(server.url, misnamed_proxy, proxy_assert_hostname="other.test")
        assert fails(fetch, server.url, misnamed_proxy).verify_code == 62
        assert fetch(server.url, proxy) == BODY


@pytest.mark.parametrize("url", ["https://data.test/set", "http://data.test/set"])
def test_a_proxy_that_forwards_is_verified_by_the_block(url, proxy, ca_file, other_file):
    """Where the proxy makes the request itself, its own certificate is what the block verifies."""
    settings = {"use_forwarding_for_https": True}
    fails(fetch, url, proxy, **settings)
    with trusted_context(other_file):
        fails(fetch, url, proxy, **settings)
    assert proxy.forwarded == []
    with trusted_context(ca_file):
        assert fetch(url, proxy, **settings) == BODY
    assert proxy.forwarded == [url]


def test_a_407_stays_what_it_is_and_shows_no_password(server, proxy, ca_file):
    """Wrong credentials give the proxy's own answer, not a TLS error, and no message holds the password."""
    with serving(ConnectProxy(CREDENTIALS)) as plain, trusted_context(ca_file):
        for through in (plain, proxy):
            with pytest.raises((HTTPError, OSError), match="407") as caught:
                fetch(server.url, through, credentials="user:hunter2")
            assert "CERTIFICATE" not in str(caught.value)
            assert "hunter2" not in str(caught.value)


def test_a_proxy_may_ask_for_a_certificate_after_the_handshake(ca, server, ca_file):
    """urllib3 offers that (RFC 8446, 4.6.2) to an https:// proxy, so it does so in a block."""

    class Asking(ssl.SSLSocket):
        def do_handshake(self, *args, **kwargs):
            super().do_handshake(*args, **kwargs)
            self.verify_client_post_handshake()  # an error where the client offered nothing of the kind

    asking = ConnectProxy(CREDENTIALS, certificate=ca.issue_cert("localhost"))
    asking.context.verify_mode, asking.context.post_handshake_auth = ssl.CERT_OPTIONAL, True
    asking.context.sslsocket_class = Asking
    with serving(asking), trusted_context(ca_file):
        assert fetch(server.url, asking) == BODY


def test_an_insecure_block_warns_through_a_proxy_too(server, proxy):
    """urllib3's own warning comes through an https:// proxy that is not verified either."""
    entered = pytest.warns(UserWarning, match="verification is off")
    with entered, trusted_context(insecure=True), pytest.warns(InsecureRequestWarning):
        assert fetch(server.url, proxy) == BODY
