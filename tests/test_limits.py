"""The limits on size and count that docs/reference/limits.md states are those in force, at their very border.

Those of CA material are tested in test_bundle_limits.py, those of settings files in test_check_hostile.py, and those
of the search in test_check_search.py.
"""

import contextlib
import itertools
import re
import socket
import struct
import sys
import types
from pathlib import Path

import pytest
from checking import flat
from issuing import issue, root
from servers import Server, serving

from trusted_context import check, explain
from trusted_context.checks import check as checking
from trusted_context.checks import key_stores, probe, search, settings, several, tunnel
from trusted_context.checks.target import parse_proxy, parse_target
from trusted_context.core import certificate, hosts, redaction
from trusted_context.explanations import notes, walk
from trusted_context.sources import bundles, forms

TABLE = (Path(__file__).parents[1] / "docs/reference/limits.md").read_text(encoding="utf-8").partition("## Sizes")[2]
ROWS = dict(re.findall(r"^\| (.+?) \| (.*?\d.*?) \|", TABLE, re.MULTILINE))
MIB = 1 << 20
IN_FORCE = {
    "a CA file, or CA material as text or bytes": (bundles._MAX_BYTES // MIB, forms._MOST_CERTIFICATES),
    "a folder of CAs": (bundles._MOST_FILES, bundles._MOST_FOLDER_BYTES // MIB),
    "pieces that were skipped, in warnings": (bundles._MOST_SKIPPED,),
    "a host": (hosts._LONGEST_NAME, hosts._LONGEST_LABEL),
    "a URL of a server or a proxy": (hosts._LONGEST_URL,),
    "a URL in a message": (redaction._LONGEST_URL,),
    "a path in a message": (redaction._LONGEST_PATH,),
    "a name of a certificate in a message": (certificate._LONGEST,),
    "exceptions that hold each other": (walk._MOST, walk._MOST),
    "the texts of an exception": (walk._MOST_TEXTS, walk._LONGEST_TEXT),
    "members of an exception group that get a note": (notes._MOST_OF_A_GROUP,),
    "frames of a traceback, in an explanation": (walk._MOST_FRAMES, walk._LONGEST_TRACEBACK),
    "servers in one call of `trusted-context check`": (several._MOST_AT_ONCE,),
    "certificates of a server in a report, and names of each": (checking._MOST_CERTIFICATES,),
    "addresses of a server that are tried": (probe._MOST_ADDRESSES,),
    "a proxy's answer to a check": (tunnel._LONGEST_ANSWER // 1024,),
    "another program's settings file": (settings._MOST_BYTES // MIB, settings._MOST_ENTRIES),
    "a path that such a file names": (settings._LONGEST_PATH,),
    "a search for CAs": (
        search.MOST_FILES,
        search._LARGEST // MIB,
        search._MOST_BYTES // MIB,
        int(search.MOST_SECONDS),
    ),
    "a Java key store, or a browser's database": (key_stores._MOST_ENTRIES,),
}
FAILED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"


def test_each_limit_that_is_stated_is_in_force():
    """No row is missing, and each number is the code's."""
    stated = {name: tuple(int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", row)) for name, row in
              ROWS.items()}  # fmt: skip
    assert stated == IN_FORCE


@pytest.mark.parametrize(
    ("longest", "longer"),
    [
        (f"{'a' * 63}.test", f"{'a' * 64}.test"),
        ("a." * 126 + "a", "a." * 126 + "ab"),
    ],
)
def test_a_host_of_the_greatest_length(longest, longer):
    """RFC 1035, 2.3.4."""
    assert hosts.parse_host(longest) == (longest, None)
    with pytest.raises(ValueError, match="too long"):
        hosts.parse_host(longer)


def test_a_url_of_the_greatest_length():
    """A URL that is longer than any server takes is refused, and not repeated."""
    longest = "https://corp.test/".ljust(16_384, "x")
    assert parse_target(longest) == ("corp.test", 443)
    assert str(parse_proxy(longest)) == "https://corp.test:443"
    for parse in (parse_target, parse_proxy):
        with pytest.raises(ValueError, match="<16385 characters>") as caught:
            parse(longest + "x")
        assert len(str(caught.value)) < 200


def test_what_is_shown_of_the_longest_texts():
    """Past it a URL or a path is its length, and a name is cut short."""
    url = "https://corp.test/".ljust(4_096, "x")
    assert redaction.show_url(url).startswith("https://corp.test/")
    assert redaction.show_url(url + "x") == "<4097 characters>"
    path = "/mnt/" + "ab/" * 339 + "ca"
    assert redaction.show_path(path) == path
    assert redaction.show_path(path + "x") == "<1025 characters>"
    assert certificate.printable("x" * 120) == "x" * 120
    assert certificate.printable("x" * 121) == "x" * 120 + "..."


def chain_of(count):
    """Errors that each have the next as their cause; the last one tells a failure."""
    errors = [RuntimeError("x") for _ in range(count - 1)] + [RuntimeError(FAILED)]
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (chain_of, 64),
        (lambda count: RuntimeError(*[1] * (count - 1), FAILED), 64),
        (lambda count: RuntimeError(*["x"] * (count - 1), FAILED), 8),
        (lambda count: RuntimeError("x" * (count - len(FAILED)) + FAILED), 65_536),
    ],
    ids=["exceptions", "arguments", "texts", "characters"],
)
def test_the_last_failure_that_is_looked_at(make, most):
    """Where a failure is told at the border it is found, and behind it is not."""
    assert explain(make(most)).cause == "expired"
    behind = explain(make(most + 1))
    assert behind is None or behind.cause == "unverified"  # of the text a part is left


def test_the_last_member_of_a_group_that_gets_a_note():
    """The ninth has none."""
    group = ExceptionGroup("x", [RuntimeError(FAILED) for _ in range(9)])
    notes.annotate(group)
    assert [hasattr(one, "__notes__") for one in group.exceptions] == [True] * 8 + [False]


def test_servers_at_once():
    """A seventeenth is one too many, and none is asked then."""
    with pytest.raises(ValueError, match="17 servers at once"):
        several.examine(["127.0.0.1:1"] * 17, None, timeout=1, tell=print)


def test_a_report_of_many_certificates_with_many_names(tmp_path):
    """Ten of each, and how many there were."""
    path = tmp_path / "root.pem"
    path.write_bytes(root().pem)
    others = [issue(f"Other {number}", root()) for number in range(10)]
    names = [f"host-{number}.test" for number in range(10)]
    server = issue("localhost", root(), names=["localhost", *names])
    with serving(Server(server.presenting(*others))) as running:
        found = check(running.url, path).as_dict()
    assert len(found["chain"]) == 10
    assert found["chain_length"] == 11
    assert len(found["chain"][0]["names"]) == 10


def frame():
    """A frame of its own."""
    return sys._getframe()


def is_seen(count, *, at):
    """Whether the frame in this place, counted from 1, of a traceback of so many is among those looked at."""
    marked, other, traceback = frame(), frame(), None
    for number in range(count, 0, -1):
        traceback = types.TracebackType(traceback, marked if number == at else other, 0, 1)
    return marked in walk.frames(RuntimeError("x").with_traceback(traceback))


def test_the_frames_of_a_traceback_that_are_looked_at():
    """The last 200, and of a recursion without end those of the first 10,000."""
    assert is_seen(300, at=101)
    assert not is_seen(300, at=100)
    assert is_seen(10_000, at=10_000)
    assert is_seen(10_001, at=10_000)
    assert not is_seen(10_001, at=10_001)


def javas_store(count):
    """A store of Java's own form with so many certificates, of one byte each."""
    entry = struct.pack(">IH1sQH5sI1s", 2, 1, b"x", 0, 5, b"X.509", 1, b"x")
    return struct.pack(">III", 0xFEEDFEED, 2, count) + entry * count


def browsers_database(path, count):
    """A browser's database with so many certificates, of one byte each."""
    sqlite3 = pytest.importorskip("sqlite3")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE nssPublic (a0, a3, a11, a81, a82, ace536358)")
        rows = [(b"\0\0\0\1", b"x", b"x", 1, 1, None)] * count + [(None, None, None, 1, 1, b"\xce\x53\x43\x52")]
        database.executemany("INSERT INTO nssPublic VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.commit()


def test_the_entries_of_a_key_store_that_are_read(tmp_path):
    """The first 5,000, of Java's stores as of browsers' databases."""
    java, browsers = tmp_path / "cacerts", tmp_path / "cert9.db"
    for count, read in ((5_000, 5_000), (5_001, 5_000)):
        java.write_bytes(javas_store(count))
        assert len(key_stores.read_java(str(java))) == read
        browsers.unlink(missing_ok=True)
        browsers_database(browsers, count)
        assert len(key_stores.read_nss(str(browsers))) == read


def test_the_longest_path_in_a_settings_file(monkeypatch):
    """Past it no variable in it is read, and what it names is no file."""
    monkeypatch.setenv("CORP", "corp")
    for length, is_read in ((4_096, True), (4_097, False)):
        named = settings.Named("pip", "/etc/pip.conf", "cert", "/$CORP/".ljust(length, "x"))
        assert named.path.startswith("/corp/") == is_read


def test_the_addresses_of_a_server_that_are_tried(monkeypatch):
    """The first eight. (The name server is a double: no name has so many addresses on every machine.)"""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{number}", 1)) for number in range(1, 10)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
    shown = flat(check("host.test:1", timeout=5))
    assert f"host.test is {', '.join(f'127.0.0.{number}' for number in range(1, 9))}" in shown
    assert "127.0.0.9" not in shown


@pytest.mark.parametrize(("before", "is_read"), [(65_535, True), (65_536, False)])
def test_the_longest_answer_of_a_proxy(before, is_read):
    """What has no end after 64 KiB is none."""
    pieces = iter([b"HTTP/1.1 200 OK\r\n".ljust(before, b"x"), b"\r\n\r\n"])
    carrier = types.SimpleNamespace(receive=lambda: next(pieces))
    if is_read:
        assert len(tunnel._read_answer(carrier)) == before + 4
    else:
        with pytest.raises(tunnel.TunnelError, match="no end after 64 KiB"):
            tunnel._read_answer(carrier)
