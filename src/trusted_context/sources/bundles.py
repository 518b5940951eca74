"""Bytes, files and folders in, certificates out, or a :class:`BundleError` that says what was there instead."""

from __future__ import annotations

import binascii
import functools
import os
import re
import shlex
import stat
import time

from ..core.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import TypeAlias

    Material: TypeAlias = str | bytes | os.PathLike[str]

# The largest public bundles are under 1 MiB; past this it is a data set given by mistake, or a device.
_MAX_BYTES = 16 * 1024 * 1024
# A longer one may be a key on one line by mistake.
_LONGEST_PATH = 1024
# Python allocates what a read asks for, and a folder has hundreds of files of 2 KiB: the first read asks for little.
_FIRST_READ = 64 * 1024
# A file this young may be rewritten within the tick of its time stamp (two seconds on FAT and some network shares).
_SETTLED_SECONDS = 2.0

_CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_PKCS7_LABELS = frozenset({"PKCS7", "CMS", "PKCS #7 SIGNED DATA"})
# Spelt out: to encode them would import a codec, whose lock a child forked at that moment would wait for.
_BEGIN_IN_UTF_16 = {
    "utf-16-le": b"".join(bytes((letter, 0)) for letter in b"-----BEGIN "),
    "utf-16-be": b"".join(bytes((0, letter)) for letter in b"-----BEGIN "),
}
_LABEL = re.compile(r"[A-Z0-9 #]{1,40}")
_PKCS7_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_FOLDER_NAME = re.compile(r"[0-9a-f]{8}\.\d+|.+\.(?:pem|crt|cer|cert|der|p7b|p7c)", re.IGNORECASE)

_OTHER_LABELS = (
    ("PRIVATE KEY", "a private key and no certificate: give the CA's certificate, and keep the key to yourself"),
    ("PUBLIC KEY", "a public key and no certificate: ask for the CA's certificate"),
    (
        "CERTIFICATE REQUEST",
        "a certificate request (CSR) and no certificate: ask for the certificate the CA made",
    ),
    ("X509 CRL", "a revocation list (CRL) and no certificate: give the CA's certificate"),
    (
        "TRUSTED CERTIFICATE",
        "OpenSSL's own TRUSTED CERTIFICATE form: convert it with 'openssl x509 -in {path} -out ca.pem'",
    ),
)


class BundleError(ValueError):
    """CA material that cannot be used: the message says which, what it holds instead, and what to do."""

    __module__ = "trusted_context"


class Bundle:
    """Certificates (DER) in the order they were found, each once, with where each stood and what was skipped."""

    __slots__ = ("certificates", "origins", "skipped")

    def __init__(self, found: dict[bytes, str], skipped: Iterable[str] = ()) -> None:
        self.certificates = tuple(found)
        self.origins = tuple(found.values())
        self.skipped = tuple(skipped)

    def without_skipped(self) -> Bundle:
        """The same certificates, with nothing to say of what was skipped."""
        return Bundle(dict(zip(self.certificates, self.origins, strict=True)))


def read(material: Iterable[Material]) -> Bundle:
    """Read every piece of *material*: a path to a file or folder, PEM text, or bytes of any form.

    Raises:
        OSError: a path that cannot be opened; ``filename`` is set.
        BundleError: a piece that holds no usable certificate.
    """
    return merge([_read_one(piece) for piece in material])


def merge(bundles: Collection[Bundle], skipped: Iterable[str] = ()) -> Bundle:
    """One bundle of all *bundles*, each certificate once, with *skipped* before what they had skipped."""
    if len(bundles) == 1 and not skipped:
        return next(iter(bundles))
    found: dict[bytes, str] = {}
    messages = list(skipped)
    for bundle in bundles:
        for certificate, origin in zip(bundle.certificates, bundle.origins, strict=True):
            found.setdefault(certificate, origin)
        messages += bundle.skipped
    return Bundle(found, messages)


def label(piece: Material) -> str:
    """Name a piece of material in a message: its path, never its content (it may hold a private key)."""
    if isinstance(piece, bytes):
        return f"<{len(piece)} bytes>"
    if isinstance(piece, str) and _is_text(piece):
        return "<PEM text>"
    path = os.fspath(piece)
    return f"<{len(path)} characters>" if len(path) > _LONGEST_PATH else redact(path)


def is_self_issued(certificate: bytes) -> bool:
    """Whether issuer and subject are the same name (RFC 5280, 4.1: both stand at fixed places)."""
    try:
        _, body, _ = _element(certificate, 0)
        _, position, _ = _element(certificate, body)
        tag, _, end = _element(certificate, position)
        if tag == 0xA0:
            _, _, end = _element(certificate, end)
        _, _, end = _element(certificate, end)
        issuer_start = end
        _, _, issuer_end = _element(certificate, issuer_start)
        _, _, subject_start = _element(certificate, issuer_end)
        _, _, subject_end = _element(certificate, subject_start)
    except IndexError:
        return False
    return certificate[issuer_start:issuer_end] == certificate[subject_start:subject_end]


