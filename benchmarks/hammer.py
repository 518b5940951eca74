"""Whether threads in blocks of their own are ever verified by another's: see README.md beside this file.

``python benchmarks/hammer.py`` makes some 1,000 connections, prints how many came to what, and ends with status 1 where
one of them was wrong, or where the global interpreter lock was off and came on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import contextvars
import http.client
import importlib
import itertools
import os
import ssl
import sys
import threading
import time
import urllib.request
from collections import Counter
from typing import Any

from _environment import without_decisive_variables
from _loopback import Server, serving

from trusted_context import trusted_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_THREADS, _CAS = 24, 3
_TIMEOUT = 30


def has_gil() -> bool:
    """Whether the global interpreter lock is on, as it is in every ordinary build."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


_HAD_GIL = has_gil()


def _optional(name: str) -> Any:
    """The module, if it is there; where the lock is off, it says which of them brings it on."""
    before = has_gil()
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    if has_gil() and not before:
        print(f"importing {name} has turned the global interpreter lock on")
    return module


def _by_urlopen(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
        return response.read()


def _by_an_opener(url: str) -> bytes:
    with urllib.request.build_opener().open(url, timeout=_TIMEOUT) as response:
        return response.read()


def _by_http_client(url: str) -> bytes:
    connection = http.client.HTTPSConnection(url.split("/")[2], timeout=_TIMEOUT)
    with contextlib.closing(connection):
        connection.request("GET", "/0")
        return connection.getresponse().read()


def _by_streams(url: str) -> bytes:
    async def fetch() -> bytes:
        host, _, port = url.split("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=True)
        writer.write(b"GET /0 HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return b""

    return asyncio.run(fetch())


def clients() -> Iterator[tuple[str, Callable[[str], bytes]]]:
    """By name, what fetches a URL. What keeps connections is one for all threads."""
    yield "urlopen", _by_urlopen
    yield "build_opener", _by_an_opener
    yield "http.client", _by_http_client
    yield "asyncio", _by_streams
    if urllib3 := _optional("urllib3"):
        shared = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        yield "urllib3, one pool manager", lambda url: shared.request("GET", url).data
    if requests := _optional("requests"):
        session = requests.Session()
        yield "requests.get", lambda url: requests.get(url, timeout=_TIMEOUT).content
        yield "requests, one session", lambda url: session.get(url, timeout=_TIMEOUT).content
    if httpx := _optional("httpx"):
        client = httpx.Client(timeout=_TIMEOUT)
        yield "httpx.get", lambda url: httpx.get(url, timeout=_TIMEOUT).content
        yield "httpx, one client", lambda url: client.get(url).content
    if aiohttp := _optional("aiohttp"):

        async def fetch(url: str) -> bytes:
            async with aiohttp.request("GET", url) as response:
                return await response.read()

        yield "aiohttp", lambda url: asyncio.run(fetch(url))


def outcome(fetch: Callable[[str], bytes], url: str) -> str:
    """Either "fetched", or "refused" where the server could not be verified, or what else went wrong."""
    try:
        fetch(url)
    except Exception as error:  # noqa: BLE001  # each client has its own
        return "refused" if _tells_of_a_certificate(error) else repr(error)
    return "fetched"


def _tells_of_a_certificate(error: Any) -> bool:
    seen: list[Any] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in seen)


class Hammer:
    """What all threads share, and what they count."""

    def __init__(self, servers: list[Server], rounds: int) -> None:
        self._servers = servers
        self._rounds = rounds
        self._clients = list(clients())
        self._start = threading.Barrier(_THREADS)
        # An entry object that many threads are in at once.
        self._shared = [trusted_context(server.cafile) for server in servers]
        self.found: list[Counter[tuple[str, str]]] = [Counter() for _ in range(_THREADS)]
        self.wrong: list[str] = []

    def strike(self, number: int) -> None:
        """One thread's part: blocks of one CA, of another inside it, and each time a server of every CA."""
        try:
            self._start.wait(_TIMEOUT)
            for turn in range(self._rounds):
                name, fetch = self._clients[(number + turn) % len(self._clients)]
                own, inner = (number + turn) % _CAS, (number + 2 * turn + 1) % _CAS
                with self._block(own, turn):
                    self._visit(number, name, fetch, own)
                    if turn % 4 == 0:
                        with self._block(inner, turn + 1):
                            self._visit(number, name, fetch, inner)
        except BaseException as error:  # noqa: BLE001  # told at the end
            self.wrong.append(repr(error))

    def _block(self, ca: int, turn: int) -> Any:
        if turn % 2:
            return self._shared[ca]
        return trusted_context(self._servers[ca].cafile, local=turn % 3 == 0)

    def _visit(self, number: int, name: str, fetch: Callable[[str], bytes], trusted: int) -> None:
        for place, server in enumerate(self._servers):
            found, expected = outcome(fetch, server.url()), "fetched" if place == trusted else "refused"
            self.found[number][name, found if found in {"fetched", "refused"} else "failed"] += 1
            if found != expected:
                self.wrong.append(f"{name}: {found}, not {expected}")


def _strike_together(hammer: Hammer) -> None:
    threads = [threading.Thread(target=hammer.strike, args=(number,), daemon=True) for number in range(_THREADS)]
    for thread in threads:
        contextvars.Context().run(thread.start)  # so that none is in the block of whoever starts it
    for thread in threads:
        thread.join()


def _show(hammer: Hammer, seconds: float) -> None:
    found = sum(hammer.found, Counter())
    names = sorted({name for name, _ in found})
    print(f"{'client':<28}{'fetched':>9}{'refused':>9}{'failed':>9}")
    for name in names:
        counts = (found[name, one] for one in ("fetched", "refused", "failed"))
        print(f"{name:<28}" + "".join(f"{count:>9}" for count in counts))
    print(f"{found.total()} connections of {_THREADS} threads in {seconds:.1f} s; wrong: {len(hammer.wrong)}")
    for one in itertools.islice(hammer.wrong, 5):
        print(f"  {one}")


def main() -> int:
    """Hammer, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="blocks that each thread enters (default: 12)")
    rounds = parser.parse_args().rounds
    without_decisive_variables()
    print(f"Python {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}, {os.cpu_count()} processors")
    with contextlib.ExitStack() as stack:
        hammer = Hammer([stack.enter_context(serving()) for _ in range(_CAS)], rounds)
        began = time.perf_counter()
        _strike_together(hammer)
        _show(hammer, time.perf_counter() - began)
    words = {True: "on", False: "off"}
    print(f"the global interpreter lock: {words[_HAD_GIL]} before, {words[has_gil()]} after")
    return int(bool(hammer.wrong) or has_gil() != _HAD_GIL)


if __name__ == "__main__":
    sys.exit(main())
