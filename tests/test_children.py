"""Real programs started with what a block gives them: pip, git, curl, Node.js, openssl, Python itself, and forks."""

import functools
import http.server
import importlib.util
import multiprocessing
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile

import pytest
from exported import environment_is_as_it_was, temporary_folder  # noqa: F401  # fixtures of every test here
from servers import BODY, Server, fetch, serving

from trusted_context import trusted_context

_FETCH = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1], timeout=20).read())"
_NODE_FETCH = """
require("https").get(process.argv[1], response => response.pipe(process.stdout))
    .on("error", error => { console.error(error.code); process.exit(1) })
"""


class _Site(http.server.SimpleHTTPRequestHandler):
    """Files and folders below a folder, with the types that pip insists on."""

    timeout = 20

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def site(ca, tmp_path_factory):
    """The URL of an HTTPS server with a wheel in an index, a git repository without a smart protocol, and a file."""
    root = tmp_path_factory.mktemp("site")
    (root / "data").write_bytes(BODY)
    _make_index(root)
    if shutil.which("git"):
        _make_repository(root)
    handler = functools.partial(_Site, directory=str(root))
    with serving(Server(ca.issue_cert("localhost"), handler=handler)) as running:
        yield running.url


def _make_index(root):
    name = "tiny_wheel-1.0-py3-none-any.whl"
    information = "tiny_wheel-1.0.dist-info"
    index = root / "simple" / "tiny-wheel"
    index.mkdir(parents=True)
    (index / "index.html").write_text(f'<!DOCTYPE html><html><body><a href="/{name}">{name}</a></body></html>')
    with zipfile.ZipFile(root / name, "w") as wheel:
        wheel.writestr("tiny_wheel.py", "")
        wheel.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1.0\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


def _make_repository(root):
    git = functools.partial(subprocess.run, check=True, timeout=30, cwd=root, capture_output=True, env=_clean())
    who = ["-c", "user.name=a", "-c", "user.email=a@corp.test"]
    git(["git", "init", "--quiet", "repository"])
    (root / "repository" / "file").write_bytes(BODY)
    git(["git", "-C", "repository", "add", "file"])
    git(["git", *who, "-C", "repository", "commit", "--quiet", "--message=one"])
    git(["git", "-C", "repository", "update-server-info"])


_SETTINGS = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_RETRIES": "0",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


def _clean(environment=os.environ):
    """*environment* without the machine's settings of pip and git, except for the CA that a block gives them."""
    ours = {"PIP_CERT", "GIT_SSL_CAINFO"}
    kept = {name: value for name, value in environment.items() if not name.startswith(("PIP_", "GIT_")) or name in ours}
    return kept | _SETTINGS


@pytest.fixture
def clean(monkeypatch):
    """This process's environment without the machine's settings of pip and git."""
    for name in os.environ.keys() - _clean().keys():
        monkeypatch.delenv(name)
    for name, value in _SETTINGS.items():
        monkeypatch.setenv(name, value)


def _pip(url, folder):
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed")
    place = ["--target", str(folder), "--index-url", f"{url}simple/", "--timeout", "20"]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", *place, "tiny-wheel"]


def _program(name, *arguments):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return [found, *arguments]


def _slow(*programs):
    """Those which another program stands for where the slow tests are left out."""
    return [pytest.param(program, marks=pytest.mark.slow) for program in programs]


# How each is run, and the variable that it reads.
PROGRAMS = {
    "pip": (_pip, {"PIP_CERT"}),
    "pip as requests": (_pip, {"REQUESTS_CA_BUNDLE"}),
    "git ls-remote": (lambda url, _: _program("git", "ls-remote", f"{url}repository/.git"), {"GIT_SSL_CAINFO"}),
    "git clone": (
        lambda url, folder: _program("git", "clone", "--quiet", f"{url}repository/.git", str(folder)),
        {"GIT_SSL_CAINFO"},
    ),
    "curl": (lambda url, _: _program("curl", "-q", "--fail", "--silent", "--show-error", url), {"CURL_CA_BUNDLE"}),
    "curl as openssl": (lambda url, _: _program("curl", "-q", "--fail", "--silent", url), {"SSL_CERT_FILE"}),
    "python": (lambda url, _: [sys.executable, "-c", _FETCH, f"{url}data"], {"SSL_CERT_FILE"}),
    "node": (lambda url, _: _program("node", "-e", _NODE_FETCH, f"{url}data"), {"NODE_EXTRA_CA_CERTS"}),
}


