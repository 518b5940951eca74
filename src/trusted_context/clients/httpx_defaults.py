"""What httpx and httpx2 trust where nobody chose, and how a context that somebody chose is told from that.

A transport that is made in a block says what it was told. Of one that was made before, the context alone can tell: it
was nobody's choice only where it equals one that the library makes by itself, in its settings and in all its CAs.
"""

from __future__ import annotations

import functools
import os
import ssl
import sys
import weakref

from ..core import live
from ..core.lock import lock
from ..core.trust import _Context, _TrueSSLContext
from ..sources import environment, stores
from . import folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Any

# Whether a context is nobody's choice, as it was told when it was made, with its looks then.
_told: weakref.WeakKeyDictionary[ssl.SSLContext, tuple[object, bool]] = weakref.WeakKeyDictionary()
# The same, as its looks said, with what these were.
_seen: weakref.WeakKeyDictionary[ssl.SSLContext, tuple[object, bool]] = weakref.WeakKeyDictionary()


def tell(context: ssl.SSLContext, *, default: bool) -> None:
    """Remember whether *context* is nobody's choice."""
    if _is_known_kind(context):
        with lock:
            _told[context] = _looks(context), default


def is_default(context: ssl.SSLContext | None, library: str) -> bool:
    """Whether nobody chose this context of a transport of *library*'s; where that cannot be known, somebody did."""
    if context is None:
        return True
    if not _is_known_kind(context):
        return False
    told = _told.get(context)
    if told is not None and not told[1]:
        return False
    looks = _looks(context)
    if told is not None and told[0] == looks:
        return True
    seen = _seen.get(context)
    if seen is None or seen[0] != looks:
        default = any(made.equals(context) for made in _defaults(library))
        seen = _looks(context), default
        with lock:
            _seen[context] = seen
    return seen[1]


def make_create_ssl_context(original: Callable[..., ssl.SSLContext], library: str) -> Callable[..., ssl.SSLContext]:
    """The function by which a transport of *library*'s gets its context, with a memory of what it was told."""

    @functools.wraps(original)
    def create_ssl_context(**given: Any) -> ssl.SSLContext:
        # Where other code has put a function of its own, what that makes is its choice, unless its looks say otherwise.
        is_the_librarys = original is sys.modules[f"{library}._config"].create_ssl_context
        if not is_the_librarys:
            return original(**given)
        cert = given.get("cert")
        if given.get("verify", True) is True:
            context = _make_default(original, library, given)
            tell(context, default=not cert)
            return context
        context = original(**given)
        if cert:
            tell(context, default=False)
        return context

    return create_ssl_context


def _make_default(original: Callable[..., ssl.SSLContext], library: str, given: dict[str, Any]) -> ssl.SSLContext:
    """What the transport would have without a block: the environment's trust is the user's own, not an export's."""
    try:
        if not (given.get("trust_env", True) and _is_exported()):
            return original(**given)
        own = _make_of_environment(library)
        return original(**given | {"verify": True if own is None else own, "trust_env": False})
    except OSError:  # ssl.SSLError is one
        if given.get("cert") or live.governing() is None:
            raise
        # What a variable names is missing or broken, and of no use in the block; after it this trusts nobody.
        return _Context(ssl.PROTOCOL_TLS_CLIENT)


def _is_exported() -> bool:
    names = (environment.SSL_CERT_FILE, environment.SSL_CERT_DIR)
    return any((os.environ.get(name) or None) != environment.value(name) for name in names)


def _make_of_environment(library: str) -> ssl.SSLContext | None:
    """The context that the user's own variables stand for, if they are set."""
    file, folder = _named_by_environment()
    return _make(library, file, folder) if file or folder else None


def _named_by_environment() -> tuple[str | None, str | None]:
    # Both libraries heed the file alone where both are set.
    file = environment.value(environment.SSL_CERT_FILE)
    return file, None if file else environment.value(environment.SSL_CERT_DIR)


def _make(library: str, file: str | None, folder: str | None) -> ssl.SSLContext:
    """The context that *library* makes of a file or folder, or of its own accord where both are ``None``."""
    config: Any = sys.modules[f"{library}._config"]
    if not (file or folder):
        context: ssl.SSLContext = config.create_ssl_context(trust_env=False)
    elif hasattr(config, "SSLConfig"):  # httpx up to 0.27 puts settings of its own on every context
        context = config.create_ssl_context(verify=file or folder, trust_env=False)
    else:
        context = ssl.create_default_context(cafile=file, capath=folder)
    return context


