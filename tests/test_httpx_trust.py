"""Whose trust a client of httpx or httpx2 has: what was chosen for it, what was not, and what it keeps."""

import contextvars
import os
import ssl
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import certifi
import pytest
import trustme
from material import hashed_name
from servers import BODY, Server, asking_for_certificates, fails, serving, write_ca

from trusted_context import InsecureWarning, trusted_context
from trusted_context.clients import httpx_defaults
from trusted_context.core import probing

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")

by_library = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)
by_moment = pytest.mark.parametrize("moment", ["before", "inside"])
# httpx deprecates what it still accepts.
accepted = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")


def fetch(url, library=httpx, **settings):
    """What the URL holds, through a client made with *settings* and closed at once."""
    with library.Client(timeout=20, **settings) as made:
        return made.get(url).content


@pytest.fixture
def folder_of(tmp_path):
    """Makes a folder in which OpenSSL finds the certificates of these files."""

    def make(name, *files):
        folder = tmp_path / name
        folder.mkdir()
        for file in files:
            (folder / hashed_name(file)).write_bytes(file.read_bytes())
        return folder

    return make


@pytest.fixture
def given(ca_file, other_file, folder_of, monkeypatch):
    """The CA's file, the other's, folders of such, and the environment to name them in."""
    return types.SimpleNamespace(ca_file=ca_file, other_file=other_file, folder_of=folder_of, setenv=monkeypatch.setenv)


@pytest.fixture
def identity(ca, tmp_path):
    """A file with a client certificate and its key."""
    path = tmp_path / "identity.pem"
    ca.issue_cert("client@corp.test").private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


# --- explicit trust


PINS = {
    "context": lambda file, _folder_of: ssl.create_default_context(cafile=file),
    "context on a folder": lambda file, folder_of: ssl.create_default_context(capath=folder_of("pin", file)),
    "bare context on a folder": lambda file, folder_of: _bare_context(folder_of("pin", file)),
    "path": lambda file, _folder_of: str(file),
    "path of a folder": lambda file, folder_of: str(folder_of("pin", file)),
}


def _bare_context(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=folder)
    return context


@accepted
@by_library
@by_moment
@pytest.mark.parametrize("pin", PINS.values(), ids=PINS)
def test_a_pin_is_never_undone(pin, moment, library, server, given):
    """A client whose CAs were chosen trusts these and no others inside, whenever it was made."""
    verify = pin(given.other_file, given.folder_of)
    before = library.Client(verify=verify, timeout=20)
    with trusted_context(given.ca_file):
        made = before if moment == "before" else library.Client(verify=verify, timeout=20)
        fails(made.get, server.url)
    before.close()
    made.close()
    verify = ssl.create_default_context(cafile=given.ca_file)
    with trusted_context(given.other_file), library.Client(verify=verify, timeout=20) as chosen:
        assert chosen.get(server.url).content == BODY


@by_library
@by_moment
def test_a_caller_who_verifies_nothing_keeps_that(moment, library, server, other_file):
    """verify=False is a choice like any."""
    before = library.Client(verify=False, timeout=20)
    with trusted_context(other_file), library.Client(verify=False, timeout=20) as inside:
        assert (before if moment == "before" else inside).get(server.url).content == BODY
    before.close()


@accepted
@by_library
def test_a_client_certificate_is_kept_with_the_trust_beside_it(library, ca, identity, given):
    """cert=, given to a client with default trust, is presented to what the block verifies, and to no other."""
    with serving(asking_for_certificates(ca)) as asking:
        with trusted_context(given.ca_file):
            assert fetch(asking.url, library, cert=identity) == b"client@corp.test"
            assert fetch(asking.url, library) == b"nobody"
        with trusted_context(given.other_file):
            fails(fetch, asking.url, library, cert=identity)
        with pytest.warns(InsecureWarning), trusted_context(insecure=True):
            assert fetch(asking.url, library, cert=identity) == b"client@corp.test"
    with serving(asking_for_certificates(ca)) as asking, trusted_context(given.other_file):
        presenting = ssl.create_default_context(cafile=given.ca_file)
        assert fetch(asking.url, library, verify=presenting, cert=identity) == b"client@corp.test"


