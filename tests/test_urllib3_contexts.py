"""urllib3's contexts: what one pool sets on its own touches no other, and all that pools share is verified."""

import contextvars
import ssl
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
import urllib3
from cryptography.hazmat.primitives import serialization
from servers import (
    BODY,
    KeepAliveHandler,
    Server,
    asking_for_certificates,
    fails,
    noting_protocols,
    serving,
    verify_failure,
)
from urllib3.exceptions import HTTPError

from trusted_context import trusted_context
from trusted_context.sources import stores


def fetch(url, manager=None, **settings):
    """What the URL holds, through *manager* or through one made with *settings* and closed at once."""
    if manager is not None:
        return manager.request("GET", url, timeout=20, retries=False).data
    with urllib3.PoolManager(**settings) as made:
        return fetch(url, made)


@pytest.fixture
def elsewhere(ca):
    """A server whose certificate the CA signed for another name than the one it is asked by."""
    with serving(Server(ca.issue_cert("elsewhere.test"))) as running:
        yield running


# --- what one pool sets touches no other


def test_a_host_name_that_a_pool_asserts_is_for_that_pool(server, elsewhere, ca_file):
    """assert_hostname, as another name or as False, holds for its own pool; plain pools check the host as before."""
    with trusted_context(ca_file):
        assert fails(fetch, elsewhere.url).verify_code == 62
        assert fetch(elsewhere.url, assert_hostname="elsewhere.test") == BODY
        assert fetch(elsewhere.url, assert_hostname=False) == BODY
        with pytest.raises(HTTPError, match=r"other\.test"):
            fetch(elsewhere.url, assert_hostname="other.test")
        assert fails(fetch, elsewhere.url).verify_code == 62
        assert fetch(server.url) == BODY


@pytest.mark.parametrize("order", [1, -1])
def test_asserted_names_and_fingerprints_keep_their_meaning(order, server, elsewhere, ca_file, other_file):
    """A fingerprint is compared, beside the block's CAs; a pool without one is not freed of the host name by it."""
    prints = [
        sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", running.server_port)))).hexdigest()
        for running in (server, elsewhere)
    ]
    pools = [(server, prints[0], True), (elsewhere, prints[1], True), (server, prints[1], False)][::order]
    with trusted_context(ca_file):
        for running, fingerprint, right in pools:
            with urllib3.PoolManager(assert_fingerprint=fingerprint) as manager:
                if right:
                    assert fetch(running.url, manager) == BODY
                else:
                    with pytest.raises(HTTPError, match=r"[Ff]ingerprint"):
                        fetch(running.url, manager)
            assert fails(fetch, elsewhere.url).verify_code == 62
    with trusted_context(other_file):
        fails(fetch, server.url, assert_fingerprint=prints[0])


@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
def test_a_fingerprint_is_compared_in_an_insecure_block(server, other_file):
    """A block that verifies nothing does not undo the pin that a fingerprint is."""
    with trusted_context(insecure=True), pytest.raises(HTTPError, match=r"[Ff]ingerprint"):
        fetch(server.url, assert_fingerprint="00" * 32)


def test_tls_versions_are_those_of_their_pool(ca, ca_file):
    """A pool's minimum, maximum and exact version hold, and no other pool is held to them."""
    seen = []

    def note(request):
        seen.append(request.connection.version())
        request.send_response(204)
        request.end_headers()

    with serving(Server(ca.issue_cert("localhost"))) as running, trusted_context(ca_file):
        running.files["/"] = note
        fetch(running.url)
        fetch(running.url, ssl_maximum_version=ssl.TLSVersion.TLSv1_2)
        fetch(running.url)
        fetch(running.url, ssl_minimum_version=ssl.TLSVersion.TLSv1_3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's and urllib3's word that there are better ways
            fetch(running.url, ssl_version=ssl.PROTOCOL_TLSv1_2)
        fetch(running.url)
        running.context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(HTTPError, match=r"(?i)version"):
            fetch(running.url, ssl_minimum_version=ssl.TLSVersion.TLSv1_3)
        fetch(running.url)
    assert seen == ["TLSv1.3", "TLSv1.2", "TLSv1.3", "TLSv1.3", "TLSv1.2", "TLSv1.3", "TLSv1.2"]


@pytest.mark.parametrize("lowest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_what_is_deprecated_is_said_by_urllib3_alone(lowest, server, ca_file):
    """Python warns where urllib3 sets a lowest version below TLS 1.2, and a program may let that pass by its place."""
    with warnings.catch_warnings(), trusted_context(ca_file):
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="urllib3")
        fetch(server.url, ssl_minimum_version=lowest)


@pytest.fixture
def identity(ca, tmp_path):
    """A client certificate: the file with its key, the certificate alone, and its key under the password 'secret'."""
    issued = ca.issue_cert("client@corp.test")
    both, chain, key = tmp_path / "both.pem", tmp_path / "client.pem", tmp_path / "client.key"
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    private = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    secret = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, secret))
    return str(both), str(chain), str(key)


