"""Measuring on a machine that others use too: both sides alternate, and what is compared comes from one run."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Sample = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """One line of the table: the same work done in a block and by other means, in seconds per round.

    Args:
        paired: a round's two samples are compared with each other, for work so long that the machine's load changes
            between rounds; the median of these ratios decides, as the quickest of few rounds is luck.
    """

    title: str
    block: list[float]
    other: list[float]
    limit: float
    aim: float | None = None
    paired: bool = False

    def of_medians(self) -> float:
        """How the typical rounds compare."""
        if self.paired:
            return statistics.median(ours / theirs for ours, theirs in zip(self.block, self.other, strict=True))
        return statistics.median(self.block) / statistics.median(self.other)

    def of_bests(self) -> float:
        """How the quickest rounds compare: what else the machine does only ever adds time."""
        return min(self.block) / min(self.other)

    def verdict(self) -> str:
        """Whether the limit is kept, by typical and by quickest rounds; "unclear" where the two do not agree."""
        ratios = (self.of_medians(),) if self.paired else (self.of_medians(), self.of_bests())
        if all(ratio <= self.limit for ratio in ratios):
            return "met"
        return "missed" if all(ratio > self.limit for ratio in ratios) else "unclear"

    def cells(self) -> tuple[str, ...]:
        """What stands in the table's columns."""
        limit = f"{self.limit:.4g}" + (f" (aim {self.aim:.4g})" if self.aim else "")
        return (
            self.title,
            format_seconds(statistics.median(self.block)),
            format_seconds(statistics.median(self.other)),
            f"{self.of_medians():.4f}",
            f"{self.of_bests():.4f}",
            limit,
            self.verdict(),
        )


@dataclass(frozen=True)
class Fact:
    """One line beside the table: something that was counted, or is so or not."""

    title: str
    value: str
    expected: str


def interleave(rounds: int, *sides: Sample, seconds: float = math.inf) -> list[list[float]]:
    """Sample every side once a round, another one first in each, and return the samples of each side.

    After the second round, none begins once these *seconds* have passed.
    """
    samples: list[list[float]] = [[] for _ in sides]
    end = time.perf_counter() + seconds
    for number in range(rounds):
        if number >= 2 and time.perf_counter() > end:
            break
        for step in range(len(sides)):
            place = (number + step) % len(sides)
            samples[place].append(sides[place]())
    return samples


def timed(action: Callable[[], object], repeat: int = 1) -> Sample:
    """A sample of the seconds that one call of *action* takes, as the mean of *repeat* calls."""

    def sample() -> float:
        began = time.perf_counter()
        for _ in range(repeat):
            action()
        return (time.perf_counter() - began) / repeat

    return sample


def in_fresh_process(code: str, *arguments: str) -> str:
    """Run *code* in an isolated interpreter of its own, and return what it printed."""
    command = [sys.executable, "-I", "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def format_seconds(seconds: float) -> str:
    """Seconds in the unit that a person would choose."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
