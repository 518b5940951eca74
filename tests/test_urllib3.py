"""urllib3's pool managers: what callers chose stays theirs, and what one pool sets touches no other."""

import os
import ssl
import sys

import certifi
import pytest
import urllib3
from conftest import assert_same, state
from servers import BODY, KeepAliveHandler, Server, fails, lent, redirect_to, serving
from urllib3.exceptions import InsecureRequestWarning

from trusted_context import InsecureWarning, clients, trusted_context
from trusted_context.clients import for_urllib3 as client

silent = pytest.mark.filterwarnings(
    "ignore::urllib3.exceptions.InsecureRequestWarning", "ignore::trusted_context.InsecureWarning"
)


def fetch(url, manager=None, **settings):
    """What the URL holds, through *manager* or through one made with *settings* and closed at once."""
    if manager is not None:
        return manager.request("GET", url, timeout=20, retries=False).data
    with urllib3.PoolManager(**settings) as made:
        return fetch(url, made)


def at_127(server):
    return server.url.replace("localhost", "127.0.0.1")


@pytest.fixture
def folder_of():
    """Makes a folder of the kind that OpenSSL looks into, with no certificate that it would find there."""

    def make(file):
        folder = file.with_suffix(".d")
        folder.mkdir(exist_ok=True)
        return folder

    return make


# --- explicit trust


PINS = {
    "ca_certs": lambda file: {"ca_certs": str(file)},
    "ssl_context": lambda file: {"ssl_context": ssl.create_default_context(cafile=file)},
}
if "key_ca_cert_data" in urllib3.poolmanager.PoolKey._fields:
    PINS["ca_cert_data"] = lambda file: {"ca_cert_data": file.read_text()}


@silent
@pytest.mark.parametrize("pin", PINS.values(), ids=PINS)
@pytest.mark.parametrize("built", ["before", "inside"])
def test_a_pin_is_never_undone(pin, built, server, ca_file, other_file):
    """CAs that a caller gave are all that its pool trusts, in a verifying block and in an insecure one."""
    with urllib3.PoolManager(**pin(other_file)) as wrong, urllib3.PoolManager(**pin(ca_file)) as right:
        for block in (
            trusted_context(ca_file),
            trusted_context(insecure=True),
            trusted_context(insecure={"localhost"}),
        ):
            with block:
                manager = wrong if built == "before" else urllib3.PoolManager(**pin(other_file))
                fails(fetch, server.url, manager)
        with trusted_context(other_file):
            manager = right if built == "before" else urllib3.PoolManager(**pin(ca_file))
            assert fetch(server.url, manager) == BODY
            manager.clear()


@silent
def test_a_folder_of_cas_is_a_pin(server, ca_file, other_file, folder_of):
    """ca_cert_dir is a choice, in a verifying block and in an insecure one."""
    for block in (trusted_context(ca_file), trusted_context(insecure=True)):
        with block:
            fails(fetch, server.url, ca_cert_dir=str(folder_of(other_file)))


@pytest.mark.parametrize(
    "unverified",
    [
        lambda: {"cert_reqs": "CERT_NONE"},
        lambda: {"cert_reqs": "NONE"},
        lambda: {"cert_reqs": ssl.CERT_NONE},
        lambda: {"ssl_context": ssl._create_unverified_context()},
    ],
)
def test_a_caller_who_verifies_nothing_keeps_that(unverified, server, other_file):
    """cert_reqs="CERT_NONE" and an unverified context stay what they are, with urllib3's own warning."""
    with trusted_context(other_file), pytest.warns(InsecureRequestWarning):
        assert fetch(server.url, **unverified()) == BODY


def test_certifis_bundle_and_the_environments_are_no_choice(server, ca_file, other_file, folder_of, monkeypatch):
    """A pool that was given certifi's bundle, or one that a variable names, follows the block."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder_of(other_file)))
    settings = [
        {"ca_certs": certifi.where()},
        {"ca_certs": os.environ["REQUESTS_CA_BUNDLE"]},
        {"ca_cert_dir": os.environ["SSL_CERT_DIR"]},
        {"cert_reqs": "CERT_REQUIRED", "ca_certs": certifi.where()},
        {"cert_reqs": ssl.CERT_REQUIRED},
    ]
    for given in settings:
        fails(fetch, server.url, **given)
        with trusted_context(ca_file):
            assert fetch(server.url, **given) == BODY
        with trusted_context(other_file):
            fails(fetch, server.url, **given)
        fails(fetch, server.url, **given)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_block_beats_the_environment(variable, server, ca_file, other_file, monkeypatch):
    """A variable that names another CA, the right one, or nothing that exists, changes nothing inside."""
    for value in (str(other_file), str(ca_file), str(other_file.with_name("gone"))):
        monkeypatch.setenv(variable, value)
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
        with trusted_context(other_file):
            fails(fetch, server.url)


def test_cafile_alone_means_only_those_cas(server, ca_file):
    """The contexts that the block's connections use hold its CA and no other, also after many of them."""
    with trusted_context(ca_file), urllib3.PoolManager(ca_certs=certifi.where()) as manager:
        for _ in range(3):
            assert fetch(server.url, manager) == BODY
        assert lent() == {1}


