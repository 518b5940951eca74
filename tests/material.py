"""CA material for the tests: certificates made to order, in the forms and with the faults that people hand over."""

from __future__ import annotations

import datetime as dt
import functools
import os
import shutil
import ssl
import subprocess

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat, pkcs7, pkcs12
from issuing import issue
from servers import BODY, fetch, verify_failure

from trusted_context import trusted_context

_NOW = dt.datetime.now(dt.UTC)


def make_ca(name, issuer=None, *, key_usage=True, critical=True):
    """A CA, self-signed or signed by *issuer*; without *key_usage* or not *critical* it fails strict verification."""
    return issue(name, issuer, ca=True, key_usage=key_usage, critical=critical)


def make_server(issuer=None, *, authority_key=True):
    """What a server at localhost presents, signed by *issuer* or by itself."""
    return issue("localhost", issuer, authority_key=authority_key)


def to_der(pem):
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def to_pem(der):
    return ssl.DER_cert_to_PEM_cert(der).encode()


def to_pkcs7(pem, encoding=Encoding.DER):
    """A ``.p7b`` of the certificates in *pem*."""
    return pkcs7.serialize_certificates(x509.load_pem_x509_certificates(pem), encoding)


def to_pkcs7_pem(pem):
    return to_pkcs7(pem, Encoding.PEM)


def with_text(pem):
    """As ``openssl x509 -text`` prints it: words before, between and after, some of them not ASCII."""
    return b"Certificate:\n    Data:\n        Issuer: O=Soci\xc3\xa9t\xc3\xa9\n" * 3 + pem + b"\n# -- the end --\n"


@functools.cache
def public_bundle():
    """Certifi's bundle, as a large set of certificates that signed none of the tests' servers."""
    with open(certifi.where(), "rb") as file:
        return file.read()


def _wrong_tag(der):
    body = der.index(b"\x30", 1)
    return der[:body] + b"\x04" + der[body + 1 :]


def _wrong_length(der):
    body = der.index(b"\x30", 1)
    return der[: body + 2] + b"\xff\xff" + der[body + 4 :]


def _zeroed_half(der):
    half = len(der) // 2
    return der[:half] + bytes(len(der) - half)


def _zeroed(der):
    return der[:4] + bytes(len(der) - 4)


# Ways to break DER within, so that only a full parse finds it.
DAMAGES = {
    "wrong tag": _wrong_tag,
    "wrong length": _wrong_length,
    "zeroed half": _zeroed_half,
    "zeroed": _zeroed,
}


def _private_key(make, form, how):
    return lambda: make().private_bytes(Encoding.PEM, form, how)


def _elliptic():
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _classic():
    return rsa.generate_private_key(65537, 2048)


_PLAIN, _SECRET = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"secret")
PRIVATE_KEYS = {
    "PKCS#8": _private_key(_elliptic, PrivateFormat.PKCS8, _PLAIN),
    "PKCS#8, encrypted": _private_key(_elliptic, PrivateFormat.PKCS8, _SECRET),
    "EC": _private_key(_elliptic, PrivateFormat.TraditionalOpenSSL, _PLAIN),
    "RSA": _private_key(_classic, PrivateFormat.TraditionalOpenSSL, _PLAIN),
    "RSA, encrypted": _private_key(_classic, PrivateFormat.TraditionalOpenSSL, _SECRET),
    "OpenSSH": _private_key(_elliptic, PrivateFormat.OpenSSH, _PLAIN),
}


def public_key(ca):
    return ca.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def request(ca):
    """A certificate request (CSR)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(ca.certificate.subject)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def request_der(ca):
    return ssl.PEM_cert_to_DER_cert(request(ca).decode().replace("CERTIFICATE REQUEST", "CERTIFICATE"))


def revocation_list(ca):
    """An empty revocation list (CRL)."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject)
    builder = builder.last_update(_NOW).next_update(_NOW + dt.timedelta(days=1))
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def pkcs12_store(ca):
    """A store as IT departments hand out: a user's certificate and key, with the CA's certificate beside."""
    user = make_server(ca)
    return pkcs12.serialize_key_and_certificates(b"user", user.key, user.certificate, [ca.certificate], _SECRET)


def pkcs12_of_the_ca(ca):
    """A store of the CA's certificate beside its own key, as the CA itself exports it."""
    return pkcs12.serialize_key_and_certificates(b"ca", ca.key, ca.certificate, None, _SECRET)


def signed_message(ca, message=b"Hello"):
    """PKCS#7 that is a message with its signature, as a signed configuration profile is."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(message).add_signer(ca.certificate, ca.key, hashes.SHA256())
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def key_der(ca):
    return ca.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, serialization.NoEncryption())


def trusted_form(ca):
    """As ``openssl x509 -trustout`` writes it."""
    return ca.pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE")


def streamed_pkcs7(ca):
    """PKCS#7 without a length at its start, as some exports are (X.690, 8.1.3.6), which is not DER."""
    der = to_pkcs7(ca.pem)
    header = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    return b"\x30\x80" + der[header:] + b"\x00\x00"


def enveloped(ca):
    """PKCS#7 that is a message encrypted for somebody, not certificates."""
    key = _classic()
    builder = x509.CertificateBuilder().subject_name(ca.certificate.subject).issuer_name(ca.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(1).not_valid_before(_NOW).not_valid_after(_NOW)
    message = pkcs7.PKCS7EnvelopeBuilder().set_data(b"x").add_recipient(builder.sign(key, hashes.SHA256()))
    return message.encrypt(Encoding.PEM, [])


class PathOfBytes(os.PathLike):
    """A path whose system form is bytes."""

    def __init__(self, path):
        self._path = os.fsencode(path)

    def __fspath__(self):
        return self._path


def assert_trusted(url, cafile):
    """A download inside the block comes through."""
    with trusted_context(cafile):
        assert fetch(url) == BODY


def assert_refused(url, cafile):
    """A download inside the block fails, by verification."""
    with trusted_context(cafile), pytest.raises(OSError) as caught:
        fetch(url)
    assert verify_failure(caught.value)


def openssl(*arguments, **options):
    """Run the openssl command, or skip the test where there is none."""
    return _run("openssl", *arguments, **options)


def keytool(*arguments, **options):
    """Run Java's keytool, or skip the test where there is none."""
    return _run("keytool", *arguments, **options)


def _run(name, *arguments, **options):
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"needs the {name} command")
    return subprocess.run([program, *arguments], check=True, capture_output=True, timeout=30, **options).stdout


def hashed_name(path):
    """The name by which OpenSSL looks for the certificate at *path* in a folder."""
    return openssl("x509", "-hash", "-noout", "-in", path, text=True).strip() + ".0"
