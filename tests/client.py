"""One kind of client, as the matrix uses it, and which of their libraries are installed."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3
from servers import BODY, verify_failure

if TYPE_CHECKING:
    from collections.abc import Callable


def _installed(name: str) -> Any:
    try:
        importlib.import_module(name)
    except ImportError:
        return None
    return sys.modules[name.partition(".")[0]]


requests, httpx, httpx2, trio = map(_installed, ("requests", "httpx", "httpx2", "trio"))
aiohttp, fsspec, botocore = map(_installed, ("aiohttp", "fsspec", "botocore.httpsession"))
_ERRORS = (OSError, urllib3.exceptions.HTTPError, *(library.HTTPError for library in (httpx, httpx2) if library))


@dataclass(frozen=True)
class Client:
    """One kind of client.

    Args:
        name: as the table of coverage calls it.
        build: make one, given the URL of the proxy to use, with user and password, or None.
        begin: ask for a URL, and return what reads the answer's body to its end. It gets what *build* made, the URL,
            and the proxy again, for those that are told it at every request. Most find it in the environment.
        close: close what *build* made.
        direct: it can do without a proxy.
        proxied: it can use one.
        keeps: it keeps connections open for later requests.
    """

    name: str
    build: Callable[[str | None], Any]
    begin: Callable[[Any, str, str | None], Callable[[], bytes]]
    close: Callable[[Any], None] = lambda _client: None
    direct: bool = True
    proxied: bool = True
    keeps: bool = False

    def fetch(self, client: Any, url: str, proxy: str | None = None) -> bytes:
        """What the URL holds."""
        return self.begin(client, url, proxy)()

    def outcome(self, client: Any, url: str, proxy: str | None = None) -> str:
        """Either "fetched", or "refused" where the server could not be verified; any other error is raised."""
        try:
            body = self.fetch(client, url, proxy)
        except _ERRORS as error:
            if verify_failure(error) is None:
                raise
            return "refused"
        return "fetched" if body == BODY else f"holds {body!r}"

    @property
    def routes(self) -> tuple[str, ...]:
        """The ways it can go."""
        return tuple(route for route, can in (("direct", self.direct), ("proxy", self.proxied)) if can)