CHANGES = {
    "flags": lambda context: setattr(context, "verify_flags", context.verify_flags | ssl.VERIFY_CRL_CHECK_LEAF),
    "versions": lambda context: setattr(context, "minimum_version", ssl.TLSVersion.TLSv1_3),
    "ciphers": lambda context: context.set_ciphers("ECDHE+AESGCM"),
    "host name": lambda context: setattr(context, "check_hostname", False),
    "options": lambda context: setattr(context, "options", context.options | ssl.OP_NO_TICKET),
    "sockets": lambda context: setattr(context, "sslsocket_class", type("Own", (ssl.SSLSocket,), {})),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_settings_choose_no_trust_and_further_cas_do(change, ca_file, other_file, monkeypatch):
    """The environment's CAs with another setting are a default's still; with one more CA they were chosen."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    same, changed, wider = (ssl.create_default_context(cafile=other_file) for _ in range(3))
    change(changed)
    wider.load_verify_locations(ca_file)
    assert [httpx_defaults.is_default(each, "httpx") for each in (same, changed, wider)] == [True, True, False]


def test_what_is_chosen_later_is_chosen(ca_file, other_file, monkeypatch):
    """A context that was a default when it was first looked at is looked at again once it was changed."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    first, second = (ssl.create_default_context(cafile=other_file) for _ in range(2))
    assert httpx_defaults.is_default(first, "httpx")
    assert httpx_defaults.is_default(second, "httpx")
    first.load_verify_locations(ca_file)
    second.check_hostname, second.verify_mode = False, ssl.CERT_NONE
    assert not httpx_defaults.is_default(first, "httpx")
    assert not httpx_defaults.is_default(second, "httpx")


def test_what_is_no_context_of_pythons_was_chosen(server, ca_file):
    """A context of another make, such as pyOpenSSL's, is a choice; so is a default changed by hand later."""
    assert not httpx_defaults.is_default(object(), "httpx")
    with trusted_context(ca_file), httpx.Client(timeout=20) as made:
        assert made.get(server.url).content == BODY
        made._transport._pool._ssl_context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        fails(made.get, server.url)


def test_a_default_that_was_given_another_ca_by_hand_was_chosen(server, ca_file, other_file):
    """CAs that were added to the context of a transport are its user's pin, also where it was made inside."""
    with trusted_context(ca_file), httpx.Client(timeout=20) as made:
        assert made.get(server.url).content == BODY
        made._transport._pool._ssl_context.load_verify_locations(other_file)
        fails(made.get, server.url)


@by_library
@by_moment
def test_what_other_code_makes_in_the_librarys_place_was_chosen(moment, library, server, given, monkeypatch):
    """A function that was put in the place of the library's own, to pin every client, does so inside as well."""
    module = sys.modules[f"{library.__name__}._transports.default"]
    original = module.create_ssl_context

    def create(*, verify=True, **settings):
        pin = ssl.create_default_context(cafile=given.other_file) if verify is True else verify
        return original(verify=pin, **settings)

    monkeypatch.setattr(module, "create_ssl_context", create)
    before = library.Client(timeout=20)
    with trusted_context(given.ca_file):
        made = before if moment == "before" else library.Client(timeout=20)
        fails(made.get, server.url)
    for each in {before, made}:
        each.close()


def test_a_subset_of_what_is_trusted_by_default_was_chosen(ca, other_ca, tmp_path, given):
    """A context with some of the environment's CAs, or none, or with connections of its own making, is a choice."""
    both = tmp_path / "both.pem"
    both.write_bytes(ca.cert_pem.bytes() + other_ca.cert_pem.bytes())
    given.setenv("SSL_CERT_FILE", str(both))
    assert httpx_defaults.is_default(ssl.create_default_context(cafile=both), "httpx")
    assert not httpx_defaults.is_default(ssl.create_default_context(cafile=given.ca_file), "httpx")
    assert not httpx_defaults.is_default(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "httpx")
    own = ssl.create_default_context(cafile=both)
    own.wrap_socket = own.wrap_socket
    assert not httpx_defaults.is_default(own, "httpx")

    class Wrapping(ssl.SSLContext):
        def wrap_bio(self, *args, **kwargs):
            return super().wrap_bio(*args, **kwargs)

    own = Wrapping(ssl.PROTOCOL_TLS_CLIENT)
    own.load_verify_locations(both)
    assert not httpx_defaults.is_default(own, "httpx")


# --- what is nobody's choice


@by_library
def test_certifis_bundle_and_the_librarys_default_are_no_choice(library, server, ca_file):
    """A client made before a block with its library's default, or with certifi's bundle by hand, is covered."""
    for settings in ({}, {"trust_env": False}, {"verify": ssl.create_default_context(cafile=certifi.where())}):
        with library.Client(timeout=20, **settings) as made, trusted_context(ca_file):
            assert made.get(server.url).content == BODY


@by_library
@by_moment
def test_a_folder_that_the_environment_names_is_no_choice(moment, library, server, given):
    """A client that reads SSL_CERT_DIR is covered, whenever it was made; one on a part of that folder was chosen."""
    third = write_ca(trustme.CA(organization_name="Third"), given.other_file.with_name("third.pem"))
    folder = given.folder_of("theirs", given.other_file, third)
    given.setenv("SSL_CERT_DIR", str(folder))
    part = ssl.create_default_context(capath=given.folder_of("part", third))
    before, pinned = library.Client(timeout=20), library.Client(verify=part, timeout=20)
    with before, pinned, trusted_context(given.ca_file), library.Client(timeout=20) as inside:
        assert (before if moment == "before" else inside).get(server.url).content == BODY
        fails(pinned.get, server.url)


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="there the system verifies for httpx2")
def test_a_system_store_that_is_a_folder_is_no_choice(server, ca_file, other_file, folder_of, monkeypatch):
    """Where OpenSSL's store is a folder alone, as on Ubuntu, a client of httpx2 made before a block is covered."""
    folder = folder_of("store", other_file)
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile="", openssl_capath=str(folder))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    pinned = _bare_context(folder_of("pin", ca_file))
    with httpx2.Client(timeout=20) as made, httpx2.Client(verify=pinned, timeout=20) as chosen:
        assert made._transport._pool._ssl_context.cert_store_stats()["x509"] == 0
        with trusted_context(ca_file):
            assert made.get(server.url).content == BODY
        fails(made.get, server.url)
        with trusted_context(other_file):
            assert chosen.get(server.url).content == BODY


