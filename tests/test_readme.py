"""The README's error lines are those that people meet, and what it says of them is what an explanation says."""

import re
import urllib.request
from pathlib import Path

import pytest
from failing import failure, failure_of
from servers import ConnectProxy, serving

from trusted_context import explain, trusted_context

README = Path(__file__).parents[1] / "README.md"

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
    f"{_FAILED}Basic Constraints of CA cert not marked critical": ("basic-constraints"),
    f"{_FAILED}EE certificate key too weak": "small-key",
    "[SSL: WRONG_VERSION_NUMBER] wrong version number": "plain-http",
    "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version": "tls-v1-1",
    "[SSL: UNSAFE_LEGACY_RENEGOTIATION_DISABLED] unsafe legacy renegotiation disabled": "legacy-renegotiation",
}


def row(shown, explanation):
    """One row of the README's table."""
    return f"| `{shown}` | `{explanation.cause}` | {explanation.likely} | {explanation.next} |"


def readme_rows():
    """The README's table, without its head."""
    found = re.search(r"<!-- errors -->\n(.*?)\n<!-- /errors -->", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found, "README.md has no table between <!-- errors --> and <!-- /errors -->"
    return found[1].splitlines()[2:]


@pytest.mark.parametrize("line", LINES)
def test_an_error_line_of_the_readme_is_what_is_raised_and_explained_so(line, bad):
    """The line is part of what a download raises, and its row says what explain() makes of that line."""
    error = failure_of(bad[LINES[line]])
    assert line in str(error)
    # Of a verification the README has no more than the line: no chain, no host.
    known = RuntimeError(line) if line.startswith(_FAILED) else error
    assert row(line, explain(known)) in readme_rows(), row(line, explain(known))


def test_the_readmes_line_of_a_proxy_that_asks_for_a_password(server, ca_file, monkeypatch):
    """So it is with a proxy's 407, which is no TLS failure."""
    with serving(ConnectProxy("user:secret")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with trusted_context(ca_file):
            error = failure(urllib.request.urlopen, server.url, timeout=5)
    line = "Tunnel connection failed: 407 Proxy Authentication Required"
    assert line in str(error)
    assert row(line, explain(error)) in readme_rows()


def test_the_readme_has_no_other_line():
    """No row is left that nothing holds to be true."""
    assert len(readme_rows()) == len(LINES) + 1
