"""trusted-context check where nothing can be installed: from a bare clone, and as one file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CLONE = Path(__file__).parents[1]
# Neither the environment, nor the user's folder, nor site-packages.
ALONE = ("-I", "-S")


@pytest.fixture(scope="session")
def pyz(tmp_path_factory):
    """The one file, made as its users' is; nox names the one that it made."""
    if made := os.environ.get("TESTED_PYZ"):
        return Path(made).absolute()
    path = tmp_path_factory.mktemp("zipapp") / "trusted-context.pyz"
    subprocess.run([sys.executable, *ALONE, CLONE / "tools" / "make_pyz.py", path], check=True, timeout=60)
    return path


@pytest.fixture(params=["zipapp", "clone"])
def program(request, tmp_path):
    """How it is started: the words, and the environment."""
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(CLONE / "src")}
    if request.param == "clone":
        return [sys.executable, "-S", "-m", "trusted_context"], environment
    return [sys.executable, *ALONE, request.getfixturevalue("pyz")], environment


def run(program, *arguments, folder):
    """Its exit status, and what it wrote."""
    command, environment = program
    done = subprocess.run(
        [*command, *map(str, arguments)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_server_that_a_ca_file_verifies(program, bad, tmp_path):
    """What is missing is said to be missing, and the verdict is that of a whole installation."""
    port = bad["sound"]
    status, written, _ = run(program, "check", port.url, "--cafile", port.cafile, folder=tmp_path)
    assert status == 0
    assert "not installed: certifi, truststore, urllib3" in written
    assert written.endswith(f"    urllib.request.urlopen({port.url!r}).close()  # or any other download\n")


def test_the_search_finds_a_ca(program, bad, tmp_path):
    """pip's own settings name it, on a machine where pip fails."""
    port = bad["sound"]
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(f"[global]\ncert = {port.cafile}\n")
    status, written, _ = run(program, "check", "--json", port.url, folder=tmp_path)
    found = json.loads(written)
    assert status == 0
    assert found["line"] == f"with trusted_context(cafile={str(port.cafile)!r}):"
    assert (found["certifi"]["version"], found["certifi"]["problem"]) == (None, "not installed")


def test_a_server_that_nothing_verifies(program, bad, tmp_path):
    """The cause is told, and the text to send."""
    status, written, _ = run(program, "check", bad["known-interception"].url, folder=tmp_path)
    assert status == 1
    assert "# a text to send to IT" in written


def test_help_and_version(program, tmp_path):
    """They need nothing either."""
    assert run(program, "check", "--help", folder=tmp_path)[1].startswith("usage: trusted-context check")
    assert run(program, "--version", folder=tmp_path)[1].startswith("trusted-context ")


def test_the_line_that_runs_a_program_works_as_pasted(program, bad, tmp_path):
    """From the one file too: it starts the very file that it came from."""
    port = bad["sound"]
    found = json.loads(run(program, "check", "--json", port.url, "--cafile", port.cafile, folder=tmp_path)[1])
    (line,) = [one["lines"][0] for one in found["advice"] if one["tool"] == "run"]
    (tmp_path / "download.py").write_text(
        f"import urllib.request\nprint(urllib.request.urlopen({port.url!r}, timeout=20).read().decode())\n"
    )
    done = subprocess.run(
        ["sh", "-c", line], env=program[1], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stdout == "a data set\n", done.stderr


def test_the_version_of_the_one_file_is_the_project_s(pyz, tmp_path):
    """It says which release a bug report is about."""
    import tomllib

    version = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    program = [sys.executable, *ALONE, pyz], dict(os.environ)
    assert run(program, "--version", folder=tmp_path)[1] == f"trusted-context {version}\n"
