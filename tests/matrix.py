"""The clients that a block covers, one row each, and what is seen of each of them on real connections."""

from __future__ import annotations

import base64
import contextlib
import http.client
import importlib
import os
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import urllib3
from servers import BODY, ConnectProxy, Server, serving, verify_failure, write_ca

from trusted_context import trusted_context

if TYPE_CHECKING:
    from collections.abc import Callable


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


requests, httpx, httpx2, trio = map(_installed, ("requests", "httpx", "httpx2", "trio"))
_ERRORS = (OSError, urllib3.exceptions.HTTPError, *(library.HTTPError for library in (httpx, httpx2) if library))

USER, PASSWORD = "user", "p@ss"


@dataclass(frozen=True)
class Client:
    """One kind of client.

    Args:
        name: as the README calls it.
        build: make one, given the URL of the proxy to use, with user and password, or None.
        begin: ask for a URL, and return what reads the answer's body to its end. It gets what *build* made, the URL,
            and the proxy again, for those that are told it at every request. Most find it in the environment.
        close: close what *build* made.
        direct: it can do without a proxy.
        proxied: it can use one.
        keeps: it keeps connections open for later requests.
        bakes: it reads the environment's trust when it is made, and keeps it.
    """

    name: str
    build: Callable[[str | None], Any]
    begin: Callable[[Any, str, str | None], Callable[[], bytes]]
    close: Callable[[Any], None] = lambda _client: None
    direct: bool = True
    proxied: bool = True
    keeps: bool = False
    bakes: bool = False

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


# --- the standard library


def _reading(response: Any) -> Callable[[], bytes]:
    def read() -> bytes:
        with response:
            return response.read()

    return read


def _build_connection(proxy: str | None) -> Callable[[str], http.client.HTTPSConnection]:
    """One HTTPSConnection, made at once; where it leads is only known at the first request."""
    connection = http.client.HTTPSConnection("localhost", timeout=20)

    def lead(url: str) -> http.client.HTTPSConnection:
        target = urllib.parse.urlsplit(url)
        via = urllib.parse.urlsplit(proxy or url)
        connection.host, connection.port = via.hostname, via.port
        if proxy:
            connection.set_tunnel(target.hostname, target.port, {"Proxy-Authorization": _basic(via)})
        return connection

    return lead


def _basic(via: urllib.parse.SplitResult) -> str:
    credentials = f"{urllib.parse.unquote(via.username)}:{urllib.parse.unquote(via.password)}"
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def _begin_over_connection(lead: Any, url: str, _proxy: str | None) -> Callable[[], bytes]:
    connection = lead(url)
    try:
        connection.request("GET", urllib.parse.urlsplit(url).path)
        return _reading(connection.getresponse())
    finally:
        connection.close()


# --- urllib3


def _begin_by_urllib3(manager: Any, url: str, _proxy: str | None) -> Callable[[], bytes]:
    response = manager.request("GET", url, preload_content=False, retries=False, timeout=20)

    def read() -> bytes:
        try:
            return response.read()
        finally:
            response.release_conn()

    return read


def _build_proxy_manager(proxy: str | None) -> urllib3.ProxyManager:
    headers = {"Proxy-Authorization": _basic(urllib.parse.urlsplit(proxy))}
    return urllib3.ProxyManager(proxy, proxy_headers=headers)


# --- requests


def _build_session(_proxy: str | None) -> Any:
    return requests.Session()


def _build_session_without_environment(proxy: str | None) -> Any:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": proxy} if proxy else {}
    return session


def _begin_by_requests(session: Any, url: str, _proxy: str | None) -> Callable[[], bytes]:
    response = session.get(url, stream=True, timeout=20)
    response.raise_for_status()
    return lambda: response.content


# --- httpx and httpx2


def _begin_by_get(library: Any, url: str, _proxy: str | None) -> Callable[[], bytes]:
    stack = contextlib.ExitStack()
    response = stack.enter_context(library.stream("GET", url, timeout=20))

    def read() -> bytes:
        with stack:
            return response.read()

    return read


def _begin_by_httpx(client: Any, url: str, _proxy: str | None) -> Callable[[], bytes]:
    response = client.send(client.build_request("GET", url, timeout=20), stream=True)

    def read() -> bytes:
        try:
            return response.read()
        finally:
            response.close()

    return read


class _OnLoop:
    """An asynchronous client on an event loop of its own, whose calls run in the context of their caller."""

    def __init__(self, client: Any, backend: str) -> None:
        from anyio.from_thread import start_blocking_portal

        self._client = client
        self._loop = contextlib.ExitStack()
        self._call = self._loop.enter_context(start_blocking_portal(backend)).call

    def begin(self, url: str, _proxy: str | None) -> Callable[[], bytes]:
        request = self._client.build_request("GET", url, timeout=20)
        response = self._call(lambda: self._client.send(request, stream=True))

        def read() -> bytes:
            try:
                return self._call(response.aread)
            finally:
                self._call(response.aclose)

        return read

    def close(self) -> None:
        with self._loop:
            self._call(self._client.aclose)


