import base64
import contextlib
import os
import re
import shlex

import material
import pytest
from servers import BODY, Server, fetch, serving

from trusted_context import BundleError, trusted_context

# What it is → what makes its content from a CA, what the message says was found, and what it advises.
UNUSABLE = {
    "empty": (lambda ca: b"", "is empty", "export the CA certificate again"),
    "white space": (lambda ca: b" \r\n\t\n", "is empty", "export the CA certificate again"),
    "byte-order mark alone": (lambda ca: b"\xef\xbb\xbf\r\n", "is empty", "export the CA certificate again"),
    "garbage": (lambda ca: b"\x8a\x00\xff" * 99, "holds no certificate", "-----BEGIN CERTIFICATE-----"),
    "text": (lambda ca: b"corp.example:8080\n", "holds no certificate", "-----BEGIN CERTIFICATE-----"),
    "text that begins with 0": (lambda ca: b"0.0.0.0 corp\n", "holds no certificate", "-----BEGIN CERTIFICATE-----"),
    "half a first line": (lambda ca: ca.pem[:9], "'-----BEGIN CERTIFICATE-----' line", "copy the file again"),
    "public key": (material.public_key, "a public key", "ask for the CA's certificate"),
    "request": (material.request, "a certificate request (CSR)", "ask for the certificate"),
    "revocation list": (material.revocation_list, "a revocation list (CRL)", "give the CA's certificate"),
    "cut PEM": (lambda ca: ca.pem[:-20], "certificate 1: is cut short", "copy the whole file again"),
    "PEM cut in half": (lambda ca: ca.pem[:300], "certificate 1: is cut short", "copy the whole file again"),
    "garbled PEM": (lambda ca: ca.pem.replace(b"\nMII", b"\nXYZ"), "certificate 1: is damaged", "copy the file again"),
    "cut DER": (lambda ca: ca.der[:-20], "is cut short", "copy it again"),
    "DER of a header alone": (lambda ca: ca.der[:3], "is cut short", "copy it again"),
    "DER of another kind": (material.request_der, "OpenSSL can read", "export the CA certificate again"),
    "login page": (lambda ca: b"\n<!DOCTYPE html><html><form>", "is an HTML page", "sign in first"),
    "login page, old": (lambda ca: b"<?xml version='1.0'?>\n<HTML>", "is an HTML page", "sign in first"),
    "key in DER": (material.key_der, "holds a private key", "give the CA's certificate"),
    "PKCS#12": (material.pkcs12_store, "a PKCS#12 store", "openssl pkcs12 -in "),
    "Java key store": (lambda ca: b"\xfe\xed\xfe\xed\x00\x00\x00\x02", "is a Java key store", "-alias ALIAS"),
    "Java's other key store": (lambda ca: b"\xce" * 4, "is a Java key store", "-storetype JCEKS"),
    "signed message": (material.signed_message, "is a signed message", "give the CA's certificate"),
    "commented out": (lambda ca: b"# " + ca.pem, "certificate 1: is passed over, since '# '", "stands before"),
    "two lines of another kind": (
        lambda ca: ca.pem.replace(b"END CERTIFICATE", b"END PRIVATE KEY"),
        "its last line does not end what its first line begins",
        "copy the file again",
    ),
    "first line damaged": (
        lambda ca: ca.pem.replace(b"CERTIFICATE--", b"certificate--", 1),
        "its first line is to be",
        "'-----BEGIN CERTIFICATE-----'",
    ),
    "key under a certificate's lines": (lambda ca: material.to_pem(material.key_der(ca)), "1: holds a private", "give"),
    "trusted form": (material.trusted_form, "TRUSTED CERTIFICATE form", "openssl x509 -in "),
    "encrypted PKCS#7": (material.enveloped, "PKCS#7", "openssl pkcs7 "),
    "cut PKCS#7": (lambda ca: material.to_pkcs7_pem(ca.pem)[:300], "PKCS#7 that is cut short", "copy the whole file"),
    "empty PKCS#7": (
        lambda ca: material.openssl("crl2pkcs7", "-nocrl"),
        "is PKCS#7 (.p7b) with no certificate in it",
        "export the CA certificate again",
    ),
    "XML with entities": (
        lambda ca: b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>" + base64.b64encode(material.to_der(ca.pem)) + b"&a;</x>",
        "base64 without a",
        "'-----BEGIN CERTIFICATE-----' line before it",
    ),
    "PGP": (
        lambda ca: b"-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----",
        "'PGP MESSAGE'",
        "CA's certificate",
    ),
}


