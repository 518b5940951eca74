"""CA material that came from another process: its certificates, under the name that it has there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Carried:
    """The certificates of one piece of CA material, as a pickled block takes them along.

    Args:
        label: what the piece is called in messages: the path that was given.
        found: the certificates (DER), with where each of them stood.
        skipped: what was passed over beside them, in words.
    """

    __slots__ = ("found", "label", "skipped")

    def __init__(self, label: str, found: Mapping[bytes, str], skipped: tuple[str, ...]) -> None:
        self.label: str = label
        self.found: dict[bytes, str] = dict(found)
        self.skipped: tuple[str, ...] = skipped

    def __reduce__(self) -> tuple[object, ...]:
        return Carried, (self.label, self.found, self.skipped)
