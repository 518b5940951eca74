"""What may stand in PKCS#7 beside certificates, and how else it may be written: files made here, byte by byte."""

import material
import pytest

from trusted_context import BundleError, trusted_context

_SEQUENCE, _SET, _OCTETS, _OCTETS_IN_PIECES, _TAGGED_0, _TAGGED_1 = 0x30, 0x31, 0x04, 0x24, 0xA0, 0xA1
_VERSION_1 = bytes.fromhex("020101")
_DATA, _SIGNED_DATA = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("06092a864886f70d010702")


def element(tag, *members):
    """A DER element of up to 65535 bytes (X.690, 8.1)."""
    content = b"".join(members)
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def signed_data(certificates, message=b""):
    """PKCS#7 with this field of certificates (RFC 5652, 5.1)."""
    data = element(_SEQUENCE, _DATA, message)
    body = element(_SEQUENCE, _VERSION_1, element(_SET), data, certificates, element(_SET))
    return element(_SEQUENCE, _SIGNED_DATA, element(_TAGGED_0, body))


@pytest.mark.parametrize("place", [0, 1], ids=["before", "after"])
def test_an_attribute_certificate_beside_the_ca_is_passed_over(server, ca, place):
    """Which is no certificate of a key's (RFC 5652, 10.2.2)."""
    members = [material.to_der(ca.cert_pem.bytes())]
    members.insert(place, element(_TAGGED_1, _VERSION_1))
    material.assert_trusted(server.url, signed_data(element(_TAGGED_0, *members)))


def assert_not_der(content):
    with pytest.raises(BundleError, match=r"could not be opened.*openssl pkcs7.*give ca\.pem"):
        trusted_context(content).start()


def test_a_message_in_pieces_is_told_with_the_remedy(ca):
    """BER allows that, and DER does not (X.690, 8.7.3 and 10.2)."""
    message = element(_TAGGED_0, element(_OCTETS_IN_PIECES, element(_OCTETS, b"Hello")))
    assert_not_der(signed_data(element(_TAGGED_0, material.to_der(ca.cert_pem.bytes())), message))


def test_certificates_without_a_length_are_told_with_the_remedy(ca):
    """BER allows that, and DER does not (X.690, 8.1.3.6 and 10.1)."""
    assert_not_der(signed_data(b"\xa0\x80" + material.to_der(ca.cert_pem.bytes()) + bytes(2)))
