"""The words of an explanation: what a person must know, and the line that cures it."""

import ssl
import sys

import pytest
from failing import by_asyncio, by_urllib, failure, failure_of
from issuing import inspector, intermediate, issue, root, stranger
from material import public_bundle
from servers import BODY, Server, fetch, serving, verify_failure

from trusted_context import explain, trusted_context
from trusted_context.core.certificate import Certificate
from trusted_context.core.trust import Trust
from trusted_context.explanations import anchors
from trusted_context.explanations.products import product_of
from trusted_context.sources import bundles, stores


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
        "  more       trusted-context docs: errors/inspected",
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
    monkeypatch.setattr(stores, "SYSTEM_FILES", (str(store),))
    monkeypatch.setattr(stores, "compiled_in", lambda: ("", ""))
    for name in ("untrusted-root", "unknown-issuer"):
        assert explain(failure_of(bad[name])).next.startswith("trusted_context(system=True): the operating system's")
    for name in ("known-interception", "same-name-other-key-sent"):
        assert "system=True" not in explain(failure_of(bad[name])).next
    assert "has this CA; where other hosts need your own, " in explain(failure_of(bad["untrusted-root"])).next
    assert "has a CA of that name; " in explain(failure_of(bad["unknown-issuer"])).next  # more is not known
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
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    assert explain(failure_of(bad["known-interception"])).next.startswith(
        "trusted_context(system=True) where a browser"
    )


def test_native_verification_keeps_the_chain_too(bad, monkeypatch):
    """truststore's own contexts (here on Linux, told by the platform's flag) keep what was presented."""
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    port = bad["known-interception"]
    with trusted_context(system=True):
        for call in (by_urllib, by_asyncio):
            explanation = explain(failure(call, port.url))
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

    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setattr(sys.modules[truststore.SSLContext.__init__.__module__], "_verify_peercerts_impl", refuse)
    monkeypatch.setenv("SSL_CERT_FILE", str(bad["sound"].cafile))  # truststore's store on Linux
    port = bad["sound"]
    with trusted_context(system=True):
        for call in (by_urllib, by_asyncio):
            explanation = explain(failure(call, port.url))
            assert explanation.cause == "unknown-issuer"
            assert "Corp Root (not sent)" in explanation.presented


def test_an_intermediate_as_anchor_in_a_context_of_ones_own(bad, tmp_path):
    """OpenSSL alone wants a root at the end: told apart, and said that the block accepts it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=intermediate().pem.decode())
    error = failure(fetch, bad["incomplete-chain"].url, context=context)
    assert verify_failure(error).verify_code == 2
    explanation = explain(error)
    assert explanation.cause == "anchor-is-intermediate"
    assert "trusted_context(" in explanation.next
    file = tmp_path / "intermediate.pem"
    file.write_bytes(intermediate().pem)
    with trusted_context(file):
        assert fetch(bad["incomplete-chain"].url) == BODY


def test_a_context_of_the_callers_own_is_said_to_be(bad):
    """Where the failing context was not the block's, the explanation says so and does not blame the block."""
    context = ssl.create_default_context(cafile=bad["sound"].cafile)
    with trusted_context(bad["untrusted-root"].cafile):
        explanation = explain(failure(fetch, bad["untrusted-root"].url, context=context))
    assert explanation.cause == "not-covered"
    assert "the caller's own" in explanation.trusted
    assert explanation.happened.startswith("localhost: urllib does not follow this block")


