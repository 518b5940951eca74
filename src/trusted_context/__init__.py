"""Inside a ``with trusted_context(...)`` block downloads trust what the block says; after it, all is as before."""

from __future__ import annotations

from ._block import InsecureWarning, TrustedContext, current, trusted_context
from ._bundle import BundleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .checks._check import check
    from .checks._report import Report
    from .explanations._explain import Explanation, explain

__all__ = [
    "BundleError",
    "Explanation",
    "InsecureWarning",
    "Report",
    "TrustedContext",
    "check",
    "current",
    "explain",
    "trusted_context",
]

# What a program that works never needs is imported when it is asked for (PEP 562).
_LATER = {
    "Explanation": "explanations._explain",
    "Report": "checks._report",
    "check": "checks._check",
    "explain": "explanations._explain",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
