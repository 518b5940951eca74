"""explain(): each failure made to happen for real, told apart, and put into words that cure it."""

import asyncio
import concurrent.futures
import pickle
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
import urllib3
from bad_certificates import CASES, inspector, intermediate, root, stranger
from servers import BODY, ConnectProxy, fails, fetch, serving

import trusted_context as package
from trusted_context import Explanation, _anchors, _stores, explain, trusted_context

_FAILING = [name for name, case in CASES.items() if case.cause]
_SOUND = [name for name, case in CASES.items() if not case.cause]
_VERIFICATION = [name for name, case in CASES.items() if case.code]


def by_urllib(url, _block):
    return fetch(url)


def by_urllib3(url, _block):
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("GET", url, timeout=5).data


def by_urllib3_with_retries(url, _block):
    with urllib3.PoolManager() as pool:
        return pool.request("GET", url, timeout=5, retries=1).data


def by_requests(url, _block):
    requests = pytest.importorskip("requests")
    return requests.get(url, timeout=5).content


def by_httpx(url, block):
    httpx = pytest.importorskip("httpx")
    return httpx.get(url, timeout=5, verify=block.ssl_context()).content


def by_async_httpx(url, block):
    httpx = pytest.importorskip("httpx")

    async def get():
        async with httpx.AsyncClient(verify=block.ssl_context(), timeout=5) as client:
            return (await client.get(url)).content

    return asyncio.run(get())


def by_aiohttp(url, block):
    aiohttp = pytest.importorskip("aiohttp")

    async def get():
        async with aiohttp.ClientSession() as session, session.get(url, ssl=block.ssl_context()) as response:
            return await response.read()

    return asyncio.run(get())


def by_asyncio(url, block):
    async def get():
        host, _, port = url.removeprefix("https://").rstrip("/").partition(":")
        await asyncio.open_connection(host, int(port), ssl=block.ssl_context())

    return asyncio.run(get())


_CLIENTS = [
    by_urllib,
    by_urllib3,
    by_urllib3_with_retries,
    by_requests,
    by_httpx,
    by_async_httpx,
    by_aiohttp,
    by_asyncio,
]


def failure(call, *args, **kwargs):
    """What the call raises."""
    with pytest.raises(Exception) as caught:  # whatever the client makes of it
        call(*args, **kwargs)
    return caught.value


def failure_of(port, call=None, timeout=5):
    """What a download from *port* raises in a block that trusts what the case does."""
    if call is None:
        call = by_urllib3 if port.case.by_common_name else lambda url, _: urllib.request.urlopen(url, timeout=timeout)
    with trusted_context(port.cafile, strict=port.case.strict) as block:
        return failure(call, port.url, block)


# Told apart


@pytest.mark.parametrize("name", _FAILING)
def test_each_failure_is_told_apart(name, bad):
    """Every case has its own cause, OpenSSL's code where there is one, and names the host where it can be known."""
    port = bad[name]
    error = failure_of(port, timeout=0.3 if name == "stalled" else 5)
    explanation = explain(error)
    assert explanation.cause == port.case.cause
    if port.case.code:
        assert fails(_raise, error).verify_code == port.case.code
        assert explanation.host == port.case.host
        assert explanation.happened.startswith(f"{port.case.host}: ")
        assert explanation.presented
        assert str(port.cafile) in explanation.trusted
    assert explanation.likely
    assert explanation.next


def _raise(error):
    raise error


@pytest.mark.parametrize("name", _SOUND)
def test_what_is_sound_is_trusted(name, bad):
    """The cases that only look odd succeed, so that the others fail for the reason they are named after."""
    port = bad[name]
    with trusted_context(port.cafile):
        assert fetch(port.url) == BODY


def test_insecure_is_never_the_first_advice_and_then_for_that_host_alone(bad):
    """It stands last, where no CA file helps, and names the one host."""
    offered = 0
    for name in _FAILING:
        explanation = explain(failure_of(bad[name], timeout=0.3))
        before, found, after = explanation.next.partition("insecure")
        offered += bool(found)
        assert "insecure=True" not in str(explanation)
        assert "insecure" not in explanation.happened + explanation.likely
        if found:
            assert before.strip()
            assert after == '={"localhost"})'
    assert offered >= 3


