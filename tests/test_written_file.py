"""The file that is written to be exported: one for each set of certificates, in a folder of this user's alone."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import pytest
from exported import (
    ders,
    environment_is_as_it_was,  # noqa: F401  # a fixture of every test here
    temporary_folder,  # noqa: F401  # as well
    to_der,
    variables,
    written,
)

from trusted_context import trusted_context
from trusted_context.sources import exported_file

pytestmark = pytest.mark.slow

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes, links or signals")


def export(ca):
    """The file that a block of this CA's certificate, given as text, exports."""
    return trusted_context(ca.cert_pem.bytes()).environment()["SSL_CERT_FILE"]


def start(code, *arguments):
    """A program with the folder for temporary files of this one; it prints nothing but what *code* says."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)]
    given = os.environ | dict.fromkeys(("TMPDIR", "TEMP"), tempfile.tempdir)
    return subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- one file


def test_the_file_is_written_once_for_each_trust(ca, other_ca):
    """Blocks that trust the same, in any thread, share the file; others have their own."""
    found = []

    def enter():
        with trusted_context(ca.cert_pem.bytes(), export=True):
            found.append(trusted_context(ca.cert_pem.bytes().decode()).environment()["SSL_CERT_FILE"])

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 8
    assert len(set(found)) == 1
    export(other_ca)
    assert len(written()) == 2
    assert ders(found[0]) == {to_der(ca)}


def test_a_file_that_serves_is_not_written_again(ca):
    """The next block, and the next process, use the very file that is there."""
    path = export(ca)
    before = os.stat(path)
    assert export(ca) == path
    after = os.stat(path)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


_HOLD = """
    import os, signal, sys, time
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has its children ignore it
    from trusted_context import trusted_context
    trusted_context([sys.argv[1], sys.argv[1]], export=True).start()
    print(os.environ["SSL_CERT_FILE"], flush=True)
    time.sleep(60)
"""


@posix
@pytest.mark.timeout(120)
def test_programs_that_are_killed_leave_one_file(ca_file):
    """However many end by SIGKILL, SIGTERM or SIGHUP, what they exported is one file, which each of them uses."""
    paths = set()
    for number in range(12):
        program = start(_HOLD, ca_file)
        paths.add(program.stdout.readline().strip())
        program.send_signal((signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)[number % 3])
        program.communicate(timeout=20)
    assert len(paths) == 1
    assert written() == list(paths)


@posix
def test_two_hundred_runs_that_are_killed_leave_one_file(ca):
    """Forked children of one process, which write at once and end by SIGKILL, wherever they are by then."""
    code = """
        import os, signal, sys, tempfile, time
        from trusted_context.sources import exported_file
        block = (bytes.fromhex(sys.argv[1]),)
        for run in range(200):
            child = os.fork()
            if child == 0:
                exported_file.write(block)
                os.kill(os.getpid(), signal.SIGKILL)
            os.waitpid(child, 0)
    """
    program = start(code, to_der(ca).hex())
    assert program.communicate(timeout=50) == ("", "")
    assert len(written()) == 1
    assert ders(written()[0]) == {to_der(ca)}


def test_the_file_outlives_the_block_and_the_process(ca_file):
    """A child that runs on after this process still finds its bundle."""
    code = """
        import os, sys
        from trusted_context import trusted_context
        with trusted_context([sys.argv[1], sys.argv[1]], export=True):
            print(os.environ["SSL_CERT_FILE"])
    """
    stdout, stderr = start(code, ca_file).communicate(timeout=50)
    assert stderr == ""
    assert written() == [stdout.strip()]
    assert ders(stdout.strip()) == ders(str(ca_file))


def test_what_was_left_half_written_is_removed_in_time(ca):
    """A part of a file that is older than an hour belongs to no writer any more; a newer one may."""
    folder = os.path.dirname(export(ca))
    old, new = (os.path.join(folder, f"part-{name}") for name in ("old", "new"))
    for path, age in ((old, 3700), (new, 3500)):
        with open(path, "wb"):
            pass
        os.utime(path, (time.time() - age,) * 2)
    os.unlink(export(ca))
    export(ca)
    assert not os.path.exists(old)
    assert os.path.exists(new)


# --- of this user's alone


@posix
@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_file_and_its_folder_are_the_user_s_alone(umask, ca):
    """Their modes are 0600 and 0700 whatever the umask."""
    before = os.umask(umask)
    try:
        path = export(ca)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert os.path.dirname(os.path.dirname(path)) == tempfile.tempdir


def _of_another_user(path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 65534, 65534)


def _open_to_others(path):
    os.chmod(path, 0o644)


def _with_other_content(path):
    with open(path, "ab") as file:
        file.write(b"\n")


def _cut_short(path):
    os.truncate(path, 100)


def _a_link_to_the_right_content(path):
    os.rename(path, path + ".elsewhere")
    os.symlink(path + ".elsewhere", path)


def _a_link_to_nowhere(path):
    os.unlink(path)
    os.symlink(path + ".elsewhere", path)


def _a_pipe(path):
    os.unlink(path)
    os.mkfifo(path, 0o600)


def _missing(path):
    os.unlink(path)


_WRONG = [
    _of_another_user, _open_to_others, _with_other_content, _cut_short, _a_link_to_the_right_content,
    _a_link_to_nowhere, _a_pipe, _missing,
]  # fmt: skip


@posix
@pytest.mark.timeout(20)
@pytest.mark.parametrize("spoil", _WRONG)
def test_a_wrong_or_foreign_file_is_not_used(spoil, ca):
    """Another one takes its place, of the right content, owner and mode; no link is followed, no pipe waited for."""
    path = export(ca)
    spoil(path)
    assert export(ca) == path
    found = os.lstat(path)
    assert stat.S_ISREG(found.st_mode)
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (os.geteuid(), 0o600)
    assert ders(path) == {to_der(ca)}


def test_a_folder_in_the_file_s_place_is_an_error(ca):
    """What cannot be replaced is not used either, and the error names it."""
    path = export(ca)
    os.unlink(path)
    os.mkdir(path)
    with pytest.raises(OSError, match="TMPDIR"):
        export(ca)
    assert written() == [path]


def _its_mode_is_open(path):
    os.chmod(path, 0o770)


def _it_is_a_link(path):
    os.rename(path, path + ".elsewhere")
    os.symlink(path + ".elsewhere", path)


def _it_is_a_file(path):
    os.rename(path, path + ".elsewhere")
    with open(path, "wb"):
        pass


@posix
@pytest.mark.parametrize("spoil", [_of_another_user, _its_mode_is_open, _it_is_a_link, _it_is_a_file])
def test_a_folder_that_is_not_this_user_s_alone_is_not_used(spoil, ca):
    """Where somebody else may have made it, entering is an error that says so and what helps."""
    folder = os.path.dirname(export(ca))
    spoil(folder)
    block = trusted_context(ca.cert_pem.bytes(), export=True)
    with pytest.raises(PermissionError, match=r"this user's own with mode 0700.*set TMPDIR") as caught:
        block.start()
    assert caught.value.filename == folder
    assert "live" not in repr(block)
    assert variables() == {}


# --- a machine that cannot hold it


def test_a_folder_for_temporary_files_that_is_gone_changes_nothing(ca, monkeypatch):
    """Entering raises the OSError, no block is live, and the environment is the user's."""
    monkeypatch.setenv("PIP_CERT", "the user's")
    monkeypatch.setattr(tempfile, "tempdir", os.path.join(tempfile.tempdir, "gone"))
    block = trusted_context(ca.cert_pem.bytes(), export=True)
    with pytest.raises(FileNotFoundError, match="set TMPDIR") as caught:
        block.start()
    assert "gone" in caught.value.filename
    assert "live" not in repr(block)
    assert variables() == {"PIP_CERT": "the user's"}
    with pytest.raises(FileNotFoundError, match="gone"):
        block.environment()


