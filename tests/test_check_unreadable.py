"""check() on a machine with files that cannot be read, or without stores: what matters is told, others passed over."""

import os
import sys
import threading
import time

import certifi
import pytest
from checking import flat, run_line, shell_lines, small_machine
from material import make_ca
from servers import BODY, ConnectProxy, serving, write_ca

from trusted_context import check
from trusted_context.checks import paths, search
from trusted_context.checks import settings as check_settings
from trusted_context.sources import bundles


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


_JAVAS_STORE = "/etc/ssl/certs/java/cacerts"


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a regular file that even root cannot read")
def test_files_that_cannot_be_read_are_passed_over(server, pem, machine):
    """A certificate file, a program's settings and a key store: the CA beside them is found."""
    for place in ("/usr/local/share/ca-certificates/a.crt", "~/.condarc", _JAVAS_STORE):
        file = machine.place(place, "")
        file.unlink()
        file.symlink_to("/proc/self/mem")
        with pytest.raises(OSError, match="Input/output error"):
            file.read_bytes()
    right = machine.place("/usr/local/share/ca-certificates/b.crt", pem)
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={str(right)!r}):"
    assert run_line(report, server.url) == BODY
    assert report.as_dict()["settings"] == []


def test_a_folder_that_may_not_be_read_is_passed_over(server, pem, machine, monkeypatch):
    """The next is looked at. (A double: root may read every folder.)"""
    closed = machine.place("/usr/local/share/ca-certificates/corp.crt", pem).parent
    machine.place("/etc/ssl/corp.pem", pem)
    scan = os.scandir

    def refuse(path):
        if os.fspath(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(closed))
        return scan(path)

    monkeypatch.setattr(paths.os, "scandir", refuse)
    report = check(server.url)
    assert report.works
    assert str(closed) not in report.line


def test_a_file_that_is_gone_when_it_is_its_turn(server, pem, machine, monkeypatch):
    """Others install and remove CAs meanwhile. (The list is a double: it was made before the file went.)"""
    right = machine.place("/etc/ssl/corp.pem", pem)
    listed = [str(machine.root / "gone.pem"), str(right)]
    monkeypatch.setattr(search.paths, "certificate_files", lambda _: listed)
    assert check(server.url).line == f"with trusted_context(cafile={str(right)!r}):"


@pytest.mark.parametrize("content", ["", "<html>log in</html>", "-----BEGIN CERTIFICATE-----\nAAAA"])
def test_what_is_no_certificate_among_the_cas_is_passed_over(server, pem, machine, content):
    """Whatever it is called, in a file of its own and in npm's settings: the CA beside it is found."""
    machine.place("/usr/local/share/ca-certificates/a.crt", content)
    machine.place("~/.npmrc", 'ca="-----BEGIN CERTIFICATE-----\\nAAAA"\n')
    right = machine.place("/usr/local/share/ca-certificates/b.crt", pem)
    assert check(server.url).line == f"with trusted_context(cafile={str(right)!r}):"


def test_another_ca_in_npm_s_settings_is_no_answer(server, machine):
    """It has nothing to do with the server."""
    text = make_ca("Other").pem.decode().strip().replace("\n", "\\n")
    machine.place("~/.npmrc", f'ca="{text}"\n')
    assert [one.command for one in check_settings.find()] == ["npm config get ca"]
    report = check(server.url)
    assert not report.works
    assert "export" not in shell_lines(report)


def test_a_key_store_that_is_too_large_is_not_read(server, machine):
    """Nothing is said of it, since nothing is known of it."""
    store = machine.place(_JAVAS_STORE, b"\xce\xce\xce\xce")
    assert check(server.url).as_dict()["unread"]
    os.truncate(store, 17 * 1024 * 1024)
    assert check(server.url).as_dict()["unread"] == []


def test_a_search_whose_time_is_over_reads_no_more(server, pem, machine, monkeypatch):
    """A folder that answers late, as on a slow network drive: what is in it is not read afterwards either."""
    late = machine.place("/etc/ssl/late.pem", pem)
    read, read_path = [], bundles.read_path

    def note(path):
        read.append(path)
        return read_path(path)

    def listed_late(_patterns):
        time.sleep(0.4)
        return [str(late)]

    monkeypatch.setattr(search, "MOST_SECONDS", 0.1)
    monkeypatch.setattr(search.paths, "certificate_files", listed_late)
    monkeypatch.setattr(search.bundles, "read_path", note)
    report = check(server.url)
    for thread in threading.enumerate():
        if thread.name == "trusted_context check":
            thread.join(20)
    assert "its time ended the search" in flat(report)
    assert str(late) not in read


# Stores that are missing


def test_a_machine_without_certifi(server, ca, machine, monkeypatch):
    """It is said, and what else there is decides."""
    write_ca(ca, machine.system)
    monkeypatch.setitem(sys.modules, "certifi", None)  # as where it is not installed
    report = check(server.url)
    assert report.line == "with trusted_context(system=True):"
    assert "not installed: certifi; a check does without them" in flat(report)
    assert "certifi not installed" in flat(report)
    assert "certifi: it is not installed, or its file cannot be read" in flat(report)


def test_a_certifi_whose_file_is_gone(server, ca, machine):
    """As after an upgrade beside a running program."""
    write_ca(ca, machine.system)
    machine.certifi.unlink()
    report = check(server.url)
    assert report.works
    assert f"FAIL certifi {certifi.__version__}: No such file or directory" in flat(report)


def test_a_certifi_whose_version_is_no_date(server, machine):
    """Distributions number their own: its age is not known, and it is not called old."""
    machine.patch.setattr(certifi, "__version__", "rolling")
    report = check(server.url)
    assert report.as_dict()["certifi"]["age_in_days"] is None
    assert "ok certifi rolling: 1 certificates" in flat(report)


def test_a_machine_without_any_ca(server, ca_file, machine, monkeypatch):
    """Each store's lack is told, and nothing is said to be wrong with the server; a CA file is still the cure."""
    machine.system.write_text("")
    monkeypatch.setitem(sys.modules, "certifi", None)
    report = check(server.url)
    assert (report.works, report.cause) == (False, None)
    assert "the operating system's store: it holds no CA: install the package ca-certificates" in flat(report)
    assert "certifi: it is not installed" in flat(report)
    assert "note all that there is on this machine verifies it" not in flat(report)
    assert check(server.url, ca_file).works


def test_a_proxy_over_tls_on_a_machine_without_any_ca(server, ca, ca_file, machine, monkeypatch):
    """It is the proxy's CA that is missing, and no user and password are sent to whoever answers there."""
    machine.system.write_text("")
    monkeypatch.setitem(sys.modules, "certifi", None)
    with serving(ConnectProxy(certificate=ca.issue_cert("localhost"))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        report = check(server.url)
        assert proxy.tunnelled == []
        assert check(server.url, ca_file).works
    assert report.cause == "proxy-untrusted"
    assert "there is no CA here to verify it by" in flat(report)
    assert "ask IT for that CA's certificate, and give it as cafile" in flat(report)
