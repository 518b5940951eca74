"""What a check's findings come to: the one cause, in words, and what to do next."""

from __future__ import annotations

import time

from ._certificate import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._probe import Handshake, Probe, Stopped
    from ._verdicts import Verdict


class Diagnosis:
    """One cause: a stable name, and lines for a person, each with what it is about."""

    def __init__(self, name: str, happened: str, likely: str, advice: str) -> None:
        self.name = name
        self.lines = [("what", happened), ("likely", likely), ("next", advice)]


def of_stop(stopped: Stopped, probe: Probe) -> Diagnosis | None:
    raise NotImplementedError


def of_verdicts(verdicts: Sequence[Verdict], agreed: Handshake, probe: Probe) -> Diagnosis | None:
    return None


def words(error: BaseException) -> str:
    """What the operating system, OpenSSL or the proxy said, on one line."""
    said = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
    return printable(said or type(error).__name__)


def date(seconds: int | None) -> str | None:
    """That day, as ISO 8601 writes it."""
    try:
        return None if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):  # a year that the platform cannot count to
        return None
