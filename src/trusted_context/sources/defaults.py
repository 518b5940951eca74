"""Whether a context has default trust: CAs that Python, certifi or the environment gives where nobody chose others.

A context shows its CAs, but neither where they came from nor what it would find in a folder. So its CAs are compared
with those of each default, and with what they make together; where that does not decide, somebody chose them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import sys

from ..core import probing
from ..core.contexts import Context, TrueSSLContext
from ..core.identity import IdentityMap
from ..core.loading import authorities, load
from . import environment, stores
from .exhaustion import is_exhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def is_default(context: ssl.SSLContext) -> bool:
    """Whether the CAs of *context*, one of the standard library's, are a default's: all of them, and no others."""
    stats = context.cert_store_stats()
    # Neither certificates of servers nor revocation lists can be read from a context.
    if stats["crl"] or stats["x509"] != stats["x509_ca"]:
        return False
    defaults = _defaults()
    # A context loses no CA. One that has as many as when it was a default's still has these, however it is used outside
    # of blocks meanwhile; a folder that it was given there shows no more now than it did then.
    as_found = stats["x509"], *defaults
    if _found.get(context) == as_found:
        return True
    shown = _authorities(context)
    if _is_union(shown, defaults):
        _found.set(context, as_found)
        return True
    # Most pins are told by a CA that is no default's, or by the first CA of a folder that they do not find.
    if not shown <= frozenset().union(*(default.shown | default.hidden for default in defaults)):
        return False
    for default in defaults:
        _reveal(context, default.hidden - _authorities(context))
    return _is_union(_authorities(context), defaults)


# Contexts whose CAs were found to be defaults', with the number of CAs and the defaults. Comparing the CAs takes time,
# and what is known of a context in a block is forgotten at the block's end.
_found = IdentityMap()


def _reveal(context: ssl.SSLContext, hidden: frozenset[bytes]) -> None:
    """Have *context* show these CAs, if it finds one of them."""
    first, *others = hidden or (b"",)
    probing.reveal(context, [first] if first else [])
    if first in _authorities(context):
        probing.reveal(context, others)


def is_default_path(path: object) -> bool:
    """Whether this CA file or folder is one that a default is read from."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    name = os.path.realpath(os.path.expanduser(os.fsdecode(path)))
    return any(name == os.path.realpath(os.path.expanduser(known)) for known in default_paths())


def are_default_folders(capath: str | bytes | os.PathLike[Any]) -> bool:
    """Whether all these CA folders, written as ``PATH`` is, are ones that a default is read from."""
    return all(map(is_default_path, os.fsdecode(capath).split(os.pathsep)))


def default_paths() -> Iterator[str]:
    """The CA files and folders that are default on this machine: certifi's, the system's, and the environment's own.

    Not what a block exported: a file that the user chose would be taken for that.
    """
    with contextlib.suppress(ImportError, OSError):
        yield stores.certifi_file()
    # pip brings certifi's bundle of the day it was made; whoever has it in this process got that one.
    vendored = sys.modules.get("pip._vendor.certifi")
    if vendored is not None:
        with contextlib.suppress(AttributeError, OSError):
            yield vendored.where()
    yield from filter(os.path.exists, (*stores.compiled_in(), *stores.SYSTEM_FILES))
    yield from from_environment()


def from_environment() -> Iterator[str]:
    """The CA files and folders that the user's own variables name."""
    for name in _NAMING_DEFAULTS:
        value = environment.value(name)
        if value:
            yield from filter(None, value.split(os.pathsep) if name == environment.SSL_CERT_DIR else [value])


# What Python's clients read of the environment.
_NAMING_DEFAULTS = (*(name for names in environment.PRECEDENCE for name in names), "AWS_CA_BUNDLE")


def inner_of(context: ssl.SSLContext) -> Any:
    """The standard library's context in *context*, which answers questions about itself; ``None`` where there is none.

    That of truststore keeps one within it.
    """
    native = type(context).__module__.partition(".")[0] == "truststore"
    inner: Any = getattr(context, "_ctx", None) if native else context
    # By its type: a mock says that it is of the class that it was made for.
    return inner if issubclass(type(inner), TrueSSLContext) else None


class _Default:
    """The CAs of one default: those that a context with it shows, and those that it finds in a folder."""

    __slots__ = ("hidden", "shown")

    def __init__(self, shown: frozenset[bytes], hidden: frozenset[bytes] = frozenset()) -> None:
        self.shown = shown
        self.hidden = hidden


def _is_union(shown: frozenset[bytes], defaults: list[_Default]) -> bool:
    if not shown:
        return False
    parts = [part for default in defaults for part in (default.shown, default.hidden) if part <= shown]
    return frozenset().union(*parts) == shown


def _authorities(context: ssl.SSLContext) -> frozenset[bytes]:
    return frozenset(authorities(context))


def _defaults() -> list[_Default]:
    found = []
    for path in dict.fromkeys(default_paths()):
        default = _read(path, _state_of(path))
        if default is not None:
            found.append(default)
    if stores.VERIFIES_NATIVELY:
        found.append(_of_system())
    return found


@functools.lru_cache(maxsize=32)
def _read(path: str, _state: tuple[int, ...]) -> _Default | None:
    if os.path.isdir(path):
        # As OpenSSL reads them: what it cannot read counts for nothing.
        context = Context(ssl.PROTOCOL_TLS_CLIENT)
        load(context, stores.read_hashed(path))
        return _Default(frozenset(), _authorities(context))
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        if is_exhausted(error):  # what would be remembered is that the file is no default
            raise
        return None
    return _Default(_authorities(context))


@functools.cache
def _of_system() -> _Default:
    """What Python reads of a store that is no file: Windows'."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return _Default(_authorities(context))


def _state_of(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