_ENTER = """
    import hashlib, os, ssl, sys, tempfile
    from trusted_context import current, trusted_context
    {before}
    tempfile.tempdir = sys.argv[2]
    block = trusted_context(sys.argv[1], export=True)
    before = dict(os.environ)
    try:
        block.start()
    except OSError as error:
        print(type(error).__name__, "TMPDIR" in str(error), "cafile=" in str(error))
    print(current(), dict(os.environ) == before, "live" in repr(block))
"""


@posix
def test_a_full_disk_is_an_error_and_leaves_nothing(ca):
    """A limit on the size of files stands for it: what was written is removed, and nothing is live."""
    code = _ENTER.format(before="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))")
    stdout, stderr = start(code, ca.cert_pem.bytes().decode(), tempfile.tempdir).communicate(timeout=50)
    assert stdout.split() == ["OSError", "True", "True", "None", "True", "False"]
    assert stderr == ""
    assert written() == []


@posix
def test_a_folder_that_cannot_be_written_to_is_an_error(ca):
    """A read-only folder: the error names the remedy, and nothing is live."""
    folder = tempfile.mkdtemp(dir="/tmp")  # which every user reaches, as pytest's is not
    os.chmod(folder, 0o555)
    # Root may write everywhere; and what another user needs was imported before.
    drop = "os.geteuid() or (trusted_context(sys.argv[1]).environment(), os.seteuid(65534))"
    code = _ENTER.format(before=drop)
    try:
        stdout, stderr = start(code, ca.cert_pem.bytes().decode(), folder).communicate(timeout=50)
    finally:
        os.rmdir(folder)
    assert stdout.split() == ["PermissionError", "True", "True", "None", "True", "False"]
    assert stderr == ""


def test_a_disk_that_is_full_for_a_while_is_tried_again(ca, monkeypatch):
    """What broke off leaves no trace, and the next attempt starts anew."""
    block = trusted_context(ca.cert_pem.bytes()).start()

    def fail(_part, _path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match=r"No space left.*set TMPDIR"):
            block.environment()
    assert written() == []
    assert ders(block.environment()["SSL_CERT_FILE"]) == {to_der(ca)}
    block.stop()


def test_a_file_that_another_process_has_just_put_there_serves(ca, monkeypatch):
    """On Windows, mocked here, an open file is not replaced: where it is the right one, nothing is wrong."""
    path = export(ca)
    os.unlink(path)
    replace = os.replace

    def lose_the_race(part, to):
        with open(part, "rb") as written_by_us, open(os.open(to, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as theirs:
            theirs.write(written_by_us.read())
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", lose_the_race)
    assert export(ca) == path
    assert written() == [path]
    os.unlink(path)

    def refuse(_part, _to):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="Access is denied"):
        export(ca)
    monkeypatch.setattr(os, "replace", replace)
    assert written() == []


def test_no_folder_for_temporary_files_at_all_is_an_error_with_a_remedy(ca, monkeypatch):
    """A container whose whole file system is read-only (mocked here, as tempfile says it) gets the same advice."""

    def none():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(FileNotFoundError, match=r"No usable temporary directory.*set TMPDIR"):
        exported_file.write((to_der(ca),))
