"""What the clients make of a failing connection, for the tests of explanations and notes."""

import asyncio
import contextlib
import importlib
import urllib.request

import pytest
import urllib3
from servers import fetch

from trusted_context import trusted_context

# Here, since what a test imports in a block is patched that was not there before it.
for _name in ("requests", "httpx", "aiohttp"):
    with contextlib.suppress(ImportError):
        importlib.import_module(_name)


def by_urllib(url):
    return fetch(url)


def by_urllib3(url):
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("GET", url, timeout=5).data


def by_urllib3_with_retries(url):
    with urllib3.PoolManager() as pool:
        return pool.request("GET", url, timeout=5, retries=1).data


def by_requests(url):
    requests = pytest.importorskip("requests")
    return requests.get(url, timeout=5).content


def by_httpx(url):
    httpx = pytest.importorskip("httpx")
    return httpx.get(url, timeout=5).content


def by_async_httpx(url):
    httpx = pytest.importorskip("httpx")

    async def get():
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(url)).content

    return asyncio.run(get())


def by_aiohttp(url):
    aiohttp = pytest.importorskip("aiohttp")

    async def get():
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.read()

    return asyncio.run(get())


def by_asyncio(url):
    async def get():
        host, _, port = url.removeprefix("https://").rstrip("/").partition(":")
        await asyncio.open_connection(host, int(port), ssl=True)

    return asyncio.run(get())


CLIENTS = [
    by_urllib,
    by_urllib3,
    by_urllib3_with_retries,
    by_requests,
    by_httpx,
    by_async_httpx,
    by_aiohttp,
    by_asyncio,
]


def failure(call, *args, **kwargs):
    """What the call raises."""
    with pytest.raises(Exception) as caught:  # whatever the client makes of it
        call(*args, **kwargs)
    return caught.value


def failure_of(port, call=None, timeout=5):
    """What a download from *port* raises in a block that trusts what the case does."""
    if call is None:
        call = by_urllib3 if port.case.by_common_name else lambda url: urllib.request.urlopen(url, timeout=timeout)
    with trusted_context(port.cafile, strict=port.case.strict):
        return failure(call, port.url)


def raising(error):
    """A call that raises *error*."""

    def action():
        raise error

    return action