def _is_text(piece: str) -> bool:
    return "-----BEGIN" in piece or "\n" in piece


def _read_one(piece: Material) -> Bundle:
    if isinstance(piece, bytes):
        return _decode(piece, f"cafile={label(piece)}", "FILE")
    if isinstance(piece, str) and _is_text(piece):
        return _decode(piece.encode(errors="replace"), f"cafile={label(piece)}", "FILE")
    if isinstance(piece, str):
        check_is_path(piece)
    try:
        return read_path(os.fspath(piece))
    except FileNotFoundError as error:
        where = "" if os.path.isabs(error.filename) else f", looked for from {_working_directory()}"
        raise FileNotFoundError(error.errno, f"{error.strerror} (given as cafile={where})", error.filename) from None


def _working_directory() -> str:
    try:
        return f"the working directory {os.getcwd()}"
    except OSError:
        return "a working directory that is gone"


def check_is_path(text: str) -> None:
    """Refuse what somebody gave in a path's place, without repeating what may be a key or hold a password.

    Raises:
        BundleError: it is no path.
    """
    if _is_text(text) or len(text) > _LONGEST_PATH:
        raise BundleError(
            f"{label(text)} is no path, and may be a certificate itself: write it to a file, and name that"
        )
    if "://" in text:
        raise BundleError(f"{redact(text)} is a URL: fetch the CA certificate from there, and give the file's path")


def read_path(path: str) -> Bundle:
    """Read the file or folder at *path*, whose leading ``~`` is the home directory.

    Raises:
        OSError: it cannot be opened; ``filename`` is set.
        BundleError: it holds no usable certificate.
    """
    if not path:
        raise BundleError("cafile='' is an empty path: name a file or folder, or leave cafile out")
    if "\0" in path or any("\ud800" <= letter <= "\udbff" for letter in path):
        raise BundleError(f"cafile={path!r} holds a null character or the like, as no path does: give content as bytes")
    path = os.path.expanduser(path)
    return read_folder(path) if os.path.isdir(path) else _read_file(path)


def read_folder(folder: str) -> Bundle:
    """Read a folder's certificate files: OpenSSL's hashed names, and .pem, .crt, .cer, .cert, .der, .p7b, .p7c.

    Raises:
        OSError: the folder cannot be listed.
        BundleError: none of its files holds a usable certificate.
    """
    bundles, skipped = [], []
    for name in sorted(filter(_FOLDER_NAME.fullmatch, os.listdir(folder))):
        try:
            bundles.append(_read_file(os.path.join(folder, name)))
        except BundleError as error:
            skipped.append(str(error))
        except OSError as error:
            skipped.append(f"{error.filename}: {error.strerror}")
    if not bundles:
        known = "*.pem, *.crt, *.cer, *.cert, *.der, *.p7b, *.p7c or HASH.0"
        found = skipped[0] if skipped else f"none of the {len(os.listdir(folder))} names in it is {known}"
        raise BundleError(f"{folder}: this folder holds no usable certificate ({found})")
    return merge(bundles, skipped)


def version(path: str) -> tuple[int, ...] | None:
    """What changes whenever the file or folder at *path* does, or ``None`` where that cannot be told."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    age = time.time() - max(status.st_mtime, status.st_ctime)
    if age < _SETTLED_SECONDS or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read_file(path: str) -> Bundle:
    current = version(path)
    return _load(path) if current is None else _load_version(os.path.abspath(path), path, current)


@functools.lru_cache(maxsize=256)
def _load_version(_absolute: str, path: str, _version: tuple[int, ...]) -> Bundle:
    return _load(path)


def _load(path: str) -> Bundle:
    with open(path, "rb") as file:
        content = file.read(_FIRST_READ)
        if len(content) == _FIRST_READ:
            content += file.read(_MAX_BYTES + 1 - _FIRST_READ)
    if len(content) > _MAX_BYTES:
        raise BundleError(f"{path}: is larger than {_MAX_BYTES >> 20} MiB, so it is no CA bundle: is the path right?")
    return _decode(content, path, shlex.quote(path))


def _decode(content: bytes, origin: str, path: str) -> Bundle:
    """Find the certificates in *content*, which stands at *origin*; *path* is its name in a command to run."""
    content = _as_bytes_of_text(content)
    if not content.strip():
        raise BundleError(f"{origin}: is empty: export the CA certificate again")
    if b"-----BEGIN " in content:
        return _decode_pem(content, origin, path)
    # X.690, 8.1.3: a SEQUENCE with a length of several bytes or none, as any certificate's; else it is text with a "0".
    if content[:1] == b"\x30" and content[1:2] >= b"\x80":
        return _decode_der(content, origin, path)
    raise BundleError(f"{origin}: {_describe_other(content)}")


def _as_bytes_of_text(content: bytes) -> bytes:
    """Undo what Windows does to text: a byte-order mark, or UTF-16 with or without one."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace").encode()
    for encoding, begin in _BEGIN_IN_UTF_16.items():
        start = content.find(begin)
        # At an odd place it is the other byte order's text, read across its characters.
        if start >= 0 and start % 2 == 0:
            return content.decode(encoding, "replace").encode()
    return content.removeprefix(b"\xef\xbb\xbf")


