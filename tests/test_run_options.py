"""What ``trusted-context run`` is told: whom to trust, what to leave unverified, which proxy, and mistakes in it."""

import functools
import os
import re
import sys
import textwrap

import material
import pytest
from commands import FETCH, PYTHON, assert_refused, ended, run, start
from servers import BODY, ConnectProxy, serving

from trusted_context import __main__ as command
from trusted_context import current
from trusted_context.command import run_command
from trusted_context.sources import exported_file

# By urllib, requests where it is installed, a thread that outlives the main one, an exit handler, a child, a worker.
_DOWNLOADS = """
import atexit, multiprocessing, subprocess, sys, threading, time, urllib.request

def fetch(url):
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read()

def say(*words):
    print(*words, flush=True)

if __name__ == "__main__":
    url, program = sys.argv[1:]
    say("urllib", fetch(url))
    try:
        import requests
    except ImportError:
        say("requests", fetch(url))
    else:
        say("requests", requests.get(url, timeout=20).content)
    child = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, timeout=20)
    say("child", child.stdout.strip().encode())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        say("worker", pool.apply(fetch, [url]))
    main = threading.current_thread()
    threading.Thread(target=lambda: say("thread", main.join(), fetch(url))).start()
    atexit.register(lambda: say("exit", fetch(url)))
"""


def test_a_file_for_a_child_that_cannot_be_written_is_a_line(ca_file, monkeypatch, capsys):
    """The command is not started without its trust. (A double of a full disk.)"""

    def fail(_certificates):
        raise OSError(28, "No space left on device", "/tmp/x.pem")

    monkeypatch.setattr(exported_file, "write", fail)
    der = ca_file.with_suffix(".der")
    der.write_bytes(material.to_der(ca_file.read_bytes()))
    monkeypatch.setattr(sys, "argv", ["trusted-context", "run", "--cafile", str(der), "--", "true"])
    try:
        with pytest.raises(SystemExit, match="2"):
            command.main()
    finally:  # of the command's own block, which is for the rest of a process
        current().stop()
    assert "No space left on device" in capsys.readouterr().err


@pytest.fixture
def script(tmp_path):
    """A function that writes a script and gives its path."""

    def write(code):
        path = tmp_path / "script.py"
        path.write_text(textwrap.dedent(code))
        return path

    return write


def test_all_of_an_unmodified_script_s_downloads_follow(server, ca, script, tmp_path, other_file):
    """23. Its own, its threads', its exit handlers', its children's and its workers'; one file is left."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    der = tmp_path / "corp.crt"
    der.write_bytes(material.to_der(ca.cert_pem.bytes()))
    environment = os.environ | {"TMPDIR": str(temporary), "TEMP": str(temporary)}
    path = script(_DOWNLOADS)
    status, stdout, stderr = run("--cafile", other_file, "--cafile", der, path, server.url, FETCH, env=environment)
    ways = ("urllib", "requests", "child", "worker", "thread None", "exit")
    assert (status, stdout.splitlines(), stderr) == (0, [f"{way} {BODY!r}" for way in ways], "")
    assert [path.suffix for path in temporary.rglob("*") if path.is_file()] == [".pem"]
    status, stdout, stderr = ended(start([PYTHON, path, server.url, FETCH]))
    assert (status, stdout) == (1, "")
    assert "CERTIFICATE_VERIFY_FAILED" in stderr


@pytest.mark.parametrize("given", ["--cafile", "environment", "system"])
def test_whom_to_trust_is_found_as_by_a_block(given, server, ca_file, other_file, script):
    """--cafile is all that is trusted; without options the machine's variables decide; --system is the store alone."""
    environment = dict(os.environ)
    if given == "environment":
        environment["SSL_CERT_FILE"] = str(ca_file)
    options = {"--cafile": ["--cafile", other_file], "environment": [], "system": ["--system"]}[given]
    status, stdout, stderr = run(*options, script(FETCH), server.url, env=environment)
    if given == "environment":
        assert (status, stdout.strip(), stderr) == (0, BODY.decode(), "")
    else:
        assert status == 1
        assert "CERTIFICATE_VERIFY_FAILED" in stderr


def test_the_hosts_named_insecure_alone_are_not_verified(server, ca_file, other_file, script):
    """--insecure covers the script's own downloads from these hosts, says so in a line each, and no other host."""
    code = FETCH + "; print(u.urlopen(sys.argv[2], timeout=20).read())"
    elsewhere = server.url.replace("localhost", "127.0.0.1")
    options = ["--cafile", other_file, "--insecure", "localhost", "--insecure", "nas.test:8443"]
    status, stdout, stderr = run(*options, script(code), server.url, elsewhere)
    assert (status, stdout.strip()) == (1, BODY.decode())
    assert stderr.startswith("trusted-context run: InsecureWarning: verification is off for localhost, nas.test:8443")
    assert "CERTIFICATE_VERIFY_FAILED" in stderr


