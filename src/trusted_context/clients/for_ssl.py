"""Python's own TLS, under every client: the connections of a context with default trust are verified by the block.

Two methods make all of them, ``SSLContext.wrap_socket`` and ``wrap_bio``. The context stays the caller's, and so does
all that it says but the anchors: the connection borrows those for its handshake. What it cannot borrow is decided by a
context that stands in when the connection is made: no verification for an insecure host, and no strictness where that
is merely Python's default.
"""

from __future__ import annotations

import contextlib
import functools
from contextvars import ContextVar

from ..core import connections, live
from ..core.connections import Plan
from ..core.contexts import TrueSSLContext
from ..core.hosts import normalise_host
from ..core.lock import lock
from ..sources import defaults
from . import seen_contexts
from .patches import Patches
from .seen_contexts import copy_protocols, has_key, look, settings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..core.live import Entry
    from .seen_contexts import Known

_patches = Patches()


# Where a client that knows it is connecting to.
_destination: ContextVar[tuple[str, int | None] | None] = ContextVar("trusted_context_destination", default=None)


def install() -> None:
    """Put a look at its context before every TLS connection of this process."""
    seen_contexts.remember()
    _patches.repeat(_replace, TrueSSLContext)


def _replace() -> None:
    _patches.wrap(TrueSSLContext, "wrap_socket", make_wrap_socket)
    _patches.wrap(TrueSSLContext, "wrap_bio", _make_wrap_bio)
    seen_contexts.watch(_patches)


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    replaced = _patches.restore()
    seen_contexts.forget()
    return replaced


# Whether a client that knows more says that no block decides on its connection.
_left_alone: ContextVar[bool] = ContextVar("trusted_context_left_alone", default=False)


@contextlib.contextmanager
def left_alone() -> Iterator[None]:
    """Leave alone the connections made inside: their trust was chosen, also where it equals a default."""
    token = _left_alone.set(True)
    try:
        yield
    finally:
        _left_alone.reset(token)


@contextlib.contextmanager
def going_to(host: str, port: int | None) -> Iterator[None]:
    """Tell, for connections made inside, the server's host and port, of which the layer sees the host alone."""
    token = _destination.set((normalise_host(host), port))
    try:
        yield
    finally:
        _destination.reset(token)


def stand_in(context: Any, entry: Entry, host: str | None, port: int | None) -> ssl.SSLContext | None:
    """A private context for a client that keeps its connections apart: the settings of *context*, a block's trust.

    ``None`` where *context* has a client certificate that cannot be read from it.
    """
    context = defaults.inner_of(context)
    known, verified = look(context), entry.trust.verifies(host, port)
    if not has_key(context, known):
        return _make_stand_in(context, known, entry, verified=verified)
    if verified:
        return _with_key(context, known, entry)
    unverified: Any = _make_stand_in(context, known, entry, verified=False)
    # Nothing is verified, so the anchors do not matter: what is borrowed is the client certificate.
    plan = Plan(creating=unverified, during=context, shown=unverified, trust=entry.trust, source=entry.resolved.summary)
    unverified.follow(plan)
    made: ssl.SSLContext = unverified
    return made


def _with_key(context: Any, known: Known, entry: Entry) -> ssl.SSLContext | None:
    """A context with the anchors and the client certificate; ``None`` where that was loaded before, or is gone."""
    if known.certificate is None or entry.trust.native:
        return None
    args, kwargs = known.certificate
    try:
        made = entry.resolved.verifier.with_client_certificate(
            settings_of(context, known),
            lambda private: private.load_cert_chain(*args, **kwargs),
            check_hostname=context.check_hostname,
            verify_flags=context.verify_flags,
            source=entry.resolved.summary,
        )
    except OSError:  # ssl.SSLError is one; the files were removed since
        return None
    copy_protocols(context, known, made)
    return made


def _make_stand_in(
    context: Any, known: Known, entry: Entry, *, verified: bool, is_over: Callable[[], bool] | None = None
) -> ssl.SSLContext:
    made = entry.resolved.verifier.stand_in(
        settings_of(context, known),
        verified=verified,
        check_hostname=context.check_hostname,
        verify_flags=context.verify_flags,
        source=entry.resolved.summary,
        is_over=is_over,
    )
    copy_protocols(context, known, made)
    return made