def run(command, environment=None):
    """The command's end, within 30 seconds."""
    return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("program", ["git ls-remote", "curl", "python", "node", *_slow("pip", "git clone")])
def test_a_program_follows_the_block_by_environment_and_by_export(program, site, ca_file, tmp_path):
    """23. It fails without the block, and works with environment() or inside the block with export=True."""
    make, _ = PROGRAMS[program]
    assert run(make(site, tmp_path / "without")).returncode != 0
    block = trusted_context(ca_file.read_bytes(), export=True)
    done = run(make(site, tmp_path / "environment"), block.environment())
    assert done.returncode == 0, done.stderr
    with block:
        done = run(make(site, tmp_path / "export"))
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    "program",
    ["git ls-remote", "curl", "curl as openssl", "python", "node", *_slow("pip", "pip as requests", "git clone")],
)
def test_each_variable_is_what_its_program_reads(program, site, ca_file, tmp_path):
    """Of all the variables the program's own is enough for it."""
    make, needed = PROGRAMS[program]
    given = trusted_context(ca_file).environment()
    others = {name for name, value in given.items() if value == str(ca_file)} - needed
    done = run(make(site, tmp_path / "own"), {name: value for name, value in given.items() if name not in others})
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("program", ["git ls-remote", "curl", "python", "node", *_slow("pip")])
def test_another_ca_than_the_server_s_is_refused(program, site, other_file, tmp_path):
    """A program that is given a block's CA does not come to trust anybody else's."""
    make, _ = PROGRAMS[program]
    assert run(make(site, tmp_path / "target"), trusted_context(other_file).environment()).returncode != 0


