"""Real libraries beside the named clients, one row each: those that wait for their answers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from unittest import mock

import library_rows_async
from library_row import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Opened = Iterator[Callable[[], Any]]


def _closing(client: Any, ask: Callable[[], Any]) -> Callable[[], Any]:
    """Ask, and close the client where its connection is of no use: httplib2 keeps that in its pool otherwise."""

    def use() -> Any:
        try:
            return ask()
        except ConnectionResetError:
            client.close()
            raise

    return use


@contextlib.contextmanager
def _httplib2(server: Any, cafile: Any) -> Opened:
    import httplib2

    client = httplib2.Http(ca_certs=cafile and str(cafile), timeout=20)
    yield _closing(client, lambda: client.request(server.url)[1])
    client.close()


@contextlib.contextmanager
def _google_api(server: Any, cafile: Any) -> Opened:
    import httplib2
    from googleapiclient.discovery import build

    http = httplib2.Http(ca_certs=cafile and str(cafile), timeout=20)
    with build("storage", "v1", http=http, client_options={"api_endpoint": server.url}) as service:
        yield _closing(http, lambda: service.buckets().list(project="p").execute())


@contextlib.contextmanager
def _litellm(server: Any, cafile: Any) -> Opened:
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    client = HTTPHandler(timeout=20, ssl_verify=cafile and str(cafile))
    yield lambda: client.get(server.url).content
    client.close()


@contextlib.contextmanager
def _elasticsearch(server: Any, cafile: Any) -> Opened:
    import elasticsearch

    options = {"ca_certs": str(cafile)} if cafile else {}
    with elasticsearch.Elasticsearch(f"{server.url}elastic", **options) as client:
        yield client.info


@contextlib.contextmanager
def _geopy(server: Any, cafile: Any) -> Opened:
    import ssl

    from geopy.adapters import RequestsAdapter
    from geopy.geocoders import Nominatim

    options = {"ssl_context": ssl.create_default_context(cafile=cafile)} if cafile else {}
    domain = f"localhost:{server.server_port}"
    with Nominatim(user_agent="t", domain=domain, adapter_factory=RequestsAdapter, timeout=20, **options) as client:
        yield lambda: client.geocode("a place")


@contextlib.contextmanager
def _databricks(server: Any, cafile: Any) -> Opened:
    from databricks.sql.auth.common import ClientContext
    from databricks.sql.common.http import HttpMethod
    from databricks.sql.common.unified_http_client import UnifiedHttpClient
    from databricks.sql.types import SSLOptions

    trust = SSLOptions(tls_trusted_ca_file=cafile and str(cafile))
    pauses = {"retry_delay_min": 0.01, "retry_delay_max": 0.02, "retry_delay_default": 0.01}
    client = UnifiedHttpClient(ClientContext(server.url, ssl_options=trust, **pauses))
    yield lambda: client.request(HttpMethod.GET, server.url).data
    client.close()


@contextlib.contextmanager
def _astropy(server: Any, cafile: Any) -> Opened:
    from astropy.utils.data import download_file

    trust = {"cafile": str(cafile)} if cafile else None

    def use() -> bytes:
        with open(download_file(server.url, cache=False, show_progress=False, ssl_context=trust), "rb") as file:
            return file.read()

    yield use


@contextlib.contextmanager
def _yt_dlp(server: Any, _cafile: Any) -> Opened:
    from yt_dlp import YoutubeDL
    from yt_dlp.networking._urllib import UrllibRH

    with YoutubeDL({"quiet": True, "no_warnings": True, "socket_timeout": 20}) as client:
        # Where requests is installed, that would be taken instead.
        vars(client)["_request_director"] = client.build_request_director([UrllibRH])
        yield lambda: client.urlopen(server.url).read()


@contextlib.contextmanager
def _nltk(server: Any, _cafile: Any) -> Opened:
    from nltk import pathsec

    def use() -> bytes:
        with pathsec.urlopen(server.url, timeout=20) as response:
            return response.read()

    # It refuses to connect to a loopback address, and a test can have no other.
    with mock.patch.object(pathsec, "_ip_is_forbidden", return_value=False):
        yield use


@contextlib.contextmanager
def _pip(server: Any, cafile: Any) -> Opened:
    from pip._vendor import requests

    with requests.Session() as session:
        session.trust_env = False
        if cafile:
            session.verify = str(cafile)
        yield lambda: session.get(server.url, timeout=20).content


@contextlib.contextmanager
def _redis(server: Any, cafile: Any) -> Opened:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # It tries as often as it does by default, but without a pause.
    options = {"ssl_ca_certs": cafile and str(cafile), "socket_timeout": 20, "retry": Retry(NoBackoff(), 3)}
    with redis.Redis(port=server.server_port, ssl=True, **options) as client:
        yield client.ping


@contextlib.contextmanager
def _pymongo(server: Any, cafile: Any) -> Opened:
    import pymongo

    options = {"tlsCAFile": str(cafile)} if cafile else {}
    address = f"mongodb://localhost:{server.server_port}/?directConnection=true"
    with pymongo.MongoClient(address, tls=True, serverSelectionTimeoutMS=1000, **options) as client:
        yield lambda: client.admin.command("ping")


@contextlib.contextmanager
def keeping(connect: Callable[[], Any], ask: Callable[[Any], Any]) -> Opened:
    """A connection that the program itself keeps, and opens anew once it has failed."""
    kept: list[Any] = []

    def use() -> Any:
        if not kept:
            kept.append(connect())
        try:
            return ask(kept[0])
        except BaseException:
            kept.pop().close()
            raise

    yield use
    for connection in kept:
        connection.close()


def _websocket(server: Any, cafile: Any) -> Any:
    import websocket

    def ask(connection: Any) -> Any:
        connection.send("hello")
        return connection.recv()

    address, options = server.url.replace("https", "wss"), {"ca_certs": str(cafile)} if cafile else {}
    return keeping(lambda: websocket.create_connection(address, sslopt=options, timeout=20), ask)


def _websockets(server: Any, cafile: Any) -> Any:
    import ssl

    from websockets.sync.client import connect

    def ask(connection: Any) -> Any:
        connection.send("hello")
        return connection.recv(20)

    trust = ssl.create_default_context(cafile=cafile) if cafile else None
    return keeping(lambda: connect(server.url.replace("https", "wss"), ssl=trust, proxy=None), ask)


ROWS = (
    Row("litellm, sync", _litellm, ("litellm",), "reconnects", "`ssl_verify`"),
    Row("httplib2", _httplib2, ("httplib2",), "raises until it is closed", "`ca_certs`"),
    Row("google-api-python-client", _google_api, ("googleapiclient",), "raises until it is closed", "its `http`"),
    Row("elasticsearch, sync", _elasticsearch, ("elasticsearch",), "reconnects", "`ca_certs`"),
    Row("geopy with requests", _geopy, ("geopy", "requests"), "reconnects", "`ssl_context`"),
    Row("databricks-sql-connector", _databricks, ("databricks.sql",), "reconnects", "`_tls_trusted_ca_file`"),
    Row("astropy's `download_file`", _astropy, ("astropy",), "connects anew", "`ssl_context`"),
    Row("yt-dlp with urllib", _yt_dlp, ("yt_dlp",), "connects anew"),
    Row("nltk's download", _nltk, ("nltk",), "connects anew"),
    Row("pip's requests, in this process", _pip, ("pip._vendor.requests",), "raises", "`verify`"),
    Row("redis, sync", _redis, ("redis",), "reconnects", "`ssl_ca_certs`", "redis"),
    Row("pymongo, sync", _pymongo, ("pymongo",), "raises", "`tlsCAFile`", "mongodb"),
    Row("websocket-client", _websocket, ("websocket", "websockets"), "raises", "`sslopt`", "websocket"),
    Row("websockets, sync", _websockets, ("websockets",), "raises", "`ssl`", "websocket"),
    *library_rows_async.ROWS,
)
