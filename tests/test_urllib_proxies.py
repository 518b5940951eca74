"""urllib through proxies: tunnels obey the block's trust, and proxies are what the environment says."""

import http.client
import socket
import ssl
import urllib.request

import pytest
from servers import BODY, ConnectProxy, Server, fails, fetch, refusal, serving, verify_failure

from trusted_context import InsecureWarning, trusted_context


@pytest.fixture
def proxy(monkeypatch):
    """A CONNECT proxy with user and password, named by HTTPS_PROXY."""
    with serving(ConnectProxy("user:p@ss")) as running:
        monkeypatch.setenv("https_proxy", running.url.replace("//", "//user:p%40ss@"))
        yield running


@pytest.mark.parametrize("built", ["before", "inside"])
def test_tunnelled_connections_obey_the_same_trust(built, server, proxy, ca_file, other_file):
    """Through a CONNECT proxy the block's CAs verify the server at the tunnel's end."""
    opener = urllib.request.build_opener() if built == "before" else None
    urllib.request.install_opener(opener)
    refusal(server.url)
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    with trusted_context(other_file):
        refusal(server.url)
    assert proxy.tunnelled == [f"localhost:{server.server_port}"] * 3


def test_the_host_name_is_verified_through_a_tunnel(ca, proxy, ca_file):
    """A certificate for another name than the tunnel's end is refused, though its CA is trusted."""
    with serving(Server(ca.issue_cert("elsewhere.test"))) as elsewhere, trusted_context(ca_file):
        assert refusal(elsewhere.url).verify_code == 62


def test_per_host_insecurity_goes_by_the_tunnels_end(server, proxy, other_file):
    """Not the proxy's name but the server's decides whether a tunnelled connection is verified."""
    proxy_host = proxy.url.removeprefix("http://")
    target = f"localhost:{server.server_port}"
    with pytest.warns(InsecureWarning):
        with trusted_context(other_file, insecure={proxy_host}):
            refusal(server.url)
        with trusted_context(other_file, insecure={target}):
            assert fetch(server.url) == BODY


def test_the_port_of_a_server_that_is_not_verified_is_no_port_of_an_https_proxy(ca, server, other_file):
    """http.client knows no such proxy: who needs one opens the way there before the tunnel, in this method."""
    with serving(ConnectProxy(certificate=ca.issue_cert("127.0.0.1"))) as proxy:
        connection = http.client.HTTPSConnection(*proxy.server_address, timeout=20)
        connection.set_tunnel("localhost", server.server_port)
        connection._create_connection = lambda address, *_: ssl.create_default_context().wrap_socket(
            socket.create_connection(address, timeout=20), server_hostname=address[0]
        )
        insecure = {f"127.0.0.1:{server.server_port}"}
        with pytest.warns(InsecureWarning), trusted_context(other_file, insecure=insecure):
            fails(connection.connect)
        assert proxy.tunnelled == []


def test_proxies_are_those_that_the_environment_names_inside(server, proxy, ca_file, monkeypatch):
    """NO_PROXY holds inside a block, read when the opener is built, as outside."""
    monkeypatch.setenv("no_proxy", "localhost")
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    assert proxy.tunnelled == []


def test_a_407_stays_what_it_is_and_shows_no_password(server, proxy, ca_file, monkeypatch):
    """Wrong proxy credentials give the proxy's own answer, not a TLS error, and no message holds the password."""
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//user:hunter2@"))
    with trusted_context(ca_file), pytest.raises(OSError, match="407") as caught:
        fetch(server.url)
    assert verify_failure(caught.value) is None
    assert "hunter2" not in str(caught.value)
