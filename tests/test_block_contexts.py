"""strict=True, and the contexts that a block makes: private, of new TLS, and never unverified by an error."""

import os
import re
import ssl

import material
import pytest
from servers import BODY, Server, fetch, serving, verify_failure
from test_arguments import is_verified

from trusted_context import trusted_context

FAULTS = [({"key_usage": False}, {}, 92), ({"critical": False}, {}, 89), ({}, {"authority_key": False}, 85)]


@pytest.mark.parametrize(("ca", "server", "code"), FAULTS)
def test_what_fails_strictness_works_by_default(ca, server, code):
    """A CA or certificate that RFC 5280 faults is trusted by default and fails with strict=True."""
    issuer = material.make_ca("Lax", **ca)
    with serving(Server(material.make_server(issuer, **server))) as running:
        material.assert_trusted(running.url, issuer.pem)
        with trusted_context(issuer.pem, strict=True), pytest.raises(OSError) as caught:
            fetch(running.url)
    assert verify_failure(caught.value).verify_code == code


def test_strict_is_passed_by_a_proper_chain():
    """strict=True trusts what follows RFC 5280."""
    issuer = material.make_ca("Proper")
    with serving(Server(material.make_server(issuer))) as running, trusted_context(issuer.pem, strict=True):
        assert fetch(running.url) == BODY


def settings(context):
    """All that a context was set to."""
    names = "check_hostname", "verify_mode", "options", "minimum_version", "maximum_version", "post_handshake_auth"
    names += "hostname_checks_common_name", "security_level", "keylog_filename", "protocol"
    return {name: getattr(context, name) for name in names} | {"ciphers": [c["name"] for c in context.get_ciphers()]}


def test_strict_alters_one_flag_alone(ca_file):
    """strict=True adds VERIFY_X509_STRICT and changes nothing else, and describe() states the flags in force."""
    lax, strict = trusted_context(ca_file), trusted_context(ca_file, strict=True)
    one, other = lax.ssl_context(), strict.ssl_context()
    assert one.verify_flags ^ other.verify_flags == ssl.VERIFY_X509_STRICT
    assert settings(one) == settings(other)
    for block, context in ((lax, one), (strict, other)):
        stated = re.findall("VERIFY_X509_[A-Z_]+", block.describe())
        assert sorted(stated) == sorted(flag.name for flag in context.verify_flags)


def test_each_context_is_new_and_private(server, ca_file):
    """ssl_context() gives another context at each call, and what is done to one is seen nowhere else."""
    block = trusted_context(ca_file)
    with block:
        contexts = [block.ssl_context() for _ in range(3)]
        for context in contexts:
            assert isinstance(context, ssl.SSLContext)
            assert is_verified(block, None)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert len({*map(id, contexts), id(block.ssl_context())}) == 4
        assert fetch(server.url) == BODY
    material.assert_refused(server.url, material.make_ca("Stranger").pem)


def test_a_context_serves_without_the_block(server, ca_file, other_file):
    """A context verifies as its block does where the block is not live, and within another."""
    context = trusted_context(ca_file).ssl_context()
    assert fetch(server.url, context=context) == BODY
    with pytest.raises(OSError) as caught:
        fetch(server.url, context=trusted_context(other_file).ssl_context())
    assert verify_failure(caught.value)
    with trusted_context(other_file):
        assert fetch(server.url, context=context) == BODY


@pytest.mark.parametrize("insecure", [False, True])
def test_every_context_speaks_tls_1_2_or_newer(ca_file, insecure):
    """Older TLS stays off, also for hosts that are not verified."""
    block = trusted_context(None if insecure else ca_file, insecure=insecure)
    assert block.ssl_context().minimum_version >= ssl.TLSVersion.TLSv1_2

    def only_old(context):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")

    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        old = Server(material.make_server(), configure=only_old)
    context = block.ssl_context()
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # or OpenSSL would refuse the old versions by itself
    with serving(old), pytest.raises(OSError, match="ALERT_PROTOCOL_VERSION"):
        fetch(old.url, context=context)


def test_a_context_for_what_is_no_host():
    """ssl_context() refuses a URL as the host, and says what it was given."""
    with pytest.raises(ValueError, match=r"https://corp\.test"):
        trusted_context(insecure=True).ssl_context("https://corp.test")


# No error turns verification off


@pytest.mark.parametrize("when", ["at entry", "at the connection"])
def test_an_error_in_building_a_context_connects_to_nobody(server, ca_file, monkeypatch, when):
    """Where a context cannot be built, nothing is connected: not unverified, and not by another trust."""

    def fails(*_arguments, **_settings):
        raise OSError("out of memory")

    block = trusted_context([ca_file, material.make_ca("Fresh").pem])  # such as no test before has entered
    if when == "at entry":
        monkeypatch.setattr("trusted_context.core.contexts.Verifier._finish", fails)
        with pytest.raises(OSError, match="out of memory"):
            block.start()
    else:
        with block:
            monkeypatch.setattr("trusted_context.core.contexts.Verifier.borrowing", fails)
            monkeypatch.setattr("trusted_context.core.contexts.Verifier.stand_in", fails)
            with pytest.raises(OSError, match="out of memory"):
                fetch(server.url)
    assert server.requests == []


def test_a_key_log_that_cannot_be_written_is_told_at_entry(ca_file, tmp_path, monkeypatch):
    """SSLKEYLOGFILE is honoured as by the standard library, and fails before the first connection."""
    monkeypatch.setenv("SSLKEYLOGFILE", os.path.join(tmp_path, "gone", "keys"))
    with pytest.raises(FileNotFoundError, match="environment variable SSLKEYLOGFILE"):
        trusted_context(material.make_ca("Fresh").pem).start()
