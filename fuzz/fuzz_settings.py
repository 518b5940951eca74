"""The settings files of pip, git, npm, curl and others: any text is read, and of it nothing but entries is kept."""

from __future__ import annotations

from hostile import MARK, assert_hidden, assert_linear, planted

from trusted_context.checks import paths, settings

_PARSERS = tuple((program, parse) for program, _, parse in settings._PROGRAMS)  # noqa: SLF001  # all that there are


def check(content: bytes) -> None:
    """Read *content* as each program's settings."""
    text = _text(content)
    for named in _entries(text):
        assert named.name.isprintable(), "what would steer a terminal"
        assert (named.path is None) != (named.content is None)
        if named.path is not None and len(named.path) < 200:
            list(paths.certificates_at(["/nowhere" + named.path]))
    for named in _entries(planted(text, f"://u:{MARK}@h/")):
        assert_hidden(named.name)
        assert_hidden(named.command)
    assert_linear(_read, content)


def _entries(text: str) -> list[settings.Named]:
    found = []
    for program, parse in _PARSERS:
        entries = settings._quietly(parse, text)  # noqa: SLF001  # as find() reads a file
        assert len(entries) <= len(text.split("=")) + len(text.split(":")) + len(text.splitlines())
        found += [settings.Named(program, "/nowhere/settings", name, value) for name, value in entries]
    return found


def _read(content: bytes) -> None:
    _entries(_text(content))


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace")  # as find() does
