"""trusted-context check with several URLs, and with none: each server in one line, all within the given time."""

import json
import time

import pytest
from checking import small_machine
from servers import BODY, fetch, write_ca
from test_check_command import run

from trusted_context.checks import several


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


def test_each_server_in_one_line(bad, capsys):
    """In the order in which they were given; 1, where one of them is not verified."""
    assert run(bad["sound"].url, bad["expired"].url, bad["plain-http"].url, "--cafile", bad["sound"].cafile) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        f"ok   localhost:{bad['sound'].number}: verified by cafile={bad['sound'].cafile}",
        f"FAIL localhost:{bad['expired'].number}: not verified: expired",
        f"FAIL localhost:{bad['plain-http'].number}: not reached: not-tls",
    ]
    assert lines[-1].endswith(f"check localhost:{bad['expired'].number}")


def test_the_product_that_inspects_is_named(bad, capsys):
    """In its server's line."""
    run(bad["known-interception"].url, bad["self-signed"].url)
    assert "not verified: inspected, by Zscaler\n" in capsys.readouterr().out


def test_without_a_url_it_checks_what_people_download_from(bad, monkeypatch, capsys):
    """PyPI, Hugging Face, PyTorch, GitHub and conda. (Doubles for them: no test leaves this machine.)"""
    assert (
        *("pypi.org", "files.pythonhosted.org", "huggingface.co"),
        *("download.pytorch.org", "github.com", "conda.anaconda.org"),
    ) == several.POPULAR
    monkeypatch.setattr(several, "POPULAR", (bad["sound"].url, bad["tls-v1-2"].url))
    assert run("--cafile", bad["sound"].cafile) == 0
    written = capsys.readouterr().out
    assert written.count("ok   localhost:") == 2
    assert written.count("FAIL") == 0


def test_what_verifies_them_all_is_what_to_paste(bad, server, ca, machine, capsys):
    """One line of code for all of them; none where each needs another."""
    ports = bad["sound"], bad["tls-v1-2"]
    assert run(*(port.url for port in ports), "--cafile", ports[0].cafile) == 0
    pasted = capsys.readouterr().out.partition("# in Python\n")[2]
    for port in ports:
        names = {"fetch": fetch, "url": port.url}
        exec(f"{pasted}\n    body = fetch(url)", names)
        assert names["body"] == BODY
    write_ca(ca, machine.system)
    assert run(ports[0].url, server.url, "--cafile", ports[0].cafile) == 0
    assert "# in Python" not in capsys.readouterr().out


def test_all_of_them_share_the_time(bad, capsys):
    """Four that never answer take no longer than one."""
    started = time.monotonic()
    assert run(*[bad["stalled"].url] * 4, "--timeout", "0.5") == 1
    assert time.monotonic() - started < 6
    assert capsys.readouterr().out.count("not reached: timed-out") == 4


def test_as_json(bad, capsys):
    """A document for each."""
    assert run(bad["sound"].url, bad["expired"].url, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == 2
    assert [one["port"] for one in found["checks"]] == [bad["sound"].number, bad["expired"].number]


def test_an_error_of_one_is_an_error(bad, tmp_path, capsys):
    """A CA file that is none is told once, in one line."""
    assert run(bad["sound"].url, bad["expired"].url, "--cafile", tmp_path / "gone.pem") == 2
    assert capsys.readouterr().err.count("gone.pem: No such file") == 1
