"""The last lines of a report work as pasted: in Python, in a shell, and in the tools whose failure people see first."""

import json
import os
import shutil
import subprocess
import sys
import types

import pytest
from checking import code, shell_lines, small_machine
from material import hashed_name
from servers import BODY, write_ca

from trusted_context import check
from trusted_context.checks import advice
from trusted_context.sources import stores

# Programs may be installed beside this Python.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), os.path.dirname(sys.executable)])


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs, and a home directory for what the tools write."""
    with small_machine(tmp_path / "machine") as machine:
        machine.patch.setenv("PATH", _PATH)
        yield machine


@pytest.fixture
def report(server, ca_file):
    """A report that a CA file is the cure."""
    return check(server.url, ca_file)


def tool(name):
    """That program, or the test is skipped."""
    return shutil.which(name, path=_PATH) or pytest.skip(f"needs {name}")


def paste(*lines, folder):
    """Run lines in a shell, in that folder: what they wrote."""
    done = subprocess.run(
        ["sh", "-e"], input="\n".join(lines) + "\n", cwd=folder, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fails_to_paste(*lines, folder):
    """The same lines fail: what they wrote on standard error."""
    done = subprocess.run(
        ["sh", "-e"], input="\n".join(lines) + "\n", cwd=folder, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode != 0
    return done.stderr


def test_the_code_is_a_whole_program(report, server, tmp_path):
    """As a file, and typed into an interactive Python."""
    file = tmp_path / "pasted.py"
    file.write_text(code(report))
    subprocess.run([sys.executable, file], check=True, timeout=50)
    assert server.requests == ["GET /"]
    typed = f"{code(report)}\n\nprint('done')\n"
    done = subprocess.run(
        [sys.executable, "-i", "-q"], input=typed, capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout == "done\n"
    assert "Error" not in done.stderr
    assert server.requests == ["GET /", "GET /"]


def test_the_line_that_runs_a_program(report, server, machine):
    """It starts the program that it names, and its downloads trust the file."""
    url = server.url
    machine.place(
        f"~/{advice.PROGRAM}", f"import urllib.request\nprint(urllib.request.urlopen({url!r}).read().decode())\n"
    )
    assert paste(shell_lines(report)["run"], folder=machine.home) == "a data set\n"


def test_the_line_for_curl(report, machine):
    """It fetches, and without the option it does not."""
    tool("curl")
    line = shell_lines(report)["curl"]
    assert paste(line, folder=machine.home) == BODY.decode()
    assert "certificate" in fails_to_paste(f"curl --silent --show-error {line.split()[-1]}", folder=machine.home)


def test_the_line_for_git(report, server, machine):
    """It is for this server alone, and git then speaks to it."""
    tool("git")
    server.files["/data/info/refs?service=git-upload-pack"] = b"0" * 40 + b"\trefs/heads/main\n"
    ask = f"git ls-remote {server.url}data"
    assert "certificate" in fails_to_paste(ask, folder=machine.home)
    assert "refs/heads/main" in paste(shell_lines(report)["git"], ask, folder=machine.home)
    assert f'[http "{server.url}"]' in (machine.home / ".gitconfig").read_text()


@pytest.mark.slow
def test_the_line_for_pip(report, server, machine):
    """pip then asks the server for packages."""
    tool("pip")
    server.files["/simple/nothing/"] = b"<!DOCTYPE html><html><body></body></html>"
    ask = f"{sys.executable} -m pip download --retries 0 --no-deps --index-url {server.url}simple nothing"
    fails_to_paste(ask, folder=machine.home)
    assert server.requests == []
    paste(shell_lines(report)["pip"], folder=machine.home)
    assert "No matching distribution" in fails_to_paste(ask, folder=machine.home)
    assert "GET /simple/nothing/" in server.requests


@pytest.mark.slow
def test_the_line_for_npm(report, server, machine):
    """npm then asks the server for packages."""
    tool("npm")
    release = {"name": "nothing", "version": "1.2.3", "dist": {}}
    package = {"name": "nothing", "dist-tags": {"latest": "1.2.3"}, "versions": {"1.2.3": release}}
    server.files["/nothing"] = json.dumps(package).encode()
    ask = f"npm view --fetch-retries=0 --registry={server.url} nothing version"
    assert "certificate" in fails_to_paste(ask, folder=machine.home)
    assert "1.2.3" in paste(shell_lines(report)["npm"], ask, folder=machine.home)


def test_the_line_for_uv(report, server, machine):
    """uv then asks the server for packages."""
    tool("uv")
    server.files["/simple/nothing/"] = b"<!DOCTYPE html><html><body></body></html>"
    ask = f"uv pip install --target x --no-config --default-index {server.url}simple nothing"
    fails_to_paste(ask, folder=machine.home)
    assert "GET /simple/nothing/" not in server.requests
    fails_to_paste(shell_lines(report)["uv"], ask, folder=machine.home)  # there is no such package
    assert "GET /simple/nothing/" in server.requests


def test_the_line_for_conda(report, ca_file):
    """It is conda's own command, where a machine has it."""
    assert shell_lines(report)["conda"] == f"conda config --set ssl_verify {ca_file}"


@pytest.mark.parametrize(
    "name", ["it's here.pem", "a b\\n.pem", "$(touch x);`touch y`.pem", "-rf.pem", "soci\u00e9t\u00e9.pem"]
)
def test_names_that_a_shell_would_take_apart(server, ca, machine, name):
    """They are quoted, in every line."""
    tool("curl")
    file = write_ca(ca, machine.home / name)
    report = check(server.url, file)
    assert paste(shell_lines(report)["curl"], folder=machine.home) == BODY.decode()
    exec(code(report), {})
    machine.place(
        f"~/{advice.PROGRAM}", f"import urllib.request\nprint(urllib.request.urlopen({server.url!r}).read())\n"
    )
    assert paste(shell_lines(report)["run"], folder=machine.home) == f"{BODY!r}\n"
    assert {path.name for path in machine.home.iterdir()} <= {name, advice.PROGRAM}


