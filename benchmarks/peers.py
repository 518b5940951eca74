"""What users do instead of a block, beside it: prints a table in Markdown; see README.md beside this file.

``python benchmarks/peers.py --pip-system-certs PYTHON`` takes about three minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import importlib.util
import os
import platform
import ssl
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial

import certifi
from _environment import without_decisive_variables
from _loopback import serving
from _sampling import format_seconds, interleave, timed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from _sampling import Sample

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_peer.py")
_AGAIN = 5
# After which a row has no more rounds, so that a busy machine does not take much longer.
_SECONDS, _SECONDS_OF_CONNECTIONS = 20.0, 60.0


@dataclass(frozen=True)
class Peer:
    """A column: a way in which connections come to be verified by the same CA file.

    Args:
        way: what ``_peer.py`` calls it.
        package: what has to be imported for it.
        variables: the environment variables that name the file. SSL_CERT_FILE makes the system's store of it.
    """

    title: str
    way: str
    package: str = ""
    variables: tuple[str, ...] = ()
    python: str = sys.executable

    def environment(self, bundle: str) -> dict[str, str]:
        """That of its processes."""
        return os.environ | dict.fromkeys(self.variables, bundle)


BARE = Peer("bare client", "bare", variables=("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
SNIPPET = Peer("snippet", "snippet")
TRUSTSTORE = Peer("truststore", "truststore", "truststore", ("SSL_CERT_FILE",))
AT_START = Peer("pip-system-certs", "bare", variables=("SSL_CERT_FILE",))
BLOCK = Peer("trusted_context", "trusted_context", "trusted_context")


@dataclass(frozen=True)
class Line:
    """A row: the rounds' samples of each peer, in seconds.

    Args:
        again: samples of the first peer, taken a second time: what they differ by is noise.
    """

    title: str
    samples: dict[Peer, list[float]]
    again: list[float]

    def cells(self) -> dict[Peer | None, str]:
        """A ratio to the first peer for each, and under None for the first peer itself, measured again."""
        base, measure = next(iter(self.samples.items()))
        ratios = {peer: _ratio(samples, measure) for peer, samples in self.samples.items()}
        return ratios | {base: f"1 ({format_seconds(statistics.median(measure))})", None: _ratio(self.again, measure)}


@dataclass(frozen=True)
class Memory(Line):
    """A row of samples in KiB."""

    def cells(self) -> dict[Peer | None, str]:
        """Medians in MiB."""
        return {
            peer: f"{statistics.median(samples) / 1024:.1f} MiB"
            for peer, samples in (self.samples | {None: self.again}).items()
        }


def _ratio(samples: list[float], measure: list[float]) -> str:
    """The median of the rounds' ratios, and half of the range that the middle half of them spans, as a part of it."""
    ratios = [one / other for one, other in zip(samples, measure, strict=True)]
    lower, middle, upper = statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
    shown = f"{middle:.2f}" if middle > 0.1 else f"1/{1 / middle:,.0f}"
    return f"{shown} ± {(upper - lower) / 2 / middle:.0%}"


class Process:
    """A peer that works when it is asked."""

    def __init__(self, peer: Peer, work: str, count: int, server: tuple[str, str]) -> None:
        command = [peer.python, "-I", _SCRIPT, peer.way, work, *server, str(count)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, env=peer.environment(server[0]), text=True, **pipes)
        self._title = f"{peer.title} ({work})"
        self.resident = 0.0

    def __enter__(self) -> Self:
        self._process.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.__exit__(*error)

    def sample(self) -> float:
        """The seconds that the work took once."""
        print(file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._title} ended with {self._process.wait()}")
        seconds, self.resident = map(float, answer.split())
        return seconds


