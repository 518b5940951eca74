"""The environment variables that name CA bundles, and the values the user gave them."""

from __future__ import annotations

import os
import sys

# requests reads the first and the last; OpenSSL, and with it Python's ssl, the two in the middle.
REQUESTS_CA_BUNDLE = "REQUESTS_CA_BUNDLE"
SSL_CERT_FILE = "SSL_CERT_FILE"
SSL_CERT_DIR = "SSL_CERT_DIR"
CURL_CA_BUNDLE = "CURL_CA_BUNDLE"

# In this order the first that is set decides; the inner ones are read together, as OpenSSL does.
PRECEDENCE = ((REQUESTS_CA_BUNDLE,), (SSL_CERT_FILE, SSL_CERT_DIR), (CURL_CA_BUNDLE,))


def key_log() -> str | None:
    """Where the keys of TLS connections are to be written, as ``ssl.create_default_context()`` reads it."""
    return None if sys.flags.ignore_environment else value("SSLKEYLOGFILE")


def value(name: str) -> str | None:
    """The user's own value of the variable *name*; an empty one counts as unset."""
    return os.environ.get(name) or None
