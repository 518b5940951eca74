"""What may be shown of what people gave, form by form and at the border of each bound; test_secrets.py tries any."""

import ntpath
import ssl
import types

import pytest

from trusted_context.core import redaction
from trusted_context.core.redaction import (
    quote_url,
    show_argument,
    show_error,
    show_exceptions,
    show_host,
    show_path,
    show_setting,
    show_url,
    show_words,
)

KEY = "Zq7" * 13 + "x"  # 40 letters and digits: as long as the shortest key


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://corp.test", "https://corp.test"),
        (" HTTPS://corp.test:8443/ ", "HTTPS://corp.test:8443/"),
        ("https://user:pw@corp.test/a/ca.pem", "https://***@corp.test/***/ca.pem"),
        ("https://corp.test/ca.pem?sig=x#y", "https://corp.test/ca.pem?***"),
        ("https://corp.test#x?y", "https://corp.test#***"),
        ("https://corp.test?x", "https://corp.test?***"),
        ("https://corp.test/secret", "https://corp.test/***"),
        ("https://corp.test\\x.pem", "https://corp.test***"),
        ("https://corp.test\\x/y.pem", "https://corp.test***"),
        (f"https://corp.test/x/{KEY}.pem", "https://corp.test/***/***.pem"),
        (f"https://corp.test/x/{KEY[1:]}.pem", f"https://corp.test/***/{KEY[1:]}.pem"),
        ("https://corp.test/a@b", "https://***"),
        ("https://corp.test/a b.pem", "https://***"),
        ("https:///x.pem", "https://***"),
        ("file:///etc/x.pem", "file:///***/x.pem"),
        ("file://user@/x.pem", "file://***"),
        ("secret://corp.test", "secret:/***/corp.test"),
        ("corp.test:8080", "corp.test:8080"),
        ("corp.test:123456", "<16 characters>"),
        ("corp.test:80a", "<13 characters>"),
        ("[::1]:8080", "[::1]:8080"),
        ("[::1]x", "<6 characters>"),
        ("[::1]:x", "<7 characters>"),
        ("::1", "::1"),
        ("*.corp.test", "*.corp.test"),
        ("a b", "<3 characters>"),
        ("a." * 126 + "a", "a." * 126 + "a"),
        ("a." * 126 + "ab", "<254 characters>"),
        (KEY, "<40 characters>"),
        (f"'{KEY}'", "<42 characters>"),
        (KEY[1:], KEY[1:]),
        ("/" + KEY, "<41 characters>"),
    ],
)
def test_what_is_shown_of_a_url(text, shown):
    """Its place, and of the path a file's name."""
    assert show_url(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "''"),
        (" ", "' '"),
        ("*.[]:", "'*.[]:'"),
        ("." * 20, "'....................'"),
        ("." * 21, "<21 characters>"),
        (" corp.test ", "' corp.test '"),
        (" a b ", "<3 characters>"),
    ],
)
def test_a_url_in_quotation_marks(text, shown):
    """With the blanks around it, which may be the mistake."""
    assert quote_url(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/mnt/ca.pem", "/mnt/ca.pem"),
        ("ca.pem", "ca.pem"),
        ("/a=b/c.pem", "/a=***/c.pem"),
        (f"/a=b/{KEY}.pem", "/a=***/***.pem"),
        ("/a=b", "/a=***"),
        ("/a=s3cr3t.pem", "/a=***"),
        ("/a=", "/a="),
        ("=/a.pem", "=***/a.pem"),
        ("/user@corp/ca.pem", "/***@corp/ca.pem"),
        ("a@b", "<3 characters>"),
        ("a@", "<2 characters>"),
        ("/a:b/c@d", "<8 characters>"),
        ("//x@y/z", "<7 characters>"),
        ("//x/y", "//x/y"),
        (" //x@y/z", "<8 characters>"),
        ("./a:b", "./a:b"),
        ("../a@b", "../***@b"),
        ("~a@b", "***@b"),
        ("a:b", "<3 characters>"),
        ("abc:/x", "<6 characters>"),
        (" abc:/x", "<7 characters>"),
        ("./a://b", "<7 characters>"),
        ("/a?b", "<4 characters>"),
        ("/a\nb", "<4 characters>"),
        ("https://u:p@corp.test/x.pem", "https://***@corp.test/x.pem"),
        (" https://u:p@corp.test/x.pem", "https://***@corp.test/x.pem"),
        ("https://corp.test\n", "<18 characters>"),
        (KEY, "<40 characters>"),
        (f' {KEY}"', "<42 characters>"),
        (KEY[1:], KEY[1:]),
        ("/" + KEY, "/***"),
        (f"/{KEY}=", "<42 characters>"),
        (f"/{KEY}+", "<42 characters>"),
        (f"/mnt/{KEY}/x.pem", "/mnt/***/x.pem"),
        (f"/mnt/{KEY[1:]}/x.pem", f"/mnt/{KEY[1:]}/x.pem"),
        (f"/x@{KEY}", "/***@***"),
        ("a" * 40, "a" * 40),
        ("/mnt/" + "a" * 40, "/mnt/" + "a" * 40),
        ("/mnt/" + "1" * 40, "/mnt/" + "1" * 40),
    ],
)
def test_what_is_shown_of_a_path(text, shown):
    """All of it, but for what may be a secret in it; and nothing of what may be no path."""
    assert show_path(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("C:\\certs\\ca.pem", "C:\\certs\\ca.pem"),
        ("C:\\a@b\\ca.pem", "C:\\***@b\\ca.pem"),
        ("C:ca.pem", "C:ca.pem"),
        ("C:a:b", "<5 characters>"),
        ("C::x", "<4 characters>"),
        ("CC:\\ca.pem", "<10 characters>"),
        ("\\\\corp.test\\share\\ca.pem", "\\\\corp.test\\share\\ca.pem"),
    ],
)
def test_what_is_shown_of_a_path_on_windows(text, shown, monkeypatch):
    """The colon of a drive is none of a password's. (Its rules of paths are part of every Python.)"""
    monkeypatch.setattr(redaction, "os", types.SimpleNamespace(path=ntpath))
    assert show_path(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--cafile", "--cafile"),
        ("-m", "-m"),
        ("--" + "a" * 24, "--" + "a" * 24),
        ("--" + "a" * 25, "***"),
        ("--key=secret", "--key=***"),
        ("--key=", "***"),
        ("a b=c", "***"),
        ("a" * 24, "a" * 24),
        ("a" * 25, "***"),
        ("x" * 35 + ".pem", "x" * 35 + ".pem"),
        ("x" * 36 + ".pem", "***"),
        ("https://u:p@corp.test", "https://***@corp.test"),
        ("secret1", "***"),
    ],
)
def test_what_is_shown_of_an_argument(text, shown):
    """An option, a short word, a file's name, and of a URL what may be shown of one."""
    assert show_argument(text) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("http.sslCAInfo", "http.sslCAInfo"),
        ("http.https://u:p@corp/.sslCAInfo", "http.***.sslCAInfo"),
        ("a" * 81, "a" * 81),
        ("a" * 82, f"{'a' * 24}.***.{'a' * 24}"),
        ("/x", ".***.x"),
        ("a/", "a.***."),
    ],
)
def test_what_is_shown_of_a_setting(name, shown):
    """Its name, and of one with more in it the first word and the last."""
    assert show_setting(name) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("the server's words", "the server's words"),
        ("(403) Forbidden", "(403) Forbidden"),
        ("one x=y two", "one ..."),
        ("--x y", "--x y"),
        ("... x", "... x"),
        (".... x", "..."),
        ("a" * 24, "a" * 24),
        ("a" * 25, "..."),
        ("12345", "12345"),
        ("1.2.3", "1.2.3"),
        ("123456", "..."),
        ("w " * 40, "w " * 39 + "w"),
        ("w " * 41, "w " * 40 + "..."),
    ],
)
def test_what_is_shown_of_other_programs_words(text, shown):
    """The ordinary ones at the beginning."""
    assert show_words(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("*", "*"),
        ("a.test, .b.test", "a.test,.b.test"),
        (" a ,,b", "a,,b"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/123456", "***"),
        ("::1/128", "::1/128"),
        ("u:p@x,a", "***,a"),
    ],
)
def test_what_is_shown_of_no_proxy(text, shown):
    """Its hosts, addresses and networks."""
    assert show_exceptions(text) == shown


