"""Starting and stopping the local Messages API as a child process that never outlives its parent."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .pledge import Pledge

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = str(Path(__file__).resolve().parents[2])

# The child must find this very package wherever the parent was started from, and must not import a stray
# `random.py` of the notebook's folder: hence -P (no current folder on the path) and the explicit root.
_BOOT = (
    "import runpy, sys; root = sys.argv.pop(1); sys.path[:0] = [] if root in sys.path else [root]; "
    "runpy.run_module('claude_magic.offline', run_name='__main__', alter_sys=True)"
)


class LocalApiFailed(RuntimeError):
    """The local Messages API did not come up; the message says why."""


class LocalApi:
    """A running local Messages API.

    Parameters
    ----------
    process
        The server's process.
    url
        The base URL, such as ``http://127.0.0.1:40123``, without ``/v1``.
    token
        The API key this server wants; it is not in the ``repr``.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._process = process
        # Runs once: at stop(), when the object is collected, or at interpreter exit.
        self._finalizer = weakref.finalize(self, _end, process, os.getpid())

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the server's process is still there."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server within a few seconds; doing it twice is fine."""
        self._finalizer()

    def __enter__(self) -> LocalApi:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"LocalApi(url={self.url!r}, pid={self.pid}, alive={self.alive})"


def start(
    *,
    pace: float | None = None,
    models: Sequence[str] = (),
    files: bool = True,
    files_expire: float | None = None,
    patience: float | None = None,
    batches: Pledge | None = None,
    timeout: float = 20.0,
) -> LocalApi:
    """Start a local Messages API on a free loopback port.

    Parameters
    ----------
    pace
        Tokens per second of a streamed answer; 0 is as fast as it can, None the server's own pace.
    models
        Ids of the models to offer; all it knows when empty.
    files
        Whether it has the Files API.
    files_expire
        Seconds after which an uploaded file expires at the latest; None for never.
    patience
        Seconds for which it waits for the headers of a slow client, for its body, or for it to read on;
        None for 10, 60 and 30.
    batches
        What becomes of Message Batches; None for answers within a moment.
    timeout
        Seconds to wait until it listens.

    Returns
    -------
    LocalApi
        Its address and token. The server ends with ``stop()``, or by itself when this process ends.

    Raises
    ------
    LocalApiFailed
        The process could not be started, ended at once, or did not listen in time.
    """
    arguments = _arguments(pace, models, files, files_expire, patience)
    for name, value in () if batches is None else vars(batches).items():
        arguments += [f"--batch-{name}", str(value)]
    if not sys.executable:
        raise LocalApiFailed("The local API needs a Python interpreter, and sys.executable is empty.")
    with tempfile.TemporaryFile() as complaints:
        try:
            # A session of its own: the interrupt of a notebook goes to the kernel's process group.
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, _ROOT, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )
        except OSError as error:
            raise LocalApiFailed(f"The local API could not be started: {error}") from error
        try:
            greeting = _greeting(process, timeout)
            return LocalApi(process, url=str(greeting["url"]), token=str(greeting["token"]))
        except BaseException as error:
            _end(process, os.getpid())
            if not isinstance(error, (ValueError, KeyError, TypeError, queue.Empty)):
                raise
            raise LocalApiFailed(_reason(error, complaints, timeout)) from None


def _arguments(
    pace: float | None,
    models: Sequence[str],
    files: bool,
    files_expire: float | None,
    patience: float | None,
) -> list[str]:
    arguments = [] if pace is None else ["--pace", str(pace)]
    if models:
        arguments += ["--models", ",".join(models)]
    if not files:
        arguments.append("--no-files")
    if files_expire is not None:
        arguments += ["--files-expire", str(files_expire)]
    if patience is not None:
        arguments += ["--patience", str(patience)]
    return arguments


def _greeting(process: subprocess.Popen[bytes], timeout: float) -> dict[str, Any]:
    """Return the child's one line of JSON; raises `queue.Empty` when it does not come in time."""
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    output = process.stdout
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            lines.put(output.readline())

    # A thread, since Windows cannot wait on a pipe with a time limit.
    threading.Thread(target=read, name="claude_magic-local-api", daemon=True).start()
    greeting = json.loads(lines.get(timeout=timeout))
    if not isinstance(greeting, dict):
        raise TypeError("the greeting is not an object")
    return greeting


def _reason(error: BaseException, complaints: IO[bytes], timeout: float) -> str:
    if isinstance(error, queue.Empty):
        return f"The local API did not listen within {timeout:g} s."
    complaints.seek(0)
    last = complaints.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
    return "The local API ended at once" + (f": {last[-1]}" if last else ".")


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the child: first by closing its input, then by force. A forked copy of the owner leaves it be."""
    if os.getpid() != owner:
        return
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    for insist in (None, process.terminate, process.kill):
        if insist is not None:
            insist()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)
            break
    if process.stdout is not None:
        with contextlib.suppress(OSError):
            process.stdout.close()
