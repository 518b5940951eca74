"""The public interface as a type checker sees it: checked by mypy, run by nobody."""

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

from trusted_context import (
    BundleError,
    Explanation,
    InsecureWarning,
    Report,
    TrustedContext,
    check,
    current,
    explain,
    trusted_context,
)

assert_type(trusted_context(), TrustedContext)
assert_type(trusted_context("corp.crt"), TrustedContext)
assert_type(trusted_context(Path("corp.crt"), system=True, strict=True, local=True, export=True), TrustedContext)
assert_type(trusted_context([b"bytes", "path", Path("path")], insecure={"host"}), TrustedContext)
assert_type(trusted_context(insecure=["host", "host:443"]), TrustedContext)
assert_type(current(), TrustedContext | None)
assert_type(check("host", ["corp.crt"], timeout=5), Report)
assert_type(check("host").works, bool)
assert_type(check("host").line, str | None)
assert_type(check("host").to_json(), str)
assert_type(trusted_context().ssl_context("host"), ssl.SSLContext)
assert_type(trusted_context().describe(), str)
assert_type(trusted_context().environment(), dict[str, str])
assert_type(trusted_context().start(), TrustedContext)
assert_type(trusted_context().stop(), None)


def use_as_a_context_manager() -> None:
    """``with`` gives the block."""
    with trusted_context("corp.crt") as block:
        assert_type(block, TrustedContext)


async def use_as_an_async_context_manager() -> None:
    """``async with`` too."""
    async with trusted_context("corp.crt") as block:
        assert_type(block, TrustedContext)


@trusted_context
def bare(url: str, *, times: int = 1) -> bytes:
    """A decorated function keeps its signature."""
    return url.encode() * times


@trusted_context("corp.crt")
async def coroutine(url: str) -> bytes:
    """A decorated coroutine stays one."""
    return url.encode()


@trusted_context(insecure=True)
def generator(url: str) -> Iterator[bytes]:
    """A decorated generator stays one."""
    yield url.encode()


@trusted_context(system=True)
async def async_generator(url: str) -> AsyncIterator[bytes]:
    """A decorated async generator stays one."""
    yield url.encode()


async def use_the_decorated() -> None:
    """What the decorated give."""
    assert_type(bare("url", times=2), bytes)
    assert_type(await coroutine("url"), bytes)
    assert_type(list(generator("url")), list[bytes])
    assert_type([item async for item in async_generator("url")], list[bytes])
    await coroutine(1)  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]


def use_the_explanation() -> None:
    """There may be none; of one every part is text but the host, which may not be known."""
    explanation = explain(OSError("said"))
    assert_type(explanation, Explanation | None)
    if explanation is not None:
        assert_type(explanation.cause, str)
        assert_type(explanation.host, str | None)
        parts: list[str] = [explanation.happened, explanation.presented, explanation.trusted]
        parts += [explanation.likely, explanation.next, str(explanation)]


def use_the_errors() -> None:
    """Both are what they say."""
    error: ValueError = BundleError("said")
    warning: UserWarning = InsecureWarning("said")
    raise error from warning


trusted_context(insecure=1)  # type: ignore[call-overload]  # ty: ignore[invalid-argument-type]
trusted_context(export=1)  # type: ignore[call-overload]  # ty: ignore[invalid-argument-type]
trusted_context(3)  # type: ignore[call-overload]  # ty: ignore[no-matching-overload]
explain("said")  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]
trusted_context("corp.crt", True)  # type: ignore[call-overload]  # ty: ignore[no-matching-overload]
bare("url", 2)  # type: ignore[call-arg]  # ty: ignore[too-many-positional-arguments]
generator(1)  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]
trusted_context().ssl_context(1)  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]