@pytest.mark.parametrize(
    ("host", "shown"),
    [("corp.test", "corp.test"), ("::1", "::1"), ("[::1]", "[::1]"), ("a b", None), ("a:80", None), ("", None),
     (None, None)],
)  # fmt: skip
def test_what_is_shown_of_a_host(host, shown):
    """A name or an address alone."""
    assert show_host(host) == shown


def _verification(message):
    error = ssl.SSLCertVerificationError(1, "x")
    error.reason, error.verify_message = "CERTIFICATE_VERIFY_FAILED", message
    return error


def _with_reason(error, reason):
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("s3cr3t"), "ValueError"),
        (OSError("s3cr3t"), "OSError"),
        (OSError(2, "No such file or directory"), "No such file or directory"),
        (OSError(2, ""), "FileNotFoundError"),
        (_verification("certificate has expired"), "CERTIFICATE_VERIFY_FAILED: certificate has expired"),
        (_verification(None), "CERTIFICATE_VERIFY_FAILED"),
        (_with_reason(ssl.SSLError(1, "words"), "s3cr3t"), "words"),
        (_with_reason(OSError(1, "words"), "TLS_REASON"), "words"),
        (_with_reason(ValueError("s3cr3t"), OSError(2, "No such file")), "No such file"),
    ],
)
def test_what_is_shown_of_an_error(error, shown):
    """OpenSSL's or the operating system's words, or its type."""
    assert show_error(error) == shown
