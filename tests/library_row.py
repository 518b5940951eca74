"""One use of a real library, as tests/test_libraries.py makes it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from servers import verify_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

# Our own words, and what pymongo makes of them.
_STALE = ("block in which this connection was opened has ended", "connection is already closed")


@dataclass(frozen=True)
class Row:
    """One way to use a library.

    Args:
        name: what is used, as the table in docs/reference/libraries.md names it.
        opened: makes the library's client for a server, with its own option for CAs set to a file, or left alone, and
            closes it at the end of the ``with``. It gives what asks the server one thing.
        needs: the modules to import.
        server: which of library_servers.SERVERS it speaks to.
        option: the library's own option for CAs; ``None`` where it has none.
        after: what the client does at the first use after the block in which it connected: "reconnects", "raises"
            once and then reconnects, "raises until it is closed", or "connects anew" at each use, block or not.
    """

    name: str
    opened: Callable[[Any, Any], AbstractContextManager[Callable[[], Any]]]
    needs: tuple[str, ...]
    after: str
    option: str | None = None
    server: str = "http"

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [name for name in self.needs if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its package
        return False


def outcome(use: Callable[[], Any]) -> str:
    """Either "fetched", "refused" where the server could not be verified, or "stale"; other errors are raised."""
    try:
        answer = use()
    except Exception as error:
        words = _words(error)
        # Some libraries keep the error's words alone.
        if verify_failure(error) or "certificate verify failed" in words.lower():
            return "refused"
        if any(stale in words for stale in _STALE):
            return "stale"
        raise
    assert answer
    return "fetched"


def _words(error: BaseException | None) -> str:
    words, seen = "", set()
    while error is not None and error not in seen:
        seen.add(error)
        words += f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    return words
