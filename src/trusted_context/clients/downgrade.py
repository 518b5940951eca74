"""No silent downgrade: what failed over https in a block is not fetched over plain http in it, nor around it.

torchvision answers a failed download by asking for the same URL with ``http://``: whoever sits in between needs only to
break the TLS connection to be trusted without one. A failure counts in every block that was live around it.
"""

from __future__ import annotations

import sys
import weakref
from contextvars import ContextVar
from http.client import InvalidURL
from urllib.error import HTTPError, URLError
from urllib.request import Request

from ..core import live
from ..core.lock import lock
from ..core.redaction import show_error, show_url
from ..core.urls import normalise_authority, normalise_selector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core.live import Entry

# A bound for programs that try very many URLs in one block; the oldest failures are forgotten first.
_MAX_FAILURES = 1024


class RefusedDowngradeError(URLError):
    """What failed over https was asked for over plain http in the same block."""


class _Log:
    """What became of the https URLs that were asked for in one block, by the URL without its scheme."""

    def __init__(self) -> None:
        self._failures: dict[str, BaseException] = {}

    def failed(self, rest: str, error: BaseException) -> None:
        with lock:
            self._failures.setdefault(rest, error)
            if len(self._failures) > _MAX_FAILURES:
                del self._failures[next(iter(self._failures))]

    def succeeded(self, rest: str) -> None:
        with lock:
            self._failures.pop(rest, None)

    def failure(self, rest: str) -> BaseException | None:
        with lock:
            return self._failures.get(rest)


_logs: weakref.WeakKeyDictionary[Entry, _Log] = weakref.WeakKeyDictionary()

# The http URL, without its scheme, that is being opened just now, and may redirect to its https twin.
_asked: ContextVar[str | None] = ContextVar("trusted_context_http_url", default=None)


class _Attempt:
    """One https URL that is asked for, and the logs of every block around that."""

    def __init__(self, rest: str, governing: Entry) -> None:
        around = live.surrounding()
        self._rest = rest
        with lock:
            logs = {entry: _logs.setdefault(entry, _Log()) for entry in around}
        self._logs = tuple(logs.values())
        # What a laxer block took for an answer is none in a block around it that verifies more.
        laxer = governing.unverified
        self._pleased = tuple(log for entry, log in logs.items() if not live.verifies_more(entry.unverified, laxer))

    def failed(self, error: BaseException) -> None:
        for log in self._logs:
            log.failed(self._rest, error)

    def succeeded(self) -> None:
        for log in self._pleased:
            log.succeeded(self._rest)


def guarded(call: Callable[..., Any], opener: Any, fullurl: Any, *args: Any, **kwargs: Any) -> Any:
    """Open *fullurl* (a URL or a ``Request``) by *call*, unless that would repeat a failed https URL over http.

    Raises:
        URLError: it would; its cause is the first failure.
    """
    scheme, rest = _split(fullurl)
    entry = live.governing()
    if scheme == "http":
        _refuse_repetition(rest)
        token = _asked.set(rest)
        try:
            return call(opener, fullurl, *args, **kwargs)
        finally:
            _asked.reset(token)
    # Reached by a redirect from its own http URL, a failure says nothing against asking that again.
    if scheme != "https" or entry is None or rest == _asked.get():
        return call(opener, fullurl, *args, **kwargs)
    attempt = _Attempt(rest, entry)
    try:
        response = call(opener, fullurl, *args, **kwargs)
    except Exception as error:
        if not _is_about_the_url(error):
            attempt.failed(_without_frames(error))
        raise
    _watch(attempt, response)
    return response


def _is_about_the_url(error: Exception) -> bool:
    """Whether no connection was tried, since the URL is none: its http twin is to fail by the same error."""
    cannot_be_sent = isinstance(error, UnicodeError) and not isinstance(error, UnicodeDecodeError)
    return cannot_be_sent or isinstance(error, InvalidURL)


def _split(fullurl: Any) -> tuple[str, str]:
    """The scheme, and what two URLs that differ in it alone have in common."""
    try:
        # As urllib reads it: by what else a URL may be read otherwise, it would be another one than is asked for.
        request: Any = Request(fullurl) if isinstance(fullurl, str) else fullurl  # noqa: S310  # nothing is opened
        scheme = request.type
        host, selector = request._tunnel_host or request.host, request.selector
        if request.has_proxy():  # asked for before, through a proxy: host and selector are for that
            sent = Request(request.full_url)  # noqa: S310  # as above
            scheme, host, selector = "http" if scheme == "http" else sent.type, sent.host, sent.selector
        rest = normalise_selector(selector)
    except (ValueError, AttributeError):  # urllib's own to complain of
        return "", ""
    if not host:  # the same
        return "", ""
    # torchvision swaps the scheme by replacing it wherever it stands, also in a URL that is part of the query.
    return scheme, f"//{normalise_authority(host)}{rest}".replace("https:", "http:")


def _refuse_repetition(rest: str) -> None:
    for entry in reversed(live.surrounding()):
        with lock:
            log = _logs.get(entry)
        failure = log.failure(rest) if log else None
        if failure is not None:
            host = show_url(rest.removeprefix("//")).partition("/")[0].rpartition("@")[2]
            raise RefusedDowngradeError(
                f"refused to fetch from {host} over plain http what failed over https in this block "
                f"({show_error(failure)}): cure that failure, or fetch the http URL outside the block"
            ) from failure


def _watch(attempt: _Attempt, response: Any) -> None:
    """Count the URL as failed until *response* was read to its end: somebody may break it off in the middle."""
    close = getattr(type(response), "_close_conn", None)
    if close is None or response.isclosed() or response.length == 0:
        attempt.succeeded()
        return
    attempt.failed(URLError("its answer was not read to the end"))
    watched = weakref.ref(response)

    def close_conn() -> None:
        # http.client calls it at the end of the body, where that breaks off, and for a close() before the end.
        ended = watched()
        if ended is None:
            return
        if not (ended.closed or ended.length or (ended.chunked and sys.exception())):
            attempt.succeeded()
        close(ended)

    response._close_conn = close_conn


def _without_frames(error: BaseException) -> BaseException:
    """The failure without its traceback, whose frames would keep the caller's variables alive until the block ends."""
    if isinstance(error, HTTPError):  # it holds the open response as well
        return URLError(f"HTTP status {error.code}")
    if isinstance(error, URLError) and isinstance(error.reason, BaseException):
        return URLError(_without_frames(error.reason))
    if not isinstance(error, OSError):  # its text may repeat the URL, credentials included
        return URLError(type(error).__name__)
    try:
        copied = type(error)(*error.args)
    except TypeError:  # a constructor that wants other arguments than it keeps
        return URLError(type(error).__name__)
    copied.__dict__.update(vars(error))
    return copied
