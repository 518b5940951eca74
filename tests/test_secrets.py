"""Property 36: no message, repr, warning, note or JSON repeats a password, a signed query or key material."""

import base64
import contextlib
import os
import pathlib
import pickle
import random
import ssl
import sys
import urllib.error
import warnings

import pytest
from checking import forms, small_machine
from commands import ended, start, trusted
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trusted_context import check, explain, trusted_context
from trusted_context.core import redaction

pytestmark = pytest.mark.slow

# What is looked for: each secret has it at its beginning and at its end, so that a part of one is found too.
MARK = "Zq7xKw9T"
SHAPES = [
    "https://user:{}@corp.test/",
    "  https://user:{}@corp.test/ca.pem",
    "https://{}@corp.test",
    "https://{}:x@corp.test:8080/path",
    "//user:{}@corp.test",
    "user:{}@corp.test:8080",
    "user:{}@corp.test/ca.pem",
    "https://user:{}",
    "user:{}",
    "http://user:{}@",
    "socks5://user:{}@corp.test:1080",
    "{}://user@corp.test",
    "https:/user:{}@corp.test",
    "https:user:{}@corp.test",
    "https:\\\\user:{}@corp.test",
    "wss://user:{}@corp.test",
    "'https://user:{}@corp.test'",
    "<https://user:{}@corp.test/>",
    "https://corp.test/ca.pem?sig={}",
    "https://corp.test/ca.pem?se=1&X-Amz-Signature={}&x=y",
    "https://corp.test/?email=a@b.test&token={}",
    "https://corp.test/#access_token={}",
    "https://corp.test/{}",
    "https://corp.test/{}/ca.pem",
    "corp.test/ca.pem?token={}",
    "/mnt/ca.pem?token={}",
    "token={}",
    "/mnt/token={}/ca.pem",
    "/mnt/https://user:{}@corp.test/ca.pem",
    "proxy is http://user:{}@corp.test",
    "fe80::1%{}x@corp.test",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\r{}\r-----END PRIVATE KEY-----",
    "line one\r{}",
    "\x1b[1m{}",
    "corp.test:{}",
    "[::1]:{}",
    "[::1]{}",
]
BETWEEN = ["", "/", "@", " ", ":", "#", "?", "%", "\\", "&", "=", "%2F", "\u00e9", "'", '"', "]", "://"]


def key(size):
    """The base64 of a key of that many bytes, on one line, with the mark in it."""
    text = base64.b64encode(random.Random(size).randbytes(size)).decode()
    return f"MC4C{text[:8]}{MARK}{text[8:]}"


KEYS = [*(key(size) for size in (48, 121, 1200)), key(48).replace("+", "-").replace("/", "_"), f'"{key(64)}"',
        key(121)[:64] + "\r" + key(121)[64:], f" {key(48)}\n", f"/{key(32)}"]  # fmt: skip


def fill(shape, one, other):
    """A text of that shape; what stands behind an @, and before nothing else, is a host and no secret."""
    secret = f"{MARK}{one}{MARK}{other}{MARK}"
    return shape.format(secret if "@corp" in shape.partition("{}")[2] else secret.replace("@", "+"))


secrets = st.sampled_from(KEYS) | st.builds(
    fill,
    st.sampled_from(SHAPES),
    st.sampled_from(BETWEEN),
    st.sampled_from(BETWEEN),
)
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores are read in no time."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


def told(error):
    """All that is told by an exception and by those that it came from."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(getattr(error, "filename", None)))
        yield from getattr(error, "__notes__", ())
        error = error.__cause__ or error.__context__


def shown(action):
    """All that *action* shows: what it returns, raises, and warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield from action() or ()
        except Exception as error:  # noqa: BLE001  # whatever it is, its words are looked at
            yield from told(error)
    yield from (str(warning.message) for warning in caught)


def assert_hidden(action, given):
    """None of it repeats the secret in *given*."""
    for text in shown(action):
        assert MARK.lower() not in text.lower(), (given, text)