def test_an_error_that_ends_a_script_says_why(server, other_file, script):
    """The note that a block adds to what leaves it is shown once, below the script's own traceback."""
    status, stdout, stderr = run("--cafile", other_file, script(FETCH), server.url)
    assert (status, stdout) == (1, "")
    assert "runpy" not in stderr
    assert "_run.py" not in stderr
    last = next(number for number, line in enumerate(stderr.splitlines()) if line.startswith("urllib.error.URLError"))
    note = "\n".join(stderr.splitlines()[last + 1 :])
    assert note.startswith("localhost:")
    assert note.count("presented") == 1


def test_what_a_script_does_to_the_variables_is_its_own_matter(server, ca_file, script):
    """A script that sets a variable that the command exported, as many do, gets no warning for it."""
    code = "import os\nos.environ['REQUESTS_CA_BUNDLE'] = 'own'\ndel os.environ['SSL_CERT_FILE']\n" + FETCH
    assert run("--cafile", ca_file, script(code), server.url) == (0, f"{BODY.decode()}\n", "")


# Another operating system is played by what tells it from others.
_NATIVE = """
import sys
from trusted_context.sources import stores
from trusted_context.__main__ import main
stores.VERIFIES_NATIVELY = True
sys.exit(main())
"""


def test_where_the_store_is_no_file_a_script_still_follows_it(public_server, script):
    """On Windows and macOS --system covers this process, and says that it reaches no child."""
    status, stdout, stderr = ended(start([PYTHON, "-c", _NATIVE, "run", "--system", script(FETCH), public_server.url]))
    assert (status, stdout.strip()) == (0, BODY.decode())
    assert stderr.count("\n") == 1
    assert "child processes" in stderr


def test_where_the_store_is_no_file_no_child_is_started():
    """On Windows and macOS --system is refused for a command, with the remedy."""
    command = [PYTHON, "-c", _NATIVE, "run", "--system", "--", PYTHON, "-c", "print('never')"]
    assert_refused(ended(start(command)), "--cafile")


@pytest.fixture
def command_line(tmp_path, monkeypatch, capsys):
    """A function that runs the command in this process, in a folder of its own, to the exit that refuses it."""
    monkeypatch.chdir(tmp_path)

    def refuse(*arguments):
        monkeypatch.setattr(sys, "argv", ["trusted-context", "run", *arguments])
        with pytest.raises(SystemExit) as caught:
            command.main()
        return caught.value.code, *capsys.readouterr()

    return refuse


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cafile", "missing.crt"], "missing.crt: No such file"),
        (["--cafile", "page.crt"], "page.crt"),
        (["--cafile", ""], "empty"),
        (["--insecure", "https://host/"], "not a host"),
        (["--insecure", ""], "not a host"),
    ],
    ids=str,
)
@pytest.mark.parametrize("program", [["script.py"], ["--", PYTHON, "script.py"]], ids=["script", "command"])
def test_what_cannot_be_trusted_is_a_line_and_runs_nothing(options, told, program, tmp_path, command_line):
    """A mistake in an option is one line on stderr, without a traceback, and status 2."""
    (tmp_path / "script.py").write_text("print('never')")
    (tmp_path / "page.crt").write_text("<html>Log in</html>")
    assert_refused(command_line(*options, *program), "child" if "--insecure" in options and "--" in program else told)


def test_a_variable_that_names_nothing_is_a_line():
    """The machine's own set-up is told as a mistake too, by its name."""
    assert_refused(run("-m", "this", env=os.environ | {"SSL_CERT_FILE": "missing.pem"}), "missing.pem", "SSL_CERT_FILE")


@pytest.mark.parametrize("program", [[], ["-m"], ["--"], [""]], ids=str)
def test_without_a_program_there_is_nothing_to_run(program, command_line):
    """It is said in a line, with status 2."""
    assert_refused(command_line(*program), "nothing to run")


def test_a_script_that_is_not_there_is_a_line(command_line):
    """As Python itself says it, with status 2."""
    assert_refused(command_line("no_such.py"), "can't open file", "no_such.py")


SPLITS = {
    "script.py --help": ([], "script.py --help"),
    "--cafile a --system script.py --cafile b": (["--cafile", "a", "--system"], "script.py --cafile b"),
    "--cafile=a -m pip install -m": (["--cafile=a"], "-m pip install -m"),
    "-mpip --version": ([], "-mpip --version"),
    "--insecure h -- ls -l -- x": (["--insecure", "h"], "-- ls -l -- x"),
    "--cafile script.py": (["--cafile", "script.py"], ""),
    "--help script.py": (["--help"], "script.py"),
    "- a": ([], "- a"),
}


@pytest.mark.parametrize("line", SPLITS)
def test_what_follows_the_program_is_the_program_s(line):
    """Options are ours up to the program, and never after it."""
    own, program = SPLITS[line]
    assert run_command.split(["run", *line.split()]) == (["run", *own], program.split())


# Proxies

