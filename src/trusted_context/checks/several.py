"""Several servers at once, in a line each: those that are given, or those that people download from most."""

from __future__ import annotations

import json
import textwrap
import threading

from ..core.hosts import authority
from ..core.redaction import show_url
from . import advice
from .check import examine as examine_one
from .document import FORMAT
from .report import last_lines
from .rows import title
from .target import check_timeout, parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .report import Report

# PyPI's two, Hugging Face, PyTorch, GitHub, conda.
POPULAR = (
    "pypi.org",
    "files.pythonhosted.org",
    "huggingface.co",
    "download.pytorch.org",
    "github.com",
    "conda.anaconda.org",
)
_MOST_AT_ONCE = 16
_INDENT = 5


def examine(
    urls: Sequence[str], cafile: list[str] | None, *, timeout: float, tell: Callable[[str], None]
) -> list[Report]:
    """Check each, all at the same time, within *timeout* seconds; the reports stand in the order of *urls*.

    Raises:
        ValueError: one of them names no HTTPS server, or there are too many, or *timeout* is no time.
        OSError: as :func:`check.check`.
        BundleError: as :func:`check.check`.
    """
    check_timeout(timeout)
    for url in urls:
        parse_target(url)
    if len(urls) > _MOST_AT_ONCE:
        raise ValueError(f"{len(urls)} servers at once are too many: give at most {_MOST_AT_ONCE}")
    threads = [_Thread(url, cafile, timeout) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        tell(f"checking {show_url(thread.url)}")
        while thread.is_alive():
            thread.join(0.2)  # so that Ctrl-C is heeded meanwhile on every system
    return [thread.result() for thread in threads]


class _Thread(threading.Thread):
    """One check; a daemon, so that Ctrl-C ends the program at once."""

    def __init__(self, url: str, cafile: list[str] | None, timeout: float) -> None:
        super().__init__(name="trusted_context check", daemon=True)
        self.url = url
        self._cafile = cafile
        self._timeout = timeout
        self._report: Report | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._report = examine_one(self.url, self._cafile, timeout=self._timeout, tell=lambda _: None)
        except Exception as error:  # noqa: BLE001  # raised again for whoever waits
            self._error = error

    def result(self) -> Report:
        if self._error:
            raise self._error
        assert self._report
        return self._report


def to_json(reports: Sequence[Report]) -> str:
    """All findings, as JSON in ASCII."""
    return json.dumps({"format": FORMAT, "checks": [report.as_dict() for report in reports]}, indent=2)


def lines(reports: Sequence[Report], width: int) -> Iterator[tuple[str, str]]:
    """A line for each server, and then what to paste where one kind of trust verifies them all."""
    for report in reports:
        mark = "ok" if report.works else "FAIL"
        filled = textwrap.wrap(
            _summary(report), width, initial_indent=f"{mark:{_INDENT}}", subsequent_indent=" " * _INDENT,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        yield from ((mark, line) for line in filled)
    failing = [report for report in reports if not report.works]
    if failing:
        found = failing[0].findings
        command = advice.join([*advice.own_command(), "check", authority(found.host, found.port)])
        yield "", ""
        yield "", "# in a shell: more of the first that fails"
        yield "code", command
        return
    shared = _shared(reports)
    if shared:
        yield from last_lines(shared.findings.advice, width)


def _summary(report: Report) -> str:
    found = report.findings
    said = title(found)
    if report.works:
        by = next(verdict.title for verdict in found.verdicts if verdict.works)
        return f"{said} by {by}"
    product = f", by {found.product}" if found.product else ""
    return f"{said}: {found.cause}{product}"


def _shared(reports: Sequence[Report]) -> Report | None:
    """A report whose line verifies every server, if there is one."""
    for report in reports:
        if all(report.line in _working(other) for other in reports):
            return report
    return None


def _working(report: Report) -> list[str | None]:
    return [verdict.line for verdict in report.findings.verdicts if verdict.works]
