"""Contexts whose CAs are a default's, and that somebody chose all the same: no block decides on their connections."""

import ssl

import pytest
from by_hand import get
from material import hashed_name
from servers import BODY, fails

from trusted_context import trusted_context
from trusted_context.clients import seen_contexts


@pytest.fixture
def port(server):
    return server.server_port


@pytest.mark.parametrize("moment", ["before", "inside"])
def test_verification_that_was_turned_off_on_a_default_context_stays_off(moment, port, other_file):
    """CERT_NONE is a choice also beside the default CAs, set before the block or between two connections in it."""
    context = ssl.create_default_context()
    context.check_hostname = False

    def turn_off():
        context.verify_mode = ssl.CERT_NONE

    if moment == "before":
        turn_off()
    with trusted_context(other_file):
        if moment == "inside":
            fails(get, port, context)
            turn_off()
        assert get(port, context) == BODY


def test_a_context_of_a_block_s_own_is_a_choice_in_another_block(port, ca_file):
    """What ssl_context() gave trusts what its block does, be that the default CAs."""
    given = trusted_context(system=True).ssl_context()
    with trusted_context(ca_file):
        fails(get, port, given)


def test_a_context_that_cannot_be_hashed_is_no_choice_for_that(port, ca_file):
    """A subclass that defines equality alone has no hash; with default CAs it is verified by the block all the same."""

    class Compared(ssl.SSLContext):
        def __eq__(self, other):
            return self is other

        __hash__ = None

    with trusted_context(ca_file):
        context = Compared(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        assert get(port, context) == BODY


@pytest.mark.parametrize("name", ["get_ca_certs", "cert_store_stats"])
def test_a_context_that_tells_its_cas_in_a_way_of_its_own_is_a_choice(name, port, ca_file):
    """What it tells is not what OpenSSL verifies by."""
    own = {name: lambda self, *args, **kwargs: getattr(super(kind, self), name)(*args, **kwargs)}
    kind = type("Telling", (ssl.SSLContext,), own)
    with trusted_context(ca_file):
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        fails(get, port, context)


@pytest.mark.parametrize("kind", ["PROTOCOL_TLSv1_2", "PROTOCOL_TLS_SERVER"])
@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS:DeprecationWarning")
def test_a_context_of_another_kind_is_untouched(kind, port, ca_file):
    """A protocol of one version, or a server's, is a choice that no context of ours could stand in for."""
    context = ssl.SSLContext(getattr(ssl, kind))
    context.load_default_certs()
    context.verify_mode = ssl.CERT_REQUIRED
    with trusted_context(ca_file):
        assert not seen_contexts.is_default(context)
        if kind == "PROTOCOL_TLSv1_2":
            fails(get, port, context)


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated:DeprecationWarning")
def test_a_context_of_the_older_protocol_that_verifies_by_the_defaults_is_a_default_one(port, ca_file):
    """PROTOCOL_TLS, as older libraries write it, with verification turned on by hand."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS)
    context.load_default_certs()
    context.verify_mode = ssl.CERT_REQUIRED
    fails(get, port, context)
    with trusted_context(ca_file):
        assert get(port, context) == BODY


def test_what_is_no_context_of_the_standard_library_is_a_choice():
    """pyOpenSSL's, say, which urllib3 can be told to use."""
    assert not seen_contexts.is_default(object())


@pytest.mark.parametrize("moment", ["before", "inside"])
def test_a_folder_that_is_no_defaults_is_a_choice_whatever_it_holds(moment, port, ca_file, other_file, monkeypatch):
    """One with a default's CAs and more, loaded while a block lives: what else it holds cannot be seen in a context."""
    default, wider = (other_file.with_name(name) for name in ("default.d", "wider.d"))
    for folder, files in ((default, [other_file]), (wider, [other_file, ca_file])):
        folder.mkdir()
        for file in files:
            (folder / hashed_name(file)).write_bytes(file.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(default))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with trusted_context(other_file):
        if moment == "inside":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(capath=wider)
        assert get(port, context) == BODY