@pytest.mark.parametrize("call", _CLIENTS)
@pytest.mark.parametrize("name", ["known-interception", "expired", "wrong-host", "issuer-not-a-ca"])
def test_each_client_wraps_it_in_its_own_way(name, call, bad):
    """The failure, its host and its chain are found in whatever a client raises, blocking or asynchronous."""
    port = bad[name]
    explanation = explain(failure_of(port, call))
    assert (explanation.cause, explanation.host) == (port.case.cause, port.case.host)
    assert "localhost" in explanation.presented or "elsewhere" in explanation.presented


@pytest.mark.parametrize("call", _CLIENTS[:-1])
@pytest.mark.parametrize("name", ["plain-http", "tls-v1-0", "null-cipher", "reset", "legacy-renegotiation"])
def test_each_client_wraps_what_is_no_verification(name, call, bad):
    """What failed before there was a certificate is told by every client's error."""
    port = bad[name]
    assert explain(failure_of(port, call)).cause == port.case.cause


# The words


def test_the_words_of_an_inspecting_product(bad):
    """Host, issuer, chain with the root's fingerprint, what was trusted, the product, and the line that cures it."""
    port = bad["known-interception"]
    fingerprint = ":".join(f"{byte:02X}" for byte in inspector().certificate.fingerprint(_sha256()))
    assert str(explain(failure_of(port))).splitlines() == [
        'localhost: its certificate is signed by "Zscaler Root CA", which this block does not trust',
        f"  presented  localhost \N{LEFTWARDS ARROW} Zscaler Root CA (sha256 {fingerprint})",
        f'  trusted    cafile={port.cafile}: 1 CA ("Corp Root")',
        "  likely     a TLS-inspecting product, Zscaler by the issuer's name, answers in the server's place",
        (
            '  next       ask IT for the CA certificate "Zscaler Root CA" with the sha256 presented, then '
            'trusted_context("that-ca.crt")'
        ),
    ]


def _sha256():
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("not-yet-valid", ["this machine's date is 20", "clock is wrong"]),
        ("expired", ["expired on 20", "this machine's date is 20"]),
        ("expired-root", ['the trusted CA "Corp Root 2019" expired', '("Corp Root 2019", expired 20']),
        ("wrong-host", ["valid for a.test, b.test, not for this host", "captive portal"]),
        ("1000-sans", ["host-0.test, host-1.test, host-2.test and 997 more"]),
        ("incomplete-chain", ['"Corp Issuing CA" was not sent', "Corp Issuing CA (not sent)"]),
        ("incomplete-public-chain", ['"R9" was not sent', 'trusted_context("intermediate.crt", system=True)']),
        ("same-name-other-key", ['a CA named "Corp Root"', "the CA file is the old one"]),
        ("no-authority-key", ["Missing Authority Key Identifier", "Python 3.13", "leave out strict=True", "; strict"]),
        ("basic-constraints", ["Basic Constraints of CA cert not marked critical", "leave out strict=True"]),
        ("common-name-only", ["only a common name", "subjectAltName"]),
        ("small-key", ["too weak", "2048"]),
        ("wrong-address", ["127.0.0.1: its certificate is valid for localhost", "the server's name in the URL"]),
    ],
)
def test_the_words_say_what_a_person_must_know(name, words, bad):
    """Dates, names and settings that decide the cure stand in the text."""
    text = str(explain(failure_of(bad[name])))
    assert [word for word in words if word not in text] == []


def test_the_variable_that_won_is_named(bad, monkeypatch):
    """Trust that came from the environment is said to, with the variable's name."""
    port = bad["unknown-issuer"]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(port.cafile))
    with trusted_context():
        explanation = explain(failure(fetch, port.url))
    assert explanation.trusted.startswith(f"the environment variable REQUESTS_CA_BUNDLE={port.cafile}: 1 CA")


