import os
import ssl
import sys
import types

import certifi
import material
import pytest
import truststore
from servers import BODY, Server, fetch, serving, write_ca

from trusted_context import BundleError, InsecureWarning, trusted_context
from trusted_context.sources import stores

VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE")


GONE = os.path.abspath("gone.pem")


def write_stranger(beside):
    """A file with a CA that signed nothing, in the folder of the file *beside*."""
    path = beside.with_name("stranger.pem")
    path.write_bytes(material.make_ca("Stranger").pem)
    return path


def value_for(variable, file):
    """The value with which *variable* names the CA in *file*: SSL_CERT_DIR takes a folder, made beside it."""
    if variable != "SSL_CERT_DIR":
        return str(file)
    folder = file.with_suffix(".d")
    folder.mkdir()
    (folder / "12345678.0").write_bytes(file.read_bytes())
    return str(folder)


def anchors(**arguments):
    """The certificates that a block with these arguments trusts, each in DER."""
    return set(trusted_context(**arguments).ssl_context().get_ca_certs(binary_form=True))


def der(ca):
    return material.to_der(ca.cert_pem.bytes())


@pytest.fixture
def machine_ca():
    """The CA in the file of the made-up system store."""
    return material.make_ca("Machine")


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A system store of our own, still empty: a test cannot write to the machine's, nor know what it holds.

    Only this module's view of OpenSSL's compiled-in paths is replaced, so nothing else in the process sees it.
    """
    file, folder = tmp_path / "system" / "cert.pem", tmp_path / "system" / "certs"
    folder.mkdir(parents=True)
    real = ssl.get_default_verify_paths()
    paths = real._replace(openssl_cafile=str(file), openssl_capath=str(folder))
    monkeypatch.setattr(stores, "ssl", types.SimpleNamespace(get_default_verify_paths=lambda: paths))
    monkeypatch.setattr(stores, "SYSTEM_FILES", ())
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", False)
    return types.SimpleNamespace(file=file, folder=folder)


def add_to_folder(store, ca):
    """Put the CA into the store's folder, by the name that OpenSSL looks for."""
    file = write_ca(ca, store.folder / "new")
    return file.rename(store.folder / material.hashed_name(file))


@pytest.fixture
def filled(store, machine_ca):
    """The made-up system store with one CA in its file."""
    store.file.write_bytes(machine_ca.pem)
    return store


# The order in which trust is looked for


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_is_followed(server, ca, ca_file, monkeypatch, variable):
    """A block without cafile trusts what a variable names, and that alone."""
    value = value_for(variable, ca_file)
    monkeypatch.setenv(variable, value)
    with trusted_context() as block:
        assert fetch(server.url) == BODY
        assert block.describe().startswith(f"{variable}={value}: 1 CA;")
    assert anchors() == {der(ca)}


