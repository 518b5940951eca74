"""SECURITY.md names tests that there are."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", TEXT)))


def defined():
    """The tests that pytest collects: functions of test files by that prefix."""
    files = sorted((ROOT / "tests").glob("test_*.py"))
    functions = (node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body)
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in functions if isinstance(node, kinds) and node.name.startswith("test_")}


DEFINED = defined()


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name):
    """A test that is renamed or removed takes its promise along, or its new name is written there."""
    assert name in DEFINED


def test_every_promise_names_a_test():
    """Each point of the lists is held by one test at least."""
    promises = re.split(r"^- ", TEXT.partition("## What is less")[0], flags=re.MULTILINE)[1:]
    assert len(promises) > 20
    assert [promise for promise in promises if not re.search(r"`test_\w+`", promise)] == []
