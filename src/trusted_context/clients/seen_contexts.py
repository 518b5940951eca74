"""What is known of the contexts that programs made, while a block lives: whether their trust is default, above all.

What is done to a context meanwhile is seen as it happens. What was done before is found out from the context.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
import sys
import threading

from ..core import green, probing
from ..core.contexts import Context, Settings, TrueSSLContext, is_ours
from ..core.identity import IdentityMap
from ..core.lock import lock
from ..sources import defaults, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .patches import Patches


class Known:
    """What is known of one context while a block lives.

    Attributes:
        loads: whether each load of CAs since the context was made was a default's; ``None`` where it was made before,
            or two threads loaded at once.
        in_folder: whether it was seen to be given a folder that is no default's.
        changes: another object after each change: at the beginning and the end of a load of CAs, and for ciphers.
        certificate: the arguments of the client certificate that was loaded; ``None`` where none was seen.
        looks: the settings and numbers of certificates for which the rest holds.
        default: whether its trust is default.
        settings: what is its owner's in any case, and the looks that it had then.
        protocols: what it offers by ALPN; ``None`` where that is not known yet.
        has_key: whether it has a client certificate; ``None`` where that is not known yet.
        stand_ins: contexts that stand in for it, by what verifies.
    """

    __slots__ = (
        "certificate",
        "changes",
        "default",
        "has_key",
        "in_folder",
        "loads",
        "looks",
        "protocols",
        "settings",
        "stand_ins",
    )

    def __init__(self, *, is_new: bool) -> None:
        self.loads: list[bool] | None = [] if is_new else None
        self.certificate: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.protocols: list[str] | None = [] if is_new else None
        self.has_key: bool | None = False if is_new else None
        self.in_folder: bool = False
        self.changes: object = object()
        self.looks: object = None
        self.default: bool = False
        self.settings: tuple[object, Settings | None] = (None, None)
        self.stand_ins: dict[object, ssl.SSLContext] = {}

    def change(self) -> None:
        """Have the context looked at anew, also by whom is looking now."""
        with lock:
            self.changes = object()
            self.looks = None

    def fill(self, name: str, found: object) -> None:
        """Keep what was *found* out, unless another thread has set it meanwhile, and said so."""
        with lock:
            if getattr(self, name) is None:
                setattr(self, name, found)


# Emptied when the last block ends: what happens to a context outside is not seen.
_known = IdentityMap()


_watching = False


def remember() -> None:
    """Keep from now on what is found out of contexts, since what is done to them is about to be seen."""
    global _watching
    _watching = True


def watch(patches: Patches) -> None:
    """See from now on what is done to contexts."""
    patches.override(TrueSSLContext, "load_default_certs", _make_load_defaults)
    patches.override(TrueSSLContext, "set_default_verify_paths", _make_set_default_paths)
    patches.override(TrueSSLContext, "load_verify_locations", _make_load_verify_locations)
    patches.override(TrueSSLContext, "load_cert_chain", _make_load_cert_chain)
    patches.override(TrueSSLContext, "set_alpn_protocols", _make_set_alpn_protocols)
    patches.override(TrueSSLContext, "set_ciphers", _make_set_ciphers)
    # The last: of a context that is known from its beginning nothing may be missed.
    patches.wrap(TrueSSLContext, "__new__", _make_new)


def forget() -> None:
    """Forget everything: what happens to a context from now on is not seen."""
    global _watching
    _watching = False
    _known.clear()


def is_default(context: Any) -> bool:
    """Whether *context* has default trust: its CAs are a default's, and it verifies by them."""
    known = _known_of(context)
    if known is not None and known.looks is not None and known.looks == _looks(context):  # as most are, each time
        return known.default and _verify_mode(context) != 0 and not _is_overridden(context)
    inner = defaults.inner_of(context)
    if inner is None or is_ours(inner) or _verify_mode(inner) == 0:  # ssl.CERT_NONE
        return False
    if inner is not context:
        # truststore's own, which trusts what the operating system does, and what was loaded into it.
        known = look(inner)
        return known.default or not (known.in_folder or any(inner.cert_store_stats().values()))
    return not _is_overridden(inner) and look(inner).default


