"""Attributes replaced for a while, and put back only where they are still ours."""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Patches:
    """A stack of replaced attributes."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, object, object]] = []

    def set(self, owner: Any, name: str, value: object) -> None:
        """Replace the attribute that *owner* itself (not a base class) has under *name*."""
        self._done.append((owner, name, vars(owner)[name], value))
        setattr(owner, name, value)

    def restore(self) -> list[str]:
        """Put the originals back, the last first; leave and name what somebody else replaced meanwhile."""
        replaced: list[str] = []
        with contextlib.ExitStack() as stack:
            while self._done:
                stack.callback(_put_back, *self._done.pop(0), replaced)
        return replaced


def _put_back(owner: Any, name: str, original: object, ours: object, replaced: list[str]) -> None:
    if vars(owner).get(name) is ours:
        setattr(owner, name, original)
    else:
        replaced.append(f"{owner.__module__}.{owner.__qualname__}.{name}")
