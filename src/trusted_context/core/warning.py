"""Warnings that belong to the line of the caller's that brought them about, not to the machinery in between."""

from __future__ import annotations

import sys
import warnings

_NOT_THE_CALLER = frozenset({__name__.partition(".")[0], "asyncio", "contextlib", "importlib", "IPython"})


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that entered or left a block, or that imported what is warned of."""
    level, frame = 1, sys._getframe()
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in _NOT_THE_CALLER:
        frame = frame.f_back
        # Those of the import system count for nothing in stacklevel.
        level += not str(frame.f_globals.get("__name__")).startswith("importlib._bootstrap")
    warnings.warn(message, category, stacklevel=level)
