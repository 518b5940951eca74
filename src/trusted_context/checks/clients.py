"""Installed libraries whose TLS is native code: no block reaches them, and each reads something of its own."""

from __future__ import annotations

import contextlib
from importlib import metadata

from .findings import NativeClient

_NOTHING = "reads no variable that names a CA: it trusts roots of its own"
# What each goes by, as its manual says: distribution, words.
_NATIVE = (
    (
        "grpcio",
        "reads GRPC_DEFAULT_SSL_ROOTS_FILE_PATH once, at its first channel; ssl_channel_credentials(roots) is for one",
    ),
    ("polars", _NOTHING),
    ("snowflake-connector-python", "from 5.0 on " + _NOTHING),
    ("curl_cffi", "reads REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE when a session is made; verify=FILE is for one session"),
    ("primp", "reads PRIMP_CA_BUNDLE; Client(ca_cert_file=FILE) is for one client"),
    ("pyarrow", "its S3 file system reads SSL_CERT_FILE once, when it is first used"),
    ("rasterio", "reads GDAL_CURL_CA_BUNDLE, then CURL_CA_BUNDLE and SSL_CERT_FILE"),
    ("pycurl", "reads no variable: curl.setopt(pycurl.CAINFO, FILE)"),
)


def installed() -> tuple[NativeClient, ...]:
    """Those that are installed; none of them is imported."""
    found = []
    for name, reads in _NATIVE:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(NativeClient(name=name, version=metadata.version(name), reads=reads))
    return tuple(found)
