"""requests: what a session or a call chose stays theirs, whatever the environment says; all else follows the block."""

import contextvars
import os
import shutil
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import certifi
import pytest
from conftest import assert_same, state
from servers import BODY, asking_for_certificates, fails, lent, redirect_to, serving
from urllib3.exceptions import InsecureRequestWarning

from trusted_context import InsecureWarning, trusted_context

requests = pytest.importorskip("requests")

silent = pytest.mark.filterwarnings(
    "ignore::urllib3.exceptions.InsecureRequestWarning", "ignore::trusted_context.InsecureWarning"
)


def fetch(url, session=None, **arguments):
    """What the URL holds, through *session* or without one."""
    response = (session or requests).get(url, timeout=20, **arguments)
    response.raise_for_status()
    return response.content


def at_127(server):
    return server.url.replace("localhost", "127.0.0.1")


@pytest.fixture
def session():
    """A session that was made before any block."""
    with requests.Session() as made:
        yield made


@pytest.fixture
def gone(tmp_path):
    """A path that names nothing."""
    return str(tmp_path / "gone.pem")


@pytest.fixture
def client_file(ca, tmp_path):
    """A client certificate with its key."""
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    return str(tmp_path / "client.pem")


# --- the environment


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_block_beats_the_environment(variable, server, ca_file, other_file, monkeypatch):
    """A variable that names the right CA, another, or nothing, does not matter inside and decides outside as ever."""
    session = requests.Session()
    monkeypatch.setenv(variable, str(ca_file))
    assert fetch(server.url) == fetch(server.url, session) == BODY
    with trusted_context(other_file):
        fails(fetch, server.url)
        fails(fetch, server.url, session)
    for value in (str(other_file), str(other_file.with_name("gone.pem"))):
        monkeypatch.setenv(variable, value)
        with trusted_context(ca_file):
            assert fetch(server.url) == fetch(server.url, session) == fetch(server.url, verify=True) == BODY
    with pytest.raises(OSError, match=r"gone\.pem"):
        fetch(server.url)
    monkeypatch.setenv(variable, str(ca_file))
    assert fetch(server.url, session) == BODY
    session.close()


@silent
@pytest.mark.parametrize("way", ["no variable", "REQUESTS_CA_BUNDLE", "export"])
def test_a_sessions_own_verify_holds_with_and_without_the_variable(way, server, session, ca_file, other_file):
    """session.verify, as a path or as False, is kept in every block, also where a variable would overrule it."""
    named = shutil.copy(ca_file, ca_file.with_name("named.pem"))
    with mock.patch.dict(os.environ, {way: str(named)} if way == "REQUESTS_CA_BUNDLE" else {}):
        _check_own_verify(server, session, ca_file, other_file, export=way == "export")


def _check_own_verify(server, session, ca_file, other_file, *, export):
    session.verify = str(other_file)
    for block in (trusted_context(ca_file, export=export), trusted_context(insecure=True)):
        with block:
            fails(fetch, server.url, session)
    session.verify = str(ca_file)
    with trusted_context(other_file, export=export):
        assert fetch(server.url, session) == BODY
    session.verify = False
    with trusted_context(other_file, export=export):
        assert fetch(server.url, session) == BODY
        fails(fetch, server.url, session, verify=True)
    session.verify = True
    with trusted_context(other_file, export=export):
        fails(fetch, server.url, session)


def test_the_environment_decides_where_no_block_governs(server, session, ca_file, other_file, monkeypatch):
    """Beside another thread's local block requests goes by its variables as ever, dangling ones included."""
    seen = []

    def work():
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
        seen.append(fetch(server.url, session))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file.with_name("gone.pem")))
        with pytest.raises(OSError, match=r"gone\.pem"):
            fetch(server.url, session)
        seen.append("gone")

    with trusted_context(other_file, local=True), ThreadPoolExecutor(1) as thread:
        contextvars.Context().run(thread.submit, work).result()
    assert seen == [BODY, "gone"]


# --- explicit trust


@silent
def test_a_path_given_as_verify_is_never_undone(server, session, ca_file, other_file, tmp_path):
    """verify=path, of a file or a folder, is all that is trusted, in verifying and in insecure blocks."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for block in (trusted_context(ca_file), trusted_context(insecure=True), trusted_context(insecure={"localhost"})):
        with block:
            for chosen in (str(other_file), str(folder)):
                fails(fetch, server.url, verify=chosen)
                fails(fetch, server.url, session, verify=chosen)
    with trusted_context(other_file):
        assert fetch(server.url, verify=str(ca_file)) == fetch(server.url, session, verify=str(ca_file)) == BODY


@pytest.mark.parametrize("form", [str, os.fsencode, Path], ids=["str", "bytes", "Path"])
def test_a_path_of_any_type_given_as_verify_is_a_choice(form, server, ca_file, other_file):
    """requests takes a path as text, bytes or Path: each is what verifies, inside a block too."""
    with trusted_context(other_file):
        assert fetch(server.url, verify=form(str(ca_file))) == BODY
    with trusted_context(ca_file):
        fails(fetch, server.url, verify=form(str(other_file)))


def test_a_pin_of_the_file_that_a_block_exports_is_not_undone(server, ca_file, other_file):
    """The user's own file, exported as it is, stays a choice where somebody names it."""
    with trusted_context(other_file, export=True), trusted_context(ca_file):
        fails(fetch, server.url, verify=str(other_file))
        assert fetch(server.url) == BODY


