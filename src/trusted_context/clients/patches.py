"""Attributes replaced for a while, and put back only where they are still ours."""

from __future__ import annotations

import functools
import weakref
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Stands for an attribute that was not there: a method of a base class.
_ABSENT = object()


class NotCoveredError(Exception):
    """A library without something that its patches need; says what a user needs to hear, after ``which``."""


class Patches:
    """A stack of replaced attributes."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, object, object]] = []
        # What was made of which original, for the next time: blocks are entered many times, and patches are the same.
        self._made: weakref.WeakKeyDictionary[Any, dict[str, tuple[object, object]]] = weakref.WeakKeyDictionary()
        # All that was replaced together the last time, and the owners that it was found by.
        self._kept: tuple[tuple[Any, ...], tuple[tuple[Any, str, object, object], ...]] = ((), ())

    def repeat(self, replace: Callable[[], None], *owners: Any) -> None:
        """Replace all that *replace* does, which *owners* decide: as the last time, where nothing has changed since."""
        known, kept = self._kept
        if known != owners or not _are_in_place(kept):
            start = len(self._done)
            replace()
            self._kept = owners, tuple(self._done[start:])
            return
        for one in kept:
            self._done.append(one)
            owner, name, _, ours = one
            setattr(owner, name, ours)

    @staticmethod
    def require(module: ModuleType, *names: str) -> None:
        """See that *module* itself has what these dotted names say, before anything is replaced.

        Raises:
            NotCoveredError: it lacks one of them, as another version of the library may.
        """
        for name in names:
            owner, _, attribute = name.rpartition(".")
            found: Any = Patches.owner(module, owner) if owner else module
            if attribute not in getattr(found, "__dict__", {}):
                raise NotCoveredError(f"which finds no {name} in its {module.__name__}")

    @staticmethod
    def owner(module: ModuleType, name: str) -> Any:
        """The library's own class by this name, also where other code has put a subclass in its place."""
        present: Any = _held_by(module, name) if name in vars(module) else None
        library = module.__name__.partition(".")[0]
        lineage = getattr(present, "__mro__", ())
        own = (cls for cls in lineage if cls.__name__ == name and cls.__module__.partition(".")[0] == library)
        return next(own, present)

    def wrap(self, owner: Any, name: str, make: Callable[[Any], object]) -> None:
        """Replace the attribute that *owner* itself (not a base class) has under *name* by what *make* makes of it."""
        self._replace(owner, name, _held_by(owner, name), make)

    def override(self, owner: Any, name: str, make: Callable[[Any], object]) -> None:
        """Replace the attribute that *owner* has, or inherits, under *name* by what *make* makes of it."""
        self._replace(owner, name, vars(owner).get(name, _ABSENT), make)

    def _replace(self, owner: Any, name: str, before: Any, make: Callable[[Any], object]) -> None:
        if any(owner is known and before is ours for known, _, _, ours in self._done):
            return  # one module that is known by two names
        ours = self._make_once(owner, name, before, make)
        self._done.append((owner, name, before, ours))
        setattr(owner, name, ours)

    def _make_once(self, owner: Any, name: str, before: Any, make: Callable[[Any], object]) -> object:
        made = self._made.setdefault(owner, {})
        of = before, _parts_of(make)
        known, ours = made.get(name, (None, None))
        if known is None or known != of:
            ours = make(getattr(owner, name) if before is _ABSENT else before)
            made[name] = of, ours
        return ours

    def restore(self) -> list[str]:
        """Put the originals back, the last first; leave and name what somebody else replaced meanwhile.

        Each is forgotten only once it is back: interrupted by Ctrl-C, it can be called again to do the rest.
        """
        replaced: list[str] = []
        while self._done:
            owner, name, before, ours = self._done[-1]
            now = vars(owner).get(name, _ABSENT)
            if now is not ours:
                if now is not before:
                    replaced.append(f"{_name(owner)}.{name}")
            elif before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
            self._done.pop()
        return replaced


def _held_by(owner: Any, name: str) -> Any:
    """What *owner* itself has under *name*.

    Of a module's attribute that is imported lazily (PEP 810) the dictionary holds a stand-in, until it is asked for.
    """
    return getattr(owner, name) if isinstance(owner, ModuleType) else vars(owner)[name]


def _are_in_place(replaced: tuple[tuple[Any, str, object, object], ...]) -> bool:
    """Whether all the originals are where they were."""
    for owner, name, before, _ in replaced:  # noqa: SIM110  # a generator takes as long again, at each entry of a block
        if vars(owner).get(name, _ABSENT) is not before:
            return False
    return True


def _parts_of(make: Any) -> tuple[object, ...]:
    """What tells *make* from another function; a partial one is made anew each time, of the same parts."""
    if isinstance(make, functools.partial):
        return make.func, make.args, make.keywords
    return (make,)


def _name(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else str(owner.__name__)