def of_block(*args, **arguments):
    """What a block shows of its arguments, live and not."""
    block = trusted_context(*args, **arguments)
    yield repr(block)
    for method in (block.describe, block.ssl_context, block.start, lambda: pickle.dumps(block) and None):
        with contextlib.suppress(StopIteration):
            yield from shown(lambda method=method: [str(method())])
    with contextlib.suppress(OSError, ValueError):
        block.environment()
    block.stop()


def spellings(text):
    """*text* as each type that people give."""
    yield from (text, text.encode(errors="surrogateescape"), bytearray(text.encode()), [text], (text,), {text})
    yield from ({text: text}, {"password": text}, [text.encode()], iter([text]), [[text]], frozenset({text}))
    if "\0" not in text:
        yield pathlib.Path(text)


@many
@given(secrets)
def test_property_36_no_argument_of_a_block_is_repeated(text):
    """Every argument, with a secret of any form and type in it: by no error, warning, repr or description."""
    for name in ("cafile", "system", "insecure", "strict", "local", "export"):
        for value in spellings(text):
            assert_hidden(lambda name=name, value=value: of_block(**{name: value}), (name, value))
    for value in spellings(text):
        if not isinstance(value, pathlib.Path):
            assert_hidden(lambda value=value: [trusted_context("corp.pem")(value)], value)
        assert_hidden(lambda value=value: [trusted_context(insecure=True).ssl_context(value)], value)


@many
@given(secrets)
def test_property_36_no_argument_of_check_or_explain_is_repeated(text):
    """The URL, the CA file, the timeout, and what is to be explained."""
    for value in spellings(text):
        assert_hidden(lambda value=value: [explain(value)], value)
        assert_hidden(lambda value=value: forms(check("127.0.0.1:1", timeout=value)), value)
        assert_hidden(lambda value=value: forms(check("127.0.0.1:1", value, timeout=1)), value)
        if not isinstance(value, str):
            assert_hidden(lambda value=value: forms(check(value)), value)
    # Of the URL a host may be found, which is not to be asked for: the parser is what shows it.
    from trusted_context.checks.target import parse_proxy, parse_target

    assert_hidden(lambda: [str(len(parse_target(text)))], text)
    assert_hidden(lambda: [str(parse_proxy(text))], text)


VARIABLES = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "PIP_CERT", "AWS_CA_BUNDLE",
             "SSLKEYLOGFILE", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "no_proxy"]  # fmt: skip


@settings(many, max_examples=40)
@given(secrets, st.sampled_from(VARIABLES))
def test_property_36_no_variable_is_repeated(text, variable):
    """A secret in any variable that is read: by no error, description or report."""
    text = text.replace("corp.test", "127.0.0.1").replace("\0", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, text)
        assert_hidden(of_block, (variable, text))
        assert_hidden(lambda: forms(check("127.0.0.1:1", timeout=0.5)), (variable, text))


class _Held:
    """A client's request, as an exception holds it."""

    __module__ = "requests.models"

    def __init__(self, url):
        self.url = self.host = url


def failures(text):
    """Exceptions of clients, with *text* where each of them has foreign words."""
    verification = ssl.SSLCertVerificationError(1, f"certificate verify failed: {text}")
    verification.verify_code, verification.verify_message = 1, text
    told_of = OSError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unheard of")
    told_of.request = _Held(text)
    yield from (verification, told_of, urllib.error.URLError(verification))
    words = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed:"
    without_quotes = text.replace("'", "")  # what stands between the two is the host by OpenSSL's own words
    for message in (
        f"{words} {text}",
        f"{words} Hostname mismatch, certificate is not valid for '{without_quotes}'. (_ssl.c:1000)",
        f"{words} rejected (_ssl.c:1000) by {text}",
        f"{text} {words} unheard of",
        f"Tunnel connection failed: 502 {text}",
        f"SSL certificate problem: {text}",
        f"x509: certificate is valid for a, not {text}",
        f"invalid peer certificate: {text}",
        text,
    ):
        yield from (OSError(message), urllib.error.URLError(message), ConnectionError(message))
        yield urllib.error.URLError(ssl.SSLError(1, message))


