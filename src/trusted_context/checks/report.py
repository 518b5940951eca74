"""The report of a check: its findings as data, and the same facts as text, HTML and JSON."""

from __future__ import annotations

import textwrap
from typing import Any

from ..core.certificate import Certificate  # noqa: TC001  # typing.get_type_hints() looks up here what Report's name
from .document import as_document
from .findings import Findings  # noqa: TC001  # as above
from .rows import rows, title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .findings import Advice
    from .rows import Row

WIDTH = 100
_NARROWEST = 40
# Where the text of a row begins, and where on a screen too narrow for that.
_INDENT, _SMALL_INDENT = 18, 5
_NARROW = 70
# A fingerprint may be broken between its bytes: no word is longer, but paths, which are to stay whole.
_FINGERPRINT_LENGTH = 95
_HEADINGS = {
    "export": "in a shell: take the CA out of there first",
    "pip": "in a shell: the settings of other tools",
    "run": "in a shell: a program of yours as it is",
    "python": "in Python",
    "save-cert": "in a shell: save its certificate; once its owner confirmed the sha256, give that file as cafile",
    "IT": "a text to send to IT",
}


class Report:
    """What :func:`check` found. ``str()`` is the text for a person; notebooks show a table.

    Attributes:
        works: whether some trust that this machine has, or that was given, verifies the server.
        line: the line of code that begins a block with that trust; ``None`` where no line of code helps.
        cause: a stable name of what is wrong, ``None`` where nothing is.
    """

    __module__ = "trusted_context"
    __slots__ = ("_chain", "_findings")

    def __init__(self, findings: Findings, chain: tuple[Certificate, ...]) -> None:
        self._findings = findings
        self._chain = chain

    @property
    def works(self) -> bool:
        """Whether one kind of trust on this machine verifies the server."""
        return self._findings.works

    @property
    def line(self) -> str | None:
        """The line of code that begins a block which verifies the server, if there is one."""
        return self._findings.line

    @property
    def cause(self) -> str | None:
        """The stable name of what is wrong, as :func:`explain` gives it; ``None`` where nothing is."""
        return self._findings.cause

    @property
    def findings(self) -> Findings:
        """The same facts as typed values."""
        return self._findings

    def topmost_authority(self) -> Certificate | None:
        """The last CA certificate of the chain that the server presented; unverified."""
        from ..explanations import anchors
        from ..explanations.failure import linked

        authorities = {found.der for found in anchors.read(tuple(one.der for one in self._chain))}
        path = [one for one in linked(self._chain) if one.der in authorities]
        return next(reversed(path or [one for one in self._chain if one.der in authorities]), None)

    def server_certificate(self) -> Certificate | None:
        """The server's own certificate, as it was presented; unverified."""
        return self._chain[0] if self._chain else None

    def as_dict(self) -> dict[str, Any]:
        """All findings, as a new dictionary of plain values, for a bug report; its keys are stable."""
        return as_document(self._findings)

    def to_json(self) -> str:
        """The same as JSON, in ASCII."""
        import json

        return json.dumps(self.as_dict(), indent=2)

    def __str__(self) -> str:
        return "\n".join(text for _, text in lines(self._findings, WIDTH))

    def __repr__(self) -> str:
        found = self._findings
        return f"<Report of {found.host}:{found.port}: {'works' if self.works else 'does not work'}>"

    def _repr_html_(self) -> str:
        from .. import _html

        code = [line for advice in self._findings.advice if advice.tool == "python" for line in advice.lines]
        others = last_lines(advice for advice in self._findings.advice if advice.tool != "python")
        beside = "\n".join(text for _, text in others).strip()
        return _html.of_report(title(self._findings), "\n".join(code), beside, rows(self._findings))


def lines(findings: Findings, width: int) -> Iterator[tuple[str, str]]:
    """The report's lines, each with its mark: ``"title"``, ``"code"``, or a row's; the last are what to paste or do."""
    width = max(width, _NARROWEST)
    yield from (("title", line) for line in textwrap.wrap(title(findings), width, break_long_words=False))
    yield "", ""
    for row in rows(findings):
        for line in _wrapped(row, width):
            yield row.mark, line
    yield from last_lines(findings.advice, width)


def last_lines(advised: Iterable[Advice], width: int = WIDTH) -> Iterator[tuple[str, str]]:
    """What to paste, never wrapped, under a heading that is a comment in Python and in a shell alike."""
    for advice in advised:
        heading = _HEADINGS.get(advice.tool)
        if heading:
            yield "", ""
            wrapped = textwrap.wrap(heading, width, initial_indent="# ", subsequent_indent="# ")
            yield from (("", line) for line in wrapped)
        for line in advice.lines:
            yield "code", line


def _wrapped(row: Row, width: int) -> list[str]:
    if width < _NARROW:
        start, indent = f"{row.mark:{_SMALL_INDENT}}{row.label.strip()}: ", _SMALL_INDENT
    else:
        start, indent = f"{row.mark:{_SMALL_INDENT}}{row.label:{_INDENT - _SMALL_INDENT}}", _INDENT
    text = row.text
    if len(text) == _FINGERPRINT_LENGTH and text.count(":") == 31:
        text = text.replace(":", ": ")
    filled = textwrap.wrap(
        text,
        width,
        initial_indent=start,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    if text != row.text:
        filled = [start + filled[0][len(start) :].replace(": ", ":")] + [
            line[:indent] + line[indent:].replace(": ", ":") for line in filled[1:]
        ]
    return filled or [start.rstrip()]
