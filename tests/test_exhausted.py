"""Blocks in a process that has no file descriptors left; a full disk is in test_written_file.py."""

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import write_ca

from trusted_context import trusted_context
from trusted_context.sources import bundles

pytestmark = pytest.mark.skipif(
    sys.platform in {"win32", "darwin"}, reason="Windows has no such limit, and the system's store is no file there"
)


@pytest.fixture
def play(ca, other_ca, server, tmp_path):
    """What the scene of exhausting.py prints."""
    (tmp_path / "temporary").mkdir()
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, one in enumerate((ca, other_ca)):
        write_ca(one, folder / f"{number}.pem")
    write_ca(other_ca, tmp_path / "other.pem")
    program, ca_file = Path(__file__).with_name("exhausting.py"), write_ca(ca, tmp_path / "corp.pem")

    def run(scene):
        command = [sys.executable, "-W", "ignore", str(program), scene, str(ca_file), str(folder), server.url]
        environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_a_block_trusts_what_it_always_does_or_is_an_error_that_says_what_helps(play):
    """However few descriptors are left it trusts no less and nothing else, and afterwards it is entered as ever."""
    failed = set()
    for line in play("enter").splitlines():
        name, _, told = line.partition("\t")
        first, after, usual = ast.literal_eval(told)
        assert not first[1], line
        assert not after[1], line
        assert usual in {None, after}, line
        if first[0] == "OSError True":
            failed.add(name)
        else:
            assert first == after, line
    assert failed == {"file", "folder", "several files", "text", "default", "system"}


def test_a_block_is_left_without_a_descriptor(play):
    """The download's own error leaves the block, nothing is left of that, and the next block works."""
    as_it_was = "None False True"
    lines = ["OSError", as_it_was, "SSLCertVerificationError", as_it_was, "ok"]
    assert play("leave").splitlines() == lines


def test_a_default_that_could_not_be_read_for_a_moment_is_a_default_afterwards(play):
    """The connection of that moment is an error; the next is verified by the block."""
    assert play("connect").split() == ["24", "ok"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("way", ["a folder", "folders in a variable"])
def test_what_cannot_be_opened_for_want_of_descriptors_is_not_passed_over(way, number, ca, tmp_path, monkeypatch):
    """Mocked, since other threads or processes would have to take the last descriptor in the middle of it."""
    folders = [tmp_path / name for name in ("one", "two")]
    files = [folder / f"{name}.pem" for folder in folders for name in "ab"]
    for folder in folders:
        folder.mkdir()
    for file in files:
        write_ca(ca, file)
    read = bundles._read_file

    def read_all_but_the_last(path, status):
        if path == str(files[-1]):
            raise OSError(number, os.strerror(number), path)
        return read(path, status)

    monkeypatch.setattr(bundles, "_read_file", read_all_but_the_last)
    if way == "a folder":
        block = trusted_context(folders[1])
    else:
        monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(map(str, folders)))
        block = trusted_context()
    with pytest.raises(OSError, match="ulimit -n") as caught:
        block.start()
    assert (caught.value.errno, caught.value.filename) == (number, str(files[-1]))
