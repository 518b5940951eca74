"""Credentials taken out of what a message repeats."""

from __future__ import annotations

import re

# The user information of a URL, or what stands in its place without one (RFC 3986, 3.2.1).
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@|^[^/@\s]+@")


def redact(text: str) -> str:
    """*text*, with the user and password of a URL replaced."""
    return _USERINFO.sub("***@", text)
