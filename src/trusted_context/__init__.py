"""Inside a ``with trusted_context(...)`` block downloads trust what the block says; after it, all is as before."""

from ._block import InsecureWarning, TrustedContext, current, trusted_context
from .sources.error import BundleError

# Of a plain False jedi would take what is below for unreachable, and offer no name of it.
TYPE_CHECKING: bool = False
if TYPE_CHECKING:
    from .checks.check import check
    from .checks.report import Report
    from .explanations.explain import Explanation, explain

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
    "Explanation": "explanations.explain",
    "Report": "checks.report",
    "check": "checks.check",
    "explain": "explanations.explain",
    # By which %load_ext knows an extension.
    "load_ipython_extension": "ipython",
    "unload_ipython_extension": "ipython",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
    return found


def _named_for_freezers() -> None:  # pragma: no cover  # never called
    """Import by name what ``__getattr__`` does: freezers such as PyInstaller and Nuitka take what code names."""
    from . import ipython  # noqa: F401  # as above
    from .checks import check, report  # noqa: F401  # as above
    from .explanations import explain  # noqa: F401  # as above


def __dir__() -> list[str]:
    return list(__all__)
