"""All that blocks can be asked for, by many threads at once; what the clients keep, while other threads add to it."""

import concurrent.futures
import contextlib
import itertools
import os
import pickle
import random
import ssl
import sys
import threading
import urllib.request

import httpx
import pytest
import urllib3
from servers import BODY, fetch, refusal

from trusted_context import current, explain, trusted_context
from trusted_context.clients import for_urllib3
from trusted_context.core import live
from trusted_context.core.connections import _Planned

THREADS = 8


@pytest.fixture(autouse=True)
def _switching_often():
    """Where there is a global interpreter lock, threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def together(*functions):
    """Call each in a thread of its own, all at once; the first error is raised."""
    start = threading.Barrier(len(functions))

    def run(function):
        start.wait(20)
        function()

    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        for done in [pool.submit(run, function) for function in functions]:
            done.result(50)


class Asking:
    """What a program may ask for, each of it verified by what it gets."""

    def __init__(self, url, ca_file, other_file):
        self.url, self.ca_file = url, ca_file
        # Entered by many threads at once.
        self.trusting, self.refusing = trusted_context(ca_file), trusted_context(other_file)
        self.exporting = trusted_context(ca_file, export=True)
        self.decorated = self.trusting(fetch)
        # A context with default trust, and one with chosen trust, that all threads connect by.
        self.default, self.pinned = ssl.create_default_context(), ssl.create_default_context(cafile=ca_file)

    def fetching(self):
        with self.trusting as block:
            assert current() is block
            assert fetch(self.url) == BODY

    def refused_and_explained(self):
        with self.refusing:
            assert explain(refusal(self.url)).cause == "unknown-issuer"

    def nested_and_local(self):
        with self.refusing, trusted_context(self.ca_file, local=True):
            assert fetch(self.url) == BODY

    def exported(self):
        with self.exporting as block:
            assert block.environment()["SSL_CERT_FILE"] == os.environ["SSL_CERT_FILE"] == str(self.ca_file)
            assert fetch(self.url) == BODY

    def started_and_stopped(self):
        block = trusted_context(self.ca_file).start()
        assert fetch(self.url) == BODY
        block.stop()

    def refreshed(self):
        with self.trusting as block:
            block.refresh()
            assert "1 CA" in block.describe()

    def called(self):
        assert self.decorated(self.url) == BODY

    def pickled(self):
        with pickle.loads(pickle.dumps(self.trusting)) as block:
            assert repr(block).endswith(" live>")
            assert fetch(self.url, context=block.ssl_context()) == BODY

    def by_a_default_context(self):
        with self.trusting:
            assert fetch(self.url, context=self.default) == BODY
        with self.refusing:
            refusal(self.url, context=self.default)

    def by_a_pinned_context(self):
        with self.refusing:
            assert fetch(self.url, context=self.pinned) == BODY

    def by_a_context_of_its_own(self):
        with self.refusing:
            context = ssl.create_default_context()
            refusal(self.url, context=context)
            context.load_verify_locations(self.ca_file)
            assert fetch(self.url, context=context) == BODY


def test_all_that_blocks_are_asked_for_is_right_in_many_threads_at_once(server, ca_file, other_file):
    """Every connection is verified by its own thread's block, and at the end all is as it was."""
    asking = Asking(server.url, str(ca_file), str(other_file))
    everything = [getattr(asking, name) for name in vars(Asking) if not name.startswith("_")]
    before, opener = dict(os.environ), urllib.request._opener

    def strike(number):
        for turn in range(len(everything)):
            everything[(number + turn) % len(everything)]()

    # The variables are there from before the threads: setenv(3) may crash a getenv(3) of OpenSSL's where it adds one.
    with asking.exporting:
        together(*(lambda number=number: strike(number) for number in range(THREADS)))
    assert not live.anything_live()
    assert dict(os.environ) == before
    assert urllib.request._opener is opener


def while_another_works(work, other, times):
    """Call *work* so often, while other threads do the *other* over and over."""
    done = threading.Event()

    def go_on():
        while not done.is_set():
            other()

    def go():
        try:
            for _ in range(times):
                work()
        finally:
            done.set()

    together(go, go_on, go_on)


def test_blocks_end_while_other_threads_ask_new_pools_of_urllib3_for_connections(ca_file):
    """What the end of the last block goes through is what other threads add to."""
    pools = [urllib3.HTTPSConnectionPool("localhost") for _ in range(500)]

    def end():
        with trusted_context(ca_file):
            for pool in pools[:250]:
                ask(pool)

    def ask(pool):
        with contextlib.closing(pool._get_conn()):
            pass

    while_another_works(end, lambda: ask(random.choice(pools)), 30)
    for_urllib3.restore()  # what was asked for in the very moment of the end
    assert for_urllib3._pools.keys() == []


@pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")
def test_a_client_of_httpx_is_closed_while_other_threads_use_it_in_new_blocks(ca_file):
    """Closing goes through the pools that stand beside the client's, to which other threads add."""
    names = itertools.count()

    def use():
        with trusted_context(ca_file, insecure={f"{next(names)}.test"}, local=True):
            ask()

    def ask():
        with pytest.raises(httpx.ConnectError):
            client.get("https://127.0.0.1:1/")

    with trusted_context(ca_file), httpx.Client() as client:
        ask()
        while_another_works(client._transport._pool.close, use, 100)


def test_a_connection_that_another_thread_closes_in_the_middle_is_given_no_context():
    """Between the look at it and its use it may be gone; OpenSSL's part stands in for that of a real one."""

    class Closing(_Planned):
        parts = iter(
            [
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                .wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.test")
                ._sslobj,
                None,
            ]
        )
        _sslobj = property(lambda self: next(self.parts))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    Closing()._set_context(context)
