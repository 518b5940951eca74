"""One end of time for everything that a check does."""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


class Deadline:
    """The moment by which all is over, that many *seconds* from now."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer within the time that was given")
        return left

    def at_most(self, seconds: float) -> Deadline:
        """The same moment, or the one that many seconds from now where that is earlier.

        Raises:
            TimeoutError: nothing is left.
        """
        return Deadline(min(self.left(), seconds))


def within(deadline: Deadline, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what nothing can interrupt, such as a name lookup: in a thread, which is left to itself at the deadline.

    Raises:
        TimeoutError: the deadline came first.
    """
    returned: list[R] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            returned.append(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # raised again for whoever waits
            raised.append(error)

    thread = threading.Thread(target=run, name="trusted_context check", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError("no answer within the time that was given")
    return returned[0]