# Those with a version of their own are told from these by nothing that could be copied.
_PROTOCOLS = (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS)


def _is_overridden(context: Any) -> bool:
    """Whether *context*, or its class, makes connections or tells its CAs in ways of its own: somebody chose them."""
    kind = type(context)
    if not _WAYS.isdisjoint(vars(context)):
        return True
    if kind is TrueSSLContext:
        return False
    green_ones = [vars(sys.modules[name])["SSLContext"] for name in green.MODULES if name in sys.modules]
    return not any(
        all(getattr(kind, name) is getattr(cls, name) for name in _WAYS) for cls in (TrueSSLContext, *green_ones)
    )


_WAYS = frozenset(("wrap_socket", "wrap_bio", "get_ca_certs", "cert_store_stats"))


def _known_of(context: Any) -> Known | None:
    known: Known | None = _known.get(context)
    return known


def _known_or_new(context: Any) -> Known:
    known = _known_of(context)
    if known is None:
        with lock:
            known = _known_of(context) or Known(is_new=False)
            _known.set(context, known)
    return known


def look(context: Any) -> Known:
    """What is known of *context*, one of the standard library's, as it is now."""
    known = _known_or_new(context)
    while True:
        looks, changes = _looks(context), known.changes
        if known.looks == looks:
            return known
        default = (
            context.protocol in _PROTOCOLS
            and not known.in_folder
            and (_has_default_loads(known) or defaults.is_default(context))
        )
        with lock:
            if known.changes is changes:  # else another thread changed it meanwhile
                # Other threads may be using what was found before: it is replaced, and never unset.
                known.default, known.stand_ins = default, {}
                # Outside of blocks changes are not seen: what was found out holds for this once.
                known.looks = looks if _watching else None
                return known


def _has_default_loads(known: Known) -> bool:
    loads = known.loads
    return bool(loads) and all(loads or ())


def _looks(context: Any) -> tuple[object, ...]:
    # Its CAs are not counted each time: while a block lives, every load of CAs is seen.
    return tuple([read(context) for read in _READ])


def _reader(name: str) -> Callable[[Any], object]:
    """What reads a setting as a number, without the enumeration that ``ssl.SSLContext`` makes of it."""
    read: Callable[[Any], object] = getattr(TrueSSLContext.__base__, name).__get__
    return read


_verify_mode = _reader("verify_mode")
_READ = tuple(
    map(
        _reader,
        (
            "verify_flags",
            "check_hostname",
            "options",
            "minimum_version",
            "maximum_version",
            "_host_flags",
            "post_handshake_auth",
            "keylog_filename",
        ),
    )
)


def settings_of(context: Any, known: Known) -> Settings:
    """What of *context* is its owner's in any case; read when it is needed, since that takes time."""
    looks, (read_with, settings) = known.looks, known.settings
    if settings is None or looks is None or looks is not read_with:
        settings = Settings(context)
        known.settings = looks, settings
    return settings


def has_key(context: Any, known: Known) -> bool:
    """Whether *context* has a client certificate."""
    if known.has_key is None:
        known.fill("has_key", probing.has_client_certificate(context))
    return bool(known.has_key)


def copy_protocols(context: Any, known: Known, made: ssl.SSLContext) -> None:
    """Have *made* offer by ALPN what *context* does."""
    if known.protocols is None:
        known.fill("protocols", probing.alpn_protocols(context))
    if known.protocols:
        made.set_alpn_protocols(known.protocols)


def _make_new(original: staticmethod[..., ssl.SSLContext]) -> staticmethod[..., ssl.SSLContext]:
    @functools.wraps(original.__func__)
    def new(cls: type, *args: Any, **kwargs: Any) -> ssl.SSLContext:
        made: ssl.SSLContext = original.__func__(cls, *args, **kwargs)
        if not isinstance(made, Context):
            with lock:
                _known.set(made, Known(is_new=True))
        return made

    return staticmethod(new)


