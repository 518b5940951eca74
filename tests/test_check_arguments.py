"""check(): what it takes, in every form that people paste, and what it refuses before anything is done."""

import os

import pytest
from checking import flat, run_line, small_machine
from servers import BODY, write_ca

from trusted_context import BundleError, check


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose stores know none of the tests' CAs."""
    with small_machine(tmp_path / "machine") as machine:
        yield machine


def test_the_cafile_may_be_anything_that_a_block_takes(server, ca, other_ca, ca_file, other_file):
    """Several files are repeated in the line; what a program holds in a variable is named by one."""
    several = check(server.url, [other_file, ca_file])
    assert several.line == f"with trusted_context(cafile={[str(other_file), str(ca_file)]!r}):"
    assert run_line(several, server.url) == BODY
    assert check(server.url, ca.cert_pem.bytes()).line == "with trusted_context(cafile=cafile):"
    assert check(server.url, other_ca.cert_pem.bytes()).line is None


def test_the_line_of_many_files_is_whole(server, ca, tmp_path):
    """However long it is: what is cut short cannot be pasted."""
    folder = tmp_path / ("long" * 50)
    folder.mkdir()
    report = check(server.url, [write_ca(ca, folder / f"{number}.pem") for number in range(20)])
    assert len(report.line) > 4000
    assert run_line(report, server.url) == BODY


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="needs /dev/fd")
def test_a_cafile_that_can_be_read_once(server, ca):
    """As a shell's <(...) gives it."""
    read, write = os.pipe()
    os.write(write, ca.cert_pem.bytes())
    os.close(write)
    try:
        assert check(server.url, f"/dev/fd/{read}").works
    finally:
        os.close(read)


def test_a_server_certificate_in_a_ca_s_place_is_remarked(server, ca, tmp_path):
    """What a block would warn of at entry is in the report."""
    path = tmp_path / "leaf.pem"
    path.write_bytes(ca.issue_cert("elsewhere.test").cert_chain_pems[0].bytes())
    assert "holds no CA certificate, only a server's" in flat(check(server.url, path))


@pytest.mark.parametrize("form", ["https://localhost:{}", "https://localhost:{}/a?b#c", "localhost:{}", "127.0.0.1:{}",
                                  "HTTPS://user:pw@LOCALHOST:{}/", " localhost:{}\n", "https:/localhost:{}/",
                                  "wss://localhost:{}/socket", "'localhost:{}'", "<https://localhost:{}/>",
                                  "\u201c<'localhost:{}'>\u201d"])  # fmt: skip
def test_forms_of_the_address(server, ca_file, form):
    """A URL, or host and port, as people paste them."""
    report = check(form.format(server.server_port), ca_file)
    assert report.works
    assert "pw" not in str(report)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost/", "not fetched over TLS"),
        ("ftp://localhost/", "not fetched over TLS"),
        ("file:///etc/hosts", "no https:// address"),
        ("", "names no host"),
        ("https://", "names no host"),
        ("https:///path", "names no host"),
        ("a b", "names no host"),
        ("https://localhost\\@elsewhere.test", "names no host"),
        ("a\nb", "names no host"),
        ("*.corp", "not a host"),
        ("localhost:0", "no valid port"),
        ("localhost:http", "no valid port"),
        ("[::1", "not a host"),
        ("a..b", "not a host"),
        ("a" * 64, "too long"),
        ("stra\u00dfe.de", "IDNA"),
        ("https://user:" + "s3cret@*/", "not a host"),
    ],
)
def test_an_address_that_is_none(url, words):
    """It is refused before anything is done, with what to give instead, and without the password in it."""
    with pytest.raises(ValueError, match=words) as caught:
        check(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", [None, 1, b"localhost", ["localhost"]])
def test_an_address_of_another_type(url):
    """Only text names a server."""
    with pytest.raises(TypeError, match="url takes text"):
        check(url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_timeout_that_is_no_time(timeout):
    """It is refused with what it takes."""
    with pytest.raises(ValueError, match="give seconds"):
        check("localhost", timeout=timeout)


@pytest.mark.parametrize("timeout", [True, "10", None])
def test_a_timeout_of_another_type(timeout):
    """Only a number is a time."""
    with pytest.raises(TypeError, match="number of seconds"):
        check("localhost", timeout=timeout)


def test_a_key_log_that_cannot_be_written_is_named(server, ca_file, tmp_path, monkeypatch):
    """At it every client stops, with words that name a file which nobody asked for: here they name the variable."""
    monkeypatch.setenv("SSLKEYLOGFILE", os.path.join(tmp_path, "gone", "keys"))
    for cafile in (None, ca_file):
        with pytest.raises(FileNotFoundError, match="SSLKEYLOGFILE") as raised:
            check(server.url, cafile)
        assert raised.value.filename == os.environ["SSLKEYLOGFILE"]


def test_an_open_file_is_no_cafile(ca_file):
    """Its path is, or its content; both are said."""
    with open(ca_file, "rb") as file, pytest.raises(TypeError, match="an open file's path, or its content"):
        check("localhost", file)


def test_a_cafile_that_is_none_raises_as_a_block_does(tmp_path):
    """A missing file, and one without a certificate."""
    with pytest.raises(FileNotFoundError):
        check("localhost", tmp_path / "gone.pem")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(BundleError, match="is empty"):
        check("localhost", tmp_path / "empty.pem")
