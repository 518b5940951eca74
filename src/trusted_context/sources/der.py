"""Binary certificates (DER): where one ends, what kind of thing it is, and what PKCS#7 holds. Nothing is verified."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SEQUENCE, _INTEGER, _OCTETS, _BITS, _OID, _TAGGED_0 = 0x30, 0x02, 0x04, 0x03, 0x06, 0xA0
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")

CERTIFICATE = "certificate"
PKCS7 = "PKCS#7"
PKCS12 = "PKCS#12"
PRIVATE_KEY = "PRIVATE KEY"
PUBLIC_KEY = "PUBLIC KEY"


def starts_at(content: bytes, position: int) -> bool:
    """Whether *content* goes on with a SEQUENCE whose length takes several bytes or none, as any certificate's does.

    X.690, 8.1.3. The second byte keeps apart what is text and starts with the digit 0.
    """
    return content[position : position + 1] == b"\x30" and content[position + 1 : position + 2] >= b"\x80"


def element(content: bytes, start: int) -> tuple[int, int, int]:
    """The tag, the start of the content and the end of the element at *start* (X.690, 8.1).

    Raises:
        IndexError: the data ends within the element's header.
    """
    length, body = content[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        if len(content) < body + size:
            raise IndexError("the header is cut short")
        length, body = int.from_bytes(content[body : body + size], "big"), body + size
    return content[start], body, body + length


def is_whole_certificate(content: bytes) -> bool:
    """Whether *content* is surely one whole certificate, of 260 bytes to 64 KiB as nearly all are (RFC 5280, 4.1)."""
    # A version, tagged 0, is in none of the other kinds at this place.
    return (
        content[:2] == b"\x30\x82"
        and int.from_bytes(content[2:4], "big") == len(content) - 4
        and content[4:6] == b"\x30\x82"
        and content[8:9] == b"\xa0"
    )


def kind(content: bytes, start: int = 0) -> str:
    """What the SEQUENCE at *start* is, by its first members; a certificate where it is nothing else that is known."""
    try:
        _, body, _ = element(content, start)
        tag, inner, end = element(content, body)
        if content.startswith(_SIGNED_DATA, body):
            return PKCS7
        if tag == _INTEGER:  # RFC 7292, 4: version 3; keys have 0 or 1 (RFC 5958, RFC 8017, RFC 5915)
            return PKCS12 if content[inner:end] == b"\x03" and content[end] == _SEQUENCE else PRIVATE_KEY
        if tag == _SEQUENCE and content[inner] == _OID:  # RFC 5958, 3 and RFC 5280, 4.1
            return {_OCTETS: PRIVATE_KEY, _BITS: PUBLIC_KEY}.get(content[end], CERTIFICATE)
    except IndexError:
        pass
    return CERTIFICATE


def is_indefinite(content: bytes, start: int = 0) -> bool:
    """Whether the element at *start* leaves its length open, as BER allows and DER does not (X.690, 8.1.3.6)."""
    return content[start + 1 : start + 2] == b"\x80"


def is_whole(content: bytes) -> bool:
    """Whether *content* is one SEQUENCE from its first byte to its last, as its header says."""
    try:
        tag, _, end = element(content, 0)
    except IndexError:
        return False
    return tag == _SEQUENCE and end == len(content)


def is_cut_short(content: bytes) -> bool:
    """Whether the header of *content* says that there is more than there is."""
    try:
        return element(content, 0)[2] > len(content)
    except IndexError:
        return True


def is_self_issued(certificate: bytes) -> bool:
    """Whether issuer and subject are the same name (RFC 5280, 4.1: both stand at fixed places)."""
    try:
        _, body, _ = element(certificate, 0)
        _, position, _ = element(certificate, body)
        tag, _, end = element(certificate, position)
        if tag == _TAGGED_0:
            _, _, end = element(certificate, end)
        _, _, end = element(certificate, end)
        issuer_start = end
        _, _, issuer_end = element(certificate, issuer_start)
        _, _, subject_start = element(certificate, issuer_end)
        _, _, subject_end = element(certificate, subject_start)
    except IndexError:
        return False
    return certificate[issuer_start:issuer_end] == certificate[subject_start:subject_end]


def open_pkcs7(content: bytes) -> tuple[list[bytes], bytes | None]:
    """The certificates in PKCS#7 signed data (RFC 5652, 5.1), and the message that they sign, where there is one.

    Raises:
        ValueError: it is not made as the RFC says, in DER.
    """
    try:
        _, body, end = element(content, 0)
        _, wrapped = _members(content, body, end)
        ((_, body, end),) = _members(content, *wrapped[1:])
        _version, _digests, (_, *message), *rest = _members(content, body, end)
        certificates = next((member for member in rest if member[0] == _TAGGED_0), None)
        return _whole_members(content, certificates), _message(content, *message)
    except (IndexError, ValueError):
        raise ValueError("it is no signed data in DER") from None


def _whole_members(content: bytes, parent: tuple[int, int, int] | None) -> list[bytes]:
    found, position = [], parent[1] if parent else 0
    for tag, _, end in _members(content, *parent[1:]) if parent else ():
        if tag == _SEQUENCE:  # other tags are other kinds of certificates (RFC 5652, 10.2.2)
            found.append(content[position:end])
        position = end
    return found


def _message(content: bytes, body: int, end: int) -> bytes | None:
    _type, *explicit = _members(content, body, end)
    if not explicit:
        return None
    ((tag, body, end),) = _members(content, *explicit[0][1:])
    if tag != _OCTETS:
        raise ValueError("a message in pieces")
    return content[body:end]


def _members(content: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    while position < end:
        if is_indefinite(content, position):
            raise ValueError("a length that is left open")
        member = element(content, position)
        position = member[2]
        if position > end:
            raise IndexError("a member is longer than the whole")
        yield member
