"""The limits of patience: with clients that are slow, silent, too many, or do not speak HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from socket import SO_SNDBUF, SOL_SOCKET
from typing import TYPE_CHECKING, Any

from tornado import httpserver, iostream

from .errors import ApiError

if TYPE_CHECKING:
    import socket
    from asyncio import Future
    from collections.abc import Awaitable

MAX_BODY = 32 * 1024 * 1024

_MAX_HEADERS = 32 * 1024  # bytes; over it the connection is closed
_BUFFER = 1 << 20  # bytes read ahead, such as of pipelined requests; bodies are taken in smaller bits
_SENT_AHEAD = 1 << 18  # bytes on their way to a client
_BARE_400 = b"HTTP/1.1 400 Bad Request\r\n\r\n"  # tornado's whole answer to what is not HTTP


@dataclass(frozen=True)
class Limits:
    """How long and for how many the server waits.

    Parameters
    ----------
    headers
        Seconds for the whole head of a request, also for the silence before it. The SDK's own pool lets go
        of a silent connection after 5. A refused request has as long for the rest of its body.
    body
        Seconds for the whole body.
    reading
        Seconds in which a client must take at least a byte of its answer.
    waiting
        Connections without an admitted request; when there are more, the oldest are closed. Far more than
        an honest burst brings, and less than the files a process may have open.
    """

    headers: float = 10.0
    body: float = 60.0
    reading: float = 30.0
    waiting: int = 400


class GuardedStream(iostream.IOStream):
    """A connection that is closed when its client does not read, and after a refusal.

    Parameters
    ----------
    connection
        The accepted socket.
    patience
        Seconds in which the client must take at least a byte of its answer.
    """

    def __init__(self, connection: socket.socket, patience: float) -> None:
        super().__init__(connection, max_buffer_size=_BUFFER)
        # Of a larger buffer the system would tell only after megabytes that the client reads on.
        connection.setsockopt(SOL_SOCKET, SO_SNDBUF, _SENT_AHEAD)
        self.admitted = False
        """Whether a request with the token is under way."""
        self.refused = False
        """Whether the last answer of this connection was given."""
        self._patience = patience
        self._taken = False
        self._watched = False

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read the head of the next request, which there is not after a refusal."""
        if self.refused:
            self.close()
        return super().read_until_regex(regex, max_bytes)

    def write(self, data: bytes | memoryview) -> Future[None]:
        """Write, see to it that the client reads, and say in the API's words what is not HTTP."""
        if data == _BARE_400:
            data = b"" if self.refused else _not_http()
        written = super().write(data)
        if self.writing() and not self._watched:
            self._watch()
        return written

    def write_to_fd(self, data: memoryview) -> int:
        """Note that the client takes something."""
        try:
            count = super().write_to_fd(data)
        finally:
            del data  # as tornado does, since the buffer beneath cannot change while somebody holds it
        self._taken = True
        return count

    def _watch(self) -> None:
        self._taken, self._watched = False, True
        self.io_loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        self._watched = False
        if self.closed() or not self.writing():
            return
        if self._taken:
            self._watch()
        else:
            self.close()


class GuardedServer(httpserver.HTTPServer):
    """An HTTP server of which a crowd of idle connections cannot keep others out."""

    def initialize(self, *arguments: Any, **named: Any) -> None:
        """Set up; besides tornado's own arguments there is `limits`."""
        self._limits: Limits = named.pop("limits")
        self._streams: list[GuardedStream] = []
        named |= {"max_body_size": MAX_BODY, "max_header_size": _MAX_HEADERS}
        named |= {"idle_connection_timeout": self._limits.headers, "body_timeout": self._limits.body}
        super().initialize(*arguments, **named)

    def handle_stream(self, stream: iostream.IOStream, address: tuple[Any, ...]) -> None:
        """Take a new connection; nothing was read from it yet."""
        self._streams = [each for each in self._streams if not each.closed()]
        waiting = [each for each in self._streams if not (each.admitted or each.writing())]
        for oldest in waiting[: max(0, len(waiting) + 1 - self._limits.waiting)]:
            oldest.close()
        guarded = GuardedStream(stream.socket, self._limits.reading)
        self._streams.append(guarded)
        super().handle_stream(guarded, address)


def _not_http() -> bytes:
    envelope = ApiError(400, "The request is not valid HTTP/1.1").envelope("req_local_malformed")
    body = json.dumps(envelope).encode()
    head = (
        "HTTP/1.1 400 Bad Request\r\nServer: claude-magic-offline\r\nContent-Type: application/json\r\n"
        "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n"
        f"request-id: {envelope['request_id']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
