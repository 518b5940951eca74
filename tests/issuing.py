"""Certificates made to order, sound but for the one fault that they are to show."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import ipaddress
import warnings

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

_NOW = dt.datetime.now(dt.UTC)
_HERE = ("localhost", "127.0.0.1")


class Pair:
    """A certificate and its key; a CA that issues others, or what a server presents."""

    def __init__(self, certificate, key, chain=()):
        self.certificate = certificate
        self.key = key
        self.chain = chain

    @property
    def pem(self):
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self):
        return self.certificate.public_bytes(Encoding.DER)

    def key_pem(self, form=PrivateFormat.PKCS8):
        return self.key.private_bytes(Encoding.PEM, form, serialization.NoEncryption())

    def presenting(self, *chain):
        """The same, as a server that sends *chain* after its own certificate."""
        return Pair(self.certificate, self.key, chain)

    def configure_cert(self, context):
        """Make *context* present this, as trustme's certificates do."""
        trustme.LeafCert(self.key_pem(), self.pem, [link.pem for link in self.chain]).configure_cert(context)


@contextlib.contextmanager
def no_warnings():
    """Let cryptography and ssl do what they warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def issue(  # noqa: PLR0913  # each another fault
    name,
    issuer=None,
    *,
    ca=False,
    names=_HERE,
    days=(-2, 30),
    key=None,
    organisation=None,
    purpose=None,
    locates_issuer=False,
    authority_key=True,
    key_usage=True,
    critical=True,
    permitted=None,
    path_length=None,
):
    """A certificate for *name*, signed by *issuer* or by itself, sound but for what is said otherwise."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = _name(name, organisation)
    signer = issuer.key if issuer else key
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer.certificate.subject if issuer else subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=_NOW + dt.timedelta(days=days[0]),
        not_valid_after=_NOW + dt.timedelta(days=days[1]),
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=critical)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if authority_key:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if ca and key_usage:
        builder = builder.add_extension(_signing(), critical=True)
    if not ca and names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=not name)
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if locates_issuer:
        where = x509.UniformResourceIdentifier("http://ca.test/issuer.crt")
        description = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([description]), critical=False)
    if permitted:
        constraints = x509.NameConstraints([x509.DNSName(permitted)], None)
        builder = builder.add_extension(constraints, critical=True)
    return Pair(builder.sign(signer, hashes.SHA256()), key)


def _name(name, organisation):
    values = ((NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name))
    with no_warnings():  # whoever makes a hostile certificate does not stop at 64 characters either
        return x509.Name([x509.NameAttribute(kind, value, _validate=False) for kind, value in values if value])


def _alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _signing():
    used = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True)
    unused = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return x509.KeyUsage(**used, **dict.fromkeys((*unused, "encipher_only", "decipher_only"), False))


@functools.cache
def root():
    """The CA that most cases trust."""
    return issue("Corp Root", ca=True, organisation="Corp")


@functools.cache
def intermediate():
    """A CA that *root* signed."""
    return issue("Corp Issuing CA", root(), ca=True, organisation="Corp")


@functools.cache
def stranger():
    """A CA that nobody trusts."""
    return issue("Elsewhere Root", ca=True)


@functools.cache
def inspector(name="Zscaler Root CA"):
    """The CA of a product that inspects TLS, going by its name."""
    return issue(name, ca=True)


@functools.cache
def rsa_root():
    return issue("Corp RSA Root", ca=True, key=rsa.generate_private_key(65537, 2048))


def signed_with_sha1():
    """A CA signed as cryptography no longer signs: its algorithm renamed, and RSA done by hand (RFC 8017, 8.2.1)."""
    renamed = bytes.fromhex("06092a864886f70d0101")
    signer, made = rsa_root().key, issue("Old CA", rsa_root(), ca=True)
    body = made.certificate.tbs_certificate_bytes.replace(renamed + b"\x0b", renamed + b"\x05")
    digest = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(body).digest()
    numbers = signer.private_numbers()
    padded = b"\x00\x01" + b"\xff" * (253 - len(digest)) + b"\x00" + digest
    signature = pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")
    rest = body + bytes.fromhex("300d") + renamed + b"\x05\x05\x00" + b"\x03\x82\x01\x01\x00" + signature
    der = b"\x30\x82" + len(rest).to_bytes(2, "big") + rest
    return Pair(x509.load_der_x509_certificate(der), made.key)


def in_version_1(made, issuer=None):
    """The same as the oldest are: a certificate without version and extensions (RFC 5280, 4.1.2.1)."""
    body, algorithm, _ = _members(made.der)
    old = _sequence(*_members(body)[1:-1])
    signature = (issuer or made).key.sign(old, ec.ECDSA(hashes.SHA256()))
    return Pair(x509.load_der_x509_certificate(_sequence(old, algorithm, _bits(signature))), made.key)


def _members(element):
    """The elements within a DER element (X.690, 8.1), each of them whole."""
    place, found = _header(element, 0)[0], []
    while place < len(element):
        start, length = _header(element, place)
        found.append(element[place : start + length])
        place = start + length
    return found


def _header(content, place):
    """Where the content of the element there starts, and how long it is."""
    length, start = content[place + 1], place + 2
    if length < 0x80:
        return start, length
    size = length & 0x7F
    return start + size, int.from_bytes(content[start : start + size], "big")


def _sequence(*members):
    return _tagged(0x30, b"".join(members))


def _bits(content):
    return _tagged(0x03, b"\0" + content)


def _tagged(tag, content):
    size = b"" if len(content) < 0x80 else len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size) if size else len(content))) + size + content