# --- insecure


def test_urllib3_warns_of_unverified_requests_too(server, other_file):
    """An insecure block does not silence urllib3's own warning, nor bring it about for hosts that are verified."""
    with pytest.warns(InsecureWarning), trusted_context(insecure={"localhost"}), pytest.warns(InsecureRequestWarning):
        assert fetch(server.url) == BODY
    with pytest.warns(InsecureWarning), trusted_context(other_file, insecure={"elsewhere.test"}):
        fails(fetch, server.url)


@silent
def test_per_host_insecurity_matches_the_exact_host_and_port(server, other_file):
    """Only the named host, and port where one is named, is not verified."""
    for named in ("LOCALHOST.", f"localhost:{server.server_port}"):
        with trusted_context(other_file, insecure={named}):
            assert fetch(server.url) == fetch(server.url.replace("localhost", "LOCALHOST")) == BODY
            fails(fetch, at_127(server))
    with trusted_context(other_file, insecure={"localhost:1"}):
        fails(fetch, server.url)


@silent
def test_per_host_insecurity_does_not_follow_redirects(server, other_file):
    """Sent on by a host that is not verified, a pool manager verifies the next one."""
    server.files["/moved"] = redirect_to(at_127(server))
    with trusted_context(other_file, insecure={"localhost"}), urllib3.PoolManager() as manager:
        fails(manager.request, "GET", server.url + "moved", retries=urllib3.Retry(connect=0))
    assert server.requests == ["GET /moved"]


def test_plain_http_is_none_of_a_blocks_business(ca_file):
    """A connection without TLS is kept and used again across the boundary."""
    with serving(Server(handler=KeepAliveHandler)) as plain, urllib3.PoolManager() as manager:
        fetch(plain.url, manager)
        with trusted_context(ca_file):
            fetch(plain.url, manager)
        fetch(plain.url, manager)
        assert plain.accepted == 1


# --- fail closed


def test_no_error_while_building_turns_verification_off(server, ca_file, monkeypatch):
    """When a block's context cannot be built, no connection is made."""

    def fail(*_args, **_kwargs):
        raise MemoryError("no context")

    with trusted_context(ca_file):
        monkeypatch.setattr("trusted_context.core.contexts.Verifier.borrowing", fail)
        with pytest.raises(MemoryError):
            fetch(server.url)
    assert server.requests == []


# --- as it was


def test_somebody_elses_later_patch_is_neither_clobbered_nor_lost(server, ca_file):
    """A patch put over ours inside the block works inside, stays after it, and is named in a warning."""
    manager_class = urllib3.PoolManager
    original = manager_class.connection_from_pool_key
    seen = []
    try:
        replaced = pytest.warns(RuntimeWarning, match=r"PoolManager\.connection_from_pool_key was replaced")
        with replaced, trusted_context(ca_file):
            ours = manager_class.connection_from_pool_key

            def theirs(self, pool_key, request_context):
                seen.append(request_context["host"])
                return ours(self, pool_key, request_context)

            manager_class.connection_from_pool_key = theirs
            assert fetch(server.url) == BODY
        assert manager_class.connection_from_pool_key is theirs
        fails(fetch, server.url)
        with trusted_context(ca_file):
            assert fetch(server.url) == BODY
        assert manager_class.connection_from_pool_key is theirs
        assert seen == ["localhost"] * 3
    finally:
        manager_class.connection_from_pool_key = original


@pytest.mark.parametrize(
    "step", ["_make_connect", "_make_get_conn", "_make_connection_from_pool_key", "_make_merge_environment_settings"]
)
def test_an_install_that_fails_half_way_undoes_its_first_half(step, server, ca_file, monkeypatch):
    """Whichever step of the urllib3 client fails, all that came before is undone, and the next block works."""
    pytest.importorskip("requests.adapters")

    def fail(*_args):
        raise ZeroDivisionError(step)

    before = state()
    with monkeypatch.context() as patch:
        patch.setattr(client, step, fail)
        with pytest.raises(RuntimeError, match="'urllib3'"):
            trusted_context(ca_file).start()
    assert_same(before, state())
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY


def test_a_client_that_is_not_imported_is_no_reason_to_fail(server, ca_file, monkeypatch):
    """Where requests is missing, urllib3 alone is covered."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "requests"]:
        monkeypatch.setitem(sys.modules, name, None)
    with trusted_context(ca_file):
        assert fetch(server.url) == BODY
    clients.restore()
