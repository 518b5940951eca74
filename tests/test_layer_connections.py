"""Connections of a block by Python's own ssl: whom they show their context to, and how they end with their block."""

import asyncio
import contextlib
import gc
import http.client
import socket
import ssl
import sys
import threading
import urllib.request
import weakref

import pytest
import urllib3
from by_hand import ask, connect, get, get_async
from servers import BODY, asking_for_certificates, fails, fetch, serving

from trusted_context import explain, trusted_context

quiet = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


@pytest.fixture
def port(server):
    return server.server_port


# --- "nothing but insecure turns verification off" holds against every public handle


def _by_urlopen(server):
    response = urllib.request.urlopen(server.url, timeout=20)
    return response, response.fp.raw._sock.context


def _by_http_client(server):
    connection = http.client.HTTPSConnection("localhost", server.server_port, timeout=20)
    connection.connect()
    return connection, connection.sock.context


def _by_urllib3(server):
    pool = urllib3.HTTPSConnectionPool("localhost", server.server_port, timeout=20)
    connection = pool._get_conn()
    connection.connect()
    return connection, connection.sock.context


def _by_hand(server):
    connection = connect(server.server_port, ssl.create_default_context())
    return connection, connection.context


HANDLES = {"urlopen": _by_urlopen, "http.client": _by_http_client, "urllib3": _by_urllib3, "by hand": _by_hand}


@pytest.mark.parametrize("reach", HANDLES.values(), ids=HANDLES)
def test_what_is_written_on_a_connections_context_is_for_no_other_connection(reach, ca, server, public_server, ca_file):
    """No context that others share can be reached: not in this block, and not in later ones."""
    identity = ca_file.with_name("identity.pem")
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(identity)
    with trusted_context(ca_file):
        held, context = reach(server)
        context.check_hostname = False
        with contextlib.suppress(ValueError):
            context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(identity)
        held.close()
    for _ in range(2):
        with trusted_context(ca_file), serving(asking_for_certificates(ca)) as asking:
            assert fetch(asking.url) == get(asking.server_port, ssl.create_default_context()) == b"nobody"
            fails(fetch, public_server.url)
            fails(get, public_server.server_port, ssl.create_default_context())
            assert fails(get, server.server_port, ssl.create_default_context(), name="elsewhere.test").verify_code == 62
            at_127 = server.url.replace("localhost", "127.0.0.1")
            assert fetch(at_127) == BODY


def test_asyncios_context_is_shared_by_no_other_connection(server, public_server, ca_file):
    """What get_extra_info("sslcontext") and ("ssl_object") give may be written on."""

    async def write():
        with trusted_context(ca_file):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", server.server_port, ssl=True, server_hostname="localhost"
            )
            for context in (writer.get_extra_info("sslcontext"), writer.get_extra_info("ssl_object").context):
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            writer.close()
            await writer.wait_closed()

    asyncio.run(write())
    with trusted_context(ca_file):
        with pytest.raises(ssl.SSLCertVerificationError):
            asyncio.run(get_async(public_server.server_port, True))
        fails(fetch, public_server.url)


def test_a_connection_shows_its_callers_context(port, ca_file):
    """sock.context is the very context it was made by, before, during and after the block."""
    context = ssl.create_default_context()
    with trusted_context(ca_file), connect(port, context) as connection:
        assert connection.context is context
        assert ask(connection) == BODY


@quiet
def test_no_session_of_a_blocks_connection_can_be_resumed(port, ca_file, other_file):
    """A resumed session is not verified again (RFC 8446, 2.2): a connection of a block has none to give."""
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for block in (trusted_context(ca_file), trusted_context(insecure=True)):
        with block, connect(port, context) as connection:
            assert ask(connection) == BODY
            assert connection.session is None
    fails(get, port, context)


# --- property 33


@pytest.mark.parametrize("export", [False, True])
def test_a_connection_is_not_written_to_after_its_block(export, held, keeper, ca_file):
    """What is being read is read to its end; the next write fails as on a stale connection."""
    context = ssl.create_default_context()
    with trusted_context(ca_file, export=export):
        connection = connect(keeper.server_port, context)
        connection.write(b"GET /held HTTP/1.1\r\n")
        connection.sendall(b"Host: localhost\r\n\r\n")
    held.set()
    answer = b""
    while not answer.endswith(BODY * 2):
        answer += connection.recv(65536)
    for write in (connection.send, connection.sendall, connection.write):
        with pytest.raises(ConnectionResetError, match="block in which this connection was opened has ended"):
            write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    # urllib3 reads on after such an error: there is no answer to wait for, nor is one in a later block.
    with trusted_context(ca_file):
        for use in (lambda: connection.recv(1), lambda: connection.send(b"GET")):
            with pytest.raises(ConnectionResetError, match="has ended"):
                use()
    connection.close()
    assert keeper.requests == ["GET /held"]


def test_a_connection_goes_on_in_another_block_with_the_same_trust(keeper, ca_file):
    """The block that is entered before the first one ends may be another object."""
    with contextlib.ExitStack() as stack:
        with trusted_context(ca_file):
            connection = connect(keeper.server_port, ssl.create_default_context())
            stack.enter_context(trusted_context(ca_file))
        assert ask(connection) == BODY
        connection.close()


