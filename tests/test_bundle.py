import os
import pathlib
import types

import material
import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from servers import BODY, Server, fetch, serving

from trusted_context import trusted_context

ENCODINGS = {
    "PEM": bytes,
    "DER": material.to_der,
    "CRLF": lambda pem: pem.replace(b"\n", b"\r\n"),
    "CR alone": lambda pem: pem.replace(b"\n", b"\r"),
    "byte-order mark": lambda pem: b"\xef\xbb\xbf" + pem,
    "UTF-16-LE with mark": lambda pem: b"\xff\xfe" + pem.decode().encode("utf-16-le"),
    "UTF-16-BE with mark": lambda pem: b"\xfe\xff" + pem.decode().encode("utf-16-be"),
    "UTF-16-LE": lambda pem: pem.decode().encode("utf-16-le"),
    "UTF-16-BE": lambda pem: pem.decode().encode("utf-16-be"),
    "UTF-16-LE after much text": lambda pem: (b"Issuer: CN=Corp\n" * 200 + pem).decode().encode("utf-16-le"),
    "text around": material.with_text,
    "X509 CERTIFICATE": lambda pem: pem.replace(b" CERTIFICATE-", b" X509 CERTIFICATE-"),
    "twice": lambda pem: pem + pem,
    "PKCS#7 PEM": material.to_pkcs7_pem,
    "PKCS#7 DER": material.to_pkcs7,
    "PKCS#7 labelled CMS": lambda pem: material.to_pkcs7_pem(pem).replace(b"PKCS7", b"CMS"),
    "after a private key": lambda pem: material.make_ca("Key").key_pem() + pem,
    "before a private key": lambda pem: pem + material.make_ca("Key").key_pem(PrivateFormat.TraditionalOpenSSL),
    "last of a public bundle": lambda pem: material.public_bundle() + pem,
}

FORMS = {
    "Path": lambda path: path,
    "str": str,
    "path of bytes": material.PathOfBytes,
    "bytes": pathlib.Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "text": pathlib.Path.read_text,
    "text with a byte-order mark": lambda path: "\ufeff" + path.read_text(),
    "list": lambda path: [path],
    "tuple": lambda path: (str(path),),
    "set": lambda path: {path.read_bytes()},
    "generator": lambda path: (piece for piece in [path]),
}


@pytest.fixture(scope="module")
def corp():
    """A CA of which the tests hold the key."""
    return material.make_ca("Made here")


# Each form of material is proved by a download.


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_file_is_read_by_its_content(server, ca, tmp_path, encode):
    """Every encoding in which CAs are handed out is read, whatever the file's ending says."""
    path = tmp_path / "corp ca.crt"
    path.write_bytes(encode(ca.cert_pem.bytes()))
    material.assert_trusted(server.url, path)


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_bytes_are_read_as_a_file_is(server, ca, encode):
    """Every encoding is read from bytes too."""
    material.assert_trusted(server.url, encode(ca.cert_pem.bytes()))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_form_of_the_argument_is_trusted(server, ca_file, form):
    """Paths, text, bytes and iterables of them are taken, and serve a second entry as well."""
    block = trusted_context(form(ca_file))
    for _ in range(2):
        with block:
            assert fetch(server.url) == BODY


@pytest.mark.parametrize("collect", [list, tuple, set, iter])
def test_several_pieces_are_all_trusted(server, ca_file, other_ca, other_file, collect):
    """Of several pieces every one is trusted."""
    block = trusted_context(collect([str(ca_file), other_file.read_bytes()]))
    with block, serving(Server(other_ca.issue_cert("localhost"))) as other:
        assert fetch(server.url) == fetch(other.url) == BODY
        assert "2 CAs" in block.describe()


def test_only_what_is_given_is_trusted(server, other_file):
    """A CA that is not given is not trusted."""
    material.assert_refused(server.url, other_file)


def test_the_same_certificate_counts_once(ca_file):
    """A certificate given several times, in one file or in two, is one CA."""
    ca_file.write_bytes(ca_file.read_bytes() * 2)
    assert "1 CA;" in trusted_context([ca_file, ca_file.read_bytes()]).describe()


