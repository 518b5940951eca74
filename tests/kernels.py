"""A real Jupyter kernel, and what a front end sees of it."""

import contextlib
import os
import queue
import re
import time
import uuid

import pytest

jupyter_client = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Outcome:
    """What a cell printed, displayed and raised."""

    def __init__(self):
        self.printed = self.warned = self.failed = ""
        self.error = self.result = None

    def __repr__(self):
        return f"<{self.printed=} {self.warned=} {self.result=} {self.failed=}>"


class Kernel:
    """A kernel that runs cells one after the other."""

    def __init__(self, manager, client):
        self.manager = manager
        self.client = client

    def run(self, code, *, cell=None, **options):
        """Run *code* and wait for its end; *cell* is the name that JupyterLab and VS Code give the cell."""
        return self.wait(self.start(code, cell=cell, **options))

    def start(self, code, *, cell=None, **options):
        """Ask for *code* to be run; return what to wait for."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = self.client.session.msg("execute_request", content | options)
        message["metadata"] = {"cellId": cell} if cell else {}
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def wait(self, asked):
        """What came of it."""
        outcome = Outcome()
        end = time.monotonic() + 40
        while time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                message = self.client.get_iopub_msg(timeout=1)
                if message["parent_header"].get("msg_id") == asked and _note(outcome, message):
                    return outcome
        raise TimeoutError(f"the cell did not end: {outcome}")

    def wait_for(self, asked, text):
        """Wait until the cell has printed *text*."""
        end = time.monotonic() + 40
        while time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                message = self.client.get_iopub_msg(timeout=1)
                if message["parent_header"].get("msg_id") == asked and text in message["content"].get("text", ""):
                    return
        raise TimeoutError(f"the cell did not print {text!r}")

    def complete(self, code):
        """What the kernel offers at the end of *code*."""
        return set(self.client.complete(code, reply=True, timeout=40)["content"]["matches"])


def _note(outcome, message):
    content = message["content"]
    kind = message["msg_type"]
    if kind == "stream":
        name = "printed" if content["name"] == "stdout" else "warned"
        setattr(outcome, name, getattr(outcome, name) + content["text"])
    elif kind in {"execute_result", "display_data"}:
        outcome.result = content["data"]
    elif kind == "error":
        outcome.error = content["ename"]
        outcome.failed = _COLOURS.sub("", "\n".join(content["traceback"]))
    return kind == "status" and content["execution_state"] == "idle"


@contextlib.contextmanager
def running(folder):
    """A kernel whose files are all in *folder*."""
    own = {name: str(folder / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "HOME")}
    environment = os.environ | own | {"NO_COLOR": "1"}
    manager = jupyter_client.KernelManager(
        kernel_name="python3", connection_file=str(folder / f"{uuid.uuid4().hex}.json")
    )
    manager.start_kernel(env=environment)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=40)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.cleanup_resources()
