"""requests with adapters of other people's making, that choose their trust themselves."""

import ssl

import pytest
from servers import BODY, fails

from trusted_context import trusted_context

requests = pytest.importorskip("requests")


def fetch(url, session=None, **arguments):
    """What the URL holds, through *session* or without one."""
    response = (session or requests).get(url, timeout=20, **arguments)
    response.raise_for_status()
    return response.content


@pytest.fixture
def session():
    """A session that was made before any block."""
    with requests.Session() as made:
        yield made


def test_an_adapter_with_a_context_of_its_own_keeps_it(server, ca_file, other_file):
    """A mounted adapter that hands urllib3 its own SSLContext keeps it, whatever the block trusts."""

    class Pinned(requests.adapters.HTTPAdapter):
        def __init__(self, file):
            self.file = file
            super().__init__()

        def init_poolmanager(self, *args, **kwargs):
            super().init_poolmanager(*args, ssl_context=ssl.create_default_context(cafile=self.file), **kwargs)

        def cert_verify(self, conn, url, verify, cert):
            pass

    with requests.Session() as session:
        session.mount("https://", Pinned(ca_file))
        try:
            assert fetch(server.url, session) == BODY
        except requests.exceptions.SSLError:
            pytest.skip("requests 2.32.0 to 2.32.2 ignore such a context themselves (psf/requests#6715)")
    for own, blocks in ((ca_file, other_file), (other_file, ca_file)):
        with requests.Session() as session, trusted_context(blocks):
            session.mount("https://", Pinned(own))
            if own is ca_file:
                assert fetch(server.url, session) == BODY
            else:
                fails(fetch, server.url, session)


class _Blind(requests.adapters.HTTPAdapter):
    """Chooses its pool without a look at verify."""

    def get_connection_with_tls_context(self, request, verify, proxies=None, cert=None):
        return self.poolmanager.connection_from_url(request.url)


class _Late(_Blind):
    """Tells its pool the CAs when it has it."""

    def cert_verify(self, conn, url, verify, cert):
        conn.ca_certs = verify


@pytest.mark.skipif(not hasattr(requests.adapters.HTTPAdapter, "get_connection_with_tls_context"), reason="older")
@pytest.mark.parametrize("adapter", [_Blind, _Late])
def test_cas_that_come_too_late_are_an_error(adapter, server, session, ca_file, other_file):
    """CAs that an adapter of others has for a pool of the block's neither widen the block nor are overruled by it."""
    session.mount("https://", adapter())
    for block, pin in ((other_file, ca_file), (ca_file, other_file)):
        with trusted_context(block), pytest.raises(OSError, match="pass them as verify="):
            fetch(server.url, session, verify=str(pin))
    with trusted_context(other_file):
        fails(fetch, server.url)
    assert server.requests == []


def test_a_client_certificate_is_not_left_out_without_a_word(server, ca, ca_file, tmp_path):
    """An adapter that tells its pool of the certificate only afterwards gets an error, not an anonymous connection."""
    client = tmp_path / "client.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(client)
    with requests.Session() as session, trusted_context(ca_file):
        session.mount("https://", _Blind())
        with pytest.raises(ssl.SSLError, match="CAs or a client certificate were set on a connection pool"):
            fetch(server.url, session, cert=str(client))
    assert server.requests == []
