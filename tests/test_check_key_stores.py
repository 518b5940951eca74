"""check() reads key stores by their form alone: files made here, byte by byte, so that no tool need be installed."""

import contextlib
import struct
import sys

import pytest
from checking import flat, shell_lines, small_machine
from material import to_der

from trusted_context import check
from trusted_context.checks import key_stores

_JAVAS_STORE = "/etc/ssl/certs/java/cacerts"
_A_KEY, _A_CERTIFICATE = 1, 2


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


def text(words):
    """Text as Java writes it: its length before it."""
    return struct.pack(">H", len(words)) + words


def jks(ca, version=2, kind=_A_CERTIFICATE):
    """A store of Java's own form with one entry."""
    der = to_der(ca.cert_pem.bytes())
    type_of_it = text(b"X.509") if version == 2 else b""
    entry = struct.pack(">I", kind) + text(b"corp ca") + bytes(8) + type_of_it + struct.pack(">I", len(der)) + der
    return struct.pack(">III", 0xFEEDFEED, version, 1) + entry


def write_database(path, ca, label):
    """A browser's database, in which the CA is trusted for servers under this label."""
    sqlite3 = pytest.importorskip("sqlite3")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE nssPublic (a0, a3, a11, a81, a82, ace536358)")
        certificate = (b"\0\0\0\1", label, to_der(ca.cert_pem.bytes()), b"issuer", b"1", None)
        trust = (None, None, None, b"issuer", b"1", b"\xce\x53\x43\x52")
        database.executemany("INSERT INTO nssPublic VALUES (?, ?, ?, ?, ?, ?)", [certificate, trust])
        database.commit()


@pytest.mark.parametrize("version", [1, 2])
def test_a_ca_in_either_version_of_java_s_form_is_the_answer(server, ca, machine, version):
    """Version 1 says no type before a certificate."""
    store = machine.place(_JAVAS_STORE, jks(ca, version))
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={key_stores.EXPORTED!r}):"
    assert shell_lines(report)["export"] == (
        f"keytool -exportcert -rfc -keystore {store} -storepass changeit -alias 'corp ca' -file {key_stores.EXPORTED}"
    )


def test_the_certificate_of_a_private_key_in_java_s_form_is_no_answer(server, ca, machine):
    """It is this machine's own, and no CA that anybody trusts."""
    machine.place(_JAVAS_STORE, jks(ca, kind=_A_KEY))
    report = check(server.url)
    assert not report.works
    assert key_stores.EXPORTED not in flat(report)


@pytest.mark.parametrize("label", [b"Corp's CA", "Corp's CA"], ids=["bytes", "text"])
def test_a_ca_in_a_browser_s_database_is_the_answer(server, ca, machine, label):
    """Its label is text or bytes, by whoever wrote it."""
    path = machine.place("~/.pki/nssdb/cert9.db", b"")
    write_database(path, ca, label)
    report = check(server.url)
    assert report.line == f"with trusted_context(cafile={key_stores.EXPORTED!r}):"
    exports = shell_lines(report)["export"]
    assert exports == f"certutil -L -d sql:{path.parent} -n 'Corp'\"'\"'s CA' -a > {key_stores.EXPORTED}"


def test_a_certificate_without_a_label_cannot_be_exported(server, ca, machine):
    """Since certutil asks for it by that."""
    write_database(machine.place("~/.pki/nssdb/cert9.db", b""), ca, None)
    assert not check(server.url).works


def test_a_browser_s_database_is_named_where_python_has_no_sqlite(server, ca, machine, monkeypatch):
    """With the command that lists what is in it. (A double: this Python has it.)"""
    path = machine.place("~/.pki/nssdb/cert9.db", b"x")
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    report = check(server.url)
    assert f"{path}: this Python has no sqlite3" in flat(report)
    assert f"certutil -L -d sql:{path.parent}" in flat(report)


@pytest.mark.parametrize("words", [b"\xe0" * 5, b"\x1b[2J\x07"], ids=ascii)
def test_a_damaged_database_whose_error_quotes_it_is_named(server, ca, machine, words):
    """Whatever bytes SQLite repeats of it: the check goes on, and nothing steers the terminal."""
    path = machine.place("~/.pki/nssdb/cert9.db", b"")
    write_database(path, ca, "Corp")
    path.write_bytes(path.read_bytes().replace(b"TABLE", words))
    shown = flat(check(server.url))
    assert f"{path}: SQLite cannot read it (" in shown
    assert "\x1b" not in shown
