"""A failure in words: what happened, what was presented, what was trusted, and what to do."""

from __future__ import annotations

import re
import ssl
import time

from ..core import handshake
from ..core.certificate import printable
from ..core.redaction import show_host
from ..sources.environment import PRECEDENCE
from . import anchors, connecting, walk, workers
from .causes import of_verification
from .failure import Cause, Failure, day, host_in_words
from .table import KINDS, THAT_CA, said_in
from .uncovered import around, client_of, describe, is_native, needs_other_trust, not_covered, trusts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.certificate import Certificate
    from ..core.handshake import Presented
    from ..core.trust import Trust
    from .uncovered import Around

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
        self.cause: str = cause.name
        self.host: str | None = host
        self.happened: str = cause.happened
        self.presented: str = presented
        self.trusted: str = trusted
        self.likely: str = cause.likely
        self.next: str = cause.next

    def __str__(self) -> str:
        lines = [self.happened]
        lines += [f"  {name:<9}  {text}" for name in _LINES if (text := getattr(self, name))]
        lines.append(f"  more       trusted-context docs: errors/{self.cause}")  # docs/errors has a page for each
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from .. import _html

        return _html.of_explanation(self)

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
    found_there = workers.found_there(error)
    if found_there is not None:
        return found_there
    errors = walk.carried(error)
    failed = [one for one in errors if isinstance(one, ssl.SSLCertVerificationError)]
    if failed:
        # aiohttp's own are of that type too, without OpenSSL's code.
        known = (next((one for one in failed if test(one)), None) for test in (handshake.presented, _has_code))
        return _of_verification(next(filter(None, known), failed[0]), errors)
    for one in errors:
        said = next((found for found in walk.texts(one) if said_in(found)), None)
        if said is not None:
            return _of_text(said, one, errors)
    found = connecting.find(errors, by_a_client=any(map(walk.is_a_clients, errors)))
    if found is None:
        return None
    make, failure = found
    host = show_host(_host_of(failure, errors))
    return Explanation(make(host or "the server"), host=host)


def _has_code(error: ssl.SSLCertVerificationError) -> bool:
    return getattr(error, "verify_code", None) is not None


def _of_verification(error: ssl.SSLCertVerificationError, errors: list[BaseException]) -> Explanation:
    code = getattr(error, "verify_code", None)
    message = str(getattr(error, "verify_message", None) or " ".join(walk.texts(error)))
    found = handshake.presented(error)
    if found is not None:
        return _of_presented(code, message, found, error, errors)
    failure = Failure(code, message, host=_host_of(error, errors), truster=_ANY_CONTEXT)
    # OpenSSL's have a number; others are the operating system's, by truststore, which may be a block's.
    by_openssl = bool(error.args) and isinstance(error.args[0], int)
    uncovered = _uncovered(failure, error, errors) if by_openssl else None
    return uncovered or _explained(failure, trusted=_NOT_THE_BLOCKS if by_openssl else "")


def _of_presented(
    code: int | None, message: str, found: Presented, error: BaseException, errors: list[BaseException]
) -> Explanation:
    # A context that was handed out says no source, and may be used in its block or elsewhere.
    same = next((block.summary for block in around(error) if _is_of(found, block)), None)
    source = found.source or same
    of_a_block = source is not None
    truster = "this block" if of_a_block else "the block that the context was taken from"
    failure = Failure(code, message, host=found.host, chain=found.chain, trust=found.trust, truster=truster)
    presented, trusted = _describe_chain(failure), _describe_trust(found.trust, source)
    others = [block for block in around(error) if not _is_of(found, block) and trusts(block, failure.path)]
    if not others:
        return _explained(failure, presented=presented, trusted=trusted)
    if not of_a_block:
        cause = not_covered(failure, others[0], client_of(error, errors))
        if cause is not None:
            return Explanation(cause, host=failure.host, presented=presented, trusted=trusted)
    explanation = _explained(failure, presented=presented, trusted=trusted)
    if KINDS[explanation.cause].cure == THAT_CA:
        outer = _source_words(others[0].summary)
        explanation.next = f"leave out this block, since the one around it trusts that CA ({outer}); or give it both"
    return explanation


def _is_of(found: Presented, block: Around) -> bool:
    """Whether it was *block* that trusted what *found* was verified by."""
    if found.trust is None:  # it was pickled, and is too long to be taken along
        return found.source is not None and found.source == block.summary
    return block.trust == found.trust