def test_a_client_certificate_is_presented_by_its_pool_alone(ca, ca_file, identity):
    """A pool's client certificate, its key with or without a password, works inside; other pools present none."""
    both, chain, key = identity
    locked = {"cert_file": chain, "key_file": key}
    with serving(asking_for_certificates(ca)) as asking, trusted_context(ca_file):
        assert fetch(asking.url) == b"nobody"
        assert fetch(asking.url, cert_file=both) == b"client@corp.test"
        assert fetch(asking.url) == b"nobody"
        assert fetch(asking.url, **locked, key_password="secret") == b"client@corp.test"
        with pytest.raises((HTTPError, OSError)):
            fetch(asking.url, **locked, key_password="wrong")
        assert fetch(asking.url, **locked, key_password="secret") == b"client@corp.test"
        assert fetch(asking.url) == b"nobody"
    with serving(asking_for_certificates(ca, ssl.CERT_REQUIRED)) as demanding, trusted_context(ca_file):
        assert fetch(demanding.url, cert_file=both) == b"client@corp.test"
        with pytest.raises((HTTPError, OSError)):
            fetch(demanding.url)


def test_a_renewed_client_certificate_is_used(ca, ca_file, identity):
    """A client certificate that was replaced on disk during a long block is the one presented from then on."""
    both, *_ = identity
    with serving(asking_for_certificates(ca)) as asking, trusted_context(ca_file):
        assert fetch(asking.url, cert_file=both) == b"client@corp.test"
        ca.issue_cert("renewed@corp.test").private_key_and_cert_chain_pem.write_to_path(both)
        assert fetch(asking.url, cert_file=both) == b"renewed@corp.test"


# --- threads, and what they share


def test_a_client_certificate_set_on_a_pool_is_presented_to_its_host_alone(ca, ca_file, identity):
    """What is written on a pool after it was given out is for that pool, in this block and in later ones."""
    both, *_ = identity
    with (
        serving(asking_for_certificates(ca)) as meant,
        serving(asking_for_certificates(ca)) as other,
        urllib3.PoolManager() as manager,
    ):
        with trusted_context(ca_file):
            pool = manager.connection_from_url(meant.url)
            pool.cert_file = pool.key_file = both
            assert pool.request("GET", "/").data == b"client@corp.test"
            assert fetch(other.url, manager) == fetch(other.url) == fetch(meant.url) == b"nobody"
        with trusted_context(ca_file):
            assert fetch(other.url, manager) == fetch(meant.url) == b"nobody"


def test_what_is_written_on_a_pool_is_for_that_pool(server, elsewhere, ca_file, other_file):
    """CAs, cert_reqs and assert_hostname written on a pool that a block gave out hold there, and nowhere else."""
    changes = {
        "ca_certs": (other_file, False),
        "cert_reqs": ("CERT_NONE", True),
        "assert_hostname": (False, True),
        "assert_fingerprint": ("00" * 32, False),
    }
    for name, (value, works) in changes.items():
        with trusted_context(ca_file), urllib3.PoolManager() as manager, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # urllib3's, of a request that is not verified
            pool = manager.connection_from_url(elsewhere.url if works else server.url)
            setattr(pool, name, str(value) if name == "ca_certs" else value)
            if works:
                assert pool.request("GET", "/", retries=False).data == BODY
            else:
                with pytest.raises(HTTPError):
                    pool.request("GET", "/", retries=False)
            assert fails(fetch, elsewhere.url).verify_code == 62
            assert fetch(server.url) == BODY


