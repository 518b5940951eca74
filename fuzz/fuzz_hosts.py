"""Hosts and URLs as people write them: the host that clients connect to as well, or a ValueError."""

from __future__ import annotations

import contextlib
import urllib.parse

from hostile import MARK, as_text, assert_hidden, assert_linear, planted

from trusted_context.checks.target import parse_proxy, parse_target
from trusted_context.core.hosts import authority, normalise_host, parse_host, parse_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PARSERS = (parse_host, parse_url, parse_target, parse_proxy)


def check(content: bytes) -> None:
    """Read *content* as a host, as a URL, as what is to be checked and as a proxy."""
    text = as_text(content)
    for parse in _PARSERS:
        try:
            parse(text)
        except ValueError as error:
            _is_ours(error)
        # What stands before an @, and after a ? or a #, is no host.
        for secret in (f"u:{MARK}@", f"?{MARK}", f"#{MARK}"):
            with contextlib.suppress(ValueError):
                _refused(parse, planted(text, secret))
    assert_stable(text)
    _agrees(text)
    assert_linear(_read, content)


def _is_ours(error: ValueError) -> None:
    assert type(error).__module__.startswith(("builtins", "trusted_context")), "another's error"
    assert str(error).isprintable(), "a message that would steer a terminal"


def _refused(parse: Callable[[str], object], text: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        assert_hidden(error)
        assert_hidden(error.__cause__)


def assert_stable(text: str) -> None:
    """What was read once is the same when it is read again."""
    normal = normalise_host(text)
    assert normalise_host(normal) == normal
    try:
        host, port = parse_host(text)
    except ValueError:
        return
    assert parse_host(host) == (host, None)
    assert parse_host(authority(host, port or 443)) == (host, port or 443)
    assert parse_target(f"https://{authority(host, port or 443)}/") == (host, port or 443)


def _agrees(text: str) -> None:
    """urllib, urllib3 and we mean the same host and port by a URL that all of them take.

    But for passwords that are not percent-encoded, of which the user is told.
    """
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url as by_urllib3

    try:
        ours = parse_url(f"https://{text}")
    except ValueError:
        return
    if not ours.is_encoded:
        return
    for read in (urllib.parse.urlsplit, by_urllib3):
        try:
            theirs = read(f"https://{text}")
            host, port = theirs.hostname, theirs.port
        except (ValueError, LocationParseError):
            continue
        assert (normalise_host(host or ""), port) == (ours.host, ours.port), "another client means another host"


def _read(content: bytes) -> None:
    text = as_text(content)
    normalise_host(text)
    for parse in _PARSERS:
        with contextlib.suppress(ValueError):
            parse(text)
