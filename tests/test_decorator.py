"""A decorated body is inside the block exactly while it runs."""

import asyncio
import functools
import inspect

import pytest
from servers import BODY, fetch, refusal

from trusted_context import InsecureWarning, current, trusted_context
from trusted_context.core import live


@pytest.fixture
def block(ca_file):
    return trusted_context(ca_file)


def test_a_decorated_function_is_inside_the_block_while_its_body_runs(block, server):
    """A call downloads, gives its value, and leaves nothing behind; so does one that raises."""

    @block
    def download(url, *, times):
        """Fetch it."""
        assert current() is block
        if not times:
            raise ZeroDivisionError
        return fetch(url) * times

    assert download(server.url, times=2) == BODY * 2
    with pytest.raises(ZeroDivisionError):
        download(server.url, times=0)
    assert (download.__name__, download.__doc__) == ("download", "Fetch it.")
    assert current() is None


def test_the_bare_decorator_trusts_what_the_machine_is_set_up_to_trust(server, ca_file, monkeypatch):
    """``@trusted_context`` and ``@trusted_context()`` are the same: here, what SSL_CERT_FILE names when called."""

    @trusted_context
    def bare():
        return fetch(server.url)

    @trusted_context()
    def called():
        return fetch(server.url)

    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    assert bare() == called() == BODY


def test_what_is_trusted_is_found_when_the_body_runs(server, tmp_path, ca_file):
    """Decorating reads no file: a missing one is an error of the call."""
    later = tmp_path / "later.pem"
    download = trusted_context(later)(fetch)
    with pytest.raises(FileNotFoundError):
        download(server.url)
    later.write_bytes(ca_file.read_bytes())
    assert download(server.url) == BODY


def test_a_decorated_recursion_nests(block):
    """A decorated function may call itself."""

    @block
    def down(depth):
        return len(live._entries) if depth == 0 else down(depth - 1)

    assert down(5) == 6
    assert not live.anything_live()


def test_a_decorated_coroutine_is_inside_the_block_exactly_while_it_runs(block, server):
    """From its first step to its last a coroutine is inside, with what it starts; creating it enters nothing."""

    @block
    async def download():
        await asyncio.sleep(0)
        assert current() is block
        return await asyncio.to_thread(fetch, server.url)

    async def main():
        waiting = download()
        assert current() is None
        task = asyncio.create_task(waiting)
        assert await task == BODY
        assert current() is None

    assert inspect.iscoroutinefunction(download)
    asyncio.run(main())


def test_a_cancelled_coroutine_leaves_the_block(block):
    """Cancelled while it waits, a decorated coroutine ends its block."""

    @block
    async def wait():
        await asyncio.sleep(30)

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await wait()
        return live.anything_live()

    assert asyncio.run(main()) is False


def test_a_decorated_generator_is_inside_the_block_exactly_while_its_own_body_runs(block, server):
    """Between two items the caller's code is outside, and values, errors and the result pass through."""
    seen = []

    @block
    def steps():
        assert current() is block
        try:
            seen.append((yield fetch(server.url)))
            yield "next"
        except ZeroDivisionError:
            yield current()
        finally:
            seen.append(current())
        return "result"

    running = steps()
    assert inspect.isgeneratorfunction(steps)
    assert current() is None
    assert next(running) == BODY
    assert current() is None
    refusal(server.url)
    assert running.send("sent") == "next"
    assert running.throw(ZeroDivisionError) is block
    with pytest.raises(StopIteration) as stop:
        next(running)
    assert stop.value.value == "result"
    assert seen == ["sent", block]
    assert current() is None


def test_closing_a_decorated_generator_runs_its_cleanup_inside(block):
    """``close()`` and garbage collection run the body's ``finally`` in the block, and leave it."""
    seen = []

    @block
    def steps():
        try:
            yield
        finally:
            seen.append(current())

    running = steps()
    next(running)
    running.close()
    running = steps()
    next(running)
    del running
    assert seen == [block, block]
    assert current() is None


def test_an_error_of_a_decorated_generator_keeps_its_type(block):
    """What the body raises comes out, and what is thrown in and not handled comes back."""

    @block
    def steps():
        yield
        raise LookupError

    running = steps()
    next(running)
    with pytest.raises(LookupError):
        next(running)
    running = steps()
    next(running)
    with pytest.raises(ZeroDivisionError):
        running.throw(ZeroDivisionError)
    assert current() is None


def test_a_decorated_async_generator_is_inside_the_block_exactly_while_its_own_body_runs(block, server):
    """As for a generator, also over its awaits, for ``asend``, ``athrow`` and ``aclose``."""
    seen = []

    @block
    async def steps():
        try:
            seen.append((yield await asyncio.to_thread(fetch, server.url)))
            yield "next"
        except ZeroDivisionError:
            yield current()
        finally:
            await asyncio.sleep(0)
            seen.append(current())

    async def main():
        running = steps()
        assert current() is None
        assert await anext(running) == BODY
        assert current() is None
        assert await running.asend("sent") == "next"
        assert await running.athrow(ZeroDivisionError) is block
        assert [item async for item in running] == []
        running = steps()
        await anext(running)
        await running.aclose()
        assert current() is None

    assert inspect.isasyncgenfunction(steps)
    asyncio.run(main())
    assert seen == ["sent", block, block]


def test_methods_partials_and_callable_objects_are_decorated_by_what_they_do(block):
    """Static and class methods, partials of coroutines and objects with an async ``__call__`` keep their kind."""

    async def two(_first, second):
        await asyncio.sleep(0)
        return current(), second

    class Asynchronous:
        async def __call__(self):
            return current()

    class Plain:
        @block
        def method(self):
            return current()

        @block
        @staticmethod
        def static():
            return current()

        @block
        @classmethod
        def by_class(cls):
            return current(), cls

    assert asyncio.run(block(functools.partial(two, 1))(2)) == (block, 2)
    assert asyncio.run(block(Asynchronous())()) is block
    assert Plain().method() is Plain.static() is block
    assert Plain.by_class() == (block, Plain)


@pytest.mark.parametrize("wrong", [int, ValueError, "text", 3, None])
def test_what_is_no_function_is_refused_when_decorated(wrong, block):
    """Classes and objects that cannot be called are a TypeError that says what to decorate instead."""
    with pytest.raises(TypeError, match="decorates functions"):
        block(wrong)


def test_a_generators_block_warns_once_and_reads_its_file_once(server, ca_file):
    """Each run finds what it trusts at its first step, so a file that is gone later changes nothing in it."""

    @trusted_context(ca_file, insecure={"127.0.0.1"})
    def steps():
        for _ in range(3):
            yield fetch(server.url)

    with pytest.warns(InsecureWarning) as caught:
        running = steps()
        next(running)
        ca_file.unlink()
        assert list(running) == [BODY] * 2
    assert len(caught) == 1
