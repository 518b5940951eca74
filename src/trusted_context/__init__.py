"""Inside a ``with trusted_context(...)`` block downloads trust what the block says; after it, all is as before."""

from ._block import InsecureWarning, TrustedContext, current, trusted_context
from ._bundle import BundleError

__all__ = ["BundleError", "InsecureWarning", "TrustedContext", "current", "trusted_context"]
