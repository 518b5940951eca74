"""check() where the time that was given is not enough: what was found by then is told, nothing called verified."""

import threading
import urllib.request

import pytest
from checking import flat, small_machine, steps
from servers import Server, serving

from trusted_context import check
from trusted_context.sources import stores


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


class Tiring(Server):
    """It shakes hands with the first that asks for it, and answers nobody after that."""

    def __init__(self, certificate):
        super().__init__(certificate)
        self.over = threading.Event()

    def finish_request(self, request, client_address):
        if self.accepted > 2:  # the first connection only sees whether there is one
            self.over.wait(20)
            return
        super().finish_request(request, client_address)

    def server_close(self):
        self.over.set()
        super().server_close()


def _in_time(server):
    return check(server.url, timeout=0.6)


@pytest.fixture
def tiring(ca):
    """A server that presents its certificate once."""
    with serving(Tiring(ca.issue_cert("localhost"))) as running:
        yield running


def test_a_server_that_answers_once(tiring):
    """Its certificate is told; which trust verifies it is not known, and no time is left to look for its CA."""
    report = _in_time(tiring)
    assert steps(report) == {"lookup": "passed", "connection": "passed", "tls": "passed"}
    assert (report.works, report.cause) == (False, "timed-out")
    assert len(report.as_dict()["chain"]) == 1
    assert {one["works"] for one in report.as_dict()["verdicts"]} == {None}
    assert "! trust certifi: no answer in time" in flat(report)
    assert "no time was left to search" in flat(report)


def test_an_operating_system_that_is_asked_when_no_time_is_left(tiring, machine):
    """It is not waited for. (Elsewhere than on Windows and macOS truststore takes its part.)"""
    machine.patch.setattr(stores, "VERIFIES_NATIVELY", True)
    machine.patch.setenv("REQUESTS_CA_BUNDLE", str(machine.certifi))
    report = _in_time(tiring)
    assert not report.works
    (verdict,) = [one for one in report.as_dict()["verdicts"] if one["trust"] == "system"]
    assert (verdict["works"], verdict["message"]) == (None, "no answer in time")


def test_an_operating_system_that_does_not_say_which_proxy_is_in_force(server, ca_file, monkeypatch):
    """No connection is made, as none could be known to be the user's. (A double: only Windows and macOS are asked.)"""
    over = threading.Event()
    monkeypatch.setattr(urllib.request, "getproxies", lambda: over.wait(20) and {})
    before = server.accepted
    try:
        report = check(server.url, ca_file, timeout=0.3)
    finally:
        over.set()
    assert report.cause == "proxy-unusable"
    assert "did not say in time which proxy is in force" in flat(report)
    assert server.accepted == before
