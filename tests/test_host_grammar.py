"""The one grammar of hosts and URLs, form by form and at the border of each bound; test_hosts.py tries any text."""

import pytest

from trusted_context.core.hosts import (
    NotEncodedError,
    Url,
    authority,
    normalise_host,
    parse_host,
    parse_url,
    scheme_of,
)

KEY = "Zq7" * 13 + "x"  # as long as the shortest key


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("corp.test", (None, "", "corp.test", None, "")),
        ("corp.test/path", (None, "", "corp.test", None, "/path")),
        ("HTTPS://Corp.TEST.:8443/a?b#c", ("https", "", "corp.test", 8443, "/a?b#c")),
        ("https://corp.test?a@b", ("https", "", "corp.test", None, "?a@b")),
        ("https://corp.test:8443#a@b", ("https", "", "corp.test", 8443, "#a@b")),
        ("http://user:p@ss@[0::1]:80/", ("http", "user:p@ss", "::1", 80, "/")),
        ("user@corp.test", (None, "user", "corp.test", None, "")),
        ("socks5h://@corp.test", ("socks5h", "", "corp.test", None, "")),
        ("other://corp.test/a b", ("other", "", "corp.test", None, "/a b")),
    ],
)
def test_the_parts_of_a_url(text, parts):
    """The host in the form that it is compared in, and all else as it was written."""
    url = parse_url(text)
    assert (url.scheme, url.userinfo, url.host, url.port, url.rest) == parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no host: give it as"),
        ("https://", "names no host: give it as"),
        ("https:///path", "names no host: give it as"),
        ("https://user@", "names no host: give it as"),
        ("https://corp.test\\path", "names no host: give it as"),
        ("https://corp .test", "names no host: give it as"),
        (f"Zm9v1/{KEY}", "names no host: give it as"),
        ("https://-", "is not a host"),
        ("https://a..b", "is not a host"),
        ("https://corp.test:0", "has no valid port"),
        (f"https://{'a' * 2048}/@", "too long for a name"),
    ],
)
def test_a_url_that_names_no_host(text, words):
    """It is refused by the first thing that is wrong with it."""
    with pytest.raises(ValueError, match=words) as caught:
        parse_url(text)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("place", ["user:pa", "-", "a" * 2049, "user:65536", "[::1"])
def test_a_password_that_ends_too_early(place):
    """Where an @ follows what is no host, it was meant to be part of the user or password."""
    with pytest.raises(NotEncodedError, match="percent-encode"):
        parse_url(f"https://{place}/ss@corp.test")


@pytest.mark.parametrize(
    ("userinfo", "is_encoded"),
    [("", True), ("user:p%40ss", True), ("a-._~!$&'()*+,;=:", True), ("p@ss", False), ("p%4", False), ("p ss", False)],
)
def test_whether_a_password_is_encoded(userinfo, is_encoded):
    """RFC 3986, 3.2.1, says what may stand there as it is."""
    assert Url(None, userinfo, ("corp.test", None), "").is_encoded is is_encoded


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("corp.test:1", ("corp.test", 1)),
        ("corp.test:65535", ("corp.test", 65535)),
        ("corp.test:00443", ("corp.test", 443)),
        ("[::1]:443", ("::1", 443)),
        ("[::1]", ("::1", None)),
        ("[fe80::1%eth0]", ("fe80::1%eth0", None)),
    ],
)
def test_a_host_and_its_port(text, host):
    """A port has at most five digits."""
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("corp.test:000443", "has no valid port"),
        ("a..b", "is not a host"),
        ("a" * 2048, "too long for a name"),
        ("a" * 2049, "is not a host"),
        ("[fe80::1%]", "is not a host"),
        ("fe80::1%a b", "is not a host"),
    ],
)
def test_what_is_no_host(text, words):
    """It is refused with what is wrong, and what is far too long before it is looked into."""
    with pytest.raises(ValueError, match=words):
        parse_host(text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("[::0001]", "::1"),
        ("[CORP]", "[corp]"),
        ("[corp", "[corp"),
        ("corp]", "corp]"),
        ("[::1", "[::1"),
        ("x::1]", "x::1]"),
        ("corp..", "corp.."),
        ("::x", "::x"),
        ("b\u00fccher.test.", "xn--bcher-kva.test"),
        ("\u00fc b", "\u00fc b"),
        ("\u00fc" + ".a" * 1023 + "b", "xn--tda" + ".a" * 1023 + "b"),
        ("\u00fc" + ".a" * 1024, "\u00fc" + ".a" * 1024),
    ],
)
def test_the_form_in_which_hosts_are_compared(text, form):
    """What is neither a name nor an address, or far too long, is equal to itself alone."""
    assert normalise_host(text) == form


def test_an_address_with_a_port_has_brackets():
    """RFC 3986, 3.2.2."""
    assert authority("::1", 443) == "[::1]:443"
    assert authority("corp.test", 443) == "corp.test:443"


def test_the_scheme_of_a_url():
    """In lower case, and at most 32 letters."""
    assert scheme_of("HTTPS://corp.test") == "https"
    assert scheme_of("corp.test") is None
    assert scheme_of("a" * 32 + "://corp.test") == "a" * 32
    assert scheme_of("a" * 33 + "://corp.test") is None
