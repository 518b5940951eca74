"""How much a reader of CA material takes, and that it takes time in proportion."""

import base64
import contextlib
import os
import time

import certifi
import material
import pytest

from trusted_context import BundleError, trusted_context
from trusted_context.sources import bundles, forms, pem

pytestmark = pytest.mark.slow

BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
WIDE = "-----BEGIN CERTIFICATE-----\n".encode("utf-16-le")

# What is repeated, so that there is much of it; what comes before it and after it once.
HOSTILE = {
    "one line": (b"", b"a", BEGIN),
    "one line after a first line": (BEGIN + b"\n", b"A", END),
    "first lines": (b"", BEGIN + b"\n", b""),
    "first lines in one line": (b"", BEGIN, b""),
    "half first lines": (b"", b"-----BEGIN ", b""),
    "commented first lines": (b"", b"# " + BEGIN + b"\n", b""),
    "commented first lines in one line": (b"# ", BEGIN, b""),
    "last lines": (b"", END + b"\n", b""),
    "half last lines": (BEGIN, b"-----END ", b""),
    "last lines and blanks": (b"", END + b" " * 40, b""),
    "a last line and blanks": (BEGIN + END, b" ", b"x"),
    "dashes": (b"", b"-", b""),
    "blanks": (b"x", b" ", BEGIN),
    "null characters": (b"", b"\0", b"x"),
    "null characters and blanks": (b"x", b"\0\n", BEGIN),
    "byte-order marks": (b"", b"\xef\xbb\xbf", BEGIN),
    "UTF-16 marks": (b"", b"\xff\xfe", BEGIN),
    "written line breaks": (b"", b"\\n", BEGIN),
    "written line breaks within": (BEGIN, b"\\n", END),
    "a header": (BEGIN + b"\n", b"a:", END),
    "headers": (BEGIN + b"\n", b"a: b\n", END),
    "blank lines after a header": (BEGIN + b"\na: b", b"\r\n \t", END),
    "empty DER": (b"", b"\x30\x81\x00", b""),
    "DER in text": (b"x", b"\x30\x82\x00\x01\x30", b""),
    "DER between last lines": (b"x", b"-----END A-----\x30\x81\x00", b""),
    "members of PKCS#7": (material.to_pkcs7_pem(material.make_ca("x").pem)[:60], b"MAAw", b"\n-----END PKCS7-----"),
    "first lines in UTF-16": (b"", WIDE, b""),
    "first lines in UTF-16 and ASCII": (b"", WIDE + b"\n" + BEGIN + b"\n" + END, b""),
    "first lines in UTF-16 that are read across": (b"x", b"\0" + WIDE, b""),
    "base64": (b"", b"MIIA", b""),
    "base64 in a line each": (b"x ", b"MIIAMIIA-MIIA \n", b""),
    "base64 of PEM in text": (b"x ", b"LS0tLS1CRUdJTi", b"!"),
    "long dashes": (b"", b"\xe2\x80\x94 BEGIN ", b""),
    "beginnings": (b"", b"- BEGIN CERT ", b""),
    "XML, opened": (b"<x>", b"<a>", b""),
    "XML, nested": (b"<x>", b"<a>b", b"</x>"),
    "XML, comments": (b"<x>", b"<!-- MIIA -->", b"</x>"),
    "XML with base64": (b"<x>", b"<a>" + b"MIIA" * 20 + b"</a>", b"</x>"),
    "quotation marks": (b"", b'"', b""),
}


def work(content):
    """The seconds of this thread that it takes to read *content*, the least of several times."""
    shortest = 1e9
    for _ in range(3):
        start = time.thread_time()
        with contextlib.suppress(BundleError):
            bundles.read([content])
        bundles.is_text(content.decode("latin-1"))
        pem.is_plain(content)
        shortest = min(shortest, time.thread_time() - start)
    return shortest


