import base64
import contextlib
import gc
import sys
import traceback
import urllib.parse
import warnings
from typing import NamedTuple
from urllib.error import URLError

import pytest
import real
from servers import serving, verify_failure

from trusted_context import InsecureWarning, trusted_context

pytestmark = [
    pytest.mark.torchvision,
    # torchvision 0.28 unpacks without naming a filter, which Python 3.12 and 3.13 deprecate (PEP 706).
    pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter extracted tar archives:DeprecationWarning"),
    # See the fixture "data".
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]

SOURCES = {"cifar10": real.make_cifar10, "mnist": real.make_mnist, "torch.hub": real.make_hub}
# Without torch.hub, which does not try again.
RETRIED = {"cifar10": real.make_cifar10, "mnist": real.make_mnist, "url-within-url": real.make_url_within_url}


class Route(NamedTuple):
    bundle: object  # the CA that signed what the client sees
    wrong_bundle: object
    via: str | None


@pytest.fixture(scope="module")
def sources():
    """The data sets, each made once."""
    real.import_torchvision()
    return {name: make() for name, make in (SOURCES | RETRIED).items()}


@pytest.fixture(params=SOURCES)
def source(request, sources):
    """What is downloaded."""
    return sources[request.param]


@pytest.fixture
def data(source, ca, tmp_path):
    """It, on a server for localhost alone."""
    with serving(real.Origin(ca.issue_cert("localhost"))) as origin:
        yield real.Published(source, origin, tmp_path / "data")
    # torchvision leaves the HTTPError that made it retry open, in a cycle with its traceback: it should go here, and
    # not with a ResourceWarning in the middle of another test.
    if any(map(callable, origin.files.values())):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture(scope="module")
def mitmproxy(ca, tmp_path_factory):
    """A mitmproxy that asks for credentials."""
    with real.running_mitmproxy(tmp_path_factory.mktemp("mitmproxy"), ca) as running:
        yield running


@pytest.fixture(params=["direct", pytest.param("mitmproxy", marks=pytest.mark.mitmproxy)])
def route(request, ca_file, other_file, monkeypatch):
    """How the client gets to the server, and whose signature it sees from there."""
    if request.param == "direct":
        return Route(ca_file, other_file, None)
    mitmproxy = request.getfixturevalue("mitmproxy")
    use_proxy(monkeypatch, mitmproxy.url())
    return Route(mitmproxy.bundle, ca_file, real.VIA)


def use_proxy(monkeypatch, url):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, url)


@contextlib.contextmanager
def by_nothing(_bundle):
    with pytest.warns(InsecureWarning):
        yield trusted_context(insecure=True)


@contextlib.contextmanager
def by_nothing_for_one_host(_bundle):
    with pytest.warns(InsecureWarning):
        yield trusted_context(insecure={"localhost"})


def in_with(block, function, *args):
    with block:
        return function(*args)


def decorated(block, function, *args):
    return block(function)(*args)


def started(block, function, *args):
    block.start()
    try:
        return function(*args)
    finally:
        block.stop()


def refused(match="CERTIFICATE_VERIFY_FAILED"):
    """MNIST gives its mirrors' failures as the text of a RuntimeError."""
    return pytest.raises((URLError, RuntimeError), match=match)


WAYS = [
    pytest.param(real.by_file, in_with, id="file"),
    pytest.param(real.by_environment, in_with, id="environment"),
    pytest.param(by_nothing, in_with, id="insecure"),
    pytest.param(by_nothing_for_one_host, in_with, id="insecure-host"),
    pytest.param(real.by_file, decorated, id="decorator"),
    pytest.param(real.by_file, started, id="start-stop"),
]


@pytest.mark.parametrize(("trusting", "run"), WAYS)
def test_a_data_set_loads_inside_and_is_refused_before_and_after(data, route, trusting, run):
    """A real data set is downloaded, unpacked and loaded in the block, and fails as ever before and after it."""
    with refused():
        data.load()
    with trusting(route.bundle) as block:
        assert run(block, data.load) == data.content
    with refused():
        data.load()
    assert data.origin.via == {route.via}


