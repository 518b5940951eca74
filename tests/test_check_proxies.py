"""check() through proxies: what is in force, what the proxy answers and what that means, and a real inspecting one."""

import os
import socket
import struct
import urllib.parse
import urllib.request

import pytest
import real
from checking import SECRET, flat, forms, run_line, small_machine, steps, verdicts
from servers import BODY, ConnectProxy, Server, serving, write_ca
from test_check_hostile import Raw

from trusted_context import check


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


@pytest.fixture
def proxy():
    """A proxy that asks for user and password."""
    with serving(ConnectProxy(f"user:{SECRET}")) as running:
        yield running


def with_password(url, password=SECRET):
    """The proxy's URL, with user and password."""
    return url.replace("//", f"//user:{urllib.parse.quote(password, safe='')}@")


def test_the_right_password(proxy, server, ca_file, monkeypatch):
    """The tunnel is opened, and the verdicts are those of the server behind it."""
    monkeypatch.setenv("https_proxy", with_password(proxy.url))
    report = check(server.url, ca_file)
    assert report.works
    assert steps(report) == {"lookup": "passed", "connection": "passed", "proxy": "passed", "tls": "passed"}
    assert verdicts(report) == {"cafile": True, "system": False, "certifi": False}
    assert set(proxy.tunnelled) == {f"localhost:{server.server_port}"}
    assert not any(SECRET in form for form in forms(report))


@pytest.mark.parametrize(
    ("password", "advice"),
    [(None, "http://user:password@host:port"), ("wrong", "percent-encoded")],
)
def test_a_missing_or_wrong_password(proxy, server, monkeypatch, password, advice):
    """407 is told for what it is, with what to do; it is no matter of certificates."""
    monkeypatch.setenv("https_proxy", with_password(proxy.url, password) if password else proxy.url)
    report = check(server.url)
    assert report.cause == "proxy-authentication"
    assert "407 Proxy Authentication Required" in flat(report)
    assert advice in flat(report)
    assert not report.works
    assert report.line is None


@pytest.mark.parametrize(
    ("answer", "cause", "advice"),
    [
        ("407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM", "proxy-authentication", "px, cntlm"),
        (
            "407 No\r\nProxy-Authenticate: NTLM\r\nproxy-authenticate: Basic realm=x",
            "proxy-authentication",
            "user:pass",
        ),
        ("403 Forbidden", "proxy-refused", "ask IT to allow it"),
        ("502 Bad Gateway", "proxy-refused", "could not reach the host"),
        ("302 Found\r\nLocation: http://login.test/", "proxy-refused", "sign in first"),
        ("405 No", "proxy-refused", "web server, not a proxy"),
        ("599 What", "proxy-refused", "is its address right?"),
    ],
)
def test_what_a_proxy_answers(answer, cause, advice, monkeypatch):
    """Each refusal has its meaning."""

    def refuse(connection, _over):
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 {answer}\r\n\r\n".encode())

    with serving(Raw(refuse)) as raw:
        monkeypatch.setenv("https_proxy", raw.address)
        report = check("host.test")
    assert report.cause == cause
    assert advice in flat(report)


def test_a_proxy_named_with_https_that_speaks_plain_http(proxy, server, monkeypatch):
    """The most common mistake of all: the address to write is given. The password goes to nobody."""
    monkeypatch.setenv("https_proxy", with_password(proxy.url.replace("http://", "https://")))
    report = check(server.url, timeout=0.9)
    assert report.cause == "proxy-not-tls"
    assert f"https_proxy={proxy.url}" in flat(report)
    assert proxy.tunnelled == []


def test_a_proxy_named_with_https_that_opens_tunnels_without_tls(server, ca_file, monkeypatch):
    """The same mistake, with a proxy that asks nobody who they are."""
    with serving(ConnectProxy()) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "https://"))
        report = check(server.url, ca_file, timeout=0.9)
    assert report.cause == "proxy-not-tls"
    assert f"https_proxy={proxy.url}" in flat(report)


def _hang_up(connection, _over):
    connection.recv(4096)


