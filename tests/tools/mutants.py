"""Plant one fault at a time in a module, and tell which of them its tests let pass: ``nox -s mutants``.

The package and the tests are copied, one expression or statement of the copied package is exchanged, and the module's
tests run with it first on PYTHONPATH, which the programs that they start inherit. First run the quickest of those that
reach the line of the fault, and all of them only where none of these notices it. What ``tests/mutants.md`` judges is
not tried. Not for every change: it takes minutes for each module. Needs Python 3.12.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import contextlib
import copy
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple, Self

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "trusted_context"
JUDGED = ROOT / "tests" / "mutants.md"

_OF_LAYER = ("choices", "changes", "connections", "settings", "defaults", "native")
_LAYER = ("layer", *(f"layer_{name}" for name in _OF_LAYER))
# The modules, and the tests that are to notice a fault in them, the quickest first.
TARGETS = {
    "clients/seen_contexts.py": [*_LAYER, "truststore", "httpx_truststore"],
    "clients/for_ssl.py": [*_LAYER, "insecure", "truststore"],
    "core/contexts.py": [*_LAYER, "insecure", "truststore", "bundle"],
    "core/connections.py": [*_LAYER, "truststore"],
    "sources/defaults.py": [*_LAYER, "truststore"],
    "core/trust.py": [
        "trust",
        "insecure",
        "arguments",
        "block_contexts",
        "layer_connections",
        "layer_settings",
        "refresh",
        "urllib3",
        "workers",
    ],
    "core/live.py": [
        "third_threads",
        "governing",
        "refresh",
        "decorator",
        "replacing",
        "threads",
        "children",
        "processes",
        "stateful",
    ],
    "clients/for_urllib3.py": [
        "urllib3",
        "urllib3_contexts",
        "urllib3_proxies",
        "pinned_proxies",
        "requests",
        "requests_adapters",
        "requests_proxies",
    ],
    "core/redaction.py": ["redaction", "limits", "arguments", "secrets", "hosts", "check_hostile", "bundle_errors"],
    "core/hosts.py": ["host_grammar", "limits", "arguments", "hosts", "insecure"],
    "clients/downgrade.py": ["downgrade", "downgrade_urls"],
    "core/urls.py": ["downgrade_urls"],
    "sources/environment.py": ["environ", "exported_file", "threads", "children"],
    "sources/exported_file.py": ["written_file", "exported_file"],
    "clients/for_urllib.py": ["urllib", "urllib_openers", "restore", "urllib_proxies", "downgrade"],
    "clients/for_aiohttp.py": ["aiohttp", "aiohttp_connections", "aiohttp_imports", "aiohttp_proxies", "layer"],
    "clients/for_botocore.py": ["botocore"],
    "clients/for_httpx.py": ["httpx", "httpx_async", "httpx_trust", "httpx_seams", "httpx_proxies", "httpx_truststore"],
    "clients/httpx_defaults.py": ["httpx_trust", "httpx_truststore", "httpx_seams"],
}

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


# How many tests run with a fault before all do: those that noticed others, the last one first, and the quickest.
_MOST_LIKELY = 12
_MOST_QUICKEST = 20


class Mutant(NamedTuple):
    """One fault: *old*, at these offsets of the module's text, becomes *new*."""

    where: str
    start: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.where}: `{self.old}` -> `{self.new}`"


