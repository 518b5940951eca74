"""A failure in words: what happened, what was presented, what was trusted, and what to do."""

from __future__ import annotations

import ssl
import time

from ..core import handshake
from ..core.certificate import printable
from ..core.redaction import redact
from ..sources.environment import PRECEDENCE
from . import anchors, walk
from .causes import of_verification
from .connecting import of_connection
from .failure import Failure, code_in, day

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.certificate import Certificate
    from ..core.handshake import Presented
    from ..core.trust import Trust
    from .failure import Cause

_LONGEST_SOURCE = 400
_LINKS_SHOWN = 4
_CAS_SHOWN = 2


class Explanation:
    """Why a connection failed; ``str()`` of it is what a block adds to the exception.

    Attributes:
        cause: a stable name, such as ``"inspected"``, ``"missing-intermediate"``, ``"expired"`` or ``"dns"``.
        host: the name or address that was asked for, where it is known.
        happened: what happened, in one line.
        presented: the certificates that the server presented, in one line; empty where they are not known.
        trusted: what they were verified by, in one line; empty where nothing was verified.
        likely: what that most likely means.
        next: what to do, with the line of code that cures it where there is one.
    """

    __module__ = "trusted_context"
    __slots__ = ("cause", "happened", "host", "likely", "next", "presented", "trusted")

    def __init__(self, cause: Cause, *, host: str | None, presented: str = "", trusted: str = "") -> None:
        self.cause = cause.name
        self.host = host
        self.happened = cause.happened
        self.presented = presented
        self.trusted = trusted
        self.likely = cause.likely
        self.next = cause.next

    def __str__(self) -> str:
        lines = [self.happened]
        lines += [f"  {name:<9}  {text}" for name in _LINES if (text := getattr(self, name))]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Explanation {self.cause}: {self.happened}>"


_LINES = ("presented", "trusted", "likely", "next")


def explain(error: BaseException) -> Explanation | None:
    """Say why a connection failed, from any exception that carries such a failure; ``None`` where none does.

    It may be wrapped by urllib, requests, urllib3, httpx, aiohttp or others, be the cause or the context of another
    error, one of a group, or be left as its text alone. Nothing is connected to.

    Args:
        error: what was raised.

    Raises:
        TypeError: *error* is no exception.
    """
    if not isinstance(error, BaseException):
        raise TypeError(f"explain() takes the exception that was raised, not {type(error).__name__}")
    errors = walk.carried(error)
    failed = [one for one in errors if isinstance(one, ssl.SSLCertVerificationError)]
    if failed:
        # aiohttp's own are of that type too, without OpenSSL's code.
        known = (next((one for one in failed if test(one)), None) for test in (handshake.presented, _has_code))
        return _of_verification(next(filter(None, known), failed[0]), errors)
    host = _host_in(errors)
    told = next((text for one in errors for text in walk.texts(one) if handshake.FAILED in text), None)
    if told is not None:
        return _of_text(told, host)
    cause = of_connection(errors, host)
    return Explanation(cause, host=host) if cause else None


def _has_code(error: ssl.SSLCertVerificationError) -> bool:
    return getattr(error, "verify_code", None) is not None


def _of_verification(error: ssl.SSLCertVerificationError, errors: list[BaseException]) -> Explanation:
    code = getattr(error, "verify_code", None)
    message = str(getattr(error, "verify_message", None) or " ".join(walk.texts(error)))
    found = handshake.presented(error)
    if found is not None:
        return _of_presented(code, message, found)
    failure = Failure(code, message, host=_host_in(errors), truster=_ANY_CONTEXT)
    # OpenSSL's have a number; others are the operating system's, by truststore, which may be a block's.
    by_openssl = bool(error.args) and isinstance(error.args[0], int)
    return Explanation(of_verification(failure), host=failure.host, trusted=_NOT_THE_BLOCKS if by_openssl else "")


def _of_presented(code: int | None, message: str, found: Presented) -> Explanation:
    failure = Failure(code, message, host=found.host, chain=found.chain, trust=found.trust)
    presented, trusted = _describe_chain(failure), _describe_trust(found)
    return Explanation(of_verification(failure), host=failure.host, presented=presented, trusted=trusted)


def _of_text(text: str, host: str | None) -> Explanation:
    said = text[text.index(handshake.FAILED) :]
    found = handshake.presented_with(text)
    if found is not None:
        return _of_presented(code_in(said), said, found)
    failure = Failure(code_in(said), said, host=host, truster=_ANY_CONTEXT)
    return Explanation(of_verification(failure), host=failure.host)


_ANY_CONTEXT = "the context it was verified by"
_NOT_THE_BLOCKS = (
    "by a context that is not a block's: the caller's own, which a block leaves alone, or that of a client which no "
    "block covers"
)


def _describe_trust(found: Presented) -> str:
    trust = found.trust
    if found.source is not None:
        source = printable(redact(found.source), longest=_LONGEST_SOURCE)
        if any(source.startswith(f"{name}=") for names in PRECEDENCE for name in names):
            source = f"the environment variable {source}"
    elif trust is None:
        return ""
    elif trust.native:
        source = "the operating system's store"
    else:
        source = f"{len(trust.anchors)} {'certificate' if len(trust.anchors) == 1 else 'certificates'}"
    return source if trust is None else f"{source}{_describe_cas(trust)}{'; strict' if trust.strict else ''}"


def _describe_cas(trust: Trust) -> str:
    if trust.native or trust.folder or len(trust.anchors) > _CAS_SHOWN:
        return ""
    return f" ({', '.join(map(_describe_ca, cas))})" if (cas := anchors.of_trust(trust)) else ""


def _describe_ca(ca: Certificate) -> str:
    now = time.time()
    if ca.not_after and ca.not_after < now:
        return f'"{ca.subject}", expired {day(ca.not_after)}'
    if ca.not_before and ca.not_before > now:
        return f'"{ca.subject}", valid from {day(ca.not_before)}'
    return f'"{ca.subject}"'


def _describe_chain(failure: Failure) -> str:
    path = failure.path
    top = failure.top
    if top is None:
        return ""
    names = [one.subject for one in path]
    if len(names) > _LINKS_SHOWN:
        names = [*names[: _LINKS_SHOWN - 1], "...", names[-1]]
    # Of what is not sent nobody knows the fingerprint, and nobody asks for that of a certificate below it.
    last = f" (sha256 {top.sha256})" if top.self_issued else f" \N{LEFTWARDS ARROW} {top.issuer} (not sent)"
    loose = len(failure.chain) - len(path)
    beside = f"; and {loose} that {'does' if loose == 1 else 'do'} not belong to it" if loose else ""
    shown = " \N{LEFTWARDS ARROW} ".join(names)
    return f"{shown}{last}{beside}"


def _host_in(errors: list[BaseException]) -> str | None:
    """The host that a client's error names, by what it holds."""
    ours = (found.host for one in errors if (found := handshake.presented(one)))
    theirs = (_host_of(held) for one in errors for held in walk.attributes(one).values() if walk.is_a_clients(held))
    return next(filter(None, (*ours, *theirs)), None)


def _host_of(held: Any) -> str | None:
    # urllib3's pool and aiohttp's connection key have a host, requests' and httpx's request has a URL.
    host = getattr(held, "host", None)
    if isinstance(host, str):
        return host
    url = getattr(held, "url", None)
    if url is None:
        return None
    from urllib.parse import urlsplit

    try:
        return urlsplit(str(url)).hostname
    except ValueError:
        return None
