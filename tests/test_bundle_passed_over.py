"""What is in a file and is not trusted: it was taken out of use, or cannot be read; and it is always told."""

import base64
import ssl
import textwrap
import warnings

import material
import pytest
from issuing import in_version_1
from servers import BODY, Server, fetch, serving

from trusted_context import BundleError, trusted_context


@pytest.fixture(scope="module")
def corp():
    """A CA of which the tests hold the key."""
    return material.make_ca("Made here")


def before_each_line(mark):
    return lambda pem: textwrap.indent(pem.decode(), mark).encode()


def before_the_dashes(mark):
    return lambda pem: pem.replace(b"-----BEGIN", mark + b"-----BEGIN").replace(b"-----END", mark + b"-----END")


MARKS = ("# ", "#", "; ", "<!-- ", "//", "> ", "-", "--", "DISABLED", "REM ", ". ", "| ", '"', "*", "% ")
WAYS = {
    **{f"{mark!r} before each line": (before_each_line(mark), repr(mark)) for mark in MARKS},
    **{f"{mark!r} before the dashes": (before_the_dashes(mark.encode()), repr(mark)) for mark in MARKS},
    "blanks, then '#'": (before_each_line("  # "), "'# '"),
    "null character, then '#'": (before_each_line("\0#"), "'#'"),
    "a name": (before_the_dashes(b"ca="), "other text"),
    "a password": (before_the_dashes(b"hunter2"), "other text"),
    "a long comment": (before_the_dashes(b"# do not use this one: "), "other text"),
    "as written line breaks": (lambda pem: b"# " + pem.replace(b"\n", b"\\n"), "'# '"),
    "a carriage return after": (lambda pem: before_each_line("# ")(pem).replace(b"\n", b"\r"), "'# '"),
}


