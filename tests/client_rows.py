"""The clients that a block covers, one row each: those that wait for their answers."""

from __future__ import annotations

import base64
import contextlib
import http.client
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import urllib3
from client import Client, botocore, httpx, httpx2, requests

if TYPE_CHECKING:
    from collections.abc import Callable


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
    ),
    Client("`http.client`, `xmlrpc.client`", _build_connection, _begin_over_connection),
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
_GETS = (Client("`httpx.get`, `httpx.stream`", lambda _proxy: httpx, _begin_by_get),)


def _of_httpx(library: Any) -> Client:
    return Client(
        f"`{library.__name__}.Client`",
        lambda _proxy: library.Client(),
        _begin_by_httpx,
        lambda client: client.close(),
        keeps=True,
    )


ROWS = (
    *_URLLIB,
    *_URLLIB3,
    *(_REQUESTS if requests else ()),
    *(_BOTOCORE if botocore else ()),
    *(_GETS if httpx else ()),
    *(_of_httpx(library) for library in (httpx, httpx2) if library),
)
