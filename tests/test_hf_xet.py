"""hf_xet verifies by itself, in Rust, as SSL_CERT_FILE says: each test runs it in a process of its own."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from hub import Hub, Storage
from servers import serving

from trusted_context import trusted_context

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
pytest.importorskip("hf_xet", reason="hf_xet is not installed")

pytestmark = pytest.mark.hub

# It downloads the weights once in each block of the steps, and prints "loaded" or why not for each.
_PROGRAM = textwrap.dedent(
    """
    import contextlib, hashlib, json, sys, tempfile
    import huggingface_hub
    from hub import CONTENT, REPOSITORY, WEIGHTS
    from trusted_context import trusted_context

    endpoint, file, *steps = sys.argv[1:]
    blocks = {
        "outside": contextlib.nullcontext(),
        "inside": trusted_context(file),
        "exporting": trusted_context(file, export=True),
    }
    outcomes = []
    for step in steps:
        with blocks[step], tempfile.TemporaryDirectory() as folder:
            try:
                path = huggingface_hub.hf_hub_download(REPOSITORY, WEIGHTS, endpoint=endpoint, cache_dir=folder)
                with open(path, "rb") as downloaded:
                    outcomes.append("loaded" if downloaded.read() == CONTENT[WEIGHTS] else "other content")
            except RuntimeError as error:
                outcomes.append(str(error))
    print(json.dumps(outcomes))
    """
)


@pytest.fixture
def storage(ca):
    """The CAS and the CDN."""
    with serving(Storage(ca.issue_cert("127.0.0.1"))) as running:
        yield running


@pytest.fixture
def run(storage, tmp_path):
    """A function that runs the program with a CA file and steps; its Hub needs no trust, the storage does."""

    def run_program(file, *steps, **environment):
        environment = os.environ | environment
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        environment["HF_HOME"] = str(tmp_path / "home")
        environment["HF_HUB_DISABLE_TELEMETRY"] = "1"
        # Otherwise it tries for two and a half minutes.
        environment["HF_XET_CLIENT_RETRY_MAX_ATTEMPTS"] = "0"
        command = [sys.executable, "-c", _PROGRAM, hub.endpoint, str(file), *steps]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=45, check=True)
        return json.loads(done.stdout)

    with serving(Hub(None, storage.url, xet=storage.url.rstrip("/"))) as hub:
        yield run_program


def was_refused(outcome):
    return "error sending request" in outcome


def test_it_follows_an_exporting_block_and_is_as_ever_before_and_after(run, storage, ca_file):
    """The variable is read for each download: hf_xet used before the block follows inside it, and not after it."""
    before, inside, after, again = run(ca_file, "outside", "exporting", "outside", "exporting")
    assert [inside, again] == ["loaded", "loaded"]
    assert was_refused(before)
    assert was_refused(after)
    assert set(storage.refusals) == {"TLSV1_ALERT_UNKNOWN_CA"}


def test_another_block_does_not_reach_it(run, storage, ca_file):
    """Without ``export=True`` it is refused by what the machine trusts, and so the download fails."""
    assert was_refused(*run(ca_file, "inside"))
    assert storage.refusals
    assert not storage.requests


def test_an_exported_ca_that_signed_nothing_refuses_the_server(run, storage, other_file):
    """It trusts the exported file, not everything."""
    assert was_refused(*run(other_file, "exporting"))
    assert storage.refusals
    assert not storage.requests


def test_a_child_with_the_blocks_environment_follows(run, ca_file):
    """``environment()`` is enough for a child process."""
    assert run(ca_file, "outside", **trusted_context(ca_file).environment()) == ["loaded"]


def test_without_it_the_weights_come_from_the_cdn(run, storage, ca_file):
    """HF_HUB_DISABLE_XET=1, set before huggingface_hub is imported, brings the download back to what a block covers."""
    assert run(ca_file, "inside", HF_HUB_DISABLE_XET="1") == ["loaded"]
    assert len(storage.requests) == 1
