"""The file that the exported variables name: the user's own where it can serve, else one that is written."""

import os
import ssl
import threading
import types

import material
import pytest
from exported import (
    ders,
    environment_is_as_it_was,  # noqa: F401  # a fixture of every test here
    naming,
    temporary_folder,  # noqa: F401  # as well
    to_der,
    variables,
    written,
)
from servers import write_ca

from trusted_context import BundleError, trusted_context
from trusted_context.sources import stores

# What is in the file


def _pem(ca, other):
    return ca.cert_pem.bytes() + other.cert_pem.bytes()


_REWRITTEN = {
    "DER": (lambda ca, _: to_der(ca), 1),
    "PKCS#7": (lambda ca, other: material.to_pkcs7(_pem(ca, other)), 2),
    "PKCS#7 as PEM": (lambda ca, other: material.to_pkcs7_pem(_pem(ca, other)), 2),
    "UTF-16": (lambda ca, other: _pem(ca, other).decode().encode("utf-16"), 2),
    "a byte-order mark": (lambda ca, other: b"\xef\xbb\xbf" + _pem(ca, other), 2),
    "no line break between two": (lambda ca, other: _pem(ca, other).replace(b"-----\n-----", b"----------"), 2),
    "a private key beside": (lambda ca, _: ca.private_key_pem.bytes() + ca.cert_pem.bytes(), 1),
    "TRUSTED CERTIFICATE beside": (
        lambda ca, other: ca.cert_pem.bytes() + other.cert_pem.bytes().replace(b" CERT", b" TRUSTED CERT"),
        1,
    ),
    "X509 CERTIFICATE": (lambda ca, _: ca.cert_pem.bytes().replace(b" CERT", b" X509 CERT"), 1),
    "old line breaks": (lambda ca, other: _pem(ca, other).replace(b"\n", b"\r"), 2),
}


@pytest.mark.parametrize("form", _REWRITTEN)
@pytest.mark.parametrize("in_bytes", [False, True])
def test_what_others_would_read_otherwise_is_written_anew(form, in_bytes, ca, other_ca, tmp_path):
    """A form that not everybody reads as we do is exported as plain PEM, with exactly the certificates of the block."""
    make, count = _REWRITTEN[form]
    content = make(ca, other_ca)
    path = tmp_path / "corp.crt"
    path.write_bytes(content)
    exported = trusted_context(content if in_bytes else path).environment()["SSL_CERT_FILE"]
    assert ders(exported) == {to_der(ca), to_der(other_ca)} if count == 2 else {to_der(ca)}
    assert exported in written()
    with open(exported, "rb") as file:
        assert set(file.read().split(b"-----")[1::4]) == {b"BEGIN CERTIFICATE"}


