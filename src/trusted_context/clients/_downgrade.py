"""No silent downgrade: what failed over https in a block is not fetched over plain http in it.

torchvision answers a failed download by asking for the same URL with ``http://``: whoever sits in between needs only to
break the TLS connection to be trusted without one.
"""

from __future__ import annotations

import weakref
from urllib.error import HTTPError, URLError
from urllib.parse import urldefrag

from .. import _live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._live import Entry

# A bound for programs that try very many URLs in one block; the oldest failures are forgotten first.
_MAX_FAILURES = 1024


class _Log:
    """What became of the https URLs that were asked for in one block, by the URL without its scheme."""

    def __init__(self) -> None:
        self._failures: dict[str, BaseException] = {}
        self._responses: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()

    def failed(self, rest: str, error: BaseException) -> None:
        self._failures.setdefault(rest, _without_frames(error))
        if len(self._failures) > _MAX_FAILURES:
            self._failures.pop(next(iter(self._failures)), None)

    def answered(self, rest: str, response: Any) -> None:
        self._failures.pop(rest, None)
        if hasattr(response, "length"):
            self._responses[rest] = response

    def failure(self, rest: str) -> BaseException | None:
        if rest in self._failures:
            return self._failures[rest]
        if _is_incomplete(self._responses.get(rest)):
            return URLError("its answer broke off before the end")
        return None


_logs: weakref.WeakKeyDictionary[Entry, _Log] = weakref.WeakKeyDictionary()


def guarded(call: Callable[..., Any], opener: Any, fullurl: Any, *args: Any, **kwargs: Any) -> Any:
    """Open *fullurl* (a URL or a ``Request``) by *call*, unless that would repeat a failed https URL over http.

    Raises:
        URLError: it would; its cause is the first failure.
    """
    url = fullurl if isinstance(fullurl, str) else fullurl.full_url
    scheme, _, rest = urldefrag(url).url.partition(":")
    # torchvision swaps the scheme by replacing it wherever it stands, also in a URL that is part of the query.
    rest = rest.replace("https:", "http:")
    entry = _live.governing()
    if scheme.lower() == "http":
        _refuse_repetition(rest)
    if scheme.lower() != "https" or entry is None:
        return call(opener, fullurl, *args, **kwargs)
    log = _logs.setdefault(entry, _Log())
    try:
        response = call(opener, fullurl, *args, **kwargs)
    except Exception as error:
        log.failed(rest, error)
        raise
    log.answered(rest, response)
    return response


def _refuse_repetition(rest: str) -> None:
    for entry in _live.surrounding():
        log = _logs.get(entry)
        failure = log.failure(rest) if log else None
        if failure is not None:
            host = rest.removeprefix("//").partition("/")[0].rpartition("@")[2]
            raise URLError(
                f"refused to fetch from {host} over plain http what failed over https in this block ({failure}): "
                "cure that failure, or fetch the http URL outside the block"
            ) from failure


def _is_incomplete(response: Any) -> bool:
    if response is None:
        return False
    if response.chunked:
        return response.chunk_left is not None
    return bool(response.length)


def _without_frames(error: BaseException) -> BaseException:
    """The failure without its traceback, whose frames would keep the caller's variables alive until the block ends."""
    if isinstance(error, HTTPError):  # it holds the open response as well
        return URLError(str(error))
    if isinstance(error, URLError) and isinstance(error.reason, BaseException):
        return URLError(_without_frames(error.reason))
    import copy

    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001  # a constructor that wants other arguments than it keeps can raise anything
        return URLError(str(error))
