"""What a block costs, as ratios to what users paste today; see README.md beside this file.

``python benchmarks/run.py`` measures every line, ``--only NAME`` one of them. It ends with status 0 however the
numbers turn out: machines are shared, so this is no test.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import ssl
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import certifi
from _clients import through_httpx, through_requests, through_ssl
from _environment import without_decisive_variables
from _loopback import Server, serving, stalling
from _peer import resident
from _sampling import Fact, Row, format_seconds, in_fresh_process, interleave, timed

from trusted_context import trusted_context
from trusted_context.explanations import notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trusted_context import TrustedContext

_FIRST = """
import ssl, sys, time, urllib.request
{imports}
began = time.perf_counter()
{body}
print(time.perf_counter() - began)
"""
_FIRST_SNIPPET = """
context = ssl.create_default_context({cafile})
previous = urllib.request._opener
urllib.request.install_opener(urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)))
{inside}
urllib.request.install_opener(previous)
"""
_FIRST_BLOCK = """
with trusted_context({arguments}):
    {inside}
"""
_BLOCK_IMPORT = "from trusted_context import trusted_context"
_DOWNLOAD = "urllib.request.urlopen(sys.argv[2]).read()"

_UNWANTED = ("urllib3", "certifi", "truststore", "requests", "httpx", "aiohttp", "http.client")
_LIST_UNWANTED = f"import sys, trusted_context; print(*[name for name in {_UNWANTED} if name in sys.modules])"

_WARM_UP, _ENTRIES, _THREADS = 10_000, 100_000, 4


def run_snippet(cafile: str, inside: Callable[[], object] = lambda: None) -> None:
    """What users paste today."""
    context = ssl.create_default_context(cafile=cafile)
    previous = urllib.request._opener
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.HTTPSHandler(context=context)))
    try:
        inside()
    finally:
        urllib.request.install_opener(previous)


def again(_options: argparse.Namespace) -> Iterator[Row]:
    """A file that was entered before."""
    cafile = certifi.where()
    same = trusted_context(cafile)

    def enter_same() -> None:
        with same:
            pass

    def enter_new() -> None:
        with trusted_context(cafile):
            pass

    timed(enter_same, 100)()
    samples = interleave(40, timed(partial(run_snippet, cafile)), timed(enter_same, 50), timed(enter_new, 50))
    snippet, by_same, by_new = samples
    yield Row("file again, same object", by_same, snippet, limit=1 / 100, aim=1 / 400)
    yield Row("file again, new object", by_new, snippet, limit=1 / 100, aim=1 / 400)


def _first(title: str, ours: tuple[str, str], snippet: tuple[str, str], *arguments: str) -> Row:
    """Two pieces of code, each in fresh processes; its imports are made before the clock starts."""
    codes = [_FIRST.format(imports=imports, body=body.strip()) for imports, body in (ours, snippet)]
    sides = [lambda code=code: float(in_fresh_process(code, *arguments)) for code in codes]
    block, other = interleave(30, *sides)
    return Row(title, block, other, limit=1.2)


def first(_options: argparse.Namespace) -> Iterator[Row]:
    """A file for the first time in a process; importing our module for urllib is inside the clock."""
    ours = _FIRST_BLOCK.format(arguments="sys.argv[1]", inside="pass")
    snippet = _FIRST_SNIPPET.format(cafile="cafile=sys.argv[1]", inside="")
    yield _first("first entry, file", (_BLOCK_IMPORT, ours), ("", snippet), certifi.where())


def first_system(_options: argparse.Namespace) -> Iterator[Row]:
    """The system's store for the first time in a process."""
    ours = _FIRST_BLOCK.format(arguments="system=True", inside="pass")
    snippet = _FIRST_SNIPPET.format(cafile="", inside="")
    yield _first("first entry, system's store", (_BLOCK_IMPORT, ours), ("", snippet))


def first_download(_options: argparse.Namespace) -> Iterator[Row]:
    """A file's first entry and a first small download: what one side puts off until it is asked, it pays here."""
    ours = _FIRST_BLOCK.format(arguments="sys.argv[1]", inside=_DOWNLOAD)
    snippet = _FIRST_SNIPPET.format(cafile="cafile=sys.argv[1]", inside=_DOWNLOAD)
    with serving() as server:
        bundle = server.bundle_with(certifi.where())
        yield _first("first entry and download, file", (_BLOCK_IMPORT, ours), ("", snippet), bundle, server.url())


