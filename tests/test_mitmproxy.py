"""requests and urllib3 through a real mitmproxy, named and authenticated as the environment says."""

import base64
import traceback

import pytest
import real
from servers import BODY, Server, serving, verify_failure

from trusted_context import trusted_context

requests = pytest.importorskip("requests")

pytestmark = pytest.mark.mitmproxy


@pytest.fixture(scope="module")
def mitmproxy(ca, tmp_path_factory):
    """A mitmproxy that asks for credentials."""
    with real.running_mitmproxy(tmp_path_factory.mktemp("mitmproxy"), ca) as running:
        yield running


@pytest.fixture
def origin(ca):
    """A server that is localhost alone, since mitmproxy has another certificate for PINNED_HOST; it notes the way."""
    with serving(Server(ca.issue_cert("localhost"))) as running:
        running.via = []

        def note(request):
            running.via.append(request.headers["Via"])
            real.reply(request, BODY)

        running.files["/"] = note
        yield running


def secure(url):
    """The same proxy over TLS, by the name that its certificate is made for."""
    return url.replace("http://", "https://").replace("127.0.0.1", "localhost")


def refused(url, **settings):
    """The verification error that the request ends in."""
    with pytest.raises(requests.exceptions.RequestException) as caught:
        requests.get(url, timeout=20, **settings)
    return verify_failure(caught.value)


@pytest.mark.parametrize("over_tls", [False, True], ids=["http proxy", "https proxy"])
def test_requests_goes_through_the_proxy_of_the_environment(over_tls, mitmproxy, origin, ca_file, monkeypatch):
    """With user and password, and by TLS to the proxy too, the block's CAs verify whoever re-signs the traffic."""
    url = mitmproxy.url()
    monkeypatch.setenv("HTTPS_PROXY", secure(url) if over_tls else url)
    assert refused(origin.url)
    with trusted_context(mitmproxy.bundle), requests.Session() as session:
        assert session.get(origin.url, timeout=20).content == BODY
    with trusted_context(ca_file):
        assert refused(origin.url)
    assert refused(origin.url)
    assert origin.via == [real.VIA]


def test_no_proxy_is_heeded(mitmproxy, origin, ca_file, monkeypatch):
    """A host that NO_PROXY names is reached directly, and verified as the server it is."""
    monkeypatch.setenv("HTTPS_PROXY", mitmproxy.url())
    monkeypatch.setenv("NO_PROXY", "localhost")
    with trusted_context(ca_file):
        assert requests.get(origin.url, timeout=20).content == BODY
    with trusted_context(mitmproxy.bundle):
        assert refused(origin.url)
    assert origin.via == [None]


@pytest.mark.parametrize("password", [None, "wr@ng/pass%word"])
def test_a_407_stays_what_it_is_and_shows_no_password(password, mitmproxy, origin, monkeypatch):
    """Missing or wrong credentials are the proxy's answer, no TLS error, and appear nowhere in the traceback."""
    monkeypatch.setenv("HTTPS_PROXY", mitmproxy.url(password))
    with trusted_context(mitmproxy.bundle), pytest.raises(requests.exceptions.ProxyError, match="407") as caught:
        requests.get(origin.url, timeout=20)
    assert verify_failure(caught.value) is None
    message = "".join(traceback.format_exception(caught.value))
    encoded = base64.b64encode(f"{real.USER}:{password}".encode()).decode()
    assert not any(secret in message for secret in (password or real.PASSWORD, encoded))
    assert origin.via == []


def test_a_block_that_lacks_its_ca_names_mitmproxy(mitmproxy, origin, ca_file, monkeypatch):
    """The note of the failure names the product, which does not send its CA, and where to get that."""
    monkeypatch.setenv("HTTPS_PROXY", mitmproxy.url())
    with pytest.raises(requests.exceptions.SSLError) as caught, trusted_context(ca_file):
        requests.get(origin.url, timeout=20)
    (note,) = caught.value.__notes__
    assert "a TLS-inspecting product, mitmproxy by the issuer's name" in note
    assert "localhost \N{LEFTWARDS ARROW} mitmproxy (not sent)" in note
    assert "export mitmproxy's CA certificate" in note
    assert not any(secret in note for secret in (real.USER, real.PASSWORD))


def test_a_407_is_explained_without_a_password(mitmproxy, origin, monkeypatch):
    """The note says that the proxy asks for credentials, and repeats none."""
    monkeypatch.setenv("HTTPS_PROXY", mitmproxy.url("wr@ng/pass%word"))
    with pytest.raises(requests.exceptions.ProxyError) as caught, trusted_context(mitmproxy.bundle):
        requests.get(origin.url, timeout=20)
    (note,) = caught.value.__notes__
    assert note.startswith("localhost: the proxy asks for user and password (407 ")
    assert "wr@ng" not in note
