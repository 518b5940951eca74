"""The reader of CA material under random input: what tests/bundle_rules.py says of it holds of anything."""

import base64

import bundle_rules
import material
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

GOOD = [material.make_ca(f"Good {number}") for number in range(3)]
OUT_OF_USE = material.make_ca("Out of use")
MARKS = (
    b"#",
    b"# ",
    b"; ",
    b"//",
    b"-",
    b"> ",
    b"DISABLED",
    b"x",
    b"\xc2\xa0",
    b"  #",
    b"\0#",
    b"\\t",
    b"\xe2\x80\x8b",
)


def _commented(mark):
    body = OUT_OF_USE.pem
    return (
        b"\n" + body.replace(b"-----BEGIN", mark + b"-----BEGIN"),
        b"\n" + b"".join(mark + line for line in body.splitlines(keepends=True)),
        b"\n" + mark + body.replace(b"\n", b"\\n") + b"\n",
        b"\n" + mark + body.replace(b"\n", b""),
    )


_PEM = GOOD[0].pem
PIECES = [
    *(ca.pem for ca in GOOD),
    *(way for mark in MARKS for way in _commented(mark)),
    _PEM.replace(b"\n", b"\r\n"),
    _PEM.replace(b"\n", b"\r"),
    _PEM.replace(b"\n", b"\\n"),
    _PEM.replace(b"\n", b"\n  "),
    _PEM.strip(),
    _PEM[:200],
    _PEM[:-3],
    _PEM.replace(b"END CERT", b"END X509 CERT"),
    _PEM.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
    _PEM.replace(b"CERTIFICATE", b"CERTIFIKATE"),
    _PEM.replace(b"-----\nM", b"-----\nX-Name: x\n\nM"),
    b"  " + _PEM,
    b"\xef\xbb\xbf" + _PEM,
    material.trusted_form(GOOD[1]),
    _PEM.decode().encode("utf-16"),
    _PEM.decode().encode("utf-16-le"),
    _PEM.decode().encode("utf-16-be"),
    GOOD[1].der,
    material.to_pkcs7(_PEM),
    material.to_pkcs7_pem(_PEM),
    material.streamed_pkcs7(GOOD[2]),
    material.pkcs12_store(GOOD[2]),
    GOOD[2].key_pem(),
    material.key_der(GOOD[2]),
    base64.b64encode(GOOD[2].der),
    base64.b64encode(_PEM),
    b"<x><y>" + base64.b64encode(GOOD[2].der) + b"</y></x>",
    b"-----BEGIN CERTIFICATE-----",
    b"-----END CERTIFICATE-----",
    b"-----",
    b'"',
    b"\n",
    b"\r",
    b" ",
    b"\0",
    b"\\n",
    b"0\x82",
    b"\xff\xfe",
    b"Issuer: Soci\xc3\xa9t\xc3\xa9\n",
]

contents = st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join)


@st.composite
def damaged(draw):
    """A content of which some bytes were changed, taken away, repeated or put in."""
    content = bytearray(draw(contents))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + 40)))
        content[start:stop] = draw(
            st.sampled_from([b"", content[start:stop] * 2, b"-", b"\n", b"="]) | st.binary(max_size=4)
        )
    return bytes(content)


@settings(max_examples=300, deadline=None)
@given(contents)
@example(b"\xff\xfe" + _PEM)
@example(b"-----BEGIN CERTIFICATE-----\n#" + OUT_OF_USE.pem)
@example(b"# " + OUT_OF_USE.pem.strip() + _PEM)
def test_of_any_pieces_in_a_row_no_certificate_is_invented_missed_or_revived(content):
    """What is read is among the pieces, and none that was commented out; OpenSSL agrees where nothing is told."""
    assert bundle_rules.check(content) <= {ca.der for ca in GOOD}


@settings(max_examples=300, deadline=None)
@given(damaged() | st.binary(max_size=200))
@example(b"\v")
def test_of_damaged_material_openssl_reads_what_is_taken(content):
    """Whatever bytes were damaged, nothing but a BundleError is raised, and nothing is taken that OpenSSL refuses."""
    bundle_rules.check(content)