def importing(_options: argparse.Namespace) -> Iterator[Row | Fact]:
    """Importing us, and importing what we stand on: whole processes, then without a bare interpreter's own start."""
    codes = ("import trusted_context", "import ssl, urllib.request", "pass")
    sides = [timed(partial(in_fresh_process, code)) for code in codes]
    for side in sides:
        side()  # which leaves the bytecode behind, too
    ours, theirs, bare = interleave(30, *sides)
    start = min(bare)
    yield Row("import, with interpreter start", ours, theirs, limit=1.25, aim=1.1)
    net_ours, net_theirs = ([sample - start for sample in samples] for samples in (ours, theirs))
    yield Row("import, net of it", net_ours, net_theirs, limit=1.25, aim=1.1)
    clocked = [partial(_clock_in_child, code) for code in codes[:2]]
    yield Row("import, by its own clock", *interleave(30, *clocked), limit=1.25, aim=1.1)
    unwanted = in_fresh_process(_LIST_UNWANTED).split()
    yield Fact(
        f"import loads none of {', '.join(_UNWANTED)}", f"no: {', '.join(unwanted)}" if unwanted else "yes", "yes"
    )


def _clock_in_child(code: str) -> float:
    clocked = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
    return float(in_fresh_process(clocked))


def download(options: argparse.Namespace) -> Iterator[Row]:
    """A large file over loopback HTTPS: by the clock, and by the processor time of the downloading process."""
    with serving() as server:
        url = server.url(options.megabytes << 20)
        worked: list[list[float]] = [[], [], []]
        block, snippet, snippet_too = interleave(
            options.rounds,
            partial(_download_in_block, server.cafile, url, worked[0]),
            partial(_download_in_snippet, server.cafile, url, worked[1]),
            partial(_download_in_snippet, server.cafile, url, worked[2]),
        )
    yield Row(f"download of {options.megabytes} MiB", block, snippet, limit=1.03, paired=True)
    yield Row("... noise: snippet against itself", snippet_too, snippet, limit=1.03, paired=True)
    yield Row("... client's processor time", worked[0], worked[1], limit=1.03, paired=True)
    yield Row("... noise: snippet against itself", worked[2], worked[1], limit=1.03, paired=True)


def _download_in_block(cafile: str, url: str, processor: list[float]) -> float:
    with trusted_context(cafile):
        return _download(url, processor)


def _download_in_snippet(cafile: str, url: str, processor: list[float]) -> float:
    elapsed: list[float] = []
    run_snippet(cafile, lambda: elapsed.append(_download(url, processor)))
    return elapsed[0]


def _download(url: str, processor: list[float]) -> float:
    began, worked = time.perf_counter(), time.process_time()
    with urllib.request.urlopen(url) as response:
        while response.read(1 << 20):
            pass
    processor.append(time.process_time() - worked)
    return time.perf_counter() - began


def memory(_options: argparse.Namespace) -> Iterator[Fact]:
    """What many entries leave behind, once the caches are full."""
    cafile = certifi.where()
    same = trusted_context(cafile)
    _enter_often(same, cafile, _WARM_UP)
    before = _footprint()
    _enter_often(same, cafile, _ENTRIES)
    grown = [after - earlier for after, earlier in zip(_footprint(), before, strict=True)]
    yield Fact(f"resident memory after {_ENTRIES:,} entries", f"{grown[0]:+,} KiB", "near 0 (under 512)")
    yield Fact("... objects that the collector knows", f"{grown[1]:+,}", "near 0 (under 100)")
    yield Fact("... blocks that Python allocated", f"{grown[2]:+,}", "near 0 (under 1,000)")


