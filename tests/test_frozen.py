"""Programs in one piece: what freezers see of the package, and real programs that they make."""

import importlib.util
import modulefinder
import os
import shutil
import subprocess
import sys
import textwrap
import zipapp
from pathlib import Path

import pytest
from servers import BODY

import trusted_context as package

_BUILDING = 1800  # seconds; Nuitka compiles every module
# Without arguments of its own it is the command, so that one build shows both.
_PROGRAM = """
import importlib, os, sys, urllib.error, urllib.request
import trusted_context
from trusted_context import current, trusted_context as block_of
from trusted_context.__main__ import main
{imports}

def by_urllib(url):
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read()

def refused(fetch, url):
    try:
        fetch(url)
    except OSError as error:
        return "CERTIFICATE_VERIFY_FAILED" in str(error)

def fetch_all(url, cafile, *clients):
    for client in clients:
        fetch = globals()[client]
        with block_of(cafile):
            print(client, fetch(url).decode())
        print(refused(fetch, url), current(), os.path.exists(trusted_context.__file__))

if __name__ == "__main__":
    sys.exit(fetch_all(*sys.argv[2:]) if sys.argv[1] == "fetch" else main())
"""
_REQUESTS = """
import requests

def by_requests(url):
    return requests.get(url, timeout=20).content
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The program's source, in a folder of its own."""
    script = tmp_path_factory.mktemp("program") / "fetcher.py"
    script.write_text(_PROGRAM.format(imports=_REQUESTS))
    return script


def run(command, **options):
    """What it prints; it ends well within 50 seconds, and without a word on stderr."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=50, check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def build(*command, folder):
    """Run a freezer; they have much to say, of which the end tells why one failed."""
    command = [sys.executable, *map(str, command)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_BUILDING, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_freezer_sees_every_module_of_the_package(tmp_path):
    """The byte code of what ``import trusted_context`` leads to names every module of the package in an import."""
    (tmp_path / "program.py").write_text("import trusted_context.__main__\n")
    root = Path(package.__file__).parent
    others = ["certifi", "truststore", "urllib3"]  # whose modules name none of the package's
    finder = modulefinder.ModuleFinder([str(root.parent)], excludes=others)
    finder.run_script(str(tmp_path / "program.py"))
    files = {path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py")}
    modules = {".".join(path.parts).removesuffix(".__init__") for path in files}
    assert len(modules) > 30
    # A program that uses Dask imports its plugin by name.
    assert modules - finder.modules.keys() - {"trusted_context.dask"} == set()


def test_a_zip_application_enters_a_block_and_is_the_command(server, ca_file, other_file, tmp_path):
    """The package and what it depends on work from within an archive that zipapp made."""
    for name in ("trusted_context", "certifi", "truststore", "urllib3"):
        found = importlib.util.find_spec(name).submodule_search_locations[0]
        shutil.copytree(found, tmp_path / "app" / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "app/__main__.py").write_text(_PROGRAM.format(imports=""))
    zipapp.create_archive(tmp_path / "app", tmp_path / "app.pyz")
    alone = [sys.executable, "-I", "-S", tmp_path / "app.pyz"]
    assert run([*alone, "fetch", server.url, ca_file, "by_urllib"]) == [f"by_urllib {BODY.decode()}", "True None False"]
    assert _runs_a_script(alone, server, ca_file, tmp_path)


# Not skipped where it is missing: the session of the other two has none, and accepts no skipped test.
_NUITKA = ["nuitka in one file"] if importlib.util.find_spec("nuitka") else []


@pytest.fixture(scope="session", params=["pyinstaller", "pyinstaller in one file", "cx_freeze", *_NUITKA])
def frozen(request, program, tmp_path_factory):
    """The frozen program."""
    folder = tmp_path_factory.mktemp("frozen")
    if request.param == "cx_freeze":
        pytest.importorskip("cx_Freeze")
        build("-m", "cx_Freeze", "build_exe", f"--script={program}", "--build-exe", folder / "dist", folder=folder)
        return folder / "dist" / "fetcher"
    if request.param in _NUITKA:
        # Without it a program of Nuitka's refuses to pass on a "-c", as `run` does.
        options = ["--mode=onefile", "--assume-yes-for-downloads", "--no-deployment-flag=self-execution"]
        build("-m", "nuitka", *options, f"--output-dir={folder}", program, folder=folder)
        return folder / "fetcher.bin"
    pytest.importorskip("PyInstaller")
    in_one_file = request.param.endswith("file")
    options = ["--noconfirm", "--log-level=ERROR", "--onefile" if in_one_file else "--onedir"]
    build("-m", "PyInstaller", *options, program, folder=folder)
    return folder / "dist" / "fetcher" if in_one_file else folder / "dist" / "fetcher" / "fetcher"


@pytest.mark.frozen
@pytest.mark.timeout(_BUILDING + 100)
def test_a_frozen_program_enters_a_block(frozen, server, ca_file):
    """40. By urllib and requests it downloads inside a block, and is refused after it."""
    printed = run([frozen, "fetch", server.url, ca_file, "by_urllib", "by_requests"])
    assert printed[0::2] == [f"by_urllib {BODY.decode()}", f"by_requests {BODY.decode()}"]
    assert all(line.startswith("True None ") for line in printed[1::2])


@pytest.mark.frozen
@pytest.mark.timeout(_BUILDING + 100)
def test_a_frozen_command_runs_scripts_and_commands(frozen, server, ca_file, tmp_path):
    """``run`` has its block around a script, and tells a command by the environment, without libraries of its own."""
    assert _runs_a_script([frozen], server, ca_file, tmp_path)
    code = "import os, sys; print(os.environ['SSL_CERT_FILE'], os.environ.get('LD_LIBRARY_PATH'))"
    for before in ({}, {"LD_LIBRARY_PATH": str(tmp_path)}):
        environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"} | before
        printed = run([frozen, "run", "--cafile", ca_file, "--", sys.executable, "-c", code], env=environment)
        assert printed == [f"{ca_file} {before.get('LD_LIBRARY_PATH')}"]


def _runs_a_script(command, server, ca_file, folder):
    (folder / "script.py").write_text(
        textwrap.dedent("""
            import sys, urllib.request
            with urllib.request.urlopen(sys.argv[1], timeout=20) as response:
                print(response.read().decode())
        """)
    )
    printed = run([*command, "run", "--cafile", ca_file, folder / "script.py", server.url])
    return printed == [BODY.decode()]
