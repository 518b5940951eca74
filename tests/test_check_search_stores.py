"""check() finds a CA in the stores of Java, browsers, npm, Windows and macOS, which are no files of certificates."""

import os
import shutil
import subprocess
import sys
import types

import pytest
from checking import flat, run_line, shell_lines, small_machine
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from material import to_der
from servers import BODY

from trusted_context import check
from trusted_context.checks import key_stores, native_store, surroundings
from trusted_context.sources import stores


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


def tool(name):
    """That program, or the test is skipped."""
    return shutil.which(name) or pytest.skip(f"needs {name}")


def paste(line, folder):
    """Run a line in a shell, in that folder."""
    return subprocess.run(["sh", "-c", line], cwd=folder, check=True, capture_output=True, text=True, timeout=60)


def test_java_s_key_store_is_the_answer(server, ca_file, machine):
    """A CA that keytool put there is found by the standard library, and the first line exports it as pasted."""
    keytool = tool("keytool")
    store = machine.place("/etc/ssl/certs/java/cacerts", "")
    store.unlink()
    command = [keytool, "-importcert", "-noprompt", "-storetype", "JKS", "-storepass", "changeit", "-keystore", store]
    subprocess.run([*command, "-alias", "corp's ca", "-file", ca_file], check=True, capture_output=True, timeout=60)
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={key_stores.EXPORTED!r}):"
    paste(shell_lines(report)["export"], machine.home)
    assert run_line(report, server.url) == BODY


def test_a_key_store_with_a_password_is_named_with_the_command(server, ca, machine):
    """The standard library cannot open PKCS#12: keytool can."""
    certificate = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    content = pkcs12.serialize_key_and_certificates(None, None, None, [certificate], BestAvailableEncryption(b"x"))
    store = machine.place("/usr/lib/jvm/java-21/lib/security/cacerts", content)
    report = check(server.url)
    assert f"{store}: it is a PKCS#12 store" in flat(report)
    assert f"keytool -list -rfc -keystore {store}" in flat(report)


def test_a_damaged_key_store_is_passed_over(server, machine):
    """Whatever its numbers say."""
    machine.place("/etc/ssl/certs/java/cacerts", b"\xfe\xed\xfe\xed\0\0\0\x02\xff\xff\xff\xff" + b"\0\0\0\x02\xff\xff")
    machine.place("/etc/pki/java/cacerts", b"\xce\xce\xce\xce")
    report = check(server.url)
    assert "it is damaged" in flat(report)
    assert "it is a JCEKS store" in flat(report)


def test_a_browser_s_database_is_the_answer(server, ca_file, machine):
    """A CA that is trusted in Firefox or Chrome is found by the standard library, and the first line exports it."""
    certutil = tool("certutil")
    folder = machine.home / ".mozilla/firefox/me.default"
    folder.mkdir(parents=True)
    database = f"sql:{folder}"
    subprocess.run([certutil, "-N", "-d", database, "--empty-password"], check=True, timeout=60)
    subprocess.run(
        [certutil, "-A", "-d", database, "-n", "Corp's CA", "-t", "C,,", "-i", ca_file], check=True, timeout=60
    )
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={key_stores.EXPORTED!r}):"
    paste(shell_lines(report)["export"], machine.home)
    assert run_line(report, server.url) == BODY


def test_what_a_browser_keeps_and_does_not_trust_is_no_answer(server, ca_file, machine):
    """It keeps intermediates that any server sent."""
    certutil = tool("certutil")
    folder = machine.home / ".pki/nssdb"
    folder.mkdir(parents=True)
    database = f"sql:{folder}"
    subprocess.run([certutil, "-N", "-d", database, "--empty-password"], check=True, timeout=60)
    subprocess.run([certutil, "-A", "-d", database, "-n", "Corp", "-t", ",,", "-i", ca_file], check=True, timeout=60)
    assert not check(server.url).works


def test_databases_that_cannot_be_read_are_named_with_the_command(server, machine):
    """Firefox's form before 2009, and a broken file."""
    old = machine.place("~/.mozilla/firefox/old/cert8.db", b"x")
    broken = machine.place("~/.pki/nssdb/cert9.db", b"x" * 5000)
    report = check(server.url)
    assert f"certutil -L -d dbm:{old.parent}" in flat(report)
    assert f"certutil -L -d sql:{broken.parent}" in flat(report)


def test_a_certificate_in_npm_s_own_settings_is_the_answer(server, ca, machine):
    """npm takes it with a literal backslash and n for each line's end, and prints it as it was."""
    npm = tool("npm")
    text = ca.cert_pem.bytes().decode().strip().replace("\n", "\\n")
    machine.place("~/.npmrc", f'ca="{text}"\n')
    report = check(server.url)
    assert shell_lines(report)["export"] == f"npm config get ca > {key_stores.EXPORTED}"
    assert os.path.basename(npm).startswith("npm")
    paste(shell_lines(report)["export"], machine.home)
    assert run_line(report, server.url) == BODY


# Other operating systems, and without truststore


def test_windows_store_without_truststore(server, ca, machine, monkeypatch):
    """Its CAs are read by ssl.enum_certificates(). (A double: this machine is no Windows.)"""
    der = to_der(ca.cert_pem.bytes())
    listed = {
        "ROOT": [(der, "x509_asn", True), (b"no", "pkcs_7_asn", True)],
        "CA": [(b"for mail", "x509_asn", {"1.2"})],
    }
    monkeypatch.setattr(native_store, "sys", types.SimpleNamespace(platform="win32"))
    monkeypatch.setattr(native_store.ssl, "enum_certificates", listed.get, raising=False)
    _without_truststore(machine, monkeypatch)
    report = check(server.url)
    assert report.line == "with trusted_context(system=True):"
    assert "read as a file since truststore is not installed: 1 certificates" in flat(report)
    assert "! missing not installed: truststore" in flat(report)


def test_macos_store_without_truststore(server, ca_file, machine, monkeypatch, tmp_path):
    """Its CAs are read from the command security. (A double: this machine is no Mac.)"""
    program = tmp_path / "security"
    program.write_text(f"#!/bin/sh\nexec cat {ca_file}\n")
    program.chmod(0o755)
    monkeypatch.setattr(native_store, "sys", types.SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(native_store, "_SECURITY", str(program))
    _without_truststore(machine, monkeypatch)
    assert check(server.url).line == "with trusted_context(system=True):"
    program.write_text("#!/bin/sh\nexit 1\n")
    assert not check(server.url).works


def _without_truststore(machine, monkeypatch):
    monkeypatch.setattr(stores, "VERIFIES_NATIVELY", True)
    find = surroundings.importlib.util.find_spec
    double = types.SimpleNamespace(find_spec=lambda name: None if name == "truststore" else find(name))
    monkeypatch.setattr(
        surroundings, "importlib", types.SimpleNamespace(util=double, metadata=sys.modules["importlib.metadata"])
    )
