"""What a server presented, kept with the error of the handshake that failed on it: no second connection is needed."""

from __future__ import annotations

import ssl

from ._certificate import Certificate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._trust import Trust

_ATTRIBUTE = "_trusted_context_presented"


class Presented:
    """What was presented at a handshake that failed.

    Args:
        host: the name or address that was asked for; ``None`` where the client gave none.
        chain: the certificates, the server's first; unverified.
        trust: what they were to be verified by.
    """

    __slots__ = ("chain", "host", "trust")

    def __init__(self, host: str | None, chain: tuple[Certificate, ...], trust: Trust | None) -> None:
        self.host = host
        self.chain = chain
        self.trust = trust

    def __reduce__(self) -> tuple[object, ...]:
        # Errors are pickled with all they hold, to come back from a worker process; contexts cannot be.
        return Presented, (self.host, self.chain, None)


def presented(error: BaseException) -> Presented | None:
    """What the server presented, where *error* is a verification failure in a context of ours."""
    found: Presented | None = getattr(error, _ATTRIBUTE, None)
    return found


class Socket(ssl.SSLSocket):
    """The standard library's socket, which keeps with a verification failure what was presented."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT002  # as it is there
        try:
            super().do_handshake(block)
        except ssl.SSLCertVerificationError as error:
            _keep(error, self)
            raise


class Object(ssl.SSLObject):
    """The same for connections that somebody else carries, such as asyncio's."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            _keep(error, self)
            raise


def _keep(error: ssl.SSLCertVerificationError, connection: Any) -> None:
    trust = getattr(connection.context, "trust", None)
    setattr(error, _ATTRIBUTE, Presented(connection.server_hostname, read_chain(connection), trust))


def read_chain(connection: Any) -> tuple[Certificate, ...]:
    """The certificates that the other side of *connection* presented, its own first; none of them need be genuine."""
    # Public from Python 3.13 on, and there without the readings of get_info().
    sslobj = getattr(connection, "_sslobj", None)
    found = sslobj.get_unverified_chain() if sslobj is not None else None
    return tuple(_read(certificate) for certificate in found or ())


def _read(certificate: Any) -> Certificate:
    try:
        info = certificate.get_info()
    except (ValueError, ssl.SSLError, OSError):  # names or dates that CPython cannot read
        info = {}
    return Certificate(certificate.public_bytes(_DER), info)


# ssl.ENCODING_DER in _ssl alone
_DER = 2
