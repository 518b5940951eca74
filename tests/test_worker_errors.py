"""Errors that come back from worker processes: the note and the explanation travel, or say that no block was there."""

import contextlib
import importlib.util
import pickle

import failing_workers as workers
import pytest
from failing import CLIENTS, failure, failure_of
from servers import fetch

from trusted_context import explain, trusted_context

pytestmark = pytest.mark.slow

POOLS = ["pool", "executor", "loky", "joblib", "multiprocess"]
SAYS_SO = "localhost: this failed in a worker process that was started before the block: "


@pytest.fixture(scope="module")
def started():
    """Gives what calls a function in a worker of that kind of pool, which is started when there is no block."""
    with contextlib.ExitStack() as stack:
        made = {}

        def start(kind):
            if kind in {"loky", "joblib", "multiprocess"} and importlib.util.find_spec(kind) is None:
                pytest.skip(f"{kind} is not installed")
            if kind not in made:
                made[kind] = stack.enter_context(getattr(workers, f"by_{kind}")())
                made[kind](len, ("",))  # most pools start a worker when there is something to do
            return made[kind]

        yield start


def leaving(block, call, *arguments):
    """What leaves the block, with its note, which is what explain() says of it afterwards."""

    def enter():
        with block:
            call(*arguments)

    error = failure(enter)
    (note,) = error.__notes__
    assert note == str(explain(error))
    return error, explain(error)


@pytest.mark.parametrize("kind", POOLS)
def test_39_the_error_of_a_worker_that_was_started_before_the_block_says_so(kind, started, bad):
    """39. By each kind of pool, with what cures it; explain() says so when asked inside the block, too."""
    port = bad["untrusted-root"]
    call, block = started(kind), trusted_context(port.cafile)
    _, explanation = leaving(block, call, workers.download, ("by_requests", port.url))
    assert explanation.cause == "not-covered"
    assert explanation.happened == f"{SAYS_SO}self-signed certificate in certificate chain"
    assert explanation.next == "make the pool inside the block, or hand the block to it: initializer=block.start"
    assert str(port.cafile) in explanation.trusted
    again = failure(call, workers.download, ("by_requests", port.url))
    with block:
        assert explain(again).cause == "not-covered"
    assert explain(again).cause == "unknown-root"


@pytest.mark.parametrize("client", [client.__name__ for client in CLIENTS])
def test_39_each_client_s_error_says_so(client, started, bad):
    """39. However little of the error is left."""
    port = bad["untrusted-root"]
    call, block = started("executor"), trusted_context(port.cafile)
    _, explanation = leaving(block, call, workers.download, (client, port.url))
    assert "this failed in a worker process that was started before the block" in explanation.happened


def test_what_no_block_cures_is_not_said_to_be_cured_by_one(started, bad):
    """A certificate that has expired is that in each process."""
    port = bad["expired"]
    call, block = started("executor"), trusted_context(port.cafile)
    _, explanation = leaving(block, call, workers.download_by_a_context_for, (port.url, port.cafile))
    assert explanation.cause == "expired"


@pytest.mark.parametrize("client", [client.__name__ for client in CLIENTS])
def test_39_the_error_of_a_worker_that_follows_is_explained_as_one_of_this_process(client, bad):
    """39. Nothing left a block in the worker: the explanation is found here, by what came with the error."""
    port = bad["same-name-other-key-sent"]
    block = trusted_context(port.cafile)

    def run():
        with workers.by_executor() as call:
            call(workers.download, (client, port.url))

    _, explanation = leaving(block, run)
    here = failure_of(port, lambda url: workers.download(client, url))
    assert explanation.cause == explain(here).cause == "same-name-other-key"
    assert explanation.trusted


def test_the_caller_s_own_context_in_a_worker_that_follows_is_told_as_such(bad):
    """There is a block in the worker, which left the context alone."""

    def run():
        with workers.by_executor() as call:
            call(workers.download_by_a_context, (bad["untrusted-root"].url,))

    _, explanation = leaving(trusted_context(bad["untrusted-root"].cafile), run)
    assert "worker" not in str(explanation)


@pytest.mark.parametrize("kind", ["pool", "executor"])
@pytest.mark.parametrize("client", [client.__name__ for client in CLIENTS])
def test_39_note_and_explanation_come_back_from_a_block_in_a_worker(client, kind, started, bad):
    """39. The note once, also where the error leaves a block here; explain() says what it said there, to the letter."""
    port = bad["same-name-other-key-sent"]
    call, arguments = started(kind), (client, port.url, port.cafile)
    said = call(workers.told, arguments)
    assert "not by the one of that name that this block trusts" in said
    error = failure(call, workers.download_in_a_block, arguments)
    # urllib3's MaxRetryError is pickled without its attributes.
    assert getattr(error, "__notes__", []) == ([] if client == "by_urllib3_with_retries" else [said])
    assert str(explain(error)) == said
    _, explanation = leaving(trusted_context(port.cafile), call, workers.download_in_a_block, arguments)
    assert str(explanation) == said


CAUSES = ["untrusted-root", "self-signed", "unknown-issuer", "known-interception", "incomplete-chain"]
CAUSES += ["same-name-other-key", "expired-root", "expired-intermediate", "wrong-host", "client-only"]


@pytest.mark.parametrize("name", CAUSES)
def test_a_pickled_error_has_the_same_explanation(name, bad):
    """By what was presented and what was trusted, where it left no block before it was pickled."""
    port = bad[name]
    with trusted_context(port.cafile):
        error = failure(fetch, port.url)
        pickled = pickle.loads(pickle.dumps(error))
        assert str(explain(pickled)) == str(explain(error))
        assert explain(pickled).cause == port.case.cause


def test_a_system_s_store_does_not_travel_with_an_error(bad):
    """It would make each error hundreds of kilobytes long: its name and number of certificates are enough."""
    certifi = pytest.importorskip("certifi")
    with trusted_context(certifi.where()):
        error = failure(fetch, bad["untrusted-root"].url)
        pickled = pickle.dumps(error)
        assert len(pickled) < 20_000
        assert str(explain(pickle.loads(pickled))) == str(explain(error))


def test_an_error_that_handles_one_from_a_worker_is_explained_by_itself(started, bad):
    """What came back was being handled: it is not what failed now."""
    call, there, here = started("executor"), bad["untrusted-root"], bad["expired"]

    def fall_back():
        try:
            call(workers.download_in_a_block, ("by_urllib", there.url, here.cafile))
        except OSError:
            fetch(here.url)

    with trusted_context(here.cafile):
        assert explain(failure(fall_back)).cause == "expired"