def _describe_other(content: bytes) -> str:
    start = content[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "is an HTML page, not a certificate: most often a login page that was saved in its place; sign in first"
    if start.startswith(b"\xfe\xed\xfe\xed"):
        return "is a Java key store: export the CA from it with 'keytool -exportcert -rfc'"
    if start.startswith(b"-----"):
        return "looks like PEM but has no whole '-----BEGIN CERTIFICATE-----' line: copy the file again"
    return "holds no certificate: it is neither PEM ('-----BEGIN CERTIFICATE-----'), nor DER, nor PKCS#7"


def _decode_pem(content: bytes, origin: str, path: str) -> Bundle:
    found: dict[bytes, str] = {}
    skipped: list[str] = []
    others: list[str] = []
    number = 0
    for kind, body, whole in _pem_blocks(content):
        if kind in _PKCS7_LABELS:
            for certificate in _open_pkcs7(_from_base64(body), origin, f"openssl pkcs7 -print_certs -in {path}"):
                found.setdefault(certificate, origin)
            continue
        if kind not in _CERTIFICATE_LABELS:
            others.append(kind)
            continue
        number += 1
        der = _from_base64(body)
        if problem := _damage(der, whole):
            skipped.append(f"{origin}, certificate {number}: {problem}")
        else:
            found.setdefault(der, f"{origin}, certificate {number}")
    if not found:
        raise BundleError(skipped[0] if skipped else f"{origin}: holds {_name_labels(others, path)}")
    return Bundle(found, skipped)


def _pem_blocks(content: bytes) -> Iterator[tuple[str, bytes, bool]]:
    for chunk in content.split(b"-----BEGIN ")[1:]:
        kind, _, rest = chunk.partition(b"-----")
        body, end, _ = rest.partition(b"-----END ")
        yield kind.decode("latin-1"), body, bool(end)


def _from_base64(body: bytes) -> bytes:
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        return b""


def _damage(der: bytes, whole: bool) -> str | None:
    if not whole:
        return "is cut short: its '-----END CERTIFICATE-----' line is missing; copy the whole file again"
    try:
        tag, _, end = _element(der, 0)
    except IndexError:
        tag, end = 0, -1
    if tag == 0x30 and end == len(der):
        return None
    return "is damaged: its text does not decode to a certificate; copy the file again"


def _name_labels(labels: list[str], path: str) -> str:
    for name, description in _OTHER_LABELS:
        if any(name in label for label in labels):
            return description.format(path=path)
    # Of a damaged header what follows it may be part of a key.
    kind = repr(labels[0]) if _LABEL.fullmatch(labels[0]) else "a PEM block with a damaged header"
    return f"{kind} and no certificate: give the CA's certificate"


def _decode_der(content: bytes, origin: str, path: str) -> Bundle:
    try:
        _, body, end = _element(content, 0)
        inner, _, _ = _element(content, body)
    except IndexError:
        inner, body, end = 0, 0, len(content) + 1
    if end > len(content):
        raise BundleError(f"{origin}: is cut short: {len(content)} bytes of DER whose header says {end}; copy it again")
    if content.startswith(_PKCS7_SIGNED_DATA, body):
        command = f"openssl pkcs7 -print_certs -inform DER -in {path}"
        return Bundle(dict.fromkeys(_open_pkcs7(content[:end], origin, command), origin))
    if inner == 0x02:
        raise BundleError(
            f"{origin}: holds a key or a PKCS#12 store (.p12, .pfx), not a certificate: give the CA's certificate; "
            f"'openssl pkcs12 -in {path} -cacerts -nokeys -out ca.pem' takes it out of a store"
        )
    rest = content[end:].strip(b"\0\r\n")
    told = f"{origin}: {len(rest)} bytes after its first certificate; several in one file are to be PEM"
    return Bundle({content[:end]: origin}, [told] if rest else [])


def _open_pkcs7(content: bytes, origin: str, command: str) -> list[bytes]:
    remedy = f"convert it with '{command} -out ca.pem' and give ca.pem"
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
    except ImportError:
        raise BundleError(
            f"{origin}: is PKCS#7 (.p7b), which needs the package cryptography to open: install it, or {remedy}"
        ) from None
    try:
        certificates = [found.public_bytes(Encoding.DER) for found in pkcs7.load_der_pkcs7_certificates(content)]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundleError(f"{origin}: is PKCS#7 (.p7b) that could not be opened ({error}): {remedy}") from None
    if not certificates:
        raise BundleError(f"{origin}: is PKCS#7 (.p7b) with no certificate in it: export the CA certificate again")
    return certificates


def _element(der: bytes, start: int) -> tuple[int, int, int]:
    """The tag, the start of the content and the end of the DER element at *start* (X.690, 8.1).

    Raises:
        IndexError: the data ends within the element's header.
    """
    length, content = der[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        if len(der) < content + size:
            raise IndexError("the header is cut short")
        length, content = int.from_bytes(der[content : content + size], "big"), content + size
    return der[start], content, content + length
