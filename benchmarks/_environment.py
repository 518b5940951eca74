"""The environment in which a benchmark runs."""

from __future__ import annotations

import os
import sys

# What would decide trust or the route besides the arguments.
_DECISIVE = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def without_decisive_variables() -> None:
    """Start over in an environment that names no CAs and no proxies: what a process began with stays in its libc."""
    clean = {
        name: value for name, value in os.environ.items() if name not in _DECISIVE and name.lower() not in _PROXIES
    }
    if len(clean) < len(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], clean)