def mutants_of(module: str) -> list[Mutant]:
    """Every fault that is planted in the module, in the order of its lines."""
    text = (PACKAGE / module).read_text(encoding="utf-8")
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line.encode()))
    raw = text.encode()
    found: dict[Mutant, None] = {}

    def visit(node: ast.AST, where: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            where = f"{where}.{node.name}" if where != module else f"{module} {node.name}"
        if isinstance(node, ast.If | ast.Assign) and ast.unparse(node).startswith(
            ("if TYPE_CHECKING", "TYPE_CHECKING")
        ):
            return
        for changed in _changes(node):
            start, end = (lines[row - 1] + column for row, column in _span(node))
            found[Mutant(where, start, end, _one_line(raw[start:end].decode()), changed)] = None
        for child in ast.iter_child_nodes(node):
            if child not in _annotations(node) and getattr(child, "arg", None) != "maxsize":
                visit(child, where)

    visit(ast.parse(text), module)
    return list(found)


def _annotations(node: ast.AST) -> tuple[ast.AST | None, ...]:
    return getattr(node, "annotation", None), getattr(node, "returns", None)


def _span(node: ast.AST) -> tuple[tuple[int, int], tuple[int, int]]:
    node = node.test if isinstance(node, ast.If) else node
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _changes(node: ast.AST) -> list[str]:  # noqa: C901, PLR0911, PLR0912  # one case for each kind of node
    """What may stand in the place of *node*, or, of an ``if``, in that of its test."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _SWAPPED:
            changed = ast.Compare(node.left, [_SWAPPED[type(operator)]()], node.comparators)
            backwards = ast.Compare(node.comparators[0], [operator], [node.left])
            return [ast.unparse(changed)] + [ast.unparse(backwards)] * isinstance(operator, ast.Lt | ast.LtE | ast.Gt)
        case ast.BoolOp(values=[*values]):
            without = [values[:place] + values[place + 1 :] for place in range(len(values))]
            fewer = [ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0] for rest in without]
            return [f"({ast.unparse(each)})" for each in (ast.BoolOp(_SWAPPED[type(node.op)](), values), *fewer)]
        case ast.BinOp(op=operator) if type(operator) in _SWAPPED:
            return [f"({ast.unparse(ast.BinOp(node.left, _SWAPPED[type(operator)](), node.right))})"]
        case ast.UnaryOp(op=ast.Not()):
            return [f"({ast.unparse(node.operand)})"]
        case ast.Constant(value=bool(value)):
            return [str(not value)]
        case ast.Constant(value=int(value)):
            return [str(value + 1)]
        case ast.Call(func=ast.Name(id="reversed" | "sorted"), args=[argument]):
            return [f"list({ast.unparse(argument)})"]
        case ast.Subscript(slice=ast.Slice(step=ast.UnaryOp())):
            return [ast.unparse(node.value)]
        case ast.If():
            return ["True", "False"]
        case ast.IfExp():
            return [f"({ast.unparse(node.body)})", f"({ast.unparse(node.orelse)})"]
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Delete():
            return ["pass"]
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return ["pass"]
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            return ["return None"]
    return []


class _Copy:
    """A copy of the package, in which one fault at a time is planted, and a process that runs its tests."""

    def __init__(self, module: str, folder: str) -> None:
        for name in ("src", "tests", "docs", "examples", "fuzz", "tools"):
            shutil.copytree(ROOT / name, pathlib.Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        for file in (*ROOT.glob("*.md"), *ROOT.glob("*.py"), ROOT / "pyproject.toml"):
            shutil.copy(file, folder)
        self._folder = folder
        self._path = pathlib.Path(folder, "src", "trusted_context", module)
        self._text = self._path.read_bytes()
        self._files = [f"tests/test_{name}.py" for name in TARGETS[module]]
        self._runner = self._start({})
        passed, failed, *told = self._ask(600, self._files, [], str(self._path))
        if not passed:
            raise SystemExit(f"{module}: its tests fail without any fault: {failed}")
        # Of each test the seconds that it takes, and the lines of the module that it runs.
        self._tests: dict[str, tuple[float, list[int]]] = told[0]
        self._limit = 3 * sum(taken for taken, _ in self._tests.values()) + 15
        self.close()
        # From now on nothing is compiled to a file, since that of one fault could be taken for another's.
        for compiled in self._path.parent.glob(f"__pycache__/{self._path.stem}.*"):
            compiled.unlink()

    def again(self, folder: str) -> Self:
        """Another copy, for a fault at the same time."""
        shutil.copytree(self._folder, folder)
        another = copy.copy(self)
        another._folder = folder
        another._path = pathlib.Path(folder, self._path.relative_to(self._folder))
        return another

    def open(self) -> None:
        """Start the process."""
        self._runner = self._start({"PYTHONDONTWRITEBYTECODE": "1"})

    def _start(self, more: dict[str, str]) -> subprocess.Popen[str]:
        folder = self._folder
        environment = os.environ | {"PYTHONPATH": os.path.join(folder, "src")} | more
        runner = [sys.executable, "-W", "ignore", os.path.join(folder, "tests", "tools", "warm.py")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        return subprocess.Popen(runner, cwd=folder, env=environment, **pipes)

    def _ask(self, seconds: float, tests: list[str], first: list[str], source: str | None = None) -> tuple[Any, ...]:
        options = ["-q", "-x", "-n0", "-m", "", "-p", "no:cacheprovider", "-p", "no:randomly", "--timeout=20"]
        print(json.dumps([seconds, options + tests, first, source]), file=self._runner.stdin, flush=True)
        return tuple(json.loads(self._runner.stdout.readline()))

    def passes(self, mutant: Mutant, first: list[str]) -> tuple[bool, list[str]]:
        """Whether the tests pass with the fault, and which noticed it; one that makes them hang is noticed."""
        self._path.write_bytes(self._text[: mutant.start] + mutant.new.encode() + self._text[mutant.end :])
        reaching = self._reaching(mutant)
        likely = [name for name in first if name in reaching][:_MOST_LIKELY]
        quickest = sorted(reaching.keys() - likely, key=reaching.__getitem__)[:_MOST_QUICKEST]
        for tests in (likely + quickest, self._files):
            if tests:
                passed, failed = self._ask(self._limit, tests, first)
                if not passed:
                    return False, failed
        return True, []

    def _reaching(self, mutant: Mutant) -> dict[str, float]:
        """The tests that run a line of the fault, and the seconds that each takes."""
        begins, ends = (self._text.count(b"\n", 0, place) + 1 for place in (mutant.start, mutant.end))
        fault = range(begins, ends + 1)
        return {name: taken for name, (taken, lines) in self._tests.items() if not set(lines).isdisjoint(fault)}

    def close(self) -> None:
        """End the process."""
        self._runner.stdin.close()
        self._runner.wait()


def survivors(module: str, jobs: int, deadline: float, among: str) -> tuple[list[Mutant], int, int]:
    """The faults that the tests let pass, each told when it is found, how many were tried, and how many there are."""
    judged = " ".join(JUDGED.read_text(encoding="utf-8").split())
    noticing: list[str] = []  # what noticed the faults just before, as it is likely to notice the next

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
        copies: queue.SimpleQueue[_Copy] = queue.SimpleQueue()
        first = _Copy(module, os.path.join(folder, "0"))
        for one in (first, *(first.again(os.path.join(folder, str(number))) for number in range(1, jobs))):
            one.open()
            ending.callback(one.close)
            copies.put(one)

        def survives(mutant: Mutant) -> bool | None:
            if time.monotonic() > deadline:
                return None
            one = copies.get()
            try:
                passed, failed = one.passes(mutant, noticing[::-1])
            finally:
                copies.put(one)
            for name in failed:
                noticing[:] = [other for other in noticing if other != name] + [name]
            if passed:
                print(f"  {mutant}", flush=True)
            return passed

        faults = [fault for fault in mutants_of(module) if among in str(fault) and f"{fault}:" not in judged]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(survives, faults))
    passed = [fault for fault, outcome in zip(faults, outcomes, strict=True) if outcome]
    return passed, len(faults) - outcomes.count(None), len(faults)


def main() -> int:
    """Try the modules named, or all; the status is 1 where a fault passes that is not judged."""
    parser = argparse.ArgumentParser(description="Which faults do the tests let pass?")
    parser.add_argument("modules", nargs="*", choices=[*TARGETS, []], metavar="module", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long (60)")
    parser.add_argument("--among", default="", help="only the faults whose line of the report has this")
    parser.add_argument("--jobs", type=int, default=2, help="how many faults at once")
    given = parser.parse_args()
    deadline = time.monotonic() + 60 * given.minutes
    passed: list[Mutant] = []
    for module in given.modules or TARGETS:
        found, tried, known = survivors(module, given.jobs, deadline, given.among)
        print(f"{module}: {len(found)} of {tried} faults passed ({known - tried} of {known} not tried)", flush=True)
        passed += found
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
