"""Blocks entered, left, nested, raised out of and swapped in random order, over threads and tasks, against a model."""

import asyncio
import concurrent.futures
import queue
import tempfile
import threading
import urllib.request
import warnings
from pathlib import Path

import pytest
import trustme
from conftest import assert_same, state
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from servers import Server, fetch, serving, verify_failure

from trusted_context import InsecureWarning, current, trusted_context
from trusted_context.core import live

pytestmark = pytest.mark.slow

_CA, _OTHER = trustme.CA(), trustme.CA()
_ACTORS = ("main", "thread 1", "thread 2", "task")
_KINDS = ("trusting", "refusing", "insecure", "one host", "local trusting", "local refusing", "local insecure")
# What each kind leaves unverified, of all hosts.
_UNVERIFIED = {"insecure": {"localhost", "any other"}, "one host": {"localhost"}}


class _Thread:
    """A thread with a context of its own that runs what it is given; asked for a task, inside an event loop's task."""

    def __init__(self, *, as_task):
        self._work = queue.SimpleQueue()
        target = (lambda: asyncio.run(self._as_task())) if as_task else self._serve
        self._thread = threading.Thread(target=target, daemon=True)
        self._thread.start()

    async def _as_task(self):
        await asyncio.create_task(asyncio.sleep(0))
        self._serve()

    def _serve(self):
        while (job := self._work.get()) is not None:
            function, result = job
            try:
                result.set_result(function())
            except BaseException as error:  # noqa: BLE001  # whatever it is, the caller gets it
                result.set_exception(error)

    def run(self, function):
        result = concurrent.futures.Future()
        self._work.put((function, result))
        return result.result(20)

    def stop(self):
        self._work.put(None)
        self._thread.join(20)


class _Inline:
    """The main thread."""

    def run(self, function):
        return function()

    def stop(self):
        pass


class Blocks(RuleBasedStateMachine):
    """The model is a list of (actor, kind, block, the model's own entries around it) in the order of entering."""

    url = ""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        trusting, refusing = (Path(self.folder.name, name) for name in ("trusting.pem", "refusing.pem"))
        trusting.write_bytes(_CA.cert_pem.bytes())
        refusing.write_bytes(_OTHER.cert_pem.bytes())
        self.arguments = {
            "trusting": {"cafile": trusting},
            "refusing": {"cafile": refusing},
            "insecure": {"insecure": True},
            "one host": {"cafile": refusing, "insecure": {"localhost"}},
        }
        self.shared = {kind: self.make(kind) for kind in _KINDS}
        self.actors = {name: _Thread(as_task=name == "task") if name != "main" else _Inline() for name in _ACTORS}
        self.live = []
        self.before = None

    @initialize(built=st.booleans())
    def begin(self, built):
        urllib.request.install_opener(urllib.request.build_opener() if built else None)
        self.before = state()

    def make(self, kind):
        return trusted_context(**self.arguments[kind.removeprefix("local ")], local=kind.startswith("local"))

    def enter_in(self, actor, block):
        def enter():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InsecureWarning)
                block.start()

        # warnings' filters are the process's: one actor at a time runs here, and what each does ends before the next.
        self.actors[actor].run(enter)

    @rule(actor=st.sampled_from(_ACTORS), kind=st.sampled_from(_KINDS), shared=st.booleans())
    def enter(self, actor, kind, shared):
        block = self.shared[kind] if shared else self.make(kind)
        self.enter_in(actor, block)
        around = [entry for entry in self.live if entry[0] == actor]
        self.live.append((actor, kind, block, around))

    @rule(which=st.integers(0, 99))
    def leave_where_it_was_entered(self, which):
        if self.live:
            actor, _, block, _ = self.live[which % len(self.live)]
            self.actors[actor].run(block.stop)
            # One object entered twice by an actor: the newest of its entries ends.
            self.live.remove([entry for entry in self.live if entry[0] == actor and entry[2] is block][-1])

    @rule(which=st.integers(0, 99), elsewhere=st.sampled_from(_ACTORS))
    def leave_elsewhere(self, which, elsewhere):
        alone = [entry for entry in self.live if sum(other[2] is entry[2] for other in self.live) == 1]
        if alone:
            entry = alone[which % len(alone)]
            self.actors[elsewhere].run(entry[2].stop)
            self.live.remove(entry)

    @rule(actor=st.sampled_from(_ACTORS), kind=st.sampled_from(_KINDS))
    def raise_out_of(self, actor, kind):
        block = self.make(kind)

        def visit():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InsecureWarning)
                try:
                    with block:
                        assert current() is block
                        raise ZeroDivisionError
                except ZeroDivisionError:
                    pass

        self.actors[actor].run(visit)

    @rule(which=st.integers(0, 99), kind=st.sampled_from(_KINDS))
    def swap(self, which, kind):
        if self.live:
            actor = self.live[which % len(self.live)][0]
            self.leave_where_it_was_entered(which)
            self.enter(actor, kind, shared=False)

    def governing(self, actor):
        """DESIGN's three steps, in the model's words."""
        own = [entry for entry in self.live if entry[0] == actor]
        if own:
            return own[-1]
        wide = [entry for entry in self.live if not entry[1].startswith("local")]
        for entry in reversed(wide):
            off = _UNVERIFIED.get(entry[1], set())
            stricter = [other for other in wide if off - _UNVERIFIED.get(other[1], set())]
            if all(any(other is around for around in entry[3]) for other in stricter):
                return entry
        return None

    @invariant()
    def the_right_block_governs_everywhere(self):
        for actor, runner in self.actors.items():
            expected = self.governing(actor)
            assert runner.run(current) is (expected[2] if expected else None), (actor, expected)
        assert len(live._entries) == len(self.live)

    @rule(actor=st.sampled_from(_ACTORS))
    def download(self, actor):
        expected = self.governing(actor)
        outcome = self.actors[actor].run(lambda: _outcome(self.url))
        assert outcome == (expected is not None and "refusing" not in expected[1])

    @invariant()
    def the_process_is_as_it_was_when_none_is_live(self):
        if self.before is not None and not self.live:
            after = state()
            if self.before["opener"] is None and after["opener"] is not None:
                self.before["opener"] = after["opener"]  # urlopen() itself made one, outside any block
            assert_same(self.before, after)

    def teardown(self):
        for actor, _, block, _ in reversed(self.live):
            self.actors[actor].run(block.stop)
        self.live.clear()
        self.the_process_is_as_it_was_when_none_is_live()
        for runner in self.actors.values():
            runner.stop()
        self.folder.cleanup()


def _outcome(url):
    try:
        fetch(url)
    except OSError as error:
        assert verify_failure(error), error
        return False
    return True


def test_random_histories_of_blocks_are_governed_as_the_model_says():
    """After each step each actor is governed by the block that the rules name; at the end all is as it was."""
    from hypothesis.stateful import run_state_machine_as_test

    with serving(Server(_CA.issue_cert("localhost"))) as server:
        Blocks.url = server.url
        run_state_machine_as_test(
            Blocks,
            settings=settings(
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
