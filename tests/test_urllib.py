"""urllib and http.client: clients made at any time, trust that callers chose, openers of every kind."""

import http.client
import http.cookiejar
import ssl
import sys
import urllib.request
import warnings
import xmlrpc.client
from xml.parsers.expat import ExpatError

import pytest
from servers import (
    BODY,
    Server,
    asking_for_certificates,
    fetch,
    noting_protocols,
    refusal,
    serving,
    verify_failure,
)

from trusted_context import InsecureWarning, trusted_context


def through(opener, url):
    """What the URL holds, through a private opener."""
    with opener.open(url, timeout=20) as response:
        return response.read()


def over(connection):
    """What / holds, over a connection of http.client's."""
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def fails(function, *args):
    """The call ends in a verification error."""
    with pytest.raises(OSError) as caught:
        function(*args)
    assert verify_failure(caught.value) is not None


def connection_to(server, host="localhost", **kwargs):
    return http.client.HTTPSConnection(host, server.server_port, timeout=20, **kwargs)


def pinned(path):
    """A context whose trust a caller chose."""
    return ssl.create_default_context(cafile=path)


def unverified():
    return ssl._create_unverified_context()


# --- clients made at any time


def test_a_client_built_inside_and_kept_is_ordinary_after_exit(server, ca_file):
    """An opener, a connection and the global opener itself, taken inside, trust after it what they did before."""
    with trusted_context(ca_file):
        opener, connection = urllib.request.build_opener(), connection_to(server)
        kept = urllib.request._opener
        assert through(opener, server.url) == through(kept, server.url) == over(connection) == BODY
    fails(through, opener, server.url)
    fails(through, kept, server.url)
    fails(over, connection)
    with trusted_context(ca_file):
        assert through(opener, server.url) == through(kept, server.url) == over(connection) == BODY


def test_a_client_built_before_is_covered_inside(server, ca_file):
    """An opener and a connection made before the block follow it, and are as before when it ends."""
    opener, connection = urllib.request.build_opener(), connection_to(server)
    contexts = [connection._context]
    fails(through, opener, server.url)
    with trusted_context(ca_file):
        assert through(opener, server.url) == over(connection) == BODY
    assert [connection._context] == contexts
    fails(through, opener, server.url)
    fails(over, connection)


def test_a_global_opener_that_baked_its_trust_is_covered_inside(server, ca_file):
    """Trust that the first urlopen() fixed in the global opener (from Python 3.12) does not outlive the entry."""
    refusal(server.url)
    baked = urllib.request._opener
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    assert urllib.request._opener is baked
    refusal(server.url)


def test_a_client_of_the_standard_library_built_on_http_client_is_covered(server, ca_file):
    """xmlrpc.client makes its own HTTPSConnection, and follows the block too."""
    with trusted_context(ca_file), xmlrpc.client.ServerProxy(server.url) as proxy, pytest.raises(ExpatError):
        proxy.anything()
    assert server.requests == ["POST /"]


# --- only these CAs


def test_cafile_alone_means_only_those_cas(server, ca, ca_file, other_file, monkeypatch):
    """A root that the machine trusts is not trusted beside ``cafile``; that the CA is good shows with it given."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    assert fetch(server.url) == BODY
    with trusted_context(other_file):
        assert refusal(server.url).verify_code in (19, 20)
    with trusted_context([other_file, ca_file]):
        assert fetch(server.url) == BODY


def test_a_default_that_skips_verification_is_verified_inside_a_verifying_block(server, other_file, monkeypatch):
    """The pasted ``ssl._create_default_https_context = ssl._create_unverified_context`` is no way around a block."""
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    opener, connection = urllib.request.build_opener(), connection_to(server)
    assert fetch(server.url) == through(opener, server.url) == over(connection) == BODY
    with trusted_context(other_file):
        refusal(server.url)
        fails(through, opener, server.url)
        fails(through, urllib.request.build_opener(), server.url)
        fails(over, connection)
        fails(over, connection_to(server))
    assert fetch(server.url) == through(opener, server.url) == over(connection) == BODY


# --- explicit trust


@pytest.mark.parametrize(
    "call",
    [
        lambda server, context: fetch(server.url, context=context),
        lambda server, context: through(
            urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)), server.url
        ),
        lambda server, context: over(connection_to(server, context=context)),
    ],
    ids=["urlopen", "opener", "connection"],
)
def test_explicit_trust_wins_over_the_block(call, server, ca_file, other_file):
    """A context that a caller passed is what verifies, be it stricter or laxer than the block."""
    with trusted_context(other_file):
        assert call(server, pinned(ca_file)) == call(server, unverified()) == BODY
    with pytest.warns(InsecureWarning), trusted_context(insecure=True):
        fails(call, server, pinned(other_file))
    assert len(server.requests) == 2


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="these arguments ended with Python 3.11")
def test_settings_on_a_context_of_http_clients_own_stay(ca, ca_file, other_file, tmp_path):
    """Up to Python 3.11 a client certificate is put on http.client's own context; the block verifies the server."""
    certificate = tmp_path / "client.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(certificate)
    with serving(asking_for_certificates(ca)) as asking:
        for file in (ca_file, other_file):
            with trusted_context(file):
                with pytest.warns(DeprecationWarning, match="key_file, cert_file and check_hostname are deprecated"):
                    connection = connection_to(asking, cert_file=str(certificate))
                if file is ca_file:
                    assert over(connection) == b"client@corp.test"
                else:
                    fails(over, connection)


