"""The IPython extension: ``%load_ext trusted_context`` brings ``%trusted_context`` and ``%%trusted_context``."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import threading

from . import _cells
from ._block import enter_instead_of, trusted_context
from ._entering import leave
from .core import live
from .explanations import notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from ._block import TrustedContext
    from .core.live import Entry

_NAME = "trusted_context"
# The line that a cell magic's first line becomes.
_FOR_THIS_CELL = "_trusted_context_for_this_cell"
_FIRST_LINE = re.compile(rf"%%{_NAME}(?:[ \t]+(?P<arguments>.*?))?\s*")
_USAGE = (
    f"%{_NAME} takes [CA file ...] [--system] [--insecure HOST] [--strict] [--export], %{_NAME} off ends it, and "
    f"%{_NAME} alone says what governs"
)

_loaded: dict[int, _Extension] = {}


def load_ipython_extension(shell: Any) -> None:
    """Add the magics to *shell*, and to the traceback of a failing cell the reason of a failed connection."""
    if id(shell) not in _loaded:
        extension = _loaded[id(shell)] = _Extension(shell)
        extension.load()


def unload_ipython_extension(shell: Any) -> None:
    """End what the magics entered, and give *shell* back as it was."""
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        extension.unload()


class _Runs(threading.local):
    """For each run of a cell that this thread is in, what its first lines entered."""

    def __init__(self) -> None:
        self.entered: list[list[Entry]] = []


class _Extension:
    """What is added to one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._entry: Entry | None = None
        self._runs = _Runs()
        self._magics: dict[tuple[str, str], Any] = {}
        self._traceback: Callable[..., Any] | None = None

    def load(self) -> None:
        for kind, name, function in (
            ("line", _NAME, self._from_here_on),
            ("cell", _NAME, self._run_cell),
            ("line", _FOR_THIS_CELL, self._enter_for_this_cell),
        ):
            self._magics[kind, name] = self._shell.magics_manager.magics[kind].get(name)
            self._shell.register_magic_function(function, magic_kind=kind, magic_name=name)
        self._shell.input_transformers_cleanup.append(self._rewrite_first_line)
        self._shell.events.register("pre_execute", self._before_a_run)
        self._shell.events.register("post_execute", self._after_a_run)
        self._annotate_tracebacks()

    def unload(self) -> None:
        self._shell.events.unregister("pre_execute", self._before_a_run)
        self._shell.events.unregister("post_execute", self._after_a_run)
        self._shell.input_transformers_cleanup.remove(self._rewrite_first_line)
        for (kind, name), former in self._magics.items():
            if former is None:
                self._shell.magics_manager.magics[kind].pop(name, None)
            else:
                self._shell.magics_manager.magics[kind][name] = former
        shower = vars(self._shell.InteractiveTB)
        # One that other code has put in the place of ours meanwhile may call ours, which then adds nothing.
        if shower.get("structured_traceback") is self._traceback:
            del shower["structured_traceback"]
        self._traceback = None
        while self._runs.entered:
            self._after_a_run()
        leave(self._entry)

    def _annotate_tracebacks(self) -> None:
        shower = self._shell.InteractiveTB
        original = shower.structured_traceback

        def structured_traceback(*args: Any, **kwargs: Any) -> Any:
            error = kwargs.get("evalue", args[1] if len(args) > 1 else None)
            if self._traceback is not None and live.governing() is not None:
                notes.annotate(error)
                _hide_frames(error, set())
            return original(*args, **kwargs)

        self._traceback = shower.structured_traceback = structured_traceback

    def _from_here_on(self, line: str) -> None:
        """Trust what the line says in this cell and in all that follow, until ``%trusted_context off``.

        ``%trusted_context [CA file ...] [--system] [--insecure HOST] [--strict] [--export]``, which mean what the
        arguments of ``trusted_context()`` of these names do. Run again, it replaces what it said before, with no moment
        between the two. With ``off`` it ends; alone it says what governs.
        """
        __tracebackhide__ = True
        words = line.split()
        if words == ["off"]:
            leave(self._entry)
            self._entry = None
        elif words:
            self._entry = enter_instead_of((self._entry,) if self._entry else (), _parse(line))
        _say(_describe_governing())

    def _run_cell(self, line: str, cell: str) -> None:
        """Trust what the line says in this cell: ``%%trusted_context --insecure mirror.corp``, options as in ``%``."""
        # IPython itself never comes here, since the first line was rewritten: code that calls run_cell_magic() does.
        self._shell.run_cell(f"%%{_NAME} {line}\n{cell}")

    def _enter_for_this_cell(self, line: str) -> None:
        __tracebackhide__ = True
        entry = enter_instead_of((), _parse(line))
        if not self._runs.entered:  # of the cell that loaded the extension nobody told us
            self._runs.entered.append([])
        self._runs.entered[-1].append(entry)

    def _rewrite_first_line(self, lines: list[str]) -> list[str]:
        """Make the cell magic's line a statement, so that the rest is still a cell of IPython's.

        Run by a function, as other cell magics are, it could not await, show its last value, or be interrupted.
        """
        first = lines and _FIRST_LINE.fullmatch(lines[0])
        if not first:
            return lines
        rest = lines[1:]
        if "".join(rest).lstrip().startswith("%%"):  # which IPython looks for in the first line alone
            rest = self._shell.input_transformer_manager.transform_cell("".join(rest)).splitlines(keepends=True)
        arguments = first["arguments"] or ""
        return [f"get_ipython().run_line_magic({_FOR_THIS_CELL!r}, {arguments!r})\n", *rest]

    def _before_a_run(self) -> None:
        self._runs.entered.append([])
        # What a cell with "await" sets in its context ends with it, and an older block would govern in the next cell.
        live.adopt((*_cells.all_started(), *([self._entry] if self._entry else [])))

    def _after_a_run(self) -> None:
        for entry in reversed(self._runs.entered.pop() if self._runs.entered else []):
            leave(entry)


