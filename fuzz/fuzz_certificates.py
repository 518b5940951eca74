"""Certificates that a server presented, or that are trusted: whatever is in them, a person can be shown them.

What begins with a SEQUENCE is taken for DER. Anything else is what CPython reads of a certificate, in lines:
``commonName=x`` is a part of the subject's name, ``i:commonName=x`` of the issuer's, and ``DNS:x`` one of the names.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile

from hostile import as_text, assert_linear

from trusted_context.core.certificate import Certificate
from trusted_context.explanations import anchors, failure, products

# Bounds that certificate.py keeps, with room for "..." and for what is put around.
_LONGEST = 130


def check(content: bytes) -> None:
    """Read *content* as a certificate, and look at all that is shown of it."""
    if content.startswith(b"\x30"):
        for certificate in _read(content):
            _look(certificate)
        return
    certificate = _describe(content)
    _look(certificate)
    assert failure.linked((certificate, certificate))[0] is certificate
    products.product_of([certificate])
    assert_linear(_describe, content)


def _look(certificate: Certificate) -> None:
    shown = (certificate.subject, certificate.issuer, certificate.full_subject, certificate.full_issuer)
    for text in (*shown, *certificate.names):
        assert text.isprintable(), "what would steer a terminal"
        assert len(text) <= _LONGEST, "no bound"
    assert certificate.subject, "a name that is nothing"
    assert '"' not in certificate.subject + certificate.issuer, "it closes its quotation marks"
    for moment in (certificate.not_before, certificate.not_after):
        assert failure.day(moment).isprintable()
    assert len(certificate.sha256) == 95
    assert certificate.names_as_issuer(certificate) <= certificate.self_issued
    assert all(organisation for organisation in certificate.issuer_organisations | certificate.subject_organisations)


def _read(der: bytes) -> list[Certificate]:
    """The certificate as an anchor and as what a server presented, where OpenSSL and CPython read it."""
    found = list(anchors.read.__wrapped__((der,)))
    with contextlib.suppress(ssl.SSLError, ValueError, OSError):
        found.append(Certificate(der, _info(der)))
    return found


def _info(der: bytes) -> dict[str, object]:
    handle, path = tempfile.mkstemp()
    try:
        with open(handle, "w", encoding="ascii") as file:
            file.write(ssl.DER_cert_to_PEM_cert(der))
        return ssl._ssl._test_decode_cert(path)  # noqa: SLF001  # the reader of get_info(), which needs a connection
    finally:
        os.unlink(path)


def _describe(content: bytes) -> Certificate:
    names: dict[str, list[tuple[tuple[str, str], ...]]] = {"subject": [], "issuer": []}
    info: dict[str, object] = {key: tuple(name) for key, name in names.items()}
    alternatives = []
    for line in as_text(content).split("\n"):
        kind, mark, value = line.partition("=")
        if mark and kind in {"notBefore", "notAfter", "caIssuers"}:
            info[kind] = value
        elif mark:
            of_issuer = kind.startswith("i:")
            names["issuer" if of_issuer else "subject"].append(((kind.removeprefix("i:"), value),))
        else:
            alternatives.append(tuple(line.partition(":")[::2]))
    return Certificate(
        b"", {**info, **{key: tuple(name) for key, name in names.items()}, "subjectAltName": alternatives}
    )