def test_a_pin_within_a_call_of_the_global_opener_is_not_undone(server, ca_file, other_file):
    """A handler of the global opener that fetches through a pinned context of its own keeps it."""

    class Token(urllib.request.BaseHandler):
        def https_request(self, request):
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                fetch(server.url, context=pinned(other_file))
            request.add_header("X-Token", "checked")
            return request

    urllib.request.install_opener(urllib.request.build_opener(Token))
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    assert server.requests == ["GET /"]


@pytest.mark.parametrize("insecure", [False, True], ids=["verifying", "insecure"])
def test_a_pinned_connection_within_a_call_of_the_global_opener_is_not_undone(insecure, server, ca_file, other_file):
    """The body of a request may come over a connection of its own, whose context somebody chose."""

    def body():
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            over(connection_to(server, context=pinned(other_file)))
        yield b"body"

    request = urllib.request.Request(server.url, data=body(), headers={"Content-Length": "4"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureWarning)
        with trusted_context(insecure=True) if insecure else trusted_context(ca_file):
            fetch(request)
    assert server.requests == ["POST /"]


def test_a_double_in_the_place_of_http_clients_class_is_not_patched(server, ca_file, other_file, monkeypatch):
    """Inside a recorder such as vcrpy, the first block included, http.client's own class is what is found."""
    genuine = http.client.HTTPSConnection

    class Double:
        """As vcrpy's: no subclass, with a real connection within."""

        def __init__(self, *args, **kwargs):
            http.client.HTTPSConnection = genuine
            try:
                self._real = genuine(*args, **kwargs)
            finally:
                http.client.HTTPSConnection = Double

        def __getattr__(self, name):
            return getattr(self._real, name)

    with monkeypatch.context() as patch:
        patch.setattr(http.client, "HTTPSConnection", Double)
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
            assert "connect" not in vars(Double)
        with trusted_context(other_file):
            refusal(server.url)
    with trusted_context(ca_file):
        assert through(urllib.request.build_opener(), server.url) == BODY


def test_what_the_global_opener_was_built_with_is_no_choice_of_the_caller(server, ca_file, other_file):
    """A context in an installed opener, even one used by a handler of its own making, gives way to the block."""

    class Own(urllib.request.HTTPSHandler):
        def https_open(self, request):
            return self.do_open(http.client.HTTPSConnection, request, context=pinned(other_file))

    for handler in (urllib.request.HTTPSHandler(context=pinned(other_file)), Own()):
        opener = urllib.request.build_opener(handler)
        urllib.request.install_opener(opener)
        refusal(server.url)
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
            fails(through, opener, server.url)
        refusal(server.url)


def test_server_side_contexts_and_client_certificates_are_untouched(server, ca, ca_file, other_file):
    """Inside a block a server still asks for client certificates, and a client's own context still presents one."""

    def ask_for_one(context):
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

    with trusted_context(other_file):
        chosen = pinned(ca_file)
        ca.issue_cert("client@corp.test").configure_cert(chosen)
        with serving(Server(ca.issue_cert("localhost"), configure=ask_for_one)) as asking:
            assert fetch(asking.url, context=chosen) == BODY
            with pytest.raises(OSError):
                fetch(asking.url, context=pinned(ca_file))
            assert asking.requests == ["GET /"]


# --- as the standard library does it


def test_urlretrieve_reports_its_progress_inside(server, ca_file, tmp_path):
    """urlretrieve() follows the block, with its hook called as ever."""
    calls = []
    with trusted_context(ca_file):
        urllib.request.urlretrieve(server.url, tmp_path / "data", lambda *step: calls.append(step))
    assert (tmp_path / "data").read_bytes() == BODY
    assert calls[-1][2] == len(BODY)


def test_keys_are_logged_where_sslkeylogfile_says(server, ca_file, tmp_path, monkeypatch):
    """SSLKEYLOGFILE works inside a block as it does outside, for whoever looks with Wireshark."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    for _ in range(2):
        with trusted_context(ca_file):
            fetch(server.url)
    logged = (tmp_path / "keys").read_text()
    assert logged.count("CLIENT_HANDSHAKE_TRAFFIC_SECRET") == 2
    monkeypatch.delenv("SSLKEYLOGFILE")
    with trusted_context(ca_file):
        fetch(server.url)
    assert (tmp_path / "keys").read_text() == logged


def test_alpn_offers_http_1_1_as_http_client_does(ca, ca_file):
    """A block's connection offers http/1.1 and nothing else."""
    with noting_protocols(ca) as (server, agreed), trusted_context(ca_file):
        fetch(server.url)
    assert agreed == ["http/1.1"]
