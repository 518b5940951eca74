"""``trusted-context run script.py`` beside ``python script.py``: what the script sees, and how it ends."""

import os
import subprocess
import sys
import textwrap
import zipfile

import pytest
from commands import PYTHON, ended, start, trusted

from trusted_context import __main__ as command
from trusted_context.command import run as run_module

posix = pytest.mark.skipif(os.name != "posix", reason="a shell that closes streams")

# What a program sees of how it was started. In a module of its own name, so that pickle has to find it.
_PROBE = '''
"""The docstring."""
import os, pickle, sys

def function():
    pass

print(sys.argv, sys.path, os.getcwd())
print(__name__, __file__, __doc__, repr(__package__), globals().get("__cached__"), type(__loader__), __builtins__)
print(getattr(__spec__, "name", None), getattr(__spec__, "origin", None), sorted(globals()))
print(sys.modules["__main__"].__dict__ is globals(), pickle.loads(pickle.dumps(function)) is function)
print(globals().get("__annotations__"), sys.stdin.read(), sys.flags, sys.excepthook is sys.__excepthook__)
print(ascii(sys._getframe().f_code.co_filename), sys.gettrace(), __debug__)
'''


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with the probe in each form that Python runs."""
    folder = tmp_path_factory.mktemp("programs")
    for place in ("script.py", "beside/module.py", "package/__main__.py", "package/inner.py", "folder/__main__.py"):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(_PROBE)
    (folder / "package/__init__.py").write_text("")
    with zipfile.ZipFile(folder / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", _PROBE)
    try:
        (folder / "beside/link.py").symlink_to("../script.py")
    except OSError:  # Windows asks for a privilege
        (folder / "beside/link.py").write_text(_PROBE)
    return folder


@pytest.fixture
def compare(ca_file):
    """What Python ends in with these arguments, and what the command does; the two run side by side."""

    def run_both(*arguments, typed="", options=(), **settings):
        plain = start([PYTHON, *options, *arguments], **settings)
        ours = start([PYTHON, *options, *trusted("run", "--cafile", ca_file, *arguments)[1:]], **settings)
        return ended(plain, typed), ended(ours, typed)

    return run_both


@pytest.mark.parametrize(
    "program",
    [
        *(".//beside/../script.py", "beside/link.py", "folder/", "-m package.inner"),
        # These are run in the same ways as those, written otherwise.
        *(pytest.param(each, marks=pytest.mark.slow)
          for each in ("script.py", "archive.pyz", "-m script", "-m package", "-mscript")),
    ],
)  # fmt: skip
def test_a_program_sees_what_it_sees_without_us(program, programs, compare):
    """sys.argv, sys.path, __main__ and its attributes, pickling, stdin and the arguments are Python's own."""
    plain, ours = compare(*program.split(), "--help", "-m", "--", "--cafile", "", typed="typed", cwd=programs)
    assert ours == plain
    assert ours[0] == 0, ours
    assert "'--help', '-m', '--', '--cafile', ''" in ours[1]


@pytest.mark.parametrize("program", ["script.py", "folder"])
def test_python_s_safe_path_is_heeded(program, programs, compare):
    """With -P no folder is put before the others in sys.path, but the one that is itself the program."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(programs)])}
    plain, ours = compare(*program.split(), options=["-P"], cwd=programs, env=environment)
    assert ours == plain
    assert ours[0] == 0, ours


def test_standard_input_is_a_script_too(compare):
    """- is read from stdin, with the arguments after it."""
    code = "import sys; print(sys.argv, sys.path, sorted(globals()), __loader__, __name__)\n1 / 0\n"
    plain, ours = compare("-", "--help", typed=code)
    assert ours[:2] == plain[:2]
    assert "--help" in ours[1]
    assert 'File "<stdin>", line 2, in <module>' in ours[2]
    assert ours[2].splitlines()[-1] == plain[2].splitlines()[-1]


@posix
def test_a_working_directory_that_is_gone_is_no_hindrance(tmp_path):
    """A script with an absolute path runs as it does without us."""
    (tmp_path / "script.py").write_text("print('ran')")
    (tmp_path / "gone").mkdir()
    command = trusted("run", tmp_path / "script.py")
    outcome = ended(start(["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *command], cwd=tmp_path / "gone"))
    assert outcome == (0, "ran\n", "")


@posix
def test_a_path_stays_as_it_is_where_the_working_directory_is_gone(tmp_path, monkeypatch):
    """As the interpreter leaves it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert run_module._absolute("script.py") == str(gone / "script.py")
    gone.rmdir()
    assert run_module._absolute("script.py") == "script.py"


@posix
@pytest.mark.parametrize("program", ["script.py", "-"])
def test_closed_streams_are_no_hindrance(program, tmp_path, ca_file):
    """A service may start it without stdin and stderr, where there is no place for what is to be said either."""
    (tmp_path / "script.py").write_text("print('ran')")
    command = trusted("run", "--cafile", ca_file, "--insecure", "localhost", program)
    outcome = ended(start(["sh", "-c", 'exec "$@" <&- 2>&-', "sh", *command], cwd=tmp_path))
    assert outcome == (0, "" if program == "-" else "ran\n", "")