_URLLIB = (
    Client(
        "`urllib.request.urlopen`, `urlretrieve`: torchvision, torch.hub, torchaudio, scikit-learn, Keras, pandas, ...",
        lambda _proxy: None,
        lambda _client, url, _proxy: _reading(urllib.request.urlopen(url, timeout=20)),
    ),
    Client(
        "`urllib.request.build_opener()`",
        lambda _proxy: urllib.request.build_opener(),
        lambda opener, url, _proxy: _reading(opener.open(url, timeout=20)),
        bakes=sys.version_info >= (3, 12),
    ),
    Client("`http.client`, `xmlrpc.client`", _build_connection, _begin_over_connection, bakes=True),
)
_URLLIB3 = (
    Client(
        "`urllib3.request`",
        lambda _proxy: urllib3,
        _begin_by_urllib3,
        lambda _client: urllib3._DEFAULT_POOL.clear(),
        proxied=False,
        keeps=True,
    ),
    Client(
        "`urllib3.PoolManager`",
        lambda _proxy: urllib3.PoolManager(),
        _begin_by_urllib3,
        lambda manager: manager.clear(),
        proxied=False,
        keeps=True,
    ),
    Client(
        "`urllib3.ProxyManager`",
        _build_proxy_manager,
        _begin_by_urllib3,
        lambda manager: manager.clear(),
        direct=False,
        keeps=True,
    ),
)
_REQUESTS = (
    Client(
        "`requests.get` and the like: gdown (torchvision's Google Drive data sets), pooch, kagglehub, spaCy, ...",
        lambda _proxy: requests,
        _begin_by_requests,
    ),
    Client("`requests.Session`", _build_session, _begin_by_requests, lambda session: session.close(), keeps=True),
    Client(
        "`requests.Session` with `trust_env=False`",
        _build_session_without_environment,
        _begin_by_requests,
        lambda session: session.close(),
        keeps=True,
    ),
)


def _of_httpx(library: Any) -> tuple[Client, ...]:
    name = library.__name__
    gets = Client(f"`{name}.get`, `{name}.stream`", lambda _proxy: library, _begin_by_get)
    client = Client(
        f"`{name}.Client`",
        lambda _proxy: library.Client(),
        _begin_by_httpx,
        lambda client: client.close(),
        keeps=True,
    )
    by_asyncio = _asynchronous(f"`{name}.AsyncClient`", library, "asyncio")
    by_trio = _asynchronous(f"`{name}.AsyncClient` under trio", library, "trio")
    if library is httpx2:
        return (client, by_asyncio)
    return (gets, client, by_asyncio, *((by_trio,) if trio else ()))


def _asynchronous(name: str, library: Any, backend: str) -> Client:
    return Client(
        name, lambda _proxy: _OnLoop(library.AsyncClient(), backend), _OnLoop.begin, _OnLoop.close, keeps=True
    )


_HTTPX = tuple(row for library in (httpx, httpx2) if library for row in _of_httpx(library))

# A row each: what else a block may cover is added here.
CLIENTS = (*_URLLIB, *_URLLIB3, *(_REQUESTS if requests else ()), *_HTTPX)


@dataclass(frozen=True)
class Row:
    """What was seen of one client; None where it cannot go that way."""

    name: str
    inside: bool
    built_before: bool
    ordinary_after: bool
    proxy: bool | None


def coverage(ca: Any, folder: Any) -> list[Row]:
    """A row for each client, from connections to a server that *ca* (trustme's) signed for; *folder* is to write in."""
    cafile = write_ca(ca, folder / "coverage.pem")
    with (
        serving(Server(ca.issue_cert("localhost"))) as server,
        serving(ConnectProxy(f"{USER}:{PASSWORD}")) as proxy,
    ):
        return [_measure(client, server.url, proxy, cafile) for client in CLIENTS]


def with_credentials(proxy: ConnectProxy) -> str:
    """The proxy's URL, with user and password as they are written in one."""
    return proxy.url.replace("//", f"//{USER}:{urllib.parse.quote(PASSWORD)}@")


def _measure(client: Client, url: str, proxy: ConnectProxy, cafile: Any) -> Row:
    seen = {route: _covered(client, url, with_credentials(proxy), route, cafile) for route in client.routes}
    inside, before, after = seen[client.routes[0]]
    through = seen.get("proxy")
    return Row(client.name, inside, before, after, None if through is None else all(through) and bool(proxy.tunnelled))


def _covered(client: Client, url: str, proxy: str, route: str, cafile: Any) -> tuple[bool, bool, bool]:
    with going(route, proxy) as via, contextlib.ExitStack() as stack:
        before = client.build(via)
        stack.callback(client.close, before)
        ordinary = client.outcome(before, url, via) == "refused"
        with trusted_context(cafile):
            made = client.build(via)
            stack.callback(client.close, made)
            inside = client.outcome(made, url, via) == "fetched"
            covered = client.outcome(before, url, via) == "fetched"
        after = [client.outcome(kept, url, via) == "refused" for kept in (before, made)]
    return inside, covered, ordinary and all(after)


@contextlib.contextmanager
def going(route: str, proxy: str) -> Any:
    """Give the URL of the proxy, which the environment names meanwhile, or None on the direct route."""
    urllib.request.install_opener(None)  # it keeps the proxies of the moment it was built at
    if route == "direct":
        yield None
        return
    with mock.patch.dict(os.environ, {"https_proxy": proxy}):
        yield proxy


def markdown(rows: list[Row]) -> str:
    """The README's table."""
    words = {True: "covered", False: "**no**", None: "it has none"}
    ordinary = {True: "as before it", False: "**no**"}
    lines = [
        "| client | made inside a block | made before, used inside | used after it | through a proxy, with password |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {words[row.inside]} | {words[row.built_before]} | {ordinary[row.ordinary_after]} "
        f"| {words[row.proxy]} |"
        for row in rows
    ]
    return "\n".join(lines)
