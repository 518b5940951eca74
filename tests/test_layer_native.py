"""Connections that the operating system verifies: what is told of a failure, and how they end with their block."""

import ssl
import sys

import certifi
import pytest
import truststore
from by_hand import ask, connect
from servers import BODY, fails

from trusted_context import explain, trusted_context
from trusted_context.clients import seen_contexts
from trusted_context.sources import stores

pytestmark = pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="a test cannot add to that system's store")


@pytest.fixture
def native(monkeypatch, ca_file):
    """The system's store is one that truststore verifies by, as on Windows and macOS (played here): with our CA."""
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))


def test_a_connection_that_the_system_verifies_is_not_written_to_after_its_block(native, keeper):
    """As on every machine, it fails as a stale connection does."""
    with trusted_context(system=True):
        connection = connect(keeper.server_port, ssl.create_default_context())
        connection.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(BODY):
            answer += connection.recv(65536)
    for write in (connection.send, connection.sendall, connection.write):
        with pytest.raises(ConnectionResetError, match="block in which this connection was opened has ended"):
            write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    connection.close()
    assert keeper.requests == ["GET /"]


def test_what_the_system_refused_is_told_with_what_was_presented(native, server, other_file, monkeypatch):
    """truststore closes a connection that it does not trust; the server's certificates are kept with the error."""
    with trusted_context(system=True):
        with connect(server.server_port, ssl.create_default_context()) as connection:
            assert ask(connection) == BODY
        monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
        found = explain(fails(connect, server.server_port, ssl.create_default_context()))
    assert found.presented


@pytest.mark.parametrize("moment", ["before", "inside"])
def test_a_context_of_truststore_s_is_a_default_one_with_default_cas_beside_and_a_choice_with_others(moment, ca_file):
    """What was loaded into it counts beside the system's store, which is a default itself."""

    def make():
        made = [truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(3)]
        made[1].load_verify_locations(certifi.where())
        made[2].load_verify_locations(ca_file)
        return made

    before = make()
    with trusted_context(ca_file):
        used = before if moment == "before" else make()
        assert [seen_contexts.is_default(context) for context in used] == [True, True, False]
