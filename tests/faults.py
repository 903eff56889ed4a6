"""A Messages API that fails on purpose: real sockets, raw bytes, one script an answer.

A script is a tuple of steps, played to one ``POST /v1/messages``. Questions take the scripts of a queue in
order, so that "a fault, then a good answer" is two scripts; with the queue empty, `GOOD` is played.
`tests.fault_table` has every fault before the stream (H…) and in it (S…) as such scripts.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

# --- the steps of a script


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes, sent at once; ``{elsewhere}`` in them becomes the address of another server."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Bytes, each a chunk and a packet of its own."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pings:
    """A ping now and then; without a count until the client leaves."""

    every: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing until the client leaves or the server closes."""


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection by RST."""


@dataclass(frozen=True, slots=True)
class Fin:
    """End the connection by FIN, wherever the body stands."""


Step = Raw | Drip | Pings | Sleep | Hang | Reset | Fin
Script = tuple[Step, ...]


def head(status: int = 200, length: int | None = None, /, **fields: str) -> bytes:
    """A status line and headers; ``_`` in a name stands for ``-``. Chunked, unless a length is told."""
    told = {"content-type": "text/event-stream; charset=utf-8", "request-id": "req_fault"}
    told |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    told |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in told.items() if value)]
    return "\r\n".join((*lines, "", "")).encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; of no bytes, its end."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def reply(status: int, body: bytes | Mapping[str, Any] = b"", **fields: str) -> Script:
    """A whole answer that is no stream; a mapping is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = fields.pop("content_type", "application/json")
    return (Raw(head(status, len(data), content_type=kind, **fields) + data),)


def refusal(status: int, kind: str, message: str, **fields: str) -> Script:
    """The API's own way to say no."""
    error = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fault"}
    return reply(status, error, **fields)


def streamed(*pieces: bytes | Step, end: Iterable[Step] = (Raw(chunk(b"")),), **fields: str) -> Script:
    """An event stream in chunks; without its last chunk, when it is to end otherwise."""
    steps = [Raw(chunk(piece)) if isinstance(piece, bytes) else piece for piece in pieces]
    return (Raw(head(**fields)), *steps, *end)


# --- the events of a stream


def sse(*events: Mapping[str, Any]) -> bytes:
    """Events as they go over the wire."""
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
        for event in events
    )


def start() -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    told: dict[str, Any] = {"id": "msg_fault", "type": "message", "role": "assistant", "content": []}
    told |= {"model": "claude-sonnet-5-5", "stop_reason": None, "stop_sequence": None, "usage": usage}
    return {"type": "message_start", "message": told}


def opened(index: int = 0, **block: Any) -> dict[str, Any]:
    content = block or {"type": "text", "text": ""}
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(kind: str, index: int = 0, **body: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **body}}


