"""multiprocessing, and the copies of it that loky, joblib and multiprocess have: children follow the block.

A child of ``spawn`` and ``forkserver`` first unpickles its preparation data. What is added to that enters the block in
the child, before the program's own modules are imported there. Fork needs none of this.
"""

from __future__ import annotations

import functools
import re

from ..core import live
from ..core.warning import warn
from ..sources import environment
from .patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

_patches = Patches()
_KEY = "trusted_context"

# Run by the child while it unpickles, when its sys.path is not yet the parent's. An error here would end the child, and
# a pool would start the next one, for ever.
_ENTER = """
import sys
before, sys.path = sys.path, path
try:
    from trusted_context._worker import enter
    enter(packed)
except Exception as error:
    import warnings
    message = (
        "the trusted_context block of the process that started this worker cannot be entered in it, and it verifies as "
        f"if there were no block: {type(error).__name__}: {error}"
    )
    try:
        warnings.warn(message, RuntimeWarning)
    except RuntimeWarning:  # warnings are errors here
        if sys.stderr is not None:
            print(f"RuntimeWarning: {message}", file=sys.stderr)
finally:
    sys.path = before
"""


def restore() -> list[str]:
    """Put the functions back where they are still ours."""
    return _patches.restore()


def cover_spawn(module: ModuleType) -> None:
    """Have children follow that are started with the preparation data of *module*.

    Raises:
        NotCoveredError: it lacks a function that prepares a child.
    """
    _patches.require(module, "get_preparation_data", "prepare")
    _patches.wrap(module, "get_preparation_data", _make_get_preparation_data)


def cover_util(module: ModuleType) -> None:
    """Have no fork server keep what a block exports: it outlives the block, and its children have its environment.

    Raises:
        NotCoveredError: it lacks the function that starts a fork server.
    """
    if hasattr(module, "spawnv_passfds"):  # pragma: no branch  # Windows has no fork server
        _patches.wrap(module, "spawnv_passfds", _make_spawnv_passfds)


class _Entering:
    """Enters the block when it is unpickled. It names no class of ours, which the child could not import yet."""

    def __init__(self, path: list[str], packed: bytes) -> None:
        self._path = path
        self._packed = packed

    def __reduce__(self) -> tuple[object, ...]:
        return exec, (_ENTER, {"path": self._path, "packed": self._packed})


def _make_get_preparation_data(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(original)
    def get_preparation_data(*args: Any, **kwargs: Any) -> dict[str, Any]:
        data = original(*args, **kwargs)
        packed = _pack() if live.anything_live() else None
        # First of all, so that it is there before anything of the program's is.
        return data if packed is None else {_KEY: _Entering(data.get("sys_path", []), packed), **data}

    return get_preparation_data


def _pack() -> bytes | None:
    from .._worker import pack

    try:
        return pack()
    except Exception as error:  # noqa: BLE001  # without the block, too, the program's worker is to start
        warn(
            "a worker process does not follow the trusted_context block that it is started in, and verifies as if "
            f"there were none: {type(error).__name__}: {error}",
            RuntimeWarning,
        )
        return None


# How the command of a fork server begins, up to Python 3.13 and from 3.14 on.
_FORK_SERVER = re.compile(r"from multiprocess(ing)?\.forkserver import main\b")
_SET = """
import os
for name, value in {values!r}.items():
    os.environ.pop(name, None) if value is None else os.environ.update({{name: value}})
"""


def _make_spawnv_passfds(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def spawnv_passfds(path: Any, args: Any, passfds: Any) -> Any:
        if environment.exporting():
            prefix = _SET.format(values=environment.set_by_user())
            args = [prefix + arg if _is_fork_server(arg) else arg for arg in args]
        return original(path, args, passfds)

    return spawnv_passfds


def _is_fork_server(argument: object) -> bool:
    return isinstance(argument, str) and _FORK_SERVER.search(argument) is not None
