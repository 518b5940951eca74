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

from .. import _environ, _live
from .._lock import lock
from .._trust import _Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# Whether a context is nobody's choice, as it was told when it was made.
_told: weakref.WeakKeyDictionary[ssl.SSLContext, bool] = weakref.WeakKeyDictionary()
# The same, as its looks said, with what these were.
_seen: weakref.WeakKeyDictionary[ssl.SSLContext, tuple[object, bool]] = weakref.WeakKeyDictionary()


def tell(context: ssl.SSLContext, *, default: bool) -> None:
    """Remember whether *context* is nobody's choice."""
    with lock:
        _told[context] = default


def is_default(context: ssl.SSLContext | None, library: str) -> bool:
    """Whether nobody chose this context of a transport of *library*'s; where that cannot be known, somebody did."""
    if context is None:
        return True
    told = _told.get(context)
    if told is not None:
        return told
    looks = _looks(context)
    seen = _seen.get(context)
    if seen is None or seen[0] != looks:
        seen = looks, any(_equal(context, made) for made in _defaults(library))
        with lock:
            _seen[context] = seen
    return seen[1]


def make_create_ssl_context(original: Callable[..., ssl.SSLContext], library: str) -> Callable[..., ssl.SSLContext]:
    """The function by which a transport of *library*'s gets its context, with a memory of what it was told."""

    @functools.wraps(original)
    def create_ssl_context(**given: Any) -> ssl.SSLContext:
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
        if given.get("cert") or _live.governing() is None:
            raise
        # What a variable names is missing or broken, and of no use in the block; after it this trusts nobody.
        return _Context(ssl.PROTOCOL_TLS_CLIENT)


def _is_exported() -> bool:
    names = (_environ.SSL_CERT_FILE, _environ.SSL_CERT_DIR)
    return any((os.environ.get(name) or None) != _environ.value(name) for name in names)


def _make_of_environment(library: str) -> ssl.SSLContext | None:
    """The context that the user's own variables stand for, if they are set; both libraries heed the file first."""
    file = _environ.value(_environ.SSL_CERT_FILE)
    folder = None if file else _environ.value(_environ.SSL_CERT_DIR)
    return _make(library, file, folder) if file or folder else None


def _make(library: str, file: str | None, folder: str | None) -> ssl.SSLContext:
    config: Any = sys.modules[f"{library}._config"]
    if hasattr(config, "SSLConfig"):  # httpx up to 0.27 puts settings of its own on every context
        context: ssl.SSLContext = config.create_ssl_context(verify=file or folder, trust_env=False)
        return context
    return ssl.create_default_context(cafile=file, capath=folder)


def _defaults(library: str) -> Iterator[_Made]:
    """What *library* makes by itself, here and now, the cheapest first."""
    import certifi

    file = _environ.value(_environ.SSL_CERT_FILE)
    for path in dict.fromkeys((file, None, certifi.where())):
        try:
            yield _made(library, path, path and _state_of(path), ssl.SSLContext)
        except OSError:  # a variable that names nothing, or no store
            continue


class _Made:
    """What there is to see of a context that the library made by itself."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.looks = _looks(context)
        self.ciphers = _ciphers(context)
        self.authorities = _authorities(context)


@functools.lru_cache(maxsize=8)
def _made(library: str, file: str | None, _state: object, _class: object) -> _Made:
    if file is None:
        config: Any = sys.modules[f"{library}._config"]
        return _Made(config.create_ssl_context(trust_env=False))
    return _Made(_make(library, file, None))


def _state_of(path: str) -> tuple[int, ...]:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _equal(context: ssl.SSLContext, made: _Made) -> bool:
    # What OpenSSL looks for in a folder cannot be seen: without any CA a context may be a pin of such a one.
    return (
        _looks(context) == made.looks
        and bool(made.authorities or _is_native(context))
        and _ciphers(context) == made.ciphers
        and _authorities(context) == made.authorities
    )


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
    "sslsocket_class",
    "sslobject_class",
)


def _looks(context: ssl.SSLContext) -> tuple[object, ...]:
    inner = _inner(context)
    stored = inner.cert_store_stats()
    return (type(context), *(getattr(inner, name) for name in _SETTINGS), *stored.values())


def _ciphers(context: ssl.SSLContext) -> list[object]:
    return [cipher["name"] for cipher in _inner(context).get_ciphers()]


def _authorities(context: ssl.SSLContext) -> frozenset[bytes]:
    return frozenset(_inner(context).get_ca_certs(binary_form=True))


def _is_native(context: ssl.SSLContext) -> bool:
    return type(context).__module__.partition(".")[0] == "truststore"


def _inner(context: ssl.SSLContext) -> ssl.SSLContext:
    # truststore's class answers none of these questions itself.
    inner: ssl.SSLContext = getattr(context, "_ctx", context) if _is_native(context) else context
    return inner
