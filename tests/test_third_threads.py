"""Which of two blocks governs the threads that entered neither, for every pair of what they leave unverified."""

import concurrent.futures
import contextlib
import contextvars
import gc
import threading
import weakref

import pytest
from servers import BODY, fetch, refusal

from trusted_context import current, trusted_context
from trusted_context.core import live

pytestmark = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")

_A, _B = "localhost", "elsewhere.test"
_KINDS = {"False": False, "{a}": {_A}, "{b}": {_B}, "{a, b}": {_A, _B}, "True": True}

# By the older block (a line) and the newer one (a column): 1 where the older one governs, 2 the newer, 0 neither.
_BESIDE = {
    "False": (2, 1, 1, 1, 1),
    "{a}": (2, 2, 0, 1, 1),
    "{b}": (2, 0, 2, 1, 1),
    "{a, b}": (2, 2, 2, 2, 1),
    "True": (2, 2, 2, 2, 2),
}
_PAIRS = [(older, newer, line[place]) for older, line in _BESIDE.items() for place, newer in enumerate(_KINDS)]


def make(kind, cafile, **more):
    insecure = _KINDS[kind]
    return trusted_context(None if insecure is True else cafile, insecure=insecure, **more)


def in_a_thread(function, *args):
    """Run *function* in a thread that inherits no context."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return contextvars.Context().run(pool.submit, function, *args).result(20)


@contextlib.contextmanager
def entered_by_another_thread(block):
    """Another thread is inside *block*, for the time of the ``with``."""
    entered, leave = threading.Event(), threading.Event()
    seen = []

    def hold():
        block.start()
        entered.set()
        leave.wait(20)
        seen.append(current())
        block.stop()

    holder = threading.Thread(target=hold)
    contextvars.Context().run(holder.start)  # so it inherits nothing where threads inherit (Python 3.14)
    try:
        assert entered.wait(20)
        yield seen
    finally:
        leave.set()
        holder.join(20)


@pytest.mark.parametrize(("older", "newer", "governs"), _PAIRS)
def test_of_two_threads_blocks_a_laxer_one_never_governs_third_threads(older, newer, governs, server, other_file):
    """The newer governs where it verifies all that the older does, else the older where it does, else neither."""
    blocks = [None, make(older, other_file), make(newer, other_file)]
    with entered_by_another_thread(blocks[1]), blocks[2]:
        assert in_a_thread(current) is blocks[governs]
        kind = (None, older, newer)[governs]
        if kind in {"{a}", "{a, b}", "True"}:
            assert in_a_thread(fetch, server.url) == BODY
        else:
            in_a_thread(refusal, server.url)


@pytest.mark.parametrize("older", _KINDS)
@pytest.mark.parametrize("newer", _KINDS)
def test_a_block_entered_inside_the_other_governs_third_threads(older, newer, other_file):
    """Whoever enters one block inside another means the threads of both; after it the outer one governs again."""
    outer, inner = make(older, other_file), make(newer, other_file)
    with outer:
        with inner:
            assert in_a_thread(current) is inner
        assert in_a_thread(current) is outer


@pytest.mark.parametrize("kind", _KINDS)
def test_a_local_block_neither_governs_third_threads_nor_keeps_another_from_it(kind, other_file):
    """A local block counts for its own thread alone, whatever it verifies."""
    insecure = trusted_context(insecure=True)
    with entered_by_another_thread(make(kind, other_file, local=True)), insecure:
        assert in_a_thread(current) is insecure
        with make(kind, other_file, local=True):
            assert in_a_thread(current) is insecure
    assert in_a_thread(current) is None


# By one (a line) and the other (a column).
_VERIFIES_MORE = {
    "False": (False, True, True, True, True),
    "{a}": (False, False, True, True, True),
    "{b}": (False, True, False, True, True),
    "{a, b}": (False, False, False, False, True),
    "True": (False, False, False, False, False),
}


@pytest.mark.parametrize("one", _KINDS)
def test_what_verifies_more_is_told_of_every_pair(one):
    """One block verifies more than another where it verifies at least one host that the other does not."""
    sets = [kind if isinstance(kind, bool) else frozenset(kind) for kind in _KINDS.values()]
    mine = sets[list(_KINDS).index(one)]
    assert tuple(live.verifies_more(mine, other) for other in sets) == _VERIFIES_MORE[one]


def test_stop_ends_this_threads_entering_and_not_a_newer_one_of_another(ca_file):
    """Of one object's entries that of the thread that stops it comes first, however new another thread's is."""
    block = trusted_context(ca_file, local=True).start()
    with entered_by_another_thread(block) as seen:
        block.stop()
        assert current() is None
    assert seen == [block]
    assert not live.anything_live()


def test_leaving_in_a_context_that_entered_nothing_ends_the_newest(ca_file):
    """Where none of the object's entries was entered here, the newest of the others' is the one that ends."""
    block = trusted_context(ca_file, local=True)
    contexts = [contextvars.Context() for _ in range(2)]
    for context in contexts:
        context.run(block.start)
    block.stop()
    assert [context.run(current) for context in contexts] == [block, None]
    block.stop()
    assert not live.anything_live()


def test_stop_passes_over_an_entering_that_another_thread_ended(ca_file):
    """This context still holds the ended entry; what stop() ends is the one that is live."""
    block = trusted_context(ca_file).start().start()
    in_a_thread(block.stop)
    assert current() is block
    block.stop()
    assert not live.anything_live()


def test_all_live_names_the_newest_first(ca_file, other_file):
    """Where two blocks trust the same, a failure is told by the source of the newer one."""
    blocks = [trusted_context(path).start() for path in (ca_file, other_file, ca_file)]
    assert [entry.owner for entry in live.all_live()] == blocks[::-1]
    for block in blocks:
        block.stop()
    assert live.all_live() == ()


def test_an_ended_entry_keeps_no_block_around_it_alive(ca_file):
    """Whoever still holds an ended entry, as the context of a suspended task may, holds none of the blocks around."""
    with trusted_context(ca_file):
        outer = weakref.ref(live.governing())
        with trusted_context(ca_file) as inner:
            kept = live.find(inner, None)
            assert kept.around == (outer(),)
    assert kept.around == ()
    del inner
    gc.collect()
    assert outer() is None


def test_what_is_around_a_thread_that_entered_nothing_is_what_is_around_its_governor(ca_file, other_file):
    """The surrounding blocks of a library's thread are the one that governs it, and those that one is inside of."""
    with trusted_context(ca_file) as outer, trusted_context(other_file, local=True) as local:
        with trusted_context(ca_file) as inner:
            owners = [entry.owner for entry in in_a_thread(live.surrounding)]
            assert owners == [outer, local, inner]
            assert [entry.owner for entry in live.surrounding()] == owners
        assert [entry.owner for entry in live.surrounding()] == [outer, local]
        assert [entry.owner for entry in in_a_thread(live.surrounding)] == [outer]
    assert live.surrounding() == ()
