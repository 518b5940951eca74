"""The CA bundles that programs' own settings files name: pip, git, conda, npm, curl, wget, poetry and others.

Nothing in the files is kept but the entries that name a bundle: tokens stand beside them.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import tomllib

from ..core.redaction import show_setting
from . import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    Entry: TypeAlias = tuple[str, str]  # the entry's name, and what it names
    Parser: TypeAlias = Callable[[str], Iterator[Entry]]

# Settings files are a few lines long.
_MOST_BYTES = 1024 * 1024
# A person names few bundles in a file, and reads no longer report.
_MOST_ENTRIES = 50
# PATH_MAX of Linux. To expand variables takes Python the square of the time (CVE-2025-6075).
_LONGEST_PATH = 4096
# In a line of TOML. The time to read a name is the square of the number of its parts.
_MOST_DOTS = 200
_SECTION = re.compile(r"\[([^\]]*)\]")
_ENTRY = re.compile(r"([\w.:/@${}-]+(?:\[\])?)\s*[=:]\s*(.*)")
_PEM = "-----BEGIN"
_NO_PATH = frozenset({"", "0", "1", "false", "no", "none", "null", "off", "on", "true", "truststore", "yes"})


class Named:
    """An entry of a settings file that names a CA bundle, or holds one.

    Attributes:
        program: whose settings they are.
        file: the settings file.
        name: the entry's name.
        path: what it names; ``None`` where it holds the certificate itself.
        command: what prints the certificate that it holds.
    """

    __slots__ = ("command", "content", "file", "name", "path", "program")

    def __init__(self, program: str, file: str, name: str, value: str) -> None:
        self.program: str = program
        self.file: str = file
        self.name: str = show_setting(name)  # git's may be for one URL, with a token in it
        held = _PEM in value
        self.path: str | None = None if held else _expand(value, file)
        self.content: bytes | None = value.replace("\\n", "\n").encode() if held else None
        self.command = "npm config get ca" if held and program == "npm" else None


def find() -> Iterator[Named]:
    """All such entries, in the order in which they are to be tried."""
    for program, patterns, parse in _PROGRAMS:
        for file in paths.files(patterns):
            text = _read(file)
            for name, value in _quietly(parse, text):
                if value.lower() not in _NO_PATH:
                    yield Named(program, file, name, value)


def _read(file: str) -> str:
    try:
        with open(file, "rb") as opened:
            return opened.read(_MOST_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _quietly(parse: Parser, text: str) -> list[Entry]:
    try:
        return list(itertools.islice(parse(text), _MOST_ENTRIES))
    except (ValueError, RecursionError):  # it is not of the form that the program itself would read
        return []


def _expand(value: str, file: str) -> str:
    """The path that *value* is, from the settings file's folder where it is relative."""
    may_be_a_path = len(value) <= _LONGEST_PATH and "\0" not in value
    found = os.path.expanduser(os.path.expandvars(value)) if may_be_a_path else value
    return os.path.normpath(os.path.join(os.path.dirname(file), found))


def _ini(*wanted: str) -> Parser:
    """A parser of ``[section]`` and ``name = value``, as pip, git, npm, AWS and wget write them."""

    def parse(text: str) -> Iterator[Entry]:
        section = ""
        for line in map(str.strip, text.splitlines()):
            if line.startswith(("#", ";")):
                continue
            header = _SECTION.match(line)
            section = header[1].strip() if header else section
            # git allows an entry beside the section's name.
            found = _ENTRY.fullmatch(line[header.end() :].strip() if header else line)
            if found and _simple(found[1]) in wanted:
                yield f"{section}.{found[1]}" if section else found[1], _unquote(found[2])

    return parse


def _simple(name: str) -> str:
    # wget reads ca_certificate, CACertificate and ca-certificate alike; npm's //host/:cafile is for one registry.
    return re.sub(r"[_-]|\[\]", "", name.rpartition(":")[2]).lower()


def _unquote(value: str) -> str:
    if value[:1] in {'"', "'"}:
        end = value.find(value[0], 1)
        # git's quotes escape a backslash, as in a Windows path.
        return value[1:end].replace("\\\\", "\\") if end > 0 else value
    return re.split(r"\s[#;]", value, maxsplit=1)[0].strip()


def _curl(text: str) -> Iterator[Entry]:
    for line in map(str.strip, text.splitlines()):
        found = re.fullmatch(r"(?:--)?(cacert|capath|proxy-cacert)(?:\s*[=:]\s*|\s+)(.+)", line)
        if found:
            yield found[1], _unquote(found[2])