@pytest.mark.parametrize(("way", "shown"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("place", [0, 1])
def test_a_certificate_that_was_commented_out_is_not_trusted(server, ca_file, way, shown, place):
    """It is passed over as by OpenSSL, with one warning of its number and what stands before it."""
    beside = material.make_ca("Beside it")
    pieces = [beside.pem]
    pieces.insert(place, way(ca_file.read_bytes()))
    ca_file.write_bytes(b"\n".join(pieces))
    assert read_by_openssl(ca_file) <= {beside.der}
    with pytest.warns(UserWarning, match="skipped while the other") as caught:
        material.assert_refused(server.url, ca_file)
    (message,) = [str(warning.message) for warning in caught]
    assert (
        f"{ca_file}, certificate {place + 1}: is passed over, since {shown} stands before its '-----BEGIN'" in message
    )
    assert "hunter2" not in message


@pytest.mark.parametrize(("way", "shown"), WAYS.values(), ids=WAYS)
def test_nothing_but_certificates_that_were_commented_out(corp, way, shown):
    """A file in which all certificates are out of use is an error that says so."""
    with pytest.raises(BundleError, match="certificate 1: is passed over, since ") as caught:
        trusted_context(way(corp.pem)).start()
    assert shown in str(caught.value)


def read_by_openssl(path):
    """What OpenSSL finds in the file, and curl and requests with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        return set()
    return set(context.get_ca_certs(binary_form=True))


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\\n"])
def test_what_follows_a_commented_one_on_its_line_is_commented_too(corp, line_end):
    """A comment reaches to the end of its line, also over blocks that are written in one line."""
    line = (corp.pem + material.make_ca("Second").pem).decode().replace("\n", "\\n" if line_end == "\\n" else "")
    content = f"# {line}\n".encode() + material.make_ca("Third").pem
    block = trusted_context(content)
    with pytest.warns(UserWarning, match="passed over") as caught:
        block.start()
    block.stop()
    assert "1 CA;" in block.describe()
    assert [f"certificate {number}: " in str(warning.message) for number, warning in enumerate(caught, 1)] == [True] * 2


def test_a_certificate_in_an_xml_comment_is_not_trusted(corp):
    """What a comment of an XML document holds is told and not trusted; what is beside it is trusted."""
    other = material.make_ca("Other")
    comment, value = (base64.b64encode(ca.der).decode() for ca in (corp, other))
    block = trusted_context(f"<x><!-- {comment} --><y>{value}</y></x>")
    with pytest.warns(UserWarning, match="here is base64"), block:
        assert block.ssl_context().get_ca_certs(binary_form=True) == [other.der]


def wide(pem):
    return pem.decode().encode("utf-16-le")


# What is beside a good certificate → how it is made, and by which words it is told.
TOLD = {
    "trusted form": (material.trusted_form, "certificate 2: is in OpenSSL's own TRUSTED CERTIFICATE form"),
    "cut DER": (lambda ca: ca.der[:-9], "after certificate 1: is cut short"),
    "DER after a comment": (lambda ca: b"# the next\n" + ca.der, "after certificate 1: here is what looks like"),
    "UTF-16 after a comment": (lambda ca: b"# the next\n" + wide(ca.pem), "here is a block in UTF-16"),
    "UTF-16 at an odd place": (lambda ca: b"#\n#\n \0#\n" + wide(ca.pem), "here is a block in UTF-16"),
    "no first line": (lambda ca: ca.pem.partition(b"\n")[2], "after certificate 1: here is base64 without"),
    "four dashes": (lambda ca: ca.pem[1:], "the damaged first line of a certificate"),
    "long dashes": (lambda ca: ca.pem.replace(b"-----", "\N{EM DASH}".encode()), "the damaged first line"),
    "small letters": (lambda ca: ca.pem.replace(b"BEGIN CERTIFICATE", b"begin certificate"), "the damaged first line"),
    "label in small letters": (lambda ca: ca.pem.replace(b"CERTIFICATE", b"Certificate"), "certificate 2: its first"),
    "blank in the label": (lambda ca: ca.pem.replace(b"CERTIFICATE-", b"CERTIFICATE -"), "certificate 2: its first"),
    "other last line": (lambda ca: ca.pem.replace(b"END CERT", b"END X509 CERT"), "certificate 2: is damaged"),
    "commented body": (lambda ca: ca.pem.replace(b"\nM", b"\n# M"), "certificate 2: is damaged"),
    "base64 in YAML": (lambda ca: b"ca: " + base64.b64encode(ca.der), "here is base64 without"),
    "PEM in base64 in YAML": (lambda ca: b"ca: " + base64.b64encode(ca.pem), "PEM encoded once more in base64"),
    "PKCS#12": (material.pkcs12_store, "after certificate 1: holds a PKCS#12 store"),
    "PKCS#7 that is cut": (lambda ca: material.to_pkcs7_pem(ca.pem)[:200], "PKCS#7 that is cut short"),
    "PKCS#7 that is damaged": (lambda ca: material.to_pkcs7(ca.pem).replace(b"\xa0\x82", b"\xa0\x84"), "opened"),
    "PKCS#7 without lengths": (material.streamed_pkcs7, "could not be opened"),
    "PKCS#7 commented out": (lambda ca: b"#" + material.to_pkcs7_pem(ca.pem), "certificate 2: is passed over"),
    "UTF-16, then a damaged ASCII": (lambda ca: b"\xff\xfe" + wide(ca.pem) + ca.pem[1:], "the damaged first line"),
    "UTF-16, then DER": (lambda ca: b"\xff\xfe" + wide(ca.pem) + ca.der, "what looks like a certificate in DER"),
}


@pytest.mark.parametrize(("make", "words"), TOLD.values(), ids=TOLD)
def test_no_certificate_is_left_out_in_silence(server, ca, make, words):
    """What cannot be read beside a good certificate is warned of by its place and kind, and the good one is trusted."""
    with pytest.warns(UserWarning, match="skipped while the other") as caught:
        material.assert_trusted(server.url, ca.cert_pem.bytes() + make(material.make_ca("Not read")))
    assert len(caught) == 1
    assert words in str(caught[0].message)
    assert "> bytes" not in str(caught[0].message)


@pytest.mark.parametrize(("make", "words"), TOLD.values(), ids=TOLD)
def test_no_certificate_before_another_is_left_out_in_silence(server, ca, make, words):
    """The same where the good certificate comes after it."""
    bad = make(material.make_ca("Not read"))
    swallows_the_rest = bad[:1] == b"\x30" and words in {"could not be opened", "after certificate 1: is cut short"}
    content = bad + (b"" if swallows_the_rest else b"\n" + ca.cert_pem.bytes())
    if swallows_the_rest:
        with pytest.raises(BundleError):
            trusted_context(content).start()
    else:
        with pytest.warns(UserWarning, match="skipped while the other"):
            material.assert_trusted(server.url, content)


def test_keys_and_lists_beside_a_certificate_are_passed_over(server, ca, corp):
    """What is no certificate and was not meant to be one needs no warning."""
    beside = (corp.key_pem(), material.key_der(corp), material.revocation_list(corp), material.request(corp), b"# x\n")
    material.assert_trusted(server.url, b"".join((ca.cert_pem.bytes(), *beside)))


def test_the_exported_file_has_no_commented_certificate(server, ca, corp):
    """Programs that may read more than we do are given a file without what is not trusted."""
    with (
        pytest.warns(UserWarning, match="passed over"),
        trusted_context(ca.cert_pem.bytes() + b"#" + corp.pem) as block,
    ):
        assert fetch(server.url) == BODY
        with open(block.environment()["SSL_CERT_FILE"], "rb") as file:
            assert file.read().count(b"BEGIN") == 1


def _a_serial_number_without_end(der):
    place = der.index(b"\xa0\x03\x02\x01\x02\x02") + 6  # behind the version and its own tag
    return der[:place] + b"\x84\xff\xff\xff\xff" + der[place + 5 :]


@pytest.mark.parametrize("beside", ["alone", "damaged"])
def test_an_old_server_certificate_in_a_ca_s_place_is_told_from_a_root(corp, beside):
    """One of version 1, which says of none whether it is a CA's; beside one that nothing can be known of, too."""
    given = [in_version_1(material.make_server(corp), corp).pem]
    if beside == "damaged":
        given.append(material.to_pem(_a_serial_number_without_end(corp.der)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trusted_context(given).start().stop()
    said = [str(warning.message) for warning in caught]
    assert any("holds no CA certificate, only a server's" in words for words in said), said
    assert any("cannot read" in words for words in said) == (beside == "damaged"), said


def test_a_root_of_version_1_is_trusted(corp):
    """As the oldest are, that companies still have."""
    with serving(Server(material.make_server(corp))) as server:
        material.assert_trusted(server.url, in_version_1(corp).pem)


def test_a_broken_extension_spoils_no_other_certificate(server, ca, corp):
    """OpenSSL reads such a certificate and takes it for no CA's; Python 3.11 raises that when it loads the next one."""
    broken = corp.der.replace(b"\x30\x03\x01\x01\xff", b"\x31\x03\x01\x01\xff")  # basicConstraints
    assert broken != corp.der
    with trusted_context([ca.cert_pem.bytes(), material.to_pem(broken)]) as block:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=corp.der)
        block.ssl_context()
        assert fetch(server.url) == BODY
