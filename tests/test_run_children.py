"""``trusted-context run -- command``: a child in the command's place, its terminal, its signals, and real pip."""

import functools
import http.server
import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import material
import pytest
import real
from commands import FETCH, PYTHON, assert_refused, ended, run, start, trusted
from servers import BODY, Server, serving

from trusted_context.command import child

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither these signals nor this kind of terminal")


@pytest.fixture
def bundle(ca, tmp_path):
    """The CA in a form that a child cannot read, so that a file is written, into an empty folder."""
    path = tmp_path / "corp.crt"
    path.write_bytes(material.to_der(ca.cert_pem.bytes()))
    (tmp_path / "temporary").mkdir()
    return path


@pytest.fixture
def run_child(bundle, tmp_path):
    """A function that starts a command by ours; at the end its folder holds one exported file at most."""
    folder = tmp_path / "temporary"
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder)}

    def start_child(*command, **options):
        return start(trusted("run", "--cafile", bundle, *command), env=environment, **options)

    yield start_child
    assert [path.suffix for path in folder.rglob("*") if path.is_file()] in ([], [".pem"])


def test_a_command_trusts_the_bundle_for_as_long_as_it_runs(run_child, server):
    """23. A child downloads, with stdin, stdout and arguments its own; the file exists meanwhile."""
    code = f"{FETCH}; import os; print(os.path.isfile(os.environ['PIP_CERT']), sys.stdin.read(), sys.argv[2:])"
    outcome = ended(run_child("--", PYTHON, "-c", code, server.url, "--", "--help"), "typed")
    assert outcome == (0, f"{BODY.decode()}\nTrue typed ['--', '--help']\n", "")


def test_a_command_needs_no_dashes_before_it(server, ca_file):
    """What is no script and no module is a command, with its options."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    assert run("--cafile", ca_file, "curl", "-q", "--fail", "--silent", server.url) == (0, BODY.decode(), "")


def test_a_command_s_status_is_ours(run_child):
    """Whatever a child ends with."""
    assert ended(run_child(PYTHON, "-c", "import sys; sys.exit(7)")) == (7, "", "")


@posix
@pytest.mark.parametrize("name", ["INT", "KILL", "SEGV", "PIPE"])
def test_the_signal_that_ended_a_command_ends_us(name, run_child):
    """A shell sees the same as it would without us: 128 and the number; nothing is left behind."""
    outcome = ended(run_child("--", "sh", "-c", f"ulimit -c 0; kill -{name} $$"))
    assert outcome == (-getattr(signal, f"SIG{name}"), "", "")


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("./no-such", 127), ("./plain", 126)])
def test_a_command_that_cannot_be_started_is_a_line(command, status, run_child, tmp_path):
    """127 where there is none, 126 where it cannot be executed, as shells have it."""
    if status == 126 and os.name != "posix":
        pytest.skip("Windows has no permission to execute")
    (tmp_path / "plain").write_text("")
    found, stdout, stderr = ended(run_child("--", command, cwd=tmp_path))
    assert (found, stdout, stderr.count("\n")) == (status, "", 1)
    assert stderr.startswith(f"trusted-context run: {command}: ")


def test_no_child_is_started_insecure():
    """A child could not follow, so that it is said before anything runs."""
    assert_refused(run("--insecure", "localhost", "--", PYTHON, "-c", "print('never')"), "--insecure", "child")


@posix
def test_open_descriptors_are_inherited(run_child):
    """A child finds what the shell opened for it."""
    reading, writing = os.pipe()
    try:
        code = f"import os; os.write({writing}, b'inherited')"
        outcome = ended(run_child("--", PYTHON, "-c", code, pass_fds=[writing]))
        assert outcome == (0, "", "")
        assert os.read(reading, 100) == b"inherited"
    finally:
        os.close(reading)
        os.close(writing)


# Signals

_WAIT = """
import os, signal, sys, time
def end(number, frame):
    # print() may be running when the signal comes, and cannot be entered again.
    os.write(1, b"got %d\\n" % number)
    sys.exit(5)
for number in {{signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}}:
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, {handler})
    else:
        print("ignored", number, flush=True)
