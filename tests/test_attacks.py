"""Attacks on the layer below all clients: pins, ended blocks, classes of contexts, and what can be reached."""

import contextlib
import http.client
import socket
import ssl
import threading

import pytest
import trustme
import truststore
import urllib3
from material import hashed_name
from servers import BODY, asking_for_certificates, fails, serving
from test_layer import connect, get

from trusted_context import trusted_context
from trusted_context.clients import seen_contexts

quiet = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


@pytest.fixture
def port(server):
    return server.server_port


@pytest.fixture
def folder(ca_file):
    """A folder in which OpenSSL finds the CA."""
    made = ca_file.with_name("hashed")
    made.mkdir()
    (made / hashed_name(ca_file)).write_bytes(ca_file.read_bytes())
    return made


def shake_hands(connection, incoming, outgoing, port):
    """Do the handshake of a memory connection with the server at the port."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        while True:
            try:
                connection.do_handshake()
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))
            else:
                return


# --- pins


@pytest.mark.parametrize("moment", ["fresh", "looked at"])
@pytest.mark.parametrize("kind", [ssl.SSLContext, truststore.SSLContext])
def test_a_folder_given_beside_a_default_is_a_choice(kind, moment, port, folder, other_file):
    """OpenSSL shows nothing of a folder, so it counts when it is given, also to a context that was used before."""
    before = ssl.create_default_context()
    with trusted_context(other_file):
        context = before if moment == "looked at" else kind(ssl.PROTOCOL_TLS_CLIENT)
        if moment == "looked at":
            fails(get, port, context)
        elif kind is ssl.SSLContext:
            context.load_default_certs()
        context.load_verify_locations(capath=str(folder))
        assert get(port, context) == BODY


@pytest.mark.parametrize("kind", ["socket", "object"])
def test_a_context_given_to_one_connection_is_a_choice(kind, port, ca_file, other_file):
    """What is assigned to ``context`` before the handshake verifies it, as without a block."""
    pinned = ssl.create_default_context(cafile=ca_file)
    with trusted_context(other_file):
        context = ssl.create_default_context()
        if kind == "socket":
            raw = socket.create_connection(("127.0.0.1", port), timeout=20)
            with context.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False) as connection:
                connection.context = pinned
                connection.do_handshake()
                assert connection.context is pinned
        else:
            buffers = ssl.MemoryBIO(), ssl.MemoryBIO()
            connection = context.wrap_bio(*buffers, server_hostname="localhost")
            connection.context = pinned
            shake_hands(connection, *buffers, port)
            assert connection.context is pinned


class _Equal(ssl.SSLContext):
    """One whose instances are equal, and cannot be hashed until they are named."""

    def __init__(self, *_args):
        self.name = "the same"

    def __eq__(self, other):
        return isinstance(other, _Equal) and self.name == other.name

    def __hash__(self):
        return hash(self.name)


class _Unhashable(ssl.SSLContext):
    __hash__ = None


def test_contexts_that_call_themselves_equal_are_told_apart(port, ca_file, other_file):
    """One pins, and one does not; both can be made while a block lives."""
    with trusted_context(other_file):
        default, pinned = _Equal(ssl.PROTOCOL_TLS_CLIENT), _Equal(ssl.PROTOCOL_TLS_CLIENT)
        default.load_default_certs()
        pinned.load_verify_locations(ca_file)
        for _ in range(2):
            fails(get, port, default)
            assert get(port, pinned) == BODY


def _unhashable(ca_file):
    context = _Unhashable(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    return context


def _unverified_truststore(_file):
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Duck:
    def __init__(self, context):
        self.wrap_socket = context.wrap_socket


@pytest.mark.parametrize(
    "make", [_unhashable, _unverified_truststore, lambda file: _Duck(ssl.create_default_context(cafile=file))]
)
def test_http_client_takes_in_a_block_whatever_contexts_it_takes_outside(make, port, ca_file, other_file):
    """Contexts that cannot be hashed, cannot be asked for their CAs, or are none of the standard library's."""
    context = make(ca_file)
    for block in (contextlib.nullcontext(), trusted_context(other_file)):
        with block:
            connection = http.client.HTTPSConnection("localhost", port, timeout=20)
            connection._context = context
            connection.request("GET", "/")
            assert connection.getresponse().read() == BODY
            connection.close()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_httpx_keeps_a_client_certificate_that_cannot_be_read(library, ca, ca_file, monkeypatch):
    """Loaded before every block, it is presented inside too, over a connection that is verified as without one."""
    client = pytest.importorskip(library)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    context = ssl.create_default_context()
    ca.issue_cert("client@corp.test").configure_cert(context)
    with serving(asking_for_certificates(ca, ssl.CERT_REQUIRED)) as asking:
        for block in (contextlib.nullcontext(), trusted_context(ca_file)):
            with block:
                assert client.get(asking.url, verify=context).content == b"client@corp.test"


