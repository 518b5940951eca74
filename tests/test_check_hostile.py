"""check() against whoever means it ill: time and size are bounded, nothing is let through to terminal or page."""

import contextlib
import functools
import html.parser
import json
import socket
import socketserver
import ssl
import threading
import time

import pytest
from bad_certificates import issue, root
from checking import SECRET, forms, small_machine
from cryptography import x509
from cryptography.x509.oid import NameOID
from servers import ConnectProxy, Server, serving

from trusted_context import check
from trusted_context.checks import key_stores, search
from trusted_context.checks import settings as check_settings

SCRIPT = "<script>alert(1)</script>&\"'"
CONTROL = "\x1b]0;owned\x07\x1b[2J\r\n\u202egnp.exe\u0000"


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


@pytest.fixture
def cafile(tmp_path):
    """The CA of the certificates made here."""
    path = tmp_path / "root.pem"
    path.write_bytes(root().pem)
    return path


class Raw(socketserver.ThreadingTCPServer):
    """A server that does with a connection what *behave* says, until the test is over."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behave):
        super().__init__(("127.0.0.1", 0), None)
        self.behave = behave
        self.over = threading.Event()
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request, client_address):
        request.settimeout(20)
        with contextlib.suppress(OSError):
            self.behave(request, self.over)

    def server_close(self):
        self.over.set()
        super().server_close()


def _say_nothing(_connection, over):
    over.wait(20)


def _byte_by_byte(connection, over):
    connection.recv(4096)
    for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc":
        connection.sendall(bytes((byte,)))
        over.wait(0.1)
    while not over.wait(0.1):
        connection.sendall(b"\0")


def _garbage(connection, over):
    while not over.is_set():
        connection.sendall(b"\xde\xad\xbe\xef" * 4096)


def _empty_records(connection, over):
    """Alerts that only warn, for ever (CVE-2016-8610)."""
    connection.recv(4096)
    while not over.is_set():
        connection.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 100)


@pytest.mark.parametrize("behave", [_say_nothing, _byte_by_byte, _garbage, _empty_records])
def test_a_server_that_never_finishes(behave):
    """It ends by the time that was given, not verified."""
    with serving(Raw(behave)) as raw:
        started = time.monotonic()
        report = check(raw.address, timeout=0.6)
    assert time.monotonic() - started < 3
    assert not report.works
    assert report.cause
    assert report.as_dict()["steps"][-1]["result"] == "failed"


def _endless_header(connection, over):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.is_set():
        connection.sendall(b"X-Filler: " + b"x" * 4000 + b"\r\n")


def _slow_header(connection, over):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.05):
        connection.sendall(b"x")


def _control_characters(connection, over):
    answer = f"HTTP/1.1 502 {SCRIPT}{CONTROL}".replace("\r\n", "")
    connection.sendall(answer.encode("latin-1", "replace") + b"\r\n\r\n")
    over.wait(5)


def _not_http(connection, over):
    connection.sendall(f"{SCRIPT}{CONTROL}".encode() + b"\r\n\r\n")
    over.wait(5)


@pytest.mark.parametrize(
    ("behave", "says"),
    [
        (_endless_header, "no end after 64 KiB"),
        (_slow_header, "no answer in time"),
        (_say_nothing, "no answer in time"),
        (_control_characters, "502"),
        (_not_http, "not HTTP"),
        (_garbage, "no end after 64 KiB"),
    ],
)
def test_a_proxy_that_means_it_ill(behave, says, monkeypatch):
    """Its answer is bounded in time and size, and harmless to look at."""
    with serving(Raw(behave)) as raw:
        monkeypatch.setenv("https_proxy", f"http://user:{SECRET.replace('%', '%25')}@{raw.address}")
        started = time.monotonic()
        report = check("host.test", timeout=0.6)
        assert time.monotonic() - started < 3
    step = report.as_dict()["steps"][-1]
    assert (step["name"], step["result"]) == ("proxy", "failed")
    assert says in step["text"]
    assert_harmless(report)


def assert_harmless(report):
    """No form of the report steers a terminal, turns the reading direction, is markup, or repeats a password."""
    for form in forms(report):
        assert not {"\x1b", "\x07", "\r", "\0", "\u202e"} & set(form)
        assert SECRET not in form
        assert len(form) < 40_000
    assert len(str(report).splitlines()) < 120
    page = _Tags()
    page.feed(report._repr_html_())
    assert page.tags <= {"b", "details", "div", "pre", "summary", "table", "td", "th", "tr"}
    assert json.loads(report.to_json()) == report.as_dict()


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)


@functools.cache
def hostile_ca():
    """A CA named by somebody who knows what a report is shown on."""
    return issue(CONTROL.replace("\0", "") + SCRIPT[:20], ca=True, organisation=SCRIPT)


def _named_ill():
    return issue(SCRIPT, hostile_ca(), names=["localhost"]).presenting(hostile_ca())


def _for_a_thousand_hosts():
    return issue("x", root(), names=["localhost", *(f"host-{number}.{'long' * 15}.test" for number in range(900))])


def _with_a_long_chain():
    ca = issue("CA of the lot", ca=True)
    return issue("localhost", root()).presenting(*[ca] * 60)


@pytest.mark.parametrize("present", [_named_ill, _for_a_thousand_hosts, _with_a_long_chain])
def test_certificates_that_mean_it_ill(present, cafile):
    """Names of any length and any letters, any number of names and certificates: the report stays a report."""
    with serving(Server(present())) as running:
        report = check(running.url, cafile)
    assert report.works == (present is not _named_ill)
    assert_harmless(report)
    found = report.as_dict()
    assert len(found["chain"]) <= 10
    assert all(len(one["names"]) <= 10 for one in found["chain"])


def test_a_chain_without_end(cafile):
    """OpenSSL takes no more than 100 KB of certificates."""
    filler = issue("filler", root(), names=[f"host-{number}.{'long' * 15}.test" for number in range(1000)])
    with serving(Server(issue("localhost", root()).presenting(filler, filler, filler))) as running:
        report = check(running.url, cafile)
    assert not report.works
    assert "excessive message size" in str(report)
    assert_harmless(report)


def test_a_certificate_that_cannot_be_read(cafile):
    """An address of the wrong length among the names: what can be read is told, and nothing breaks."""
    pair = issue("localhost", root(), names=["localhost", "127.0.0.1"])
    broken = pair.der.replace(b"\x87\x04\x7f\x00\x00\x01", b"\x87\x04\xff\xff\xff\xff")
    assert broken != pair.der

    class Broken:
        def configure_cert(self, context):
            context.load_cert_chain(path)

    path = cafile.with_name("broken.pem")
    path.write_bytes(ssl.DER_cert_to_PEM_cert(broken).encode() + pair.key_pem())
    with serving(Server(Broken())) as running:
        report = check(running.url, cafile)
    assert not report.works
    assert_harmless(report)


def test_no_application_data_is_sent(cafile):
    """The server reads nothing in any of the connections, and each is closed as TLS wants it."""
    read = []

    class Counting(Server):
        def finish_request(self, request, client_address):
            request.settimeout(20)
            with contextlib.suppress(ssl.SSLError), self.context.wrap_socket(request, server_side=True) as secured:
                read.append(secured.recv(65536))

    with serving(Counting(issue("localhost", root()))) as running:
        assert check(running.url, cafile).works
    assert len(read) >= 3  # the look, the verification, strictly: an untrusting client ends the handshake itself
    assert set(read) == {b""}


def test_credentials_go_to_a_verified_proxy_alone(cafile, monkeypatch):
    """Whoever answers in the place of a proxy that is spoken to in TLS gets neither the password nor the target."""
    stranger = issue("localhost", issue("Stranger", ca=True))
    with serving(ConnectProxy(f"user:{SECRET}", certificate=stranger)) as proxy:
        heard = []
        monkeypatch.setattr(proxy, "RequestHandlerClass", lambda request, *_: heard.append(request.recv(4096)))
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", f"//user:{SECRET.replace('%', '%25')}@"))
        report = check("host.test", cafile)
    assert report.cause == "proxy-untrusted"
    assert not any(heard)
    assert_harmless(report)


def test_a_name_server_that_never_answers(monkeypatch):
    """The lookup is left to itself. (A double: no name server is to be had on this machine alone.)"""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: over.wait(20))
    try:
        started = time.monotonic()
        report = check("host.test", timeout=0.2)
        assert time.monotonic() - started < 3
        assert report.cause == "timed-out"
    finally:
        over.set()


def test_a_name_with_many_addresses_that_drop_everything(monkeypatch):
    """Each gets its share of the time, which all together keep. (Doubles for the name server and the firewall.)"""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    try:
        for one in waiting:  # the queue of a listener that accepts nothing is soon full, and then nothing is answered
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())] * 1000
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: addresses)
        started = time.monotonic()
        assert not check("host.test", timeout=0.3).works
        assert time.monotonic() - started < 3
    finally:
        for one in (*waiting, full):
            one.close()


@pytest.mark.parametrize("value", [f"http://user:{SECRET}@localhost/x@y", f"user:{SECRET}@localhost:1", f"http://u:{SECRET}@:x",
                                   f"http://u:a/{SECRET}@host", f"socks5://u:{SECRET}@host:1"])  # fmt: skip
def test_a_proxy_s_password_is_shown_nowhere_however_it_is_written(value, server, monkeypatch):
    """Characters that should have been encoded make it no less a secret."""
    monkeypatch.setenv("https_proxy", value)
    report = check(server.url, timeout=3)
    assert not report.works or report.as_dict()["proxy"]["problem"]
    assert_harmless(report)


@pytest.mark.parametrize("value", [f"http://user:{SECRET}@host/ca.pem", f"user:{SECRET}@host/ca.pem",
                                   f"https://user:a/{SECRET}@host"])  # fmt: skip
@pytest.mark.parametrize("variable", ["CURL_CA_BUNDLE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "no_proxy"])
def test_a_password_in_any_other_variable_is_shown_nowhere(variable, value, server, ca_file, monkeypatch):
    """Neither where it is repeated, nor in the line of code that would go by it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
    monkeypatch.setenv(variable, value)
    report = check(server.url)
    assert report.works
    assert_harmless(report)


