"""What is made under ``export=True`` is built from the user's own variables, and ordinary after the block."""

import http.client
import ssl
import urllib.request

import pytest
from servers import BODY, fails, fetch, write_ca

from trusted_context import trusted_context


def _default():
    context = ssl.create_default_context()
    return lambda url: fetch(url, context=context)


def _loaded(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    getattr(context, name)()
    return lambda url: fetch(url, context=context)


def _opener():
    opener = urllib.request.build_opener()
    return lambda url: opener.open(url, timeout=20).read()


def _connection():
    connection = http.client.HTTPSConnection("localhost", timeout=20)

    def get(url):
        connection.port = int(url.rpartition(":")[2].strip("/"))
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        finally:
            connection.close()

    return get


MAKE = {
    "create_default_context": _default,
    "load_default_certs": lambda: _loaded("load_default_certs"),
    "set_default_verify_paths": lambda: _loaded("set_default_verify_paths"),
    "build_opener": _opener,
    "HTTPSConnection": _connection,
}
made_by = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


@pytest.fixture
def other(other_ca, tmp_path):
    return write_ca(other_ca, tmp_path / "other.pem")


@pytest.fixture(params=["SSL_CERT_FILE", "SSL_CERT_DIR", "neither"])
def _own_variable(request, other, monkeypatch):
    if request.param != "neither":
        monkeypatch.setenv(request.param, str(other if request.param.endswith("FILE") else other.parent))


@made_by
@pytest.mark.usefixtures("_own_variable")
def test_what_is_made_under_an_export_is_ordinary_after_it(make, server, ca_file):
    """It trusts the block's CA inside, and after it only what the user's own variables name, if any is set."""
    with trusted_context(ca_file, export=True):
        get = make()
        assert get(server.url) == BODY
    fails(get, server.url)


@made_by
def test_the_users_own_variable_is_heeded_under_an_export(make, server, ca_file, other, monkeypatch):
    """Though a block exports another CA, what is made inside trusts after it what the user's SSL_CERT_FILE names."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with trusted_context(other, export=True):
        get = make()
        fails(get, server.url)
    assert get(server.url) == BODY


def test_a_variable_of_the_user_that_names_nothing_is_no_error_under_an_export(server, ca_file, monkeypatch, tmp_path):
    """As without a block: such a context trusts nobody after it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "gone"))
    with trusted_context(ca_file, export=True):
        context = ssl.create_default_context()
        assert fetch(server.url, context=context) == BODY
    assert context.cert_store_stats()["x509"] == 0
    fails(fetch, server.url, context=context)
