"""Attributes replaced for a while, and put back only where they are still ours."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


class NotCoveredError(Exception):
    """A library in which we do not find what we know of it; says what a user needs to hear, after ``which``."""


class Patches:
    """A stack of replaced attributes."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, object, object]] = []

    @staticmethod
    def require(module: ModuleType, *names: str) -> None:
        """See that *module* itself has what these dotted names say, before anything is replaced.

        Raises:
            NotCoveredError: it has not, as in a version of the library that we do not know.
        """
        for name in names:
            found: Any = module
            for part in name.split("."):
                if part not in vars(found):
                    raise NotCoveredError(f"which finds no {name} in its {module.__name__}")
                found = vars(found)[part]

    def wrap(self, owner: Any, name: str, make: Callable[[Any], object]) -> None:
        """Replace the attribute that *owner* itself (not a base class) has under *name* by what *make* makes of it."""
        original = vars(owner)[name]
        if any(owner is known and original is ours for known, _, _, ours in self._done):
            return  # one module that is known by two names
        ours = make(original)
        self._done.append((owner, name, original, ours))
        setattr(owner, name, ours)

    def restore(self) -> list[str]:
        """Put the originals back, the last first; leave and name what somebody else replaced meanwhile.

        Each is forgotten only once it is back: interrupted by Ctrl-C, it can be called again to do the rest.
        """
        replaced: list[str] = []
        while self._done:
            owner, name, original, ours = self._done[-1]
            now = vars(owner).get(name)
            if now is ours:
                setattr(owner, name, original)
            elif now is not original:
                replaced.append(f"{_name(owner)}.{name}")
            self._done.pop()
        return replaced


def _name(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else str(owner.__name__)
