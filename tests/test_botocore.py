"""botocore: a client with no trust of its own follows the block, connection by connection; a pin stays."""

import os

import pytest

pytest.importorskip("botocore")

import botocore.session
from botocore.config import Config
from botocore.exceptions import ProxyConnectionError, SSLError
from servers import BODY, ConnectProxy, asking_for_certificates, lent, serving

from trusted_context import trusted_context

pytestmark = [
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
    pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning"),
]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """No configuration of the machine's."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def shared():
    """A session that has read what it knows of S3, which takes long; it asks the environment for each client."""
    return botocore.session.Session()


@pytest.fixture
def s3(keeper, shared):
    """Makes a client of S3 whose endpoint is *keeper*, and closes it."""
    made = []

    def make(url=keeper.url, *, verify=None, session=shared, **config):
        client = session.create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            verify=verify,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **config),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def get(client):
    """The object, read from its stream."""
    return client.get_object(Bucket="bucket", Key="data")["Body"].read()


def refused(client):
    """Whether getting the object ends in a verification error; any other error is raised."""
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        get(client)
    return True


def test_a_client_follows_the_block_whenever_it_was_made(s3, ca_file, other_file, keeper):
    """Made before or inside: governed inside, ordinary after, over connections of its own."""
    before = s3()
    assert refused(before)
    with trusted_context(ca_file):
        inside = s3()
        keeper.accepted = 0
        assert get(before) == get(before) == get(inside) == BODY
        assert keeper.accepted == 2
        with trusted_context(other_file):
            assert refused(before)
        assert get(before) == BODY
        assert keeper.accepted == 3
    assert refused(before)
    assert refused(inside)


def test_the_blocks_contexts_hold_its_own_cas_alone(s3, ca_file):
    """Certifi's bundle is not loaded beside the block's, however often the client connects."""
    client = s3()
    with trusted_context(ca_file):
        get(client)
        get(client)
        assert lent() == {1}


def test_a_pool_manager_is_botocores_own_but_for_its_trust(s3, keeper, ca_file):
    """Other code that takes it from the session, as instrumentation does, finds there what it looks for."""
    session = s3()._endpoint.http_session
    outside = session._get_connection_manager(keeper.url)
    with trusted_context(ca_file):
        inside = session._get_connection_manager(keeper.url)
        assert inside.pools is outside.pools
        assert inside.connection_pool_kw is outside.connection_pool_kw


def test_a_pin_stays(s3, ca_file, other_file, tmp_path, monkeypatch):
    """verify=path, verify=False and ca_bundle of the configuration are choices, in insecure blocks too."""
    pinned, unverified, trusting = s3(verify=str(other_file)), s3(verify=False), s3(verify=str(ca_file))
    config = tmp_path / "config"
    config.write_text(f"[default]\nca_bundle = {other_file}\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    configured = s3(session=botocore.session.Session())
    for block in (trusted_context(ca_file), trusted_context(insecure=True)):
        with block:
            assert refused(pinned)
            assert refused(configured)
    with trusted_context(other_file):
        assert get(unverified) == get(trusting) == BODY


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_what_the_environment_names_is_no_choice(variable, s3, ca_file, other_file, monkeypatch):
    """A client that read its bundle from a variable follows the block, and goes by the variable's after."""
    monkeypatch.setenv(variable, str(ca_file))
    client = s3()
    assert get(client) == BODY
    with trusted_context(other_file):
        assert refused(client)
        assert refused(s3())
    assert get(client) == BODY


def test_a_client_made_in_an_exporting_block_keeps_what_was_exported(s3, ca_file, other_file):
    """It read the exported file when it was made, and that it keeps: in other blocks and after."""
    with trusted_context(ca_file, export=True):
        before_another = s3()
        assert os.environ["AWS_CA_BUNDLE"] == str(ca_file)
        with trusted_context(other_file):
            assert get(before_another) == BODY
    assert get(before_another) == BODY
    assert refused(s3())


def test_per_host_insecurity_matches_the_exact_host_and_port(s3, keeper, other_file):
    """Only the named host, and port where one is named, is not verified."""
    client, at_127 = s3(), s3(keeper.url.replace("localhost", "127.0.0.1"))
    for named in ("localhost", f"localhost:{keeper.server_port}"):
        with trusted_context(other_file, insecure={named}):
            assert get(client) == BODY
            assert refused(at_127)
    with trusted_context(other_file, insecure={"localhost:1"}):
        assert refused(client)


def test_a_client_certificate_is_presented(s3, ca, ca_file, tmp_path):
    """client_cert= works inside a block, for its own client alone."""
    path = tmp_path / "client.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(path)
    with serving(asking_for_certificates(ca)) as asking, trusted_context(ca_file):
        asking.files["/bucket/data"] = asking.files["/"]
        assert get(s3(asking.url, client_cert=str(path))) == b"client@corp.test"
        assert get(s3(asking.url)) == b"nobody"


def test_an_https_proxy_obeys_the_block(s3, other_ca, ca_file, other_file):
    """An https:// proxy is verified by the block, but where a bundle was chosen for it."""
    with serving(ConnectProxy(certificate=other_ca.issue_cert("localhost"))) as proxy:
        client = s3(proxies={"https": proxy.url})
        with trusted_context([ca_file, other_file]):
            assert get(client) == BODY
        for trusted in (ca_file, other_file):
            with trusted_context(trusted), pytest.raises((SSLError, ProxyConnectionError)):
                get(client)
        with pytest.raises((SSLError, ProxyConnectionError)):
            get(client)
        chosen = s3(proxies={"https": proxy.url}, proxies_config={"proxy_ca_bundle": str(other_file)})
        with trusted_context(ca_file):
            assert get(chosen) == BODY
