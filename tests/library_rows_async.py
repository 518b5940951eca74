"""Real libraries beside the named clients, one row each: those of event loops."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ssl
from typing import TYPE_CHECKING, Any
from unittest import mock

from library_row import Row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Opened = Iterator[Callable[[], Any]]


@contextlib.contextmanager
def _on_loop(
    make: Callable[[], Awaitable[Any]],
    use: Callable[[Any], Awaitable[Any]],
    close: Callable[[Any], Awaitable[Any]] | None = None,
    loop_factory: Any = None,
) -> Opened:
    """A client on an event loop of its own; each call runs in a copy of its caller's context, as a task does."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:

        def run(function: Any, *args: Any) -> Any:
            return runner.run(function(*args), context=contextvars.copy_context())

        client = run(make)
        yield lambda: run(use, client)
        if close is not None:
            run(close, client)


def _trust(cafile: Any) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=cafile) if cafile else None


async def _nothing(*_args: Any) -> None:
    """Make or close nothing."""


def _litellm(server: Any, cafile: Any) -> Any:
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    async def make() -> Any:
        return AsyncHTTPHandler(timeout=20, ssl_verify=cafile and str(cafile))

    async def use(client: Any) -> Any:
        return (await client.get(server.url)).content

    return _on_loop(make, use, lambda client: client.close())


def _s3fs(server: Any, cafile: Any) -> Any:
    import s3fs

    async def make() -> Any:
        return s3fs.S3FileSystem(
            key="key",
            secret="secret",
            endpoint_url=server.url.rstrip("/"),
            client_kwargs={"verify": str(cafile)} if cafile else {},
            config_kwargs={"retries": {"total_max_attempts": 1}},
            asynchronous=True,
            skip_instance_cache=True,
        )

    async def use(files: Any) -> Any:
        return await files._cat_file("bucket/key")

    async def close(files: Any) -> None:
        if files._s3 is not None:
            await files._s3.close()

    return _on_loop(make, use, close)


def _aiobotocore(server: Any, cafile: Any) -> Any:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    stack = contextlib.AsyncExitStack()

    async def make() -> Any:
        client = get_session().create_client(
            "s3",
            region_name="eu-west-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            endpoint_url=server.url.rstrip("/"),
            verify=cafile and str(cafile),
            config=AioConfig(retries={"total_max_attempts": 1}),
        )
        return await stack.enter_async_context(client)

    async def use(client: Any) -> Any:
        answer = await client.get_object(Bucket="bucket", Key="key")
        async with answer["Body"] as body:
            return await body.read()

    return _on_loop(make, use, lambda _client: stack.aclose())


def _elasticsearch(server: Any, cafile: Any) -> Any:
    import elasticsearch

    async def make() -> Any:
        options = {"ca_certs": str(cafile)} if cafile else {}
        return elasticsearch.AsyncElasticsearch(f"{server.url}elastic", max_retries=0, **options)

    return _on_loop(make, lambda client: client.info(), lambda client: client.close())


def _google_genai(server: Any, cafile: Any) -> Any:
    from google import genai
    from google.genai import types

    async def make() -> Any:
        options = types.HttpOptions(
            base_url=server.url.rstrip("/"),
            async_client_args={"ssl": _trust(cafile)} if cafile else None,
            retry_options=types.HttpRetryOptions(attempts=1),
            timeout=20_000,  # milliseconds
        )
        return genai.Client(api_key="key", http_options=options)

    async def use(client: Any) -> Any:
        assert client._api_client._use_aiohttp()
        return (await client.aio.models.generate_content(model="m", contents="hello")).text

    return _on_loop(make, use, lambda client: client.aio.aclose())


def _edge_tts(server: Any, _cafile: Any) -> Any:
    import edge_tts.voices

    async def use(_client: Any) -> Any:
        # It knows one server alone, which is not here.
        with mock.patch.object(edge_tts.voices, "VOICE_LIST", f"{server.url}voices?"):
            return await edge_tts.list_voices()

    return _on_loop(_nothing, use)


def _tornado(server: Any, cafile: Any) -> Any:
    from tornado.httpclient import AsyncHTTPClient

    async def make() -> Any:
        return AsyncHTTPClient(force_instance=True)

    async def use(client: Any) -> Any:
        return (await client.fetch(server.url, ca_certs=cafile and str(cafile))).body

    async def close(client: Any) -> None:
        client.close()

    return _on_loop(make, use, close)