def test_markup_in_what_the_machine_is_set_up_to(server, monkeypatch):
    """A variable, a path, a proxy's exceptions: anything may hold anything."""
    ill = (SCRIPT + CONTROL).replace("\0", "")
    monkeypatch.setenv("SSL_CERT_FILE", ill)
    monkeypatch.setenv("PIP_CERT", f"https://user:{SECRET}@host/" + ill * 100)
    monkeypatch.setenv("https_proxy", "http://proxy.test")
    monkeypatch.setenv("no_proxy", f"localhost,{ill}")
    assert_harmless(check(server.url))


def test_names_that_are_not_text(cafile):
    """An organisation without letters, an empty name: shown as what they are."""
    ca = issue("\u0000\u0001", ca=True)
    assert ca.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert isinstance(ca.certificate, x509.Certificate)
    with serving(Server(issue("", ca).presenting(ca))) as running:
        assert_harmless(check(running.url, cafile))


# Settings files of other programs

_SIZE = 200_000
HOSTILE_SETTINGS = {
    "blanks in a section": "[" + " " * _SIZE + "x",
    "words in a section": "[" + " x" * _SIZE,
    "blanks before an entry": " " * _SIZE + "x",
    "blanks after a dash": "- " + " " * _SIZE + "x",
    "blanks within": "cert" + " " * _SIZE + "x",
    "blanks before a comment": "cert = x" + " " * _SIZE + "x",
    "nested arrays": "a = " + "[" * _SIZE,
    "nested tables": "a = " + "{a = " * _SIZE,
    "a name of many parts": ".".join("a" * _SIZE) + " = 1",
    "quotation marks": "cert = " + '"x' * _SIZE,
    "variables": "cert = " + "$HOME" * _SIZE,
    "null characters": "cert = ~\0x\nssl_verify: ~\0x\ncacert = \0",
    "escaped null characters": 'cert = "/x\\u0000"\n[a]\ncert = "~\\u0000"',
}


