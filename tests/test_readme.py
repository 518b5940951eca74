"""The README's error lines are those that people see, and each leads to the page of what an explanation finds."""

import re
import urllib.request
from pathlib import Path

import pytest
from failing import failure, failure_of
from servers import ConnectProxy, serving

from trusted_context import current, explain, trusted_context

TEXT = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")

_FAILED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "

# Each line, and the case of bad_certificates.py that shows it.
LINES = {
    f"{_FAILED}self-signed certificate in certificate chain": "untrusted-root",
    f"{_FAILED}unable to get local issuer certificate": "unknown-issuer",
    f"{_FAILED}self-signed certificate": "self-signed",
    f"{_FAILED}certificate has expired": "expired",
    f"{_FAILED}certificate is not yet valid": "not-yet-valid",
    f"{_FAILED}Hostname mismatch": "wrong-host",
    f"{_FAILED}IP address mismatch": "wrong-address",
    f"{_FAILED}Missing Authority Key Identifier": "no-authority-key",
    f"{_FAILED}Basic Constraints of CA cert not marked critical": "basic-constraints",
    f"{_FAILED}EE certificate key too weak": "small-key",
    "[SSL: WRONG_VERSION_NUMBER] wrong version number": "plain-http",
    "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version": "tls-v1-1",
    "[SSL: UNSAFE_LEGACY_RENEGOTIATION_DISABLED] unsafe legacy renegotiation disabled": "legacy-renegotiation",
}


def rows():
    """Each line of the README's two tables, with the page that its first link leads to."""
    return dict(re.findall(r"^\| `(.+?)` \| .*?\]\(docs/errors/([\w-]+)\.md\)", TEXT, re.MULTILINE))


def shown(line):
    """The line as the README has it: OpenSSL's words are in a table of their own."""
    return line.removeprefix(_FAILED)


def by_block_s_context(url):
    """Fetch it with a context that the block makes, which takes no TLS below 1.2."""
    with urllib.request.urlopen(url, timeout=5, context=current().ssl_context()) as response:
        return response.read()


@pytest.mark.parametrize("line", LINES)
def test_an_error_line_of_the_readme_is_what_is_raised_and_leads_to_its_page(line, bad):
    """The line is part of what a download raises, and it leads to the page of what explain() makes of it."""
    # Debian's Python takes TLS 1.1 by default, and then fails with other words.
    own = by_block_s_context if LINES[line] == "tls-v1-1" else None
    error = failure_of(bad[LINES[line]], own)
    assert line in str(error)
    # Of a verification the README has no more than the line: no chain, no host.
    known = RuntimeError(line) if line.startswith(_FAILED) else error
    assert rows()[shown(line)] == explain(known).cause


def test_the_readmes_line_of_a_proxy_that_asks_for_a_password(server, ca_file, monkeypatch):
    """So it is with a proxy's 407, which is no TLS failure."""
    with serving(ConnectProxy("user:secret")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with trusted_context(ca_file):
            error = failure(urllib.request.urlopen, server.url, timeout=5)
    line = "Tunnel connection failed: 407 Proxy Authentication Required"
    assert line in str(error)
    assert rows()[line] == explain(error).cause


def test_the_readme_has_no_other_line():
    """No row is left that nothing holds to be true."""
    assert len(rows()) == len(LINES) + 1


def test_the_readmes_note_is_what_a_block_adds(bad):
    """The lines of the note that it shows are those of a real one, but for host, fingerprint and file."""
    note = str(explain(failure_of(bad["known-interception"])))
    general = [re.sub(r"registry\.corp|localhost|\(sha256 .*?\)|cafile=\S+", "", line) for line in note.splitlines()]
    told = [re.sub(r"registry\.corp|localhost|\(sha256 .*?\)|cafile=\S+", "", line) for line in TEXT.splitlines()]
    assert [line for line in general if line not in told] == []
