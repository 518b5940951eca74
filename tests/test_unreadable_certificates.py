"""Certificates that OpenSSL takes and Python cannot read: a failure on one stays what it is, and is told of it."""

import ssl

import pytest
from failing import failure
from issuing import issue, root
from servers import Server, fetch, serving, verify_failure

from trusted_context import explain, trusted_context
from trusted_context.core import handshake


def with_a_name_that_is_no_text(pair):
    """One of its hosts has letters that are none of ASCII's (RFC 5280, 4.2.1.6)."""
    return pair.der.replace(b"corp.test", b"\xff\xferp.test")


def with_a_day_that_is_none(pair):
    """Its validity begins on the 99th day of a month (RFC 5280, 4.1.2.5)."""
    begin = pair.der.index(b"\x17\x0d") + 2
    return pair.der[: begin + 4] + b"99" + pair.der[begin + 6 :]


@pytest.mark.parametrize("damage", [with_a_name_that_is_no_text, with_a_day_that_is_none])
def test_a_certificate_that_python_cannot_read_is_told_as_far_as_it_can_be(damage, tmp_path):
    """The handshake's own error leaves the block, with a note, and the explanation has what was presented."""
    pair = issue("corp", root(), names=["localhost", "corp.test"])
    der = damage(pair)
    assert der != pair.der
    path = tmp_path / "server.pem"
    path.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode() + pair.key_pem())

    class Damaged:
        def configure_cert(self, context):
            context.load_cert_chain(path)

    with serving(Server(Damaged())) as server, trusted_context(root().pem):
        error = failure(fetch, server.url)
    assert isinstance(verify_failure(error), ssl.SSLCertVerificationError)
    (presented,) = handshake.presented(verify_failure(error)).chain
    assert presented.der == der
    assert explain(error).host == "localhost"
    assert explain(error).presented


def test_a_connection_that_cannot_be_asked_what_was_presented_fails_by_its_own_error():
    """What was presented is then not known."""

    class Closed:
        @property
        def server_hostname(self):
            raise ValueError("closed meanwhile")

    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    handshake.keep(error, Closed(), None, None)
    assert handshake.presented(error) is None
