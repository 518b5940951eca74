"""TLS connections that are verified by anchors which their context does not hold.

OpenSSL takes the anchors for a verification, and the ciphers that it offers, from the context that a connection has at
that moment, which ``SSLSocket.context`` can exchange (``SSL_set_SSL_CTX``). All other settings are copied when the
connection is made. So a connection borrows the context with the anchors for its handshake alone: nobody can reach that
context by the connection, and write to what other connections are verified by.
"""

from __future__ import annotations

import errno
import functools
import ssl

from . import green, handshake

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from .trust import Trust


class Plan:
    """How one connection is made and verified.

    Args:
        creating: the context that the connection is made by, which decides verification, ALPN, versions and flags.
        during: the context that it has during the handshake, which decides anchors, ciphers and the client certificate.
        shown: the context that it has before and after, for anybody to see.
        trust: what verifies it, to be told with a failure.
        source: where that comes from, in words.
        is_over: whether the block that governs the connection has ended; ``None`` where it outlives the block.
    """

    __slots__ = ("creating", "during", "is_over", "shown", "source", "trust")

    def __init__(  # noqa: PLR0913  # all of them facts of one connection
        self,
        *,
        creating: ssl.SSLContext,
        during: ssl.SSLContext,
        shown: ssl.SSLContext,
        trust: Trust,
        source: str | None = None,
        is_over: Callable[[], bool] | None = None,
    ) -> None:
        self.creating: ssl.SSLContext = creating
        self.during: ssl.SSLContext = during
        self.shown: ssl.SSLContext = shown
        self.trust: Trust = trust
        self.source: str | None = source
        self.is_over: Callable[[], bool] | None = is_over

    def check(self, *, shaking_in_memory: bool = False) -> None:
        """Refuse to shake hands over, or write to, a connection whose block has ended.

        Raises:
            ConnectionResetError: it has; clients answer it as they answer any stale connection, by another one.
        """
        if self.is_over is not None and self.is_over():
            if shaking_in_memory:
                raise EndedHandshakeError(errno.ECONNRESET, _ENDED)
            refuse()

    def exchanging(self, before: Any, after: Any) -> Plan:
        """The same plan with the context *after* wherever *before* was."""
        creating, during, shown = (
            after if context is before else context for context in (self.creating, self.during, self.shown)
        )
        return Plan(
            creating=creating, during=during, shown=shown, trust=self.trust, source=self.source, is_over=self.is_over
        )

    def choosing(self, context: ssl.SSLContext) -> Plan:
        """The plan of the same connection, after somebody gave it *context*."""
        return Plan(creating=self.creating, during=context, shown=context, trust=self.trust)


_ENDED = "the trusted_context block in which this connection was opened has ended"


def refuse(*_args: Any, **_kwargs: Any) -> None:
    """Answer for a connection whose block has ended.

    Raises:
        ConnectionResetError: always.
    """
    raise ConnectionResetError(errno.ECONNRESET, _ENDED)


class EndedHandshakeError(ssl.SSLError, ConnectionResetError):
    """The same of a handshake in memory, in the form that asyncio takes for a failure of it.

    Any other error asyncio leaves to the log of its loop, and then waits for the handshake for a minute.
    """


class _Planned:
    """What sockets and memory connections of a plan have in common. *_sslobj* is the connection of the C module."""

    _plan: Plan | None = None
    _in_memory = False
    _sslobj: Any

    # A session would let a later connection skip the verification, be it in another block or in none (RFC 8446, 2.2).
    session = property(lambda _self: None, lambda _self, _session: None)

    def follow(self, plan: Plan) -> None:
        """Be verified as *plan* says, and show the context that it says."""
        self._plan = plan
        self._set_context(plan.shown)

    def _shake_hands(self, shake_hands: Callable[[], None]) -> None:
        plan = self._plan
        if plan is None:  # pragma: no cover  # a base class of others may do so while it makes the connection
            shake_hands()
            return
        plan.check(shaking_in_memory=self._in_memory)
        try:
            try:
                self._set_context(plan.during)
                shake_hands()
            finally:
                self._set_context(plan.shown)
        except OSError as error:
            handshake.keep(error, self, plan.trust, plan.source)
            raise

    def choose_context(self, context: ssl.SSLContext) -> None:
        """Verify by *context*, which somebody chose for this connection alone."""
        if self._plan is None:  # pragma: no cover  # as above
            self._set_context(context)
        else:
            self.follow(self._plan.choosing(context))

    def _set_context(self, context: ssl.SSLContext) -> None:
        connection = self._sslobj
        if connection is not None:  # a socket that is not connected yet, or was closed by another thread, has none
            connection.context = context

    def _check_plan(self) -> None:
        if self._plan is None:  # pragma: no cover  # as above
            return
        try:
            self._plan.check()
        except ConnectionResetError:
            # urllib3 and httplib2 read on after a write that failed so, and would wait for what nobody was asked for.
            vars(self).update(dict.fromkeys(("read", "send", "write"), refuse))
            raise


