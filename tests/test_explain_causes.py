"""The one table of causes: what stands in it is so, and whatever explains a failure or documents one reads it."""

import ast
import asyncio
import ctypes
import io
import pathlib
import ssl
import sys
import time
import urllib.error
import urllib.request

import pytest
from bad_certificates import CASES
from failing import failure, failure_of
from issuing import inspector, issue, root
from material import public_bundle
from servers import ConnectProxy, Server, fetch, serving
from test_readme import LINES

from trusted_context import explain, trusted_context
from trusted_context.core.certificate import Certificate
from trusted_context.explanations import table
from trusted_context.explanations.failure import Cause, Failure
from trusted_context.sources import stores

_PACKAGE = pathlib.Path(table.__file__).parents[1]
_VERIFICATION = [name for name, case in CASES.items() if case.code]


# The table


def test_every_cause_stands_in_the_table_and_none_else():
    """Each name that the modules give a cause is a row, and each row is given by one of them."""
    constants = {
        node.value
        for path in _PACKAGE.rglob("*.py")
        if path.name != "table.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(table.KINDS) <= constants
    with pytest.raises(KeyError):
        Cause("unheard-of", "", "", "")


def test_the_words_of_the_table_are_openssls_own():
    """Each code has the words that this OpenSSL has for it (1.1.1's code 24 means something else today)."""
    import _ssl

    words_of = ctypes.CDLL(_ssl.__file__).X509_verify_cert_error_string
    words_of.argtypes, words_of.restype = [ctypes.c_long], ctypes.c_char_p
    newer = {"self-signed": "self signed", "unsuitable": "unsupported"}
    for code, words in table.WORDS.items():
        said = words_of(code).decode().lower()
        accepted = {words.lower(), *(words.lower().replace(new, old) for new, old in newer.items())}
        assert code == 24 or said in accepted, (code, said)


def test_no_code_and_no_reason_means_two_things():
    """A code, a native code and a reason stand in one row each."""
    kinds = table.KINDS.values()
    for column in ("openssl", "native", "reasons", "elsewhere"):
        values = [value for kind in kinds for value in getattr(kind, column)]
        assert len(values) == len(set(values))


@pytest.mark.parametrize("name", _VERIFICATION)
def test_advice_and_table_agree_on_what_a_ca_file_cures(name, bad):
    """What is said to do names a CA file or block where the table has a cure, and says that none cures it elsewhere."""
    explanation = explain(failure_of(bad[name]))
    cure = table.KINDS[explanation.cause].cure
    assert ("no CA file cures this" in explanation.next) <= (cure is None)
    advice = explanation.next.partition("as a last resort")[0]
    assert (cure is not None) == any(words in advice for words in ("trusted_context(", "ask IT for a CA certificate"))


@pytest.mark.parametrize("line", LINES)
def test_the_readmes_lines_are_known_to_the_table(line):
    """Each error line is of a row of the table."""
    words = line.rpartition(": ")[2]
    reason = line.partition("] ")[0].removeprefix("[SSL: ")
    said = table.said_in(line)
    name = table.of_code(said.code) if said else table.of_reason(reason)
    assert name in table.KINDS, words


def test_native_codes_come_with_and_without_a_sign():
    """Windows' are told by truststore as Python's ctypes gives them."""
    assert table.from_native(0x800B0109) == table.from_native(0x800B0109 - (1 << 32)) == 20
    assert table.from_native(-67819) == 9
    assert table.from_native(20) is None


@pytest.mark.parametrize(("days", "code"), [((1, 5), 9), ((-5, -1), 10), ((-5, 5), 10)])
def test_windows_one_code_for_both_ends_of_validity_is_told_by_the_dates(days, code):
    """CERT_E_EXPIRED is what has expired, or what is not yet valid."""

    def at(day):
        return time.strftime("%b %d %H:%M:%S %Y GMT", time.gmtime(time.time() + day * 86_400))

    certificate = Certificate(b"x", {"notBefore": at(days[0]), "notAfter": at(days[1])})
    assert Failure(0x800B0101, chain=(certificate,)).code == code
    assert explain_native(-67819, certificate) == "not-yet-valid"


def explain_native(code, certificate):
    from trusted_context.explanations.causes import of_verification

    return of_verification(Failure(code, chain=(certificate,))).name


# A newer root is no missing intermediate


def told(leaf, *cas):
    """What is said of a server that presents *leaf* in a block that trusts *cas*."""
    with serving(Server(leaf)) as server, trusted_context(b"".join(ca.pem for ca in cas)):
        return explain(failure(fetch, server.url))


@pytest.mark.parametrize(
    ("old", "new", "organisation"),
    [
        ("ACME Root CA 1", "ACME Root CA 2", "ACME"),
        ("ACME Root 2019", "ACME Root 2026", None),
        ("acme-DC01-CA", "acme-DC02-CA", None),
        ("Corp Global Root", "Corp Global Root G2", "Corp"),
        ("Corp Main Root", "Other Words Root", "Corp"),
    ],
)
def test_a_newer_root_is_told_from_an_unsent_intermediate(old, new, organisation):
    """A root is rightly not sent: the CA file is the old one; that it may be an intermediate is said as well."""
    leaf = issue("localhost", issue(new, ca=True, organisation=organisation), locates_issuer=True)
    explanation = told(leaf, issue(old, ca=True, organisation=organisation))
    assert explanation.cause == "new-root"
    assert f'"{new}" is a newer root CA' in explanation.likely
    assert "or it is an intermediate CA whose certificate the server forgot to send" in explanation.likely
    assert explanation.next.startswith(f'ask IT for the CA certificate "{new}", then trusted_context(["your-ca.crt", ')
    assert f'though it trusts "{old}"' in explanation.happened


def test_where_no_sign_decides_both_are_said():
    """The same organisation, and a name that tells nothing: a newer root, or an intermediate that was not sent."""
    leaf = issue("localhost", issue("ACME Web CA", ca=True, organisation="ACME"), locates_issuer=True)
    explanation = told(leaf, issue("ACME Root CA 1", ca=True, organisation="ACME"))
    assert explanation.cause == "unknown-issuer"
    assert explanation.likely.startswith('a newer root CA of the organisation that "ACME Root CA 1" belongs to; or an ')
    assert "intermediate CA of it, whose certificate the server forgot to send" in explanation.likely
    assert "whoever runs the server should send it" in explanation.next


@pytest.mark.parametrize("name", ["ACME Issuing CA 2", "ACME Intermediate Root CA", "ACME Sub-CA"])
def test_a_name_that_says_intermediate_is_one(name):
    """What calls itself issuing or intermediate was forgotten by the server."""
    explanation = told(
        issue("localhost", issue(name, ca=True, organisation="ACME")),
        issue("ACME Root CA 1", ca=True, organisation="ACME"),
    )
    assert explanation.cause == "missing-intermediate"


def test_what_is_sent_beside_the_chain_is_a_sign_of_a_chain_that_was_put_together_wrongly():
    """A server that sends an intermediate CA, but another one than signed its certificate."""
    leaf = issue("localhost", issue("ACME Web CA", ca=True, organisation="ACME")).presenting(issue("Old", ca=True))
    assert told(leaf, issue("ACME Root CA 1", ca=True, organisation="ACME")).cause == "missing-intermediate"


def test_a_public_ca_signs_no_server_by_its_root():
    """Beside a bundle of public CAs an issuer of the same organisation that says where it can be had is unsent."""
    public = trusted_context(public_bundle())
    above = issue("Made Up TLS CA 1", ca=True, organisation="DigiCert Inc")
    with serving(Server(issue("localhost", above, locates_issuer=True))) as server, public:
        explanation = explain(failure(fetch, server.url))
    assert explanation.cause == "missing-intermediate"
    assert "browsers fetch or remember it" in explanation.likely or "DigiCert" in explanation.likely


def test_an_unsent_root_above_a_sent_intermediate_is_unknown():
    """The intermediate was sent: what is missing above it is a root, also where that says where it can be had."""
    above = issue("Elsewhere Main", ca=True)
    middle = issue("Elsewhere Below", above, ca=True, locates_issuer=True)
    assert told(issue("localhost", middle).presenting(middle), root()).cause == "unknown-issuer"


def test_what_calls_itself_a_root_was_not_forgotten():
    """A private root that says where it can be had is rightly not sent, though its organisation is unknown."""
    leaf = issue("localhost", issue("Elsewhere Root", ca=True), locates_issuer=True)
    assert told(leaf, root()).cause == "unknown-issuer"


def test_an_issuer_that_the_systems_store_knows_was_not_forgotten(monkeypatch, tmp_path):
    """Where this machine's store has the CA, that is the cure, and nobody is to be told to send it."""
    above = issue("R9", ca=True)
    store = tmp_path / "system.pem"
    store.write_bytes(above.pem)
    monkeypatch.setattr(stores, "SYSTEM_FILES", (str(store),))
    monkeypatch.setattr(stores, "compiled_in", lambda: ("", ""))
    explanation = told(issue("localhost", above, locates_issuer=True), root())
    assert explanation.cause == "unknown-issuer"
    assert explanation.next.startswith("trusted_context(system=True): the operating system's store has a CA of that")


def test_an_unknown_issuer_may_be_an_intermediate_that_was_not_sent():
    """Where a block trusts a root, that is among the likely ones."""
    explanation = told(issue("localhost", issue("Elsewhere", ca=True)), root())
    assert explanation.cause == "unknown-issuer"
    assert "the server may have forgotten to send an intermediate CA's certificate" in explanation.likely


def test_an_inspecting_product_is_none_of_these():
    """The CA of a known product is neither a newer root nor forgotten, though a CA of that maker is trusted."""
    old = inspector("Zscaler Root CA 1")
    assert told(issue("localhost", inspector("Zscaler Root CA 2")), old).cause == "inspected"


# The words of other TLS libraries

_SAID = {
    "invalid peer certificate: UnknownIssuer": "unknown-issuer",
    "invalid peer certificate: Expired": "expired",
    "invalid peer certificate: certificate expired: verification time 2 (UNIX), but it is not valid after 1":
        "expired",
    "invalid peer certificate: certificate not valid yet: verification time 1 (UNIX), but it is valid after 2":
        "not-yet-valid",
    "invalid peer certificate: NotValidYet": "not-yet-valid",
    "invalid peer certificate: NotValidForName": "wrong-host",
    'invalid peer certificate: certificate not valid for name "x.test"; certificate is only valid for DnsName("y")':
        "wrong-host",
    "invalid peer certificate: Revoked": "revoked",
    "invalid peer certificate: something new": "unverified",
    "x509: certificate signed by unknown authority": "unknown-issuer",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority": "unknown-issuer",
    "x509: certificate has expired or is not yet valid: current time 2026-11-26T00:00:00Z is after 2020-01-01":
        "expired",
    "x509: certificate has expired or is not yet valid: current time 2019-01-01T00:00:00Z is before 2020-01-01":
        "not-yet-valid",
    "x509: certificate is valid for y.test, not x.test": "wrong-host",
    "x509: certificate relies on legacy Common Name field, use SANs instead": "wrong-host",
    "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs": "wrong-address",
    "SSL certificate problem: unable to get local issuer certificate": "unknown-issuer",
    "SSL certificate problem: self signed certificate in certificate chain": "unknown-root",
    "SSL certificate OpenSSL verify result: self-signed certificate (18)": "self-signed",
    "curl: (60) SSL: no alternative certificate subject name matches target host name 'x.test'": "wrong-host",
    "curlCode: 60, SSL peer certificate or SSH remote key was not OK": "unverified",
    "SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired":
        "expired",
    "error:0A000086:SSL routines::certificate verify failed:s.c:1889: (unable to get local issuer certificate)":
        "unknown-issuer",
}  # fmt: skip


@pytest.mark.parametrize("text", _SAID)
def test_the_words_of_rustls_go_and_curl_are_read_as_what_they_are(text):
    """Each has the cause that OpenSSL's words for it have, wherever it stands in a message."""
    explanation = explain(RuntimeError(f"Error performing GET https://h.test/x: {text}"))
    assert explanation.cause == _SAID[text]
    assert explanation.host == ("x.test" if "x.test" in text else "h.test")


@pytest.mark.parametrize(
    "text",
    [
        "Environment may be offline.",
        "error sending request for url (https://127.0.0.1:1/x)",
        "the x509: module is not installed",
        "SSL: the manual says how",
        "certificate signed by unknown authority",
        "407 is the number of the row",
        "self-signed certificate",
        "your login timed out of range",
    ],
)
@pytest.mark.parametrize("kind", [ConnectionError, RuntimeError, OSError, ConnectionResetError, TimeoutError])
def test_no_cause_is_invented(kind, text):
    """What says nothing of a failed connection is not explained, whatever its type is called."""
    assert explain(kind(text)) is None


def test_programs_raise_connection_errors_of_their_own():
    """Outside an HTTP client's error what counts is the system's number, or the words of Python's sockets."""
    assert explain(ConnectionResetError(104, "Connection reset by peer")).cause == "cut-off"
    assert explain(TimeoutError("The read operation timed out")).cause == "timed-out"
    assert explain(TimeoutError("a queue's")) is None
    error = ConnectionError("Environment may be offline.")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert explain(error).cause == "refused"
    error.__cause__ = urllib.error.HTTPError("https://x.test/", 404, "Not Found", None, io.BytesIO())
    assert explain(error) is None
    error.__cause__.close()


@pytest.mark.parametrize("name", ["urllib", "aiohttp"])
def test_a_407_is_known_by_a_clients_status_as_well(name, bad):
    """urllib's answer to a plain request and aiohttp's to a CONNECT have the status as an attribute."""
    with serving(ConnectProxy("user:right")) as proxy:
        error = _refused_by(proxy.url, bad["sound"].url) if name == "aiohttp" else _answered_407()
    assert explain(error).cause == "proxy-authentication"
    with pytest.raises(type(error)), trusted_context(bad["sound"].cafile):
        raise error
    assert error.__notes__ == [str(explain(error))]
    other = OSError("a program's own")
    other.code = other.status = 407
    assert explain(other) is None


def _refused_by(proxy, url):
    aiohttp = pytest.importorskip("aiohttp")

    async def get():
        async with aiohttp.ClientSession() as session, session.get(url, proxy=proxy) as response:
            await response.read()

    return failure(asyncio.run, get())


def _answered_407():
    def answer(handler):
        handler.send_response(407, "Not Yet")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with serving(Server()) as server:
        server.files["/"] = answer
        error = failure(urllib.request.urlopen, server.url, timeout=5)
    error.close()
    return error


# The host is that of the error nearest to the failure


def test_the_host_is_never_that_of_an_outer_errors_attribute(bad):
    """An outer error that keeps a client's request for another host does not name the failure's."""
    requests = pytest.importorskip("requests")
    inner = ssl.SSLCertVerificationError(1, "certificate verify failed")
    outer = RuntimeError("the mirror failed too")
    outer.request, outer.__cause__ = requests.Request("GET", "https://mirror.test/"), inner
    assert explain(outer).host is None
    client = requests.ConnectionError(inner, request=requests.Request("GET", "https://asked.test/"))
    outer.__cause__ = client
    assert explain(outer).host == "asked.test"


def test_an_error_raised_while_another_was_handled_does_not_name_its_host():
    """The request for a mirror that failed after the first host did is not the first one's."""
    requests = pytest.importorskip("requests")
    later = requests.ConnectionError("no mirror", request=requests.Request("GET", "https://mirror.test/"))
    later.__context__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert explain(later).host is None


def test_the_nearest_of_two_clients_errors_names_the_host():
    """Of wrapped errors of clients the inner one is what asked."""
    requests = pytest.importorskip("requests")
    urllib3 = pytest.importorskip("urllib3")
    pool = urllib3.HTTPSConnectionPool("near.test")
    near = urllib3.exceptions.MaxRetryError(pool, "/", ssl.SSLCertVerificationError(1, "certificate verify failed"))
    far = requests.exceptions.SSLError(near, request=requests.Request("GET", "https://far.test/"))
    assert explain(far).host == "near.test"


def test_a_handshake_that_failed_for_another_reason_keeps_its_host(bad):
    """What is no verification has the name too that the block's own socket was asked for, also without a traceback."""
    error = failure_of(bad["plain-http"])
    while error is not None:
        error, kept = getattr(error, "reason", None), error
        if isinstance(kept, ssl.SSLError):
            break
    kept.__traceback__ = kept.__context__ = None
    explanation = explain(kept)
    assert (explanation.cause, explanation.host) == ("not-tls", "localhost")


def test_what_knows_how_a_handshake_failed_does_not_know_the_blocks():
    """The module that keeps what was presented imports nothing that knows which blocks are live."""
    tree = ast.parse((_PACKAGE / "core" / "handshake.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert "live" not in imported
    assert "trusted_context.core.live" in sys.modules
