"""Credentials taken out of what a message repeats."""

from __future__ import annotations

import re

_WORD = re.compile(r"\S+")
# What stands in place of a URL's user information where there is no scheme.
_USERINFO = re.compile(r"^[^/\s]+@")
# Where the host was forgotten, a password stands in the port's place.
_PASSWORD_AS_PORT = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*://)?[^:@/\[\]]*):(?![0-9]*(?:[/?#]|$)).*", re.DOTALL)
_PROXY_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)


def redact(text: str) -> str:
    """*text*, with the user and password of a URL replaced."""
    return _USERINFO.sub("***@", _WORD.sub(lambda word: _redact_url(word[0]), text))


def _redact_url(word: str) -> str:
    # User information ends at the first slash (RFC 3986, 3.2), but people write / and @ unencoded into their passwords.
    before, scheme, rest = word.partition("://")
    _, at, after = rest.rpartition("@")
    return f"{before}{scheme}***@{after}" if at else word


def redact_proxy(text: str) -> str:
    """A proxy's URL without user and password: up to the last ``@``, since people forget to encode what they hold."""
    return _PROXY_USERINFO.sub(r"\1***@", text) if "@" in text else _PASSWORD_AS_PORT.sub(r"\1:***", text)
