"""Calling a function for a module when it is imported, be it before a block, inside it, or again."""

from __future__ import annotations

import sys
from contextvars import ContextVar

from ..core.lock import lock
from ..core.warning import warn
from .patches import NotCoveredError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Cover = Callable[[ModuleType], None]

_wanted: dict[str, Cover] = {}
_finding: ContextVar[frozenset[str]] = ContextVar("trusted_context_finding", default=frozenset())


def watch(modules: Mapping[str, Cover]) -> None:
    """Call each function with its module: now where that is imported, else as soon as it is. The lock is held."""
    _wanted.update(modules)
    if _finder not in sys.meta_path:
        _stand_in()
    for name, cover in modules.items():
        module = sys.modules.get(name)
        # One that another thread is importing just now is covered at its end, by that thread or at the next entering.
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            _cover_now(cover, module)


def forget(modules: Iterable[str]) -> None:
    """Watch these no more; with nothing left to watch, the import system is as it was. The lock is held."""
    for name in modules:
        _wanted.pop(name, None)
    if not _wanted and _finder in sys.meta_path:
        _step_back()


# The list that was ``sys.meta_path``, the one that stands in for it, and what that held when it was made.
_lists: tuple[list[Any], list[Any], list[Any]] | None = None


def _stand_in() -> None:
    """Put our finder first, in another list.

    An import goes through the list itself: taken out of that, our finder would make one in another thread pass over
    the finder that follows, the last of which finds all that is in files.
    """
    global _lists
    before = sys.meta_path
    ours = [_finder, *before]
    _lists = before, ours, ours[:]
    sys.meta_path = ours


def _step_back() -> None:
    """Take our finder away: the list from before is back, with what other code has changed since."""
    global _lists
    now = sys.meta_path
    if _lists is None or now is not _lists[1]:  # other code put a list of its own there
        sys.meta_path = _others(now)
        return
    before, _, made = _lists
    if now != made:
        before[:] = _others(now)
    sys.meta_path = before
    _lists = None


def _others(finders: list[Any]) -> list[Any]:
    return [finder for finder in finders if finder is not _finder]


# Libraries, by name and version, that a warning has said are not covered.
_warned: set[tuple[str, str]] = set()


def _cover_now(cover: Cover, module: ModuleType) -> None:
    try:
        cover(module)
    except NotCoveredError as reason:
        warn_not_covered(module.__name__.partition(".")[0], str(reason))


def warn_not_covered(library: str, reason: str) -> None:
    """Say, once for each version, that *library* is left as it is, since it lacks something that we need."""
    version = str(getattr(sys.modules.get(library), "__version__", "of unknown version"))
    with lock:
        is_new = (library, version) not in _warned
        _warned.add((library, version))
    if is_new:
        warn(
            f"{library} {version} is not covered by trusted_context, {reason}: a block verifies its connections only "
            "where they use Python's ssl with default trust, and does not keep them apart from those outside",
            RuntimeWarning,
        )


class _Finder:
    """Finds what the others find, with a loader that calls us once the module is there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        # Another finder of this design would ask us in turn, for ever.
        if name not in _wanted or name in _finding.get():
            return None
        token = _finding.set(_finding.get() | {name})
        try:
            return self._find(name, path, target)
        finally:
            _finding.reset(token)

    def _find(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    once: Any = _Once(spec.loader)
                    spec.loader = once
                return spec
        return None


class _Once:
    """A loader that gives its place back to the real one before that runs.

    Left on the module's spec it would hide what the real loader offers, to importlib.resources for one.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        if name == "_loader":  # a copy in the making
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:  # pragma: no branch  # but for objects that create_module() makes as it likes
            module.__spec__.loader = self._loader
        if module.__loader__ is self:  # not where create_module() gave one that had its own
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        with lock:
            cover = _wanted.get(module.__name__)
            if cover is not None:
                _cover_now(cover, module)


_finder: Any = _Finder()
