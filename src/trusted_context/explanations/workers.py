"""Failures that came back from a worker process: of one that follows no block, and with what was found there."""

from __future__ import annotations

import re
from itertools import chain

from . import walk
from .failure import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .explain import Explanation
    from .failure import Failure

_ATTRIBUTE = "_trusted_context_found"
# How multiprocessing, concurrent.futures, loky, and their copies, name the error that holds a worker's traceback.
_REMOTE = frozenset({"RemoteTraceback", "_RemoteTraceback"})
# torch raises another error of the same type, with the worker's traceback as its text.
_TORCHS = re.compile(r"^Caught \w+ in DataLoader worker process \d")
# Our frames in a traceback: a worker that has them is in a block, whatever failed there.
_OURS = re.compile(r'File "(?:[^"\n]{0,4096}[\\/])?trusted_context[\\/](?:clients|core)[\\/]\w+\.pyc?"')


class _Found:
    """An explanation, and whether it was pickled since, so that what it was found by may be missing."""

    __slots__ = ("explanation", "pickled")

    def __init__(self, explanation: Explanation, *, pickled: bool = False) -> None:
        self.explanation = explanation
        self.pickled = pickled

    def __reduce__(self) -> tuple[object, ...]:
        return _unpickled, (self.explanation,)


def _unpickled(explanation: Explanation) -> _Found:
    return _Found(explanation, pickled=True)


def keep(error: BaseException, explanation: Explanation) -> None:
    """Keep *explanation* with *error* and what it wraps: a pickled error has lost some of what it was found by."""
    found = _Found(explanation)
    for one in walk.within(error):
        # Some errors, such as urllib3's MaxRetryError, are pickled without their attributes, but with what they wrap.
        vars(one).setdefault(_ATTRIBUTE, found)


def found_there(error: BaseException) -> Explanation | None:
    """The explanation of *error* that was found in the process which pickled it."""
    kept = (vars(one).get(_ATTRIBUTE) for one in walk.within(error))
    return next((one.explanation for one in kept if isinstance(one, _Found) and one.pickled), None)


def came_back(errors: Iterable[BaseException]) -> bool:
    """Whether one of *errors* holds the traceback of a worker process."""
    return any(map(_tracebacks, errors))


def follows_no_block(errors: Iterable[BaseException]) -> bool:
    """Whether one of *errors* holds the traceback of a worker process, and that went through no block's connection."""
    texts = list(chain.from_iterable(map(_tracebacks, errors)))
    return bool(texts) and not any(map(_OURS.search, texts))


def _tracebacks(error: BaseException) -> list[str]:
    texts = walk.texts(error)
    return texts if type(error).__name__ in _REMOTE else [text for text in texts if _TORCHS.match(text)]


def cause_of(failure: Failure) -> Cause:
    """The cause of a failure in a worker that follows no block."""
    return Cause(
        "not-covered",
        f"{failure.server}: this failed in a worker process that was started before the block: {failure.words}",
        "a worker process that was started before the block, or outside it, does not follow it",
        "make the pool inside the block, or hand the block to it: initializer=block.start",
    )


def describe(summary: str) -> str:
    """What the worker trusted, beside what the block does by its *summary*."""
    return f"what the worker process trusts without a block; this block trusts {summary}"