@functools.lru_cache(maxsize=32)
def _socket_class(base: Any) -> Any:
    class Socket(_Planned, base):  # type: ignore[misc]  # a class found at run time
        context = property(base.context.fget, _Planned.choose_context)

        def _set_context(self, context: ssl.SSLContext) -> None:
            super()._set_context(context)
            # Not before it is connected: until then it is made by the context that it shows.
            if self._sslobj is not None and self._plan is not None and context is self._plan.shown:
                self._context = context

        def do_handshake(self, *args: Any, **kwargs: Any) -> None:
            self._shake_hands(functools.partial(super().do_handshake, *args, **kwargs))

        def send(self, *args: Any, **kwargs: Any) -> Any:
            self._check_plan()
            return super().send(*args, **kwargs)

        def write(self, data: Any) -> Any:
            self._check_plan()
            return super().write(data)

    Socket.__name__ = Socket.__qualname__ = base.__name__
    return Socket


@functools.lru_cache(maxsize=32)
def _object_class(base: Any) -> Any:
    class Object(_Planned, base):  # type: ignore[misc]  # as above
        _in_memory = True

        # Not the one that it has: another thread may ask during the handshake.
        context = property(
            lambda self: base.context.fget(self) if self._plan is None else self._plan.shown, _Planned.choose_context
        )

        def do_handshake(self) -> None:
            self._shake_hands(super().do_handshake)

        def write(self, data: Any) -> Any:
            self._check_plan()
            return super().write(data)

    Object.__name__ = Object.__qualname__ = base.__name__
    return Object


def wrap_socket(  # noqa: PLR0913, PLR0917  # what SSLContext.wrap_socket() takes
    plan: Plan,
    sock: socket.socket,
    server_side: bool = False,  # noqa: FBT002  # as it is there
    do_handshake_on_connect: bool = True,  # noqa: FBT002  # as above
    suppress_ragged_eofs: bool = True,  # noqa: FBT002  # as above
    server_hostname: str | bytes | None = None,
    session: ssl.SSLSession | None = None,  # noqa: ARG001  # see _Planned.session
) -> ssl.SSLSocket:
    """Make the TLS socket of a plan, and shake hands if it is connected, as ``SSLContext.wrap_socket()`` does.

    Raises:
        OSError: the handshake failed; the socket is closed.
        ValueError: *sock* does not block, and a handshake at once was asked for.
    """
    base = green.socket_class(plan.shown)
    made = green.make_socket(
        _socket_class(base),
        base,
        sock,
        plan.creating,
        server_side=server_side,
        suppress_ragged_eofs=suppress_ragged_eofs,
        server_hostname=server_hostname,
    )
    made.do_handshake_on_connect = do_handshake_on_connect
    made.follow(plan)
    if made._connected:
        try:
            if do_handshake_on_connect:
                _shake_hands_now(made)
        except BaseException:
            made.close()
            raise
    result: ssl.SSLSocket = made
    return result


def _shake_hands_now(made: Any) -> None:
    if made.gettimeout() == 0.0:  # as ssl.SSLSocket says it
        raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")
    made.do_handshake()


def wrap_bio(  # noqa: PLR0913, PLR0917  # what SSLContext.wrap_bio() takes
    plan: Plan,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    server_side: bool = False,  # noqa: FBT002  # as it is there
    server_hostname: str | bytes | None = None,
    session: ssl.SSLSession | None = None,  # noqa: ARG001  # see _Planned.session
) -> ssl.SSLObject:
    """Make the memory connection of a plan, as ``SSLContext.wrap_bio()`` does."""
    encode: Any = plan.creating
    base: Any = plan.shown.sslobject_class
    made: Any = _object_class(base)._create(
        incoming,
        outgoing,
        server_side=server_side,
        server_hostname=encode._encode_hostname(server_hostname),
        context=plan.creating,
    )
    made.follow(plan)
    result: ssl.SSLObject = made
    return result
