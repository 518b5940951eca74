"""The file that the exported variables name, where the user's own cannot serve.

It is named by its content and kept: programs that outlive the block or this process still find it, and however often
a program runs or is killed, there is one file for each set of certificates. A cleaner of temporary files may take it.

Whom it is safe from: other users of a machine whose folder for temporary files all may write to, with the sticky bit
that keeps them from renaming what is not theirs (as /tmp is). The file lies in a folder of mode 0700 of this user's
own, its mode is 0600, and before each use its owner, its mode and its whole content are compared, so that it can be
foreseen but not planted, and a symbolic link is never followed. Not from this user's other programs or from root,
who may change this process as well.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time

from .exhaustion import raise_if_exhausted

_PART = "part-"
# A file that was not finished by then never will be, in seconds.
_PART_IS_LEFT_OVER = 3600
_REMEDY = (
    "a file with CA certificates for other programs could not be written: set TMPDIR (on Windows TEMP) to a folder "
    "that has space and that you can write to, or give cafile= one plain PEM file, of which no copy is needed"
)


def write(certificates: tuple[bytes, ...]) -> str:
    """The path of a PEM file with *certificates* (DER), written unless it is there.

    Raises:
        OSError: it cannot be written.
    """
    import hashlib
    import ssl

    content = "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode("ascii")
    try:
        path = os.path.join(_folder(), f"{hashlib.sha256(content).hexdigest()}.pem")
        if not _holds(path, content):
            _replace(path, content)
    except OSError as error:
        raise_if_exhausted(error)
        place = () if error.filename is None else (error.filename,)
        raise type(error)(error.errno, f"{error.strerror} ({_REMEDY})", *place) from None
    return path


def _folder() -> str:
    """This user's folder, made unless it is there."""
    import tempfile

    user = f"-{os.geteuid()}" if hasattr(os, "geteuid") else ""  # on Windows each user has temporary files of their own
    path = os.path.join(tempfile.gettempdir(), f"trusted-context{user}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not (stat.S_ISDIR(found.st_mode) and _is_this_user_s_alone(found)):
        raise PermissionError(1, "not a folder of this user's own with mode 0700, so that it is not used", path)
    return path


def _is_this_user_s_alone(found: os.stat_result) -> bool:
    if not hasattr(os, "geteuid"):  # pragma: no cover  # what Windows gives as owner and mode says nothing
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _holds(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb", opener=_open_itself) as file:
            found = os.fstat(file.fileno())
            return stat.S_ISREG(found.st_mode) and _is_this_user_s_alone(found) and file.read() == content
    except OSError:  # missing, a link, a folder: whatever it is, another takes its place
        return False


def _open_itself(path: str, flags: int) -> int:
    # Neither what a link names, nor waiting for the other end of a pipe.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _replace(path: str, content: bytes) -> None:
    """Put the file there in one step: other processes may be reading the one before, or writing the same."""
    import tempfile

    folder = os.path.dirname(path)
    _remove_left_over(folder)
    handle, part = tempfile.mkstemp(prefix=_PART, dir=folder)  # with mode 0600
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException as error:
        os.unlink(part)
        # Windows replaces no file that is open: another process has just put the same there.
        if not (isinstance(error, PermissionError) and _holds(path, content)):
            raise


def _remove_left_over(folder: str) -> None:
    """Remove what processes that were killed in the middle of writing left behind."""
    for name in os.listdir(folder):
        if name.startswith(_PART):
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):  # another process removed or finished it
                if os.lstat(path).st_mtime < time.time() - _PART_IS_LEFT_OVER:
                    os.unlink(path)
