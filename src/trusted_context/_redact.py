"""Credentials taken out of what a message repeats."""

from __future__ import annotations

import re

# The user information of a URL, or what stands in its place without one (RFC 3986, 3.2.1).
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@|^[^/@\s]+@")
_PROXY_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)


def redact(text: str) -> str:
    """*text*, with the user and password of a URL replaced."""
    return _USERINFO.sub("***@", text)


def redact_proxy(text: str) -> str:
    """A proxy's URL without user and password: up to the last ``@``, since people forget to encode what they hold."""
    return _PROXY_USERINFO.sub(r"\1***@", text)