_PRODUCTS = {
    "Zscaler": ["Zscaler Root CA", "Zscaler Intermediate Root CA (zscalertwo.net)"],
    "Netskope": ["ca.acme.goskope.com", "Netskope Certificate Authority"],
    "Palo Alto Networks": ["Palo Alto Networks Inc Root CA", "PaloAlto Decryption CA"],
    "Fortinet FortiGate": ["FortiGate CA", "FGT60E4Q16000000", "Fortinet_CA_SSL"],
    "Cisco Umbrella": ["Cisco Umbrella Root CA"],
    "Cisco Secure Access": ["Cisco Secure Access Root CA"],
    "Symantec Blue Coat": ["Blue Coat SG510 Series", "Symantec Web Security Service"],
    "Forcepoint": ["Forcepoint Cloud CA", "Websense Public Primary Certificate Authority"],
    "Check Point": ["Check Point Gateway CA"],
    "Sophos": ["Sophos SSL CA_C01001", "Sophos_CA_x"],
    "Skyhigh (McAfee, Trellix)": ["McAfee Web Gateway", "Skyhigh Security CA", "Trellix CA"],
    "Barracuda": ["Barracuda Web Filter CA"],
    "WatchGuard": ["Fireware HTTPS Proxy CA"],
    "SonicWall": ["SonicWALL Firewall DPI-SSL"],
    "iboss": ["iboss Root CA"],
    "Menlo Security": ["Menlo Security Intermediate CA"],
    "Cato Networks": ["Cato Networks CA"],
    "Cloudflare Gateway": ["Gateway CA - Cloudflare Managed G1 0123", "Cloudflare for Teams ECC CA"],
    "ContentKeeper": ["ContentKeeper Appliance CA"],
    "Lightspeed": ["Lightspeed Rocket CA"],
    "Securly": ["*.securly.com", "Securly CA"],
    "Untangle": ["Untangle Root"],
    "Squid": ["squid proxy CA"],
    "Kaspersky": ["Kaspersky Anti-Virus Personal Root Certificate"],
    "ESET": ["ESET SSL Filter CA"],
    "Avast": ["Avast Web/Mail Shield Root"],
    "AVG": ["AVG Web/Mail Shield Root"],
    "Bitdefender": ["Bitdefender Personal CA.Net-Defender"],
    "Norton": ["Norton Web/Mail Shield Root"],
    "Dr.Web": ["Dr.Web for Windows root"],
    "mitmproxy": ["mitmproxy"],
    "Charles": ["Charles Proxy CA (1 Jan 2026, laptop)"],
    "Fiddler": ["DO_NOT_TRUST_FiddlerRoot"],
    "Burp Suite": ["PortSwigger CA"],
    "ZAP": ["OWASP Zed Attack Proxy Root CA", "ZAP Root CA"],
}


def test_only_hosts_and_addresses_are_what_a_certificate_is_valid_for():
    """Mail addresses, URIs and names of folders are no hosts (RFC 9525, 6.3)."""
    others = (("email", "a@b.c"), ("URI", "https://x.test/"), ("DirName", ((("commonName", "x"),),)))
    info = {"subjectAltName": (*others, ("DNS", "x.test"), ("IP Address", "::1"))}
    assert Certificate(b"", info).names == ("x.test", "::1")


def test_products_are_known_by_the_names_of_their_cas():
    """The names that makers give to their CAs are recognised, and no public root's is."""
    for product, names in _PRODUCTS.items():
        for name in names:
            info = {"subject": ((("commonName", "x"),),), "issuer": ((("commonName", name),),)}
            assert product_of([Certificate(b"", info)]) == product, name
    public = anchors.of_trust(Trust(bundles.read([public_bundle()]).certificates))
    assert len(public) > 100
    assert [root.subject for root in public if product_of([root])] == []
    hewlett = {"subject": (), "issuer": ((("localityName", "Palo Alto"),), (("commonName", "HP CA"),))}
    assert product_of([Certificate(b"", hewlett)]) is None


def test_the_product_is_known_by_the_issuer_and_not_by_the_server(tmp_path):
    """A maker's own web site is not taken for its product, nor what is sent beside the chain for its issuer."""
    file = tmp_path / "ca.pem"
    file.write_bytes(root().pem)
    ca = issue("Some CA", ca=True)
    for leaf, cause in (
        (issue("www.zscaler.com", ca).presenting(ca), "unknown-root"),
        (issue("localhost", inspector()).presenting(inspector()), "inspected"),
        (issue("localhost").presenting(issue("x", inspector(), ca=True)), "self-signed"),
    ):
        with serving(Server(leaf)) as server, trusted_context(file):
            assert explain(failure(fetch, server.url)).cause == cause


