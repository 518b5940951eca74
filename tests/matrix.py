"""The clients that a block covers, one row each, and what is seen of each of them on real connections."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import http.client
import os
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import urllib3
from servers import BODY, ConnectProxy, Server, all_closed, serving, verify_failure, write_ca

from trusted_context import trusted_context

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import requests
except ImportError:
    requests = None
try:
    import aiohttp
except ImportError:
    aiohttp = None
try:
    import fsspec
except ImportError:
    fsspec = None
try:
    import botocore.awsrequest
    import botocore.httpsession
except ImportError:
    botocore = None

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
        except (OSError, urllib3.exceptions.HTTPError) as error:
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


# --- botocore


def _build_botocore_session(proxy: str | None) -> Any:
    return botocore.httpsession.URLLib3Session(proxies={"https": proxy} if proxy else None, timeout=20)


def _begin_by_botocore(session: Any, url: str, _proxy: str | None) -> Callable[[], bytes]:
    request = botocore.awsrequest.AWSRequest("GET", url, stream_output=True)
    try:
        response = session.send(request.prepare())
    except botocore.exceptions.SSLError as error:
        raise error.kwargs["error"] from error
    return lambda: response.content


# --- asyncio, on an event loop of the client's own, in a copy of the caller's context as a task has it


class Loop:
    """An event loop, and what its client keeps for later."""

    def __init__(self, kept: Callable[[], Any] | None = None) -> None:
        self.runner = asyncio.Runner()
        self.kept = None if kept is None else self.run(kept)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the coroutine function returns."""
        return self.runner.run(function(*args), context=contextvars.copy_context())

    def close(self) -> None:
        """Close what was kept, and the loop."""
        if self.kept is not None:
            self.run(self.kept.close)
        self.run(all_closed)
        self.runner.close()


def _begin_by_open_connection(loop: Loop, url: str, _proxy: str | None) -> Callable[[], bytes]:
    target = urllib.parse.urlsplit(url)

    async def begin() -> Any:
        reader, writer = await asyncio.open_connection(target.hostname, target.port, ssl=True)
        writer.write(f"GET {target.path} HTTP/1.0\r\n\r\n".encode())
        return reader, writer

    async def read(reader: Any, writer: Any) -> bytes:
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.partition(b"\r\n\r\n")[2]

    streams = loop.run(begin)
    return lambda: loop.run(read, *streams)


# --- aiohttp


async def _make_aiohttp_session() -> Any:
    return aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(20))


def _begin_by_aiohttp(loop: Loop, url: str, _proxy: str | None) -> Callable[[], bytes]:
    async def begin() -> Any:
        return await loop.kept.get(url, raise_for_status=True)

    response = loop.run(begin)
    return lambda: loop.run(response.read)


def _begin_by_aiohttp_request(loop: Loop, url: str, proxy: str | None) -> Callable[[], bytes]:
    async def begin() -> Any:
        manager = aiohttp.request("GET", url, proxy=proxy, raise_for_status=True)
        return manager, await manager.__aenter__()

    async def read(manager: Any, response: Any) -> bytes:
        try:
            return await response.read()
        finally:
            await manager.__aexit__(None, None, None)

    begun = loop.run(begin)
    return lambda: loop.run(read, *begun)


# --- fsspec


def _build_file_system(_proxy: str | None) -> Any:
    return fsspec.filesystem("https", skip_instance_cache=True, client_kwargs={"trust_env": True})


def _begin_by_fsspec(files: Any, url: str, _proxy: str | None) -> Callable[[], bytes]:
    file = files.open(url, block_size=0)  # as it comes, not by ranges

    def read() -> bytes:
        with file:
            return file.read()

    return read


def _close_file_system(files: Any) -> None:
    if files._session is not None:
        fsspec.asyn.sync(files.loop, files._session.close)


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

_BOTOCORE = (
    Client(
        "`botocore`, boto3",
        _build_botocore_session,
        _begin_by_botocore,
        lambda session: session.close(),
        keeps=True,
    ),
)
_ASYNCIO = (
    Client(
        "`asyncio.open_connection(ssl=True)`",
        lambda _proxy: Loop(),
        _begin_by_open_connection,
        Loop.close,
        proxied=False,
    ),
)
_AIOHTTP = (
    Client(
        "`aiohttp.ClientSession`",
        lambda _proxy: Loop(_make_aiohttp_session),
        _begin_by_aiohttp,
        Loop.close,
        keeps=True,
    ),
    Client("`aiohttp.request`", lambda _proxy: Loop(), _begin_by_aiohttp_request, Loop.close),
)
# Its connections are kept, too: test_fsspec.py. An open() asks for the size first, by one request or two.
_FSSPEC = (Client("`fsspec` over https", _build_file_system, _begin_by_fsspec, _close_file_system),)

# A row each: what else a block may cover is added here.
CLIENTS = (
    *_URLLIB,
    *_URLLIB3,
    *(_REQUESTS if requests else ()),
    *(_BOTOCORE if botocore else ()),
    *_ASYNCIO,
    *(_AIOHTTP if aiohttp else ()),
    *(_FSSPEC if aiohttp and fsspec else ()),
)


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
