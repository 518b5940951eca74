"""Which block governs a connection, in every order, thread, task and generator."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import gc
import itertools
import sys
import threading

import pytest
from servers import BODY, fetch, refusal

from trusted_context import InsecureWarning, current, trusted_context
from trusted_context.core import live


def in_a_thread(function, *args):
    """Run *function* in a thread that inherits no context."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return contextvars.Context().run(pool.submit, function, *args).result(20)


@pytest.fixture
def insecure():
    """A block without verification, whose warning is expected."""
    with pytest.warns(InsecureWarning):
        yield trusted_context(insecure=True)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_exits_in_any_order_leave_the_right_block_governing(order, server, ca_file, other_file):
    """Three blocks end in each order: the newest that is live governs after each step, and none after the last."""
    blocks = [trusted_context(path).start() for path in (ca_file, other_file, ca_file)]
    alive = [0, 1, 2]
    for ending in order:
        blocks[ending].stop()
        alive.remove(ending)
        assert current() is (blocks[alive[-1]] if alive else None)
        if alive and alive[-1] != 1:
            assert fetch(server.url) == BODY
        else:
            refusal(server.url)
    assert not live.anything_live()


def test_the_innermost_block_of_this_context_governs(server, ca_file, other_file):
    """A nested block governs until it ends, and the outer one after it."""
    with trusted_context(other_file) as outer:
        with trusted_context(ca_file) as inner:
            assert current() is inner
            assert fetch(server.url) == BODY
        assert current() is outer
        refusal(server.url)
    assert current() is None


def test_one_object_entered_by_two_threads_is_left_rightly_by_each(server, ca_file, other_file):
    """Each thread leaves its own entering, so a nested block of one is not taken for the other's."""
    block = trusted_context(ca_file)
    inside, go_on = threading.Event(), threading.Event()

    def visit():
        with block:
            inside.set()
            go_on.wait(20)
            return fetch(server.url), len(live._entries)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        visitor = pool.submit(visit)
        assert inside.wait(20)
        with trusted_context(other_file), block:
            pass
        with trusted_context(other_file):
            assert current() is not block
            refusal(server.url)
            go_on.set()
            assert visitor.result(20) == (BODY, 2)
    assert current() is None


def test_a_block_left_in_another_thread_ends_there_and_here(server, ca_file, other_file):
    """A generator that is closed in another thread ends the very block it had entered, not a later one."""
    block = trusted_context(ca_file)

    def steps():
        with block:
            yield

    running = steps()
    next(running)
    with trusted_context(other_file):
        block.start()
        in_a_thread(running.close)
        assert fetch(server.url) == BODY
        block.stop()
        refusal(server.url)
    refusal(server.url)


def test_a_block_is_left_also_where_it_was_not_entered(ca_file):
    """By a function that only leaves it, in another thread too; this thread's own end comes first."""
    block = trusted_context(ca_file, local=True)
    inside, go_on = threading.Event(), threading.Event()

    def leave():
        block.__exit__(None, None, None)

    def visit():
        with block:
            inside.set()
            go_on.wait(20)
            return current()

    block.__enter__()
    in_a_thread(leave)
    assert current() is None
    block.__enter__()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        visitor = contextvars.Context().run(pool.submit, visit)
        assert inside.wait(20)
        leave()
        assert current() is None
        go_on.set()
        assert visitor.result(20) is block


def test_tasks_hold_different_blocks_at_once(server, ca_file, other_file):
    """Interleaved tasks each get their own block, whichever was entered last."""

    async def download(path, expected):
        async with trusted_context(path) as block:
            for _ in range(3):
                await asyncio.sleep(0)
                assert current() is block
                result = await asyncio.to_thread(lambda: fetch(server.url) if expected else refusal(server.url))
                assert (result == BODY) is expected

    async def main():
        await asyncio.gather(*(download(*pair) for pair in [(ca_file, True), (other_file, False)] * 3))

    asyncio.run(main())
    assert current() is None


def test_a_task_that_closes_an_async_generator_elsewhere_leaves_nothing_behind(ca_file):
    """An async generator's block may be ended by another task, whose context never entered it."""

    async def steps():
        async with trusted_context(ca_file):
            yield current()

    async def main():
        running = steps()
        assert await anext(running) is not None
        await asyncio.create_task(running.aclose())
        return current(), len(live._entries)

    assert asyncio.run(main()) == (None, 0)


