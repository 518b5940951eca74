"""Whether a CA that is put into this machine's own store is trusted by ``trusted_context()``, and only as long.

It changes the store, as an administrator, and undoes that: for machines that are thrown away (those of a CI, a chroot).
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import requests
import trustme

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from servers import BODY, Server, serving, write_ca

from trusted_context import trusted_context

_VARIABLES = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
_LINUX = pathlib.Path("/usr/local/share/ca-certificates/trusted-context-test.crt")
_MACOS = "/Library/Keychains/System.keychain"


@contextlib.contextmanager
def in_the_store(certificate, serial):
    """The machine trusts the CA, for the time of the ``with``."""
    add, remove = _commands(str(certificate), serial)
    try:
        _run_all(add)
        yield
    finally:
        _run_all(remove)


def _commands(certificate, serial):
    if sys.platform == "win32":
        return [["certutil", "-addstore", "-f", "Root", certificate]], [["certutil", "-delstore", "Root", serial]]
    sudo = ["sudo"] if os.geteuid() else []
    if sys.platform == "darwin":
        trust = ["security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", _MACOS, certificate]
        return [[*sudo, *trust]], [[*sudo, "security", "remove-trusted-cert", "-d", certificate]]
    update = [*sudo, "update-ca-certificates"]
    return (
        [[*sudo, "cp", certificate, str(_LINUX)], update],
        [[*sudo, "rm", "-f", str(_LINUX)], [*update, "--fresh"]],
    )


def _run_all(commands):
    for command in commands:
        print("$", *command, flush=True)
        subprocess.run(command, check=True, timeout=120)


def by_urllib(url):
    """What is there, as urllib, which trusts the store, gets it."""
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read()


def by_requests(url):
    """The same, as requests, which trusts certifi, gets it."""
    return requests.get(url, timeout=20).content


def expect(outcome, block, url):
    """Each client ends so inside *block*: ``"trusted"`` or ``"refused"``."""
    for fetch in (by_urllib, by_requests):
        try:
            with block:
                seen = "trusted" if fetch(url) == BODY else "something else"
        except (urllib.error.URLError, requests.exceptions.SSLError) as error:
            seen = "refused" if "certificate" in str(error).lower() else repr(error)
        print(f"{block!r}, {fetch.__name__}: {seen}")
        if seen != outcome:
            sys.exit(f"should have been: {outcome}")


def main():
    """Try it.

    Raises:
        SystemExit: it is not so; the message says what should have been.
    """
    for name in _VARIABLES:
        os.environ.pop(name, None)
    ca, other = trustme.CA(organization_name="In the store"), trustme.CA(organization_name="Not in the store")
    with tempfile.TemporaryDirectory() as folder, serving(Server(ca.issue_cert("localhost"))) as server:
        certificate = write_ca(ca, pathlib.Path(folder) / "ca.crt")
        cafile = write_ca(other, pathlib.Path(folder) / "other.crt")
        expect("refused", trusted_context(), server.url)
        with in_the_store(certificate, _serial_of(ca)):
            expect("trusted", trusted_context(), server.url)
            expect("trusted", trusted_context(cafile, system=True), server.url)
            expect("refused", trusted_context(cafile), server.url)
            try:
                by_requests(server.url)
            except requests.exceptions.SSLError:
                print("no block, by_requests: refused")
            else:
                sys.exit("requests trusts certifi's CAs alone: should have been: refused")
        expect("refused", trusted_context(), server.url)
    print("All went as told.")


def _serial_of(ca):
    """The serial number, by which certutil names a certificate."""
    from cryptography.x509 import load_pem_x509_certificate

    return f"{load_pem_x509_certificate(ca.cert_pem.bytes()).serial_number:x}"


if __name__ == "__main__":
    main()