def _noting(original: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    """A method that lets *note* know what was done to a context that is not ours."""

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if not isinstance(self, Context):
            note(_known_or_new(self), *args, **kwargs)
        return result

    return method


class _Filling(threading.local):
    """The context that this thread is loading the defaults into: what that calls is a part of it."""

    context: object = None


# Not a context variable, which some Pythons hand on to new threads.
_filling = _Filling()


def _make_load_defaults(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(self, Context) or _filling.context is self:
            original(self, *args, **kwargs)
            return
        known = _known_or_new(self)
        before, outer = known.loads, _filling.context
        _filling.context = self
        try:
            original(self, *args, **kwargs)
            _note_load(known, before, before, is_default=True)
        finally:
            _filling.context = outer
            known.change()

    return method


def _make_set_default_paths(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def set_default_verify_paths(self: Any) -> None:
        # OpenSSL reads these variables by itself. What is made under an export outlives it, and is the user's.
        if isinstance(self, Context) or not environment.hides(environment.SSL_CERT_FILE, environment.SSL_CERT_DIR):
            original(self)
            return
        compiled = ssl.get_default_verify_paths()
        file = environment.value(environment.SSL_CERT_FILE) or compiled.openssl_cafile
        folder = environment.value(environment.SSL_CERT_DIR) or compiled.openssl_capath
        for name, path in (("cafile", file), ("capath", folder)):
            # As OpenSSL does it: what is not there counts for nothing.
            with contextlib.suppress(OSError):  # ssl.SSLError is one
                TrueSSLContext.load_verify_locations(self, **{name: path})

    return _make_load_defaults(set_default_verify_paths)


def _make_load_verify_locations(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def load_verify_locations(self: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(self, Context) or _filling.context is self:
            original(self, *args, **kwargs)
            return
        known = _known_or_new(self)
        with lock:
            before = known.loads
            # A choice until it is done: another thread may connect meanwhile, and what fails may have loaded a part.
            during = known.loads = None if before is None else [*before, False]
            known.change()
        try:
            original(self, *args, **kwargs)
            is_default, in_folder = _look_at_load(*args, **kwargs)
            _note_load(known, before, during, is_default=is_default, in_folder=in_folder)
        finally:
            known.change()

    return load_verify_locations


def _look_at_load(cafile: Any = None, capath: Any = None, cadata: Any = None) -> tuple[bool, bool]:
    """Whether what was loaded is a default's, and whether it is a folder that is none's."""
    in_folder = capath is not None and not defaults.are_default_folders(capath)
    is_default = not in_folder and cadata is None and (cafile is None or defaults.is_default_path(cafile))
    return is_default, in_folder


def _note_load(
    known: Known, before: list[bool] | None, during: list[bool] | None, *, is_default: bool, in_folder: bool = False
) -> None:
    """Note a load that is done: *before* it and *during* it these loads were known."""
    with lock:
        known.in_folder |= in_folder
        # What another thread loaded meanwhile would be forgotten: so the context is asked what it holds.
        known.loads = [*before, is_default] if before is not None and known.loads is during else None


def _make_load_cert_chain(original: Callable[..., None]) -> Callable[..., None]:
    def note(known: Known, *args: Any, **kwargs: Any) -> None:
        known.certificate = args, kwargs
        known.has_key = True
        known.stand_ins = {}

    return _noting(original, note)


def _make_set_alpn_protocols(original: Callable[..., None]) -> Callable[..., None]:
    def note(known: Known, alpn_protocols: Any) -> None:
        protocols = list(alpn_protocols)
        if known.protocols != protocols:
            known.protocols = protocols
            known.stand_ins = {}

    return _noting(original, note)


def _make_set_ciphers(original: Callable[..., None]) -> Callable[..., None]:
    def note(known: Known, *_args: Any) -> None:
        known.change()

    return _noting(original, note)
