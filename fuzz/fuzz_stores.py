"""Java's key stores, and the names in certificates that a search compares: read, or passed over as damaged."""

from __future__ import annotations

import contextlib
import os
import ssl
import struct
import tempfile

from hostile import assert_linear

from trusted_context.checks import key_stores, names

_JKS = b"\xfe\xed\xfe\xed"


def check(content: bytes) -> None:
    """Read *content* as a key store, as what stands in one, and as a certificate."""
    for entry in _entries(content):
        assert len(entry.der) <= len(content)
    for _, der in _quietly(_JKS + content):
        assert len(der) <= len(content)
    found = names.issuer_and_subject(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=content)
        read = context.get_ca_certs()
        assert found is not None or not read, "OpenSSL reads a certificate whose names we do not find"
        assert names.leading_to((content,), (content,)) == (content,)
    assert_linear(_read, content)


def _entries(content: bytes) -> list[key_stores.Entry]:
    handle, path = tempfile.mkstemp()
    try:
        with open(handle, "wb") as file:
            file.write(content)
        return key_stores.read_java(path)
    except key_stores.UnreadableError:
        return []
    finally:
        os.unlink(path)


def _quietly(content: bytes) -> list[tuple[str, bytes]]:
    with contextlib.suppress(struct.error, IndexError):
        return list(key_stores._jks_entries(content))  # noqa: SLF001  # without the file
    return []


def _read(content: bytes) -> None:
    _quietly(_JKS + content)
    names.issuer_and_subject(content)