def test_ended_entries_do_not_pile_up(ca_file):
    """Blocks that end where their context does not see it drop out of it at the next entering."""
    for _ in range(50):
        block = trusted_context(ca_file).start()
        in_a_thread(block.stop)
    with trusted_context(ca_file):
        assert len(live._stack.get()) == 1
    assert live._stack.get() == ()
    assert len(live._entries) == 0


def test_an_ended_entry_keeps_no_block_alive(ca_file):
    """Nothing of a block is held once it ended and its object is gone."""
    gc.collect()
    before = sum(isinstance(found, live.Entry) for found in gc.get_objects())
    for _ in range(20):
        with trusted_context(ca_file), trusted_context(ca_file):
            pass
    gc.collect()
    assert sum(isinstance(found, live.Entry) for found in gc.get_objects()) <= before


def test_another_thread_inside_a_process_wide_block_is_covered(server, ca_file):
    """A worker thread that a library starts, and that inherits no context, follows the block, and not after it."""
    with trusted_context(ca_file):
        assert in_a_thread(fetch, server.url) == BODY
    in_a_thread(refusal, server.url)


def test_another_thread_inside_a_local_block_is_not_covered(server, ca_file):
    """A local block reaches this thread, and what is copied from its context, alone."""
    with trusted_context(ca_file, local=True):
        assert fetch(server.url) == BODY
        in_a_thread(refusal, server.url)
        copied = contextvars.copy_context()
        assert in_a_thread(copied.run, fetch, server.url) == BODY


def test_the_newest_process_wide_block_governs_other_threads(server, ca_file, other_file):
    """Of two verifying blocks the newer governs threads that entered none, and the older again after it."""
    with trusted_context(other_file):
        with trusted_context(ca_file):
            assert in_a_thread(fetch, server.url) == BODY
        in_a_thread(refusal, server.url)


def test_a_thread_with_a_block_of_its_own_is_not_governed_by_a_newer_one(server, ca_file, other_file):
    """The innermost block of a thread's own context comes before any newer one of the process."""
    entered, go_on = threading.Event(), threading.Event()

    def visit():
        with trusted_context(ca_file):
            entered.set()
            go_on.wait(20)
            return fetch(server.url)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        visitor = pool.submit(visit)
        assert entered.wait(20)
        with trusted_context(other_file):
            go_on.set()
            assert visitor.result(20) == BODY