@pytest.mark.parametrize("around", [True, False])
def test_a_connection_does_not_go_on_in_a_block_with_another_trust(around, keeper, ca_file, other_file):
    """Be it around the first one or entered in it: the server was not verified by what that one trusts."""
    with contextlib.ExitStack() as stack:
        if around:
            stack.enter_context(trusted_context(other_file))
        with trusted_context(ca_file):
            connection = connect(keeper.server_port, ssl.create_default_context())
            if not around:
                stack.enter_context(trusted_context(other_file))
        with pytest.raises(ConnectionResetError, match="has ended"):
            ask(connection)
        connection.close()


def test_http_client_opens_another_connection_after_its_block(keeper, ca_file, other_file):
    """A kept connection of http.client's, too, is not used again; the next request is verified as things are then."""
    connection = http.client.HTTPSConnection("localhost", keeper.server_port, timeout=20)
    with trusted_context(ca_file):
        connection.request("GET", "/")
        assert connection.getresponse().read() == BODY
    with pytest.raises(ConnectionResetError):
        connection.request("GET", "/again")
    connection.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/again")
    connection.close()
    assert keeper.requests == ["GET /"]


# --- sockets in every state


def test_a_socket_that_is_connected_later_is_verified_too(server, port, ca_file, other_file):
    """wrap_socket() before connect(), as some libraries do it; and a handshake that is asked for by hand."""
    for file, works in ((ca_file, True), (other_file, False)):
        with trusted_context(file):
            context = ssl.create_default_context()
            with context.wrap_socket(socket.socket(), server_hostname="localhost") as late:
                late.settimeout(20)
                if works:
                    late.connect(("127.0.0.1", port))
                    assert late.context is context
                    assert ask(late) == BODY
                else:
                    fails(late.connect, ("127.0.0.1", port))
            raw = socket.create_connection(("127.0.0.1", port), timeout=20)
            with context.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False) as by_hand:
                if works:
                    by_hand.do_handshake()
                    assert ask(by_hand) == BODY
                else:
                    fails(by_hand.do_handshake)


def test_a_socket_that_does_not_block_is_refused_as_ever(port, ca_file):
    """The error is the standard library's, and the socket is closed."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    raw.setblocking(False)
    with trusted_context(ca_file), pytest.raises(ValueError, match="non-blocking sockets"):
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")
    assert raw.fileno() == -1


def test_a_failed_handshake_tells_what_was_trusted_and_shows_the_callers_context(port, other_file):
    """The explanation has the block's source and the chain that was presented, for a handshake by hand."""
    context = ssl.create_default_context()
    with trusted_context(other_file):
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        with context.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False) as by_hand:
            error = fails(by_hand.do_handshake)
            assert by_hand.context is context
            found = explain(error)
    assert str(other_file) in str(found)
    assert found.presented


@pytest.mark.parametrize("kind", ["of the program", "of the block"])
def test_an_end_without_a_word_is_an_end_unless_it_was_asked_for(kind, ca, ca_file):
    """suppress_ragged_eofs is on, as in the standard library, and can be turned off."""
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(certificate)

    def hang_up(listener):
        for _ in range(4):
            raw, _ = listener.accept()
            tls = certificate.wrap_socket(raw, server_side=True)
            tls.recv(1)
            socket.socket(fileno=tls.detach()).close()  # without close_notify

    def last_word(context, **settings):
        raw = socket.create_connection(listener.getsockname(), timeout=20)
        with context.wrap_socket(raw, server_hostname="localhost", **settings) as tls:
            tls.send(b"x")
            try:
                return tls.recv(1)
            except ssl.SSLError as error:
                return type(error)

    with socket.create_server(("127.0.0.1", 0)) as listener, trusted_context(ca_file) as block:
        hanging_up = threading.Thread(target=hang_up, args=[listener])
        hanging_up.start()
        context = ssl.create_default_context() if kind == "of the program" else block.ssl_context()
        untouched = ssl._create_unverified_context()
        assert last_word(context) == last_word(untouched) == b""
        asked_for = {"suppress_ragged_eofs": False}
        expected = last_word(untouched, **asked_for)
        assert last_word(context, **asked_for) == expected
        assert expected is ssl.SSLEOFError or sys.version_info < (3, 11, 4)  # where OpenSSL 3 took it for an end
        hanging_up.join(20)


@pytest.fixture
def uncollected():
    """Without the collector of cycles."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_the_context_of_a_connection_goes_with_it(server, ca_file):
    """It does not wait for the collector with the memory that OpenSSL has for it: there may be one a connection."""
    with trusted_context(ca_file):
        response, context = _by_urlopen(server)
        kept = weakref.ref(context)
        assert response.read()
        del response, context
        assert kept() is None


@pytest.mark.usefixtures("uncollected")
def test_a_context_of_a_block_goes_with_its_last_user(server, ca_file):
    """What ssl_context() gave does not wait for the collector either."""
    context = trusted_context(ca_file).ssl_context()
    kept = weakref.ref(context)
    assert get(server.server_port, context) == BODY
    del context
    assert kept() is None
