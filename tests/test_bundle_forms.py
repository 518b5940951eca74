"""The forms in which people have their CA's certificate, beside those that openssl makes: each by a download."""

import base64
import textwrap

import material
import pytest

from trusted_context import BundleError, trusted_context


def one_line(pem):
    """The base64 of the first certificate, without its header."""
    return b"".join(pem.split(b"-----")[2].split())


def written_breaks(pem, written=b"\\n"):
    return pem.replace(b"\n", written)


def indented(pem):
    return textwrap.indent(pem.decode(), "    ").encode()


def with_headers(pem):
    """As RFC 1421 has it: what a mail's headers are, a blank line, and the body."""
    return pem.replace(b"-----\nM", b"-----\nX-Issuer: CN=Corp,\n  O=Corp\nProc-Type: 4,MIC-CLEAR\n\nM")


def profile(pem, payload=material.to_der):
    """What Apple's devices are set up by, with its document type, a picture, and text that is no base64."""
    data = textwrap.indent(base64.encodebytes(payload(pem)).decode(), "\t\t\t")
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>PayloadContent</key><array><dict>
    <key>Icon</key><data>{base64.b64encode(bytes(99)).decode()}</data>
    <key>PayloadContent</key><data>
{data}</data>
    <key>PayloadType</key><string>com.apple.security.root</string>
  </dict></array>