def _defaults(library: str) -> Iterator[_Made]:
    """What *library* makes by itself, here and now, that of the environment first."""
    import certifi

    for file, folder in dict.fromkeys((_named_by_environment(), (None, None), (certifi.where(), None))):
        try:
            # The class is another one while truststore is injected.
            state = tuple(map(_state_of, (file, *_folders_read(file, folder))))
            yield _made(library, file, folder, ssl.SSLContext, state)
        except OSError:  # a variable that names nothing, or no store
            continue


def _folders_read(file: str | None, folder: str | None) -> list[str]:
    """Where OpenSSL may look for what a context made of these does not show; of its own accord it has a folder too."""
    return [] if file else (folder or ssl.get_default_verify_paths().openssl_capath).split(os.pathsep)


@functools.lru_cache(maxsize=8)
def _made(library: str, file: str | None, folder: str | None, _class: object, _state: object) -> _Made:
    return _Made(_make(library, file, folder), _folders_read(file, folder))


def _state_of(path: str | None) -> tuple[int, ...]:
    if not path or not os.path.exists(path):
        return ()
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class _Made:
    """A context that the library made by itself, to compare others with.

    Args:
        context: that context.
        folders: where it may look for what it does not show.
    """

    def __init__(self, context: ssl.SSLContext, folders: Collection[str]) -> None:
        self._context = context
        self._folders = () if _is_native(context) else folders
        self._looks = _looks(context)
        self._ciphers = _ciphers(context)
        self._shown = _authorities(context)

    def equals(self, context: ssl.SSLContext) -> bool:
        """Whether *context* has the same settings, and trusts the same CAs and no others."""
        if _settings(context) != self._looks[0] or _ciphers(context) != self._ciphers:
            return False
        shown = _authorities(context)
        if shown == self._shown and (shown or _is_native(context)) and _looks(context) == self._looks:
            return True
        # What shows no CA may be a pin of a folder: so that is looked into.
        hidden = [der for der in self._in_folders if der not in shown]
        if hidden and shown <= self._shown | self._in_folders:
            folders.reveal(context, hidden[:1])
            if hidden[0] in _authorities(context):
                folders.reveal(context, hidden[1:])
        same = _authorities(context) == self._shown | self._in_folders and _looks(context) == _looks(self._context)
        return same and bool(self._in_folders)

    @functools.cached_property
    def _in_folders(self) -> frozenset[bytes]:
        found = {der for path in self._folders for der in stores.read_hashed(path)} - self._shown
        folders.reveal(self._context, found)
        return _authorities(self._context) - self._shown


_SETTINGS = (
    "verify_mode",
    "check_hostname",
    "verify_flags",
    "minimum_version",
    "maximum_version",
    "options",
    "protocol",
    "hostname_checks_common_name",
    "post_handshake_auth",
    "security_level",
)


def _looks(context: ssl.SSLContext) -> tuple[tuple[object, ...], dict[str, int]]:
    return _settings(context), _inner(context).cert_store_stats()


def _settings(context: ssl.SSLContext) -> tuple[object, ...]:
    inner = _inner(context)
    # truststore's are of each context's own.
    classes = () if _is_native(context) else (context.sslsocket_class, context.sslobject_class)
    return (type(context), *classes, *(getattr(inner, name) for name in _SETTINGS))


def _ciphers(context: ssl.SSLContext) -> list[object]:
    return [cipher["name"] for cipher in _inner(context).get_ciphers()]


def _authorities(context: ssl.SSLContext) -> frozenset[bytes]:
    return frozenset(_inner(context).get_ca_certs(binary_form=True))


def _is_native(context: ssl.SSLContext) -> bool:
    return type(context).__module__.partition(".")[0] == "truststore"


def _is_known_kind(context: ssl.SSLContext) -> bool:
    return isinstance(_inner(context), _TrueSSLContext)


def _inner(context: ssl.SSLContext) -> Any:
    # truststore's class answers no question about itself.
    return getattr(context, "_ctx", None) if _is_native(context) else context
