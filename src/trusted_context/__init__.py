"""Inside a ``with trusted_context(...)`` block downloads trust what the block says; after it, all is as before."""

from ._block import InsecureWarning, TrustedContext, current, trusted_context
from ._bundle import BundleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._check import check
    from ._report import Report

__all__ = ["BundleError", "InsecureWarning", "Report", "TrustedContext", "check", "current", "trusted_context"]

# Looked for when somebody asks (PEP 562): a program that only downloads need not import what explains failures.
_LAZY = {"Report": "_report", "check": "_check"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
