"""A failure in words: what happened, what was presented, what was trusted, and what to do."""

from __future__ import annotations

import ssl
import time

from . import _anchors, _handshake, _live, _walk
from ._causes import of_verification
from ._certificate import printable
from ._connecting import of_connection
from ._environ import PRECEDENCE
from ._failure import Failure, code_in, day
from ._redact import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._certificate import Certificate
    from ._failure import Cause
    from ._handshake import Presented
    from ._resolved import Resolved
    from ._trust import Trust

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
    return explain_in(error, None)


def explain_in(error: BaseException, resolved: Resolved | None) -> Explanation | None:
    """The same, where *resolved* is what the block trusts that *error* leaves."""
    errors = _walk.carried(error)
    failed = [one for one in errors if isinstance(one, ssl.SSLCertVerificationError)]
    failed.sort(key=lambda one: _handshake.presented(one) is None)
    if failed:
        return _of_verification(failed[0], errors, resolved)
    host = _host_in(errors)
    told = next((text for one in errors for text in _walk.texts(one) if _handshake.FAILED in text), None)
    if told is not None:
        return _of_text(told, host, resolved)
    cause = of_connection(errors, host)
    return Explanation(cause, host=host) if cause else None


def _of_verification(
    error: ssl.SSLCertVerificationError, errors: list[BaseException], resolved: Resolved | None
) -> Explanation:
    # One that a library made, without OpenSSL's code: urllib3's and http.client's own matching of names.
    code = getattr(error, "verify_code", None)
    message = str(getattr(error, "verify_message", None) or " ".join(_walk.texts(error)))
    if code is None and ("doesn't match" in message or "no appropriate" in message):
        code = 62
    found = _handshake.presented(error)
    anybodys = any(one.trust.native for one in _all_resolved(resolved))  # it may have been verified by the system
    by_whom = True if found else None if anybodys else False
    return _of_facts(code, message, found, _host_in(errors), resolved, by_whom=by_whom)


def _of_text(text: str, host: str | None, resolved: Resolved | None) -> Explanation:
    found = _handshake.presented_with(text)
    said = text[text.index(_handshake.FAILED) :]
    return _of_facts(code_in(said), said, found, host, resolved, by_whom=None)


def _of_facts(  # noqa: PLR0913  # all that is known
    code: int | None,
    message: str,
    found: Presented | None,
    host: str | None,
    resolved: Resolved | None,
    *,
    by_whom: bool | None,
) -> Explanation:
    trust = found.trust if found else None
    failure = Failure(
        code,
        message,
        host=(found.host if found else None) or host,
        chain=found.chain if found else (),
        trust=trust,
        truster="this block" if found else "the context it was verified by",
    )
    cause = of_verification(failure)
    if trust is not None:
        trusted = _describe_trust(trust, _resolved_of(trust, resolved))
    else:
        trusted = _NOT_THE_BLOCKS if by_whom is False else ""
    return Explanation(cause, host=failure.host, presented=_describe_chain(failure), trusted=trusted)


_NOT_THE_BLOCKS = (
    "by a context that is not a block's: the caller's own, which a block leaves alone, or that of a client which no "
    "block covers"
)


def _resolved_of(trust: Trust, resolved: Resolved | None) -> Resolved | None:
    """What says where *trust* came from: the block that is left, or a live one that trusts the same."""
    return next((one for one in _all_resolved(resolved) if one.trust == trust), None)


def _all_resolved(first: Resolved | None) -> list[Resolved]:
    live = [entry.resolved for entry in _live.all_live()]
    return live if first is None else [first, *live]


def _describe_trust(trust: Trust, resolved: Resolved | None) -> str:
    if resolved is not None:
        source = printable(redact(resolved.summary), longest=_LONGEST_SOURCE)
        if any(source.startswith(f"{name}=") for names in PRECEDENCE for name in names):
            source = f"the environment variable {source}"
    elif trust.native:
        source = "the operating system's store"
    else:
        source = f"{len(trust.anchors)} {'certificate' if len(trust.anchors) == 1 else 'certificates'}"
    strict = "; strict" if trust.strict else ""
    return f"{source}{_describe_cas(trust)}{strict}"


def _describe_cas(trust: Trust) -> str:
    if trust.native or trust.folder or len(trust.anchors) > _CAS_SHOWN:
        return ""
    return f" ({', '.join(map(_describe_ca, cas))})" if (cas := _anchors.of_trust(trust)) else ""


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
    unsent = "" if top.self_issued else f" \N{LEFTWARDS ARROW} {top.issuer} (not sent)"
    loose = len(failure.chain) - len(path)
    beside = f"; and {loose} that {'does' if loose == 1 else 'do'} not belong to it" if loose else ""
    shown = " \N{LEFTWARDS ARROW} ".join(names)
    return f"{shown} (sha256 {top.sha256}){unsent}{beside}"


def _host_in(errors: list[BaseException]) -> str | None:
    """The host that a client's error names, read from what it holds: no code of theirs is run."""
    return next((host for one in errors for held in vars(one).values() if (host := _host_of(held))), None)


def _host_of(held: Any) -> str | None:
    if isinstance(held, (str, bytes, int, BaseException)) or held is None:
        return None
    # urllib3's pool and aiohttp's connection key have a host, requests' and httpx's request has a URL.
    kept = getattr(held, "__dict__", {})
    host = kept.get("host", held.host if isinstance(held, tuple) and hasattr(held, "host") else None)
    if isinstance(host, str) and host:
        return host
    url = kept.get("url")
    if isinstance(url, str):
        from urllib.parse import urlsplit

        return urlsplit(url).hostname
    host = getattr(url, "host", None)
    return host if isinstance(host, str) else None