def test_an_empty_verify_is_verified_inside_a_block(server, ca_file, other_file):
    """As a variable that is empty may give it: nobody's decision to do without verification."""
    with trusted_context(ca_file):
        assert fetch(server.url, verify="") == BODY
    with trusted_context(other_file):
        fails(fetch, server.url, verify="")


def test_a_dangling_path_given_as_verify_is_an_error_as_ever(server, ca_file, gone):
    """verify= with a path that names nothing raises inside what it raises outside."""
    with trusted_context(ca_file), pytest.raises(OSError, match=r"gone\.pem"):
        fetch(server.url, verify=gone)


def test_verify_false_stays_what_it_is(server, session, ca_file, other_file):
    """verify=False is a choice for its own request, with urllib3's warning, and loosens no other."""
    with trusted_context(other_file):
        for using in (None, session):
            with pytest.warns(InsecureRequestWarning):
                assert fetch(server.url, using, verify=False) == BODY
            fails(fetch, server.url, using)


@pytest.mark.parametrize("path", [certifi.where, lambda: os.environ["SSL_CERT_FILE"]], ids=["certifi", "a variable's"])
@pytest.mark.usefixtures("public_server")
def test_certifis_bundle_and_the_environments_are_no_choice(path, server, session, ca_file):
    """verify=certifi.where(), by a call or a session, is what requests does anyway, and follows the block."""
    session.verify = path()
    fails(fetch, server.url, session)
    with trusted_context(ca_file):
        assert fetch(server.url, verify=path()) == fetch(server.url, session) == BODY
    fails(fetch, server.url, session)


# --- client certificates


@pytest.mark.parametrize("split", [False, True], ids=["one file", "two files"])
def test_a_client_certificate_is_presented_by_its_session_alone(split, ca, ca_file, client_file):
    """cert=, of a call or a session, works inside; another session presents none to the same server."""
    cert = (client_file, client_file) if split else client_file
    with (
        serving(asking_for_certificates(ca)) as asking,
        trusted_context(ca_file),
        requests.Session() as presenting,
        requests.Session() as plain,
    ):
        presenting.cert = cert
        assert fetch(asking.url, plain) == b"nobody"
        assert fetch(asking.url, presenting) == b"client@corp.test"
        assert fetch(asking.url, plain) == b"nobody"
        assert fetch(asking.url, plain, cert=cert) == b"client@corp.test"
        assert fetch(asking.url, plain) == fetch(asking.url) == b"nobody"
    with serving(asking_for_certificates(ca, ssl.CERT_REQUIRED)) as demanding:
        with trusted_context(ca_file):
            assert fetch(demanding.url, cert=cert) == b"client@corp.test"
            with pytest.raises(requests.ConnectionError):
                fetch(demanding.url)
        fails(fetch, demanding.url, cert=cert)


@silent
def test_a_client_certificate_works_in_an_insecure_block_and_with_a_pin(ca, ca_file, other_file, client_file):
    """cert= is presented beside verify=path, verify=False and in a block that verifies nothing."""
    with serving(asking_for_certificates(ca)) as asking:
        with trusted_context(insecure=True):
            assert fetch(asking.url, cert=client_file) == b"client@corp.test"
        with trusted_context(other_file):
            for verify in (False, str(ca_file)):
                assert fetch(asking.url, cert=client_file, verify=verify) == b"client@corp.test"


def test_a_missing_client_certificate_is_an_error_as_ever(server, ca_file, gone):
    """cert= with a path that names nothing raises inside what it raises outside, and nothing is sent."""
    for cert in (gone, (str(ca_file), gone)):
        with pytest.raises(OSError, match=r"gone\.pem") as outside:
            fetch(server.url, cert=cert, verify=str(ca_file))
        with trusted_context(ca_file), pytest.raises(OSError, match=r"gone\.pem") as inside:
            fetch(server.url, cert=cert)
        assert str(inside.value) == str(outside.value)
    assert server.requests == []


# --- only these CAs