def test_sixteen_threads_share_one_pool_manager(ca, ca_file, other_file, identity):
    """Sixteen threads with new connections each, of several kinds at once, are all verified, and none crashes."""
    kinds = [
        {},
        {"cert_file": identity[0]},
        {"assert_hostname": False},
        {"ssl_maximum_version": ssl.TLSVersion.TLSv1_2},
    ]
    with serving(asking_for_certificates(ca)) as asking, trusted_context(ca_file):
        managers = [urllib3.PoolManager(maxsize=16, **settings) for settings in kinds]

        def work(number):
            for step in range(8):
                kind = (number + step) % len(kinds)
                name = b"client@corp.test" if "cert_file" in kinds[kind] else b"nobody"
                assert fetch(asking.url, managers[kind]) == name
            with trusted_context(other_file, local=True):
                fails(fetch, asking.url, managers[0])

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(work, range(16)))
        for manager in managers:
            manager.clear()


@pytest.mark.parametrize("local", [False, True])
def test_another_thread_is_covered_unless_the_block_is_local(local, server, ca_file):
    """A thread started inside a block without being told of it is covered, and inside a local one it is not."""
    seen = []

    def work():
        try:
            seen.append(fetch(server.url))
        except HTTPError as error:
            seen.append(verify_failure(error))

    with trusted_context(ca_file, local=local):
        thread = threading.Thread(target=work)
        contextvars.Context().run(thread.start)  # so it inherits nothing where threads inherit (Python 3.14)
        thread.join(20)
    assert (seen == [BODY]) is not local
    assert local is isinstance(seen[0], ssl.SSLCertVerificationError)


# --- truststore


def test_with_truststore_injected_cafile_stays_exclusive(inject_truststore, server, public_server, ca_file):
    """Whenever truststore takes ssl.SSLContext's place, the block's CAs are the only ones, and nothing recurses."""
    inject_truststore("before")
    with trusted_context(ca_file):
        inject_truststore("inside")
        for settings in ({}, {"assert_hostname": "localhost"}, {"ssl_minimum_version": ssl.TLSVersion.TLSv1_2}):
            assert fetch(server.url, **settings) == BODY
            fails(fetch, public_server.url, **settings)
    inject_truststore("after")
    fails(fetch, server.url)


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="a test cannot add to that system's store")
def test_where_the_system_verifies_a_pool_keeps_its_connections(ca, ca_file, other_file, monkeypatch):
    """As on Windows and macOS: connections are used again."""
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    with serving(Server(ca.issue_cert("localhost", "127.0.0.1"), handler=KeepAliveHandler)) as keeper:
        at_127 = keeper.url.replace("localhost", "127.0.0.1")
        with trusted_context(ca_file, system=True), urllib3.PoolManager() as manager:
            assert fetch(keeper.url, manager) == fetch(keeper.url, manager) == fetch(at_127, manager) == BODY
            assert keeper.accepted == 2
        with trusted_context(system=True):
            fails(fetch, keeper.url)


def test_http_1_1_is_what_is_offered(ca, ca_file):
    """A block's connection offers what urllib3 offers by itself."""
    with noting_protocols(ca) as (server, agreed), trusted_context(ca_file):
        fetch(server.url)
    assert agreed == ["http/1.1"]


def test_urllib3_s_own_settings_hold_inside(server, ca_file):
    """A block's connection has the options of urllib3's own: no compression, no tickets on TLS 1.2, and the like."""

    def settings():
        with urllib3.HTTPSConnectionPool("localhost", server.server_port, timeout=20, ca_certs=given) as pool:
            connection = pool._get_conn()
            connection.connect()
            context = connection.sock.context
            connection.close()
        return {name: getattr(context, name) for name in _SETTINGS}

    given = str(ca_file)
    outside = settings()
    given = None
    with trusted_context(ca_file):
        assert settings() == outside


_SETTINGS = ("options", "minimum_version", "maximum_version", "post_handshake_auth", "hostname_checks_common_name")