def test_the_user_s_folder_does_not_come_along(site, ca, other_file, tmp_path, monkeypatch):
    """What SSL_CERT_DIR adds for OpenSSL outside the block is not trusted by a child inside it."""
    import material

    folder = tmp_path / "hashed"
    folder.mkdir()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    (folder / material.hashed_name(tmp_path / "ca.pem")).write_bytes(ca.cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    command = [sys.executable, "-c", _FETCH, f"{site}data"]
    assert run(command).stdout == BODY
    block = trusted_context(other_file, export=True)
    assert run(command, block.environment()).returncode != 0
    with block:
        assert run(command).returncode != 0
    assert run(command).stdout == BODY


@pytest.mark.parametrize("arguments", [{"insecure": True}, {"insecure": {"localhost"}}, {"local": True}], ids=str)
@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
def test_children_of_insecure_and_local_blocks_verify_as_ever(arguments, site, ca_file):
    """An insecure block makes no child insecure, and a local one reaches none."""
    with trusted_context(None if arguments.get("insecure") is True else ca_file, export=True, **arguments):
        assert fetch(f"{site}data") == BODY
        done = run([sys.executable, "-c", _FETCH, f"{site}data"])
    assert b"CERTIFICATE_VERIFY_FAILED" in done.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_spawned_worker_follows_an_exporting_block(method, site, ca_file):
    """A worker that inherits nothing but the environment trusts what the block exported when it was started."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on Windows")
    code = textwrap.dedent(
        """
        import multiprocessing, servers, sys
        from trusted_context import trusted_context
        if __name__ == "__main__":
            method, url, ca_file = sys.argv[1:]
            with trusted_context(ca_file, export=True), multiprocessing.get_context(method).Pool(1) as pool:
                print(pool.apply_async(servers.fetch, (url,)).get(30))
        """
    )
    command = [sys.executable, "-c", code, method, f"{site}data", str(ca_file)]
    done = run(command, os.environ | {"PYTHONPATH": os.path.dirname(__file__)})
    assert done.stdout.decode().strip() == repr(BODY), done.stderr


@pytest.mark.parametrize("way", ["environment", "export"])
def test_a_child_that_outlives_the_block_still_finds_its_bundle(way, site, ca_file):
    """The written file stays for as long as this process lives."""
    command = [sys.executable, "-c", f"import sys; sys.stdin.read(); {_FETCH}", f"{site}data"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    block = trusted_context(ca_file.read_bytes(), export=way == "export")
    with block:
        environment = block.environment() if way == "environment" else None
        child = subprocess.Popen(command, env=environment, **pipes)
    stdout, stderr = child.communicate(timeout=30)
    assert stdout == BODY, stderr


# Forks


def play(scene, *arguments):
    """What *scene*, a program that forks, prints in a process of its own."""
    code = _FORKING + textwrap.dedent(scene)
    done = run([sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)])
    assert done.stderr == b""
    assert done.returncode == 0
    return done.stdout.decode().split()


_FORKING = """
import os, subprocess, sys, threading
from trusted_context import trusted_context

def child(work):
    sys.stdout.flush()
    process = os.fork()
    if process:
        assert os.waitpid(process, 0)[1] == 0
    else:
        work()
        sys.stdout.flush()
        # As the children of multiprocessing end. A thread that has just ended may have held a lock of OpenSSL's at the
        # fork, and OpenSSL takes that lock when the process exits.
        os._exit(0)

url, ca_file, fetch = sys.argv[1:]
content = open(ca_file, "rb", buffering=0).readall()
tell = lambda: print(subprocess.run([sys.executable, "-c", fetch, url], capture_output=True).returncode)
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")


@needs_fork
def test_a_forked_child_that_leaves_the_block_puts_the_variables_back_there(site, ca_file):
    """The child's variables are the exported ones until it leaves, then the user's; its parent's stay exported."""
    scene = """
    os.environ["SSL_CERT_FILE"] = "the user's"
    block = trusted_context(content, export=True).start()
    exported = os.environ["SSL_CERT_FILE"]
    def work():
        tell()
        block.stop()
        print(os.environ["SSL_CERT_FILE"] == "the user's", "PIP_CERT" in os.environ, os.path.exists(exported))
    child(work)
    print(os.path.exists(exported))
    tell()
    """
    assert play(scene, f"{site}data", ca_file, _FETCH) == ["0", "True", "False", "True", "True", "0"]


@needs_fork
def test_a_forked_child_uses_the_file_of_its_parent(site, ca_file, tmp_path):
    """What a child of the block exports is the file that its parent wrote, which is there after the child's end."""
    scene = f"""
    import tempfile
    tempfile.tempdir = {str(tmp_path)!r}
    block = trusted_context(content)
    first = block.environment()["SSL_CERT_FILE"]
    def work():
        second = block.environment()["SSL_CERT_FILE"]
        print(first == second)
    child(work)
    print(os.path.exists(first))
    """
    assert play(scene, f"{site}data", ca_file, _FETCH) == ["True", "True"]


@needs_fork
def test_an_export_of_a_thread_that_the_child_does_not_have_is_withdrawn_there(site, ca_file):
    """Nobody in the child could ever leave a block that another thread is in and that does not govern."""
    scene = """
    def enter(trust, **arguments):
        thread = threading.Thread(target=lambda: trusted_context(trust, **arguments).start())
        thread.start()
        thread.join()
    enter(content, export=True)
    child(lambda: print("PIP_CERT" in os.environ))
    enter(ca_file)
    child(lambda: print("PIP_CERT" in os.environ))
    print("PIP_CERT" in os.environ)
    """
    assert play(scene, f"{site}data", ca_file, _FETCH) == ["True", "False", "True"]