def _of_text(text: str, error: BaseException, errors: list[BaseException]) -> Explanation:
    said = said_in(text)
    assert said
    found = handshake.presented(error)
    if found is None and said.by_python and not workers.came_back(errors):
        found = handshake.presented_with(text)
    if found is not None:
        return _of_presented(said.code, said.words, found, error, errors)
    host = host_in_words(said.words) or _host_in_text(text, said.place) or _host_of(error, errors)
    failure = Failure(said.code, text[said.place :], host=host, truster=_ANY_CONTEXT)
    # Python's own words may be those of a client that the block covers, and of which no more than the text is left.
    is_known = not said.by_python or workers.follows_no_block(errors)
    uncovered = _uncovered(failure, error, errors) if is_known else None
    return uncovered or _explained(failure)


def _uncovered(failure: Failure, error: BaseException, errors: list[BaseException]) -> Explanation | None:
    block = next(iter(around(error)), None)
    if block is None:
        return None
    client = client_of(error, errors)
    if not is_native(client) and needs_other_trust(failure) and workers.follows_no_block(errors):
        trusted = _source_words(workers.describe(block.summary))
        return Explanation(workers.cause_of(failure), host=failure.host, trusted=trusted)
    cause = not_covered(failure, block, client)
    if cause is None:
        return None
    return Explanation(cause, host=failure.host, trusted=_source_words(describe(block, client)))


def _explained(failure: Failure, *, presented: str = "", trusted: str = "") -> Explanation:
    return Explanation(of_verification(failure), host=failure.host, presented=presented, trusted=trusted)


_ANY_CONTEXT = "the context it was verified by"
_NOT_THE_BLOCKS = (
    "by a context that is not a block's: the caller's own, which a block leaves alone, or that of a client which no "
    "block covers"
)


def _describe_trust(trust: Trust | None, source: str | None) -> str:
    if source is not None:
        source = _source_words(source)
        if any(source.startswith(f"{name}=") for names in PRECEDENCE for name in names):
            source = f"the environment variable {source}"
    elif trust is None:
        return ""
    elif trust.native:
        source = "the operating system's store"
    else:
        source = f"{len(trust.anchors)} {'certificate' if len(trust.anchors) == 1 else 'certificates'}"
    return source if trust is None else f"{source}{_describe_cas(trust)}{'; strict' if trust.strict else ''}"


def _source_words(source: str) -> str:
    return printable(source, longest=_LONGEST_SOURCE)


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
    # A certificate that was not sent has no fingerprint to show, and IT is asked for the top one alone.
    last = f" (sha256 {top.sha256})" if top.self_issued else f" \N{LEFTWARDS ARROW} {top.issuer} (not sent)"
    loose = len(failure.chain) - len(path)
    beside = f"; and {loose} that {'does' if loose == 1 else 'do'} not belong to it" if loose else ""
    shown = " \N{LEFTWARDS ARROW} ".join(names)
    return f"{shown}{last}{beside}"


def _host_of(failure: BaseException, errors: list[BaseException]) -> str | None:
    """The host of *failure*, by what is nearest to it: its handshake, itself, or a client's error that wraps it."""
    found_there = walk.host_of_handshake(failure)
    if found_there:
        return found_there
    for one in walk.outwards(failure, errors):
        found = handshake.presented(one)
        if found is not None and found.host:
            return found.host
        if one is failure or walk.is_a_clients(one):
            for held in walk.attributes(one).values():
                host = _host_named_by(held) if walk.is_a_clients(held) else None
                if host:
                    return host
    return None


def _host_named_by(held: Any) -> str | None:
    # urllib3's pool and aiohttp's connection key have a host, requests' and httpx's request has a URL.
    from urllib.parse import urlsplit

    try:
        host = getattr(held, "host", None)
        if isinstance(host, str):
            return host
        url = urlsplit(str(held.url))
        return None if _MAY_BE_A_PASSWORD.search(f"{url.path}?{url.query}#{url.fragment}") else url.hostname
    except Exception:  # noqa: BLE001  # it is code of others, and there may be no host in it
        return None


# A password with a slash in it makes a host of what stands before that.
_MAY_BE_A_PASSWORD = re.compile(r"[^/]@")
# A URL's host, after user information where it has any (RFC 3986, 3.2).
_URLS_HOST = re.compile(
    r"https://(?:[^\s/?#'\"<>()\\@]{1,300}@)?(?P<host>[\w.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?=[:/?#'\"<>()\\\s,]|$)"
    r"(?!\S*[^\s/]@)"  # what stands before the slash may be a part of a password
)


def _host_in_text(text: str, place: int) -> str | None:
    """The host of the last URL before *place*, where the failure is told; what follows may be a page of advice."""
    found = _URLS_HOST.match(text, max(text.rfind("https://", 0, place), 0), place)
    return found["host"].strip("[]") if found else None
