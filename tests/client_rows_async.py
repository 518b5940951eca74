"""The clients that a block covers, one row each: those of event loops."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import urllib.parse
from typing import TYPE_CHECKING, Any

from client import Client, aiohttp, fsspec, httpx, httpx2, trio
from servers import all_closed

if TYPE_CHECKING:
    from collections.abc import Callable


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


# --- httpx and httpx2


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


def _of_httpx(library: Any, backend: str) -> Client:
    name = f"`{library.__name__}.AsyncClient`{'' if backend == 'asyncio' else f' under {backend}'}"
    return Client(
        name, lambda _proxy: _OnLoop(library.AsyncClient(), backend), _OnLoop.begin, _OnLoop.close, keeps=True
    )


ROWS = (
    *(_of_httpx(library, "asyncio") for library in (httpx, httpx2) if library),
    *((_of_httpx(httpx, "trio"),) if httpx and trio else ()),
    *_ASYNCIO,
    *(_AIOHTTP if aiohttp else ()),
    *(_FSSPEC if aiohttp and fsspec else ()),
)
