"""The environment variables that name CA bundles: the user's values, and ours for child processes and native code."""

from __future__ import annotations

import os
import sys

from ..core.lock import lock

# requests reads the first and the last; OpenSSL, and with it Python's ssl, the two in the middle.
REQUESTS_CA_BUNDLE = "REQUESTS_CA_BUNDLE"
SSL_CERT_FILE = "SSL_CERT_FILE"
SSL_CERT_DIR = "SSL_CERT_DIR"
CURL_CA_BUNDLE = "CURL_CA_BUNDLE"

# In this order the first that is set decides; the inner ones are read together, as OpenSSL does.
PRECEDENCE = ((REQUESTS_CA_BUNDLE,), (SSL_CERT_FILE, SSL_CERT_DIR), (CURL_CA_BUNDLE,))

# Every variable that is exported, and who reads it. By the readers' own manuals and sources, the last column's:
VARIABLES = {
    "PIP_CERT": "pip",  # pip's option --cert
    REQUESTS_CA_BUNDLE: "requests, conda, Azure CLI, wandb",  # requests.Session.merge_environment_settings
    CURL_CA_BUNDLE: "curl, requests, R",  # curl(1)
    "GIT_SSL_CAINFO": "git",  # git-config(1), http.sslCAInfo
    SSL_CERT_FILE: "OpenSSL, Python's ssl, uv, Go, Julia, rustls",  # SSL_CTX_set_default_verify_paths(3)
    SSL_CERT_DIR: "the same",  # is unset: what of it the block trusts is in the file
    "AWS_CA_BUNDLE": "botocore, AWS CLI",  # botocore's configuration "ca_bundle"
    "NODE_EXTRA_CA_CERTS": "Node.js",  # node(1)
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "gRPC",  # gRPC's doc/environment_variables.md
    "HTTPLIB2_CA_CERTS": "httplib2, google-api-python-client",  # httplib2.certs.where
    # Both are set to certifi's by fiona, rasterio and pyogrio unless they are set, and then come before CURL_CA_BUNDLE.
    "GDAL_CURL_CA_BUNDLE": "GDAL, rasterio, fiona, pyogrio",  # cpl_http.cpp
    "PROJ_CURL_CA_BUNDLE": "PROJ, pyproj",  # pyproj.network.set_ca_bundle_path
    "WEBSOCKET_CLIENT_CA_BUNDLE": "websocket-client",  # websocket._http._ssl_socket
    "CARGO_HTTP_CAINFO": "Cargo, as pip runs it for packages in Rust",  # The Cargo Book, http.cainfo
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": "gcloud, gsutil",  # gcloud's property core/custom_ca_certs_file
    "DENO_CERT": "Deno, as yt-dlp runs it",  # deno's environment variables
    "NIX_SSL_CERT_FILE": "Nix, and OpenSSL as Nix builds it, before SSL_CERT_FILE",  # The Nix manual
}


def key_log() -> str | None:
    """Where the keys of TLS connections are to be written, as ``ssl.create_default_context()`` reads it."""
    return None if sys.flags.ignore_environment else os.environ.get("SSLKEYLOGFILE") or None


def value(name: str) -> str | None:
    """The user's own value of the variable *name*, from before any export; an empty one counts as unset."""
    with lock:
        return _own_value(name, os.environ.get(name)) or None


def hides(*names: str) -> bool:
    """Whether an export stands in the place of what the user set, or not, of these variables."""
    return any((os.environ.get(name) or None) != value(name) for name in names)


def set_now() -> dict[str, str | None]:
    """Each variable of :data:`VARIABLES` as this process has it now, exports included; ``None`` where it is unset.

    A child that was not started from this environment, as by multiprocessing's fork server, follows the exports by
    setting and unsetting what this says.
    """
    return {name: os.environ.get(name) for name in VARIABLES}


def set_by_user() -> dict[str, str | None]:
    """Each variable of :data:`VARIABLES` as it was before any export; ``None`` where it is unset.

    What a child needs that enters the exporting blocks itself: what they export there is then known for theirs.
    """
    with lock:
        return {name: _own_value(name, os.environ.get(name)) for name in VARIABLES}


def for_child(file: str | None) -> dict[str, str]:
    """The user's own environment, from before any export; with *file* its variables name that as the bundle."""
    with lock:
        # dict(os.environ) raises KeyError where another thread unsets a variable meanwhile.
        environment = {name: value for name in tuple(os.environ) if (value := os.environ.get(name)) is not None}
        values = set_by_user() if file is None else _values(file)
    _update(environment, values)
    return environment


class _Export:
    """The values that one owner set, and those that were there when it did: the user's, or an earlier export's."""

    def __init__(self, file: str) -> None:
        self.set = _values(file)
        self.before = set_now()


# The newest last. Replaced as a whole, under the lock: other threads read it without one.
_exports: dict[object, _Export] = {}


def export(owner: object, file: str) -> None:
    """Name *file* as the bundle in this process's environment. The caller holds the lock.

    Raises:
        OSError: the operating system takes no more; :func:`withdraw` undoes what was done.
    """
    global _exports
    new = _Export(file)
    _exports = {**_exports, owner: new}
    _update(os.environ, new.set)


def withdraw(owner: object) -> list[str]:
    """Undo what *owner* exported, if it did; name the variables that other code set meanwhile, which stay so.

    The newest of the other exports decides; without one, the values are those from before. Where it broke off, it can
    be called again. The caller holds the lock.
    """
    global _exports
    ended = _exports.get(owner)
    if ended is None:
        return []
    exports = list(_exports.values())
    later = exports[exports.index(ended) + 1 :]
    values = later[0].before if later else set_now()
    undone = {name: ended.before[name] for name in VARIABLES if values[name] == ended.set[name]}
    replaced = [name for name in VARIABLES if values[name] not in (ended.set[name], ended.before[name])]
    if later:
        later[0].before |= undone
    else:
        _update(os.environ, undone)
    _exports = {other: export for other, export in _exports.items() if other is not owner}
    return replaced


def renew(owner: object, file: str) -> None:
    """Name *file* in the place of the one that *owner* exported, where other code set nothing else.

    The caller holds the lock.
    """
    renewed = _exports[owner]
    exports = list(_exports.values())
    later = exports[exports.index(renewed) + 1 :]
    values = later[0].before if later else set_now()
    new = {name: value for name, value in _values(file).items() if values[name] == renewed.set[name]}
    if later:
        later[0].before |= new
    else:
        _update(os.environ, new)
    renewed.set |= new


def exporting() -> list[object]:
    """The owners of all exports."""
    return list(_exports)


def _own_value(name: str, current: str | None) -> str | None:
    for export in reversed(_exports.values()):
        if current == export.set[name]:
            current = export.before[name]
    return current


def _values(file: str) -> dict[str, str | None]:
    # OpenSSL would trust what the user's folder holds beside the file; what of it the block trusts is in the file.
    return {name: None if name == SSL_CERT_DIR else file for name in VARIABLES}


def _update(environment: dict[str, str] | os._Environ[str], values: dict[str, str | None]) -> None:
    for name, new in values.items():
        if new is None:
            environment.pop(name, None)
        elif environment.get(name) != new:
            environment[name] = new
