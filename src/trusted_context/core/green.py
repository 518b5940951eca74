"""The TLS sockets of gevent and eventlet, which wait without holding up other greenlets.

Both have a class of contexts whose ``wrap_socket()`` makes sockets of their own, and put both classes in the place of
those in the module ssl. From then on Python's own cannot be made: it looks for itself by that name.
"""

from __future__ import annotations

import ssl
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

# Where their contexts and sockets are defined.
MODULES = ("gevent.ssl", "eventlet.green.ssl")


def socket_class(context: ssl.SSLContext) -> Any:
    """The class of the sockets that *context* makes, also where other code has patched the module ssl since."""
    own: Any = context.sslsocket_class
    green = _green(type(context)) or _green(ssl.SSLSocket)
    if green is None:
        return own
    present: Any = vars(sys.modules[green.__module__])["SSLSocket"]
    return own if isinstance(own, type) and issubclass(own, present) else present


def make_socket(  # noqa: PLR0913  # what SSLContext.wrap_socket() takes
    cls: Any,
    base: Any,
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_side: bool,
    suppress_ragged_eofs: bool,
    server_hostname: str | bytes | None,
) -> Any:
    """A socket of *cls*, a subclass of *base* and without state of its own, over *sock*; it shakes no hands."""
    green = _green(base)
    settings: dict[str, Any] = {
        "sock": sock,
        "server_side": server_side,
        "do_handshake_on_connect": False,
        "suppress_ragged_eofs": suppress_ragged_eofs,
        "server_hostname": server_hostname,
    }
    if green is None:
        return cls._create(context=context, **settings)
    if green.__module__ == "gevent.ssl":
        return cls(_context=context, **settings)
    # eventlet makes one of Python's, and gives it another class.
    made = base(_context=context, **settings)
    made.__class__ = cls
    return made


def _green(cls: type) -> type | None:
    return next((found for found in cls.__mro__ if found.__module__ in MODULES), None)
