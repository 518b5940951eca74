"""Errors that tell nothing of a file: there are no more descriptors, or no memory, to open any with."""

from __future__ import annotations

import errno
import os

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_REMEDY = (
    "this process has as many files and connections open as it may, or no memory is left: close some, or raise the "
    "limit, on Linux and macOS by ulimit -n"
)


def is_exhausted(error: OSError) -> bool:
    """Whether any file would have failed so: whoever passes over one that cannot be read must not pass over this."""
    return error.errno in _EXHAUSTED


def add_remedy(error: OSError) -> None:
    """Say what helps, where *error* is one of these and does not say so yet."""
    if is_exhausted(error) and _REMEDY not in str(error.strerror):
        error.strerror = f"{error.strerror} ({_REMEDY})"


def raise_if_exhausted(error: OSError) -> None:
    """Raise what *error* comes from, with what helps, where that is one of these.

    The module tempfile says of a folder that it could not try that there is none.

    Raises:
        OSError: there are no descriptors, or no memory, now.
    """
    try:
        if is_exhausted(error):
            raise error
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as reason:
        if is_exhausted(reason):  # pragma: no branch  # nothing else keeps the null device from being opened
            add_remedy(reason)
            raise