# --- ended blocks


@quiet
@pytest.mark.parametrize("kind", ["connected later", "by hand", "in memory"])
def test_no_handshake_is_begun_unverified_after_an_insecure_block(kind, port):
    """A connection prepared inside is refused afterwards: a server that speaks first could say anything."""
    with trusted_context(insecure=True):
        context = ssl.create_default_context()
        buffers = ssl.MemoryBIO(), ssl.MemoryBIO()
        if kind == "connected later":
            connection = context.wrap_socket(socket.socket(), server_hostname="localhost")
        elif kind == "by hand":
            raw = socket.create_connection(("127.0.0.1", port), timeout=20)
            connection = context.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False)
        else:
            connection = context.wrap_bio(*buffers, server_hostname="localhost")
    with pytest.raises(ConnectionResetError, match="has ended"):
        if kind == "connected later":
            connection.connect(("127.0.0.1", port))
        elif kind == "by hand":
            connection.do_handshake()
        else:
            shake_hands(connection, *buffers, port)
    if kind != "in memory":
        connection.close()


def test_a_pool_with_a_default_context_keeps_connections_apart(keeper, ca_file, other_file, monkeypatch):
    """None opened outside is used inside, and none opened inside afterwards: not even to wait for an answer."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    outside = urllib3.HTTPSConnectionPool(
        "localhost", keeper.server_port, ssl_context=ssl.create_default_context(), retries=False, timeout=5
    )
    with trusted_context(ca_file):
        assert outside.request("GET", "/").data == outside.request("GET", "/").data == BODY
        assert keeper.accepted == 1
    fails(outside.request, "GET", "/")
    outside.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with urllib3.HTTPSConnectionPool(
        "localhost", keeper.server_port, ssl_context=ssl.create_default_context(), retries=False, timeout=5
    ) as pool:
        assert pool.request("GET", "/").data == BODY
        with trusted_context(other_file):
            fails(pool.request, "GET", "/")
        assert pool.request("GET", "/").data == BODY


def test_urllib3_does_not_wait_for_an_answer_to_what_it_could_not_write(keeper, held, ca_file, other_file):
    """A connection given back after its block is given up at once: urllib3 would pass over ECONNRESET."""
    pool = urllib3.HTTPSConnectionPool("localhost", keeper.server_port, timeout=5)
    with trusted_context(ca_file):
        response = pool.request("GET", "/held", preload_content=False)
    held.set()
    assert response.data == BODY * 2
    response.release_conn()
    with pytest.raises(urllib3.exceptions.ProtocolError, match="has ended"):
        pool.request("GET", "/", retries=False)
    pool.close()


# --- what can be reached


def test_another_thread_sees_the_callers_context_during_a_handshake(port, ca_file):
    """The context that lends the anchors shows at no moment."""
    seen, over = set(), threading.Event()
    with trusted_context(ca_file):
        context = ssl.create_default_context()
        for _ in range(30):
            buffers = ssl.MemoryBIO(), ssl.MemoryBIO()
            connection = context.wrap_bio(*buffers, server_hostname="localhost")

            def look(connection=connection):
                while not over.is_set():
                    seen.add(connection.context)

            over.clear()
            watcher = threading.Thread(target=look)
            watcher.start()
            shake_hands(connection, *buffers, port)
            over.set()
            watcher.join(10)
    assert seen == {context}


# --- threads and memory


def test_a_context_that_changes_is_verified_by_the_block_in_every_thread(port, ca_file):
    """What is found out of a context anew is never missing for threads that connect by it meanwhile."""
    failures = []
    with trusted_context(ca_file):
        context = ssl.create_default_context()

        def connects():
            for number in range(8):
                try:
                    context.set_ciphers("ECDHE+AESGCM" if number % 2 else "DEFAULT")
                    connect(port, context).close()
                except Exception as error:  # noqa: BLE001  # whatever it is, is shown below
                    failures.append(error)

        threads = [threading.Thread(target=connects) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert failures == []


def test_a_context_used_in_many_blocks_keeps_little_of_them(port, ca_file):
    """A block around and a context that lives on hold no more stand-ins than a few."""
    context = ssl.create_default_context()
    with trusted_context(ca_file):
        for _ in range(20):
            with trusted_context([ca_file, trustme.CA().cert_pem.bytes()]):
                assert get(port, context) == BODY
        assert len(seen_contexts.look(context).stand_ins) <= 8
