"""Bytes, files and folders in, certificates out, or a :class:`BundleError` that says what was there instead."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import stat
import time

from ..core.redaction import looks_like_path, measure, show_path, show_url
from . import forms
from .carried import Carried
from .error import BundleError
from .exhaustion import is_exhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import TypeAlias

Material: TypeAlias = str | bytes | os.PathLike[str]
Piece: TypeAlias = Material | Carried

# The largest public bundles are under 1 MiB; past this it is a data set given by mistake, or a device.
_MAX_BYTES = 16 * 1024 * 1024
# The largest folders of hashed names hold two names for each of 200 certificates.
_MOST_FILES = 10_000
_MOST_FOLDER_BYTES = 64 * 1024 * 1024
# A person reads no more than a few warnings, and a file can be made of nothing else.
_MOST_SKIPPED = 20
# A longer one may be a key on one line by mistake.
_LONGEST_PATH = 1024
# Python allocates what a read asks for, and a folder has hundreds of files of 2 KiB: the first read asks for little.
_FIRST_READ = 64 * 1024
# A file this young may be rewritten within the tick of its time stamp (two seconds on FAT and some network shares).
_SETTLED_SECONDS = 2.0

_HIGH_SURROGATE = re.compile("[\ud800-\udbff]")
_FOLDER_NAME = re.compile(r"[0-9a-f]{8}\.\d+|.+\.(?:pem|crt|cer|cert|der|p7b|p7c)", re.IGNORECASE)


class Bundle:
    """Certificates (DER) in the order they were found, each once, with where each stood and what was skipped.

    Of what was skipped the first 20 pieces are named.
    """

    __slots__ = ("certificates", "origins", "skipped")

    def __init__(self, found: dict[bytes, str], skipped: Iterable[str] = ()) -> None:
        self.certificates: tuple[bytes, ...] = tuple(found)
        self.origins: tuple[str, ...] = tuple(found.values())
        told = list(itertools.islice(skipped, _MOST_SKIPPED + 1))
        if len(told) > _MOST_SKIPPED:
            told[_MOST_SKIPPED:] = [f"and more than the {_MOST_SKIPPED} pieces that are named"]
        self.skipped: tuple[str, ...] = tuple(told)

    def without_skipped(self) -> Bundle:
        """The same certificates, with nothing to say of what was skipped."""
        return Bundle(dict(zip(self.certificates, self.origins, strict=True)))


def read(material: Iterable[Piece]) -> Bundle:
    """Read every piece of *material*: a path to a file or folder, PEM text, or bytes of any form.

    A file, a text or bytes may have 16 MiB and 10,000 certificates; a folder 10,000 certificate files, of 64 MiB
    together. Base64 may be within base64 not at all, and within XML once.

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


def carry(piece: Piece) -> Carried:
    """What a pickled block takes along of *piece*: its certificates, read now, and nothing else that it may hold.

    Raises:
        OSError: a path that cannot be opened; ``filename`` is set.
        BundleError: it holds no usable certificate.
    """
    if isinstance(piece, Carried):
        return piece
    bundle = _read_one(piece)
    return Carried(label(piece), dict(zip(bundle.certificates, bundle.origins, strict=True)), bundle.skipped)


def label(piece: Piece) -> str:
    """Name a piece of material in a message: its path, never its content (it may hold a private key)."""
    if isinstance(piece, Carried):
        return piece.label
    if isinstance(piece, bytes):
        return f"<{len(piece)} bytes>"
    if isinstance(piece, str) and _is_written_text(piece):
        return "<PEM text>"
    if isinstance(piece, str) and is_text(piece):
        return f"<{len(piece)} characters>"
    return show_path(os.fspath(piece))


def is_place(piece: Piece) -> bool:
    """Whether *piece* names a file or folder, and is not content itself."""
    return isinstance(piece, os.PathLike) or (isinstance(piece, str) and not is_text(piece))


def is_text(piece: str) -> bool:
    """Whether *piece* is content and no path: it may hold a key, and is shown nowhere."""
    if _is_written_text(piece):
        return True
    if "." in piece:  # no letter of base64: what follows is for names without an ending
        return False
    return forms.is_encoded(piece) or (forms.may_be_a_key(piece) and not os.path.exists(piece))


def _is_written_text(piece: str) -> bool:
    return "-----BEGIN" in piece or "\n" in piece or "\r" in piece or (piece[:1] == "<" and "</" in piece)


def _read_one(piece: Piece) -> Bundle:
    if isinstance(piece, Carried):
        return Bundle(piece.found, piece.skipped)
    if isinstance(piece, bytes):
        return _decode(piece, f"cafile={label(piece)}", "FILE")
    if isinstance(piece, str) and is_text(piece):
        return _decode(piece.encode(errors="replace"), f"cafile={label(piece)}", "FILE")
    if isinstance(piece, str):
        check_is_path(piece)
    try:
        return read_path(os.fspath(piece))
    except FileNotFoundError as error:
        where = "" if os.path.isabs(error.filename) else f", looked for from {_working_directory()}"
        failure = shown_error(error, f" (given as cafile={where})")
    except OSError as error:
        failure = shown_error(error)
    raise failure  # out here, so that it has no context, which would hold the path as it was given


