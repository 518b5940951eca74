"""Where trust comes from: what was given, else the environment's variables, the system's store, or certifi."""

from __future__ import annotations

import os
import re
import ssl
import sys

from ..core.lock import lock
from ..core.redaction import looks_like_path, show_path
from . import bundles, environment
from .bundles import Bundle
from .carried import Carried
from .error import BundleError
from .exhaustion import is_exhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bundles import Piece

# On these the operating system verifies by its own rules (truststore); elsewhere its store is a file and a folder.
VERIFIES_NATIVELY = sys.platform in ("win32", "darwin")

# Where distributions keep their bundle when the interpreter was built to look elsewhere (conda, python.org, uv).
SYSTEM_FILES = (
    "/etc/ssl/cert.pem",  # Alpine, Arch, Fedora to 43, OpenWRT, the BSDs
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL, Amazon Linux
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL and CentOS
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Gentoo
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
)
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


class Source:
    """What is trusted, and in words where it came from.

    Args:
        description: the words.
        bundle: the certificates.
        file: the absolute path of the file that the bundle came from, where it is one file.
        folder: a folder of hashed names in which OpenSSL looks for what the bundle lacks.
        native: the operating system verifies by its own rules, with the bundle beside its store.
    """

    __slots__ = ("bundle", "description", "file", "folder", "native")

    def __init__(
        self,
        description: str,
        bundle: Bundle,
        *,
        file: str | None = None,
        folder: str | None = None,
        native: bool = False,
    ) -> None:
        self.description: str = description
        self.bundle: Bundle = bundle
        self.file: str | None = file
        self.folder: str | None = folder
        self.native: bool = native


def find(cafile: tuple[Piece, ...] | None, system: bool | None) -> Source:
    """Find what these arguments name; with neither, what the environment, the system or certifi offers.

    Raises:
        OSError: a file or folder that cannot be read; ``filename`` is set, and a variable that named it is named.
        BundleError: what was asked for holds no usable certificate.
    """
    if cafile is not None:
        description = f"cafile={', '.join(map(bundles.label, cafile))}"
        given = Source(description, _read_given(cafile), file=_only_file(cafile))
        return _join(given, _system_or_error()) if system else given
    if system:
        return _system_or_error()
    return _from_environment() or (None if system is False else system_store()) or certifi_store()


def _read_given(cafile: tuple[Piece, ...]) -> Bundle:
    if not cafile:
        raise BundleError("cafile is an empty collection: name at least one CA, or leave cafile out")
    return bundles.read(cafile)


def _only_file(material: tuple[Piece, ...]) -> str | None:
    """The absolute path, where *material* is one path and nothing else: a child may run in another folder."""
    if len(material) != 1 or isinstance(material[0], (bytes, Carried)):
        return None
    path = os.fspath(material[0])
    if os.path.isabs(path):
        return path
    return None if bundles.is_text(path) else os.path.abspath(os.path.expanduser(path))


def read_hashed(folder: str) -> tuple[bytes, ...]:
    """The certificates that OpenSSL finds in *folder* by their hashed names, in a fixed order.

    Raises:
        OSError: there are no descriptors to read it with.
    """
    found: dict[bytes, None] = {}
    for name in sorted(_hashed_names(folder)):
        # As OpenSSL passes over what it cannot read there.
        found |= dict.fromkeys(_read_system_file(os.path.join(folder, name)).certificates)
    return tuple(found)


def _join(given: Source, system: Source) -> Source:
    bundle = bundles.merge((given.bundle, system.bundle))
    description = f"{given.description} and {system.description}"
    return Source(description, bundle, folder=system.folder, native=system.native)


def _from_environment() -> Source | None:
    return next(filter(None, map(from_variables, environment.PRECEDENCE)), None)


def from_variables(names: tuple[str, ...]) -> Source | None:
    """What these variables name together; ``None`` where none of them is set.

    Raises:
        OSError: a file or folder that cannot be read; ``filename`` is set, and the variable is named.
        BundleError: one of them names no usable certificate.
    """
    values = {name: value for name in names if (value := environment.value(name))}
    if not values:
        return None
    bundle = bundles.merge([read_variable(name, value) for name, value in values.items()])
    description = " and ".join(f"{name}={show_path(value)}" for name, value in values.items())
    return Source(description, bundle, file=_only_file(tuple(values.values())))