</dict></plist>
""".encode()


def signed_profile(pem):
    return material.signed_message(material.make_ca("The profile's signer"), profile(pem))


def saml(pem):
    """What an identity provider publishes."""
    return b"<md:Key xmlns:md='urn:x'><md:X509Certificate>" + one_line(pem) + b"</md:X509Certificate></md:Key>"


def other_der():
    return material.make_ca("Beside it").der


ODD_FORMS = {
    "line breaks as \\n": written_breaks,
    "line breaks as \\r\\n": lambda pem: written_breaks(pem, b"\\r\\n"),
    "line breaks as \\n, quoted": lambda pem: b'"' + written_breaks(pem) + b'"\n',
    "two with line breaks as \\n": lambda pem: written_breaks(material.make_ca("First").pem + pem),
    "in quotation marks": lambda pem: b"'" + pem + b"'\n",
    "blanks for line breaks": lambda pem: b" ".join(pem.splitlines()).replace(b"BEGIN ", b"BEGIN ", 1),
    "indented": indented,
    "no-break spaces at the ends of lines": lambda pem: pem.replace(b"\n", b"\xc2\xa0\n"),
    "indented with tabs": lambda pem: pem.replace(b"-----BEGIN", b"\t-----BEGIN").replace(b"\nM", b"\n\tM"),
    "base64 of DER": lambda pem: base64.b64encode(material.to_der(pem)),
    "base64 of DER in lines": lambda pem: base64.encodebytes(material.to_der(pem)),
    "base64 of PEM": base64.b64encode,
    "base64 of PEM, quoted": lambda pem: b'"' + base64.b64encode(pem) + b'"',
    "base64 of PEM in UTF-16": lambda pem: base64.b64encode(pem).decode().encode("utf-16"),
    "base64 of PKCS#7": lambda pem: base64.b64encode(material.to_pkcs7(pem)),
    "base64 of PKCS#7 as PEM": lambda pem: base64.b64encode(material.to_pkcs7_pem(pem)),
    "PKCS#7 labelled CERTIFICATE": lambda pem: material.to_pkcs7_pem(pem).replace(b"PKCS7", b"CERTIFICATE"),
    "DER after DER": lambda pem: other_der() + material.to_der(pem),
    "DER before DER": lambda pem: material.to_der(pem) + other_der(),
    "DER after DER and a line break": lambda pem: other_der() + b"\r\n" + material.to_der(pem) + b"\n",
    "DER after PEM": lambda pem: material.make_ca("PEM").pem + material.to_der(pem),
    "DER after PEM without a line break": lambda pem: material.make_ca("PEM").pem.strip() + material.to_der(pem),
    "PEM after DER": lambda pem: other_der() + pem,
    "PEM after DER and text": lambda pem: other_der() + b"\nCorp:\n" + pem,
    "PKCS#7 after DER": lambda pem: other_der() + material.to_pkcs7(pem),
    "DER between PEM": lambda pem: material.make_ca("1").pem + material.to_der(pem) + material.make_ca("2").pem,
    "UTF-16 after ASCII": lambda pem: material.make_ca("PEM").pem + pem.decode().encode("utf-16-le"),
    "UTF-16-BE after ASCII": lambda pem: material.make_ca("PEM").pem + pem.decode().encode("utf-16-be"),
    "UTF-16 with mark after ASCII": lambda pem: material.make_ca("PEM").pem + pem.decode().encode("utf-16"),
    "ASCII after UTF-16": lambda pem: material.make_ca("PEM").pem.decode().encode("utf-16") + b"\n" + pem,
    "ASCII after UTF-16-BE": lambda pem: material.make_ca("PEM").pem.decode().encode("utf-16-be") + pem,
    "padded with null characters": lambda pem: pem + bytes(400),
    "DER padded with null characters": lambda pem: material.to_der(pem) + bytes(4000),
    "null characters between": lambda pem: material.make_ca("PEM").pem + bytes(3) + pem,
    "null characters before": lambda pem: bytes(512) + pem,
    "byte-order mark in the middle": lambda pem: material.make_ca("1").pem + b"\xef\xbb\xbf" + pem,
    "headers": with_headers,
    "configuration profile": profile,
    "configuration profile with PEM": lambda pem: profile(pem, bytes),
    "configuration profile with a bundle": lambda pem: profile(pem, material.to_pkcs7),
    "signed configuration profile": signed_profile,
    "SAML": saml,
    "XML with PEM": lambda pem: b"<ca>" + pem + b"</ca>",
}


@pytest.mark.parametrize("encode", ODD_FORMS.values(), ids=ODD_FORMS)
def test_a_form_that_can_be_read_one_way_alone_is_read(server, ca, encode, tmp_path):
    """What can mean one thing only is trusted, from bytes and from a file, without a warning."""
    content = encode(ca.cert_pem.bytes())
    material.assert_trusted(server.url, content)
    path = tmp_path / "corp.crt"
    path.write_bytes(content)
    material.assert_trusted(server.url, path)


TEXTS = ("line breaks as \\n", "base64 of DER", "base64 of PEM", "base64 of PEM, quoted", "SAML", "XML with PEM")


@pytest.mark.parametrize("form", TEXTS)
def test_a_form_is_read_from_text_too(server, ca, form):
    """The content of a variable, one line that is no path, is read where a program gives it as text."""
    material.assert_trusted(server.url, ODD_FORMS[form](ca.cert_pem.bytes()).decode())


def test_several_forms_in_a_row_are_all_read():
    """Of a file that changes its encoding five times every certificate is found, in its order."""
    cas = [material.make_ca(f"CA {number}") for number in range(6)]
    pieces = [
        cas[0].der,
        cas[1].pem,
        cas[2].der,
        cas[3].pem.decode().encode("utf-16"),
        cas[4].pem,
        material.to_pkcs7(cas[5].pem),
    ]
    found = trusted_context(b"".join(pieces)).ssl_context().get_ca_certs(binary_form=True)
    assert set(found) == {ca.der for ca in cas}


@pytest.mark.parametrize("depth", [2, 3])
def test_base64_within_base64_is_not_read(ca, depth):
    """What is encoded more than once was made by nobody for this, and is told as what it is."""
    content = ca.cert_pem.bytes()
    for _ in range(depth):
        content = base64.b64encode(content)
    with pytest.raises(BundleError, match=r"holds no certificate|encoded once more"):
        trusted_context(content).start()


def test_a_signed_profile_s_signer_is_not_trusted(corp):
    """Of a signed configuration profile what it installs is trusted, and who signed it is not."""
    signer = material.make_ca("The profile's signer")
    content = material.signed_message(signer, profile(corp.pem))
    assert trusted_context(content).ssl_context().get_ca_certs(binary_form=True) == [corp.der]


@pytest.mark.parametrize("name", ["lol", "SYSTEM"])
def test_xml_with_entities_is_not_read(corp, name, tmp_path):
    """XML that declares entities, which may grow without end or name other files, is refused as a whole."""
    other = tmp_path / "other.txt"
    other.write_bytes(one_line(corp.pem))
    value = f'SYSTEM "{other.as_uri()}"' if name == "SYSTEM" else f'"{one_line(corp.pem).decode()}"'
    content = f"<!DOCTYPE ca [<!ENTITY {name} {value}>]><ca>&{name};</ca>"
    with pytest.raises(BundleError):
        trusted_context(content.encode()).start()


@pytest.fixture(scope="module")
def corp():
    """A CA of which the tests hold the key."""
    return material.make_ca("Made here")
