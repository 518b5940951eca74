"""Contexts and sockets that are not as Python makes them work inside a block as outside, and no pin is undone."""

import http.client
import socket
import ssl
import threading
from unittest import mock

import pytest
import urllib3
from servers import BODY, fails, write_ca

from trusted_context import trusted_context


class WithoutHash(ssl.SSLContext):
    __hash__ = None


class AllEqual(ssl.SSLContext):
    def __eq__(self, other):
        return isinstance(other, AllEqual)

    def __hash__(self):
        return 7


class HashingLater(ssl.SSLContext):
    def __hash__(self):
        return hash(self.set_later)


class ComparingToNothing(ssl.SSLContext):
    def __eq__(self, other):
        raise RuntimeError

    __hash__ = ssl.SSLContext.__hash__


class WithSlots(ssl.SSLContext):
    __slots__ = ("more",)


class WithoutTruth(ssl.SSLContext):
    def __bool__(self):
        raise RuntimeError


class TellingNoCas(ssl.SSLContext):
    def get_ca_certs(self, *_args, **_kwargs):
        raise NotImplementedError

    cert_store_stats = get_ca_certs


class TellingNoSettings(ssl.SSLContext):
    def get_ciphers(self):
        raise NotImplementedError

    def __getattribute__(self, name):
        if name in {"keylog_filename", "options"}:
            raise AttributeError(name)
        return super().__getattribute__(name)


class OwnSocket(ssl.SSLSocket):
    pass


class WithOwnSockets(ssl.SSLContext):
    sslsocket_class = OwnSocket


# Of its own are the ways of those: whatever they do, somebody chose it.
class WrappingItself(ssl.SSLContext):
    def wrap_socket(self, *args, **kwargs):
        return super().wrap_socket(*args, **kwargs)


LEFT_ALONE = (TellingNoCas, WrappingItself)
COVERED = (
    WithoutHash,
    AllEqual,
    HashingLater,
    ComparingToNothing,
    WithSlots,
    WithoutTruth,
    TellingNoSettings,
    WithOwnSockets,
)


@pytest.fixture
def other(other_ca, tmp_path):
    return write_ca(other_ca, tmp_path / "other.pem")


@pytest.fixture(autouse=True)
def _named_by_the_environment(ca_file, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))


def talk(context, server, sock=None, **kwargs):
    """The body that the server sends over a socket of *context*."""
    sock = sock or socket.create_connection(("127.0.0.1", server.server_port), timeout=20)
    try:
        connection = context.wrap_socket(sock, server_hostname="localhost", **kwargs)
    except BaseException:
        sock.close()
        raise
    with connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer.partition(b"\r\n\r\n")[2]


def _make(kind, cafile):
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile)
    return context


@pytest.mark.parametrize("kind", COVERED)
def test_an_odd_context_with_default_trust_is_covered(kind, server, ca_file, other):
    """Made before or inside, it works in a block that trusts the same, and fails in one that does not."""
    before = _make(kind, ca_file)
    assert talk(before, server) == BODY
    with trusted_context():
        assert talk(before, server) == talk(_make(kind, ca_file), server) == BODY
    with trusted_context(other):
        fails(talk, before, server)
        fails(talk, _make(kind, ca_file), server)
    assert talk(before, server) == BODY


@pytest.mark.parametrize("kind", LEFT_ALONE)
def test_a_context_with_ways_of_its_own_is_left_alone(kind, server, ca_file, other):
    """It works in any block as outside."""
    before = _make(kind, ca_file)
    for cafile in (None, other):
        with trusted_context(cafile):
            assert talk(before, server) == talk(_make(kind, ca_file), server) == BODY


@pytest.mark.parametrize("kind", [*COVERED, *LEFT_ALONE])
def test_a_pin_is_never_undone_by_another_context_that_claims_to_be_equal(kind, server, ca_file, other):
    """A context with a chosen CA keeps it, though one with default trust has connected before."""
    pinned = _make(kind, other)
    with trusted_context(ca_file):
        default = _make(kind, ca_file)
        assert talk(default, server) == BODY
        fails(talk, pinned, server)
        fails(talk, _make(kind, other), server)


class _LikeASocket:
    """What Python's ssl needs of a socket, without ``getpeername()``, or with one that raises."""

    def __init__(self, port, error):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._error = error

    def __getattr__(self, name):
        if name == "getpeername":
            raise self._error
        return getattr(self._socket, name)


@pytest.mark.parametrize("error", [AttributeError("getpeername"), RuntimeError("asked")])
def test_what_is_like_a_socket_works_as_outside(error, server, other):
    """It is wrapped as outside, and verified by the block."""
    context = ssl.create_default_context()
    assert talk(context, server, _LikeASocket(server.server_port, error)) == BODY
    with trusted_context():
        assert talk(context, server, _LikeASocket(server.server_port, error)) == BODY
    with trusted_context(other):
        fails(talk, context, server, _LikeASocket(server.server_port, error))


@pytest.mark.parametrize("wrong", [{"server_hostnam": "localhost"}, {"session": object()}])
def test_wrong_arguments_raise_as_outside(wrong, server):
    """A name that ``wrap_socket()`` does not know is a TypeError, and so on."""

    def wrap():
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as sock:
            ssl.create_default_context().wrap_socket(sock, **wrong)

    with pytest.raises((TypeError, ValueError)) as outside:
        wrap()
    with trusted_context(), pytest.raises(outside.type):
        wrap()


def test_a_servers_side_is_as_outside(ca):
    """A server in the block answers a client that chose its CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(client_context)
    near, far = socket.socketpair()
    heard = []

    def serve():
        with context.wrap_socket(far, server_side=True) as connection:
            heard.append(connection.recv(5))

    with trusted_context():
        thread = threading.Thread(target=serve)
        thread.start()
        with client_context.wrap_socket(near, server_hostname="localhost") as connection:
            connection.sendall(b"hello")
            thread.join(20)
    assert heard == [b"hello"]


def test_a_mock_that_passes_for_a_context_is_left_alone(server, ca_file):
    """As programs' own tests make them: there is nothing in it that can be read."""
    with trusted_context(ca_file):
        for connect in (_by_http_client, _by_urllib3):
            context = mock.MagicMock(spec=ssl.SSLContext)
            context.wrap_socket.side_effect = _close_and_mock
            connect(server, context)
            context.wrap_socket.assert_called_once()


def _close_and_mock(sock, **_):
    sock.close()
    return mock.MagicMock()


def _by_http_client(server, context):
    connection = http.client.HTTPSConnection("localhost", server.server_port, context=context, timeout=20)
    connection.connect()
    connection.close()


def _by_urllib3(server, context):
    with urllib3.HTTPSConnectionPool("localhost", server.server_port, ssl_context=context, timeout=20) as pool:
        connection = pool._get_conn()
        connection.connect()
        connection.close()
