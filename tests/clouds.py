"""Another provider's API on this machine: it notes what arrives, and answers as that provider would."""

from __future__ import annotations

import base64
import binascii
import http.server
import json
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

TEXTS = ["Grüße ", "from – ", "elsewhere 🙂"]
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude",
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        for text in TEXTS
    ),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
     "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]  # fmt: skip


def _sse(events: list[dict[str, Any]]) -> list[bytes]:
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A message of AWS's event stream: lengths and their CRC, headers, payload, the CRC of all."""
    head = b""
    for name, value in headers.items():
        head += struct.pack("!B", len(name)) + name.encode()
        head += b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + head + payload
    return message + struct.pack("!I", binascii.crc32(message))


def _framed(events: list[dict[str, Any]]) -> list[bytes]:
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return [
        frame(headers, json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode())
        for event in events
    ]


def wire(provider: str, events: list[dict[str, Any]]) -> list[bytes]:
    """The events as a provider streams them, one piece each."""
    if provider != "bedrock":
        return _sse(events)
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 11, "outputTokenCount": 7}}
    return _framed([event | (metrics if event["type"] == "message_stop" else {}) for event in events])


@dataclass
class Asked:
    """A request that has arrived; the names of its headers in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A provider on this machine: what it was asked, and the pieces it answers a question with."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)
    """Set: an answer ends when its pieces end. Else it hangs."""

    @property
    def tokens_asked(self) -> list[Asked]:
        """Requests for a token of Google's."""
        return [one for one in self.asked if one.path == "/token"]

    @property
    def questions(self) -> list[Asked]:
        return [one for one in self.asked if one.path != "/token"]


@contextmanager
def serving() -> Iterator[Server]:
    """A provider on a free port, until the context is left."""
    seen = Server()
    seen.hold.set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            if self.path == "/token":
                self.answer(
                    200,
                    {},
                    [b'{"access_token": "token-of-google", "expires_in": 3600, "token_type": "Bearer"}'],
                )
            elif "count" in self.path:
                self.answer(200, {}, [b'{"input_tokens": 42}'])
            else:
                self.answer(seen.status, seen.headers, seen.pieces)

        do_GET = do_POST  # noqa: N815

        def answer(self, status: int, headers: dict[str, str], pieces: list[bytes]) -> None:
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
            if pieces is seen.pieces:
                seen.hold.wait(30)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        seen.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield seen
        seen.hold.set()
        running.shutdown()
        thread.join()