# Each ends in its own way; the lines are in each traceback.
ENDINGS = {
    "a status": "import sys; sys.exit(3)",
    "a text": "import sys; sys.exit('a text')",
    "at once": "import os; os._exit(4)",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "an exception": """
        def function():
            return {}["key"]
        function()
        """,
    "a chain of exceptions": """
        def function():
            try:
                raise ValueError("first")
            except ValueError as error:
                raise KeyError("second") from error
        try:
            function()
        except KeyError:
            raise ExceptionGroup("third", [OSError(1, "fourth"), TypeError("fifth")])
        """,
    "an exception of its own": """
        class Own(BaseException): pass
        raise Own("words")
        """,
    "Ctrl-C": """
        import atexit
        atexit.register(print, "at exit")
        raise KeyboardInterrupt
        """,
    "no syntax": "print('never')\nprint((",
    "its own hook": """
        import sys, traceback
        def hook(kind, error, frames):
            print(kind, error.__traceback__ is frames, sys.last_value is error, sys.last_traceback is frames)
            print(sys.excepthook is hook, len(traceback.extract_tb(frames)))
        sys.excepthook = hook
        1 / 0
        """,
    "its exit handlers": """
        import atexit, sys
        @atexit.register
        def last():
            print(sys.excepthook is sys.__excepthook__, sys.last_value, sys.modules["__main__"].__dict__ is globals())
        1 / 0
        """,
    "threads": """
        import sys, threading, time
        def other():
            try:
                sys.exit(9)
            finally:
                time.sleep(0.1)
                print("after the main thread", sys.modules["__main__"].__dict__ is globals(), flush=True)
        threading.Thread(target=other).start()
        threading.Thread(target=lambda: 1 / 0).start()
        sys.exit(6)
        """,
    "warnings": """
        import sys, warnings
        warnings.warn("old", DeprecationWarning)
        warnings.warn("new", UserWarning)
        print([(f[0], f[2].__name__) for f in warnings.filters], sys.warnoptions)
        """,
    "an encoding": "# coding: latin-1\nprint(ascii('\N{LATIN SMALL LETTER E WITH ACUTE}'))\n1 / 0",
    "spawned workers": """
        import multiprocessing, os
        def work(number):
            return number + 1, __name__, os.path.basename(__file__)
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1, 2]))
            raise SystemExit(7)
        """,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_script_ends_as_it_does_without_us(ending, tmp_path, compare):
    """The same output, traceback, warnings and exit status, or the same signal."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(ENDINGS[ending]), encoding="latin-1")
    plain, ours = compare("script.py", cwd=tmp_path)
    assert ours == plain
    assert "runpy" not in ours[2]
    if ending == "Ctrl-C" and os.name == "posix":
        assert ours[0] == -2


def test_the_traceback_of_a_module_is_the_module_s_own(tmp_path, compare):
    """What python -m shows, without the frames of the machinery that found the module."""
    (tmp_path / "module.py").write_text("def function():\n    1 / 0\nfunction()\n")
    plain, ours = compare("-m", "module", cwd=tmp_path)
    assert ours[0] == plain[0] == 1
    lines = plain[2].splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if "module.py" in line)
    assert ours[2] == "".join([lines[0], *lines[first:]])


@pytest.mark.parametrize("module", ["json.no_such", "json"])
def test_a_module_that_cannot_be_run_is_told_as_python_tells_it(module, compare):
    """The interpreter's own line, and its status."""
    plain, ours = compare("-m", module)
    assert ours == plain
    assert ours[0] == 1


def test_what_fails_in_a_package_s_import_is_the_package_s(tmp_path):
    """An error in a package that is imported on the way to the module shows where it is, and nothing of ours."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("1 / 0\n")
    status, _, stderr = ended(start(trusted("run", "-m", "package.module"), cwd=tmp_path))
    assert status == 1
    assert stderr.count("  File ") == stderr.count("__init__.py") == 1


def test_a_hook_that_fails_is_told_by_python(tmp_path, compare):
    """An error in the program's own excepthook ends in the interpreter's words, and status 1."""
    (tmp_path / "script.py").write_text("import sys\nsys.excepthook = lambda *_: 1 / 0\nraise ValueError('first')\n")
    plain, ours = compare("script.py", cwd=tmp_path)
    assert (ours[0], ours[2].count("Error in sys.excepthook")) == (plain[0], 1)
    assert "ZeroDivisionError" in ours[2]
    assert "ValueError: first" in ours[2]


def test_the_installed_command_is_the_same():
    """The entry point that pyproject.toml names exists and takes no arguments."""
    tomllib = pytest.importorskip("tomllib")
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pyproject.toml")
    with open(path, "rb") as file:
        module, _, function = tomllib.load(file)["project"]["scripts"]["trusted-context"].partition(":")
    program = f"import sys, {module}; sys.exit({module}.{function}())"
    done = subprocess.run(
        [PYTHON, "-c", program, "run", "--", PYTHON, "-c", "import sys; sys.exit(7)"], timeout=30, check=False
    )
    assert done.returncode == 7


def test_help_and_version_are_told(monkeypatch, capsys):
    """--help prints to stdout, with an example, and ends well; --version the name and version."""
    for asked, told in {"--help": "-m pip install", "run --help": "examples:", "--version": "trusted-context "}.items():
        monkeypatch.setattr(sys, "argv", ["trusted-context", *asked.split()])
        with pytest.raises(SystemExit) as caught:
            command.main()
        stdout, stderr = capsys.readouterr()
        assert (caught.value.code, stderr) == (0, "")
        assert told in stdout