def read_variable(name: str, value: str) -> Bundle:
    """Read what the value of the variable *name* names.

    Raises:
        OSError: none of its files or folders can be read; ``filename`` is set, and the variable is named.
        BundleError: none of them holds a usable certificate.
    """
    # OpenSSL reads SSL_CERT_DIR as a list of folders, as PATH is one; the other variables name one file or folder.
    paths = value.split(os.pathsep) if name == environment.SSL_CERT_DIR else [value]
    found: list[Bundle] = []
    failure: OSError | BundleError | None = None
    for path in filter(None, paths):
        try:
            bundles.check_is_path(path)
            found.append(bundles.read_path(path))
        except (OSError, BundleError) as error:
            if isinstance(error, OSError) and is_exhausted(error):
                raise
            failure = failure or error
    if found:
        return bundles.merge(found)
    if not looks_like_path(value):  # its parts, where it is a list, would be parts of what is not to be repeated
        failure = failure if isinstance(failure, BundleError) and len(paths) == 1 else None
    remedy = f"named by the environment variable {name}: correct it, unset it, or pass cafile="
    if isinstance(failure, OSError):
        raise bundles.shown_error(failure, f" ({remedy})")
    raise BundleError(f"{failure or show_path(value)} ({remedy})")


def _system_or_error() -> Source:
    found = system_store()
    if found is None:
        looked = ", ".join((*compiled_in(), *SYSTEM_FILES))
        raise BundleError(
            "system=True, but the operating system's store holds no CA: install the package ca-certificates, or leave "
            f"system out and pass cafile=certifi.where(). Looked at {looked}"
        )
    return found


def compiled_in() -> tuple[str, str]:
    """The file and the folder that OpenSSL was built to read."""
    # The defaults themselves: .cafile and .capath would follow SSL_CERT_FILE and SSL_CERT_DIR.
    paths = ssl.get_default_verify_paths()
    return paths.openssl_cafile, paths.openssl_capath


def system_store() -> Source | None:
    """The operating system's store; ``None`` where it holds nothing."""
    if VERIFIES_NATIVELY:
        return Source("the operating system's store", Bundle({}), native=True)
    compiled_in_file, compiled_in_folder = compiled_in()
    # Both, as OpenSSL does: administrators without a rehash tool append to the file alone, others fill the folder.
    file = next(filter(os.path.isfile, (compiled_in_file, *SYSTEM_FILES)), "")
    bundle = _read_system_file(file)
    folder = compiled_in_folder if _holds_a_certificate(compiled_in_folder) else None
    if not (bundle.certificates or folder):
        return None
    named = [name for name in (file if bundle.certificates else None, folder) if name]
    description = f"the operating system's store ({', '.join(named)})"
    return Source(description, bundle, file=file or None, folder=folder)


def _read_system_file(path: str) -> Bundle:
    try:
        # Nobody without administrator rights could mend what is skipped here, and OpenSSL says nothing of it either.
        return bundles.read_path(path).without_skipped() if path else Bundle({})
    except BundleError:
        return Bundle({})
    except OSError as error:
        if is_exhausted(error):  # the store is not empty, and another is not to take its place
            raise
        return Bundle({})


def _hashed_names(folder: str) -> Iterator[str]:
    try:
        return filter(_HASHED_NAME.fullmatch, os.listdir(folder))
    except OSError as error:
        if is_exhausted(error):
            raise
        return iter(())


def _holds_a_certificate(folder: str) -> bool:
    return any(_read_system_file(os.path.join(folder, name)).certificates for name in _hashed_names(folder))


def certifi_file() -> str:
    """Where the bundle of the package certifi is.

    Raises:
        ImportError: there is no such package, as in a bare clone.
    """
    # A fork waits for the lock: no child is born in the middle of an import, whose own lock nobody would release.
    with lock:
        import certifi

        return certifi.where()


def certifi_store() -> Source:
    """The bundle of the package certifi."""
    path = certifi_file()
    return Source(f"certifi ({path})", bundles.read_path(path), file=path)