def _plan_for(context: Any, server_hostname: Any, *, is_connected: bool) -> Plan | ssl.SSLContext | None:
    """How a connection of *context* is made: by a plan, by another context, or as it would be without a block."""
    entry = live.governing()
    if entry is None or _left_alone.get() or not seen_contexts.is_default(context):
        return None
    known, verified = look(context), entry.trust.verifies(*_where(server_hostname))
    presents = has_key(context, known)
    creating = _remembered(context, known, entry, verified=verified, presents=presents, is_connected=is_connected)
    if creating is None or (entry.trust.native and verified):
        return creating
    lent = creating if presents else entry.resolved.verifier.lend(settings_of(context, known))
    during = lent if verified else context
    return _plan(creating, during, context, entry)


def _plan(creating: ssl.SSLContext, during: ssl.SSLContext, shown: ssl.SSLContext, entry: Entry) -> Plan:
    return Plan(
        creating=creating,
        during=during,
        shown=shown,
        trust=entry.trust,
        source=entry.resolved.summary,
        is_over=entry.is_over,
    )


def _remembered(
    context: Any, known: Known, entry: Entry, *, verified: bool, presents: bool, is_connected: bool
) -> ssl.SSLContext | None:
    def make() -> ssl.SSLContext | None:
        if presents and verified:
            return _with_key(context, known, entry)
        # The operating system verifies by the plan of the context itself.
        is_over = entry.is_over if entry.trust.native and verified else None
        return _make_stand_in(context, known, entry, verified=verified, is_over=is_over)

    # Until it is connected, a socket shows the context that it is made by: so that is its own.
    if not is_connected or (entry.trust.native and verified):
        return make()
    key = (entry.resolved.verifier, verified, presents)
    stand_ins = known.stand_ins  # others are put in their place when the context changes meanwhile
    found = stand_ins.get(key)
    if found is None:
        made = make()
        if made is None:
            return None
        with lock:
            found = stand_ins.setdefault(key, made)
            while len(stand_ins) > _MOST_STAND_INS:
                del stand_ins[next(iter(stand_ins))]
    return found


# A context that lives on may be used in any number of blocks.
_MOST_STAND_INS = 8


def _where(server_hostname: Any) -> tuple[str | None, int | None]:
    if not server_hostname:
        return None, None
    host = server_hostname.decode("ascii", "replace") if isinstance(server_hostname, bytes) else str(server_hostname)
    told = _destination.get()
    # A port is believed for the server alone, not for an https:// proxy on the way.
    return host, told[1] if told is not None and told[0] == normalise_host(host) else None


def make_wrap_socket(original: Callable[..., ssl.SSLSocket]) -> Callable[..., ssl.SSLSocket]:
    """The method of a class of contexts that asks which block governs, for every socket."""

    @functools.wraps(original)
    def wrap_socket(self: Any, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        found = _plan_for_socket(self, *args, **kwargs)
        if found is None:
            return original(self, *args, **kwargs)
        if isinstance(found, Plan):
            return connections.wrap_socket(found, *args, **kwargs)
        return found.wrap_socket(*args[:5], **{name: given for name, given in kwargs.items() if name != "session"})

    return wrap_socket


def _plan_for_socket(  # what SSLContext.wrap_socket() takes
    context: Any,
    sock: Any = None,
    server_side: bool = False,  # noqa: FBT002  # as it is there
    _do_handshake_on_connect: bool = True,  # noqa: FBT002  # as above
    _suppress_ragged_eofs: bool = True,  # noqa: FBT002  # as above
    server_hostname: Any = None,
    *_: Any,
    **_others: Any,
) -> Plan | ssl.SSLContext | None:
    if server_side:
        return None
    return _plan_for(context, server_hostname, is_connected=_is_connected(sock))


def _is_connected(sock: Any) -> bool:
    try:
        sock.getpeername()
    except Exception:  # noqa: BLE001  # Python's own asks nothing of an object that is like a socket but its number
        return False
    return True


def _make_wrap_bio(original: Callable[..., ssl.SSLObject]) -> Callable[..., ssl.SSLObject]:
    @functools.wraps(original)
    def wrap_bio(
        self: Any,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT002  # as SSLContext.wrap_bio() has it
        server_hostname: Any = None,
        session: Any = None,
    ) -> ssl.SSLObject:
        rest = (server_side, server_hostname, session)
        found = None if server_side else _plan_for(self, server_hostname, is_connected=True)
        if found is None:
            return original(self, incoming, outgoing, *rest)
        if isinstance(found, Plan):
            return connections.wrap_bio(found, incoming, outgoing, *rest)
        return found.wrap_bio(incoming, outgoing, *rest[:-1])

    return wrap_bio