def test_a_blocks_context_used_outside_any_block(bad):
    """Nobody live says where its trust came from; what it holds is said all the same."""
    port = bad["untrusted-root"]
    context = trusted_context(port.cafile).ssl_context()
    explanation = explain(failure(fetch, port.url, context=context))
    assert explanation.trusted == '1 certificate ("Corp Root")', str(explanation)
    assert repr(explanation).startswith("<Explanation unknown-root: localhost: its certificate is signed by")


def test_many_cas_are_counted_and_few_are_named(bad, tmp_path):
    """A bundle is not printed out."""
    file = tmp_path / "many.pem"
    file.write_bytes(root().pem + intermediate().pem + inspector("Third CA").pem)
    with trusted_context(file):
        assert explain(failure(fetch, bad["self-signed"].url)).trusted == f"cafile={file}: 3 CAs"


def test_a_ca_of_tomorrow_is_said_to_be(bad, tmp_path):
    """A trusted CA that is not valid yet is marked, as an expired one is."""
    file = tmp_path / "tomorrow.pem"
    file.write_bytes(issue("Tomorrow's CA", ca=True, days=(5, 30)).pem)
    with trusted_context(file):
        assert '("Tomorrow\'s CA", valid from 20' in explain(failure(fetch, bad["self-signed"].url)).trusted


def test_a_long_chain_is_shortened_in_the_middle(tmp_path):
    """Of many certificates the first and the last are shown."""
    file = tmp_path / "ca.pem"
    file.write_bytes(root().pem)
    above = top = issue("Top CA", ca=True)
    chain = [top]
    for depth in range(6):
        above = issue(f"CA {depth}", above, ca=True)
        chain.insert(0, above)
    with serving(Server(issue("localhost", above).presenting(*chain))) as server, trusted_context(file):
        explanation = explain(failure(fetch, server.url))
    assert explanation.cause == "unknown-root"
    arrow = " \N{LEFTWARDS ARROW} "
    assert explanation.presented.startswith(arrow.join(("localhost", "CA 5", "CA 4", "...", "Top CA (sha256 ")))


def test_a_self_signed_certificate_may_have_no_name(tmp_path):
    """``openssl req -x509 -subj /`` makes such, which is known by its fingerprint all the same."""
    file = tmp_path / "ca.pem"
    file.write_bytes(root().pem)
    with serving(Server(issue(""))) as server, trusted_context(file):
        explanation = explain(failure(fetch, server.url))
    assert explanation.cause == "self-signed"
    assert explanation.presented.startswith("(no name) (sha256 ")


def test_a_loop_of_issuers_comes_to_an_end(tmp_path):
    """Two CAs that name each other as issuer are each shown once."""
    file = tmp_path / "ca.pem"
    file.write_bytes(root().pem)
    one = issue("One", ca=True)
    other = issue("Other", one, ca=True)
    one_again = issue("One", other, ca=True)
    leaf = issue("localhost", other).presenting(other, one_again)
    with serving(Server(leaf)) as server, trusted_context(file):
        assert explain(failure(fetch, server.url)).presented.count("One") <= 2


@pytest.mark.parametrize("words", ["certificate revoked", "certificate rejected", "something new"])
def test_rare_words_have_a_cause_too(words):
    """Every verification failure is explained, by OpenSSL's own words where there are no better ones."""
    explanation = explain(OSError(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {words} (_ssl.c:1006)"))
    assert explanation.cause == ("revoked" if words == "certificate revoked" else "unverified")
    assert words in explanation.happened or explanation.cause == "revoked"


def test_an_organisation_without_a_name_is_nobody_s():
    """Two certificates with an empty one have nothing in common."""
    info = {"subject": ((("organizationName", ""),),), "issuer": ((("organizationName", ""),),)}
    certificate = Certificate(b"", info)
    assert certificate.subject_organisations == certificate.issuer_organisations == frozenset()