def test_a_whole_public_bundle_is_counted(ca, tmp_path):
    """A bundle of well over a hundred certificates is loaded to the last."""
    content = material.public_bundle() + ca.cert_pem.bytes()
    assert content.count(b"BEGIN CERTIFICATE") > 110
    assert f" {content.count(b'BEGIN CERTIFICATE')} CAs;" in trusted_context(content).describe()


@pytest.mark.parametrize("way", ["link", "home", "relative", "dots"])
def test_a_path_is_followed(server, ca_file, tmp_path, monkeypatch, way):
    """Symbolic links, ``~``, and paths relative to the working directory lead to the file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(ca_file)
    paths = {
        "link": tmp_path / "link",
        "home": "~/corp.pem",
        "relative": "corp.pem",
        "dots": f"../{tmp_path.name}/link",
    }
    material.assert_trusted(server.url, paths[way])


def test_a_path_object_is_a_path_whatever_its_name(server, ca_file, tmp_path):
    """A line break in the name of a file, given as a Path, does not make it text."""
    if os.name == "nt":
        pytest.skip("Windows allows no such name")
    material.assert_trusted(server.url, ca_file.rename(tmp_path / "corp\nca.pem"))


def test_a_folder_of_hashed_names(server, ca_file, other_file, tmp_path):
    """A folder as OpenSSL's rehash leaves it, of hashed names alone, is read."""
    folder = tmp_path / "certs"
    folder.mkdir()
    for file in (ca_file, other_file):
        file.rename(folder / material.hashed_name(file))
    material.assert_trusted(server.url, folder)
    assert "2 CAs" in trusted_context(folder).describe()


@pytest.mark.parametrize("ending", ["pem", "crt", "CER", "der", "p7b"])
def test_a_folder_of_files_with_junk_beside(server, ca, tmp_path, ending):
    """In a folder the files named like certificates are read, and nothing is said of the others."""
    folder = tmp_path / "certs"
    (folder / "old").mkdir(parents=True)
    encode = {"der": material.to_der, "p7b": material.to_pkcs7}.get(ending, bytes)
    (folder / f"corp.{ending}").write_bytes(encode(ca.cert_pem.bytes()))
    for junk in ("README", "corp.key", "corp.pem.bak", "0123abcd.r0", ".pem"):
        (folder / junk).write_bytes(b"not a certificate")
    material.assert_trusted(server.url, folder)


def test_what_fails_in_a_folder_is_named(server, ca_file, tmp_path):
    """A file that looks like a certificate and is none, a folder and a dead link are each named, the rest is used."""
    folder = tmp_path / "certs"
    (folder / "1.crt").mkdir(parents=True)
    (folder / "2.crt").symlink_to(tmp_path / "gone")
    (folder / "3.crt").write_text("<html>")
    ca_file.rename(folder / "4.crt")
    with pytest.warns(UserWarning, match="skipped while the other") as caught:
        material.assert_trusted(server.url, folder)
    expected = {"1.crt": "Is a directory", "2.crt": "No such file", "3.crt": "HTML page"}
    for warning, (name, found) in zip(caught, expected.items(), strict=True):
        assert f"{folder / name}: " in str(warning.message)
        assert os.name == "nt" or found in str(warning.message)


BREAKINGS = {
    "garbled": lambda ca: ca.pem.replace(b"\nMII", b"\n@@@"),
    "without an end": lambda ca: ca.pem.partition(b"-----END")[0],
    # At the end, CPython takes what OpenSSL says of this one for the end of the data.
    "header alone": lambda ca: material.to_pem(b"\x30\x80"),
    **{name: lambda ca, damage=damage: material.to_pem(damage(ca.der)) for name, damage in material.DAMAGES.items()},
}