def _enter_often(same: TrustedContext, cafile: str, entries: int) -> None:
    """Enter *entries* times: a quarter each with the same object, new ones, nested, and from threads."""
    quarter = entries // 4
    for _ in range(quarter):
        with same:
            pass
    for _ in range(quarter):
        with trusted_context(cafile):
            pass
    for _ in range(quarter // 2):
        with same, trusted_context(cafile):
            pass
    for _ in range(5):
        _in_threads(partial(_enter_alternately, same, cafile, quarter // (5 * _THREADS)), _THREADS)


def _enter_alternately(same: TrustedContext, cafile: str, entries: int) -> None:
    for number in range(entries):
        with same if number % 2 else trusted_context(cafile):
            pass


def _in_threads(action: Callable[[], object], count: int) -> None:
    threads = [threading.Thread(target=action) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _footprint() -> tuple[int, int, int]:
    """Resident KiB, objects the collector knows, and blocks that Python allocated."""
    gc.collect()
    return resident(), len(gc.get_objects()), sys.getallocatedblocks()


def handshakes(_options: argparse.Namespace) -> Iterator[Row]:
    """A thousand connections in one block: the last hundred beside the first hundred."""
    with serving() as server, trusted_context(server.cafile):
        fetch = timed(partial(_fetch, server))
        fetch()
        times = [fetch() for _ in range(1000)]
    yield Row("1,000 connections: last 100 (first 100)", times[-100:], times[:100], limit=1.2)


def stalled(_options: argparse.Namespace) -> Iterator[Row]:
    """Sixteen threads share one block, and one of them waits for a server that never shakes hands."""
    with serving() as server, trusted_context(server.cafile):
        _fetch(server)
        with_stalled, without = interleave(9, partial(_fetch_beside_stalled, server), partial(_fetch_in_15, server))
    yield Row("16 threads: one stalled (none)", with_stalled, without, limit=1.2)


def _fetch_in_15(server: Server) -> float:
    """How long 15 threads take for 10 connections each."""
    with ThreadPoolExecutor(15) as pool:
        began = time.perf_counter()
        for done in [pool.submit(lambda: [_fetch(server) for _ in range(10)]) for _ in range(15)]:
            done.result()
        return time.perf_counter() - began


def _fetch_beside_stalled(server: Server) -> float:
    """The same, while a sixteenth thread is in a handshake that goes on for as long as they take."""
    with ThreadPoolExecutor(1) as pool:
        with stalling() as (url, connected):
            waiting = pool.submit(_wait_in_vain, url)
            connected()
            elapsed = _fetch_in_15(server)
            if waiting.done():
                raise RuntimeError("the stalled handshake ended before the others' did")
        return elapsed


def _wait_in_vain(url: str) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=30)


def _fetch(server: Server) -> None:
    with urllib.request.urlopen(server.url()) as response:
        response.read()


def note(_options: argparse.Namespace) -> Iterator[Row]:
    """The note on a download that failed, by the system's store and certifi, beside the download itself."""
    with serving() as server, trusted_context(certifi.where(), system=True):
        download = partial(_fail_to_fetch, server)
        download()
        explaining, downloading = interleave(40, partial(_note_on, download), timed(download))
    yield Row("note on a failed download (the download)", explaining, downloading, limit=1)


def _fail_to_fetch(server: Server) -> OSError:
    try:
        _fetch(server)
    except OSError as error:
        return error
    raise RuntimeError("the server was verified by a bundle that lacks its CA")


def _note_on(download: Callable[[], OSError]) -> float:
    error = download()
    began = time.perf_counter()
    notes.annotate(error)
    elapsed = time.perf_counter() - began
    if not error.__notes__:
        raise RuntimeError("the failure was not explained")
    return elapsed


LINES: dict[str, Callable[[argparse.Namespace], Iterator[Row | Fact]]] = {
    "again": again,
    "first": first,
    "first-system": first_system,
    "first-download": first_download,
    "import": importing,
    "download": download,
    "memory": memory,
    "handshakes": handshakes,
    "stalled": stalled,
    "note": note,
    "layer": through_ssl,
    "requests": through_requests,
    "httpx": through_httpx,
}
_COLUMNS = ("measured", "block", "snippet", "ratio", "of bests", "limit", "verdict")
_WIDTHS = (40, 9, 9, 8, 8, 22, 8)


def show(result: Row | Fact) -> None:
    """Print one line of the table, or beside it."""
    if isinstance(result, Fact):
        print(f"{result.title:<{_WIDTHS[0]}}  {result.value}   expected: {result.expected}", flush=True)
        return
    _show_cells(result.cells())


def _show_cells(cells: tuple[str, ...]) -> None:
    print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip(), flush=True)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=LINES, action="append", help="measure this line alone")
    parser.add_argument("--megabytes", type=int, default=256, help="size of the download in MiB (default: 256)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of the download (default: 9)")
    options = parser.parse_args()
    without_decisive_variables()
    began, (load, *_) = time.perf_counter(), os.getloadavg()
    print(f"Python {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}; load {load:.1f} on {os.cpu_count()} processors")
    _show_cells(_COLUMNS)
    for name in options.only or LINES:
        for result in LINES[name](options):
            show(result)
    print(f"took {format_seconds(time.perf_counter() - began)}")


if __name__ == "__main__":
    main()