def test_a_context_shows_what_it_finds_in_a_folder(ca, other_ca, ca_file, other_file, folder_of):
    """Asked for certificates, a context shows those that are in its folder, and trusts no more than before."""
    ders = [ssl.PEM_cert_to_DER_cert(each.cert_pem.bytes().decode()) for each in (ca, other_ca)]
    context = _bare_context(folder_of("one", ca_file))
    probing.reveal(context, ders)
    assert context.get_ca_certs(binary_form=True) == ders[:1]
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context = _bare_context(folder_of("other", other_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    probing.reveal(context, ders)
    assert context.get_ca_certs() == []


@by_library
def test_the_block_beats_an_environment_that_names_nothing(library, server, ca_file, tmp_path, monkeypatch):
    """With a dangling SSL_CERT_FILE a client cannot be made; inside a block it can, and trusts nobody after it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(FileNotFoundError):
        library.Client()
    with trusted_context(ca_file):
        made = library.Client(timeout=20)
        assert made.get(server.url).content == BODY
        with pytest.raises(OSError, match=r"lib|No such file"):
            library.Client(cert=str(tmp_path / "missing.pem"))
    fails(made.get, server.url)
    made._transport._pool._ssl_context.load_verify_locations(ca_file)  # what its owner adds is heeded
    assert made.get(server.url).content == BODY
    made.close()
    with trusted_context(ca_file, local=True), ThreadPoolExecutor(1) as elsewhere:
        assert isinstance(contextvars.Context().run(elsewhere.submit, library.Client).exception(20), FileNotFoundError)


def test_a_pool_that_was_given_no_context_is_covered(server, ca_file):
    """A pool of httpcore's own that other code put in the place of the transport's has its default: no choice."""
    import httpcore

    with httpx.Client(timeout=20) as made, trusted_context(ca_file):
        made._transport._pool = httpcore.ConnectionPool()
        assert made.get(server.url).content == BODY


# --- export=True


@by_library
@pytest.mark.parametrize("own", ["SSL_CERT_FILE", "SSL_CERT_DIR", None])
def test_a_client_made_while_a_block_exports_is_ordinary_after(own, library, other_ca, server, given):
    """It trusts then what the user's own variables name, or the library's default: not what the block exported."""
    if own:
        theirs = given.other_file
        given.setenv(own, str(theirs if own == "SSL_CERT_FILE" else given.folder_of("theirs", theirs)))
    with trusted_context(given.ca_file, export=True):
        environment = dict(os.environ)
        made = library.Client(timeout=20)
        apart = library.Client(trust_env=False, timeout=20)
        assert dict(os.environ) == environment
        assert os.environ["SSL_CERT_FILE"] == str(given.ca_file)
        for each in (made, apart):
            assert each.get(server.url).content == BODY
    for each in (made, apart):
        fails(each.get, server.url)
    with serving(Server(other_ca.issue_cert("localhost"))) as theirs:
        if own:
            assert made.get(theirs.url).content == BODY
        else:
            fails(made.get, theirs.url)
        fails(apart.get, theirs.url)
    made.close()
    apart.close()


def test_a_pin_that_equals_the_exported_file_is_a_pin(ca, server, ca_file, other_file, monkeypatch):
    """What a block exports is no default: the same file, chosen by hand, is trusted in another block within."""
    monkeypatch.setenv("SSL_CERT_FILE", str(other_file))
    with trusted_context(ca_file, export=True), trusted_context(other_file):
        assert fetch(server.url, verify=ssl.create_default_context(cafile=ca_file)) == BODY
