"""Many threads and tasks at once, by every client and in every kind of block, with servers that fail in many ways."""

import asyncio
import collections
import contextlib
import contextvars
import functools
import gc
import json
import os
import random
import re
import ssl
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse
from pathlib import Path

import client_rows
import pytest
from client import aiohttp, httpx
from conftest import assert_same, state
from loading import Nowhere, check, layers, outcome_of, perform, perform_async, plan
from servers import BODY, all_closed, fetch

from trusted_context import trusted_context
from trusted_context.core import live

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows replaces no file that is open, and resets otherwise"),
    pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning"),
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
]

# The row of http.client closes its connection before it reads, which no server that keeps connections would serve.
_ROWS = [row for row in client_rows.ROWS if row.direct and "http.client" not in row.name]
_THREADS, _LOOPS, _TASKS = 60, 4, 250
_NOWHERE = Nowhere()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """The folder with the CAs of the servers, and the servers' ports."""
    folder = tmp_path_factory.mktemp("fleet")
    command = [sys.executable, str(Path(__file__).with_name("load_servers.py")), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield folder, json.loads(process.stdout.readline())
        process.stdin.close()


class Work:
    """Tasks that threads and event loops take until none is left, and what was wrong."""

    def __init__(self, tasks, *, beside_others):
        self._tasks = collections.deque(tasks)
        self._beside_others = beside_others
        self.wrong = []
        self.done = 0

    def __iter__(self):
        with contextlib.suppress(IndexError):
            while not self.wrong:
                yield self._tasks.popleft()
                self.done += 1

    def nowhere(self, task):
        """What of the task is to be fetched outside of its blocks: only where a verifying block is around all."""
        return task.targets if self._beside_others else ()

    @contextlib.contextmanager
    def noting(self):
        try:
            yield
        except BaseException:  # noqa: BLE001  # told by the test
            self.wrong.append(traceback.format_exc())


def in_thread(work, shared):
    """One thread's part of the work."""

    def visit(layer, number, target, around=lambda function: function):
        row = _ROWS[number % len(_ROWS)]
        client = shared.get(row) or row.build(None)
        try:
            outcome = around(row.fetch)(client, target.url)
        except Exception as error:  # noqa: BLE001  # sorted there
            outcome = outcome_of(error)
        finally:
            if row not in shared:
                row.close(client)
        check(layer, row.name, target, outcome)

    with work.noting():
        for task in work:
            perform(task, visit)
            for number, target in work.nowhere(task):
                visit(_NOWHERE, number, target)


def in_loop(work):
    """One event loop's part of the work, by sixteen tasks at a time that share their clients."""

    async def take_part():
        async with contextlib.AsyncExitStack() as stack:
            fetches = await make_fetches(stack)

            async def visit(layer, number, target, around=lambda function: function):
                name, fetch = fetches[number % len(fetches)]
                try:
                    outcome = await around(fetch)(target.url)
                except Exception as error:  # noqa: BLE001  # sorted there
                    outcome = outcome_of(error)
                check(layer, name, target, outcome)

            async def work_on():
                for task in work:
                    await perform_async(task, visit)
                    for number, target in work.nowhere(task):
                        await visit(_NOWHERE, number, target)

            async with asyncio.TaskGroup() as group:
                for _ in range(16):
                    group.create_task(work_on())
        await all_closed()

    with work.noting():
        asyncio.run(take_part())


async def make_fetches(stack):
    """By name, what fetches a URL by each client of event loops; they are closed with the stack."""
    fetches = [("streams", by_streams)]
    if aiohttp:
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)))
        fetches.append(("aiohttp", functools.partial(by_aiohttp, session)))
    if httpx:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        fetches.append(("httpx.AsyncClient", functools.partial(by_httpx, client)))
    return fetches


async def by_streams(url):
    parts = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=True)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        return await reader.readexactly(int(length[1]) if length else 1 << 20)
    except EOFError as error:  # asyncio.IncompleteReadError
        raise ConnectionResetError("the answer ended early") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def by_aiohttp(session, url):
    async with session.get(url) as response:
        return await response.read()


async def by_httpx(client, url):
    return (await client.get(url)).content


