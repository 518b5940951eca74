"""What people give in a CA certificate's place, and what to do about each. No message repeats any of it."""

from __future__ import annotations

import os
import re
import shlex

from . import der

_LABEL = re.compile(r"[A-Z0-9 #]{1,40}")

# By the label of a PEM block, or the kind of DER.
_BY_LABEL = (
    (der.PRIVATE_KEY, "a private key and no certificate: give the CA's certificate, and keep the key to yourself"),
    (der.PUBLIC_KEY, "a public key and no certificate: ask for the CA's certificate"),
    (
        "CERTIFICATE REQUEST",
        "a certificate request (CSR) and no certificate: ask for the certificate the CA made",
    ),
    ("X509 CRL", "a revocation list (CRL) and no certificate: give the CA's certificate"),
)
_JAVA_KEY_STORES = {b"\xfe\xed\xfe\xed": "JKS", b"\xce\xce\xce\xce": "JCEKS"}


def quote(path: str) -> str:
    """*path* as a shell takes it."""
    return f'"{path}"' if os.name == "nt" else shlex.quote(path)


def is_unknown(label: str) -> bool:
    """Whether the label of a PEM block is none that is known to be no certificate's."""
    return not any(name in label for name, _ in _BY_LABEL)


def describe_label(label: str) -> str:
    """What a PEM block that is no certificate is."""
    for name, description in _BY_LABEL:
        if name in label:
            return description
    # Of a damaged header what follows it may be part of a key.
    kind = repr(label) if _LABEL.fullmatch(label) else "a PEM block with a damaged header"
    return f"{kind} and no certificate: give the CA's certificate"


def describe_trusted_form(path: str, *, is_first: bool) -> str:
    """What to do about OpenSSL's own form, whose settings may also say what a certificate is not trusted for."""
    # The one command reads the first certificate alone, and the other is not in every build.
    command = f"x509 -in {path} -out ca.pem" if is_first else f"storeutl -certs -out ca.pem {path}"
    return f"is in OpenSSL's own TRUSTED CERTIFICATE form: convert it with 'openssl {command}'"


def describe_pkcs12(path: str) -> str:
    """What to do about a PKCS#12 store."""
    return (
        "a PKCS#12 store (.p12, .pfx), not a certificate: "
        f"'openssl pkcs12 -in {path} -nokeys -out ca.pem' takes its certificates out (an old store needs -legacy too)"
    )


UNKNOWN = "holds no certificate: it is neither PEM ('-----BEGIN CERTIFICATE-----'), nor DER, nor PKCS#7"


def describe(content: bytes, path: str) -> str | None:
    """What *content* is, which is neither PEM nor DER; ``None`` where it is nothing known."""
    start = content[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "is an HTML page, not a certificate: most often a login page that was saved in its place; sign in first"
    if content[:4] in _JAVA_KEY_STORES:
        return _describe_java(content, path)
    if start.startswith(b"-----"):
        return "looks like PEM but has no whole '-----BEGIN CERTIFICATE-----' line: copy the file again"
    return None


def _describe_java(content: bytes, path: str) -> str:
    kind = _JAVA_KEY_STORES[content[:4]]
    alias = _first_alias(content)
    option = "" if kind == "JKS" else f" -storetype {kind}"
    unknown = f" (keytool -list -keystore {path}{option} names the aliases)"
    return (
        "is a Java key store, not a certificate: "
        f"'keytool -exportcert -rfc -keystore {path}{option} -alias {quote(alias or 'ALIAS')} -file ca.pem' "
        f"takes a certificate out{'' if alias else unknown}"
    )


def _first_alias(content: bytes) -> str | None:
    """The alias of a store's first certificate: after magic, version, count and kind (java.security.KeyStore, JKS)."""
    trusted, length = content[12:16] == b"\x00\x00\x00\x02", int.from_bytes(content[16:18], "big")
    alias = content[18 : 18 + length].decode("utf-8", "replace")
    # cmd.exe would take two of these for its own.
    return alias if trusted and len(alias) <= 64 and alias.isprintable() and not set('"%') & set(alias) else None
