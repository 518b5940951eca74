"""What a server presented, kept with the error of the handshake that failed on it: no second connection is needed."""

from __future__ import annotations

import re
import ssl
import sys
from collections import deque

from .certificate import Certificate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .connections import Plan
    from .trust import Trust

_ATTRIBUTE = "_trusted_context_presented"
# What Python puts before OpenSSL's words.
FAILED = "CERTIFICATE_VERIFY_FAILED] certificate verify failed"
# The newest failures, by their text: some programs keep that of an error and throw the error away.
_recent: deque[tuple[str, Presented]] = deque(maxlen=8)
# Of a trust's certificates, in bytes: a few CAs of one's own.
_LONGEST_PICKLED = 16_384
# A URL, or urllib3's name for a pool.
_NAMES_A_HOST = re.compile(r"://|\bhost=")


class Presented:
    """What was presented at a handshake that failed.

    Args:
        host: the name or address that was asked for; ``None`` where the client gave none.
        chain: the certificates, the server's first; unverified, and none where it did not come to their verification.
        trust: what they were to be verified by.
        source: where that came from, in words, if a live block trusted it.
    """

    __slots__ = ("chain", "host", "source", "trust")

    def __init__(
        self, host: str | None, chain: tuple[Certificate, ...], trust: Trust | None, source: str | None = None
    ) -> None:
        self.host: str | None = host
        self.chain: tuple[Certificate, ...] = chain
        self.trust: Trust | None = trust
        self.source: str | None = source

    def __reduce__(self) -> tuple[object, ...]:
        # Errors are pickled with all they hold, to come back from a worker process. A system's store is too long for
        # that.
        is_short = self.trust is not None and sum(map(len, self.trust.anchors)) <= _LONGEST_PICKLED
        return Presented, (self.host, self.chain, self.trust if is_short else None, self.source)


def presented(error: BaseException) -> Presented | None:
    """What the server presented, where *error* is a handshake's in a context of ours."""
    return vars(error).get(_ATTRIBUTE)


def keep_with_wrapper(error: BaseException) -> None:
    """Keep with httpx's *error* what the handshake's has: it holds that as its cause alone, which is not pickled."""
    wrapped = error.__cause__
    # httpcore's error between them has lost its cause, and holds the handshake's as its argument.
    for one in wrapped.args[:1] if wrapped else ():
        found = presented(one) if isinstance(one, ssl.SSLError) else None
        if found is not None:
            vars(error)[_ATTRIBUTE] = found


def presented_with(text: str) -> Presented | None:
    """What was presented with the newest failure whose message *text* repeats, where that is one host's alone.

    OpenSSL's words are the same for every host: where the text names hosts, it is one of them or none.
    """
    found = [kept for message, kept in reversed(_recent.copy()) if message in text]
    named = [kept for kept in found if kept.host and kept.host in text]
    if named or _NAMES_A_HOST.search(text):
        found = named
    return found[0] if len({kept.host for kept in found}) == 1 else None


def watch(context: ssl.SSLContext, plan: Plan) -> None:
    """Let truststore's *context* keep with a failure what was presented, and end its connections with their block.

    It verifies in socket classes of its own, one pair a context, which are extended here and never replaced. Where a
    version of it has none, its failures come without a chain.
    """
    inner: Any = getattr(context, "_ctx", None)
    if not hasattr(inner, "sslsocket_class"):  # pragma: no cover  # no version yet
        return
    inner.sslsocket_class = _make_watched_socket(inner.sslsocket_class, plan)
    inner.sslobject_class = _make_watched_object(inner.sslobject_class, plan)


def _make_watched_socket(base: Any, plan: Plan) -> Any:
    class WatchedSocket(base):  # type: ignore[misc]  # a class found at run time
        _verifying = False

        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT002  # as it is there
            plan.check()
            self._verifying = True
            try:
                super().do_handshake(block)
            except ssl.SSLCertVerificationError as error:
                if presented(error) is None:  # pragma: no branch  # else it was closed, as below
                    keep(error, self, plan.trust, plan.source)
                raise
            finally:
                self._verifying = False

        def close(self) -> None:
            # truststore closes what it does not trust, and with that the chain is gone.
            error = sys.exception() if self._verifying else None
            if isinstance(error, ssl.SSLCertVerificationError):  # pragma: no cover  # on Windows and macOS alone
                keep(error, self, plan.trust, plan.source)
            super().close()

        def send(self, *args: Any, **kwargs: Any) -> Any:
            plan.check()
            return super().send(*args, **kwargs)

        def write(self, data: Any) -> Any:
            plan.check()
            return super().write(data)

    return WatchedSocket


def _make_watched_object(base: Any, plan: Plan) -> Any:
    class WatchedObject(base):  # type: ignore[misc]  # as above
        def do_handshake(self) -> None:
            plan.check(shaking_in_memory=True)
            try:
                super().do_handshake()
            except ssl.SSLCertVerificationError as error:
                keep(error, self, plan.trust, plan.source)
                raise

        def write(self, data: Any) -> Any:
            plan.check()
            return super().write(data)

    return WatchedObject


def keep(error: OSError, connection: Any, trust: Trust, source: str | None) -> None:
    """Keep with *error*, of the handshake of *connection*, what was presented, and what was to verify it."""
    if isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):  # how asyncio is told to carry on
        return
    try:
        unverified = isinstance(error, ssl.SSLCertVerificationError)
        found = Presented(connection.server_hostname, _chain_of(connection) if unverified else (), trust, source)
    except Exception:  # noqa: BLE001  # whatever goes wrong here, the handshake's failure is what must be seen
        return
    vars(error)[_ATTRIBUTE] = found
    if found.chain:
        _recent.append((str(error), found))


def _chain_of(connection: Any) -> tuple[Certificate, ...]:
    try:
        return read_chain(connection)
    except Exception:  # noqa: BLE001  # without a chain it is still known that the failure is that of a context of ours
        return ()


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
