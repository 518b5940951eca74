"""trusted-context check: what is seen on a terminal and in a pipe, what is saved, and the exit status."""

import argparse
import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
import time

import pytest
from bad_certificates import issue
from checking import COMMAND, SECRET, run_in_terminal, small_machine
from servers import ConnectProxy, Server, serving

from trusted_context.command import check_command

ESCAPE = "\x1b"


@pytest.fixture
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


def run(*arguments):
    """The exit status of the command in this process."""
    parser = argparse.ArgumentParser(prog="trusted-context")
    check_command.add_parser(parser.add_subparsers(required=True))
    return check_command.main(parser.parse_args(["check", *map(str, arguments)]))


def run_process(*arguments, **options):
    """The same in a process of its own."""
    command = [sys.executable, *COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False, **options)


def test_what_works_and_what_does_not_by_the_status(machine, bad, capsys):
    """0 where some trust verifies the server, with the line last; 1 where none does, with what to do last."""
    port = bad["sound"]
    assert run(port.url, "--cafile", port.cafile) == 0
    line = f"with trusted_context(cafile={str(port.cafile)!r}):"
    body = f"    urllib.request.urlopen({port.url!r}).close()  # or any other download"
    assert capsys.readouterr().out.endswith(f"\n\n{line}\n{body}\n")
    assert run(port.url) == 1
    written = capsys.readouterr()
    assert "next" in written.out
    assert "# a text to send to IT" in written.out
    assert "with trusted_context" not in written.out
    assert written.err == ""
    assert ESCAPE not in written.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["http://localhost"], "not fetched over TLS"),
        (["local host"], "names no host"),
        (["localhost", "--timeout", "0"], "give seconds"),
        (["localhost", "--cafile", "gone.pem"], "gone.pem: No such file"),
        (["localhost", "--cafile", os.devnull], "is empty"),
        (["localhost", "--save-ca", __file__], "not overwritten"),
        (["localhost", "--timeout", "soon"], "invalid float"),
        (["localhost", "--save-cert", __file__], "not overwritten"),
        (["localhost", "localhost", "--save-ca", "new.pem"], "take one URL"),
        (["localhost", "http://localhost"], "not fetched over TLS"),
        (["localhost"] * 17, "at most 16"),
    ],
)
def test_misuse(arguments, words, capsys):
    """2, and one line on standard error that says what is wrong."""
    try:
        status = run(*arguments)
    except SystemExit as end:  # argparse's own
        status = end.code
    written = capsys.readouterr()
    assert status == 2
    assert written.out == ""
    assert words in written.err.splitlines()[-1]
    assert "Traceback" not in written.err


def test_json_is_the_same_facts(machine, bad, capsys):
    """Valid, in ASCII, and nothing else on standard output."""
    port = bad["known-interception"]
    assert run(port.url, "--json", "--cafile", port.cafile) == 1
    written = capsys.readouterr().out
    found = json.loads(written)
    assert written.isascii()
    assert (found["works"], found["line"], found["cause"], found["product"]) == (False, None, "inspected", "Zscaler")
    assert found["chain"][1]["name"] == "Zscaler Root CA"
    assert {"machine", "variables", "certifi", "system", "proxy", "steps", "tls", "verdicts"} <= found.keys()


def test_the_presented_ca_is_saved_for_comparison(machine, bad, tmp_path, capsys):
    """The topmost CA as PEM, with its fingerprint, and a warning that it proves nothing; it is trusted by nobody."""
    port, path = bad["untrusted-root"], tmp_path / "saved.pem"
    assert run(port.url, "--save-ca", path) == 1
    der = ssl.PEM_cert_to_DER_cert(path.read_text())
    assert der == port.identity.chain[-1].der
    told = capsys.readouterr().err
    assert hashlib.sha256(der).digest().hex(":").upper() in told
    assert "This proves nothing" in told
    assert run(port.url) == 1


def test_a_saved_ca_overwrites_nothing(machine, bad, tmp_path, capsys):
    """What is there stays, a link that leads nowhere included, and nothing is connected."""
    port = bad["untrusted-root"]
    path = tmp_path / "precious.pem"
    path.write_text("mine")
    link = tmp_path / "link.pem"
    link.symlink_to(tmp_path / "elsewhere.pem")
    before = port.accepted
    assert [run(port.url, "--save-ca", taken) for taken in (path, link)] == [2, 2]
    assert path.read_text() == "mine"
    assert not (tmp_path / "elsewhere.pem").exists()
    assert port.accepted == before


def test_a_file_that_appears_meanwhile_is_not_overwritten(machine, tmp_path, capsys):
    """It was not there when the check began."""
    path = tmp_path / "saved.pem"

    def write(context):
        context.sni_callback = lambda *_: path.write_text("mine") and None

    ca = issue("Root", ca=True)
    with serving(Server(issue("localhost", ca).presenting(ca), configure=write)) as running:
        assert run(running.url, "--save-ca", path) == 2
    assert path.read_text() == "mine"
    assert "saved.pem: File exists" in capsys.readouterr().err