def _redis(server: Any, cafile: Any) -> Any:
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    # It tries as often as it does by default, but without a pause.
    options = {"ssl_ca_certs": cafile and str(cafile), "socket_timeout": 20, "retry": Retry(NoBackoff(), 3)}

    async def make() -> Any:
        return redis.asyncio.Redis(port=server.server_port, ssl=True, **options)

    return _on_loop(make, lambda client: client.ping(), lambda client: client.aclose())


def _pymongo(server: Any, cafile: Any) -> Any:
    import pymongo

    async def make() -> Any:
        options = {"tlsCAFile": str(cafile)} if cafile else {}
        address = f"mongodb://localhost:{server.server_port}/?directConnection=true"
        return pymongo.AsyncMongoClient(address, tls=True, serverSelectionTimeoutMS=1000, **options)

    return _on_loop(make, lambda client: client.admin.command("ping"), lambda client: client.close())


def _keeping(
    connect: Callable[[], Awaitable[Any]], ask: Callable[[Any], Awaitable[Any]], close: Any, loop_factory: Any = None
) -> Any:
    """A connection that the program itself keeps, and opens anew once it has failed."""
    kept: list[Any] = []

    async def use(_client: Any) -> Any:
        if not kept:
            kept.append(await connect())
        try:
            return await ask(kept[0])
        except BaseException:
            await end(None)
            raise

    async def end(_client: Any) -> None:
        while kept:
            await close(kept.pop())

    return _on_loop(_nothing, use, end, loop_factory)


def _websockets(server: Any, cafile: Any) -> Any:
    from websockets.asyncio.client import connect

    async def ask(connection: Any) -> Any:
        await connection.send("hello")
        return await asyncio.wait_for(connection.recv(), 20)

    async def open_one() -> Any:
        options = {"ssl": _trust(cafile)} if cafile else {}
        return await connect(server.url.replace("https", "wss"), proxy=None, **options)

    return _keeping(open_one, ask, lambda connection: connection.close())


def _streams(server: Any, cafile: Any, loop_factory: Any = None) -> Any:
    async def connect() -> Any:
        return await asyncio.open_connection("localhost", server.server_port, ssl=_trust(cafile) or True)

    async def ask(streams: Any) -> Any:
        reader, writer = streams
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        return await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))

    async def close(streams: Any) -> None:
        streams[1].close()
        with contextlib.suppress(OSError):
            await streams[1].wait_closed()

    return _keeping(connect, ask, close, loop_factory)


def _uvloop(server: Any, cafile: Any) -> Any:
    import uvloop

    return _streams(server, cafile, uvloop.new_event_loop)


class _Answer(asyncio.Protocol):
    """Asks as soon as it is connected, and gathers the answer up to its end."""

    def __init__(self) -> None:
        self.received, self.done = b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self.done.set_result(self.received.partition(b"\r\n\r\n")[2])
        else:
            self.done.set_exception(error)


def _create_connection(server: Any, cafile: Any) -> Any:
    async def use(_client: Any) -> Any:
        loop = asyncio.get_running_loop()
        trust = _trust(cafile) or True
        transport, answer = await loop.create_connection(_Answer, "localhost", server.server_port, ssl=trust)
        try:
            return await asyncio.wait_for(answer.done, 20)
        finally:
            transport.close()

    return _on_loop(_nothing, use)


ROWS = (
    Row("litellm, async", _litellm, ("litellm",), "reconnects", "`ssl_verify`"),
    Row("s3fs", _s3fs, ("s3fs", "aiobotocore.session"), "reconnects", "`verify`"),
    Row("aiobotocore", _aiobotocore, ("aiobotocore.session",), "reconnects", "`verify`"),
    Row("elasticsearch, async", _elasticsearch, ("elasticsearch", "aiohttp"), "reconnects", "`ca_certs`"),
    Row("google-genai with aiohttp", _google_genai, ("google.genai", "aiohttp"), "reconnects", "`async_client_args`"),
    Row("edge-tts", _edge_tts, ("edge_tts",), "connects anew"),
    Row("tornado", _tornado, ("tornado",), "connects anew", "`ca_certs`"),
    Row("redis, async", _redis, ("redis",), "reconnects", "`ssl_ca_certs`", "redis"),
    Row("pymongo, async", _pymongo, ("pymongo",), "raises", "`tlsCAFile`", "mongodb"),
    Row("websockets, async", _websockets, ("websockets",), "raises", "`ssl`", "websocket"),
    Row("asyncio's streams", _streams, (), "raises", "`ssl`"),
    Row("asyncio's streams on uvloop", _uvloop, ("uvloop",), "raises", "`ssl`"),
    Row("`loop.create_connection(ssl=True)`", _create_connection, (), "connects anew", "`ssl`"),
)
