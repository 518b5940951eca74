r"""explain(), and the note of a block, with exceptions that hold each other: bounded, and without their secrets.

A line makes one exception: its first letter chooses the type, the second how the one before holds it, the third how
it holds an earlier one, and the rest is its text, with ``\n`` for a line break.
"""

from __future__ import annotations

import pathlib
import socket
import ssl
import urllib.error

from hostile import MARK, as_text, assert_hidden, assert_linear, planted

from trusted_context import explain
from trusted_context.explanations import notes, walk

_PAGES = {page.stem for page in (pathlib.Path(__file__).parents[1] / "docs" / "errors").glob("*.md")}
_MOST_LINES = 200
# Seven lines, each with a bound of its own.
_LONGEST = 4000
_SECRET = f"https://p:{MARK}/a@corp.test/x?sig={MARK}&y#{MARK}"


def _of_package(name: str, base: type[BaseException] = OSError) -> type[BaseException]:
    return type("Error", (base,), {"__module__": name})


class _Held:
    """A client's request."""

    __module__ = "requests.models"

    def __init__(self, url: str) -> None:
        self.url = url


def _verification(text: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, text)
    error.verify_code, error.verify_message = len(text) % 80, text
    return error


def _tls(text: str) -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = text[:60]
    return error


def _status(text: str) -> BaseException:
    error = _of_package("aiohttp.client_exceptions")(text)
    error.status = int(text[:3]) if text[:3].isdecimal() else text
    return error


# By the first letter of a line.
_KINDS = {
    "v": _verification,
    "s": _tls,
    "o": lambda text: OSError(len(text), text),
    "c": ConnectionResetError,
    "f": ConnectionRefusedError,
    "t": TimeoutError,
    "g": lambda text: socket.gaierror(-2, text),
    "u": urllib.error.URLError,
    "q": _of_package("requests.exceptions"),
    "h": _of_package("httpx._exceptions"),
    "3": _of_package("urllib3.exceptions", Exception),
    "a": _status,
    "w": type("RemoteTraceback", (Exception,), {}),
    "l": lambda text: ExceptionGroup(text, [OSError(text)]),
    "r": RuntimeError,
}


def check(content: bytes) -> None:
    """Explain the first of the exceptions, and note what leaves a block."""
    lines = as_text(content).split("\n")[:_MOST_LINES]
    _explain(_made(lines))
    _explain(_made([planted(line[3:], _SECRET).join((line[:3], "")) for line in lines]), has_secret=True)
    assert_linear(lambda text: explain(_made(as_text(text).split("\n")[:_MOST_LINES])[0]), content)


def _explain(errors: list[BaseException], *, has_secret: bool = False) -> None:
    error = errors[0]
    before = [_state(one) for one in errors]
    found = explain(error)
    assert [_state(one) for one in errors] == before, "an exception was changed"
    assert len(walk.carried(error)) <= 64
    notes.annotate(error)
    noted = [note for one in errors for note in getattr(one, "__notes__", ())]
    assert all(note.startswith(found.happened) for note in noted) if found else True
    if found is None:
        return
    for line in str(found).splitlines():
        assert line.isprintable(), "what would steer a terminal"
    assert len(str(found)) < _LONGEST, "no bound"
    assert found.cause in _PAGES, "a cause without a page"
    if has_secret:
        for said in (str(found), repr(found), found._repr_html_(), *noted):  # what a notebook shows
            assert_hidden(said)
            assert_hidden(found.host)


def _state(error: BaseException) -> tuple[object, ...]:
    return id(error.args), id(error.__cause__), id(error.__context__), dict(vars(error)).keys()


def _made(lines: list[str]) -> list[BaseException]:
    errors: list[BaseException] = []
    for line in lines:
        text = line[3:].replace("\\n", "\n")
        error = _KINDS.get(line[:1], RuntimeError)(text)
        if errors:
            _hold(line[1:2], errors[-1], error, text)
            _hold(line[2:3], error, errors[sum(map(ord, line[2:3])) % len(errors)], text)
        errors.append(error)
    return errors


def _hold(how: str, outer: BaseException, inner: BaseException, text: str) -> None:
    """Let *outer* hold *inner*, by a letter for the way."""
    if how == "c":
        outer.__cause__ = inner
    elif how == "x":
        outer.__context__ = inner
    elif how == "a":
        outer.args = (*outer.args, inner)
    elif how == "r" and not isinstance(outer, ssl.SSLError):
        outer.reason = inner
    elif how == "o":
        outer._os_error = inner  # noqa: SLF001  # aiohttp's
    elif how == "q":
        outer.request = _Held(text)
