"""The CAs of Windows' and macOS' stores, read without truststore where that is not installed."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import sys

from ..sources.bundles import Bundle, read
from ..sources.error import BundleError
from ..sources.stores import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# The two that hold what Apple ships and what an administrator added.
_KEYCHAINS = ("/System/Library/Keychains/SystemRootCertificates.keychain", "/Library/Keychains/System.keychain")
_SECURITY = "/usr/bin/security"
_MOST_SECONDS = 5.0
_SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1"  # id-kp-serverAuth (RFC 5280, 4.2.1.12)


def read_store() -> Source | None:
    """The certificates of the store; ``None`` where it could not be read.

    The operating system's own verification does more: it fetches what is missing, and knows what was distrusted.
    """
    try:
        bundle = _of_windows() if sys.platform == "win32" else _of_macos()
    except (OSError, BundleError, subprocess.SubprocessError):
        return None
    description = "the operating system's store, read as a file since truststore is not installed"
    return Source(description, bundle) if bundle.certificates else None


def _of_windows() -> Bundle:
    return Bundle(dict.fromkeys(_enumerate(), "Windows' store"))


def _enumerate() -> Iterator[bytes]:
    # As SSLContext.load_default_certs() does.
    for store in ("ROOT", "CA"):
        with contextlib.suppress(OSError):
            for der, encoding, purposes in ssl.enum_certificates(store):  # type: ignore[attr-defined, unused-ignore]  # Windows
                if encoding == "x509_asn" and (purposes is True or _SERVER_AUTHENTICATION in purposes):
                    yield der


def _of_macos() -> Bundle:
    command = [_SECURITY, "find-certificate", "-a", "-p", *_KEYCHAINS]
    done = subprocess.run(command, capture_output=True, timeout=_MOST_SECONDS, check=True)  # noqa: S603  # fixed words
    return read([done.stdout])
