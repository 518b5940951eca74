"""gevent and eventlet, whose contexts make sockets of their own."""

from __future__ import annotations

from . import for_ssl
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_patches = Patches()


def restore() -> list[str]:
    """Put every method back where it is still ours."""
    return _patches.restore()


def cover_contexts(module: ModuleType) -> None:
    """Cover the contexts of gevent or eventlet, also before they are put in the place of Python's.

    Raises:
        NotCoveredError: the module lacks the method that makes sockets, or their class.
    """
    _patches.require(module, "SSLContext.wrap_socket", "SSLSocket")
    _patches.wrap(_patches.owner(module, "SSLContext"), "wrap_socket", for_ssl.make_wrap_socket)
