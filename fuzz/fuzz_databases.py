"""The databases of Firefox, Chrome and other programs that use NSS: read, or named as unreadable."""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
import tempfile

from hostile import as_text

from trusted_context.checks import key_stores

# What a cell holds, by the letter before it: SQLite takes any type in any column.
_KINDS = {b"t": as_text, b"n": len, b"0": lambda _cell: None}
# The columns of NSS' table that are read.
_TABLE = "CREATE TABLE nssPublic (a0, a3, a11, a81, a82, ace536358)"
# certutil -L -d DATABASE -n LABEL -a > FILE
_WORDS = 9
_CERTIFICATE, _TRUSTED = b"\x00\x00\x00\x01", b"\xce\x53\x43\x52"


def check(content: bytes) -> None:
    """Read *content* as a database's file, and its lines as what a CA in one has for label, value and key."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cert9.db")
        with open(path, "wb") as file:
            file.write(content)
        _read(path)
        os.unlink(path)
        cells = [_cell(line) for line in [*content.split(b"\n", 3), b"", b"", b""][:3]]
        _write(path, *cells)
        found = _read(path)
        assert len(found) <= 1
        assert [entry.der for entry in found] == [cells[1] for _ in found]
        assert os.listdir(folder) == ["cert9.db"], "a file was made beside it"


def _read(path: str) -> list[key_stores.Entry]:
    try:
        found = key_stores.read_nss(path)
    except key_stores.UnreadableError as error:
        _is_told(error.reason)
        return []
    for entry in found:
        assert isinstance(entry.der, bytes)
        assert len(shlex.split(entry.command)) == _WORDS, "a label is more than a word of the command, or less"
    return found


def _is_told(reason: str) -> None:
    assert reason.isprintable(), "what would steer a terminal"


def _cell(line: bytes) -> object:
    kind = _KINDS.get(line[:1])
    return kind(line[1:]) if kind else line


def _write(path: str, label: object, value: object, key: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")  # it is not to outlast this process
        database.execute(_TABLE)
        rows = [(_CERTIFICATE, label, value, key, 1, None), (None, None, None, key, 1, _TRUSTED)]
        with contextlib.suppress(UnicodeEncodeError):  # a surrogate, which SQLite does not take
            database.executemany("INSERT INTO nssPublic VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.commit()
