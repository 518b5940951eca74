"""What is done to a context while a block lives is seen at once, and what was done before it is not forgotten."""

import ssl

import pytest
from by_hand import connect, get
from servers import BODY, fails

from trusted_context import trusted_context
from trusted_context.clients import seen_contexts
from trusted_context.sources import defaults


@pytest.fixture
def port(server):
    return server.server_port


def test_a_pin_from_before_the_block_stays_one_when_defaults_are_loaded_beside_it(port, ca_file, other_file):
    """Loads that were not seen count: a later load of the default CAs does not make the context a default one."""
    context = ssl.create_default_context(cafile=str(ca_file))
    with trusted_context(other_file):
        assert get(port, context) == BODY
        context.load_default_certs()
        assert get(port, context) == BODY


def test_ciphers_that_are_set_between_two_connections_are_offered(port, ca_file):
    """The second connection offers what its context says by then."""
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with trusted_context(ca_file):
        for strength in ("128", "256"):
            context.set_ciphers(f"ECDHE+AESGCM+AES{strength}")
            with connect(port, context) as connection:
                assert f"AES{strength}" in connection.cipher()[0]


@pytest.mark.parametrize("load", ["load_default_certs", "set_default_verify_paths"])
def test_an_empty_context_is_a_default_one_as_soon_as_it_is_given_the_defaults(load, port, ca_file):
    """A connection before that changes nothing: what was found out then is found out anew."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with trusted_context(ca_file):
        fails(get, port, context)
        getattr(context, load)()
        assert get(port, context) == BODY


def test_a_default_context_is_a_pin_as_soon_as_it_is_given_a_ca(port, ca_file, other_file):
    """A connection before that changes nothing."""
    context = ssl.create_default_context()
    with trusted_context(other_file):
        fails(get, port, context)
        context.load_verify_locations(ca_file)
        assert get(port, context) == BODY


def test_what_a_default_loads_of_an_export_is_no_choice(port, ca_file, other_file):
    """A context that took the CAs from the exported variables follows the next block all the same."""
    with trusted_context(ca_file, export=True):
        context = ssl.create_default_context()
        assert get(port, context) == BODY
        with trusted_context(other_file):
            fails(get, port, context)


def test_a_context_is_looked_at_once_while_nothing_is_done_to_it(port, ca_file, monkeypatch):
    """Its CAs are compared at its first connection, and not again at the next."""
    looks = []
    compare = defaults.is_default

    def counted(context):
        looks.append(context)
        return compare(context)

    monkeypatch.setattr(defaults, "is_default", counted)
    context = ssl.create_default_context()
    with trusted_context(ca_file):
        assert get(port, context) == BODY
        assert get(port, context) == BODY
    assert looks == [context]


def test_what_was_found_out_outside_of_blocks_is_found_out_anew(port, ca_file, other_file):
    """There changes are not seen: a context that a client asked about, and that was given a CA then, is a pin."""
    with trusted_context(other_file):
        context = ssl.create_default_context()
    assert seen_contexts.is_default(context)
    context.load_verify_locations(ca_file)
    with trusted_context(other_file):
        assert get(port, context) == BODY
