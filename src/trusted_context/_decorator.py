"""The block around a function's body: its whole run, and of a generator's only its own steps."""

from __future__ import annotations

import functools
import inspect

from .core.redaction import show_kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractContextManager
    from typing import Any

    # Each call gives the block for one run of a body; a generator's body enters it once a step.
    Enclose = Callable[[], AbstractContextManager[None]]


def decorate(enclose: Enclose, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap *function* so that its body runs in what *enclose* gives.

    Raises:
        TypeError: it is not a function but a class, a coroutine, or something that cannot be called.
    """
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(decorate(enclose, function.__func__))
    if isinstance(function, type) or not callable(function):
        shown = f"the class {function.__name__}" if inspect.isclass(function) else show_kind(function)
        raise TypeError(f"trusted_context decorates functions, not {shown}: decorate the methods that download")
    for is_kind, wrap in _KINDS:
        if is_kind(function) or is_kind(getattr(function, "__call__", None)):  # noqa: B004  # to look at it
            return functools.wraps(function)(wrap(enclose, function))
    return functools.wraps(function)(_around_call(enclose, function))


def _around_call(enclose: Enclose, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with enclose():
            return function(*args, **kwargs)

    return wrapper


def _around_coroutine(enclose: Enclose, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with enclose():
            return await function(*args, **kwargs)

    return wrapper


def _around_generator(enclose: Enclose, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        __tracebackhide__ = True
        body, block = function(*args, **kwargs), enclose()
        step, value = body.send, None
        while True:
            try:
                with block:
                    item = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = body.send, (yield item)
            except GeneratorExit:
                with block:
                    body.close()
                raise
            except BaseException as error:  # noqa: BLE001  # the body decides what to do with it
                step, value = body.throw, error

    return wrapper


def _around_async_generator(enclose: Enclose, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        __tracebackhide__ = True
        body, block = function(*args, **kwargs), enclose()
        step, value = body.asend, None
        while True:
            try:
                with block:
                    item = await step(value)
            except StopAsyncIteration:
                return
            try:
                step, value = body.asend, (yield item)
            except GeneratorExit:
                with block:
                    await body.aclose()
                raise
            except BaseException as error:  # noqa: BLE001  # the body decides what to do with it
                step, value = body.athrow, error

    return wrapper


_KINDS = (
    (inspect.iscoroutinefunction, _around_coroutine),
    (inspect.isasyncgenfunction, _around_async_generator),
    (inspect.isgeneratorfunction, _around_generator),
)
