"""Clients with TLS of their own, which a block reaches by environment variables alone: their failures say so."""

import importlib.util
import json
import subprocess
import sys

import native_clients
import pytest
from servers import Server, serving

from trusted_context.explanations import uncovered

pytestmark = pytest.mark.native


def run(client, url, cafile, *export):
    """What came of one request by *client*: ``None`` where the server was verified."""
    if importlib.util.find_spec(client) is None:
        pytest.skip(f"{client} is not installed")
    command = [sys.executable, native_clients.__file__, client, url, str(cafile), *export]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("client", native_clients.CALLS)
def test_a_native_client_is_said_not_to_follow_the_block_and_what_reaches_it(client, server, ca_file):
    """Inside a block that trusts the right CA the note names client, host and variable, and asks nobody for a CA."""
    found = run(client, server.url, ca_file)
    assert found["cause"] == "not-covered"
    assert found["notes"] == [found["text"]]
    assert f"{client} does not follow this block" in found["text"]
    assert found["host"] in {"localhost", None}  # the words of curl and gRPC name none
    assert (uncovered._NATIVE[client].variable or "pycurl.CAINFO") in found["text"]
    assert "ask IT" not in found["text"]


@pytest.mark.parametrize("client", [name for name in native_clients.CALLS if name not in {"pycurl", "wandb"}])
def test_what_the_note_advises_reaches_it(client, server, ca_file):
    """With ``export=True`` the same request is verified; pycurl reads no variable, wandb wants its own server."""
    assert run(client, server.url, ca_file, "export") is None


@pytest.mark.parametrize("client", ["curl_cffi", "polars"])
def test_what_no_ca_cures_is_told_of_a_native_client_as_of_any(client, ca, ca_file):
    """A certificate for another name stays that, in curl's words and in rustls'."""
    with serving(Server(ca.issue_cert("elsewhere.test"))) as elsewhere:
        found = run(client, elsewhere.url, ca_file, "export")
    assert (found["cause"], found["host"]) == ("wrong-host", "localhost")
