"""Tasks for the tests under load: blocks within blocks, and in each of them what its servers must come to."""

from __future__ import annotations

import contextlib
import copy
import http.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3
from client import aiohttp, botocore, httpx, httpx2
from load_servers import FAULTS
from servers import BODY, verify_failure

from trusted_context import trusted_context

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

_ADDRESS = "127.0.0.1"
_WAYS = ("with", "with", "start", "decorator")
_ERRORS = (
    OSError,
    http.client.HTTPException,
    urllib3.exceptions.HTTPError,
    *(library.HTTPError for library in (httpx, httpx2) if library),
    *((aiohttp.ClientError,) if aiohttp else ()),
    *((botocore.exceptions.BotoCoreError,) if botocore else ()),
)


@dataclass(frozen=True)
class Target:
    """One URL of load_servers.py."""

    server: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}{self.path}"


@dataclass(frozen=True)
class Layer:
    """A block, what it trusts, and the ways that a task enters it."""

    block: Any
    trusts: str
    insecure: bool | frozenset[str] = False

    def expects(self, target: Target) -> str:
        """What comes of the target in this block: "fetched", "refused" for its certificate, or "failed"."""
        if target.server == "deaf":
            return "failed"
        unverified = self.insecure is True or (self.insecure and target.host in self.insecure)
        if not unverified and target.server not in self.trusts.split():
            return "refused"
        return "failed" if target.path in FAULTS else "fetched"


class Nowhere:
    """In no block of the task's own: whatever others trust, nobody's server is reached without being verified."""

    @staticmethod
    def expects(target: Target) -> str | None:
        """Nothing, where it hangs on who else is in a block just now."""
        return "failed" if target.server == "deaf" else None

    @staticmethod
    def forbids(target: Target) -> bool:
        """Whether reaching the target would be an insecure block's doing."""
        return target.server in {"stranger", "misnamed"}


@dataclass(frozen=True)
class Step:
    """A block to enter, how, what to fetch in it, and the step inside it."""

    layer: Layer
    way: str
    targets: tuple[tuple[int, Target], ...]
    inner: Step | None


def layers(folder: Path) -> list[Layer]:
    """Blocks of every kind. SSL_CERT_FILE is to name the CA "c" for the last."""
    files = {name: str(folder / f"{name}.pem") for name in "abc"}
    found = []
    for name, file in files.items():
        for local in (False, True):
            found.append(Layer(trusted_context(file, local=local), name))
            some = trusted_context(file, insecure={_ADDRESS}, local=local)
            found.append(Layer(some, name, frozenset({_ADDRESS})))
        found.append(Layer(trusted_context(file, export=True), name))
    found.append(Layer(trusted_context([files["a"], files["b"]], export=True), "a b"))
    found += [Layer(trusted_context(insecure=True, local=local), "", insecure=True) for local in (False, True)]
    found.append(Layer(trusted_context(), "c"))
    return found


def plan(chance: random.Random, blocks: list[Layer], ports: dict[str, int], clients: int, depth: int = 0) -> Step:
    """A task at random."""
    layer = chance.choice(blocks)
    if chance.random() < 0.5:  # else an object that other threads are in, too
        layer = Layer(copy.copy(layer.block), layer.trusts, layer.insecure)
    targets = tuple((chance.randrange(clients), _target(chance, ports)) for _ in range(2 if depth == 0 else 1))
    inner = plan(chance, blocks, ports, clients, depth + 1) if depth < 2 and chance.random() < 0.3 else None
    return Step(layer, chance.choice(_WAYS), targets, inner)


def _target(chance: random.Random, ports: dict[str, int]) -> Target:
    server = chance.choices(list(ports), [4, 4, 4, 4, 2, 1])[0]
    path = chance.choice(list(FAULTS)) if chance.random() < 0.1 else "/"
    return Target(server, chance.choice(("localhost", _ADDRESS)), ports[server], path)


def outcome_of(error: BaseException) -> str:
    """What a client's failure comes to; any other error is raised."""
    if not isinstance(error, _ERRORS):
        raise error
    return "failed" if verify_failure(error) is None else "refused"


def check(layer: Layer | Nowhere, client: str, target: Target, outcome: str | bytes) -> None:
    """See that this is what the block says."""
    outcome = "fetched" if outcome == BODY else outcome
    expected = layer.expects(target)
    told = f"{client} for {target} in {layer}: {outcome}"
    assert expected in {None, outcome}, f"{told}, not {expected}"
    assert not (isinstance(layer, Nowhere) and layer.forbids(target) and outcome == "fetched"), told


def perform(step: Step, visit: Callable[..., None]) -> None:
    """Do a task in this thread: *visit* fetches, through a function around that if there is one, and checks."""

    def inside() -> None:
        for client, target in step.targets:
            visit(step.layer, client, target)
        if step.inner is not None:
            perform(step.inner, visit)
            visit(step.layer, *step.targets[0])

    block = step.layer.block
    if step.way == "decorator":
        block(inside)()
        visit(step.layer, *step.targets[0], around=block)
    elif step.way == "start":
        with contextlib.ExitStack() as stack:
            stack.callback(block.stop)
            block.start()
            inside()
    else:
        with block:
            inside()


async def perform_async(step: Step, visit: Callable[..., Any]) -> None:
    """The same in a task of an event loop."""

    async def inside() -> None:
        for client, target in step.targets:
            await visit(step.layer, client, target)
        if step.inner is not None:
            await perform_async(step.inner, visit)
            await visit(step.layer, *step.targets[0])

    if step.way == "decorator":
        await step.layer.block(inside)()
        await visit(step.layer, *step.targets[0], around=step.layer.block)
    else:
        async with step.layer.block:
            await inside()
