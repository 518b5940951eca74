"""Certificates into a context and out of it, whatever an earlier call left in OpenSSL's queue of errors.

In Python 3.11 ``get_ca_certs()`` and ``cert_store_stats()`` leave there what is wrong with a certificate's extensions,
and the next call that loads certificates in the same thread raises it, be they sound.
"""

from __future__ import annotations

import _ssl
import contextlib
import functools
import ssl
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_LEAVES_ERRORS = sys.version_info < (3, 12)
# Every certificate is longer, so that this is always refused.
_NO_CERTIFICATE = b"\x30"


def load(context: ssl.SSLContext, certificates: Collection[bytes]) -> tuple[int, ...]:
    """Add *certificates*, each another, to an empty context; return the positions of those that OpenSSL refused."""
    if not certificates:
        return ()
    # CPython takes some broken elements for the end of the data and then loads no more, without an error.
    if _add(context, b"".join(certificates)) and stats(context)["x509"] == len(certificates):
        return ()
    return tuple(place for place, der in enumerate(certificates) if not _add(context, der))


def load_readable(context: ssl.SSLContext, certificates: Collection[bytes]) -> None:
    """Add *certificates*, all of which OpenSSL can read.

    Raises:
        ssl.SSLError: it cannot.
    """
    if certificates and not _add(context, b"".join(certificates)):
        context.load_verify_locations(cadata=b"".join(certificates))


def stats(context: ssl.SSLContext) -> dict[str, int]:
    """How many certificates *context* has, and how many of them are CAs', as ``cert_store_stats()`` counts them."""
    found = context.cert_store_stats()
    _forget_errors()
    return found


def authorities(context: ssl.SSLContext) -> list[bytes]:
    """The CAs (DER) of *context*, but for those in its folder that it did not look for."""
    found = context.get_ca_certs(binary_form=True)
    _forget_errors()
    return found


def _add(context: ssl.SSLContext, der: bytes) -> bool:
    """Whether OpenSSL reads the certificates in *der*, which *context* has then."""
    # What the user's own calls left behind is forgotten with the first error. What was added once is not added again.
    for _ in range(2 if _LEAVES_ERRORS else 1):
        with contextlib.suppress(ssl.SSLError):
            context.load_verify_locations(cadata=der)
            return True
    return False


def _forget_errors() -> None:
    if _LEAVES_ERRORS:  # pragma: no cover  # Python 3.11's ssl alone does
        with contextlib.suppress(ssl.SSLError):
            _unwatched().load_verify_locations(cadata=_NO_CERTIFICATE)


@functools.cache
def _unwatched() -> _ssl._SSLContext:  # pragma: no cover  # as above
    """A context for nothing else. The queue is the thread's, whichever context is used.

    Of the class in C: a block takes what is done to another context for a change of its CAs.
    """
    return _ssl._SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # noqa: SLF001  # it has no public name
