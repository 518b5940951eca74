"""Worker processes that are started inside a block, by each of multiprocessing's start methods and its relatives."""

import importlib.util
import inspect
import multiprocessing
import os
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

METHODS = [method for method in multiprocessing.get_all_start_methods() if "loky" not in method]  # it adds its own
FRESH = [method for method in METHODS if method != "fork"]
REFUSED = "SSLCertVerificationError"


@pytest.fixture
def play(server, ca_file, other_file):
    """Runs a scene of working.py, and returns the lines that it printed. A warning in it is one of *warnings*."""

    def run(scene, method, *arguments, warnings=0):
        program = Path(__file__).with_name("working.py")
        # Python 3.12 and later warn of a fork in a process with threads.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", str(program), scene, *arguments, method]
        environment = {**os.environ, "OTHER_CA": str(other_file)}
        done = subprocess.run(
            [*command, server.url, str(ca_file)],
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        assert done.stderr.count("Warning: ") == warnings, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("way", ["process", "pool", "executor"])
@pytest.mark.parametrize("method", METHODS)
def test_39_a_child_started_inside_is_governed_as_a_forked_one(method, way, play, ca_file):
    """39. In its main thread and in others; what is started after the block is not."""
    assert play("inside", method, way) == [f"ok ok <trusted_context(cafile=[{str(ca_file)!r}]) live>", REFUSED]


@pytest.mark.parametrize("way", ["loky", "joblib"])
def test_39_workers_of_loky_and_joblib_follow(way, play, ca_file):
    """39. They start children by a copy of multiprocessing."""
    if importlib.util.find_spec(way) is None:
        pytest.skip(f"{way} is not installed")
    assert play("inside", "-", way) == [f"ok ok <trusted_context(cafile=[{str(ca_file)!r}]) live>", REFUSED]


@pytest.mark.parametrize("method", FRESH)
def test_39_workers_of_multiprocess_follow(method, play, ca_file):
    """39. The copy of multiprocessing that pathos and Hugging Face's datasets use."""
    if importlib.util.find_spec("multiprocess") is None:
        pytest.skip("multiprocess is not installed")
    assert play("inside", method, "multiprocess")[0].startswith("ok ok <trusted_context(cafile=")


@pytest.mark.parametrize("method", FRESH)
def test_the_block_is_entered_before_the_program_is_imported_and_for_life(method, play):
    """What the program fetches while a child imports it is covered; so is a child that outlives the block."""
    # Newer fork servers import the program themselves, in no block (https://github.com/python/cpython/issues/126631).
    by_server = method == "forkserver" and "init_main_from_path" in inspect.getsource(forkserver)
    assert play("its_life", method) == [f"{REFUSED if by_server else 'ok'} ok ('{REFUSED}', None)"]


@pytest.mark.parametrize("method", METHODS)
def test_a_child_trusts_what_the_block_found_when_it_was_entered(method, play):
    """Nothing is looked for again: a variable may have changed since, and a file be gone."""
    assert play("the_same_trust", method) == ["ok True"]


@pytest.mark.parametrize("method", FRESH)
def test_a_worker_that_a_pool_starts_later_follows(method, play):
    """By a thread of the pool's own, which is in no block, but governed by one."""
    assert play("restarted", method) == ["['ok', 'ok', 'ok']"]


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_takes_a_block_as_its_initializer(method, play):
    """For workers that are started before the block is entered, or outside it."""
    assert play("initialized", method) == ["Pool ok", "ProcessPoolExecutor ok"]


def test_joblib_takes_a_block_as_its_initializer(play):
    """By parallel_config(), which passes it on to its workers."""
    if importlib.util.find_spec("joblib") is None:
        pytest.skip("joblib is not installed")
    assert play("initialized_by_joblib", "-") == ["ok ok"]


@pytest.mark.parametrize("method", FRESH)
def test_a_worker_s_worker_follows(method, play):
    """However deep."""
    assert play("nested", method) == ["ok"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("scene", "warnings", "expected"),
    [
        ("beside_insecure", 1, f"{REFUSED} ok"),
        ("beside_local", 0, f"{REFUSED} {REFUSED}"),
        ("beside_verifying", 0, "ok ok"),
        ("in_an_insecure_block", 1, "ok ok <trusted_context(insecure=True) live>"),
        ("in_an_insecure_block_beside_a_verifying_one", 1, f"ok {REFUSED}"),
    ],
)
def test_39_which_blocks_a_child_gets(scene, warnings, expected, method, play):
    """39. Those of the thread that started it and the verifying one that governs: no thread's else that is insecure.

    The child says nothing of what the parent was warned of.
    """
    assert play(scene, method, warnings=warnings) == [expected]


@pytest.mark.parametrize("method", METHODS)
def test_39_what_is_exported_is_set_and_undone_in_the_child(method, play):
    """39. A fork server, which is started inside the first block here, keeps none of it for later children."""
    assert play("exported", method) == [
        f"True ('{REFUSED}', \"the user's\")",
        "None",
        "True",
        "the user's",
        "the user's",
    ]


@pytest.mark.torch
@pytest.mark.parametrize("method", METHODS)
def test_39_workers_of_torch_s_dataloader_follow(method, play, ca_file):
    """39. They start children by multiprocessing itself, with the start method that they are told."""
    _need_torch()
    assert play("inside", method, "dataloader") == [f"ok ok <trusted_context(cafile=[{str(ca_file)!r}]) live>", REFUSED]


@pytest.mark.torch
@pytest.mark.parametrize("method", METHODS)
def test_39_torch_s_error_of_a_worker_that_was_started_before_the_block_says_so(method, play):
    """39. torch raises an error of its own making, whose text holds the worker's traceback."""
    _need_torch()
    (line,) = play("loaded_by_a_worker_from_before", method)
    assert ": this failed in a worker process that was started before the block: " in line


def _need_torch():
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")


_WITHOUT_US = """
import multiprocessing, sys, urllib.request

def outcome(url):
    try:
        return urllib.request.urlopen(url, timeout=20).read().decode()
    except OSError as error:
        return type(error.reason).__name__

if __name__ == "__main__":
    from trusted_context import trusted_context
    method, url, ca_file, folder = sys.argv[1:]
    with trusted_context(ca_file):
        sys.path.insert(0, folder)
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.apply_async(outcome, (url,)).get(50))
"""


@pytest.mark.parametrize("action", ["default", "error"])
@pytest.mark.parametrize("method", FRESH)
def test_a_worker_that_cannot_import_us_warns_and_works(method, action, server, ca_file, tmp_path):
    """It verifies as if there were no block. Where warnings are errors, too, it goes on: a pool would restart it."""
    package = tmp_path / "path" / "trusted_context"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ModuleNotFoundError('not in this one')")
    program = tmp_path / "program.py"
    program.write_text(_WITHOUT_US)
    command = [sys.executable, "-W", action, str(program), method, server.url, str(ca_file), str(package.parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.stdout == f"{REFUSED}\n", done.stderr
    assert "RuntimeWarning: the trusted_context block of the process that started this worker cannot" in done.stderr
    assert "ModuleNotFoundError: not in this one" in done.stderr


def test_a_block_that_cannot_be_sent_warns_and_the_worker_works(server, ca_file, monkeypatch):
    """Whatever goes wrong with it, the program's worker starts, and verifies as if there were no block."""
    from working import by_process, outcome

    from trusted_context import _worker, trusted_context

    def fail():
        raise OSError("no memory for it")

    monkeypatch.setattr(_worker, "pack", fail)
    with trusted_context(ca_file), pytest.warns(RuntimeWarning, match="does not follow .* OSError: no memory for it"):
        assert by_process("spawn", outcome, server.url) == REFUSED


def test_a_child_that_cannot_enter_all_blocks_is_in_none(ca_file, other_file, monkeypatch):
    """An outer block alone may trust what the inner one did not. (In this process, in the child's place.)"""
    from trusted_context import _entering, _worker, current, trusted_context
    from trusted_context.core import live

    enter, entered = _entering.enter, []

    def fail_at_the_second(entry):
        if entered:
            raise RuntimeError("the standard library is not as it should be")
        entered.append(entry)
        return enter(entry)

    with trusted_context(ca_file), trusted_context(other_file):
        packed = _worker.pack()
    monkeypatch.setattr(_entering, "enter", fail_at_the_second)
    with pytest.raises(RuntimeError, match="not as it should be"):
        _worker.enter(packed)
    assert len(entered) == 1
    assert current() is None
    assert not live.anything_live()


def test_preparation_data_is_as_before_after_the_block(ca_file):
    """Restored with all other patches; inside a block it has one entry more."""
    from multiprocessing import spawn

    from trusted_context import trusted_context

    before = spawn.get_preparation_data
    plain = before("worker").keys()
    with trusted_context(ca_file):
        assert spawn.get_preparation_data("worker").keys() - plain == {"trusted_context"}
    assert spawn.get_preparation_data is before