def test_no_ca_to_save(machine, bad, tmp_path, capsys):
    """A server that sends its own certificate alone: that is said, and the status is the check's."""
    path = tmp_path / "saved.pem"
    port = bad["unknown-issuer"]
    assert run(port.url, "--save-ca", path) == 1
    assert run(bad["sound"].url, "--save-ca", path, "--cafile", bad["sound"].cafile) == 0
    assert not path.exists()
    assert capsys.readouterr().err.count("sent no CA certificate") == 2


def test_a_folder_that_cannot_be_written_to(machine, bad, tmp_path, capsys):
    """The report is there all the same, and the status says that something was not done."""
    assert run(bad["untrusted-root"].url, "--save-ca", tmp_path / "gone" / "ca.pem") == 2
    written = capsys.readouterr()
    assert "not verified" in written.out
    assert "ca.pem: No such file or directory" in written.err


def test_on_a_terminal(bad):
    """Colours for what is good and bad, progress while it lasts, lines within the width, and the line to paste last."""
    port = bad["sound"]
    written, status = run_in_terminal(port.url, "--cafile", port.cafile, columns=72)
    assert status == 0
    assert f"{ESCAPE}[32mok{ESCAPE}[0m" in written
    assert f"{ESCAPE}[31mFAIL{ESCAPE}[0m" in written
    assert "\r\x1b[Ktrying cafile" in written
    progress, _, report = written.rpartition("\r\x1b[K")
    assert "verified" not in progress
    plain = re.sub(r"\x1b\[[0-9;]*m", "", report)
    assert ESCAPE not in plain
    lines = plain.splitlines()
    assert lines[-2] == f"with trusted_context(cafile={str(port.cafile)!r}):"
    unbroken = [line for line in lines if max(map(len, line.split()), default=0) < 30]  # no path
    assert max(map(len, unbroken)) <= 72


@pytest.mark.parametrize(("variables", "has_progress"), [({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, False)])
def test_a_terminal_that_wants_no_colours(bad, variables, has_progress):
    """NO_COLOR leaves the progress, which is gone in the end; a dumb terminal gets plain text."""
    written, status = run_in_terminal(bad["plain-http"].url, columns=20, **variables)
    assert status == 1
    assert f"{ESCAPE}[" not in written.replace("\x1b[K", "")
    assert ("\x1b[K" in written) == has_progress
    assert "not reached" in written


def test_ctrl_c_ends_it_quietly(bad):
    """130, as a shell has it, and no traceback."""
    written, status = run_in_terminal(bad["stalled"].url, "--timeout", "20", until=b"TLS with", type_then=b"\x03")
    assert status == 130
    assert "Traceback" not in written
    assert written.replace("^C", "").endswith("\x1b[K")


def test_a_reader_that_has_enough(bad):
    """As in ``trusted-context check ... | head``: no message, and the status is the check's."""
    command = [sys.executable, *COMMAND, bad["plain-http"].url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk(bad):
    """It is said, in one line."""
    with open("/dev/full", "wb") as full:
        command = [sys.executable, *COMMAND, bad["plain-http"].url]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr == b"trusted-context check: error: No space left on device\n"


def test_an_output_that_cannot_show_every_letter(bad):
    """A name beyond the output's encoding is escaped."""
    path = bad["sound"].cafile.with_name("soci\u00e9t\u00e9.pem")
    path.write_bytes(bad["sound"].cafile.read_bytes())
    done = run_process(bad["sound"].url, "--cafile", path, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"soci\\xe9t\\xe9.pem" in done.stdout


def test_closed_outputs(machine, bad, monkeypatch):
    """A daemon has neither standard output nor standard error."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert run(bad["plain-http"].url) == 1
    assert run("http://localhost") == 2


def test_the_password_of_a_proxy_is_shown_nowhere(machine, bad, monkeypatch, capsys):
    """Neither by the text nor by JSON, right or wrong."""
    port = bad["sound"]
    with serving(ConnectProxy(f"user:{SECRET}")) as proxy:
        for password, status in ((SECRET, 0), ("wr@ng" + SECRET, 1)):
            encoded = "".join(f"%{ord(letter):02x}" for letter in password)
            monkeypatch.setenv("https_proxy", proxy.url.replace("//", f"//user:{encoded}@"))
            assert run(port.url, "--cafile", port.cafile) == status
            assert run(port.url, "--cafile", port.cafile, "--json") == status
            written = "".join(capsys.readouterr())
            assert encoded not in written
            assert SECRET not in written


def test_the_time_that_is_given_is_kept(machine, bad, capsys):
    """--timeout is for all of it together."""
    started = time.monotonic()
    assert run(bad["stalled"].url, "--timeout", "0.3") == 1
    assert time.monotonic() - started < 5
    assert "no answer in time" in capsys.readouterr().out