def _reset(connection, _over):
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    ("behave", "scheme", "words"),
    [
        (_hang_up, "http", "the connection was closed without an answer"),
        (_hang_up, "https", "opened no tunnel: "),
        (_reset, "http", "Connection reset by peer"),
        (_reset, "https", "Connection reset by peer"),
    ],
)
def test_a_proxy_that_speaks_neither(behave, scheme, words, monkeypatch):
    """Neither what its address says, nor the other of the two: what came is told, and no scheme is advised."""
    with serving(Raw(behave)) as raw:
        monkeypatch.setenv("https_proxy", f"{scheme}://{raw.address}")
        report = check("host.test", timeout=3)
    assert report.cause == "proxy-refused"
    assert words in flat(report)
    assert "in its place" not in flat(report)


def test_a_proxy_over_tls_beside_a_variable_that_names_nothing(server, ca, ca_file, monkeypatch):
    """What cannot be read verifies no proxy; the next does."""
    with serving(ConnectProxy(certificate=ca.issue_cert("localhost"))) as secure:
        monkeypatch.setenv("https_proxy", secure.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/gone/corp.pem")
        monkeypatch.setenv("CURL_CA_BUNDLE", str(ca_file))
        report = check(server.url)
    assert report.works
    assert f"verified by CURL_CA_BUNDLE={ca_file}" in flat(report)


def test_a_proxy_named_with_http_that_speaks_tls(server, ca, ca_file, monkeypatch):
    """And the other way round."""
    with serving(ConnectProxy(certificate=ca.issue_cert("localhost"))) as secure:
        monkeypatch.setenv("https_proxy", secure.url.replace("https://", "http://"))
        report = check(server.url, ca_file)
    assert report.cause == "proxy-refused"
    assert "write https:// in its place" in flat(report)


def test_a_proxy_named_with_http_that_answers_with_an_alert(monkeypatch):
    """It speaks TLS, though no version of it that this Python does (RFC 8446, 6)."""

    def behave(connection, _over):
        connection.recv(4096)
        connection.sendall(b"\x15\x03\x03\x00\x02\x02\x46")

    with serving(Raw(behave)) as raw:
        monkeypatch.setenv("https_proxy", f"http://{raw.address}")
        report = check("host.test")
    assert report.cause == "proxy-refused"
    assert "the answer is TLS, not HTTP" in flat(report)
    assert "write https:// in its place" in flat(report)


def test_a_proxy_over_tls(server, ca, ca_file, monkeypatch):
    """TLS within TLS, each verified; urllib's lack is remarked."""
    with serving(ConnectProxy(f"user:{SECRET}", certificate=ca.issue_cert("localhost"))) as secure:
        monkeypatch.setenv("https_proxy", with_password(secure.url))
        report = check(server.url, ca_file)
    assert report.works
    assert "urllib (torchvision, ...) cannot" in flat(report)
    assert "spoken to in TLS, and verified by cafile=" in flat(report)


def test_a_proxy_over_tls_that_another_ca_signed(server, ca_file, other_ca, other_file, monkeypatch):
    """The line trusts the proxy and the server; what trusts one of them alone is no cure."""
    with serving(ConnectProxy(certificate=other_ca.issue_cert("localhost"))) as secure:
        monkeypatch.setenv("https_proxy", secure.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other_file))
        report = check(server.url, ca_file)
        assert (report.line, report.cause) == (None, "proxy-untrusted")
        assert "the proxy: unable to get local issuer certificate" in flat(report)
        assert "give the CA certificates of both" in flat(report)
        assert check(server.url, [ca_file, other_file]).line


def test_no_proxy(proxy, server, ca_file, monkeypatch):
    """A host that is excepted is reached directly, and that is told."""
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "corp.test,localhost")
    report = check(server.url, ca_file)
    assert report.works
    assert "none for this host, by no_proxy=corp.test,localhost" in flat(report)
    assert proxy.tunnelled == []


def test_a_proxy_for_http_alone(proxy, server, ca_file, monkeypatch):
    """It is not for https://, which people expect."""
    monkeypatch.setenv("http_proxy", proxy.url)
    report = check(server.url, ca_file)
    assert report.works
    assert "for https:// set https_proxy too" in flat(report)
    assert proxy.tunnelled == []


