"""check() of servers that ask for a client certificate: whether they insist on one is told."""

import contextlib
import ssl

import pytest
from checking import flat, small_machine
from servers import Server, serving

from trusted_context import check
from trusted_context.checks import probe


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


class Asking(Server):
    """It asks for a client certificate, does without, and waits for a request or says goodbye at once."""

    def __init__(self, certificate, ca_file, *, waits):
        def ask(context):
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(ca_file)

        super().__init__(certificate, configure=ask)
        self.waits = waits

    def finish_request(self, request, client_address):
        if self.waits:
            super().finish_request(request, client_address)
            return
        request.settimeout(20)
        with contextlib.suppress(OSError), self.context.wrap_socket(request, server_side=True) as secured:
            secured.unwrap()


@pytest.mark.parametrize("waits", [True, False], ids=["waits", "hangs up"])
def test_a_server_that_would_like_one(ca, ca_file, monkeypatch, waits):
    """It is told, and is no failure: this server is verified, and refuses nobody."""
    monkeypatch.setattr(probe, "_LONGEST_WAIT_FOR_REFUSAL", 0.2)
    with serving(Asking(ca.issue_cert("localhost"), ca_file, waits=waits)) as server:
        report = check(server.url, ca_file)
    assert report.works
    assert report.cause != "client-certificate"
    found = report.as_dict()["tls"]
    assert (found["asks_for_client_certificate"], found["refused"]) == (True, None)
    assert "! TLS the server asks for a client certificate" in flat(report)
    assert "refuses without one" not in flat(report)


def test_a_server_that_insists_on_one(bad):
    """How it refused is told, in OpenSSL's words."""
    report = check(bad["client-cert-missing"].url, bad["client-cert-missing"].cafile)
    assert report.as_dict()["tls"]["refused"]
    assert "! TLS the server asks for a client certificate, and refuses without one: " in flat(report)