@pytest.mark.parametrize("breaking", BREAKINGS.values(), ids=BREAKINGS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_broken_certificate_among_good_ones(server, ca_file, corp, breaking, place):
    """A broken certificate is skipped with one warning that names its file and number, and the others are trusted."""
    pieces = [corp.pem, ca_file.read_bytes()]
    pieces.insert(place, breaking(material.make_ca("Broken")))
    ca_file.write_bytes(b"".join(pieces))
    block = trusted_context(ca_file)
    with pytest.warns(UserWarning, match="skipped while the other") as caught:
        block.start()
    try:
        assert fetch(server.url) == BODY
        assert "2 CAs;" in block.describe()
    finally:
        block.stop()
    assert [warning.filename for warning in caught] == [__file__]
    assert f"{ca_file}, certificate {place + 1}: " in str(caught[0].message)


# Any certificate may be the anchor


@pytest.mark.parametrize(
    ("anchor", "sent", "trusted"),
    [
        ("root", ["issuer"], True),
        ("root", [], False),
        ("issuer", [], True),
        ("issuer", ["issuer"], True),
        ("issuer", ["issuer", "root"], True),
        ("self-signed", [], True),
    ],
)
def test_any_certificate_may_be_the_anchor(anchor, sent, trusted):
    """A root, an intermediate or the server's own self-signed certificate ends the chain, if the chain leads there."""
    root = material.make_ca("Root")
    issuer = material.make_ca("Issuer", root)
    made = {"root": root, "issuer": issuer, "self-signed": material.make_server()}
    leaf = made[anchor] if anchor == "self-signed" else material.make_server(issuer)
    with serving(Server(leaf.presenting(*map(made.get, sent)))) as server:
        (material.assert_trusted if trusted else material.assert_refused)(server.url, made[anchor].pem)


def test_the_certificate_that_a_ca_issued_to_the_server(corp):
    """A server's certificate alone is trusted on that server and no other, and a warning says so."""
    leaf = material.make_server(corp)
    with serving(Server(leaf)) as server, serving(Server(material.make_server(corp))) as sibling:
        with pytest.warns(UserWarning, match="no CA certificate, only a server's") as caught:
            material.assert_trusted(server.url, leaf.pem)
        assert len(caught) == 1
        with pytest.warns(UserWarning, match="give the CA's certificate"):
            material.assert_refused(sibling.url, leaf.pem)


# A file is read anew when it changed


class CoarseClock:
    """The module os on a file system whose time stamps tick every two seconds, as FAT's do."""

    def __getattr__(self, name):
        return getattr(os, name)

    @staticmethod
    def stat(path):
        real = os.stat(path)
        times = {name: getattr(real, name) // 2 * 2 for name in ("st_mtime", "st_ctime")}
        times |= {f"{name}_ns": int(time) * 10**9 for name, time in times.items()}
        same = {name: getattr(real, name) for name in ("st_dev", "st_ino", "st_mode", "st_size")}
        return types.SimpleNamespace(**same, **times)


@pytest.mark.parametrize("case", ["young", "settled", "coarse clock"])
def test_a_replaced_file_is_seen_at_the_next_entry(server, ca_file, other_file, monkeypatch, case):
    """New content is seen at once, also where size and time of modification are those of the old."""
    if case == "settled":  # the cache trusts no file as young as a test's, and tests do not wait
        monkeypatch.setattr("trusted_context.sources.bundles._SETTLED_SECONDS", -60)
    if case == "coarse clock":
        monkeypatch.setattr("trusted_context.sources.bundles.os", CoarseClock())
    size = max(ca_file.stat().st_size, other_file.stat().st_size)
    for file in (ca_file, other_file):
        file.write_bytes(file.read_bytes().ljust(size, b"\n"))
        os.utime(file, ns=(10**18, 10**18))
    before = ca_file.stat()
    for _ in range(2):
        material.assert_trusted(server.url, ca_file)
    ca_file.write_bytes(other_file.read_bytes())
    os.utime(ca_file, ns=(10**18, 10**18))
    while case == "settled" and ca_file.stat().st_ctime_ns == before.st_ctime_ns:
        os.utime(ca_file, ns=(10**18, 10**18))  # until the clock has ticked
    assert (ca_file.stat().st_size, ca_file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    material.assert_refused(server.url, ca_file)
