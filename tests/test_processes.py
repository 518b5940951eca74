"""Child processes: forked inside a block, or handed one by pickle; those started afresh are in test_workers.py."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")


def play(scene, server, ca_file):
    """What the scene of forking.py prints; the warnings of forking with threads, of Python 3.12, are its subject."""
    program = Path(__file__).with_name("forking.py")
    command = [sys.executable, "-W", "ignore", str(program), scene, server.url, str(ca_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("scene", ["in_the_forking_threads_block", "in_an_insecure_block"])
def test_a_forked_child_that_leaves_its_block_is_ordinary(scene, server, ca_file):
    """The child is covered until its own exit and verifies by default after it; its parent's block goes on."""
    assert play(scene, server, ca_file) == "('ok', True, 'SSLCertVerificationError') ok"


def test_a_forked_child_is_not_governed_by_an_insecure_block_of_a_thread_it_does_not_have(server, ca_file):
    """Nobody in the child could ever end such a block, so it is not live there, and all is restored."""
    played = play("beside_another_threads_insecure_block", server, ca_file)
    assert played == "(True, 'SSLCertVerificationError') ok"


def test_a_forked_child_keeps_the_verifying_block_that_governed_it(server, ca_file):
    """A worker that a library forks from a thread of its own stays covered."""
    assert play("beside_another_threads_verifying_block", server, ca_file) == "'ok' ok"


def test_forking_while_another_thread_changes_blocks_does_not_deadlock(server, ca_file):
    """The lock is held across the fork and new in the child."""
    assert play("while_another_thread_changes_blocks", server, ca_file) == "{\"'ok'\"}"


@pytest.mark.slow
def test_children_forked_while_others_connect_trust_what_their_block_says(server, ca_file):
    """Each verifies by the block it was forked in, by others that it enters, and again by its own.

    A child may be blocked where a thread that it does not have was in OpenSSL or the C library, and is ended then
    (docs/reference/limits.md); most are not.
    """
    wrong, ends, anything_live = ast.literal_eval(play("while_threads_connect", server, ca_file))
    assert not wrong
    assert not anything_live
    assert ends.keys() <= {0, signal.SIGALRM}
    assert ends[0] > 10


def test_a_fork_waits_for_a_change_that_is_under_way(server, ca_file):
    """The child never starts in the middle of another thread's change, nor with a lock that nobody will release."""
    assert play("while_another_thread_holds_the_lock", server, ca_file) == "([True], True)"


def test_fork_spawn_and_forkserver_inside_a_block(server, ca_file):
    """A worker has the block, however it is started; it can enter another that comes by pickle, and leave it."""
    assert play("by_multiprocessing", server, ca_file).splitlines() == [
        f"{method} ok ('ok', True) ok" for method in ("fork", "spawn", "forkserver")
    ]


def test_what_a_connection_needs_is_imported_under_the_lock(server, ca_file):
    """A fork in the middle of an import would leave its module locked in the child, for good."""
    assert play("with_a_default_that_is_yet_to_be_read", server, ca_file) == "[] True"