def test_a_name_that_would_steer_the_terminal(server, ca, machine):
    """It is repeated nowhere; the code names a variable in its place."""
    path = write_ca(ca, machine.home / "\x1b]0;owned\x07.pem")
    report = check(server.url, path)
    assert report.line == "with trusted_context(cafile=cafile):"
    assert shell_lines(report) == {}
    assert "\x1b" not in str(report) + report.to_json()
    exec(code(report), {"cafile": path})


def test_a_system_store_whose_folder_alone_has_the_ca(server, ca_file, machine):
    """Its file would not help the other tools, so they are not given it."""
    folder = machine.home / "hashed"
    folder.mkdir()
    shutil.copy(ca_file, folder / hashed_name(ca_file))
    defaults = types.SimpleNamespace(openssl_cafile=str(machine.system), openssl_capath=str(folder))
    machine.patch.setattr(stores, "ssl", types.SimpleNamespace(get_default_verify_paths=lambda: defaults))
    report = check(server.url)
    assert report.line == "with trusted_context(system=True):"
    assert shell_lines(report).keys() == {"run"}


def test_the_line_for_what_the_environment_names(server, ca_file, machine):
    """A block and run need no argument then; the other tools are given the file."""
    machine.patch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
    report = check(server.url)
    assert shell_lines(report)["run"].endswith(f"trusted_context run {advice.PROGRAM}")
    assert shell_lines(report)["curl"] == f"curl --cacert {ca_file} {server.url}"
    exec(code(report), {})


def test_the_lines_for_certifi(server, ca, machine):
    """The code imports it."""
    write_ca(ca, machine.certifi)
    report = check(server.url)
    assert "import certifi" in code(report)
    exec(code(report), {})
    assert shell_lines(report)["run"].endswith(f"--cafile {machine.certifi} {advice.PROGRAM}")


def test_what_a_program_holds_in_a_variable_has_no_line_for_a_shell(server, ca):
    """Only Python knows the variable."""
    report = check(server.url, ca.cert_pem.bytes())
    assert shell_lines(report) == {}
    exec(code(report), {"cafile": ca.cert_pem.bytes()})


def test_the_lines_for_the_operating_system_s_own_store(server, ca_file, machine):
    """On Windows and macOS no file is named: tools are told to use the system's store.

    (Elsewhere truststore takes the part of the operating system, by what OpenSSL's own variable names.)
    """
    machine.patch.setattr(stores, "VERIFIES_NATIVELY", True)
    machine.patch.setenv("SSL_CERT_FILE", str(ca_file))
    machine.patch.setenv("REQUESTS_CA_BUNDLE", str(machine.certifi))
    lines = shell_lines(check(server.url))
    assert lines["run"].endswith(f"run --system {advice.PROGRAM}")
    assert lines["conda"] == "conda config --set ssl_verify truststore"
    assert "git" not in lines  # which has no way to use it
    assert not any(str(ca_file) in line for line in lines.values())


def test_the_lines_for_windows_own_store(server, ca_file, machine):
    """In PowerShell's words; git has a switch for it. (Doubles: this machine is no Windows, as above.)"""
    machine.patch.setattr(stores, "VERIFIES_NATIVELY", True)
    machine.patch.setattr(advice, "_IS_WINDOWS", True)
    machine.patch.setenv("SSL_CERT_FILE", str(ca_file))
    machine.patch.setenv("REQUESTS_CA_BUNDLE", str(machine.certifi))
    lines = shell_lines(check(server.url))
    assert lines["git"] == "git config --global http.sslBackend schannel"
    assert lines["uv"] == '$env:UV_SYSTEM_CERTS = "true"'
    assert lines["npm"] == '$env:NODE_OPTIONS = "--use-system-ca"'


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("/usr/bin/trusted-context", ["trusted-context"]),
        (r"C:\Scripts\trusted-context.exe".replace("\\", os.sep), ["trusted-context"]),
        ("./trusted-context.pyz", [sys.executable, "./trusted-context.pyz"]),
        ("/x/trusted_context/__main__.py", [sys.executable, "-m", "trusted_context"]),
        ("", [sys.executable, "-m", "trusted_context"]),
    ],
)
def test_the_command_is_started_as_it_was(monkeypatch, started, expected):
    """By its name, its file, or as a module."""
    monkeypatch.setattr(sys, "argv", [started])
    assert advice.own_command() == expected


def test_a_command_line_of_windows(monkeypatch):
    """Quoted as its programs read it. (A double: this machine is no Windows.)"""
    monkeypatch.setattr(advice, "_IS_WINDOWS", True)
    assert advice.join(["curl", "--cacert", r"C:\a b\ca.pem"]) == r'curl --cacert "C:\a b\ca.pem"'


def test_the_certificate_of_a_self_signed_server_is_saved_and_then_trusted(bad, machine):
    """The advice can be followed: the line saves it, and its file is what verifies that server."""
    port = bad["self-signed"]
    report = check(port.url)
    line = shell_lines(report)["save-cert"]
    assert line.endswith(f"check localhost:{port.number} --save-cert server.pem")
    done = subprocess.run(["sh", "-c", line], cwd=machine.home, capture_output=True, text=True, timeout=55, check=False)
    assert "This proves nothing" in done.stderr
    assert report.as_dict()["chain"][0]["sha256"] in done.stderr
    followed = check(port.url, "server.pem")
    assert followed.line == "with trusted_context(cafile='server.pem'):"
    exec(code(followed), {})
