"""A command as a child process that stands in this one's place: terminal, signals and exit status are the child's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

# The terminal sends these to its whole foreground group, and so to the child as well.
_FROM_TERMINAL = ("SIGINT", "SIGQUIT")
_TO_THIS_PROCESS = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run *command* with *environment* until it ends; return its exit status.

    Where a signal ended it, the same one ends this process.

    Raises:
        OSError: it cannot be started.
    """
    with _Forwarding() as forwarding:
        # Ignored signals stay ignored, and open descriptors open, as if the child had been started without us.
        child = subprocess.Popen(  # noqa: S603  # the user's own
            command, env=_without_our_libraries(environment), executable=shutil.which(command[0]), close_fds=False
        )
        forwarding.to(child)
        status = child.wait()
    return status if status >= 0 else _end_by(-status)


def _without_our_libraries(environment: dict[str, str]) -> dict[str, str]:
    """The environment without the folder of libraries that a program frozen by PyInstaller loads its own from.

    Its bootloader keeps what the user had in that variable in another ("LD_LIBRARY_PATH / LIBPATH considerations" in
    PyInstaller's manual).
    """
    if not hasattr(sys, "_MEIPASS"):
        return environment
    theirs = {name: value for name, value in environment.items() if name != "LD_LIBRARY_PATH"}
    before = theirs.pop("LD_LIBRARY_PATH_ORIG", None)
    return theirs if before is None else theirs | {"LD_LIBRARY_PATH": before}


class _Forwarding:
    """Until left, signals that would end this process and leave the child behind are the child's."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number, handler in self._handlers():
            # What is ignored here, as by nohup, is inherited; a handler is not, and would end the child's ignoring.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def to(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        while self._early:
            _send(child, self._early.pop(0))

    def _handlers(self) -> Iterator[tuple[int, Any]]:
        for names, handler in ((_FROM_TERMINAL, self._from_terminal), (_TO_THIS_PROCESS, self._forward)):
            yield from ((getattr(signal, name), handler) for name in names if hasattr(signal, name))

    def _from_terminal(self, number: int, _frame: object) -> None:
        if not _in_foreground():
            self._forward(number, None)

    def _forward(self, number: int, _frame: object) -> None:
        if self._child is None:
            self._early.append(number)
        else:
            _send(self._child, number)


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(PermissionError):  # sudo's is another user's, whom none but the terminal may tell
        child.send_signal(number)


def _in_foreground() -> bool:
    """Whether a terminal's keys send signals to this process and to the child; else somebody sent it to us alone."""
    if os.name == "nt":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # there is none
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


def _end_by(number: int) -> int:  # pragma: no cover  # the signal ends what measures as well
    """End this process by the signal, so that a shell stops a loop at Ctrl-C; return what shells call it."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # the child has dumped
    with contextlib.suppress(OSError):  # SIGKILL
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
