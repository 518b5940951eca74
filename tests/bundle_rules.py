"""What holds of whatever the reader of CA material is given, checked against OpenSSL; for the fuzzing of both kinds."""

from __future__ import annotations

import os
import re
import ssl
import tempfile

from trusted_context import BundleError
from trusted_context.core.loading import authorities, load
from trusted_context.sources import bundles

_BEGIN_LINE = re.compile(rb"(-----BEGIN [A-Z0-9 #]{1,40}-----)")
_END_LINE = re.compile(rb"(-----END [A-Z0-9 #]{1,40}-----)[^\n]*")
_HEADERS = re.compile(rb"(-----BEGIN [A-Z0-9 #]{1,40}-----\s*\n)[A-Za-z0-9-]{1,40}:[^-]*?\n[ \t]*\n")


def check(content):
    """Read *content*: nothing but a BundleError is raised, and OpenSSL agrees with what is read without a warning."""
    try:
        bundle = bundles.read([content])
    except BundleError as error:
        assert str(error).isprintable()
        return frozenset()
    found = frozenset(filter(_is_listed, bundle.certificates))
    assert all(map(str.isprintable, bundle.skipped))
    if not bundle.skipped:
        assert read_by_openssl(content) <= found, "OpenSSL reads more, and no warning says so"
        if is_plain_text(content):
            # Each block alone, since OpenSSL stops at the first that is damaged, be it a key.
            blocks = re.split(rb"^(?=-----BEGIN )", undo_forms(content), flags=re.MULTILINE)
            assert found <= frozenset().union(*map(read_by_openssl, blocks)), "OpenSSL reads less than we take"
    return found


def _is_listed(der):
    """Whether OpenSSL can read the certificate, and takes it for a CA's: it lists no others, to compare them with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # By these two, since in Python 3.11 a listing leaves errors behind, which would fail the next load.
    return not load(context, [der]) and authorities(context) == [der]


def read_by_openssl(content):
    """What OpenSSL reads in a file with *content*, and curl and requests with it: all before what it stumbles over."""
    handle, path = tempfile.mkstemp()
    try:
        with open(handle, "wb") as file:
            file.write(content)
        return frozenset(authorities(ssl.create_default_context(cafile=path)))
    except ssl.SSLError:
        return frozenset()
    finally:
        os.unlink(path)


def is_plain_text(content):
    """Whether it is PEM in one byte a letter throughout, in which OpenSSL reads all that is said below."""
    binary = re.search(rb"\x30[\x80-\x84]|-\0-\0|PKCS|CMS|\xff\xfe|\xfe\xff", content)
    return b"-----BEGIN" in content and not binary and not content.lstrip().startswith(b"<")


def undo_forms(content):
    """*content* without the forms that we read and OpenSSL does not, as docs/reference/cafile.md names them."""
    text = content.replace(b"\xef\xbb\xbf", b"").replace(b"\0", b"").strip()
    if text[:1] == text[-1:] and text[:1] in {b'"', b"'"}:
        text = text[1:-1]
    text = re.sub(rb"\\[nr]|\r\n?|[\v\f]", b"\n", text)
    text = _HEADERS.sub(rb"\1", text)
    text = _BEGIN_LINE.sub(rb"\1\n", _END_LINE.sub(rb"\n\1\n", re.sub(rb"(-----)[ \t]*(?=-----BEGIN)", rb"\1\n", text)))
    lines = [line.strip() for line in text.split(b"\n")]
    lines = [line if b"-----" in line else line.replace(b" ", b"").replace(b"\t", b"") for line in lines]
    return b"\n".join(filter(None, lines)) + b"\n"
