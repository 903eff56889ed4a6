"""Requests as bytes over a socket: what no HTTP library would send, and what the server makes of it."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

from claude_magic.offline import LocalApi

WAIT = 10.0  # seconds; nothing here takes so long

BODY = json.dumps(
    {"model": "claude-opus-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
).encode()
JSON = b"Content-Type: application/json"


def connect(api: LocalApi, room: int = 0) -> socket.socket:
    """A connection to the server, with a small receive buffer if `room` says so."""
    connection = socket.socket()
    if room:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    connection.settimeout(WAIT)
    connection.connect(("127.0.0.1", int(api.url.rpartition(":")[2])))
    return connection


def admitted(api: LocalApi) -> list[bytes]:
    """The header lines of a request that is admitted."""
    host = api.url.removeprefix("http://")
    return [f"Host: {host}".encode(), f"x-api-key: {api.token}".encode(), b"anthropic-version: 2026-10-21"]


def head(line: str, *headers: bytes) -> bytes:
    """A request up to its body."""
    return b"\r\n".join([line.encode("latin-1"), *headers]) + b"\r\n\r\n"


def posted(api: LocalApi, body: bytes = BODY, *more: bytes, length: int | None = None) -> bytes:
    """A whole POST to /v1/messages; with a `length`, one that announces so many bytes."""
    announced = f"Content-Length: {len(body) if length is None else length}".encode()
    return head("POST /v1/messages HTTP/1.1", *admitted(api), JSON, announced, *more) + body


def rest(connection: socket.socket, within: float = WAIT) -> bytes:
    """What comes until the server closes the connection, which it must do within the time."""
    end = time.monotonic() + within
    got = bytearray()
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            some = connection.recv(65536)
        except ConnectionError:
            return bytes(got)
        except TimeoutError:
            break
        if not some:
            return bytes(got)
        got += some
    raise AssertionError(f"the connection is still open after {within} s; so far came {bytes(got[:300])!r}")


def exchange(api: LocalApi, data: bytes) -> bytes:
    """Send everything and return everything until the server closes."""
    with connect(api) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            return b""
        return rest(connection)


def one_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer, without waiting for the connection's end."""
    got = b""
    while b"\r\n\r\n" not in got:
        some = connection.recv(1)
        assert some, f"closed after {got!r}"
        got += some
    status, headers = parsed_head(got)
    body = b""
    while len(body) < int(headers["content-length"]):
        some = connection.recv(int(headers["content-length"]) - len(body))
        assert some, "closed within the body"
        body += some
    return status, headers, body


def parsed_head(answer: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers, these by their names in lower case."""
    first, *lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def refusal(answer: bytes, status: int) -> str:
    """Check that the bytes are exactly one refusal in the API's words, and return its message."""
    found, headers = parsed_head(answer)
    body = answer.partition(b"\r\n\r\n")[2]
    said = json.loads(body)
    assert (found, said["type"], len(body)) == (status, "error", int(headers["content-length"])), answer
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert said["request_id"] == headers["request-id"]
    assert not [name for name in headers if name.startswith("access-control")]
    assert body.isascii()
    message = said["error"]["message"]
    assert isinstance(message, str)
    assert len(message) < 1100
    return message


def complaints(api: LocalApi) -> str:
    """What the server has written to its standard error (Linux only)."""
    return Path(f"/proc/{api.pid}/fd/2").read_text("utf-8", "replace")


def open_sockets(api: LocalApi) -> int:
    """How many sockets the server holds, besides the one it listens on (Linux only)."""
    found = 0
    for each in Path(f"/proc/{api.pid}/fd").iterdir():
        try:
            found += str(each.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def resident(api: LocalApi) -> int:
    """Bytes of memory the server holds (Linux only)."""
    return int(Path(f"/proc/{api.pid}/statm").read_text("ascii").split()[1]) * 4096
