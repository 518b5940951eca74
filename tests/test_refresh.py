import concurrent.futures
import os
import threading
import time

import pytest
import urllib3
from servers import BODY, Server, fails, fetch, refusal, serving

from trusted_context import BundleError, current, trusted_context


@pytest.fixture
def other_server(other_ca):
    """An HTTPS server that *other_ca* vouches for."""
    with serving(Server(other_ca.issue_cert("localhost"))) as running:
        yield running


@pytest.fixture
def rotated(ca_file, other_file):
    """Exchange the content of *ca_file* for the other CA, in one step, as a rotation should."""

    def rotate(content=None):
        new = ca_file.with_suffix(".new")
        new.write_bytes(other_file.read_bytes() if content is None else content)
        os.replace(new, ca_file)

    return rotate


def in_a_thread(function, *args):
    """Run *function* in a thread that inherits no context."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(20)


def test_the_next_entry_reads_a_rotated_file(server, other_server, ca_file, rotated):
    """``with`` and a decorated function trust what the file holds when they enter, though another entry is older."""
    block = trusted_context(ca_file)
    download = block(fetch)
    with block:
        assert download(server.url) == BODY
        rotated()
        assert download(other_server.url) == BODY
        with block:
            assert fetch(other_server.url) == BODY
            refusal(server.url)
        assert fetch(server.url) == BODY


def test_a_started_block_trusts_the_rotated_file_after_refresh_in_every_thread(server, other_server, ca_file, rotated):
    """All entries of the block change at once, those of other threads too; other blocks keep what they trust."""
    with trusted_context(ca_file) as outer:
        block = trusted_context(ca_file).start()
        again = block.start()
        rotated()
        assert fetch(server.url) == BODY
        block.refresh()
        for call in (fetch, lambda url: in_a_thread(fetch, url)):
            assert call(other_server.url) == BODY
        refusal(server.url)
        assert '"Other' not in block.describe()
        block.stop()
        assert fetch(other_server.url) == BODY
        again.stop()
        assert current() is outer
        assert fetch(server.url) == BODY


def test_what_a_pool_keeps_from_before_is_not_used_after_refresh(keeper, ca_file, rotated):
    """A kept connection was verified by what is trusted no more; the next one is verified as it is now."""
    with urllib3.PoolManager(retries=False, timeout=20) as pools, trusted_context(ca_file) as block:
        for _ in range(2):
            assert pools.request("GET", keeper.url).data == BODY
        assert keeper.accepted == 1
        rotated()
        block.refresh()
        fails(pools.request, "GET", keeper.url)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n", None])
def test_what_cannot_be_read_leaves_the_old_trust(content, server, ca_file, rotated):
    """A file that is empty, broken or gone is an error of refresh(), and nothing else."""
    with trusted_context(ca_file) as block:
        before = block.describe()
        if content is None:
            ca_file.unlink()
        else:
            rotated(content)
        with pytest.raises(FileNotFoundError if content is None else BundleError):
            block.refresh()
        assert fetch(server.url) == BODY
        assert block.describe() == before


def test_refreshing_a_block_that_is_not_live_reads_and_changes_nothing(ca_file, rotated):
    """It still says that the file is broken."""
    block = trusted_context(ca_file)
    block.refresh()
    assert current() is None
    rotated(b"")
    with pytest.raises(BundleError):
        block.refresh()


def test_a_generator_in_the_middle_of_its_run_goes_on_with_what_was_refreshed(server, other_server, ca_file, rotated):
    """Between its steps its block is not live, but the run is: what it trusts is read once, and at refresh()."""
    block = trusted_context(ca_file)

    @block
    def download():
        yield fetch(server.url)
        yield fetch(server.url)
        yield fetch(other_server.url)

    steps = download()
    assert next(steps) == BODY
    rotated()
    assert next(steps) == BODY
    block.refresh()
    assert next(steps) == BODY
    steps.close()


def test_what_is_exported_names_the_new_certificates(server, other_server, ca_file, other_file, tmp_path):
    """The variables are another file's, or still the user's own; after the blocks they are what they were."""
    before = dict(os.environ)
    der = tmp_path / "corp.der"
    der.write_bytes(pem_to_der(ca_file))
    block = trusted_context(der, export=True).start()
    inner = trusted_context(ca_file, export=True).start()
    der.write_bytes(pem_to_der(other_file))
    block.refresh()
    assert os.environ["PIP_CERT"] == str(ca_file)
    inner.stop()
    named = os.environ["PIP_CERT"]
    assert {os.environ[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")} == {named}
    with trusted_context(named):
        assert fetch(other_server.url) == BODY
        refusal(server.url)
    der.write_bytes(pem_to_der(ca_file))
    block.refresh()
    with trusted_context(os.environ["PIP_CERT"]):
        assert fetch(server.url) == BODY
    block.stop()
    assert dict(os.environ) == before


def pem_to_der(path):
    import ssl

    return ssl.PEM_cert_to_DER_cert(path.read_text())


def test_what_other_code_set_meanwhile_stays(ca_file, tmp_path, other_file):
    """refresh() changes an exported variable only where it is as the block set it."""
    der = tmp_path / "corp.der"
    der.write_bytes(pem_to_der(ca_file))
    with pytest.warns(RuntimeWarning, match="PIP_CERT"), trusted_context(der, export=True) as block:
        os.environ["PIP_CERT"] = "theirs"
        der.write_bytes(pem_to_der(other_file))
        block.refresh()
        assert os.environ["PIP_CERT"] == "theirs"
    assert os.environ.pop("PIP_CERT") == "theirs"


@pytest.mark.slow
def test_no_connection_is_ungoverned_or_refused_while_threads_download_and_the_block_is_refreshed(
    server, other_server, ca_file, other_file, rotated
):
    """The file always holds the server's CA and, now and then, another: one server always answers, a third never."""
    both = ca_file.read_bytes() + other_file.read_bytes()
    one = ca_file.read_bytes()
    done = threading.Event()
    counts = []

    def download():
        count = 0
        while not done.is_set():
            assert fetch(server.url) == BODY
            count += 1
        counts.append(count)

    block = trusted_context(ca_file).start()
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(download) for _ in range(4)]
            end = time.monotonic() + 2
            refreshed = 0
            while time.monotonic() < end:
                rotated(both if refreshed % 2 else one)
                block.refresh()
                refreshed += 1
                if refreshed % 2:
                    refusal(other_server.url)
            done.set()
            for one_of_them in running:
                one_of_them.result(20)
    finally:
        done.set()
        block.stop()
    assert refreshed > 5
    assert len(counts) == 4
    assert all(counts)