def test_system_is_offered_where_the_systems_store_has_the_root(bad, monkeypatch, tmp_path):
    """A root, or an issuer, that this machine's store holds is cured by system=True; one of the same name is not."""
    store = tmp_path / "system.pem"
    store.write_bytes(stranger().pem + b"\n" + root().pem)
    monkeypatch.setattr(_stores, "_SYSTEM_FILES", (str(store),))
    monkeypatch.setattr(_stores, "_compiled_in", lambda: ("", ""))
    for name in ("untrusted-root", "unknown-issuer"):
        assert explain(failure_of(bad[name])).next.startswith("trusted_context(system=True): the operating system's")
    for name in ("known-interception", "same-name-other-key-sent"):
        assert "system=True" not in explain(failure_of(bad[name])).next
    with trusted_context(system=True):
        assert fetch(bad["untrusted-root"].url) == BODY


def test_certifi_is_offered_where_it_has_the_root(bad, monkeypatch, tmp_path):
    """Where certifi's bundle has what the system lacks, it is what to pass."""
    import certifi

    store = tmp_path / "certifi.pem"
    store.write_bytes(stranger().pem)
    monkeypatch.setattr(certifi, "where", lambda: str(store))
    assert "trusted_context(certifi.where())" in explain(failure_of(bad["untrusted-root"])).next


def test_system_is_a_guess_where_the_operating_system_verifies(bad, monkeypatch):
    """On Windows and macOS (told here by the platform's flag alone) its store cannot be looked into: it is offered."""
    monkeypatch.setattr(_stores, "VERIFIES_NATIVELY", True)
    assert explain(failure_of(bad["known-interception"])).next.startswith(
        "trusted_context(system=True) where a browser"
    )


def test_native_verification_keeps_the_chain_too(bad, monkeypatch):
    """truststore's own contexts (here on Linux, told by the platform's flag) keep what was presented."""
    monkeypatch.setattr(_stores, "VERIFIES_NATIVELY", True)
    port = bad["known-interception"]
    with trusted_context(system=True) as block:
        for call in (by_urllib, by_asyncio):
            explanation = explain(failure(call, port.url, block))
            assert explanation.cause == "inspected"
            assert "Zscaler Root CA (sha256" in explanation.presented
            assert explanation.trusted.startswith("the operating system's store")


