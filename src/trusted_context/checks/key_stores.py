"""CAs in key stores that are no certificate files: Java's, and the databases of Firefox, Chrome and NSS.

They are read where that takes nothing but the standard library: Java's JKS form, PKCS#12 without a password, and NSS'
SQLite form. Others are named, with the command that lists what is in them.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import struct
from urllib.parse import quote

from ..core.certificate import printable
from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Java's own store has 140 CAs in 160 KiB; a Firefox profile's database a few hundred KiB.
_MOST_BYTES = 16 * 1024 * 1024
_MOST_ENTRIES = 5000
_JKS, _JCEKS = b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"
_TRUSTED_CERTIFICATE = 2
# CKO_CERTIFICATE of PKCS #11, and NSS' CKT_NSS_TRUSTED_DELEGATOR: a CA that the user, or an administrator, trusts.
_IS_CERTIFICATE, _IS_TRUSTED_CA = b"\x00\x00\x00\x01", b"\xce\x53\x43\x52"
# Columns are named by PKCS #11's attributes: 0 class, 3 label, 11 value, 81 issuer, 82 serial number, and NSS' own
# CKA_TRUST_SERVER_AUTH.
_QUERY = """
SELECT certificate.a11, certificate.a3 FROM nssPublic AS certificate JOIN nssPublic AS trust
ON trust.a81 = certificate.a81 AND trust.a82 = certificate.a82
WHERE certificate.a0 = ? AND trust.ace536358 = ? LIMIT ?
"""

_JAVA = (
    "$JAVA_HOME/lib/security/cacerts",
    "$JAVA_HOME/lib/security/jssecacerts",
    "$JAVA_HOME/jre/lib/security/cacerts",
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/java/cacerts",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/usr/lib/jvm/*/lib/security/cacerts",
    "/usr/lib/jvm/*/jre/lib/security/cacerts",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home/lib/security/cacerts",
    "$ProgramFiles/Java/*/lib/security/cacerts",
    "$ProgramFiles/Eclipse Adoptium/*/lib/security/cacerts",
)
_NSS = (
    "$HOME/.pki/nssdb/cert*.db",
    "/etc/pki/nssdb/cert*.db",
    "$HOME/.mozilla/firefox/*/cert*.db",
    "$HOME/.config/mozilla/firefox/*/cert*.db",
    "$HOME/snap/firefox/common/.mozilla/firefox/*/cert*.db",
    "$HOME/snap/chromium/current/.pki/nssdb/cert*.db",
    "$HOME/.var/app/org.mozilla.firefox/.mozilla/firefox/*/cert*.db",
    "$HOME/Library/Application Support/Firefox/Profiles/*/cert*.db",
    "$APPDATA/Mozilla/Firefox/Profiles/*/cert*.db",
)


class Entry:
    """A certificate in a key store, and the shell command that writes it to the file :data:`EXPORTED`."""

    __slots__ = ("command", "der")

    def __init__(self, der: bytes, command: str) -> None:
        self.der: bytes = der
        self.command: str = command


class UnreadableError(Exception):
    """A store that the standard library cannot read.

    Attributes:
        reason: why.
        command: the shell command that lists what is in it.
    """

    def __init__(self, reason: str, command: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.command = command


# What the commands write to, in the folder where they are run.
EXPORTED = "exported-ca.pem"


def java() -> Iterator[str]:
    """The key stores of the Java installations on this machine."""
    return paths.files(_JAVA)


def nss() -> Iterator[str]:
    """The databases of Firefox, Chrome and other programs that use NSS."""
    return paths.files(_NSS)


def read_java(path: str) -> list[Entry]:
    """The CA certificates in a Java key store.

    Raises:
        OSError: it cannot be read.
        UnreadableError: it is encrypted, or of another form.
    """
    with open(path, "rb") as file:
        content = file.read(_MOST_BYTES)
    listing = f"keytool -list -rfc -keystore {shlex.quote(path)}"
    if content.startswith(_JKS):
        with contextlib.suppress(struct.error, IndexError):
            return [Entry(der, _keytool(path, alias)) for alias, der in _jks_entries(content)]
        raise UnreadableError("it is damaged", listing)
    if content.startswith(_JCEKS):
        raise UnreadableError("it is a JCEKS store", f"{listing} -storetype JCEKS")
    raise UnreadableError("it is a PKCS#12 store, which the standard library cannot open", listing)


def _jks_entries(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Java's own form (sun.security.provider.JavaKeyStore): certificates stand in it unencrypted."""
    version, count = struct.unpack_from(">II", content, 4)
    place = 12
    for _ in range(min(count, _MOST_ENTRIES)):
        (kind,) = struct.unpack_from(">I", content, place)
        alias, place = _text(content, place + 4)
        place += 8  # when it was added
        if kind != _TRUSTED_CERTIFICATE:
            return  # a private key, whose certificates are no CA's that anybody trusts
        if version == 2:
            _, place = _text(content, place)  # the certificate's type, X.509
        (length,) = struct.unpack_from(">I", content, place)
        yield alias.decode("utf-8", "replace"), content[place + 4 : place + 4 + length]
        place += 4 + length


def _text(content: bytes, place: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from(">H", content, place)
    return content[place + 2 : place + 2 + length], place + 2 + length


def _keytool(path: str, alias: str) -> str:
    return (
        f"keytool -exportcert -rfc -keystore {shlex.quote(path)} -storepass changeit -alias {shlex.quote(alias)} "
        f"-file {EXPORTED}"
    )


def read_nss(path: str) -> list[Entry]:
    """The CA certificates in an NSS database that are trusted for servers.

    Raises:
        UnreadableError: it is of the form before 2009, or this Python has no SQLite.
    """
    folder = os.path.dirname(path)
    kind = "dbm" if os.path.basename(path) == "cert8.db" else "sql"
    listing = f"certutil -L -d {shlex.quote(f'{kind}:{folder}')}"
    if kind == "dbm":
        raise UnreadableError("it is of the form before 2009", listing)
    try:
        import sqlite3
    except ImportError:
        raise UnreadableError("this Python has no sqlite3", listing) from None
    # Immutable: no lock is taken and no file made beside it, though Firefox may be running.
    address = f"file:{quote(os.path.abspath(path))}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=0)) as database:
            found = database.execute(_QUERY, (_IS_CERTIFICATE, _IS_TRUSTED_CA, _MOST_ENTRIES)).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its words quote the file, whatever bytes that has there
        raise UnreadableError(f"SQLite cannot read it ({printable(error)})", listing) from None
    return [
        Entry(der, f"{listing} -n {shlex.quote(_label(label))} -a > {EXPORTED}")
        for der, label in found
        if isinstance(der, bytes) and label  # SQLite holds values of any type in any column
    ]


def _label(label: object) -> str:
    return bytes(label).decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