@pytest.mark.parametrize(("before", "repeated", "after"), HOSTILE.values(), ids=HOSTILE)
def test_the_time_to_read_grows_as_the_size_does(before, repeated, after):
    """Sixteen times as much takes about sixteen times as long, where a square would be 256; measured thrice at most."""
    small, large = (before + repeated * (size // len(repeated)) + after for size in (2_000, 32_000))
    ratios = (work(large) / work(small) for _ in range(3))
    assert any(ratio < 64 for ratio in ratios)


def padded(content, size):
    return content + b"#" * (size - len(content))


def test_a_file_of_16_mebibytes_is_read_and_one_byte_more_is_not(server, ca, tmp_path):
    """The limit is 16 MiB, of a file, of bytes and of text."""
    limit = 16 << 20
    content = padded(ca.cert_pem.bytes(), limit)
    path = tmp_path / "corp.pem"
    path.write_bytes(content)
    material.assert_trusted(server.url, path)
    material.assert_trusted(server.url, content)
    path.write_bytes(content + b"#")
    for too_large in (path, content + b"#", (content + b"#").decode()):
        with pytest.raises(BundleError, match="is larger than 16 MiB") as caught:
            trusted_context(too_large).start()
        assert "###" not in str(caught.value)


def many(count):
    """PEM of so many elements, each another, that have a certificate's outline."""
    return b"".join(
        material.to_pem(b"\x30\x82\x00\x84\x30\x80" + number.to_bytes(130, "big")) for number in range(count)
    )


def test_10_000_certificates_are_read_and_one_more_is_not():
    """The limit of one file is 10,000 certificates, more than fifty times a public bundle's."""
    assert len(bundles.read([many(10_000)]).certificates) == 10_000
    with pytest.raises(BundleError, match="holds more than 10000 certificates"):
        bundles.read([many(10_001)])


def test_of_many_faults_the_first_are_told(server, ca):
    """A file with a thousand certificates that are out of use gives 21 warnings, of which the last says so."""
    content = ca.cert_pem.bytes() + b"# " + BEGIN + b"\n"
    with pytest.warns(UserWarning, match="skipped") as caught:
        material.assert_trusted(server.url, content + (b"# " + BEGIN + b"\n") * 1_000)
    assert len(caught) == 21
    assert "and more than the 20 pieces that are named" in str(caught[-1].message)


@pytest.fixture
def folder(tmp_path, ca):
    """A folder with one certificate."""
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "corp.pem").write_bytes(ca.cert_pem.bytes())
    return folder


def test_a_folder_of_10_000_files_is_read_and_one_more_is_not(folder, monkeypatch):
    """The limit of a folder is 10,000 files that are named as certificates; others do not count."""
    names = [f"{number:08x}.0" for number in range(9_999)]
    real = os.listdir
    # So many files take seconds to make, and links to one of them are files as well.
    monkeypatch.setattr(bundles.os, "listdir", lambda path: real(path) + (names if path == str(folder) else []))
    monkeypatch.setattr(bundles, "_read_file", lambda path, status: bundles._load(str(folder / "corp.pem")))
    names += ["README"] * 3
    assert len(bundles.read_folder(str(folder)).certificates) == 1
    names.append("one-more.pem")
    with pytest.raises(BundleError, match="this folder has 10001 certificate files"):
        bundles.read_folder(str(folder))


def test_a_folder_of_64_mebibytes_is_read_and_one_byte_more_is_not(folder, server):
    """The limit of a folder's files together is 64 MiB, which is looked at before any of them is read."""
    paths = [folder / f"{number}.pem" for number in range(4)]
    room = (64 << 20) - (folder / "corp.pem").stat().st_size
    for path, size in zip(paths, (16 << 20, 16 << 20, 16 << 20, room - (48 << 20)), strict=True):
        with path.open("wb") as file:
            file.truncate(size)
    with pytest.warns(UserWarning, match="is empty") as caught:
        material.assert_trusted(server.url, folder)
    assert len(caught) == 4
    with (folder / "more.pem").open("wb") as file:
        file.truncate(1)
    with pytest.raises(BundleError, match="of 64 MiB together, more than 10000 or 64 MiB"):
        trusted_context(folder).start()


def test_a_public_bundle_is_within_every_limit():
    """What the limits are for is far below them."""
    assert os.stat(certifi.where()).st_size * 32 < 16 << 20
    assert len(bundles.read([certifi.where()]).certificates) * 32 < forms._MOST_CERTIFICATES


def test_base64_within_xml_is_taken_apart_once(ca):
    """Of what an element encodes nothing is decoded once more."""
    once = base64.b64encode(ca.cert_pem.bytes())
    assert len(bundles.read([b"<x>" + once + b"</x>"]).certificates) == 1
    with pytest.raises(BundleError):
        bundles.read([b"<x>" + base64.b64encode(once) + b"</x>"])
