"""A context that stands in a client's pool for a new one at each connection."""

from __future__ import annotations

import ssl

from .contexts import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self


class OnePerConnection(Context):
    """Stands in a pool for a new context of *make*'s at each connection; by itself it trusts no CA."""

    _protocols: tuple[str, ...] | None = None

    def __new__(cls, _make: Callable[[], ssl.SSLContext]) -> Self:
        """Make it of the kind that clients make."""
        made: Self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        return made

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make = make

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Remember what each context is to offer."""
        self._protocols = tuple(alpn_protocols)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Make a TLS socket by a new context."""
        return self._new().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Make a memory connection by a new context."""
        return self._new().wrap_bio(*args, **kwargs)

    def _new(self) -> ssl.SSLContext:
        context = self._make()
        if self._protocols is not None:  # pragma: no branch  # httpcore has set them each time
            context.set_alpn_protocols(self._protocols)
        return context
