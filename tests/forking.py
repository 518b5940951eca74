"""A program that forks inside blocks, run by test_processes.py in a process of its own: it prints what it saw.

Usage: forking.py SCENE URL CA_FILE
"""

import collections
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import urllib.request

import certifi

from trusted_context import current, trusted_context
from trusted_context.core import live
from trusted_context.core.lock import lock


def outcome(url):
    """'ok', or the name of what fetching the URL ended in."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            response.read()
    except urllib.error.URLError as error:
        return type(error.reason).__name__
    return "ok"


def forked(function, *args):
    """What *function* returns in a forked child, within 20 seconds."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, repr(function(*args)).encode())
        except BaseException:  # noqa: BLE001  # a child's error is told by its output
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer


def leave(block, url):
    """The outcome inside, and after leaving the block in the child."""
    inside = outcome(url)
    block.stop()
    return inside, *alone(url)


def alone(url):
    """Whether nothing of a block is left in this process, and the outcome then."""
    return not live.anything_live() and urllib.request._opener is None, outcome(url)


def in_the_forking_threads_block(url, ca_file):
    """A child leaves the block it was forked in; the parent's goes on."""
    block = trusted_context(ca_file).start()
    print(forked(leave, block, url), outcome(url))
    block.stop()


def in_an_insecure_block(url, _ca_file):
    """A child that leaves the insecure block it was forked in verifies again."""
    block = trusted_context(insecure=True).start()
    print(forked(leave, block, url), outcome(url))
    block.stop()


def beside_another_threads_insecure_block(url, _ca_file):
    """The insecure block of a thread that the child does not have does not govern the child."""
    entered, go_on = threading.Event(), threading.Event()

    def hold():
        with trusted_context(insecure=True):
            entered.set()
            go_on.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(20)
    print(forked(alone, url), outcome(url))
    go_on.set()
    holder.join()


def beside_another_threads_verifying_block(url, ca_file):
    """The verifying block that governed the forking thread governs the child too."""
    holder = threading.Thread(target=lambda: trusted_context(ca_file).start())
    holder.start()
    holder.join()
    print(forked(outcome, url), outcome(url))


def while_another_thread_changes_blocks(url, ca_file):
    """A child forked while another thread enters and leaves blocks finds no lock held for ever."""
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            with trusted_context(ca_file):
                pass

    def enter_in_child():
        with trusted_context(ca_file):
            return outcome(url)

    churning = threading.Thread(target=churn)
    churning.start()
    print({forked(enter_in_child) for _ in range(20)})
    stop.set()
    churning.join()


def while_threads_connect(url, ca_file):
    """How many children ended how, of threads in blocks of their own, while others enter, connect and leave."""
    verified, refused = ("ok", trusted_context(ca_file)), ("SSLCertVerificationError", trusted_context(certifi.where()))
    unverified = ("ok", trusted_context(insecure=True, local=True))
    ends, wrong, done = collections.Counter(), [], threading.Event()

    def churn(expected, block):
        while not done.is_set():
            with block:
                if (found := outcome(url)) != expected:
                    wrong.append(f"{block}: {found}")

    def fork_in(expected, block):
        for _ in range(10):
            with block:
                ends[end_of_child(url, [(expected, None), refused, verified, (expected, None)])] += 1

    churning = [threading.Thread(target=churn, args=kind) for kind in (verified, refused, unverified) * 3]
    forking = [threading.Thread(target=fork_in, args=kind) for kind in (verified, refused)]
    for thread in (*churning, *forking):
        thread.start()
    for thread in forking:
        thread.join()
    done.set()
    for thread in churning:
        thread.join()
    print(repr((wrong, dict(ends), live.anything_live())))


def end_of_child(url, expected):
    """How a child ends that fetches the URL in the blocks of *expected*, where one is given: with 0 if all is so."""
    child = os.fork()
    if child != 0:
        return os.waitpid(child, 0)[1]
    signal.alarm(5)  # whoever is blocked in OpenSSL or the C library ends so
    wrong = True
    try:
        wrong = any(outcome_in(block, url) != one for one, block in expected)
    except BaseException:  # noqa: BLE001  # a child's error is told by its output
        traceback.print_exc()
    finally:
        os._exit(wrong)


def outcome_in(block, url):
    """The outcome in that block, or in none of this function's own."""
    with block or contextlib.nullcontext():
        return outcome(url)


class _Noting:
    """Finds nothing, and notes which modules are imported without the lock."""

    def __init__(self):
        self.without = []

    def find_spec(self, name, _path, _target=None):
        if not lock._is_owned():
            self.without.append(name)


def with_a_default_that_is_yet_to_be_read(url, ca_file):
    """Which modules a connection has imported without the lock, and whether certifi was imported at all."""
    import ssl

    noting, context = _Noting(), ssl.create_default_context()
    with trusted_context(ca_file):
        outcome(url)
        for name in [name for name in sys.modules if name.partition(".")[0] == "certifi"]:
            del sys.modules[name]
        sys.meta_path.insert(0, noting)
        urllib.request.urlopen(url, timeout=20, context=context).close()
        sys.meta_path.remove(noting)
    print(noting.without, "certifi" in sys.modules)


def is_free(held):
    """Whether another thread of this process can have the lock."""
    found = []
    trying = threading.Thread(target=lambda: found.append(held.acquire(timeout=5)))
    trying.start()
    trying.join()
    return found[0]


def while_another_thread_holds_the_lock(_url, _ca_file):
    """A fork waits until no other thread is in the middle of a change."""
    changed, holding = [], threading.Event()

    def change():
        with lock:
            holding.set()
            time.sleep(0.3)
            changed.append(True)

    changing = threading.Thread(target=change)
    changing.start()
    holding.wait(20)
    print(forked(lambda: (changed, is_free(lock))))
    changing.join()


def by_multiprocessing(url, ca_file):
    """A block that each start method hands on; picklable."""
    block = trusted_context(ca_file)
    with block:
        for method in ("fork", "spawn", "forkserver"):
            with multiprocessing.get_context(method).Pool(1) as pool:
                print(method, pool.apply_async(outcome, (url,)).get(50), end=" ")
                print(pool.apply_async(with_block, (block, url)).get(50), pool.apply_async(outcome, (url,)).get(50))


def with_block(block, url):
    """The outcome inside a block that came by pickle."""
    with block:
        return outcome(url), current() is block


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