@pytest.mark.skipif(not getattr(sys.flags, "thread_inherit_context", False), reason="threads inherit no context here")
def test_a_thread_that_inherits_its_context_is_in_the_blocks_that_it_was_started_in_until_these_end(server, ca_file):
    """So the worker of a pool follows a local block, and nothing of it when the block has ended."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with trusted_context(ca_file, local=True):
            assert pool.submit(fetch, server.url).result(20) == BODY
            in_a_thread(refusal, server.url)
        pool.submit(refusal, server.url).result(20)


@contextlib.contextmanager
def held_by_another_thread(*blocks):
    """Another thread is inside these blocks, for the time of the ``with``."""
    entered, go_on = threading.Event(), threading.Event()

    def hold():
        with contextlib.ExitStack() as stack:
            for block in blocks:
                stack.enter_context(block)
            entered.set()
            go_on.wait(20)

    holder = threading.Thread(target=hold)
    contextvars.Context().run(holder.start)  # so it inherits nothing where threads inherit (Python 3.14)
    try:
        assert entered.wait(20)
        yield
    finally:
        go_on.set()
        holder.join(20)


# Where each context has warning filters of its own, as on a free-threaded Python, pytest.warns() hears of no other's.
_DEAF = pytest.mark.filterwarnings("ignore::trusted_context.InsecureWarning")


@_DEAF
@pytest.mark.parametrize("laxer", [{"insecure": True}, {"insecure": {"localhost"}}], ids=["all", "one host"])
def test_an_insecure_block_never_governs_the_workers_of_another_threads_verifying_block(laxer, server, other_file):
    """A newer insecure block of one thread leaves the workers of a verifying block of another thread verified."""
    with (
        trusted_context(other_file),
        held_by_another_thread(trusted_context(**laxer)),
    ):
        in_a_thread(refusal, server.url)
    assert server.requests == []


def test_an_insecure_block_inside_a_verifying_one_governs_its_workers(server, other_file, insecure):
    """Entered inside the newest verifying block, an insecure one covers worker threads too."""
    with trusted_context(other_file), insecure:
        assert in_a_thread(fetch, server.url) == BODY


def test_an_insecure_block_alone_governs_other_threads_until_a_verifying_one_is_live(server, other_file, insecure):
    """With no verifying block live the insecure one covers worker threads; a newer verifying one takes them."""
    with insecure:
        assert in_a_thread(fetch, server.url) == BODY
        with trusted_context(other_file):
            in_a_thread(refusal, server.url)
        assert in_a_thread(fetch, server.url) == BODY


def test_current_is_the_object_that_with_gives(ca_file):
    """``with ... as block`` gives the TrustedContext, which current() names, and repr says that it is live."""
    block = trusted_context(ca_file)
    assert current() is None
    with block as entered:
        assert entered is block
        assert current() is block
        assert repr(block).endswith(") live>")
    assert not repr(block).endswith(") live>")


def test_stop_ends_the_newest_start_and_then_does_nothing(server, ca_file):
    """start() nests like ``with`` does; stop() without a start is quiet, as closing a closed file is."""
    block = trusted_context(ca_file)
    block.stop()
    assert block.start() is block.start()
    block.stop()
    assert fetch(server.url) == BODY
    block.stop()
    block.stop()
    refusal(server.url)


def test_stop_ends_the_newest_start_also_of_those_on_both_sides_of_another_block(server, ca_file, other_file):
    """What was begun before the other block is still around it, and governs nothing inside."""
    block = trusted_context(ca_file).start()
    between = trusted_context(other_file).start()
    block.start()
    assert fetch(server.url) == BODY
    block.stop()
    assert current() is between
    refusal(server.url)
    between.stop()
    assert current() is block
    block.stop()


def test_stop_inside_with_does_not_end_it(server, ca_file):
    """An object started and entered at once: stop() ends what start() began."""
    block = trusted_context(ca_file).start()
    with block:
        block.stop()
        assert len(live._entries) == 1
        assert fetch(server.url) == BODY
    assert current() is None


@_DEAF
def test_an_insecure_block_inside_another_verifying_block_leaves_the_workers_of_the_first_verified(server, other_file):
    """It must have been entered inside every live verifying block, not just inside the newest."""
    with (
        trusted_context(other_file),
        held_by_another_thread(trusted_context(other_file), trusted_context(insecure=True)),
    ):
        in_a_thread(refusal, server.url)


def test_blocks_that_leave_different_hosts_off_do_not_govern_each_others_workers(server, other_file):
    """A host that is off for one thread's block is not off for the workers of another that verifies it."""
    with (
        pytest.warns(InsecureWarning),
        trusted_context(other_file, insecure={"elsewhere.test"}),
        held_by_another_thread(trusted_context(insecure={"localhost"})),
    ):
        in_a_thread(refusal, server.url)


def test_leaving_where_nothing_was_entered_beside_threads_that_enter(ca_file):
    """Exit stacks, whose two ends run in different frames, find their entry while other threads come and go."""
    block, done = trusted_context(ca_file), threading.Event()

    def churn():
        while not done.is_set():
            with trusted_context(ca_file):
                pass

    def visit():
        for _ in range(200):
            with contextlib.ExitStack() as stack:
                stack.enter_context(block)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        churning = [pool.submit(churn) for _ in range(2)]
        visiting = [pool.submit(visit) for _ in range(2)]
        try:
            for visitor in visiting:
                visitor.result(30)
        finally:
            done.set()
        for churner in churning:
            churner.result(30)
    assert not live.anything_live()


def test_both_ends_of_a_with_statement_belong_together(server, ca_file, other_file):
    """What start() began inside it is not what a ``with`` ends, though it is newer and of the same object."""
    block = trusted_context(ca_file)
    with block:
        between = trusted_context(other_file).start()
        block.start()
    assert fetch(server.url) == BODY
    block.stop()
    refusal(server.url)
    between.stop()
    assert current() is None
