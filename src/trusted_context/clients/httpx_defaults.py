"""The default trust of httpx and httpx2.

The context that a transport makes in a block is the one that it would make without: of the user's own variables, not of
what the block exports.
"""

from __future__ import annotations

import functools
import ssl
import sys

from ..core import live
from ..core.contexts import Context, Settings
from ..core.identity import IdentityMap
from ..core.lock import lock
from ..sources import defaults, environment, stores
from . import seen_contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The contexts that a library made in a block for whoever chose nothing, with how they looked then.
_unchosen = IdentityMap()

# The contexts that have a CA, which a context does not lose. They are counted once, since that takes longer than all
# else that a block does at a request.
_filled = IdentityMap()


def is_default(context: ssl.SSLContext | None, library: str) -> bool:
    """Whether a transport's context has the default trust of *library*; where that cannot be known, it has not."""
    if context is None or seen_contexts.is_default(context):
        return True
    inner = defaults.inner_of(context)
    if inner is None:
        return False
    made = _unchosen.get(context)
    return made == _looks(inner) if made is not None else _is_empty_default(inner, library)


def _looks(context: ssl.SSLContext) -> object:
    return context.verify_mode, tuple(context.cert_store_stats().values())


def _is_empty_default(context: ssl.SSLContext, library: str) -> bool:
    """Whether *context* is empty as *library*'s own are on a machine without a store.

    A context that looks into a folder of somebody's choice shows no CA either: it is told by its other settings alone.
    """
    if _filled.get(context):
        return False
    if any(context.cert_store_stats().values()):
        _filled.set(context, True)  # noqa: FBT003  # a value, not a switch
        return False
    if stores.system_store() is not None:
        return False
    like = defaults.inner_of(_make(library, None, None))
    return like is not None and _settings(like) == _settings(context) and _looks(like) == _looks(context)


def _settings(context: ssl.SSLContext) -> tuple[object, ...]:
    return (type(context), *(getattr(context, name) for name in _SETTINGS), Settings(context).of_loan)


_SETTINGS = ("check_hostname", "verify_flags", "minimum_version", "maximum_version", "options", "post_handshake_auth")


def make_create_ssl_context(original: Callable[..., ssl.SSLContext], library: str) -> Callable[..., ssl.SSLContext]:
    """The function by which a transport of *library*'s gets its context, with a memory of what it was told."""

    @functools.wraps(original)
    def create_ssl_context(**given: Any) -> ssl.SSLContext:
        # Where other code has put a function of its own, what that makes is its choice, unless its looks say otherwise.
        is_the_librarys = original is sys.modules[f"{library}._config"].create_ssl_context
        if not is_the_librarys:
            return original(**given)
        if given.get("verify", True) is not True:
            return original(**given)
        context = _make_default(original, library, given)
        inner = defaults.inner_of(context)
        if inner is not None and not given.get("cert"):
            with lock:
                _unchosen.set(context, _looks(inner))
        return context

    return create_ssl_context


def _make_default(original: Callable[..., ssl.SSLContext], library: str, given: dict[str, Any]) -> ssl.SSLContext:
    """What the transport would have without a block: the environment's trust is the user's own, not an export's."""
    try:
        if not (
            given.get("trust_env", True) and environment.hides(environment.SSL_CERT_FILE, environment.SSL_CERT_DIR)
        ):
            return original(**given)
        own = _make_of_environment(library)
        return original(**given | {"verify": True if own is None else own, "trust_env": False})
    except OSError:  # ssl.SSLError is one
        if given.get("cert") or live.governing() is None:
            raise
        # What a variable names is missing or broken, and of no use in the block; after it this trusts no CA.
        return Context(ssl.PROTOCOL_TLS_CLIENT)


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
    elif hasattr(config, "SSLConfig"):  # pragma: no cover  # httpx up to 0.27 puts settings of its own on every context
        context = config.create_ssl_context(verify=file or folder, trust_env=False)
    else:
        context = ssl.create_default_context(cafile=file, capath=folder)
    return context
