"""No silent downgrade: what failed over https in a block is not fetched over plain http in it.

torchvision answers a failed download by asking for the same URL with ``http://``: whoever sits in between needs only to
break the TLS connection to be trusted without one.
"""

from __future__ import annotations

import sys
import weakref
from contextvars import ContextVar
from urllib.error import HTTPError, URLError
from urllib.parse import unwrap, urlsplit

from ..core import live
from ..core.lock import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core.live import Entry

# A bound for programs that try very many URLs in one block; the oldest failures are forgotten first.
_MAX_FAILURES = 1024


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
        return self._failures.get(rest)


_logs: weakref.WeakKeyDictionary[Entry, _Log] = weakref.WeakKeyDictionary()

# The http URL, without its scheme, that is being opened just now, and may redirect to its https twin.
_asked: ContextVar[str | None] = ContextVar("trusted_context_http_url", default=None)


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
    with lock:
        log = _logs.setdefault(entry, _Log())
    try:
        response = call(opener, fullurl, *args, **kwargs)
    except Exception as error:
        log.failed(rest, _without_frames(error))
        raise
    _watch(log, rest, response)
    return response


def _split(fullurl: Any) -> tuple[str, str]:
    """The scheme, and what two URLs that differ in it alone have in common."""
    try:
        text = fullurl if isinstance(fullurl, str) else fullurl.full_url
        url = urlsplit(unwrap(text))
    except (ValueError, AttributeError):  # urllib's own to complain of
        return "", ""
    # torchvision swaps the scheme by replacing it wherever it stands, also in a URL that is part of the query.
    rest = f"{url.path}?{url.query}".replace("https:", "http:")
    return url.scheme, f"//{url.netloc.lower()}{rest}"


def _refuse_repetition(rest: str) -> None:
    for entry in live.surrounding():
        log = _logs.get(entry)
        failure = log.failure(rest) if log else None
        if failure is not None:
            host = rest.removeprefix("//").partition("/")[0].rpartition("@")[2]
            raise URLError(
                f"refused to fetch from {host} over plain http what failed over https in this block ({failure}): "
                "cure that failure, or fetch the http URL outside the block"
            ) from failure


def _watch(log: _Log, rest: str, response: Any) -> None:
    """Count the URL as failed until *response* was read to its end: somebody may break it off in the middle."""
    close = getattr(type(response), "_close_conn", None)
    if close is None or response.isclosed() or response.length == 0:
        log.succeeded(rest)
        return
    log.failed(rest, URLError("its answer was not read to the end"))
    watched = weakref.ref(response)

    def close_conn() -> None:
        # http.client calls it at the end of the body, where that breaks off, and for a close() before the end.
        ended = watched()
        if ended is None:
            return
        if not (ended.closed or ended.length or (ended.chunked and sys.exception())):
            log.succeeded(rest)
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
