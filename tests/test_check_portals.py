"""check(): a login page of the network (captive portal) is told apart, without a request that it could answer."""

import pytest
from bad_certificates import issue, stranger
from checking import flat, small_machine
from servers import Server, serving
from test_check_hostile import Raw

from trusted_context import check
from trusted_context.checks.names import cover


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


@pytest.mark.parametrize(
    ("answer", "cause", "words"),
    [
        (
            "302 Found\r\nLocation: http://guest:pw@login.portal.test/?mac=00:11:22",
            "captive-portal",
            "open http://login.portal.test/ in a browser and sign in first",
        ),
        ("511 Network Authentication Required", "captive-portal", "open any page in a browser and sign in first"),
        ("400 Bad Request", "not-tls", "a plain HTTP server on this port"),
    ],
)
def test_a_portal_that_answers_tls_with_plain_http(answer, cause, words):
    """A redirection, or status 511, is a login page's; the first bytes of a handshake are all that was sent."""
    heard = []

    def behave(connection, _over):
        heard.append(connection.recv(4096)[:2])
        connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

    with serving(Raw(behave)) as raw:
        report = check(raw.address)
    assert report.cause == cause
    assert words in flat(report)
    assert "00:11:22" not in report.to_json()
    assert "pw" not in report.to_json()
    # The first connection sends nothing; each other one begins with a TLS handshake (RFC 8446, 5.1).
    assert set(heard) <= {b"", b"\x16\x03"}


def test_a_portal_with_a_certificate_of_its_own():
    """Signed by nobody known and for another host: no CA would help, so none is asked for."""
    with serving(Server(issue("portal", stranger(), names=["login.portal.test"]))) as server:
        report = check(server.url)
    assert report.cause == "wrong-host"
    assert "on a guest network open a browser and log in first" in flat(report)
    assert report.as_dict()["ask_for"] is None
    assert report.as_dict()["advice"] == []


def test_a_proxy_that_wants_a_login_first(monkeypatch):
    """Status 511 (RFC 6585), as networks with a portal answer."""

    def behave(connection, _over):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 511 Network Authentication Required\r\n\r\n")

    with serving(Raw(behave)) as raw:
        monkeypatch.setenv("https_proxy", raw.address)
        assert "wants a login to this network first" in flat(check("host.test"))


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (["a.test"], "A.test.", True),
        (["*.corp.test"], "git.corp.test", True),
        (["*.corp.test"], "corp.test", False),
        (["*.corp.test"], "a.b.corp.test", False),
        (["*"], "localhost", False),
        (["::1", "127.0.0.1"], "127.0.0.1", True),
        ([], "any", True),
        (["b.test"], "a.test", False),
    ],
)
def test_which_names_are_a_host_s(names, host, expected):
    """As RFC 9525 says: whole names, or a star for the first label; without any, OpenSSL looks at the common name."""
    assert cover(names, host) == expected