@pytest.mark.parametrize("code", [0x800B0109, -2146762487, -67843])
def test_what_a_native_verifier_refuses_after_the_handshake_is_explained(code, bad, monkeypatch):
    """A refusal by Windows or macOS (another system, so played by a verifier of ours) comes with chain and cause."""
    import truststore

    def refuse(*_args, **_kwargs):
        error = ssl.SSLCertVerificationError("the system's own words")
        error.verify_code, error.verify_message = code, "the system's own words"
        raise error

    monkeypatch.setattr(_stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setattr(sys.modules[truststore.SSLContext.__init__.__module__], "_verify_peercerts_impl", refuse)
    monkeypatch.setenv("SSL_CERT_FILE", str(bad["sound"].cafile))  # truststore's store on Linux
    port = bad["sound"]
    with trusted_context(system=True) as block:
        for call in (by_urllib, by_asyncio):
            explanation = explain(failure(call, port.url, block))
            assert explanation.cause == "unknown-issuer"
            assert "Corp Root (not sent)" in explanation.presented


def test_an_intermediate_as_anchor_in_a_context_of_ones_own(bad, tmp_path):
    """OpenSSL alone wants a root at the end: told apart, and said that the block accepts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=intermediate().pem.decode())
    error = failure(fetch, bad["incomplete-chain"].url, context=context)
    assert fails(_raise, error).verify_code == 2
    explanation = explain(error)
    assert explanation.cause == "anchor-is-intermediate"
    assert "trusted_context(" in explanation.next
    file = tmp_path / "intermediate.pem"
    file.write_bytes(intermediate().pem)
    with trusted_context(file):
        assert fetch(bad["incomplete-chain"].url) == BODY


def test_a_context_of_the_callers_own_is_said_to_be(bad):
    """Where the failing context was not the block's, the explanation says so and does not blame the block."""
    context = ssl.create_default_context()
    with trusted_context(bad["untrusted-root"].cafile):
        explanation = explain(failure(fetch, bad["untrusted-root"].url, context=context))
    assert explanation.cause == "unknown-root"
    assert "the caller's own" in explanation.trusted
    assert "this block" not in explanation.happened


# Proxies, names and ports


def test_a_proxys_407_is_told_from_tls(bad, monkeypatch):
    """A missing password is no matter of certificates, and no password stands in the words."""
    proxy = ConnectProxy("user:right")
    monkeypatch.setenv("no_proxy", "")
    with serving(proxy):
        monkeypatch.setenv("https_proxy", f"http://user:S3CRET@localhost:{proxy.server_address[1]}")
        for call in (by_urllib, by_requests, by_httpx):
            explanation = explain(failure_of(bad["sound"], call))
            assert explanation.cause == "proxy-authentication"
            assert "S3CRET" not in str(explanation)
            assert "percent-encoded" in explanation.next


def test_an_https_proxy_address_for_a_plain_proxy_is_told(bad, monkeypatch):
    """requests speaks TLS to a proxy named with https://; where that does not, the variable is to blame."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", f"https://user:S3CRET@localhost:{bad['plain-http'].number}")
    explanation = explain(failure_of(bad["sound"], by_requests))
    assert explanation.cause == "proxy-not-tls"
    assert "https_proxy" in explanation.next
    assert "S3CRET" not in str(explanation)


@pytest.mark.parametrize("call", [by_urllib, by_urllib3, by_requests, by_httpx, by_aiohttp])
def test_a_refused_connection_and_an_unknown_name(call, ca_file):
    """Neither has to do with certificates."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with trusted_context(ca_file) as block:
        assert explain(failure(call, f"https://127.0.0.1:{port}/", block)).cause == "refused"
        assert explain(failure(call, "https://no-such-host.invalid/", block)).cause == "dns"


def test_a_refused_downgrade_is_explained_by_the_first_failure(bad, plain_server):
    """The refusal carries what failed first, which is what there is to cure; without TLS in it, it is named itself."""
    port = bad["expired"]
    with trusted_context(port.cafile):
        failure(fetch, port.url)
        error = failure(fetch, port.url.replace("https:", "http:"))
    assert explain(error).cause == "expired"
    alone = urllib.error.URLError("refused to fetch from x.test over plain http what failed")
    assert explain(alone).cause == "refused-downgrade"


# Wherever it is


def test_it_is_found_wherever_an_exception_keeps_another(bad):
    """As cause, as context, suppressed, as an argument, as an attribute, in groups, and in loops of these."""
    error = failure_of(bad["expired"])
    wrapped = [RuntimeError("x") for _ in range(6)]
    wrapped[0].__cause__ = error
    wrapped[1].__context__ = error
    wrapped[2].__context__, wrapped[2].__suppress_context__ = error, True
    wrapped[3].args = ("x", error)
    wrapped[4].kept = error
    wrapped[5] = ExceptionGroup("x", [KeyError(1), ExceptionGroup("y", [wrapped[0]])])
    for one in wrapped:
        assert explain(one).cause == "expired"
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__context__, second.__context__ = second, first
    assert explain(first) is None
    second.__cause__ = error
    assert explain(first).cause == "expired"


def test_a_long_chain_and_a_wide_group_are_walked_in_bounded_time(bad):
    """Only so many exceptions are looked at."""
    first = last = RuntimeError("x")
    for _ in range(10_000):
        last.__cause__ = RuntimeError("x")
        last = last.__cause__
    last.__cause__ = failure_of(bad["expired"])
    assert explain(first) is None
    assert explain(ExceptionGroup("x", [KeyError(1)] * 10_000)) is None


def test_the_text_alone_is_enough(bad):
    """torchvision's MNIST keeps the text of what it caught: the cause, host and chain are known all the same."""
    port = bad["known-interception"]
    text = f"Error downloading x.gz:\nTried {port.url}, got:\n{failure_of(port)}\n"
    explanation = explain(RuntimeError(text))
    assert (explanation.cause, explanation.host) == ("inspected", "localhost")
    assert "Zscaler" in explanation.presented


@pytest.mark.parametrize("name", _VERIFICATION)
def test_openssls_words_alone_give_the_code(name, bad):
    """In a text from another process nothing but the words is left, and the cause is still one of its code."""
    error = fails(_raise, failure_of(bad[name]))
    text = str(error).replace("(_ssl.c:", "(elsewhere.c:")
    explanation = explain(RuntimeError(f"a worker said: {text}"))
    kinds = {19: {"unknown-root"}, 20: {"unknown-issuer"}, 7: {"unverified"}, 10: {"expired"}, 62: {"wrong-host"}}
    assert explanation.cause in kinds.get(error.verify_code, {bad[name].case.cause})
    assert explanation.presented == ""
    assert explanation.trusted == ""


def test_the_words_of_older_versions_are_known():
    """OpenSSL 1.1.1 wrote some of them otherwise."""
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
    assert explain(OSError(f"{said}self signed certificate in certificate chain (_ssl.c:1131)")).cause == "unknown-root"
    assert explain(OSError(f"{said}unsupported certificate purpose (_ssl.c:1131)")).cause == "wrong-purpose"


def test_what_is_no_failure_to_connect_has_no_explanation():
    """Other errors, also an unrelated OSError, give None; what is no exception is a TypeError."""
    for error in (KeyError("x"), FileNotFoundError(2, "x"), ValueError("certificate"), KeyboardInterrupt()):
        assert explain(error) is None
    with pytest.raises(TypeError, match="not str"):
        explain("CERTIFICATE_VERIFY_FAILED")


def test_it_survives_the_way_back_from_a_worker_process(bad):
    """A pickled error still has its chain."""
    error = pickle.loads(pickle.dumps(fails(_raise, failure_of(bad["known-interception"]))))
    explanation = explain(error)
    assert explanation.cause == "inspected"
    assert "Zscaler Root CA" in explanation.presented


def test_threads_explain_at_the_same_time(bad):
    """Sixteen threads fail and explain at once, each its own failure."""
    names = ["expired", "self-signed", "wrong-host", "untrusted-root"] * 4
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        causes = list(pool.map(lambda name: explain(failure_of(bad[name])).cause, names))
    assert causes == [CASES[name].cause for name in names]


def test_explaining_opens_no_connection(bad):
    """Nothing is asked of the server again, and it was sent no application data."""
    port = bad["unknown-issuer"]
    error = failure_of(port)
    before = port.accepted, port.received
    for _ in range(3):
        str(explain(error))
    assert (port.accepted, port.received) == before
    assert port.received == 0


def test_an_unusable_store_does_not_stand_in_the_way(bad, monkeypatch):
    """What cannot be looked into is not offered, and the rest is said."""

    def broken():
        raise OSError("no store")

    monkeypatch.setattr(_stores, "_system", broken)
    monkeypatch.setattr(_stores, "_from_certifi", broken)
    explanation = explain(failure_of(bad["unknown-issuer"]))
    assert explanation.cause == "unknown-issuer"
    assert not _anchors.system_may_know(None)


def test_the_public_names_come_when_they_are_asked_for():
    """``explain`` and ``Explanation`` are listed, and imported at their first use only."""
    code = (
        "import sys, trusted_context as package\n"
        "assert {'explain', 'Explanation'} <= set(dir(package)) & set(package.__all__)\n"
        "assert not any('_explain' in name for name in sys.modules)\n"
        "from trusted_context import *\n"
        "print(explain(KeyError(1)), package.explain is explain, Explanation.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.split() == ["None", "True", "trusted_context"]
    assert package.Explanation is Explanation
    with pytest.raises(AttributeError, match="no attribute 'explanation'"):
        package.explanation  # noqa: B018