@pytest.mark.parametrize(
    "pair",
    [
        ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
        ("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"),
        ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        ("SSL_CERT_FILE", "CURL_CA_BUNDLE"),
        ("SSL_CERT_DIR", "CURL_CA_BUNDLE"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("dangling", [False, True])
def test_the_order_of_the_variables(ca_file, other_file, monkeypatch, pair, dangling):
    """The stronger variable wins alone, whatever the weaker one names."""
    stronger, weaker = pair
    monkeypatch.setenv(stronger, value_for(stronger, ca_file))
    monkeypatch.setenv(weaker, GONE if dangling else value_for(weaker, other_file))
    assert trusted_context().describe().startswith(f"{stronger}={os.environ[stronger]}: 1 CA;")
    assert anchors() == anchors(cafile=ca_file)


def test_the_file_and_the_folder_of_openssl_are_read_together(server, other_ca, ca_file, other_file, monkeypatch):
    """SSL_CERT_FILE and SSL_CERT_DIR together are both trusted, and both named."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", value_for("SSL_CERT_DIR", other_file))
    block = trusted_context()
    with block, serving(Server(other_ca.issue_cert("localhost"))) as other:
        assert fetch(server.url) == fetch(other.url) == BODY
    assert f"SSL_CERT_FILE={ca_file} and SSL_CERT_DIR={other_file.with_suffix('.d')}: 2 CAs;" in block.describe()


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_empty_variable_counts_as_unset(filled, monkeypatch, variable):
    """An empty variable does not stand in the way of what comes after it."""
    monkeypatch.setenv(variable, "")
    assert trusted_context().describe().startswith(f"the operating system's store ({filled.file}): 1 CA;")


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_dangling_variable_is_an_error_at_entry(filled, ca_file, monkeypatch, variable):
    """A variable that names no file is an error with the file's and the variable's name, never a fall-through."""
    block = trusted_context()
    gone = str(ca_file.with_name("gone"))
    monkeypatch.setenv(variable, gone)
    for use in (block.start, block.ssl_context, block.describe):
        with pytest.raises(FileNotFoundError, match=f"environment variable {variable}: .*cafile=") as caught:
            use()
        assert caught.value.filename == gone


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("content", ["<html>", None])
def test_a_variable_that_names_nothing_usable(filled, tmp_path, monkeypatch, variable, content):
    """A variable that names an unusable file, or a folder without certificates, is an error naming both."""
    path = tmp_path / "nothing"
    path.mkdir() if content is None else path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(BundleError, match=f"environment variable {variable}: .*cafile=") as caught:
        trusted_context().start()
    assert str(path) in str(caught.value)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("variable", VARIABLES)
def test_explicit_trust_beats_a_variable(server, ca_file, machine_ca, monkeypatch, variable):
    """With cafile or system=True a variable is not even looked at, be it dangling or not."""
    given = {material.to_der(ca_file.read_bytes())}
    for value in (GONE, value_for(variable, write_stranger(ca_file))):
        monkeypatch.setenv(variable, value)
        with trusted_context(ca_file) as block:
            assert fetch(server.url) == BODY
            assert variable not in block.describe()
        assert anchors(cafile=ca_file) == given
        assert anchors(system=True) == {machine_ca.der}
        assert anchors(cafile=ca_file, system=True) == {*given, machine_ca.der}


def test_a_list_of_folders(server, ca_file, other_file, tmp_path, monkeypatch):
    """SSL_CERT_DIR is a list, as PATH is one; a folder of it that is missing or empty does not spoil the others."""
    (tmp_path / "empty").mkdir()
    folders = [value_for("SSL_CERT_DIR", file) for file in (other_file, ca_file)]
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([str(tmp_path / "gone"), "", str(tmp_path / "empty"), *folders]))
    with trusted_context() as block:
        assert fetch(server.url) == BODY
        assert ": 2 CAs;" in block.describe()


@pytest.mark.parametrize("value", [os.pathsep, f"/gone{os.pathsep}/away"])
def test_a_list_of_no_folders(filled, monkeypatch, value):
    """A list without any usable folder is an error that names the variable."""
    monkeypatch.setenv("SSL_CERT_DIR", value)
    with pytest.raises((BundleError, FileNotFoundError), match="environment variable SSL_CERT_DIR"):
        trusted_context().start()


def test_requests_own_variable_may_name_a_folder(server, ca_file, monkeypatch):
    """REQUESTS_CA_BUNDLE may name a folder, as requests allows."""
    folder = value_for("SSL_CERT_DIR", ca_file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", folder)
    with trusted_context():
        assert fetch(server.url) == BODY


@pytest.mark.parametrize("variable", VARIABLES)
def test_no_default_folder_creeps_in_beside_a_variable(server, ca_file, filled, monkeypatch, variable):
    """What a variable names is all that is trusted, without the system's store and OpenSSL's defaults."""

    def creep(*_arguments):
        raise AssertionError("OpenSSL's defaults were loaded")

    # Contexts do not list what they would look up in a folder, so the ways to add one are barred.
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", creep)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", creep)
    filled.file.write_bytes(ca_file.read_bytes())
    (filled.folder / material.hashed_name(ca_file)).write_bytes(ca_file.read_bytes())
    monkeypatch.setenv(variable, value_for(variable, write_stranger(ca_file)))
    material.assert_refused(server.url, None)


def test_system_false_is_never_the_system(filled, ca, ca_file, machine_ca, monkeypatch):
    """With system=False a variable is still followed, and without one certifi is trusted instead of the system."""
    assert trusted_context(system=False).describe().startswith(f"certifi ({certifi.where()}): ")
    assert machine_ca.der not in anchors(system=False)
    assert anchors(cafile=ca_file, system=False) == {der(ca)}
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    assert anchors(system=False) == {der(ca)}


# The system's store where it is a file and a folder


@pytest.mark.parametrize("system", [None, True])
def test_the_file_and_the_folder_of_the_system_are_both_read(server, other_ca, ca, store, system):
    """What administrators appended to the file and what they put in the folder is trusted alike."""
    write_ca(ca, store.file)
    add_to_folder(store, other_ca)
    with trusted_context(system=system) as block, serving(Server(other_ca.issue_cert("localhost"))) as other:
        assert fetch(server.url) == fetch(other.url) == BODY
        assert block.describe().startswith(f"the operating system's store ({store.file}, {store.folder}): 1 CA ")


@pytest.mark.parametrize("place", ["file", "folder"])
def test_the_file_or_the_folder_of_the_system_is_enough(server, ca, store, place):
    """Of the system's file and folder, either may be missing."""
    if place == "file":
        write_ca(ca, store.file)
        store.folder.rmdir()
    else:
        add_to_folder(store, ca)
    with trusted_context(system=True) as block:
        assert fetch(server.url) == BODY
        assert block.describe().startswith(f"the operating system's store ({getattr(store, place)}): ")


def test_what_a_user_cannot_mend_in_the_system_is_not_told(server, ca, other_ca, store):
    """Junk in the system's store is passed over without a warning, and what is beside it is trusted."""
    write_ca(ca, store.file)
    with store.file.open("ab") as file:
        file.write(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    add_to_folder(store, other_ca)
    (store.folder / "0123abcd.0").symlink_to(store.folder / "gone")
    (store.folder / "0123abcd.1").write_text("junk")
    with trusted_context(system=True), serving(Server(other_ca.issue_cert("localhost"))) as other:
        assert fetch(server.url) == fetch(other.url) == BODY


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a regular file that even root cannot read")
def test_a_file_of_the_system_that_cannot_be_read_is_passed_over(server, ca, store):
    """The folder beside it is the store then."""
    store.file.symlink_to("/proc/self/mem")
    add_to_folder(store, ca)
    with trusted_context(system=True):
        assert fetch(server.url) == BODY


def test_a_folder_of_the_system_that_was_emptied_meanwhile_makes_no_file(ca, store):
    """A child process cannot be told to trust what is gone, and that is said."""
    file = add_to_folder(store, ca)
    with trusted_context(system=True) as block:
        file.unlink()
        with pytest.raises(BundleError, match="no file can be made of what is there"):
            block.environment()


def test_a_distribution_s_own_file_is_found(ca, store, monkeypatch, tmp_path):
    """Where the interpreter was built to look elsewhere, the distribution's bundle is the system's store."""
    file = write_ca(ca, tmp_path / "distribution.pem")
    monkeypatch.setattr(stores, "SYSTEM_FILES", (str(tmp_path / "gone"), str(file)))
    assert trusted_context().describe().startswith(f"the operating system's store ({file}): 1 CA;")
    assert anchors(system=True) == {der(ca)}


def test_a_change_of_the_system_s_store_is_seen(filled, ca, machine_ca, monkeypatch):
    """A CA appended to the system's file is trusted at the next entry, also where the store was cached."""
    monkeypatch.setattr(
        "trusted_context.sources.bundles._SETTLED_SECONDS", -60
    )  # the cache trusts no file as young as these
    assert anchors(system=True) == {machine_ca.der}
    filled.file.write_bytes(machine_ca.pem + ca.cert_pem.bytes())
    assert anchors(system=True) == {machine_ca.der, der(ca)}


@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_an_empty_system_store(server, ca_file, store, content):
    """Where the system's store holds nothing the default is certifi, and asking for the system's is an error."""
    if content is not None:
        store.file.write_bytes(content)
    assert trusted_context().describe().startswith(f"certifi ({certifi.where()}): ")
    for cafile in (None, ca_file):
        with pytest.raises(BundleError, match=r"system=True, but .* ca-certificates") as caught:
            trusted_context(cafile, system=True).start()
        assert str(store.file) in str(caught.value)
        assert str(store.folder) in str(caught.value)


def test_the_union_of_a_file_and_the_system(server, ca_file, machine_ca, filled):
    """Cafile with system=True trusts both, and names both."""
    with trusted_context(ca_file, system=True) as block, serving(Server(material.make_server(machine_ca))) as other:
        assert fetch(server.url) == fetch(other.url) == BODY
        expected = f"cafile={ca_file} and the operating system's store ({filled.file}): 2 CAs;"
        assert block.describe().startswith(expected)


# Where the operating system verifies (Windows, macOS)


@pytest.fixture
def native(monkeypatch):
    """As on Windows and macOS, with a list of the contexts that truststore made.

    On Linux truststore verifies by OpenSSL, with what SSL_CERT_FILE names as the system's store: so these tests see
    which contexts are used and how, not the rules of those systems.
    """
    made = []

    class Context(truststore.SSLContext):
        def __init__(self, *arguments):
            made.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(truststore, "SSLContext", Context)
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    return made


def test_each_native_connection_has_a_context_of_its_own(server, ca_file, native):
    """Truststore locks a context while it shakes hands, so that no two connections share one."""
    with trusted_context(ca_file, system=True):
        native.clear()
        assert fetch(server.url) == fetch(server.url) == BODY
        assert len(native) == 2


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="a test cannot add to that system's store")
@pytest.mark.usefixtures("native")
def test_native_verification_takes_the_file_beside_the_system(server, ca_file, other_ca, monkeypatch):
    """With system=True the system's store and cafile are trusted both, and the system's alone without cafile."""
    monkeypatch.setenv("SSL_CERT_FILE", str(write_ca(other_ca, ca_file.with_name("system.pem"))))
    with serving(Server(other_ca.issue_cert("localhost"))) as other:
        with trusted_context(ca_file, system=True) as block:
            assert fetch(server.url) == fetch(other.url) == BODY
            assert block.describe().startswith(f"cafile={ca_file} and the operating system's store: ")
        with trusted_context(system=True):
            assert fetch(other.url) == BODY
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                fetch(server.url)


def test_the_default_is_native_where_the_system_verifies(native):
    """Without cafile and variables, truststore verifies on Windows and macOS, and describe() says by whose rules."""
    block = trusted_context()
    assert block.ssl_context() is native[-1]
    assert block.describe().startswith("the operating system's store: the system's own CAs; every host is verified;")
    assert block.describe().endswith("by the operating system's own rules, which strict does not change")


@pytest.mark.parametrize("way", ["cafile", *VARIABLES])
def test_a_file_alone_is_never_verified_natively(server, ca_file, native, monkeypatch, way):
    """cafile, or what a variable names, stays all that is trusted on Windows and macOS too."""
    if way != "cafile":
        monkeypatch.setenv(way, value_for(way, ca_file))
    with trusted_context(ca_file if way == "cafile" else None) as block:
        assert fetch(server.url) == BODY
        assert type(block.ssl_context()).__module__ != "truststore._api"
        assert "VERIFY_X509_PARTIAL_CHAIN" in block.describe()
    assert native == []


def test_one_insecure_host_beside_native_verification(server, native):
    """A host that is not verified is never asked of the operating system."""
    host = f"localhost:{server.server_port}"
    block = trusted_context(system=True, insecure={host})
    with pytest.warns(InsecureWarning, match=host):
        block.start()
    try:
        assert fetch(server.url) == BODY
    finally:
        block.stop()
    assert native == []
    assert block.ssl_context("localhost:1") is native[-1]


def test_without_truststore_nothing_is_connected(server, ca_file, native, monkeypatch):
    """Where the operating system cannot be asked, no connection is made at all."""
    monkeypatch.setitem(sys.modules, "truststore", None)
    with trusted_context(ca_file, system=True), pytest.raises((ImportError, OSError)):
        fetch(server.url)
    assert server.requests == []
