"""The command's help and errors: at every width, in letters that the output has, with the word that was meant."""

import importlib.util
import os
import subprocess
import sys

import pytest
from checking import run_in_terminal, small_machine
from commands import PYTHON, ended, start

from trusted_context import check
from trusted_context.__main__ import main
from trusted_context.checks.report import lines
from trusted_context.command import terminal

COMMANDS = [[], ["check"], ["run"]]


@pytest.fixture
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command in this process, and returns what it ends in: exit status, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["trusted-context", *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        return ending.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("columns", [40, 72, 132])
@pytest.mark.parametrize("words", COMMANDS, ids=["", "check", "run"])
def test_help_is_as_wide_as_the_terminal(columns, words, command, monkeypatch):
    """From 40 columns on; the examples, which are to be pasted, stay whole."""
    monkeypatch.setenv("COLUMNS", str(columns))
    status, written, _ = command(*words, "--help")
    assert status == 0
    text, _, examples = written.partition("\nexamples:\n")
    longest = max(map(len, text.splitlines()))
    assert longest <= columns
    assert longest > columns * 2 / 3
    assert examples.startswith("  trusted-context ")
    assert "\n\n\n" not in written


@pytest.mark.parametrize("columns", [40, 55, 72, 120])
@pytest.mark.parametrize("name", ["sound", "known-interception", "expired", "self-signed", "plain-http"])
def test_a_report_is_as_wide_as_the_terminal(bad, machine, columns, name):
    """But for what is pasted, and for words that are longer than a line."""
    report = check(bad[name].url, bad[name].cafile)
    text = str(report)
    for mark, line in lines(report.findings, columns):
        if mark != "code":
            assert len(line) <= columns or max(map(len, line.split())) > columns - 20, line
    # Whatever is shown at one width is shown at any.
    narrow = "".join("".join(line for _, line in lines(report.findings, columns)).split())
    assert all(word in narrow for word in text.split() if len(word) > 12 and ":" not in word)


def test_a_fingerprint_is_broken_between_its_bytes(bad, machine):
    """No line of it is too long, and none of its bytes is lost."""
    report = check(bad["self-signed"].url)
    sha256 = report.as_dict()["chain"][0]["sha256"]
    shown = [line for _, line in lines(report.findings, 40)]
    place = next(number for number, line in enumerate(shown) if "sha256:" in line)
    joined = "".join(line.strip() for line in shown[place : place + 5]).partition("sha256: ")[2]
    assert joined.startswith(sha256)
    assert max(map(len, shown[place : place + 5])) <= 40


def test_failures_have_a_colour_on_a_terminal_alone(bad, monkeypatch, capsys):
    """Not in a pipe, nor where NO_COLOR is set."""
    written, _ = run_in_terminal(bad["expired"].url, columns=100)
    assert "\x1b[31mFAIL\x1b[0m" in written
    written, _ = run_in_terminal(bad["expired"].url, NO_COLOR="1")
    assert "\x1b[3" not in written
    assert "FAIL" in written
    monkeypatch.setattr(sys, "argv", ["trusted-context", "check", bad["expired"].url])
    assert main() == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("letter", "shown"), [("\N{LEFTWARDS ARROW}", "<-"), ("\N{REPLACEMENT CHARACTER}", "?"), ("\u4e2d", "\\u4e2d")]
)
def test_letters_that_the_output_lacks(letter, shown):
    """On a console of cp1252 an arrow is two ASCII letters; what has no such form is escaped."""
    code = f"from trusted_context.command import terminal; terminal.write({letter!r}); terminal.tell({letter!r})"
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=30, check=True)
    assert (done.stdout.decode("cp1252"), done.stderr.decode("cp1252").strip()) == (shown, shown)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["chekc", "pypi.org"], "did you mean check?"),
        (["rn", "x.py"], "did you mean run?"),
        (["https://pypi.org/simple"], "did you mean trusted-context check https://pypi.org"),
        (["pypi.org"], "did you mean trusted-context check pypi.org"),
        (["train.py"], "did you mean trusted-context run train.py"),
        (["check", "--cafle", "x"], "did you mean --cafile?"),
        (["check", "a.test", "--save-cart=x"], "did you mean --save-cert?"),
        (["run", "--insecrue", "x.py"], "did you mean --insecure?"),
        (["--verison"], None),
        (["xyzzy"], None),
        (["check", "--wherever", "x"], None),
    ],
)
def test_a_mistyped_word_suggests_the_right_one(arguments, meant, command):
    """Where one is near enough; status 2, and the message of argparse before it."""
    status, written, error = command(*arguments)
    assert (status, written) == (2, "")
    last = error.splitlines()[-1]
    assert last.startswith("trusted-context")
    assert last.endswith(meant) if meant else "did you mean" not in last


def test_a_suggestion_repeats_no_password(command):
    """The URL that was given in a command's place."""
    _, _, error = command("https://user:s3cr3t@corp.test/")
    assert "s3cr3t" not in error


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_completion_that_the_manual_names(shell):
    """shtab makes it of the parser."""
    if not importlib.util.find_spec("shtab"):
        pytest.skip("needs shtab")
    command = [
        PYTHON,
        "-m",
        "shtab",
        "--shell",
        shell,
        "--prog",
        "trusted-context",
        "trusted_context.__main__.make_parser",
    ]
    status, written, error = ended(start(command))
    assert status == 0, error
    assert all(word in written for word in ("check", "run", "--save-cert", "--insecure"))


def test_the_width_of_a_terminal_is_at_least_40_columns(monkeypatch):
    """A terminal that says it has fewer is written to as if it had these."""
    monkeypatch.setenv("COLUMNS", "5")
    assert terminal.width() == 40
