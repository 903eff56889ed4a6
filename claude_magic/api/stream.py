"""One request under way.

The SDK sends the request and reads the socket in a thread of the request's own; the cell's thread
takes what has arrived in batches, a few times a second. So the cell can be stopped at any moment, also
while nothing arrives, and the display is asked to draw no more often than an eye can follow.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import cast

import anthropic
import httpx2

from claude_magic.api.events import (
    Delta,
    Event,
    Fold,
    MalformedEvent,
    MessageStop,
    StreamError,
    decode,
)
from claude_magic.api.failures import cut, from_sdk, from_stream, not_a_stream
from claude_magic.values import Numbers

INTERVAL = 0.08
"""Seconds between two batches; the first text does not wait."""


class Stream:
    """A reply as batches of events.

    Parameters
    ----------
    client : anthropic.Anthropic
        The SDK's client.
    body : bytes
        The request's body, ready JSON.
    stop : threading.Event
        Set from anywhere, it ends the batches within a moment and closes the connection.
    """

    def __init__(self, client: anthropic.Anthropic, body: bytes, stop: threading.Event) -> None:
        self._client = client
        self._body = body
        self._stop = stop
        self._received: list[str] = []
        self._taken = 0
        self._news = threading.Event()
        self._done = threading.Event()
        self._abandoned = False
        self._response: httpx2.Response | None = None
        self._failure: Exception | None = None
        self.request_id = ""
        self.demo = False
        """Whether the offline demo model answers: its server says so in a header."""

    def __enter__(self) -> Stream:
        threading.Thread(target=self._read, name="claude-magic-stream", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._abandoned = True
        if not self._done.is_set() and self._response is not None:
            _shut(self._response)

    def batches(self) -> Iterator[list[Event]]:
        """Yield what has arrived, at most about twelve times a second, until the reply ends or is stopped.

        Raises
        ------
        ApiProblem
            When the request failed, or the stream ended before ``message_stop``. All events received
            before were yielded.
        """
        drawn = 0.0
        whole = False
        while not self._stop.is_set():
            over = self._done.is_set()  # asked before the batch is taken, so that nothing slips between
            batch = self._received[self._taken :]
            self._taken += len(batch)
            events = decoded(batch)
            if events:
                yield events
                _raise_error(events)
                whole = whole or any(isinstance(event, MessageStop) for event in events)
                if any(isinstance(event, Delta) for event in events):
                    drawn = time.monotonic()
            elif over:
                if self._failure is not None:
                    raise from_sdk(self._failure, self._client, self.request_id)
                if not whole:
                    raise cut(self.request_id)
                return
            self._wait(drawn)

    def received(self, start: int = 0) -> list[str]:
        """The raw events received so far, from the ``start``-th on."""
        return self._received[start:]

    def refold(self, numbers: Numbers) -> Fold:
        """Fold all that was received anew: right also when an interrupt fell into the middle of a batch."""
        fold = Fold(numbers)
        for event in decoded(self._received):
            fold.take(event)
        return fold

    def _wait(self, drawn: float) -> None:
        """Sleep until something has arrived and the last drawing is old enough, or until the end."""
        while not (self._done.is_set() or self._stop.is_set() or self._news.wait(0.1)):
            pass
        self._news.clear()
        pause = drawn + INTERVAL - time.monotonic()
        if pause > 0 and not self._done.is_set():
            self._stop.wait(pause)

    def _read(self) -> None:
        """Thread: send the request, collect the data of its events, tell how it ended."""
        try:
            response = cast(
                "httpx2.Response",
                self._client.post(
                    "/v1/messages",
                    cast_to=httpx2.Response,
                    content=self._body,
                    stream=True,
                    stream_cls=anthropic.Stream[object],
                ),
            )
            self._response = response
            self.request_id = response.headers.get("request-id", "")
            self.demo = response.headers.get("server", "") == "claude-magic-offline"
            with contextlib.closing(response):
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise not_a_stream(response.headers.get("content-type", ""), self.request_id)
                for sse in anthropic.Stream.raw_events(response):
                    if self._abandoned:
                        return
                    self._received.append(sse.data)
                    if not self._news.is_set():
                        self._news.set()
        except Exception as error:  # noqa: BLE001 - whatever the network does is told in the cell's thread
            self._failure = error
        finally:
            self._done.set()
            self._news.set()


def decoded(batch: list[str]) -> list[Event]:
    """Decode a batch; where an event is malformed, keep those before it and end in an error event."""
    try:
        return decode(batch)
    except MalformedEvent:
        events: list[Event] = []
        for data in batch:
            try:
                events += decode([data])
            except MalformedEvent as error:
                return [*events, StreamError("malformed", str(error), "")]
        raise


def _raise_error(events: list[Event]) -> None:
    for event in events:
        if isinstance(event, StreamError):
            raise from_stream(event)


def _shut(response: httpx2.Response) -> None:
    """Shut the socket, so that the thread blocked in reading it wakes and ends."""
    network = response.extensions.get("network_stream")
    sock = network.get_extra_info("socket") if network is not None else None
    if sock is not None:
        with contextlib.suppress(OSError):
            # The plain socket's own shutdown: TLS need not say goodbye to wake a blocked read.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
