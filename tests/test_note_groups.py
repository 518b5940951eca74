"""The notes on exception groups: each failure in them is explained where it stands, once."""

import asyncio
import traceback

import pytest
from failing import raising
from servers import fetch
from test_note import leaving, notes_of

from trusted_context import explain, trusted_context
from trusted_context.explanations import notes


@pytest.fixture
def block(bad):
    return trusted_context(bad["known-interception"].cafile)


def test_each_of_a_group_has_its_own(bad, block):
    """In an exception group every failure is explained where it stands, once, and the others are left alone."""
    other = KeyError("unrelated")

    def action():
        errors = [other]
        for name in ("known-interception", "expired"):
            try:
                fetch(bad[name].url)
            except OSError as error:
                errors.append(error)
        raise ExceptionGroup("downloads", [errors[0], ExceptionGroup("inner", errors[1:])])

    group = leaving(block, action)
    first, inner = group.exceptions
    assert notes_of(group) == notes_of(inner) == notes_of(first) == []
    assert [explain(one).cause for one in inner.exceptions] == ["inspected", "expired"]
    assert [len(notes_of(one)) for one in inner.exceptions] == [1, 1]
    leaving(block, raising(group))
    assert [len(notes_of(one)) for one in inner.exceptions] == [1, 1]


def test_a_group_of_groups_is_looked_at_in_bounded_time(block):
    """Of a tree with billions of leaves the first few are looked at."""
    group = RuntimeError("CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired")
    for _ in range(10):
        group = ExceptionGroup("x", [group] * 8)
    assert leaving(block, raising(group)) is group
    assert len(notes_of(next(notes._members(group)))) == 1


def test_a_task_group_gives_a_note_to_each_task(bad, block):
    """What asyncio's TaskGroup collects is explained too."""

    async def download(name):
        async with block:
            await asyncio.to_thread(fetch, bad[name].url)

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(download("known-interception"))

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert len(notes_of(caught.value.exceptions[0])) == 1


def test_what_a_group_explains_is_not_explained_again_by_what_wraps_it(bad, block):
    """The traceback shows the group's notes beneath the wrapper."""

    def download():
        fetch(bad["known-interception"].url)

    group = ExceptionGroup("downloads", [leaving(block, download)])
    wrapper = RuntimeError(f"no data: {group.exceptions[0]}")

    def wrap():
        raise wrapper from group

    assert leaving(block, wrap) is wrapper
    assert "".join(traceback.format_exception(wrapper)).count("likely     ") == 1