def text(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    """A whole text block in pieces."""
    deltas = [delta("text_delta", index, text=piece) for piece in pieces]
    return [opened(index), *deltas, closed(index)]


def closed(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def tool(index: int, *pieces: str, name: str = "add", id: str = "toolu_1") -> list[dict[str, Any]]:  # noqa: A002
    """A call of a tool, its input as pieces of JSON."""
    deltas = [delta("input_json_delta", index, partial_json=piece) for piece in pieces]
    return [opened(index, type="tool_use", id=id, name=name, input={}), *deltas, closed(index)]


def ended(reason: str = "end_turn", **more: Any) -> list[dict[str, Any]]:
    told = {"stop_reason": reason, "stop_sequence": None, **more}
    return [{"type": "message_delta", "delta": told, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]


def error_event(kind: str, message: str = "Too many cooks.") -> bytes:
    return sse({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fault"})


PING = sse({"type": "ping"})
TEXT = "The text so far"
SO_FAR = sse(start(), opened(), delta("text_delta", text="The text "), delta("text_delta", text="so far"))
REST = sse(closed(), *ended())
WELL = "All is well."
GOOD = streamed(sse(start(), *text("All is ", "well."), *ended()))


# --- the server


@dataclass(frozen=True, slots=True)
class Seen:
    """A question as it came in."""

    headers: Mapping[str, str]
    body: Mapping[str, Any]
    at: float

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body["messages"])


class FaultServer:
    """Plays scripts on 127.0.0.1 while it is entered; every wait of it ends when it is left.

    Parameters
    ----------
    choose : callable, optional
        Picks the script by the question, in the place of the queue.
    elsewhere : str
        Where redirects point.
    models : sequence of mapping
        What the Models API lists.
    """

    def __init__(
        self,
        choose: Callable[[Seen], Script] | None = None,
        elsewhere: str = "",
        models: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._choose = choose
        self._models = models
        self._elsewhere = elsewhere.encode()
        self._queue: deque[Script] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._busy: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.requests: list[Seen] = []
        """The questions so far, in order."""

    def __enter__(self) -> FaultServer:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(0.1)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._accepting.join(5)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(5)

    def answers(self, scripts: Iterable[Script]) -> None:
        """Queue what the next questions get; what was queued before is forgotten."""
        with self._changed:
            self._queue = deque(scripts)

    def wait_for(self, count: int, seconds: float = 10) -> bool:
        """Wait until so many questions have come in all."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= count, seconds)

    def settled(self, seconds: float = 3) -> bool:
        """Wait until no connection is open but idle ones, kept alive for the next question."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, seconds)

    @property
    def open(self) -> int:
        """How many connections are open, idle ones counted."""
        with self._changed:
            return len(self._open)

    def drop(self) -> None:
        """End every connection, whatever it is doing."""
        with self._changed:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._open.add(connection)
                self._busy.add(connection)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        """Thread: answer the requests of one connection, until a script or the client ends it."""
        try:
            with connection.makefile("rb") as stream:
                while (request := _read(stream)) is not None:
                    with self._changed:
                        self._busy.add(connection)
                    script = self._script(*request)
                    for step in script:
                        self._play(connection, step)
                    with self._changed:
                        self._busy.discard(connection)
                        self._changed.notify_all()
        except (OSError, _Over):
            pass  # the client has left, or a script ended the connection
        finally:
            connection.close()
            with self._changed:
                self._open.discard(connection)
                self._busy.discard(connection)
                self._changed.notify_all()

    def _script(self, line: str, headers: Mapping[str, str], body: bytes) -> Script:
        method, target, _ = line.split(" ", 2)
        path = httpx2.URL(target).path  # a client of a proxy sends the whole address
        if (method, path) == ("POST", "/v1/messages/count_tokens"):
            return reply(200, {"input_tokens": 7})
        if (method, path) == ("GET", "/v1/models") and self._models:
            return reply(200, {"data": list(self._models), "has_more": False})
        if (method, path) != ("POST", "/v1/messages"):
            return refusal(404, "not_found_error", f"no such path: {path}")
        seen = Seen(headers, json.loads(body), time.monotonic())
        with self._changed:
            self.requests.append(seen)
            self._changed.notify_all()
            if self._choose is not None:
                return self._choose(seen)
            return self._queue.popleft() if self._queue else GOOD

    def _play(self, connection: socket.socket, step: Step) -> None:
        match step:
            case Raw(data):
                connection.sendall(data.replace(b"{elsewhere}", self._elsewhere))
            case Drip(data):
                for byte in data:
                    connection.sendall(chunk(bytes([byte])))
            case Pings(every, count):
                sent = 0
                while count is None or sent < count:
                    connection.sendall(chunk(PING))
                    sent += 1
                    self._pause(connection, every)
            case Sleep(seconds):
                self._pause(connection, seconds)
            case Hang():
                while True:
                    self._pause(connection, 60)
            case Reset():
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise _Over
            case Fin():
                raise _Over

    def _pause(self, connection: socket.socket, seconds: float) -> None:
        """Wait; end early when the client leaves or the server closes."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([connection], [], [], min(left, 0.1))
            if self._closing.is_set() or (readable and not connection.recv(1, socket.MSG_PEEK)):
                raise _Over


class _Over(Exception):
    """This connection has ended."""


def _read(stream: Any) -> tuple[str, dict[str, str], bytes] | None:
    """The next request: its first line, headers and body; None when the client has left or speaks no HTTP."""
    line = stream.readline(65_536).decode("latin-1").strip()
    if not line.endswith("HTTP/1.1"):
        stream.read()  # a TLS handshake, say: it is never answered
        return None
    headers: dict[str, str] = {}
    while field := stream.readline(65_536).decode("latin-1").strip():
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = stream.read(length)
    return (line, headers, body) if len(body) == length else None


def squeezed(plain: bytes, *, keep: bytes = b"") -> bytes:
    """Bytes as gzip; with ``keep``, that beginning whole and the rest cut."""
    packer = zlib.compressobj(wbits=31)
    if keep:
        first = packer.compress(keep) + packer.flush(zlib.Z_SYNC_FLUSH)
        return first + (packer.compress(plain) + packer.flush())[:-12]
    return packer.compress(plain) + packer.flush()