def shown_error(error: OSError, remark: str = "") -> OSError:
    """A new error of the same type and number that names the path as far as it may be shown."""
    filename = None if error.filename is None else show_path(os.fsdecode(error.filename))
    return type(error)(error.errno, f"{error.strerror}{remark}", filename)


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
    if is_text(text) or len(text) > _LONGEST_PATH:
        raise BundleError(
            f"{label(text)} is no path, and may be a certificate itself: write it to a file, and name that"
        )
    if "://" in text:
        raise BundleError(f"{show_url(text)} is a URL: fetch the CA certificate from there, and give the file's path")
    if not ("\0" in text or looks_like_path(text) or os.path.exists(os.path.expanduser(text))):
        raise BundleError(f"{measure(text)}: no file has that name, which is not shown, since it may be a secret")


def read_path(path: str) -> Bundle:
    """Read the file or folder at *path*, whose leading ``~`` is the home directory.

    Raises:
        OSError: it cannot be opened; ``filename`` is set.
        BundleError: it holds no usable certificate.
    """
    if not path:
        raise BundleError("cafile='' is an empty path: name a file or folder, or leave cafile out")
    if "\0" in path or not (path.isascii() or _HIGH_SURROGATE.search(path) is None):
        raise BundleError(
            f"cafile={label(path)} holds a null character or the like, as no path does: give content as bytes"
        )
    path = os.path.expanduser(path)
    status = _status(path)
    return read_folder(path) if status and stat.S_ISDIR(status.st_mode) else _read_file(path, status)


def read_folder(folder: str) -> Bundle:
    """Read a folder's certificate files: OpenSSL's hashed names, and .pem, .crt, .cer, .cert, .der, .p7b, .p7c.

    Raises:
        OSError: the folder cannot be listed.
        BundleError: none of its files holds a usable certificate, or they are too many or too large together.
    """
    names = os.listdir(folder)
    chosen = sorted(filter(_FOLDER_NAME.fullmatch, names))
    _check_size(folder, chosen)
    bundles, skipped = [], []
    for name in chosen:
        try:
            path = os.path.join(folder, name)
            bundles.append(_read_file(path, _status(path)))
        except BundleError as error:
            skipped.append(str(error))
        except OSError as error:
            if is_exhausted(error):
                raise
            skipped.append(f"{show_path(str(error.filename))}: {error.strerror}")
    if not bundles:
        known = "*.pem, *.crt, *.cer, *.cert, *.der, *.p7b, *.p7c or HASH.0"
        found = skipped[0] if skipped else f"none of the {len(names)} names in it is {known}"
        raise BundleError(f"{show_path(folder)}: this folder holds no usable certificate ({found})")
    return merge(bundles, skipped)


def _check_size(folder: str, names: list[str]) -> None:
    size = 0
    for name in names:
        with contextlib.suppress(OSError):  # a dead link, which is told when it is read
            size += os.stat(os.path.join(folder, name)).st_size
    if len(names) > _MOST_FILES or size > _MOST_FOLDER_BYTES:
        raise BundleError(
            f"{folder}: this folder has {len(names)} certificate files of {size >> 20} MiB together, more than "
            f"{_MOST_FILES} or {_MOST_FOLDER_BYTES >> 20} MiB, so it is no store of CAs: is the path right?"
        )


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _version(status: os.stat_result | None) -> tuple[int, ...] | None:
    if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    if time.time() - max(status.st_mtime, status.st_ctime) < _SETTLED_SECONDS:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read_file(path: str, status: os.stat_result | None) -> Bundle:
    current = _version(status)
    if current is None:
        return _load(path)
    return _load_version(path if os.path.isabs(path) else os.path.abspath(path), path, current)


@functools.lru_cache(maxsize=256)
def _load_version(_absolute: str, path: str, _version: tuple[int, ...]) -> Bundle:
    return _load(path)


def _load(path: str) -> Bundle:
    with open(path, "rb") as file:
        content = file.read(_FIRST_READ)
        if len(content) == _FIRST_READ:
            content += file.read(_MAX_BYTES + 1 - _FIRST_READ)
    shown = show_path(path)
    return _decode(content, shown, path if shown == path else "FILE")


def _decode(content: bytes, origin: str, path: str) -> Bundle:
    if len(content) > _MAX_BYTES:
        raise BundleError(f"{origin}: is larger than {_MAX_BYTES >> 20} MiB, so it is no CA bundle: is the path right?")
    return Bundle(*forms.decode(content, origin, path))