def test_the_machines_own_trust_refuses_the_ca(data, route):
    """Without the variable that names its CA, the same block refuses the server and asks it for nothing."""
    with trusted_context(), refused():
        data.load()
    assert not data.origin.requests


def test_another_ca_refuses_the_server(data, route):
    """A CA that did not sign what the client sees, be it the origin's own behind a proxy, does not vouch for it."""
    with trusted_context(route.wrong_bundle), refused():
        data.load()
    assert not data.origin.requests


def test_a_certificate_for_another_host_is_refused(data, route, ca_file):
    """The name is verified as well, through a proxy's tunnel too."""
    url = data.origin.url.replace("localhost", real.PINNED_HOST)
    with trusted_context([route.bundle, ca_file]), refused("mismatch, certificate is not valid for"):
        data.load(url)
    assert not data.origin.requests


@pytest.mark.mitmproxy
@pytest.mark.parametrize("password", [None, "wr@ng/pass%word"])
def test_a_proxy_that_wants_other_credentials_is_told_from_a_tls_error(data, mitmproxy, password, monkeypatch):
    """Missing or wrong proxy credentials give a 407, no TLS error, and a message without the password."""
    use_proxy(monkeypatch, mitmproxy.url(password))
    with trusted_context(mitmproxy.bundle), refused("407 Proxy Authentication Required") as caught:
        data.load()
    assert verify_failure(caught.value) is None
    message = "".join(traceback.format_exception(caught.value))
    for secret in {password or real.PASSWORD, real.PASSWORD}:
        encoded = base64.b64encode(f"{real.USER}:{secret}".encode()).decode()
        assert not any(form in message for form in (secret, urllib.parse.quote(secret, safe=""), encoded))
    assert not data.origin.requests


BROKEN_ANSWERS = [real.answer_unavailable, real.answer_nothing, real.answer_half_and_garble]
# Before Python 3.13 a reset looks like an ordinary end (gh-115627), after which torchvision does not retry.
if sys.version_info >= (3, 13):
    BROKEN_ANSWERS.append(real.answer_half_and_reset)


@pytest.mark.parametrize("source", RETRIED, indirect=True)
@pytest.mark.parametrize("answer", BROKEN_ANSWERS)
def test_without_a_block_torchvision_repeats_a_failed_download_in_plain_text(data, ca_file, answer, monkeypatch):
    """What the next test refuses does happen otherwise: after an https failure torchvision takes the file over http."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    data.fail(answer)
    assert data.load() == data.content
    assert data.origin.plain == len(data.files)


@pytest.mark.parametrize("source", RETRIED, indirect=True)
@pytest.mark.parametrize("answer", BROKEN_ANSWERS)
def test_in_a_block_a_failed_download_is_not_repeated_in_plain_text(data, ca_file, answer):
    """However the https download fails, torchvision's retry over http is refused before it reaches the network."""
    data.fail(answer)
    with trusted_context(ca_file), refused("over plain http what failed over https in this block"):
        data.load()
    assert len(data.origin.requests) == 2
    assert data.origin.plain == 0


@pytest.mark.parametrize("source", ["mnist"], indirect=True)
@pytest.mark.parametrize("fault", ["untrusted", "unavailable"])
def test_a_mirror_in_plain_http_stays_allowed(data, ca_file, other_file, plain_server, fault):
    """After its https mirror failed, MNIST may take another mirror that was http from the start."""
    plain_server.files = dict(data.files)
    if fault == "unavailable":
        data.fail(real.answer_unavailable)
    with trusted_context(other_file if fault == "untrusted" else ca_file):
        assert data.load(data.origin.url, plain_server.url) == data.content
    assert {request.removeprefix("GET ") for request in plain_server.requests} == set(data.files)
    assert data.origin.plain == 0