print("ready", flush=True)
time.sleep(20)
"""


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT"])
def test_a_signal_to_us_alone_reaches_the_command(name, run_child):
    """The child decides what comes of it; without a terminal Ctrl-C's signal can only have been sent to us."""
    number = getattr(signal, name)
    process = run_child("--", PYTHON, "-c", _WAIT.format(handler="end"), start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert ended(process) == (5, f"got {number:d}\n", "")


@posix
def test_a_signal_that_comes_before_the_command_is_started_reaches_it_then():
    """It is kept meanwhile, and ends neither us nor the command's start."""
    with child._Forwarding() as forwarding:
        os.kill(os.getpid(), signal.SIGUSR1)
        started = subprocess.Popen(["sleep", "50"])
        forwarding.to(started)
        assert started.wait(20) == -signal.SIGUSR1


def test_a_command_gets_its_own_libraries_from_a_frozen_program(monkeypatch):
    """The folder that PyInstaller put first is taken away. (A double: this program is not frozen.)"""
    monkeypatch.setattr(sys, "_MEIPASS", "/bundled", raising=False)
    ours = {"LD_LIBRARY_PATH": "/bundled", "A": "b"}
    assert child._without_our_libraries(ours) == {"A": "b"}
    kept = ours | {"LD_LIBRARY_PATH_ORIG": "/own"}
    assert child._without_our_libraries(kept) == {"LD_LIBRARY_PATH": "/own", "A": "b"}


@posix
def test_what_is_ignored_stays_ignored(bundle):
    """Under nohup, or in a shell's background, the child ignores what it would ignore without us."""
    code = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    child = trusted("run", "--cafile", bundle, "--", PYTHON, "-c", _WAIT.format(handler="end"))
    process = start([PYTHON, "-c", code, *child], start_new_session=True)
    assert process.stdout.readline() == "ignored 1\n"
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[:2] == (5, "got 15\n")


# In a session of its own, whose terminal becomes the one that it was given, with Ctrl-C as a shell leaves it.
_IN_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A pseudo-terminal in which a command runs in the foreground."""

    def __init__(self, command):
        import pty

        self._ours, theirs = pty.openpty()
        try:
            pipes = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "text": False}
            self.process = start([PYTHON, "-c", _IN_TERMINAL, *command], start_new_session=True, **pipes)
        finally:
            os.close(theirs)
        self.shown = b""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        os.close(self._ours)
        self.process.kill()
        self.process.wait(10)

    def wait_for(self, text):
        """Read what is shown until *text* is."""
        deadline = time.monotonic() + 20
        while text not in self.shown and select.select([self._ours], [], [], deadline - time.monotonic())[0]:
            self.shown += os.read(self._ours, 4096)
        assert text in self.shown

    def type(self, keys):
        os.write(self._ours, keys)


_CTRL_C = b"\x03"


@posix
def test_ctrl_c_reaches_a_command_once_and_is_its_to_handle(bundle):
    """In a terminal the child gets it from the terminal, and we wait for what it makes of it."""
    code = _WAIT.format(handler="lambda *_: print('got', time.sleep(0.2), flush=True)").replace(
        "sleep(20)", "sleep(.5)"
    )
    with Terminal(trusted("run", "--cafile", bundle, "--", PYTHON, "-c", code + "sys.exit(5)")) as terminal:
        terminal.wait_for(b"ready")
        terminal.type(_CTRL_C)
        terminal.wait_for(b"got None")
        assert terminal.process.wait(20) == 5
        assert terminal.shown.count(b"got") == 1


@posix
@pytest.mark.parametrize("as_child", [False, True], ids=["script", "command"])
def test_ctrl_c_ends_a_program_by_its_signal(as_child, bundle, tmp_path):
    """KeyboardInterrupt's traceback is shown once, and a shell sees that it was Ctrl-C."""
    script = tmp_path / "script.py"
    script.write_text("import time\nprint('ready', flush=True)\ntime.sleep(20)\n")
    program = ["--", PYTHON, script] if as_child else [script]
    with Terminal(trusted("run", "--cafile", bundle, *program)) as terminal:
        terminal.wait_for(b"ready")
        terminal.type(_CTRL_C)
        terminal.wait_for(b"KeyboardInterrupt")
        assert terminal.process.wait(20) == -signal.SIGINT
        assert terminal.shown.count(b"Traceback") == 1
        assert b"trusted_context" not in terminal.shown


# pip


@pytest.fixture(scope="module")
def index(ca, tmp_path_factory):
    """The URL of a package index with one small wheel, on an HTTPS server of localhost."""
    root = tmp_path_factory.mktemp("index")
    name, information = "tiny_wheel-1.0-py3-none-any.whl", "tiny_wheel-1.0.dist-info"
    (root / "simple/tiny-wheel").mkdir(parents=True)
    (root / "simple/tiny-wheel/index.html").write_text(
        f'<!DOCTYPE html><html><body><a href="/{name}">{name}</a></body>'
    )
    with zipfile.ZipFile(root / name, "w") as wheel:
        wheel.writestr("tiny_wheel.py", "")
        wheel.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1.0\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
    with serving(Server(ca.issue_cert("localhost"), handler=functools.partial(_Site, directory=str(root)))) as running:
        yield f"{running.url}simple"


class _Site(http.server.SimpleHTTPRequestHandler):
    timeout = 20

    def log_message(self, *_args):
        pass


@pytest.fixture
def pip(index, tmp_path):
    """A function that installs the wheel by the real pip of this environment, started with these words before it."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    target = tmp_path / "target"
    options = ["--no-deps", "--no-compile", "--no-cache-dir", "--retries", "0", "--timeout", "20"]

    def install(*before):
        command = [*before, "-m", "pip", "install", *options, "--target", target, "--index-url", index, "tiny-wheel"]
        status, stdout, stderr = ended(start(command, env=kept | settings))
        assert (status == 0) == (target / "tiny_wheel.py").exists()
        return status, stdout + stderr

    return install


def assert_distrusted(outcome):
    """The certificate was refused, and nothing installed."""
    status, output = outcome
    assert status != 0
    assert "CERTIFICATE_VERIFY_FAILED" in output
    assert real.PASSWORD not in output


@pytest.mark.slow
def test_pip_installs_as_a_module(pip, bundle):
    """It fails without the command, and works with it."""
    assert_distrusted(pip(PYTHON))
    assert pip(*trusted("run", "--cafile", bundle))[0] == 0


@pytest.mark.mitmproxy
def test_pip_installs_through_a_proxy_that_inspects(pip, ca, ca_file, tmp_path):
    """With the proxy's CA and its user and password; the server's own CA is of no use there."""
    with real.running_mitmproxy(tmp_path, ca) as mitmproxy:
        assert_distrusted(pip(*trusted("run", "--cafile", ca_file, "--proxy", mitmproxy.url())))
        assert pip(*trusted("run", "--cafile", mitmproxy.bundle, "--proxy", mitmproxy.url()))[0] == 0