def _yaml(*wanted: str) -> Parser:
    """A parser of ``name: value`` at the beginning of a line or deeper; the standard library has no YAML."""
    entry = re.compile(rf"(?:-\s*)?({'|'.join(wanted)})\s*:\s*(\S.*)")

    def parse(text: str) -> Iterator[Entry]:
        for line in map(str.strip, text.splitlines()):
            if found := entry.fullmatch(line):
                yield found[1], _unquote(found[2])

    return parse


def _toml(*wanted: str) -> Parser:
    """A parser of entries by these names in any table."""

    def walk(table: dict[str, Any], prefix: str) -> Iterator[Entry]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{name}.")
            elif name in wanted and isinstance(value, str):
                yield f"{prefix}{name}", value

    def parse(text: str) -> Iterator[Entry]:
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            raise ValueError("a name has too many parts")
        return walk(tomllib.loads(text), "")

    return parse


_ROAMING = (
    ("$APPDATA",) if sys.platform == "win32" else ("$XDG_CONFIG_HOME", "~/.config", "~/Library/Application Support")
)


def _user(*names: str) -> tuple[str, ...]:
    """These names in each folder where programs keep a user's settings."""
    return tuple(f"{folder}/{name}" for folder in _ROAMING for name in names)


# In the order in which they are tried: whose, where, and how they are read.
_PROGRAMS: tuple[tuple[str, tuple[str, ...], Parser], ...] = (
    (
        "pip",
        (
            "$PIP_CONFIG_FILE",
            f"{sys.prefix}/pip.conf",
            f"{sys.prefix}/pip.ini",
            *_user("pip/pip.conf", "pip/pip.ini"),
            "~/.pip/pip.conf",
            "~/pip/pip.ini",
            "/etc/xdg/pip/pip.conf",
            "/etc/pip.conf",
            "/Library/Application Support/pip/pip.conf",
            "$ProgramData/pip/pip.ini",
        ),
        _ini("cert"),
    ),
    (
        "conda",
        (
            "$CONDARC",
            "$CONDA_PREFIX/.condarc",
            f"{sys.prefix}/.condarc",
            "$CONDA_ROOT/.condarc",
            "~/.condarc",
            "~/.mambarc",
            "~/.conda/.condarc",
            *_user("conda/.condarc"),
            "/etc/conda/.condarc",
            "/etc/conda/condarc",
            "/var/lib/conda/.condarc",
            "$ProgramData/conda/.condarc",
        ),
        _yaml("ssl_verify"),
    ),
    (
        "git",
        (
            "$GIT_CONFIG_GLOBAL",
            ".git/config",
            "~/.gitconfig",
            *_user("git/config"),
            "/etc/gitconfig",
            "/usr/local/etc/gitconfig",
            "/opt/homebrew/etc/gitconfig",
            "$ProgramFiles/Git/etc/gitconfig",
            "$ProgramData/Git/config",
        ),
        _ini("sslcainfo", "sslcapath"),
    ),
    (
        "npm",
        (
            "$NPM_CONFIG_USERCONFIG",
            ".npmrc",
            "~/.npmrc",
            "/usr/local/etc/npmrc",
            "/usr/etc/npmrc",
            "/etc/npmrc",
            "$APPDATA/npm/etc/npmrc",
        ),
        _ini("cafile", "ca"),
    ),
    ("yarn", (".yarnrc.yml", "~/.yarnrc.yml"), _yaml("httpsCaFilePath", "caFilePath")),
    ("curl", ("$CURL_HOME/.curlrc", *_user(".curlrc", "curlrc"), "~/.curlrc", "~/_curlrc", "$APPDATA/_curlrc"), _curl),
    (
        "wget",
        ("$WGETRC", "~/.wgetrc", "~/.wget2rc", *_user("wget/wget2rc"), "/etc/wgetrc", "/usr/local/etc/wgetrc"),
        _ini("cacertificate", "cadirectory"),
    ),
    ("poetry", ("poetry.toml", *_user("pypoetry/config.toml", "pypoetry/auth.toml")), _toml("cert")),
    ("pdm", ("pdm.toml", *_user("pdm/config.toml")), _toml("ca_certs")),
    ("cargo", ("$CARGO_HOME/config.toml", "~/.cargo/config.toml"), _toml("cainfo")),
    ("aws", ("$AWS_CONFIG_FILE", "~/.aws/config"), _ini("cabundle")),
    ("gcloud", _user("gcloud/properties", "gcloud/configurations/config_*"), _ini("customcacertsfile")),
    ("kubectl", ("$KUBECONFIG", "~/.kube/config"), _yaml("certificate-authority")),
)