class _Parser(argparse.ArgumentParser):
    def error(self, _message: str) -> NoReturn:
        raise importlib.import_module("IPython.core.error").UsageError(_USAGE)


_parser = _Parser(prog=f"%{_NAME}", add_help=False, allow_abbrev=False)
_parser.add_argument("cafile", nargs="*")
for _switch in ("--system", "--strict", "--export"):
    _parser.add_argument(_switch, action="store_true")
_parser.add_argument("--insecure", action="append")


def _parse(line: str) -> TrustedContext:
    """The block that the words of *line* describe, quoted as in a shell.

    Raises:
        UsageError: IPython's, for words that are no such options.
    """
    __tracebackhide__ = True
    try:
        words = importlib.import_module("IPython.utils.process").arg_split(line, posix=os.name != "nt")
    except ValueError:  # a quote without its end
        _parser.error(line)
    given = _parser.parse_intermixed_args(words)
    return trusted_context(
        [os.path.expanduser(path) for path in given.cafile] or None,
        system=given.system or None,
        insecure=given.insecure or False,
        strict=given.strict,
        export=given.export,
    )


def _hide_frames(error: BaseException | None, seen: set[int]) -> None:
    """Mark the frames of this package between the user's and the last, for IPython to pass over, as a local does."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    traceback = error.__traceback__
    while traceback is not None:
        if str(traceback.tb_frame.f_globals.get("__name__")).partition(".")[0] == _NAME:
            traceback.tb_frame.f_locals["__tracebackhide__"] = True
        traceback = traceback.tb_next
    _hide_frames(error.__cause__, seen)
    _hide_frames(error.__context__, seen)


def _describe_governing() -> str:
    entry = live.governing()
    if entry is None:
        return "no block governs: every client trusts what it does by itself"
    return f"{entry.owner!r} governs: {entry.resolved.describe()}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
