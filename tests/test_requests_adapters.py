"""requests with adapters of other people's making, that choose their trust themselves."""

import ssl

import pytest
from servers import BODY, asking_for_certificates, fails, serving

from trusted_context import trusted_context

requests = pytest.importorskip("requests")

_heeding_contexts = pytest.mark.skipif(
    requests.__version__ in {"2.32.0", "2.32.1", "2.32.2"},
    reason="these versions ignore an adapter's context themselves (psf/requests#6715)",
)


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


class _Given(requests.adapters.HTTPAdapter):
    """Hands urllib3 a context."""

    def __init__(self, context):
        self.context = context
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, ssl_context=self.context, **kwargs)


class _Pinned(_Given):
    """And has requests add no CAs to it."""

    def cert_verify(self, conn, url, verify, cert):
        pass


@_heeding_contexts
def test_an_adapter_with_a_context_of_its_own_keeps_it(server, ca_file, other_file):
    """A mounted adapter that hands urllib3 its own SSLContext keeps it, whatever the block trusts."""
    with requests.Session() as session:
        session.mount("https://", _Pinned(ssl.create_default_context(cafile=ca_file)))
        assert fetch(server.url, session) == BODY
    for own, blocks in ((ca_file, other_file), (other_file, ca_file)):
        with requests.Session() as session, trusted_context(blocks):
            session.mount("https://", _Pinned(ssl.create_default_context(cafile=own)))
            if own is ca_file:
                assert fetch(server.url, session) == BODY
            else:
                fails(fetch, server.url, session)


@_heeding_contexts
def test_an_adapter_with_a_blocks_context_trusts_what_that_block_does(server, ca_file, other_file):
    """Inside any block: requests loads no other CAs into it."""
    for own, blocks in ((ca_file, other_file), (other_file, ca_file)):
        context = trusted_context(own).ssl_context()
        with requests.Session() as session, trusted_context(blocks):
            session.mount("https://", _Given(context))
            if own is ca_file:
                assert fetch(server.url, session) == BODY
            else:
                fails(fetch, server.url, session)
        assert len(context.get_ca_certs()) == 1


class _Blind(requests.adapters.HTTPAdapter):
    """Chooses its pool without a look at verify."""

    def get_connection_with_tls_context(self, request, verify, proxies=None, cert=None):
        return self.poolmanager.connection_from_url(request.url)


class _Late(_Blind):
    """Tells its pool the CAs when it has it."""

    def cert_verify(self, conn, url, verify, cert):
        conn.ca_certs = verify


@pytest.mark.parametrize("adapter", [_Blind, _Late])
def test_cas_that_an_adapter_tells_its_pool_late_are_heeded(adapter, server, session, ca_file, other_file):
    """What an adapter of others writes on the pool that it was given is for that pool: a pin holds, and alone."""
    session.mount("https://", adapter())
    with trusted_context(other_file):
        assert fetch(server.url, session, verify=str(ca_file)) == BODY
        fails(fetch, server.url)
    with trusted_context(ca_file):
        fails(fetch, server.url, requests.Session(), verify=str(other_file))
        assert fetch(server.url) == BODY


class _WithKey(_Blind):
    """Tells its pool of a client certificate when it has it."""

    def __init__(self, key):
        self.key = key
        super().__init__()

    def cert_verify(self, conn, url, verify, cert):
        super().cert_verify(conn, url, verify, cert)
        conn.cert_file = self.key


def test_a_client_certificate_is_presented_to_its_own_hosts_alone(ca, ca_file, tmp_path):
    """One that an adapter writes on its pool is presented to that host, and to no other of the same block."""
    client = tmp_path / "client.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(client)
    with (
        serving(asking_for_certificates(ca)) as meant,
        serving(asking_for_certificates(ca)) as other,
        requests.Session() as session,
        requests.Session() as plain,
        trusted_context(ca_file),
    ):
        session.mount(meant.url, _WithKey(str(client)))
        assert fetch(meant.url, session) == b"client@corp.test"
        assert fetch(other.url, session) == fetch(other.url, plain) == fetch(meant.url, plain) == b"nobody"
        assert fetch(meant.url, session, cert=str(client)) == b"client@corp.test"
        assert fetch(other.url, session) == fetch(other.url) == b"nobody"
