"""httpx2 on a machine whose system has no CAs, as in slim containers."""

import pytest
from beside import outcomes
from servers import BODY, write_ca

pytestmark = pytest.mark.timeout(120)

# This machine has a store. So OpenSSL's own paths lead nowhere here, and those that httpx2 and we try beside them.
WITHOUT_STORE = """\
import os, ssl
for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
    del os.environ[name]
nowhere = {"openssl_cafile": "/nowhere/cert.pem", "openssl_capath": "/nowhere/certs", "cafile": None, "capath": None}
paths = ssl.get_default_verify_paths()._replace(**nowhere)
ssl.get_default_verify_paths = lambda: paths
from trusted_context import trusted_context
from trusted_context.sources import stores
stores.SYSTEM_FILES = ()
import httpcore2._ssl, httpx2
httpcore2._ssl.CA_FILE_CANDIDATES.clear()
"""
BEFORE_THE_FIRST_BLOCK = """\
client = httpx2.Client()
pinned = httpx2.Client(verify=ssl.create_default_context(cafile=OTHER))
attempt("outside", lambda: client.get(URL).content)
with trusted_context(CA):
    attempt("inside", lambda: client.get(URL).content)
    attempt("pinned", lambda: pinned.get(URL).content)
with trusted_context(OTHER):
    attempt("other", lambda: client.get(URL).content)
attempt("after", lambda: client.get(URL).content)
"""


def test_a_client_that_found_no_ca_is_covered(server, ca_file, other_ca, tmp_path):
    """Made before the first block, without a CA, it is verified by each block; one with a CA of its own keeps that."""
    other = write_ca(other_ca, tmp_path / "other.pem")
    seen = outcomes(WITHOUT_STORE + BEFORE_THE_FIRST_BLOCK, server.url, ca_file, other, needs=["httpx2"])
    refused = dict.fromkeys(("outside", "pinned", "other", "after"), "refused")
    assert seen == refused | {"inside": str(BODY)}