@many
@given(secrets)
@example(fill("fe80::1%{}x@corp.test", '"', ""))  # one quotation mark opens a name and another ends it
def test_property_36_no_note_repeats_what_an_exception_says(text):
    """A secret in an exception's text or in what it holds: neither the explanation nor the note has it."""
    # In a sentence a URL ends at a blank.
    for error in failures(text.replace(f"{MARK} ", MARK)):
        found = explain(error)
        if found is not None:
            for said in (str(found), repr(found), *(str(getattr(found, name)) for name in type(found).__slots__)):
                assert MARK.lower() not in said.lower(), (error, said)


COMMANDS = [["check", "{}"], ["check", "--timeout", "{}", "h"], ["check", "--timeout={}", "h"],
            ["check", "--json={}", "h"],
            ["check", "--cafile", "{}", "127.0.0.1:1"], ["check", "--prxy={}", "h"], ["{}"], ["--{}"],
            ["run", "--proxy", "{}", "x.py"], ["run", "--proxy={}", "x.py"], ["run", "--prox={}", "x.py"],
            ["run", "--cafile", "{}", "x.py"], ["run", "--insecure", "{}", "x.py"],
            ["run", "--insecure", "h", "--", "{}"], ["run", "{}"], ["run", "--", "{}"], ["run", "{}/x.py"]]  # fmt: skip
LINES = ["https://user:{}/b@c@corp.test", "user:{} x@corp.test", "https://corp.test/a?sig={}", "-----BEGIN {}\n"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_property_36_no_line_of_the_command_repeats_an_argument(command, tmp_path):
    """A secret in any place of the command line: no line on stdout or stderr has it."""
    (tmp_path / "x.py").write_text("print('never')")
    for line in LINES:
        if command == ["check", "{}"] and "corp.test/a" in line:  # a good URL, whose host would be asked for
            continue
        arguments = [word.format(line.format(MARK)) for word in command]
        status, stdout, stderr = ended(start(trusted(*arguments), cwd=tmp_path))
        assert status != 0
        assert MARK not in stdout + stderr, arguments


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://corp.test:8080/", "https://corp.test:8080/"),
        ("https://user:pw@corp.test/a/b/ca.pem?x=y#z", "https://***@corp.test/***/ca.pem?***"),
        ("http://user:p w@[::1]:3128", "http://***@[::1]:3128"),
        ("https://corp.test/token", "https://corp.test/***"),
        ("file:///etc/ca.pem", "file:///***/ca.pem"),
        ("https://user:pw/x@corp.test", "https://***"),
        ("b\u00fccher.test", "b\u00fccher.test"),
        ("user:pw", "<7 characters>"),
    ],
)
def test_what_may_be_shown_of_a_url(given, expected):
    """Its scheme, host and port, and a file's name."""
    assert redaction.show_url(given) == expected


@pytest.mark.parametrize(
    "path",
    ["/etc/ssl/certs/ca-certificates.crt", "ca.pem", "~/corp ca.pem", "/home/Jane2/Documents/certificates/corporate",
     "/nix/store/0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p-cacert-3.9/etc/ssl/ca.crt",
     "../../some/quite/long/folder/of/mine/ca.pem",
     "/mnt/\u00fcber/ca.pem"],
)  # fmt: skip
def test_a_path_is_shown_whole(path):
    """A user has to recognise the file."""
    assert redaction.show_path(path) == path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/mnt/pw@corp/ca.pem", "/mnt/***@corp/ca.pem"),
        ("/mnt/token=pw/x/ca.pem", "/mnt/token=***/ca.pem"),
        ("user:pw", "<7 characters>"),
        ("x" * 2000, "<2000 characters>"),
    ],
)
def test_what_may_be_shown_of_a_path_that_may_hold_a_secret(given, expected):
    """No name before an @, no value, and nothing of what is no path."""
    assert redaction.show_path(given) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows no such names")
def test_a_file_of_an_odd_name_is_read_and_not_named(tmp_path, ca_file):
    """What looks like no path and is one can be trusted; the advice of a check names a variable in its place."""
    odd = tmp_path / f"token={MARK}"
    odd.mkdir()
    file = odd / "ca.pem"
    file.write_bytes(ca_file.read_bytes())
    with trusted_context(file) as block:
        assert f"token=***{os.sep}ca.pem" in repr(block)
        assert MARK not in block.describe()
    report = check("127.0.0.1:1", file, timeout=1)
    assert not any(MARK in form for form in forms(report))
