"""A CA that a caller pinned for an https:// proxy stays pinned, also inside an insecure block."""

import ssl

import pytest
import urllib3
from servers import BODY, ConnectProxy, fails, serving

from trusted_context import trusted_context

pytestmark = [
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
    pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning"),
]


@pytest.fixture(scope="module")
def _running(ca):
    with serving(ConnectProxy(certificate=ca.issue_cert("localhost"))) as running:
        yield running


@pytest.fixture
def proxy(_running):
    """An https:// proxy whose certificate the CA signed."""
    _running.tunnelled.clear()
    _running.forwarded.clear()
    return _running


def fetch(url, proxy, **settings):
    with urllib3.ProxyManager(proxy.url, **settings) as manager:
        return manager.request("GET", url, timeout=20, retries=False).data


def _hashed(file):
    folder = file.parent / f"{file.stem}.d"
    folder.mkdir(exist_ok=True)
    (folder / "ca.pem").write_bytes(file.read_bytes())
    return str(folder)


# What a caller pins by, of which urllib3 makes the choice for the proxy as well.
_PINS = {
    "ca_certs": lambda file: {"ca_certs": str(file)},
    "ca_cert_data": lambda file: {"ca_cert_data": file.read_text()},
    "ca_cert_dir": lambda file: {"ca_cert_dir": _hashed(file)},
}


@pytest.mark.parametrize("pin", _PINS)
@pytest.mark.parametrize("forwards", [False, True])
def test_a_pinned_ca_holds_for_an_https_proxy_inside_an_insecure_block(pin, forwards, server, proxy, other_file):
    """A proxy that the pinned CA did not sign is refused: nothing is tunnelled, and nothing forwarded."""
    settings = _PINS[pin](other_file) | {"use_forwarding_for_https": forwards}
    with trusted_context(insecure=True):
        fails(fetch, server.url, proxy, **settings)
        assert fetch(server.url, proxy, use_forwarding_for_https=forwards) == BODY
    assert len(proxy.tunnelled + proxy.forwarded) == 1


@pytest.mark.parametrize("pin", ["ca_certs", "ca_cert_data"])
@pytest.mark.parametrize("forwards", [False, True])
def test_the_right_pin_reaches_server_and_proxy_inside_any_block(pin, forwards, server, proxy, ca_file):
    """The pin is what is verified by, also where the block trusts other CAs."""
    settings = _PINS[pin](ca_file) | {"use_forwarding_for_https": forwards}
    for block in (trusted_context(system=True), trusted_context(insecure=True)):
        with block:
            assert fetch(server.url, proxy, **settings) == BODY


@pytest.mark.filterwarnings("ignore:Passing ssl_context when use_forwarding_for_https=True:FutureWarning")
def test_a_context_that_a_forwarding_proxy_is_verified_by_holds_inside_an_insecure_block(server, proxy, other_file):
    """Where the proxy makes the request itself, the context given for the server is the one it is verified by."""
    chosen = ssl.create_default_context(cafile=str(other_file))
    with trusted_context(insecure=True):
        fails(fetch, server.url, proxy, use_forwarding_for_https=True, ssl_context=chosen)
    assert proxy.forwarded == []


@pytest.mark.parametrize("insecure", [True, False])
def test_a_context_that_urllib3_verifies_the_proxy_of_an_http_server_by_holds_inside_a_block(
    insecure, proxy, ca_file, other_file
):
    """There is no other TLS on the way to such a server, so the context can be meant for the proxy alone."""
    chosen = ssl.create_default_context(cafile=str(other_file))
    with trusted_context(None if insecure else ca_file, insecure=insecure):
        fails(fetch, "http://data.test/set", proxy, ssl_context=chosen)
        assert proxy.forwarded == []
        fetch("http://data.test/set", proxy)
    assert len(proxy.forwarded) == 1


@pytest.mark.parametrize("forwards", [False, True])
def test_a_context_of_the_proxy_s_own_holds_inside_an_insecure_block(forwards, server, proxy, other_file):
    """proxy_ssl_context is a choice, whoever makes the request."""
    chosen = ssl.create_default_context(cafile=str(other_file))
    with trusted_context(insecure=True):
        fails(fetch, server.url, proxy, use_forwarding_for_https=forwards, proxy_ssl_context=chosen)
    assert proxy.tunnelled + proxy.forwarded == []


def test_verification_that_was_turned_off_stays_off_for_the_proxy(server, proxy, other_file):
    """cert_reqs="CERT_NONE" is a choice for both, which a verifying block leaves alone."""
    with trusted_context(other_file):
        assert fetch(server.url, proxy, cert_reqs="CERT_NONE") == BODY
    assert len(proxy.tunnelled) == 1
