"""Hosts and URLs of any kind: nothing but a refusal is raised, equal forms stay equal, and the time is linear."""

import contextlib
import time

import pytest
from fuzzing import load
from hypothesis import given, settings
from hypothesis import strategies as st

from trusted_context.checks.target import parse_proxy, parse_target
from trusted_context.core.hosts import normalise_host, parse_host, parse_url

pytestmark = pytest.mark.slow

parts = st.sampled_from(
    ["https", "http", ":", "/", "//", "@", "[", "]", "::1", "%", "%2F", ".", "..", "corp.test", "443", "65536", "?",
     "#", " ", "\\", "\u00fc", "\u00df", "\u3002", "\uff0e", "\ufe13", "\u212a", "\u0130", "\x00", "\ud800", '"', "<",
     ">", "-", "a" * 64, "xn--", "fe80::1%eth0", "*"]
)  # fmt: skip
texts = st.text(max_size=60) | st.lists(parts, max_size=12).map("".join)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_nothing_but_a_refusal_is_raised(text):
    """Each parser takes any text, and refuses it by a ValueError alone."""
    for parse in (parse_host, parse_url, parse_proxy, parse_target):
        try:
            parse(text)
        except ValueError as error:
            assert type(error).__module__.startswith(("builtins", "trusted_context"))
    normalise_host(text)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_a_form_stays_what_it_is(text):
    """What was normalised or parsed once is the same when that is done again."""
    load("hosts").assert_stable(text)


@pytest.mark.parametrize("value", [None, 1, b"corp.test", ["corp.test"]])
def test_a_host_is_text(value):
    """Anything else is a TypeError that says so."""
    with pytest.raises(TypeError, match="a host is text"):
        parse_host(value)


@pytest.mark.parametrize("unit", [":", "[", "]", "a", "a.", "@", "/", "%", "\u00fc", "1", "a:", ":[", "://", "\\", '"'])
@pytest.mark.parametrize("end", ["", "[", "@x", " ", ":x"])
def test_the_time_is_linear(unit, end):
    """Eight times the text takes no more than about eight times as long, for each parser."""
    for parse in (parse_host, parse_proxy, parse_target, normalise_host):
        short, long = (_seconds(parse, unit * (size // len(unit)) + end) for size in (8_000, 64_000))
        assert long < 24 * short + 0.01, parse  # quadratic it would be 64 times


def _seconds(parse, text):
    best = float("inf")
    for number in range(3):
        started = time.perf_counter()
        with contextlib.suppress(ValueError):
            parse(f"{text}{number}")  # another one each time, since what is known is not parsed again
        best = min(best, time.perf_counter() - started)
    return best


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https:/corp.test", ("corp.test", 443)),
        ("'https://corp.test:8443/'", ("corp.test", 8443)),
        ("<https://corp.test/>", ("corp.test", 443)),
        ("\u201ccorp.test\u201d", ("corp.test", 443)),
        ("wss://corp.test/socket", ("corp.test", 443)),
        ("https://user:p@ss@corp.test/@scope/package", ("corp.test", 443)),
        ("[::1]:8443", ("::1", 8443)),
    ],
)
def test_forms_that_people_copy(given, expected):
    """Marks around it, one slash, and another scheme that is TLS too."""
    assert parse_target(given) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [("ws://corp.test", "not fetched over TLS"), ("ldaps://corp.test", "no https:// address"),
     ("'a b'", "names no host"),
     ("https:corp.test", "no valid port")],
)  # fmt: skip
def test_what_is_refused_is_said_truly(given, words):
    """What is no TLS, and what is TLS and no https, are told apart."""
    with pytest.raises(ValueError, match=words):
        parse_target(given)


@pytest.mark.parametrize("text", ["http://u:a/b@corp.test", "http://u:8080/x@corp.test", "u:a#b@corp.test"])
def test_a_proxy_whose_password_ends_too_early_is_told_to_encode(text):
    """Its message has the remedy, and neither user nor password."""
    with pytest.raises(ValueError, match="percent-encode") as caught:
        parse_proxy(text)
    assert "corp.test" not in str(caught.value)