@pytest.mark.parametrize("prefix", [b"", b"Bag Attributes\n    friendlyName: Soci\xc3\xa9t\xc3\xa9\n", b"\r\n\r\n"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_plain_pem_file_is_served_as_it_is(ca, other_ca, tmp_path, prefix, line_end):
    """Words between the certificates, a repeated certificate and Windows' line ends keep a file from nothing."""
    path = tmp_path / "corp.txt"
    path.write_bytes((prefix + _pem(ca, other_ca) + ca.cert_pem.bytes()).replace(b"\n", line_end))
    assert variables(trusted_context([path]).environment()) == naming(path)
    assert written() == []


@pytest.mark.parametrize("how", ["several files", "folder", "PEM text", "file and text"])
def test_what_is_not_one_file_is_written_as_one(how, ca, other_ca, ca_file, other_file):
    """Several pieces, a folder and text are exported as one file that holds what they hold."""
    given = {
        "several files": [ca_file, other_file],
        "folder": ca_file.parent,
        "PEM text": _pem(ca, other_ca).decode(),
        "file and text": [ca_file, other_ca.cert_pem.bytes()],
    }[how]
    with trusted_context(given, export=True):
        exported = os.environ["PIP_CERT"]
        assert ders(exported) == {to_der(ca), to_der(other_ca)}
        assert variables() == naming(exported)
    assert written() == [exported]


@pytest.mark.parametrize("damage", material.DAMAGES)
def test_a_file_with_a_skipped_certificate_is_written_without_it(damage, ca, tmp_path):
    """A broken certificate, with which other programs might read none at all, is not in what is exported."""
    path = tmp_path / "corp.pem"
    path.write_bytes(ca.cert_pem.bytes() + material.to_pem(material.DAMAGES[damage](to_der(ca))))
    block = trusted_context(path, export=True)
    with pytest.warns(UserWarning, match="skipped"):
        block.start()
    exported = os.environ["SSL_CERT_FILE"]
    block.stop()
    assert ders(exported) == {to_der(ca)}
    assert exported in written()


def test_a_file_that_changed_since_the_block_was_entered_is_not_served(ca, other_ca, ca_file):
    """What environment() gives a child is what the live block trusts, not what its file holds by now."""
    with trusted_context(ca_file) as block:
        write_ca(other_ca, ca_file)
        assert ders(block.environment()["SSL_CERT_FILE"]) == {to_der(ca)}
        ca_file.unlink()
        assert ders(block.environment()["SSL_CERT_FILE"]) == {to_der(ca)}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no FIFO")
@pytest.mark.timeout(20)
def test_a_pipe_is_not_handed_on(ca, tmp_path):
    """What can be read only once, as a shell's <(...), is exported as a file."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(ca.cert_pem.bytes(),), daemon=True)
    writer.start()
    with trusted_context(tmp_path / "pipe", export=True):
        assert ders(os.environ["SSL_CERT_FILE"]) == {to_der(ca)}
    writer.join(10)


# The system's store


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A system store of our own, as in test_stores.py, with one CA in its file."""
    file, hashed = tmp_path / "system" / "cert.pem", tmp_path / "system" / "certs"
    hashed.mkdir(parents=True)
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile=str(file), openssl_capath=str(hashed))
    monkeypatch.setattr(stores, "ssl", types.SimpleNamespace(get_default_verify_paths=lambda: paths))
    monkeypatch.setattr(stores, "SYSTEM_FILES", ())
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", False)
    machine = material.make_ca("Machine")
    file.write_bytes(machine.pem)
    return types.SimpleNamespace(file=file, folder=hashed, ca=machine)


@pytest.mark.parametrize("arguments", [{}, {"system": True}])
def test_the_system_s_file_is_served_where_the_folder_adds_nothing(store, arguments):
    """The file is named as it is, though the folder holds the same certificates under their hashed names."""
    (store.folder / "0123abcd.0").write_bytes(store.ca.pem)
    (store.folder / "0123abcd.1").write_text("junk")
    (store.folder / "unhashed.pem").write_bytes(material.make_ca("Unhashed").pem)
    assert variables(trusted_context(**arguments).environment()) == naming(store.file)
    assert written() == []


def test_what_the_system_s_folder_adds_is_exported_too(store, ca, ca_file):
    """Certificates that only the folder has are written with those of the file; unreadable ones and others are not."""
    (store.folder / "0123abcd.0").write_bytes(ca_file.read_bytes())
    broken = material.DAMAGES["zeroed half"](to_der(ca))
    (store.folder / "0123abcd.1").write_bytes(material.to_pem(broken))
    (store.folder / "unhashed.pem").write_bytes(material.make_ca("Unhashed").pem)
    exported = trusted_context(system=True).environment()["SSL_CERT_FILE"]
    assert ders(exported) == {store.ca.der, to_der(ca)}
    store.file.unlink()
    assert ders(trusted_context(system=True).environment()["SSL_CERT_FILE"]) == {to_der(ca)}


def test_a_folder_of_which_nothing_can_be_exported_is_an_error(store):
    """A store that OpenSSL may look up but that no file can hold is said to be so, and not exported empty."""
    store.file.unlink()
    (store.folder / "0123abcd.0").write_text("junk")
    with pytest.raises(BundleError, match="cafile="):
        trusted_context(system=True, export=True).start()


def test_junk_in_the_system_s_file_is_not_exported(store):
    """A system's file that other programs might not read whole is written anew."""
    store.file.write_bytes(store.ca.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    exported = trusted_context(system=True).environment()["SSL_CERT_FILE"]
    assert exported in written()
    assert ders(exported) == {store.ca.der}


def test_the_union_of_a_file_and_the_system_is_exported(store, ca, ca_file):
    """Cafile with system=True exports both in one file."""
    exported = trusted_context(ca_file, system=True).environment()["SSL_CERT_FILE"]
    assert ders(exported) == {store.ca.der, to_der(ca)}


def test_certifi_is_exported_where_it_is_what_is_trusted(store):
    """Without a system's store certifi's own file is named."""
    import certifi

    store.file.unlink()
    assert variables(trusted_context().environment()) == naming(certifi.where())
    assert written() == []


@pytest.mark.parametrize("arguments", [{}, {"system": True}, {"cafile": "", "system": True}], ids=str)
def test_a_native_store_cannot_be_exported(arguments, ca_file, monkeypatch):
    """On Windows and macOS (mocked here) there is no file to name: a ValueError says to give cafile."""
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    if "cafile" in arguments:
        arguments = arguments | {"cafile": ca_file}
    block = trusted_context(**arguments, export=True)
    for use in (block.start, block.environment, trusted_context(**arguments).environment):
        with pytest.raises(ValueError, match="pass cafile="):
            use()
    assert "live" not in repr(block)
    assert variables() == {}
    with trusted_context(ca_file, export=True):
        assert variables() == naming(ca_file)
