"""The note that a block adds to an exception that leaves it, where that tells of a connection that failed (PEP 678)."""

from __future__ import annotations

from itertools import islice

from . import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sources.resolution import Resolved

_ATTRIBUTE = "_trusted_context_explained"
# Of a group: more than these no person reads.
_MOST_OF_A_GROUP = 8


def annotate(error: BaseException | None, left: Resolved | None = None) -> None:
    """Add to *error*, unless it has it already, why a connection failed.

    Args:
        error: what leaves the block.
        left: what the block trusted, where it has ended.
    """
    # Control flow, and Ctrl-C, are no failures to connect.
    if not isinstance(error, Exception) or isinstance(error, (StopIteration, StopAsyncIteration)):
        return
    try:
        for one in islice(_members(error), _MOST_OF_A_GROUP):
            _annotate(one, left)
    except Exception:  # noqa: BLE001, S110  # whatever goes wrong here, the user's exception is what must be seen
        pass


def _members(error: BaseException) -> Iterator[BaseException]:
    """The exceptions of a group, each of which may tell of another host; else *error* alone."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from _members(inner)


def _annotate(error: BaseException, left: Resolved | None) -> None:
    errors = walk.carried(error)
    if not walk.is_worth_a_look(errors) or any(map(_is_explained, walk.shown(error))):
        return
    from . import uncovered, workers
    from .explain import explain

    if left is not None:
        uncovered.keep(errors, left)
    explanation = explain(error)
    if explanation is not None:
        BaseException.add_note(error, str(explanation))
        vars(error)[_ATTRIBUTE] = True
        workers.keep(error, explanation)


def _is_explained(error: BaseException) -> bool:
    return _ATTRIBUTE in vars(error)