@dataclass(frozen=True)
class Bench:
    """All rows.

    Args:
        server: its bundle, which is of ordinary size, and its URL.
        connections: how many each process makes, over all rounds.
    """

    peers: list[Peer]
    server: tuple[str, str]
    rounds: int
    connections: int

    def lines(self) -> Iterator[Line]:
        """Each as soon as it is measured."""
        each = max(1, self.connections // self.rounds)
        entered = [peer for peer in self.peers if peer.way != "bare"]
        yield self._starts()
        yield self._fresh("first entry in a process", "entry", entered)[0]
        yield self._kept("entry again", "entry", _AGAIN, entered)[0]
        yield from self._fresh("first entry and connection", "first", self.peers)
        yield from self._kept("{:,} connections", "connections", each, self.peers, _SECONDS_OF_CONNECTIONS)
        yield self._kept("32 threads at once", "threads", 1, self.peers)[0]
        if importlib.util.find_spec("requests"):
            yield self._kept("{:,} requests.get", "requests", max(1, each // 5), self.peers)[0]

    def _starts(self) -> Line:
        peers = [peer for peer in self.peers if peer is not SNIPPET]
        return self._line("start of Python and import", peers, [self._start(peer) for peer in _base_twice(peers)])

    def _start(self, peer: Peer) -> Sample:
        modules = ", ".join(["ssl", "urllib.request", *filter(None, [peer.package])])
        command = [peer.python, "-I", "-c", f"import {modules}"]
        return timed(partial(subprocess.run, command, check=True, env=peer.environment(self.server[0])))

    def _fresh(self, title: str, work: str, peers: list[Peer]) -> tuple[Line, Memory]:
        """The work done once in many processes, and what they then occupy."""
        resident: list[list[float]] = [[] for _ in _base_twice(peers)]
        sides = zip(_base_twice(peers), resident, strict=True)
        line = self._line(title, peers, [partial(self._sample_once, peer, work, kept) for peer, kept in sides])
        return line, _memory(line.title, peers, resident)

    def _sample_once(self, peer: Peer, work: str, resident: list[float]) -> float:
        with Process(peer, work, 1, self.server) as process:
            seconds = process.sample()
        resident.append(process.resident)
        return seconds

    def _kept(
        self, title: str, work: str, count: int, peers: list[Peer], seconds: float = _SECONDS
    ) -> tuple[Line, Memory]:
        """The work done by one process each in all rounds, and what they occupy in the end."""
        with contextlib.ExitStack() as stack:
            started = [Process(peer, work, count, self.server) for peer in _base_twice(peers)]
            processes = [stack.enter_context(process) for process in started]
            line = self._line(title, peers, [process.sample for process in processes], count, seconds)
        return line, _memory(line.title, peers, [[process.resident] for process in processes])

    def _line(
        self, title: str, peers: list[Peer], sides: list[Sample], count: int = 1, seconds: float = _SECONDS
    ) -> Line:
        for side in sides:
            side()  # which leaves bytecode and warm caches behind
        *samples, again = interleave(self.rounds, *sides, seconds=seconds)
        return Line(title.format(count * len(again)), dict(zip(peers, samples, strict=True)), again)


def _base_twice(peers: list[Peer]) -> list[Peer]:
    return [*peers, peers[0]]


def _memory(work: str, peers: list[Peer], resident: list[list[float]]) -> Memory:
    *samples, again = resident
    return Memory(f"memory after {work}", dict(zip(peers, samples, strict=True)), again)


def _row(cells: list[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def _show(peers: list[Peer], lines: Iterator[Line]) -> None:
    titles = [peer.title for peer in peers]
    _row(["measured", *titles, "noise"])
    _row(["---"] * (len(titles) + 2))
    for line in lines:
        cells = line.cells()
        _row([line.title, *(cells.get(peer, "—") for peer in [*peers, None])])


def _version(package: str, python: str = sys.executable) -> str:
    """The version that this interpreter has installed; none if there is none."""
    code = f"import importlib.metadata as metadata; print(metadata.version({package!r}))"
    result = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    return result.stdout.strip()


def _installed(others: str | None) -> list[Peer]:
    """The peers that can be measured, after a line that names the machine's kind, and those that cannot."""
    described = [f"{os.cpu_count()} processors ({platform.machine()})", f"Python {platform.python_version()}"]
    described.append(" ".join(ssl.OPENSSL_VERSION.split()[:2]))
    places = {TRUSTSTORE: sys.executable, AT_START: others, None: sys.executable}
    peers = [BARE, SNIPPET]
    for peer, python in places.items():
        name = peer.title if peer else "requests"
        version = _version(name, python) if python else ""
        described.append(f"{name} {version or 'left out: not installed'}")
        if peer is AT_START and version:
            described[-1] += f" (pip {_version('pip', python)})"  # whose own truststore it uses
        if peer and version:
            peers.append(replace(peer, python=python))
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}: {', '.join(described)}\n")
    return [*peers, BLOCK]


def main() -> None:
    """Measure what is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pip-system-certs", metavar="PYTHON", help="an interpreter that has pip-system-certs")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is sampled (default: 20)")
    parser.add_argument("--connections", type=int, default=1000, help="how many a process makes (default: 1000)")
    options = parser.parse_args()
    without_decisive_variables()
    peers = _installed(options.pip_system_certs)
    with serving() as server:
        files = (server.bundle_with(certifi.where()), server.url())
        _show(peers, Bench(peers, files, options.rounds, options.connections).lines())


if __name__ == "__main__":
    main()
