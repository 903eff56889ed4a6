"""A real ipykernel for tests, driven as a notebook page (with a cell id) or as nbclient (without input)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from tests.canary import keys_in

PATIENCE = 60.0
"""Seconds after which a wait is a failure."""


@dataclass
class Ran:
    """What running a cell has sent."""

    status: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    payload: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The contents of the messages of a kind."""
        return [message["content"] for message in self.messages if message["msg_type"] == kind]

    @property
    def stdout(self) -> str:
        return "".join(content["text"] for content in self.of("stream"))

    @property
    def error(self) -> str:
        """The error the cell ended in, as shown, without colours; "" for none."""
        return "\n".join("\n".join(content["traceback"]) for content in self.of("error"))

    @property
    def displayed(self) -> list[dict[str, Any]]:
        """The data bundles of ``display_data``."""
        return [content["data"] for content in self.of("display_data")]

    @property
    def updated(self) -> list[dict[str, Any]]:
        """The data bundles of ``update_display_data``."""
        return [content["data"] for content in self.of("update_display_data")]

    @property
    def result(self) -> str:
        """The cell's value as plain text."""
        return "".join(content["data"]["text/plain"] for content in self.of("execute_result"))


class Kernel:
    """A running kernel; cells are numbered as in a notebook."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def send(
        self, code: str, *, cell_id: str | None = None, allow_stdin: bool = True, deleted: Sequence[str] = ()
    ) -> str:
        """Send a cell as a page would, with the ids of the cells deleted since; return the request's id."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": True,
        }
        metadata: dict[str, Any] = {} if cell_id is None else {"cellId": cell_id}
        if deleted:
            metadata["deletedCells"] = [*deleted]
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def messages(self, request: str) -> Iterator[dict[str, Any]]:
        """The iopub messages of a request, until it is idle."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            # No key in anything a kernel says, in the whole suite.
            assert not keys_in(repr(message).encode()), "a key is in a message of the kernel"
            if message["parent_header"].get("msg_id") != request:
                continue
            yield message
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
        raise TimeoutError(f"the cell did not end in {PATIENCE} s")

    def begun(self, request: str) -> None:
        """Wait until a request's code is about to run: an interrupt before that hits the kernel itself."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == "execute_input":
                return
        raise TimeoutError(f"the cell did not begin in {PATIENCE} s")

    def collect(self, request: str) -> Ran:
        ran = Ran(messages=list(self.messages(request)))
        reply = self.collect_reply(request)
        ran.status = reply["content"]["status"]
        ran.payload = reply["content"].get("payload", [])
        return ran

    def collect_reply(self, request: str) -> dict[str, Any]:
        """The kernel's reply to a request."""
        while (reply := self.client.get_shell_msg(timeout=PATIENCE))["parent_header"]["msg_id"] != request:
            pass
        return dict(reply)

    def run(self, code: str, *, cell_id: str | None = None, allow_stdin: bool = True) -> Ran:
        """Run a cell to its end."""
        return self.collect(self.send(code, cell_id=cell_id, allow_stdin=allow_stdin))

    def value(self, expression: str) -> str:
        """The repr of an expression in the kernel."""
        ran = self.run(f"print(repr({expression}))")
        assert ran.status == "ok", ran.error
        return ran.stdout.strip()


def answer_input(kernel: Kernel, text: str) -> str:
    """Answer what the running cell asks the person at the page; return the question."""
    message = kernel.client.get_stdin_msg(timeout=PATIENCE)
    assert message["msg_type"] == "input_request"
    kernel.client.input(text)
    return str(message["content"]["prompt"])


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """The environment without any credential or setting of ours, with a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANTHROPIC_", "CLAUDE_MAGIC_", "JUPYTER_", "IPYTHON"))
    }
    return {**kept, "HOME": str(home), "IPYTHONDIR": str(home / "ipython"), **extra}


@contextmanager
def running_kernel(home: Path, **extra: str) -> Iterator[Kernel]:
    """Start a kernel of this Python with a clean environment; end it by its process."""
    manager = KernelManager(connection_file=str(home / "kernel.json"), transport="ipc", ip=str(home / "ipc"))
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="test",
        language="python",
    )
    manager.start_kernel(env=clean_environment(home, **extra), cwd=str(home))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
