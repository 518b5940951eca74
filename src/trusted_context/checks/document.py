"""The findings of a check as plain values, for JSON: the one place that knows their form and its number."""

from __future__ import annotations

import dataclasses

from ..core.certificate import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .findings import Findings

# Raised when a key goes or changes its meaning; new keys may come without it.
FORMAT = 2
_LONGEST = 2000
# Code that was made of quoted text, which cut short could not be pasted.
_WHOLE = frozenset({"line", "lines"})


def as_document(findings: Findings) -> dict[str, Any]:
    """All findings, as a new dictionary of strings, numbers, lists and dictionaries.

    No text in it can steer a terminal or go on for ever.
    """
    return {"format": FORMAT} | {name: _plain(name, value) for name, value in dataclasses.asdict(findings).items()}


def clean(text: str) -> str:
    """*text* on one line of bounded length, without control characters."""
    return printable(text, longest=_LONGEST)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value if name in _WHOLE else clean(value)
    if isinstance(value, dict):
        return {clean(key): _plain(key, inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(name, inner) for inner in value]
    return value
