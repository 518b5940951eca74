"""More of what a context says and keeps in a block: its key log, options and security level, each by a connection."""

import gc
import os
import ssl
import warnings

import pytest
from by_hand import connect, get
from servers import BODY, Server, fails, serving
from trustme import KeyType

from trusted_context import trusted_context
from trusted_context.core import contexts
from trusted_context.core.trust import Trust


@pytest.fixture
def port(server):
    return server.server_port


def test_a_key_log_stays_its_callers(port, ca_file, tmp_path):
    """The keys of a block's connection are written where the context says."""
    log = tmp_path / "keys.log"
    context = ssl.create_default_context()
    context.keylog_filename = str(log)
    with trusted_context(ca_file):
        assert get(port, context) == BODY
    assert b"TRAFFIC_SECRET" in log.read_bytes()


def test_a_context_without_ciphers_for_older_tls_speaks_the_newest(port, ca_file):
    """OpenSSL has taken all others out of it when it says that it knows none of those it was told."""
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLError, match=r"(?i)no cipher"):
        context.set_ciphers("UNHEARD-OF")
    assert {cipher["protocol"] for cipher in context.get_ciphers()} == {"TLSv1.3"}
    with trusted_context(ca_file), connect(port, context) as connection:
        assert connection.version() == "TLSv1.3"


def test_a_security_level_stays_its_callers(ca, ca_file):
    """At level 3 a server's key of 2048 bits is refused (SSL_CTX_set_security_level(3)), at Python's 2 it is not."""
    with serving(Server(ca.issue_cert("localhost", key_type=KeyType.RSA))) as weak, trusted_context(ca_file):
        context = ssl.create_default_context()
        assert get(weak.server_port, context) == BODY
        context.set_ciphers("DEFAULT:@SECLEVEL=3")
        with pytest.raises(ssl.SSLError, match="key too weak"):
            get(weak.server_port, context)


def test_options_stay_their_callers(port, ca_file):
    """A version that an option forbids is not spoken; set between two connections, it holds for the second."""
    context = ssl.create_default_context()
    with trusted_context(ca_file):
        with connect(port, context) as connection:
            assert connection.version() == "TLSv1.3"
        with pytest.warns(DeprecationWarning, match="OP_NO_TLS"):
            context.options |= ssl.OP_NO_TLSv1_3
        with connect(port, context) as connection:
            assert connection.version() == "TLSv1.2"


_OFF = ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
_LOWEST = ssl.TLSVersion.MINIMUM_SUPPORTED
# What the lowest and the highest version tell only because OpenSSL 3.0 does not speak the old ones at this level.
_AT_LEVEL_1 = [
    pytest.param(settings, "TLSv1.3", marks=pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO < (3,), reason="OpenSSL 1.1.1"))
    for settings in (
        {"minimum_version": ssl.TLSVersion.TLSv1_1},
        {"minimum_version": _LOWEST, "options": ssl.OP_NO_TLSv1_1},
        {"minimum_version": _LOWEST, "options": ssl.OP_NO_TLSv1_2},
    )
]


@pytest.mark.parametrize(
    ("settings", "spoken"),
    [
        ({"options": _OFF}, "TLSv1.3"),
        ({"options": _OFF | ssl.OP_NO_TLSv1_2}, "TLSv1.3"),
        ({"options": ssl.OP_NO_TLSv1_3}, "TLSv1.2"),
        ({"options": _OFF | ssl.OP_NO_TLSv1_3, "minimum_version": ssl.TLSVersion.MINIMUM_SUPPORTED}, "TLSv1.2"),
        ({"minimum_version": ssl.TLSVersion.TLSv1}, "TLSv1.3"),
        ({"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_2}, "TLSv1.2"),
        *_AT_LEVEL_1,
    ],
)
def test_what_is_deprecated_is_said_once_to_whoever_sets_it(port, ca_file, settings, spoken):
    """Not again by a block, where the warning could be an error: as it is in these tests."""
    context = ssl.create_default_context()
    for name, value in settings.items():
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            setattr(context, name, value | context.options if name == "options" else value)
    with trusted_context(ca_file), connect(port, context) as connection:
        assert connection.version() == spoken


def test_settings_hold_for_a_context_with_a_client_certificate(ca, port, ca_file, tmp_path):
    """Its name check, versions, revocation check and protocols are its own as any other context's are."""
    identity = tmp_path / "identity.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(identity)
    with trusted_context(ca_file):
        context = ssl.create_default_context()
        context.load_cert_chain(identity)
        assert fails(get, port, context, name="elsewhere.test").verify_code == 62
        context.check_hostname = False
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with connect(port, context, name="elsewhere.test") as connection:
            assert connection.version() == "TLSv1.2"
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        assert fails(get, port, context).verify_code == 3


def test_a_client_certificate_that_is_gone_leaves_its_context_alone(ca, port, ca_file, tmp_path):
    """Its file was removed since it was loaded: it cannot be loaded again, and no connection is made without it."""
    identity = tmp_path / "identity.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(identity)
    with trusted_context(ca_file):
        context = ssl.create_default_context()
        context.load_cert_chain(identity)
        identity.unlink()
        fails(get, port, context)


def test_contexts_that_are_lent_are_one_for_equal_settings_and_few_for_all(ca):
    """The CAs are parsed once for the same ciphers, and no program makes them pile up."""
    verifier = contexts.verifier(Trust((ssl.PEM_cert_to_DER_cert(ca.cert_pem.bytes().decode()),)))
    lent = {}
    for bits in range(1, 32):
        chosen = [f"ECDHE-{kind}" for place, kind in enumerate(_KINDS) if bits >> place & 1]
        context = contexts.Context(ssl.PROTOCOL_TLS_CLIENT)
        context.set_ciphers(":".join(chosen))
        lent[bits] = verifier.lend(contexts.Settings(context))
        assert verifier.lend(contexts.Settings(context)) is lent[bits]
    assert len(set(map(id, lent.values()))) == len(lent)
    assert len(verifier._lent) <= 16


_KINDS = ("RSA-AES128-GCM-SHA256", "RSA-AES256-GCM-SHA384", "ECDSA-AES128-GCM-SHA256", "ECDSA-AES256-GCM-SHA384")
_KINDS += ("RSA-CHACHA20-POLY1305",)


def test_equal_trusts_share_their_parsed_certificates_but_for_a_key_log(tmp_path):
    """With a key log a file is open as long as its contexts live."""
    log = str(tmp_path / "keys.log")
    assert contexts.verifier(Trust()) is contexts.verifier(Trust())
    assert contexts.verifier(Trust(key_log=log)) is not contexts.verifier(Trust(key_log=log))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells which files are open")
def test_the_key_log_is_closed_after_the_last_block_with_it(port, ca_file, tmp_path, monkeypatch):
    """SSLKEYLOGFILE is open while a block writes it, and not for good."""
    log = str(tmp_path / "keys.log")
    monkeypatch.setenv("SSLKEYLOGFILE", log)

    def is_open():
        gc.collect()
        return log in {os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}

    with trusted_context(ca_file):
        assert is_open()
    assert not is_open()