set_proxy = run_command._set_proxy
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


@pytest.fixture
def no_proxies(monkeypatch):
    """An environment without proxies, put back at the end."""
    for name in (*_PROXY_VARIABLES, "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


PROXIES = {
    "http://proxy.test:8080": "http://proxy.test:8080",
    "proxy.test:8080": "http://proxy.test:8080",
    "HTTP://Proxy.test/": "http://proxy.test:80",
    "https://proxy.test": "https://proxy.test:443",
    "socks5h://127.0.0.1": "socks5h://127.0.0.1:1080",
    "user:p%40ss@proxy.test:8080": "http://user:p%40ss@proxy.test:8080",
    "http://CORP%5Cuser:a:b@[::1]:8080": "http://CORP%5Cuser:a:b@[::1]:8080",
}


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("given", PROXIES)
def test_a_proxy_is_named_in_the_variables_that_are_read(given):
    """In both spellings, with its scheme and port written out; ALL_PROXY and NO_PROXY stay the user's."""
    before = dict(os.environ)
    set_proxy(given)
    assert {name: os.environ[name] for name in _PROXY_VARIABLES} == dict.fromkeys(_PROXY_VARIABLES, PROXIES[given])
    assert {name: value for name, value in os.environ.items() if name not in _PROXY_VARIABLES} == before


MISTAKES = {
    "http://user:s3cret@x@proxy.test:8080": "percent-encode",
    "http://user:s3cret/x@proxy.test:8080": "percent-encode",
    "http://user:s3cret%zz@proxy.test:8080": "percent-encode",
    "user:s3cret#x@proxy.test": "percent-encode",
    "http://user:s3cret x@proxy.test": "percent-encode",
    "http://proxy.test:8080/s3cret": "http://host:port",
    "http://user:s3cret": "http://host:port",
    "ftp://user:s3cret@proxy.test": "begins with http://, https://, socks5h://",
    "http://proxy.test:99999": "host and port",
    "http://user:s3cret@": "percent-encode",
    "http://": "http://host:port",
    "": "http://host:port",
    "http://proxy.test\n.s3cret": "http://host:port",
}


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("given", MISTAKES, ids=repr)
def test_a_mistake_in_a_proxy_is_told_without_its_password(given, capsys):
    """One line, with the remedy, status 2, and nothing set."""
    before = dict(os.environ)
    with pytest.raises(SystemExit) as caught:
        set_proxy(given)
    stdout, stderr = capsys.readouterr()
    assert_refused((caught.value.code, stdout, stderr), MISTAKES[given])
    assert "s3cret" not in stderr
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--prox={}", "script.py"],
        ["--proxy", "http://proxy.test", "{}"],
        ["--", "{}"],
        ["--cafile", "{}", "script.py"],
        ["--insecure", "{}", "script.py"],
        ["{}/script.py"],
    ],
    ids=str,
)
def test_an_address_in_the_wrong_place_is_told_without_its_password(arguments, tmp_path):
    """Mistyped or misplaced, a proxy's user and password are repeated in no line, unencoded ones neither."""
    (tmp_path / "script.py").write_text("print('never')")
    address = "http://us3r:s3cr/3t@s3cr3t@proxy.test"
    status, stdout, stderr = run(*(argument.format(address) for argument in arguments), cwd=tmp_path)
    assert (status != 0, stdout) == (True, "")
    assert "***" in stderr or re.search(r"<\d+ characters>", stderr)
    assert not re.search(r"us3r|s3cr|3t|s3cr3t", stderr.replace(str(tmp_path), ""))


@pytest.mark.parametrize("as_child", [False, True], ids=["script", "command"])
def test_a_program_goes_through_the_proxy(as_child, server, ca_file, script):
    """With user and password; a host that NO_PROXY names is still reached directly."""
    program = ["--", PYTHON, script(FETCH)] if as_child else [script(FETCH)]
    with serving(ConnectProxy("user:p@ss")) as proxy:
        url = proxy.url.replace("//", "//user:p%40ss@")
        through = functools.partial(run, "--cafile", ca_file, "--proxy", url, *program, server.url)
        assert through() == (0, f"{BODY.decode()}\n", "")
        assert proxy.tunnelled == [f"localhost:{server.server_port}"]
        assert through(env=os.environ | {"NO_PROXY": "localhost"}) == (0, f"{BODY.decode()}\n", "")
        assert len(proxy.tunnelled) == 1


def test_no_warning_filter_hides_or_breaks_what_is_said(server, other_file, script):
    """Neither -W ignore nor -W error, which are the script's, touch the line that says what is not verified."""
    for filters in ("ignore", "error"):
        options = ["--cafile", other_file, "--insecure", "localhost"]
        environment = os.environ | {"PYTHONWARNINGS": filters}
        status, stdout, stderr = run(*options, script(FETCH), server.url, env=environment)
        assert (status, stdout.strip()) == (0, BODY.decode())
        assert stderr.count("InsecureWarning") == 1