def test_cafile_alone_means_only_those_cas(server, session, ca_file, other_file, monkeypatch):
    """The machine's bundle is not trusted beside the block's, nor loaded into its contexts, however often used."""
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(ca_file))
    with trusted_context(other_file):
        for _ in range(3):
            fails(fetch, server.url, session)
    with trusted_context(ca_file):
        for verify in (None, True, certifi.where()):
            assert fetch(server.url, session, verify=verify) == BODY
        assert lent() == {1}


# --- insecure


def test_urllib3_warns_of_unverified_requests_too(server, other_file):
    """An insecure block does not silence urllib3's own warning, and brings none about for hosts it verifies."""
    with pytest.warns(InsecureWarning), trusted_context(other_file, insecure={"localhost"}):
        with pytest.warns(InsecureRequestWarning):
            assert fetch(server.url) == BODY
        fails(fetch, at_127(server))


@silent
def test_per_host_insecurity_matches_the_exact_port(server, other_file):
    """With a port given, only that port of the host is not verified."""
    with trusted_context(other_file, insecure={f"localhost:{server.server_port}"}):
        assert fetch(server.url) == BODY
        fails(fetch, at_127(server))
    with trusted_context(other_file, insecure={"localhost:1"}):
        fails(fetch, server.url)


@silent
def test_per_host_insecurity_does_not_follow_redirects(server, session, other_file):
    """Sent on by a host that is not verified, requests verifies the next one."""
    server.files["/moved"] = redirect_to(at_127(server))
    with trusted_context(other_file, insecure={"localhost"}):
        fails(fetch, server.url + "moved", session)
        fails(fetch, server.url + "moved")
    assert server.requests == ["GET /moved"] * 2


def test_redirects_between_verified_hosts_are_followed(server, ca_file):
    """A redirect inside a block arrives, each host verified by the block."""
    server.files["/moved"] = redirect_to(at_127(server))
    with trusted_context(ca_file):
        assert fetch(server.url + "moved") == BODY


# --- as it was


def test_somebody_elses_later_patch_is_neither_clobbered_nor_lost(server, ca_file):
    """A patch of a session's method put over ours stays after the block, works, and is named in a warning."""
    original = requests.Session.merge_environment_settings
    try:
        replaced = pytest.warns(RuntimeWarning, match=r"Session\.merge_environment_settings was replaced")
        with replaced, trusted_context(ca_file):
            ours = requests.Session.merge_environment_settings

            def theirs(self, *args):
                return ours(self, *args)

            requests.Session.merge_environment_settings = theirs
            assert fetch(server.url) == BODY
        assert requests.Session.merge_environment_settings is theirs
        fails(fetch, server.url)
    finally:
        requests.Session.merge_environment_settings = original


def test_every_method_is_the_object_it_was(server, session, ca_file):
    """Whatever was fetched in it, after a block every method of requests and urllib3 is what it was."""
    before = state()
    with pytest.raises(KeyboardInterrupt), trusted_context(ca_file), trusted_context(ca_file):
        fetch(server.url, session)
        raise KeyboardInterrupt
    assert_same(before, state())


# --- threads


def test_sixteen_threads_share_one_session(server, session, ca_file, other_file):
    """Sixteen threads with one session are verified by the block, each in another one by that."""

    def work(_number):
        for _ in range(6):
            assert fetch(server.url, session) == BODY
        with trusted_context(other_file, local=True):
            fails(fetch, server.url, session)

    with trusted_context(ca_file), ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(16)))
    fails(fetch, server.url, session)


# --- others who patch, and older versions


def test_with_truststore_injected_cafile_stays_exclusive(inject_truststore, server, public_server, ca_file):
    """Whenever truststore takes ssl.SSLContext's place, the block's CAs are the only ones, in requests too."""
    inject_truststore("before")
    with trusted_context(ca_file):
        inject_truststore("inside")
        assert fetch(server.url) == BODY
        fails(fetch, public_server.url)
    inject_truststore("after")
    fails(fetch, server.url)


def test_the_context_that_some_versions_make_at_import_is_no_choice(server, session, ca_file, monkeypatch):
    """What requests 2.32.0 to 2.32.4 hand to every pool, made when they were imported, gives way to the block."""
    preloaded = ssl.create_default_context()
    original = getattr(requests.adapters.HTTPAdapter, "build_connection_pool_key_attributes", None)
    if original is None:
        pytest.skip("this version of requests is older")

    def as_in_2_32_4(self, *args, **kwargs):
        host, pool = original(self, *args, **kwargs)
        return host, {**pool, "ssl_context": preloaded}

    monkeypatch.setattr(requests.adapters, "_preloaded_ssl_context", preloaded, raising=False)
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "build_connection_pool_key_attributes", as_in_2_32_4)
    with trusted_context(ca_file):
        assert fetch(server.url, session) == BODY
    fails(fetch, server.url, session)
