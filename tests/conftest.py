"""Every test starts without CA and proxy variables, with one CA, one HTTPS server, and the process as it was."""

import http.client
import os
import ssl
import sys
import threading
import urllib.request
import warnings

import pytest
import trustme
import truststore
from bad_certificates import serving_bad
from servers import BODY, KeepAliveHandler, Server, serving, write_ca

from trusted_context.core.contexts import TrueSSLContext
from trusted_context.sources import environment

# Development machines export these; a test that needs one sets it.
_PROXIES = {"ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
_VARIABLES = {*environment.VARIABLES, *_PROXIES, "SSLKEYLOGFILE"}
for _name in [name for name in os.environ if name.upper() in _VARIABLES]:
    del os.environ[_name]


def pytest_configure(config):
    if sys.version_info < (3, 11, 4):
        # There http.client leaves a proxy's answer to the garbage collector (https://github.com/python/cpython/issues/103472).
        config.addinivalue_line("filterwarnings", r"ignore:unclosed <socket\.socket \[closed\]:ResourceWarning")


@pytest.fixture(scope="session")
def ca():
    """The CA whose servers the tests reach."""
    return trustme.CA(organization_name="Corp")


@pytest.fixture
def pem(ca):
    """The certificate of that CA, in PEM."""
    return ca.cert_pem.bytes()


@pytest.fixture(scope="session")
def other_ca():
    """A CA that signed nothing."""
    return trustme.CA(organization_name="Other")


@pytest.fixture
def ca_file(ca, tmp_path):
    """The CA's certificate as a PEM file."""
    return write_ca(ca, tmp_path / "corp.pem")


@pytest.fixture
def other_file(other_ca, tmp_path):
    """The other CA's certificate as a PEM file."""
    return write_ca(other_ca, tmp_path / "other.pem")


@pytest.fixture(scope="session")
def _shared_server(ca):
    with serving(Server(ca.issue_cert("localhost", "127.0.0.1"))) as running:
        yield running


@pytest.fixture
def server(_shared_server):
    """An HTTPS server for localhost and 127.0.0.1 whose certificate *ca* signed."""
    _shared_server.files.clear()
    _shared_server.requests.clear()
    return _shared_server


@pytest.fixture
def keeper(ca):
    """A server that keeps its connections open."""
    with serving(Server(ca.issue_cert("localhost", "127.0.0.1"), handler=KeepAliveHandler)) as running:
        yield running


@pytest.fixture
def held(keeper):
    """An answer of *keeper*'s at /held that waits for its second half until it is let go."""
    go = threading.Event()

    def hold(request):
        request.send_response(200)
        request.send_header("Content-Length", str(2 * len(BODY)))
        request.end_headers()
        request.wfile.write(BODY)
        go.wait(10)
        request.wfile.write(BODY)

    keeper.files["/held"] = hold
    yield go
    go.set()


@pytest.fixture
def public_server(other_ca, other_file, monkeypatch):
    """An HTTPS server whose CA the machine trusts, by SSL_CERT_FILE, which truststore reads on Linux too."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    with serving(Server(other_ca.issue_cert("localhost"))) as running:
        yield running


@pytest.fixture(scope="session")
def bad(tmp_path_factory):
    """Ports by name, each of which fails in its own way."""
    with serving_bad(tmp_path_factory.mktemp("bad")) as server:
        yield server


@pytest.fixture
def plain_server():
    """An HTTP server without TLS."""
    with serving(Server()) as running:
        yield running


@pytest.fixture(params=["before", "inside", "after"])
def inject_truststore(request):
    """Call it with the moment that has come, and at one of three truststore takes ssl.SSLContext's place."""

    def inject_at(moment):
        if moment == request.param:
            truststore.inject_into_ssl()

    yield inject_at
    truststore.extract_from_ssl()


def state():
    """All that a block may touch: attributes by identity, the rest by value."""
    return {
        "opener": urllib.request._opener,
        "connect": vars(http.client.HTTPSConnection)["connect"],
        "open": vars(urllib.request.OpenerDirector)["open"],
        "https": ssl._create_default_https_context,
        "create": ssl.create_default_context,
        "class": ssl.SSLContext,
        "methods": {name: vars(cls) | {} for name, cls in (_CLASSES | _imported()).items()},
        "functions": _functions(),
        "environ": dict(os.environ),
        "filters": list(warnings.filters),
        "meta_path": list(sys.meta_path),
    }


_CLASSES = {
    "HTTPSConnection": http.client.HTTPSConnection,
    "HTTPConnection": http.client.HTTPConnection,
    "OpenerDirector": urllib.request.OpenerDirector,
    "HTTPSHandler": urllib.request.HTTPSHandler,
    "SSLContext": TrueSSLContext,
}


# Classes of libraries that no block imports, by their modules.
_OTHERS = {
    "urllib3.poolmanager": ("PoolManager", "ProxyManager"),
    "urllib3.connection": ("HTTPSConnection",),
    "urllib3.connectionpool": ("HTTPConnectionPool", "HTTPSConnectionPool"),
    "requests.sessions": ("Session",),
    "requests.adapters": ("HTTPAdapter",),
    "httpx._transports.default": ("HTTPTransport", "AsyncHTTPTransport"),
    "httpx2._transports.default": ("HTTPTransport", "AsyncHTTPTransport"),
    "botocore.httpsession": ("URLLib3Session",),
    "aiohttp.connector": ("BaseConnector", "TCPConnector"),
}


def _imported():
    modules = {name: sys.modules[name] for name in _OTHERS if sys.modules.get(name)}
    return {f"{name}.{kind}": getattr(modules[name], kind) for name in modules for kind in _OTHERS[name]}


def _functions():
    """What else a block may replace in the modules of libraries that are imported."""
    named = [(name, "create_ssl_context") for name in _OTHERS] + [("aiohttp.connector", "_SSL_CONTEXT_VERIFIED")]
    named += [("multiprocessing.spawn", "get_preparation_data"), ("multiprocessing.util", "spawnv_passfds")]
    attributes = {(name, attribute): vars(sys.modules.get(name, object)).get(attribute) for name, attribute in named}
    return {name: value for name, value in attributes.items() if value is not None}


def assert_same(before, after):
    """The process is as it was: the same objects, by ``is``."""
    for name in ("opener", "connect", "open", "https", "create", "class"):
        assert after[name] is before[name], name
    for name in before["functions"]:
        assert after["functions"][name] is before["functions"][name], name
    for name, attributes in before["methods"].items():
        assert after["methods"][name].keys() == attributes.keys()
        for attribute, value in attributes.items():
            assert after["methods"][name][attribute] is value, f"{name}.{attribute}"
    for name in ("environ", "filters", "meta_path"):
        assert after[name] == before[name], name


@pytest.fixture(autouse=True)
def _the_process_is_as_it_was():
    """Each test that uses a block is a test of the promise too."""
    urllib.request.install_opener(None)
    before = state()
    yield
    after = state()
    urllib.request.install_opener(None)
    before["opener"] = after["opener"]  # tests may leave the opener that urlopen made for itself
    before["environ"] = after["environ"]  # monkeypatch undoes its own later
    before["filters"] = after["filters"]  # pytest's
    assert_same(before, after)