@pytest.fixture(scope="module")
def corp():
    """A CA of which the tests hold the key."""
    return material.make_ca("Made here")


def error_at_entry(cafile, kind=BundleError):
    """What entering the block raises, as does all else that needs its trust; making and showing it raise nothing."""
    block = trusted_context(cafile)
    repr(block)
    messages = set()
    for use in (block.__enter__, block.start, block.describe, block.ssl_context):
        with pytest.raises(kind) as caught:
            use()
        messages.add(str(caught.value))
    assert messages == {str(caught.value)}
    return caught.value


@pytest.mark.parametrize(("make", "found", "remedy"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_told_at_entry(corp, tmp_path, make, found, remedy):
    """The message names the file, what it holds instead of a CA, and what to do."""
    path = tmp_path / "corp.pem"
    path.write_bytes(make(corp))
    message = str(error_at_entry(path))
    assert f"{path}" in message
    assert found in message
    assert remedy in message
    assert found in str(error_at_entry(make(corp)))


def test_each_kind_of_unusable_material_has_its_own_message(corp):
    """No two kinds of material that a person would tell apart are told in the same words."""
    twins = {
        "white space",
        "byte-order mark alone",
        "text",
        "text that begins with 0",
        "PEM cut in half",
        "DER of a header alone",
        "login page, old",
    }
    messages = [str(error_at_entry(make(corp))) for kind, (make, *_) in UNUSABLE.items() if kind not in twins]
    messages = [re.sub(r"\d+", "", message) for message in messages]
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize("damage", material.DAMAGES.values(), ids=material.DAMAGES)
def test_a_damaged_certificate_alone(corp, damage):
    """A certificate that OpenSSL cannot read, and nothing beside it, is an error."""
    for content in (damage(corp.der), material.to_pem(damage(corp.der))):
        assert "OpenSSL can read" in str(error_at_entry(content))


@pytest.mark.parametrize("make", material.PRIVATE_KEYS.values(), ids=material.PRIVATE_KEYS)
@pytest.mark.parametrize("header", ["KEY-----", "KEY----"], ids=["whole header", "short header"])
def test_a_private_key_is_named_and_never_shown(tmp_path, make, header):
    """A private key in place of a certificate is an error, and no part of it is in a message or a repr."""
    key = make().replace(b"KEY-----", header.encode(), 1)
    path = tmp_path / "corp.key"
    path.write_bytes(key)
    body = "".join(line for line in key.decode().splitlines() if "----" not in line)
    for given in (path, key, key.decode()):
        message = str(error_at_entry(given))
        assert "private key" in message.lower()
        shown = message + repr(trusted_context(given))
        assert not any(body[start : start + 8] in shown for start in range(len(body) - 8))


@pytest.mark.parametrize("name", ["corp.bin", "corp ca.bin", "corp's $(ca).bin"])
@pytest.mark.parametrize(
    ("make", "extra"),
    [
        (material.pkcs12_store, ["-passin", "pass:secret"]),
        (material.pkcs12_of_the_ca, ["-passin", "pass:secret"]),
        (material.streamed_pkcs7, []),
        (material.trusted_form, []),
    ],
)
def test_the_command_in_the_message_works(corp, tmp_path, make, extra, name):
    """The openssl command that a message names makes a PEM file that can be trusted."""
    path = tmp_path / name
    path.write_bytes(make(corp))
    with serving(Server(material.make_server(corp))) as server:
        assert_command_works(server, path, *extra)


@pytest.mark.parametrize("name", [pytest.param("corp.jks", marks=pytest.mark.slow), "corp's $(ca).jks"])
@pytest.mark.parametrize("alias", [pytest.param("corp-ca", marks=pytest.mark.slow), "corp's root [1]: $(ca)"])
def test_the_keytool_command_in_the_message_works(corp, tmp_path, name, alias):
    """The keytool command for a Java key store names its first certificate, and makes a PEM file that is trusted."""
    path, source = tmp_path / name, tmp_path / "source.pem"
    source.write_bytes(corp.pem)
    store = ("-keystore", path, "-storepass", "secret1")
    material.keytool("-importcert", "-noprompt", "-storetype", "JKS", *store, "-alias", alias, "-file", source)
    program, *arguments = shlex.split(re.search(r"keytool .* -file ca\.pem", str(error_at_entry(path)))[0])
    assert program == "keytool"
    assert ["-alias", alias] == arguments[-4:-2]
    material.keytool(*arguments, "-storepass", "secret1", cwd=tmp_path)
    with serving(Server(material.make_server(corp))) as server:
        material.assert_trusted(server.url, tmp_path / "ca.pem")


def test_the_command_for_a_trusted_form_after_another_works(corp, tmp_path):
    """Where the form is not the first certificate of its file, the command converts all of them."""
    path = tmp_path / "corp ca.pem"
    path.write_bytes(material.make_ca("First").pem + material.openssl("x509", "-trustout", input=corp.pem))
    with pytest.warns(UserWarning, match="certificate 2: .*TRUSTED CERTIFICATE") as caught:
        trusted_context(path).start().stop()
    program, *arguments = shlex.split(re.search(r"'(openssl .*)'$", str(caught[0].message))[1])
    assert program == "openssl"
    material.openssl(*arguments, cwd=tmp_path)
    with serving(Server(material.make_server(corp))) as server:
        material.assert_trusted(server.url, tmp_path / "ca.pem")


def one_line(key):
    """The key's base64 alone, as a variable or a form's field holds it."""
    return "".join(line for line in key.splitlines() if "-----" not in line and ":" not in line)


SPELLINGS = {
    "CR alone": lambda key: key.replace("\n", "\r"),
    "written line breaks": lambda key: key.replace("\n", "\\n"),
    "quoted": lambda key: f'"{key}"',
    "one line": one_line,
    "one line, quoted": lambda key: f"'{one_line(key)}'",
    "one line, blanks around": lambda key: f"  {one_line(key)} ",
    "one line, in blocks": lambda key: " ".join(re.findall(".{1,64}", one_line(key))),
    "lines without the header": lambda key: "\r".join(re.findall(".{1,64}", one_line(key))),
    "encoded once more": lambda key: base64.b64encode(key.encode()).decode(),
    "commented out": lambda key: "# " + key.replace("\n", "\n# "),
    "in XML": lambda key: f"<key>{one_line(key)}</key>",
    "in UTF-16": lambda key: key.encode("utf-16").decode("latin-1"),
    "under a certificate's lines": lambda key: re.sub("-----(BEGIN|END) .*-----", r"-----\1 CERTIFICATE-----", key),
    "before the dashes": lambda key: one_line(key)[-20:] + key,
    "in the label": lambda key: f"-----BEGIN CERTIFICATE {one_line(key)[:60]}-----\n{key}",
}


@pytest.mark.parametrize("make", material.PRIVATE_KEYS.values(), ids=material.PRIVATE_KEYS)
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_private_key_in_any_spelling_is_never_shown(tmp_path, monkeypatch, make, spell):
    """A key that lost its form on the way is an error that repeats nothing of it, in a variable too."""
    body = one_line(make().decode())
    given = spell(make().decode())
    path = tmp_path / "corp.key"
    path.write_bytes(given.encode())
    shown = [str(error_at_entry(form)) for form in (path, given, given.encode())]
    shown.append(repr(trusted_context([given, given.encode()])))
    with contextlib.suppress(ValueError):  # an environment takes no null character
        monkeypatch.setenv("SSL_CERT_FILE", given)
        shown.append(str(error_at_entry(None)))
    assert not any(body[start : start + 8] in text for text in shown for start in range(len(body) - 8))


def assert_command_works(server, path, *extra):
    """Run the command that the message for *path* names, and trust what it makes."""
    message = str(error_at_entry(path))
    assert path.name in message
    program, *arguments = shlex.split(re.search(r"openssl .* -out ca\.pem", message)[0])
    assert program == "openssl"
    material.openssl(*arguments, *extra, cwd=path.parent)
    material.assert_trusted(server.url, path.with_name("ca.pem"))


@pytest.mark.parametrize(
    ("cafile", "words"),
    [
        ("", ["empty path"]),
        ("a\0b", ["cafile=<3 characters>", "null character"]),
        ([], ["empty collection"]),
        ([""], ["empty path"]),
    ],
)
def test_what_names_nothing(cafile, words):
    """An empty path, one that no file can have, and an empty collection are errors that say so."""
    message = str(error_at_entry(cafile))
    assert all(word in message for word in ["cafile", *words])


@pytest.mark.parametrize("name", ["gone.pem", "no/such/folder.pem", "dead-link"])
def test_a_missing_file(tmp_path, monkeypatch, name):
    """A missing file is a FileNotFoundError with its name, and a relative one with the place where it was sought."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dead-link").symlink_to("nowhere.pem")
    relative = error_at_entry(name, FileNotFoundError)
    assert relative.filename == name
    assert f"working directory {os.getcwd()}" in str(relative)
    absolute = error_at_entry(tmp_path / name, FileNotFoundError)
    assert absolute.filename == str(tmp_path / name)
    assert "working directory" not in str(absolute)


def test_a_missing_file_in_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    """The file's name is told also where the working directory was removed."""
    folder = tmp_path / "removed"
    folder.mkdir()
    monkeypatch.chdir(folder)
    try:
        folder.rmdir()
    except OSError:
        pytest.skip("this system keeps a working directory")
    assert error_at_entry("gone.pem", FileNotFoundError).filename == "gone.pem"


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="Windows keeps no such permissions")
def test_an_unreadable_file_or_folder(ca_file, tmp_path, monkeypatch):
    """What may not be read is a PermissionError with its name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certs").mkdir(0o000)
    ca_file.chmod(0o000)
    tmp_path.chmod(0o755)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        assert error_at_entry("corp.pem", PermissionError).filename == "corp.pem"
        assert error_at_entry("certs", PermissionError).filename == "certs"
    finally:
        os.seteuid(user)


def test_a_file_that_is_far_too_large(tmp_path):
    """A file larger than any CA bundle is refused without reading it whole."""
    path = tmp_path / "train.tar"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 16 MiB" in str(error_at_entry(path))


@pytest.mark.parametrize("names", [[], ["README"], ["corp.pem"], ["old/corp.pem"]])
def test_a_folder_with_nothing_usable(tmp_path, names):
    """A folder without a usable certificate is an error that names it and what was found."""
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("<html>")
    message = str(error_at_entry(tmp_path))
    assert f"{tmp_path}: this folder holds no usable certificate" in message
    assert ("HTML page" if names == ["corp.pem"] else "*.pem") in message


def test_a_file_that_breaks_is_an_error_at_the_next_entry(server, ca_file):
    """A live block keeps what it read at entry; the next entry says what became of the file."""
    block = trusted_context(ca_file)
    with block:
        ca_file.write_bytes(b"")
        assert fetch(server.url) == BODY
    assert "is empty" in str(error_at_entry(ca_file))
    with pytest.raises(BundleError, match="is empty"):
        block.start()
    ca_file.unlink()
    assert error_at_entry(ca_file, FileNotFoundError).filename == str(ca_file)


SECRET = "hunter2"


@pytest.mark.parametrize(
    "make",
    [
        lambda: trusted_context(insecure={f"https://user:{SECRET}@corp.test/"}),
        lambda: trusted_context(insecure={f"user:{SECRET}@corp.test"}),
        lambda: trusted_context(insecure={f"https://user:{SECRET}/{SECRET}@{SECRET}@corp.test"}),
        lambda: trusted_context(insecure=f"https://user:{SECRET}@corp.test"),
        lambda: trusted_context("ca.pem").ssl_context(f"user:{SECRET}@corp.test"),
        lambda: trusted_context(f"https://user:{SECRET}@corp.test/ca.pem").start(),
        lambda: trusted_context(SECRET * 1000).start(),
    ],
)
def test_no_message_repeats_a_password_or_a_key(make):
    """What was given in the wrong place is told without its credentials."""
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(trusted_context(f"https://user:{SECRET}@corp.test/ca.pem"))


def test_what_is_too_long_for_a_path_is_told_by_its_length():
    """A key on one line by mistake is named by its length, with what to do."""
    with pytest.raises(BundleError, match=r"<7000 characters> is no path.*write it to a file"):
        trusted_context(SECRET * 1000).start()


def test_a_variable_that_holds_the_content_is_told_without_it(monkeypatch):
    """Set to PEM text, as a CI's variable in place of its file, the variable is named and its text is not."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----")
    with pytest.raises(BundleError, match="named by the environment variable REQUESTS_CA_BUNDLE") as caught:
        trusted_context().start()
    assert SECRET not in str(caught.value)
