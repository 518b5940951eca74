"""What the cells of a notebook started: a cell that is run again replaces it."""

from __future__ import annotations

import sys
import threading
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import CodeType, FrameType
    from typing import Any

    from .core.live import Entry

# By what a cell is known by: the run that started something last, and what it started.
_started: dict[Hashable, tuple[Hashable, list[weakref.ref[Entry]]]] = {}


def started_before() -> tuple[Entry, ...]:
    """The live entries that earlier runs of this cell started; none where this run has replaced them already."""
    cell = _running_cell()
    if cell is None:
        return ()
    name, run = cell
    former, started = _started.get(name, (run, []))
    return () if former == run else tuple(entry for entry in (one() for one in started) if entry and entry.live)


def note(entry: Entry) -> None:
    """Remember that the cell that runs now started *entry*."""
    cell = _running_cell()
    for name, (_, started) in list(_started.items()):
        if not any((one := ref()) and one.live for ref in started):
            del _started[name]
    if cell is not None:
        name, run = cell
        former, started = _started.get(name, (run, []))
        _started[name] = run, [*(started if former == run else []), weakref.ref(entry)]


def all_started() -> tuple[Entry, ...]:
    """The live entries that cells started, for the whole process."""
    noted = (one() for _, started in _started.values() for one in started)
    return tuple(entry for entry in noted if entry and entry.live and not entry.local)


def _running_cell() -> tuple[Hashable, Hashable] | None:
    """What this cell is known by, and this run of it: by the front end's names where it gives some."""
    shell = _shell()
    code = shell and _code_of_cell(vars(shell.user_module))
    if not code:
        return None
    parent: dict[str, Any] = getattr(shell, "parent_header", None) or {}
    name = (parent.get("metadata") or {}).get("cellId")
    run = (parent.get("header") or {}).get("msg_id")
    return name or code, run or shell.execution_count


def _shell() -> Any:
    """IPython's shell, where this is its thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    get_ipython = getattr(sys.modules["IPython"], "get_ipython", None)
    return get_ipython and get_ipython()


def _code_of_cell(names: dict[str, Any]) -> CodeType | None:
    """The code of the statement of a cell that runs now. Equal statements on equal lines have equal code."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals is names and frame.f_code.co_name in {"<module>", "<cell line: 1>"}:
            return frame.f_code
        frame = frame.f_back
    return None
