"""The error that says what stands in a CA certificate's place."""

from __future__ import annotations


class BundleError(ValueError):
    """CA material that cannot be used: the message says which, what it holds instead, and what to do."""

    __module__ = "trusted_context"