@pytest.mark.parametrize("text", HOSTILE_SETTINGS.values(), ids=HOSTILE_SETTINGS)
def test_a_settings_file_is_read_in_bounded_steps_whatever_is_in_it(text):
    """Of each program's form it is read or passed over; what took the square of the time would not come to an end."""
    for program, _, parse in check_settings._PROGRAMS:
        named = tuple(
            check_settings.Named(program, "/gone/file", *entry) for entry in check_settings._quietly(parse, text)
        )
        assert not any(setting.usable for setting in search.as_settings(named))


def test_of_many_entries_in_a_settings_file_the_first_are_told(machine):
    """Fifty of a file, and of a file its first mebibyte, are looked at."""
    machine.place("~/.condarc", "ssl_verify: /gone/corp.pem\n" * 1000)
    machine.place("~/.curlrc", "#" * (1 << 20) + "\ncacert = /gone/corp.pem\n")
    assert [named.program for named in check_settings.find()] == ["conda"] * 50


@pytest.mark.parametrize("value", [10**15, -1, 0.5, "text", None, b""])
def test_a_browser_s_database_holds_what_is_no_certificate(value, tmp_path):
    """A value of another type in the certificate's place, which SQLite takes, is passed over."""
    sqlite3 = pytest.importorskip("sqlite3")
    path = tmp_path / "cert9.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE nssPublic (a0, a3, a11, a81, a82, ace536358)")
        for row in ((b"\0\0\0\1", b"x", value, 1, 1, None), (None, None, None, 1, 1, b"\xce\x53\x43\x52")):
            database.execute("INSERT INTO nssPublic VALUES (?, ?, ?, ?, ?, ?)", row)
        database.commit()
    assert not any(entry.der for entry in key_stores.read_nss(str(path)))