def test_a_proxy_for_all(server, ca_file, monkeypatch):
    """requests and httpx heed all_proxy, urllib does not."""
    with serving(ConnectProxy()) as proxy:
        monkeypatch.setenv("all_proxy", proxy.url)
        report = check(server.url, ca_file)
        assert report.works
        assert proxy.tunnelled
    assert "all_proxy is not heeded by urllib" in flat(report)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("socks5://proxy.test:1080", "a socks5 proxy, which neither urllib nor this check can speak to"),
        ("http://user:a/b@proxy.test", "percent-encode it"),
        ("http://", "no proxy's address"),
        ("http://proxy.test:port", "no proxy's address"),
        ("gopher://proxy.test", "it begins with none of http://, https://, socks://"),
    ],
)
def test_a_proxy_that_cannot_be_used(value, says, server, ca_file, monkeypatch):
    """It is told, with the reason; no connection is made beside it, which the user's programs would not make either."""
    monkeypatch.setenv("https_proxy", value)
    before = server.accepted
    report = check(server.url, ca_file)
    assert says in flat(report)
    assert not report.works
    assert report.cause == "proxy-unusable"
    assert server.accepted == before


def test_a_proxy_whose_host_was_forgotten(server, monkeypatch):
    """What stands in the port's place is a password then, and is not shown."""
    monkeypatch.setenv("https_proxy", "http://user:hunter2")
    report = check(server.url)
    assert not report.works
    assert not any("hunter2" in form for form in forms(report))


@pytest.mark.skipif(os.name == "nt", reason="variables have one spelling there")
@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        ("http://one.test:1", "http://two.test:2", "https_proxy=http://one.test:1 is in force"),
        ("", "http://two.test:2", "the empty https_proxy is in force, so none is"),
        (f"http://u:{SECRET}@one.test:1", f"http://u:{SECRET}@two.test:2", "HTTPS_PROXY=http://***@two.test:2"),
    ],
)
def test_two_spellings_that_disagree(lower, upper, words, server, monkeypatch):
    """Which one is in force is said, as urllib takes it, and no password of either."""
    monkeypatch.setenv("https_proxy", lower)
    monkeypatch.setenv("HTTPS_PROXY", upper)
    monkeypatch.setenv("no_proxy", "localhost")
    report = check(server.url)
    assert "https_proxy and HTTPS_PROXY disagree: in Python" in flat(report)
    assert words in flat(report)
    assert urllib.request.getproxies().get("https", "") == lower
    assert not any(SECRET in form for form in forms(report))


@pytest.mark.parametrize(("lower", "upper"), [("http://a.test", "http://a.test"), (None, "http://a.test"), ("x", "")])
def test_two_spellings_that_agree_or_of_which_one_says_nothing(lower, upper, server, monkeypatch):
    """Nothing is said of them."""
    monkeypatch.setenv("HTTP_PROXY", upper)
    if lower:
        monkeypatch.setenv("http_proxy", lower)
    assert "disagree" not in flat(check(server.url))


@pytest.mark.mitmproxy
def test_a_real_inspecting_proxy(ca, machine, tmp_path, monkeypatch):
    """mitmproxy is named as what answers in the server's place; its CA in the machine's store is the cure."""
    with (
        real.running_mitmproxy(tmp_path, ca) as mitmproxy,
        serving(Server(ca.issue_cert("localhost"))) as origin,
    ):
        monkeypatch.setenv("https_proxy", mitmproxy.url())
        refused = check(origin.url)
        machine.system.write_bytes(mitmproxy.bundle.read_bytes())
        trusted = check(origin.url)
        assert run_line(trusted, origin.url) == BODY
        given = check(origin.url, write_ca(ca, tmp_path / "corp.pem"))
        monkeypatch.setenv("https_proxy", mitmproxy.url("wrong"))
        unauthenticated = check(origin.url)
    assert (refused.works, refused.cause) == (False, "inspected")
    assert refused.as_dict()["product"] == "mitmproxy"
    assert trusted.line == "with trusted_context(system=True):"
    assert verdicts(given) == {"cafile": False, "system": True, "certifi": False}
    assert unauthenticated.cause == "proxy-authentication"
    assert not any(real.PASSWORD in form for report in (refused, trusted) for form in forms(report))
