"""The environment variables that name CA bundles: the user's values, and ours for child processes and native code."""

from __future__ import annotations

import atexit
import contextlib
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

# What pip, requests, curl, git, OpenSSL, botocore, Node.js and gRPC are told their bundle by.
_VARIABLES = (
    "PIP_CERT",
    REQUESTS_CA_BUNDLE,
    CURL_CA_BUNDLE,
    "GIT_SSL_CAINFO",
    SSL_CERT_FILE,
    SSL_CERT_DIR,
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)


def key_log() -> str | None:
    """Where the keys of TLS connections are to be written, as ``ssl.create_default_context()`` reads it."""
    return None if sys.flags.ignore_environment else os.environ.get("SSLKEYLOGFILE") or None


def value(name: str) -> str | None:
    """The user's own value of the variable *name*, from before any export; an empty one counts as unset."""
    with lock:
        return _own_value(name, os.environ.get(name)) or None


def for_child(file: str | None) -> dict[str, str]:
    """The user's own environment, from before any export; with *file* its variables name that as the bundle."""
    with lock:
        # dict(os.environ) raises KeyError where another thread unsets a variable meanwhile.
        environment = {name: value for name in tuple(os.environ) if (value := os.environ.get(name)) is not None}
        own = {name: _own_value(name, environment.get(name)) for name in _VARIABLES}
    _update(environment, own if file is None else _values(file))
    return environment


class _Export:
    """The values that one owner set, and those that were there when it did: the user's, or an earlier export's."""

    def __init__(self, file: str) -> None:
        self.set = _values(file)
        self.before = {name: os.environ.get(name) for name in _VARIABLES}


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
    values = later[0].before if later else {name: os.environ.get(name) for name in _VARIABLES}
    undone = {name: ended.before[name] for name in _VARIABLES if values[name] == ended.set[name]}
    replaced = [name for name in _VARIABLES if values[name] not in (ended.set[name], ended.before[name])]
    if later:
        later[0].before |= undone
    else:
        _update(os.environ, undone)
    _exports = {other: export for other, export in _exports.items() if other is not owner}
    return replaced


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
    return {name: None if name == SSL_CERT_DIR else file for name in _VARIABLES}


def _update(environment: dict[str, str] | os._Environ[str], values: dict[str, str | None]) -> None:
    for name, new in values.items():
        if new is None:
            environment.pop(name, None)
        elif environment.get(name) != new:
            environment[name] = new


# The files of this process that are exported, by the certificates in them: the path, and what tells it from another.
_written: dict[tuple[bytes, ...], tuple[str, tuple[int, ...]]] = {}


def write(certificates: tuple[bytes, ...]) -> str:
    """The path of a PEM file with *certificates*, written once in this process and removed at its end.

    Raises:
        OSError: it cannot be written.
    """
    with lock:
        path, identity = _written.get(certificates, ("", ()))
        # In a folder that all may write to, a name that a cleaner freed may be somebody else's file by now.
        if not path or identity != _identity(path):
            if not _written:
                _remove_at_exit()
            path = _write(certificates)
            _written[certificates] = path, _identity(path)
        return path


def _write(certificates: tuple[bytes, ...]) -> str:
    import ssl
    import tempfile

    text = "".join(map(ssl.DER_cert_to_PEM_cert, certificates))
    handle, path = tempfile.mkstemp(prefix="trusted-context-", suffix=".pem")  # with mode 0600
    try:
        with open(handle, "w", encoding="ascii") as file:
            file.write(text)
    except BaseException:
        os.unlink(path)
        raise
    return path


def _identity(path: str) -> tuple[int, ...]:
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_uid, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _remove_at_exit() -> None:
    atexit.register(_remove_written)
    # Up to Python 3.13 a worker that multiprocessing forked ends without atexit, but not without these.
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        multiprocessing.Finalize(None, _remove_written, exitpriority=-100)


def _remove_written() -> None:
    while _written:
        path, identity = _written.popitem()[1]
        if identity and identity == _identity(path):
            with contextlib.suppress(OSError):  # Windows keeps what a child has open
                os.unlink(path)


if hasattr(os, "register_at_fork"):
    # What the parent wrote is the parent's to remove, and may be gone before the child is.
    os.register_at_fork(after_in_child=_written.clear)
