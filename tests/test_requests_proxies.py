"""requests through proxies: the server at the tunnel's end, and an ``https://`` proxy itself."""

import pytest
from servers import BODY, ConnectProxy, Server, fails, serving, verify_failure

from trusted_context import trusted_context

requests = pytest.importorskip("requests")


def fetch(url):
    """What the URL holds, by the proxy that the environment names."""
    response = requests.get(url, timeout=20)
    response.raise_for_status()
    return response.content


def with_user(proxy, password="p%40ss"):
    return proxy.url.replace("//", f"//user:{password}@")


@pytest.fixture
def proxy(monkeypatch):
    """A CONNECT proxy with user and password, named by https_proxy."""
    with serving(ConnectProxy("user:p@ss")) as running:
        monkeypatch.setenv("https_proxy", with_user(running))
        yield running


def test_the_host_name_is_verified_through_a_tunnel(ca, proxy, ca_file):
    """A certificate for another name than the tunnel's end is refused, though its CA is trusted."""
    with serving(Server(ca.issue_cert("elsewhere.test"))) as elsewhere, trusted_context(ca_file):
        assert fails(fetch, elsewhere.url).verify_code == 62
    assert proxy.tunnelled == [f"localhost:{elsewhere.server_port}"]


def test_no_proxy_is_what_the_environment_says(server, proxy, ca_file, monkeypatch):
    """Inside a block NO_PROXY is heeded as outside."""
    monkeypatch.setenv("no_proxy", "localhost")
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    assert proxy.tunnelled == []


def test_a_407_stays_what_it_is_and_shows_no_password(server, proxy, ca_file, monkeypatch):
    """Wrong proxy credentials give the proxy's own answer, not a TLS error, and no message holds the password."""
    monkeypatch.setenv("https_proxy", with_user(proxy, "hunter2"))
    with trusted_context(ca_file), pytest.raises(requests.exceptions.ProxyError, match="407") as caught:
        fetch(server.url)
    assert verify_failure(caught.value) is None
    assert "hunter2" not in str(caught.value)


def test_an_https_proxy_is_verified_by_the_block(ca, server, ca_file, other_file, monkeypatch):
    """A proxy whose own certificate the block's CA signed works inside, and is refused outside and by another CA."""
    with serving(ConnectProxy("user:p@ss", certificate=ca.issue_cert("localhost"))) as proxy:
        monkeypatch.setenv("https_proxy", with_user(proxy))
        fails(fetch, server.url)
        with trusted_context(other_file):
            fails(fetch, server.url)
        assert proxy.tunnelled == []
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
        fails(fetch, server.url)
        assert proxy.tunnelled == [f"localhost:{server.server_port}"]


@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
def test_the_name_of_an_https_proxy_is_verified(ca, server, ca_file, monkeypatch):
    """An https:// proxy with a certificate for another name is refused, unless insecure names the proxy itself."""
    with serving(ConnectProxy(certificate=ca.issue_cert("elsewhere.test"))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with trusted_context(ca_file):
            assert fails(fetch, server.url).verify_code == 62
        with trusted_context(ca_file, insecure={f"localhost:{server.server_port}"}):
            assert fails(fetch, server.url).verify_code == 62
        assert proxy.tunnelled == []
        with trusted_context(ca_file, insecure={proxy.url.removeprefix("https://")}):
            assert fetch(server.url) == BODY