def run(tasks, *, threads, loops, around=None):
    """Do all the tasks, in threads that are in no block but *around*, and return how many were done."""
    work = Work(tasks, beside_others=around is not None)
    shared = {row: row.build(None) for row in _ROWS if row.keeps}
    hands = [threading.Thread(target=in_thread, args=(work, shared)) for _ in range(threads)]
    hands += [threading.Thread(target=in_loop, args=(work,)) for _ in range(loops)]
    with around or contextlib.nullcontext():
        for hand in hands:
            contextvars.Context().run(hand.start)  # so it inherits nothing where threads inherit (Python 3.14)
        for hand in hands:
            hand.join()
    for row, client in shared.items():
        row.close(client)
    return work


def counted():
    """What may not grow: this process's threads and open files, and the objects of this library and of ssl."""
    gc.collect()
    kinds = map(type, gc.get_objects())
    ours = (issubclass(kind, ssl.SSLContext) or str(kind.__module__).startswith("trusted_context") for kind in kinds)
    return {
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else None,
        "objects": sum(ours),
    }


@pytest.fixture(autouse=True)
def _switching_often():
    """Threads take turns so often that a change without the lock goes wrong at once."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def user_s_ca(fleet, monkeypatch):
    """What the user has set up is the CA "c"."""
    monkeypatch.setenv("SSL_CERT_FILE", str(fleet[0] / "c.pem"))


@pytest.mark.usefixtures("user_s_ca")
def test_no_connection_of_1000_tasks_is_verified_by_another_s_trust(fleet):
    """Each fetches exactly what its own block says, whatever 63 others are in, and nothing of it all is left."""
    folder, ports = fleet
    seed = random.getrandbits(32)
    chance, blocks = random.Random(seed), layers(folder)
    counts, before = [], state()
    for number in range(4):
        tasks = [plan(chance, blocks, ports, len(_ROWS)) for _ in range(_TASKS)]
        around = trusted_context(folder / "a.pem") if number % 2 else None
        work = run(tasks, threads=_THREADS, loops=_LOOPS, around=around)
        assert not work.wrong, f"seed {seed}, round {number}: {work.wrong[0]}"
        assert work.done == _TASKS
        assert not live.anything_live()
        assert_same(before, state())
        counts.append(counted())
    kept = counts[3].pop("objects") - counts[1].pop("objects")
    assert counts[3] == counts[1], f"seed {seed}"
    # Some of the last are kept, such as eight contexts of each that was made before: fewer than there were tasks.
    assert kept < _TASKS, f"seed {seed}"


@pytest.mark.usefixtures("user_s_ca")
def test_a_ca_file_that_is_replaced_and_removed_is_trusted_as_it_was_at_entry(fleet, tmp_path):
    """Of sixteen threads each trusts one of the two CAs that the file ever held, or is told that there is no file."""
    folder, ports = fleet
    cafile, done, wrong, seen = tmp_path / "ca.pem", threading.Event(), [], collections.Counter()
    contents = [(folder / f"{name}.pem").read_bytes() for name in "ab"]
    cafile.write_bytes(contents[0])

    def replace():
        for number in range(80):
            new = tmp_path / "new.pem"
            new.write_bytes(contents[number % 2])
            os.replace(new, cafile)
            time.sleep(0.005)
            cafile.unlink()
            time.sleep(0.002)
        done.set()

    def enter(number):
        block = trusted_context(cafile, local=bool(number % 2), export=bool(number % 3))
        try:
            while not done.is_set():
                seen[look_inside(block, ports)] += 1
        except Exception:  # noqa: BLE001  # told below
            wrong.append(traceback.format_exc())

    hands = [threading.Thread(target=enter, args=(number,)) for number in range(16)]
    hands.append(threading.Thread(target=replace))
    for hand in hands:
        contextvars.Context().run(hand.start)
    for hand in hands:
        hand.join()
    assert not wrong, wrong[0]
    assert seen.keys() <= {"no file", ("fetched", "refused"), ("refused", "fetched")}
    assert len(seen) == 3, seen
    assert not live.anything_live()


def look_inside(block, ports):
    """What comes of the servers "a" and "b" in the block, be it that it finds no file to enter by."""
    try:
        with block:
            return tuple(outcome_at(f"https://localhost:{ports[name]}/") for name in "ab")
    except FileNotFoundError:
        return "no file"


def outcome_at(url):
    try:
        assert fetch(url) == BODY
    except OSError as error:
        return outcome_of(error)
    return "fetched"
