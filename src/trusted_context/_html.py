"""What notebooks show of a block, an explanation and a report: first the code to copy, then what it is about."""

from __future__ import annotations

import re
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .checks.rows import Row
    from .explanations.explain import Explanation

# Text keeps the notebook's own colour. These two are see-through, and so fit a light and a dark theme.
_LINE, _GROUND = "#8886", "#8882"
_WRAPS = "white-space:pre-wrap;overflow-wrap:anywhere"
_CELL = "text-align:left;vertical-align:top;padding:.15em .6em .15em 0"
_SHORT, _LONG = f"{_CELL};white-space:nowrap", f"{_CELL};width:100%;white-space:normal;overflow-wrap:anywhere"

# What an explanation advises, and nothing that a certificate's name could say: placeholders for files, the system's
# store, certifi.
_FILE = r'"[\w-]+\.crt"'
_ADVISED = re.compile(
    rf"trusted_context\((?:system=True|certifi\.where\(\)|(?:{_FILE}|\[{_FILE}(?:, {_FILE})*\])(?:, system=True)?)\)"
)


def of_block(given: dict[str, object], state: str) -> str:
    """Show a block by the line that makes another one with these arguments, and by what it is at now."""
    arguments = ", ".join(
        f"{name}={_material(value) if isinstance(value, list) and name == 'cafile' else repr(value)}"
        for name, value in given.items()
    )
    return _whole(_code(f"with trusted_context({arguments}):"), f'<div style="{_WRAPS}">{escape(state)}</div>')


# What is no path is only described, and cannot be written again.
_NO_PATH = re.compile(r"<(PEM text|\d+ (bytes|characters))>")


def _material(labels: list[str]) -> str:
    pieces = ["..." if _NO_PATH.fullmatch(label) else repr(label) for label in labels]
    return pieces[0] if len(pieces) == 1 else f"[{', '.join(pieces)}]"


def of_explanation(explanation: Explanation) -> str:
    """Show the line that an explanation advises, or that looks further, and the explanation."""
    rows = ((name, getattr(explanation, name)) for name in ("presented", "trusted", "likely", "next"))
    return _whole(
        _code(_advised(explanation)),
        f"<b>{escape(explanation.happened)}</b>",
        _table((name, text) for name, text in rows if text),
    )


def of_report(title: str, code: str, beside: str, rows: Iterable[Row]) -> str:
    """Show a report's code, its title, and folded up its rows and what else there is to paste."""
    return _whole(
        _code(code),
        f"<b>{escape(title)}</b>",
        _folded("what was found", _table((row.label.strip(), row.text, row.mark) for row in rows)),
        _folded("for a shell, other programs, or IT", _code(beside)) if beside else "",
    )


def _advised(explanation: Explanation) -> str:
    found = _ADVISED.search(explanation.next)
    if found:
        imports = "import certifi\n" if "certifi." in found[0] else ""
        return f"{imports}with {found[0]}:"
    return f"trusted_context.check({explanation.host!r})" if explanation.host else ""


def _whole(*parts: str) -> str:
    return f'<div style="max-width:46em">{"".join(parts)}</div>'


def _code(code: str) -> str:
    if not code:
        return ""
    style = f"{_WRAPS};margin:0 0 .5em;padding:.4em .6em;border:1px solid {_LINE};background:{_GROUND};color:inherit"
    return f'<pre style="{style}">{escape(code)}</pre>'


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    lines = "".join(_row(*row) for row in rows)
    return f'<table style="width:100%;margin:.3em 0;border-collapse:collapse;color:inherit">{lines}</table>'


def _row(label: str, text: str, mark: str | None = None) -> str:
    titled = f'<th style="{_SHORT}">{escape(label)}</th>'
    cells = f'{titled}<td style="{_LONG}">{escape(text)}</td>'
    marked = "" if mark is None else f'<td style="{_SHORT}">{escape(mark)}</td>'
    return f'<tr style="background:transparent">{marked}{cells}</tr>'


def _folded(title: str, content: str) -> str:
    return f"<details style='margin-top:.3em'><summary>{escape(title)}</summary>{content}</details>"
