"""Beside truststore.inject_into_ssl(), called before, inside or after a block."""

import ssl
import subprocess
import sys
import urllib.request

import pytest
import truststore
from failing import failure
from servers import BODY, fetch, refusal

from trusted_context import explain, trusted_context
from trusted_context.sources import stores


@pytest.fixture(autouse=True)
def _system_root(monkeypatch, ca_file):
    """On Linux truststore takes what SSL_CERT_FILE names for the system's store."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    yield
    truststore.extract_from_ssl()


def test_cafile_stays_exclusive_with_truststore_injected_before(server, ca_file, other_file):
    """A block's context is no subclass of truststore's, so a root of the system is not accepted beside ``cafile``."""
    truststore.inject_into_ssl()
    assert fetch(server.url) == BODY
    with trusted_context(other_file):
        refusal(server.url)
        with pytest.raises(OSError):
            urllib.request.build_opener().open(server.url, timeout=20)
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    assert ssl.SSLContext is truststore.SSLContext
    assert fetch(server.url) == BODY


def test_cafile_stays_exclusive_with_truststore_injected_inside(server, other_file):
    """Injected in the middle of a block, truststore verifies after it and not in it."""
    with trusted_context(other_file):
        refusal(server.url)
        truststore.inject_into_ssl()
        refusal(server.url)
        with trusted_context(other_file, strict=True):
            refusal(server.url)
    assert ssl.SSLContext is truststore.SSLContext
    assert fetch(server.url) == BODY


def test_truststore_injected_or_extracted_after_a_block_is_as_ever(server, ca_file, other_file):
    """A block used before leaves nothing that stands in truststore's way."""
    with trusted_context(other_file):
        refusal(server.url)
    truststore.inject_into_ssl()
    assert fetch(server.url) == BODY
    truststore.extract_from_ssl()
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY


def test_a_system_store_s_context_that_fails_outside_its_block_is_told_by_the_store(server, other_file, monkeypatch):
    """Windows' and macOS' store has no number of certificates. (Elsewhere truststore takes the system's part.)"""
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    context = trusted_context(system=True).ssl_context()
    explanation = explain(failure(fetch, server.url, context=context))
    assert explanation.cause == "unknown-issuer"
    assert explanation.trusted == "the operating system's store"


def test_settings_of_a_blocks_contexts_do_not_recurse_while_truststore_is_injected(ca_file):
    """Every setter of ours works, where those of the standard library's own class recurse for ever."""
    truststore.inject_into_ssl()
    for block in (trusted_context(ca_file, strict=True), trusted_context(insecure={"localhost"})):
        context = block.ssl_context("localhost")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_TICKET
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        assert context.minimum_version is context.maximum_version is ssl.TLSVersion.TLSv1_3
        assert context.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
        assert context.options & ssl.OP_NO_TICKET
        assert context.verify_mode is ssl.CERT_NONE
        assert type(context).__mro__[1].__module__ == "ssl"
        assert not isinstance(context, truststore.SSLContext)


def test_a_package_imported_after_truststore_was_injected_binds_the_true_class(server, ca_file, other_file):
    """``cafile`` stays exclusive when the injection came before this library was even imported."""
    code = (
        "import ssl, sys, truststore, urllib.request\n"
        "truststore.inject_into_ssl()\n"
        "from trusted_context import trusted_context\n"
        "context = trusted_context(sys.argv[1], strict=True).ssl_context()\n"
        "print(isinstance(context, truststore.SSLContext), len(context.get_ca_certs()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, other_file], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.split() == ["False", "1"]
