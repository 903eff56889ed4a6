"""The key goes into the request and nowhere else: a canary, and a search of all that leaves a kernel."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernels import Kernel, Ran, running_kernel

KEY = "sk-ant-canary-0123456789abcdef"
CANARY = "canary"

SESSION = "session = get_ipython().magics_manager.registry['ClaudeMagics']._open()"
SHOWN = f"""{SESSION}
import pprint
connection = session._connection
client, endpoint = connection._client, connection._endpoint
inside = [vars(one) for one in (session, connection, client, client._client)]
for thing in (client, endpoint, *inside, client._client.headers):
    print(repr(thing), str(thing))
    pprint.pprint(thing)
"""
BUG = """import httpx2
from claude_magic.api import stream, client
from claude_magic import session
_right = session.ask, client.Anthropic.copy
def _wrong(*given, **named):
    raise RuntimeError("a bug")
"""
# Every variable in every frame of the last error and of all that stands behind it, as %debug would show them.
FRAMES = """import sys
def _behind(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
for _error in _behind(sys.last_value):
    print("error:", type(_error).__name__)
    _tb = _error.__traceback__
    while _tb is not None:
        _code, _variables = _tb.tb_frame.f_code, _tb.tb_frame.f_locals
        if "claude_magic" in _code.co_filename or "site-packages" in _code.co_filename:
            print("frame:", _code.co_name, {name: repr(value) for name, value in _variables.items()})
        _tb = _tb.tb_next
"""


class Wire:
    """A raw socket that answers every request with the same bytes and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer = b""
        self.received: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self._one(connection)

    def _one(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65_536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        while length and len(body) < int(length[1]):
            body += connection.recv(65_536)
        self.received.append(head)
        connection.sendall(self.answer)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


def response(status: int, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}x-should-retry: false\r\nConnection: close\r\n\r\n".encode() + body


def reply(text: str) -> bytes:
    """A whole reply as an event stream."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {**message, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return response(200, body.encode(), "text/event-stream")


class Watched:
    """A kernel of which everything that it sends is kept."""

    def __init__(self, kernel: Kernel, wire: Wire) -> None:
        self.kernel = kernel
        self.wire = wire
        self.sent = ""

    def run(self, code: str) -> Ran:
        ran = self.kernel.run(code, allow_stdin=False)
        self.sent += repr(ran)
        return ran

    def line(self, code: str) -> str:
        """The one line a cell fails with."""
        error = re.sub(r"\x1b\[[0-9;]*m", "", self.run(code).error)
        assert error
        assert "\n" not in error
        return error

    def look(self) -> None:
        """Everything that shows an error again: %tb, the standard traceback, the variables of all frames."""
        for code in ("%tb", "import sys, traceback; traceback.print_exception(sys.last_value)", FRAMES):
            self.run(code)


@pytest.fixture
def wire() -> Iterator[Wire]:
    serving = Wire()
    yield serving
    serving.close()


@contextmanager
def watched(home: Path, wire: Wire, capfd: pytest.CaptureFixture[str], **extra: str) -> Iterator[Watched]:
    """A kernel with all its logs on, whose every trace is searched for the canary when it has ended."""
    quiet = {"CLAUDE_MAGIC_RETRIES": "0", "CLAUDE_MAGIC_STORE": str(home / "kept.db")}
    with running_kernel(home, ANTHROPIC_BASE_URL=wire.url, ANTHROPIC_LOG="debug", **quiet, **extra) as kernel:
        watching = Watched(kernel, wire)
        watching.run("import logging; logging.basicConfig(level=logging.DEBUG, filename='everything.log')")
        watching.run("%load_ext claude_magic\n%xmode Verbose")
        yield watching
        watching.look()
    out, err = capfd.readouterr()
    found = {"messages": watching.sent, "stdout": out, "stderr": err}
    for path in home.rglob("*"):
        if path.is_file():
            found[path.name] = path.read_bytes().decode("latin-1")
    leaks = {
        name: [text[max(0, at.start() - 300) : at.end() + 40] for at in re.finditer(CANARY, text)]
        for name, text in found.items()
    }
    assert {name: leak[:1] for name, leak in leaks.items() if leak} == {}
    assert {"kept.db", "everything.log"} <= set(found)


def test_the_key_reaches_the_api_and_nothing_else(
    tmp_path: Path, wire: Wire, capfd: pytest.CaptureFixture[str]
) -> None:
    with watched(tmp_path, wire, capfd, ANTHROPIC_API_KEY=f"{KEY}\n") as kernel:
        wire.answer = reply("I am here.")
        ran = kernel.run("%%claude\nhello")
        assert "I am here." in repr(ran.displayed), ran.error
        assert f"Bearer {KEY}".encode() in wire.received[0]  # the newline at its end is gone
        assert "API key" in kernel.run("%claude_config").result
        kernel.run("%claude_history")
        assert kernel.run("%claude_export chat.md").status == "ok"
        assert kernel.run("%claude_export chat.json").status == "ok"
        shown = kernel.run(SHOWN)
        assert shown.status == "ok", shown.error
        assert "'***'" in shown.stdout
        assert (
            kernel.run(f"{SESSION}\nimport pickle; pickle.dumps(session._connection._client.api_key)").status
            == "error"
        )
        assert "DEBUG" in (tmp_path / "everything.log").read_text("utf-8")


@pytest.mark.parametrize(
    "answer",
    [
        response(401, b'{"type":"error","error":{"type":"authentication_error","message":"no"}}'),
        response(200, b"<html>log in</html>", "text/html"),
        response(307, b"").replace(b"Connection:", b"Location: http://127.0.0.1:9/\r\nConnection:"),
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["refused", "login page", "redirect", "nonsense", "nothing"],
)
def test_a_failure_of_the_api_does_not_show_the_key(
    tmp_path: Path, wire: Wire, capfd: pytest.CaptureFixture[str], answer: bytes
) -> None:
    with watched(tmp_path, wire, capfd, ANTHROPIC_API_KEY=KEY) as kernel:
        wire.answer = answer
        for code in ("%%claude\nhello", "%claude -m claude-new-1 hello", "%%claude_count\nhello"):
            assert kernel.line(code)
            kernel.look()
        assert len(wire.received) == 3
        assert all(KEY.encode() in head for head in wire.received)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (f'"{KEY}"', "quotes around the key"),
        (f"{KEY}\u200b", "an invisible character"),
        (f"{KEY}\r\nX-Evil: 1", "a line break inside"),
        (f"{KEY}\u2013x", "a typographic dash"),
    ],
    ids=["quotes", "zero width", "injection", "dash"],
)
def test_a_broken_key_is_refused_and_not_shown(
    tmp_path: Path, wire: Wire, capfd: pytest.CaptureFixture[str], key: str, said: str
) -> None:
    with watched(tmp_path, wire, capfd, ANTHROPIC_API_KEY=key) as kernel:
        for code in ("%%claude\nhello", "%claude -m claude-new-1 hello", "%%claude_count\nhello"):
            line = kernel.line(code)
            assert line.startswith(f"ConfigProblem: ANTHROPIC_API_KEY has {said}")
            assert line.endswith("Nothing was sent.")
            kernel.look()
        assert "cannot be used" in kernel.run("%claude_config").result
        assert kernel.run("%claude_history").status == "ok"  # which makes the store
        assert wire.received == []


def test_a_bug_and_an_interrupt_show_frames_but_not_the_key(
    tmp_path: Path, wire: Wire, capfd: pytest.CaptureFixture[str]
) -> None:
    with watched(tmp_path, wire, capfd, ANTHROPIC_API_KEY=KEY) as kernel:
        wire.answer = reply("I am here.")
        assert kernel.run("%%claude\nhello").status == "ok"
        kernel.run(BUG)
        kernel.run("session.ask = _wrong")
        ran = kernel.run("%%claude\nhello")
        assert "a bug" in ran.error
        assert "client" in ran.error  # the variables are shown, so the search would find the key in them
        kernel.look()
        kernel.run("session.ask = _right[0]; client.Anthropic.copy = _wrong")
        kernel.run("get_ipython().magics_manager.registry['ClaudeMagics']._open().go_online()")
        assert "a bug" in kernel.run("%%claude\nhello").error
        kernel.look()
        kernel.run("client.Anthropic.copy = _right[1]")
        kernel.run(
            "def _interrupt(*given):\n    raise KeyboardInterrupt\n"
            "httpx2.HTTPTransport.handle_request = _interrupt"
        )
        assert "Interrupted" in kernel.line("%claude -m claude-new-1 hello")
        kernel.look()
