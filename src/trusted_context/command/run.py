"""Scripts and modules run in this process as the interpreter itself runs them: what they see, and how they end."""

from __future__ import annotations

import builtins
import io
import os
import runpy
import sys
from importlib.machinery import BuiltinImporter, SourceFileLoader
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

_SCRIPTS = (".py", ".pyw")
_ARCHIVES = (".pyz", ".pyzw", ".zip")


def is_script(path: str) -> bool:
    """Whether the path's ending says that it is Python's source."""
    return path.lower().endswith(_SCRIPTS)


def is_archive(path: str) -> bool:
    """Whether *path* is a folder to run (it has a ``__main__.py``), or its ending says that it is such an archive."""
    if os.path.isdir(path):
        return os.path.isfile(os.path.join(path, "__main__.py"))
    return path.lower().endswith(_ARCHIVES)


def read_script(path: str) -> bytes:
    """The source; ``-`` is standard input.

    Raises:
        OSError: it cannot be read; ``filename`` is the absolute path, where there is one.
    """
    if path == "-":
        return sys.stdin.buffer.read() if sys.stdin is not None else b""
    with io.open_code(_absolute(path)) as file:
        return file.read()


def run_script(path: str, source: bytes, arguments: list[str]) -> None:
    """As ``python path arguments...``.

    Raises:
        BaseException: what the script raises and does not catch; its traceback is printed without frames of ours.
    """
    sys.argv = [path, *arguments]
    # Of a symbolic link the folder that it leads to (sys.path in the library reference).
    folder, filename = "", "<stdin>"
    loader: type[BuiltinImporter] | SourceFileLoader = BuiltinImporter
    if path != "-":
        filename = _absolute(path)
        folder = os.path.dirname(filename if os.name == "nt" else os.path.realpath(filename))
        loader = SourceFileLoader("__main__", filename)
    _replace_first_path(folder)
    names = vars(_new_main())
    names |= {"__file__": filename, "__loader__": loader}
    if sys.version_info < (3, 15):  # which sets it no more ("What's New In Python 3.15")
        names["__cached__"] = None
    _run(lambda: exec(compile(source, filename, "exec", dont_inherit=True), names))  # noqa: S102  # what it is for


def run_module(name: str, arguments: list[str]) -> None:
    """As ``python -m name arguments...``.

    Raises:
        BaseException: what the module raises and does not catch; its traceback is printed without frames of ours.
    """
    sys.argv = ["-m", *arguments]
    _replace_first_path(os.getcwd())
    _new_main()
    _run(lambda: _run_module_as_main(name))


def run_archive(path: str, arguments: list[str]) -> None:
    """As ``python path arguments...``, of a folder or a zip archive with a ``__main__.py``.

    Raises:
        BaseException: what it raises and does not catch; its traceback is printed without frames of ours.
    """
    sys.argv = [path, *arguments]
    if sys.flags.safe_path:  # -P leaves out what is looked for beside a program, not the program
        sys.path.insert(0, "")
    sys.path[0] = _absolute(path)
    _new_main()
    _run(lambda: _run_module_as_main("__main__", alter_argv=False))


# What the interpreter itself calls for -m, folders and archives (Modules/main.c). The public run_module() and
# run_path() put the former __main__ back at the end, when threads and exit handlers may still need the program's.
_run_module_as_main: Callable[..., Any] = runpy._run_module_as_main  # type: ignore[attr-defined]  # private


def _absolute(path: str) -> str:
    # As the interpreter does it: not normalised, but where the operating system's own way is to normalise, and left as
    # it is where the working directory is gone.
    try:
        return os.path.abspath(path) if os.name == "nt" else os.path.join(os.getcwd(), path)
    except OSError:
        return path


def _replace_first_path(folder: str) -> None:
    """Put *folder* where the interpreter put the folder of whatever started us."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _new_main() -> ModuleType:
    """A ``__main__`` as the interpreter makes it, in the place of ours: pickle and multiprocessing look there."""
    former = vars(sys.modules["__main__"])
    module = sys.modules["__main__"] = ModuleType("__main__")
    vars(module)["__builtins__"] = builtins
    if "__annotations__" in former:  # pragma: no branch  # up to Python 3.13
        module.__annotations__ = {}
    return module


def _run(program: Callable[[], object]) -> None:
    try:
        program()
    except SystemExit:
        raise
    except BaseException:
        # It goes on to the interpreter, which prints it and ends the process as it does after any program.
        _hide_our_frames()
        raise


def _hide_our_frames() -> None:
    hook = sys.excepthook

    def print_the_program_s(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.excepthook = hook
        sys.last_traceback = own = _without_ours(traceback)
        hook(kind, error.with_traceback(own), own)

    sys.excepthook = print_the_program_s


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the program's first frame on."""
    while traceback is not None and traceback.tb_frame.f_code is not _run.__code__:
        traceback = traceback.tb_next
    while traceback is not None and _is_machinery(traceback.tb_frame.f_globals):
        traceback = traceback.tb_next
    return traceback


def _is_machinery(names: dict[str, Any]) -> bool:
    return names is globals() or names is vars(runpy)
