"""The contexts that are handed to clients which write on them at every connection."""

from __future__ import annotations

import os
import ssl

from ..core.lock import lock
from ..core.trust import _Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

LATE = (
    "CAs or a client certificate were set on a connection pool that a trusted_context block had given its own: pass "
    "them as verify= and cert= (text, not Path) through requests' own adapter, or when the pool manager is made"
)


def steady(context: ssl.SSLContext) -> None:
    """Let *context*, one of a Trust's, take what is written on it at a connection only where that is new."""
    if isinstance(context, _Context):
        context.__class__ = _Steady


class _Steady(_Context):
    """A context that takes what a client writes on it at every connection only where that is new and harmless.

    Another thread may be starting a connection by it, and OpenSSL reads its settings without a lock.
    """

    _protocols: object = None
    _chain: object = None

    # Decided when it was built: before 2.8 urllib3 puts what is meant for the server on the proxy's context too.
    verify_mode = property(_Context.verify_mode.fget, lambda _self, _mode: None)

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        protocols = tuple(alpn_protocols)
        with lock:
            if self._protocols != protocols:
                super().set_alpn_protocols(alpn_protocols)
                self._protocols = protocols

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        with lock:
            chain = (certfile, keyfile, password, *map(_state_of, filter(None, (certfile, keyfile))))
            if self._chain != chain:
                self._chain = None
                super().load_cert_chain(certfile, keyfile, password)
                self._chain = chain

    def load_verify_locations(self, *_args: Any, **_kwargs: Any) -> None:
        # An adapter that writes ca_certs on the pool it is given: neither the pin nor the block is to be widened.
        raise ssl.SSLError(LATE)


class OnePerConnection(_Context):
    """Stands for a new context of *make*'s at each connection; by itself it trusts nobody.

    For those of truststore, which are locked during a handshake: shared, one stalled server would hold up all others.
    """

    _protocols: tuple[str, ...] = ()

    def __new__(cls, _make: Callable[[], ssl.SSLContext]) -> Self:
        made: Self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        return made

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make = make

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        self._protocols = tuple(alpn_protocols)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self._new().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self._new().wrap_bio(*args, **kwargs)

    def _new(self) -> ssl.SSLContext:
        context = self._make()
        context.set_alpn_protocols(self._protocols)
        return context


def _state_of(path: Any) -> tuple[int, ...]:
    # A certificate may be renewed on disk while a block lasts.
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
