"""The variables that name proxies, and what a proxy answers: any text is told, and no password in it."""

from __future__ import annotations

import os
from unittest import mock

from hostile import MARK, as_text, assert_hidden, assert_linear, planted

from trusted_context.checks import proxies, tunnel
from trusted_context.checks.deadline import Deadline

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "no_proxy", "all_proxy")


def check(content: bytes) -> None:
    """Read the lines of *content* as variables, and all of it as an answer."""
    text = as_text(content)
    for told in _told(text):
        assert told.isprintable(), "what would steer a terminal"
    for secret in (f"u:{MARK}@", f"://u:{MARK}@h/", f"?{MARK}"):
        for told in _told(planted(text, secret)):
            assert_hidden(told)
    for told in _refusal(planted(text, MARK).encode(errors="surrogateescape")):
        assert told.isprintable(), "what would steer a terminal"
        assert_hidden(told)
    assert_linear(_read, content)


def _told(text: str) -> list[str]:
    """All that is said of variables with these values."""
    values = text.replace("\0", "").split("\n", len(_VARIABLES) - 1)
    with mock.patch.dict(os.environ, dict(zip(_VARIABLES, values, strict=False)), clear=True):
        found, proxy = proxies.find("corp.test", 443, Deadline(30))
    assert proxy is None or (found.used == str(proxy) and not found.problem)
    assert proxy is None or proxy.scheme in {"http", "https"}
    return [*found.told.values(), found.used or "", found.problem or "", *found.remarks]


class _Carrier:
    """A connection by which *answer* comes in two pieces, and then nothing."""

    def __init__(self, answer: bytes) -> None:
        half = len(answer) // 2
        self._pieces = [answer[:half] or answer, answer[half:], b""]

    def send(self, _data: bytes) -> None:
        """Take what is sent."""

    def receive(self) -> bytes:
        """The next piece."""
        return self._pieces.pop(0) if self._pieces else b""


def _refusal(answer: bytes) -> list[str]:
    """All that is said of the answer, where it opens no tunnel."""
    try:
        tunnel.open_tunnel(_Carrier(answer), "corp.test:443", None)
    except tunnel.TunnelError as error:
        advice = [*tunnel.explain_refusal(error, authenticated=False)]
        return [str(error), *advice, *tunnel.explain_refusal(error, authenticated=True)]
    return []


def _read(content: bytes) -> None:
    _refusal(b"HTTP/1.1 407 x\r\n" + content)
    _told(as_text(content))
