"""One try of a request: sent, read, and watched.

The SDK sends the request and reads the socket in a thread of the try's own; the cell's thread takes what
has arrived in batches, a few times a second. So the cell can be stopped at any moment, also while
nothing arrives, silence is noticed, and the display is asked to draw no more often than an eye can follow.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

import anthropic
import httpx2

from claude_magic.api import failures, providers
from claude_magic.api.address import name_of
from claude_magic.api.events import (
    Delta,
    Event,
    MalformedEvent,
    MessageDelta,
    MessageStop,
    StreamError,
    Unknown,
    decode,
)
from claude_magic.api.fold import Fold
from claude_magic.api.patience import Patience
from claude_magic.api.tape import LEFT, REPLAYED
from claude_magic.errors import ApiProblem
from claude_magic.stop import Stop

INTERVAL = 0.08
"""Seconds between two batches that somebody watches."""
SLICE = 0.05
"""Seconds at most until a stop is noticed."""
TICK = 0.5
"""Seconds without news after which an empty batch comes, so that clocks go on."""
ONLY_PINGS = 600.0
"""Seconds of pings without a word after which a reply counts as cut."""
CONNECT = 15.0
"""Seconds to make a connection."""


_ALONE = {"Connection": "close"}
"""Each try has a connection of its own: then it is known which one to shut."""


class Stream:
    """A reply as batches of events.

    Parameters
    ----------
    client : anthropic.Anthropic
        The SDK's client.
    body : bytes
        The request's body, ready JSON.
    stop : Stop
        Asked from anywhere, it ends the batches within a moment and closes the connection.
    patience : Patience
        How long to wait for the first event, and for each further one.
    interval : float
        Seconds between two batches; the first text and the end do not wait.
    """

    def __init__(
        self,
        client: anthropic.Anthropic,
        body: bytes,
        stop: Stop,
        patience: Patience,
        interval: float = INTERVAL,
    ) -> None:
        self._client = client
        self._interval = interval
        self._body = body
        self._stop = stop
        self._patience = patience
        self._received: list[str] = []
        self._taken = 0
        self._news = threading.Event()
        self._done = threading.Event()
        self._abandoned = False
        self._socket: socket.socket | None = None
        self._failure: Exception | None = None
        self._heard = self._worded = time.monotonic()
        self._ended = False
        self.begun = False
        """Whether anything of the reply has come; pings and errors are nothing of it."""
        self.request_id = ""
        self.headers: Mapping[str, str] = {}
        """Of the answer, once there is one."""
        self.demo = False
        """Whether the offline demo model answers: its server says so in a header."""
        self.replayed = ""
        """From which cassette the reply comes, and of which day; ``""`` for none."""

    def __enter__(self) -> Stream:
        _Reader(self).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._abandoned = True
        if not self._done.is_set():
            self._shut()

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._abandoned

    @property
    def silence(self) -> float:
        """Seconds since the last event, or since the request began."""
        return time.monotonic() - self._heard

    @property
    def deadline(self) -> float:
        """Seconds of silence after which the try counts as failed."""
        return self._patience.silence if self.begun else self._patience.first_event

    def batches(self) -> Iterator[list[Event]]:
        """Yield what has arrived, once in an interval, until the reply ends or is stopped.

        While nothing arrives an empty batch comes now and then.

        Raises
        ------
        ApiProblem
            When the request failed, or the stream ended before ``message_stop``. All events received
            before were yielded.
        """
        drawn = 0.0
        while not self._stop.asked:
            over = self._done.is_set()  # asked before the batch is taken, so that nothing slips between
            batch = self._received[self._taken :]
            self._taken += len(batch)
            events = decoded(batch)
            if events:
                self._note(events)
                yield events
                self._raise_error(events)
                if any(isinstance(event, MessageStop) for event in events):
                    return  # whatever else the connection may hold
                if any(isinstance(event, Delta) for event in events):
                    drawn = time.monotonic()
            elif over:
                raise self._problem()
            else:
                self._be_patient()
                yield events
            self._wait(drawn)

    def received(self, start: int = 0) -> list[str]:
        """The raw events received so far, from the ``start``-th on."""
        return self._received[start:]

    def refold(self, fold: Fold) -> Fold:
        """Fold all that was received anew: right also when the reading ended in the middle of a batch."""
        for event in decoded(self._received):
            fold.take(event)
        return fold

    def _note(self, events: list[Event]) -> None:
        """Remember when something came, and how far the reply is."""
        self._heard = time.monotonic()
        if not all(isinstance(event, Unknown | StreamError) for event in events):
            self._worded = self._heard
            self.begun = True
        self._ended = self._ended or any(
            isinstance(event, MessageDelta) and event.stop_reason for event in events
        )

    def _be_patient(self) -> None:
        """Raise when a deadline has passed."""
        host = name_of(self._client.base_url)
        if self.silence > self.deadline:
            raise failures.silent(host, self.deadline, self.request_id, begun=self.begun)
        longest = max(ONLY_PINGS, self.deadline)
        if time.monotonic() - self._worded > longest:
            raise failures.silent(host, longest, self.request_id, begun=self.begun)

    def _problem(self) -> ApiProblem:
        """Why the stream ended without ``message_stop``."""
        if self._failure is not None:
            return failures.from_sdk(self._failure, self._client, self.request_id, begun=self.begun)
        if not self.begun:
            return failures.nothing_came(self.request_id)
        return failures.cut(self.request_id, ended=self._ended)

    def _raise_error(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, StreamError):
                if event.kind == MALFORMED:
                    raise failures.malformed(event.message, self.request_id)
                raise failures.from_stream(event, self._client, self.request_id, begun=self.begun)

    def _wait(self, drawn: float) -> None:
        """Sleep until something has come and the last drawing is old enough, or until a tick or the end."""
        tick = time.monotonic() + TICK
        while not (self._done.is_set() or self._stop.asked or self._news.wait(SLICE)):
            if time.monotonic() > tick:
                return
        self._news.clear()
        end = drawn + self._interval
        while not self._stop.asked and (pause := end - time.monotonic()) > 0:
            if self._done.wait(min(pause, SLICE)):
                return

    def read(self) -> None:
        """Send the request, collect the data of its events, tell how it ended; in a thread of its own."""
        try:
            response = cast(
                "httpx2.Response",
                self._client.post(
                    "/v1/messages",
                    cast_to=httpx2.Response,
                    **providers.handed(self._client, self._body),
                    stream=True,
                    stream_cls=anthropic.Stream[object],
                    options={"max_retries": 0, "timeout": self._timeout(), "headers": _ALONE},
                ),
            )
            with contextlib.closing(response):
                self._take(response)
        except Exception as error:  # noqa: BLE001 - whatever the network does is told in the cell's thread
            self._failure = error
        finally:
            self._done.set()
            self._news.set()
            if self._socket is not None:
                self._socket.close()

    def _take(self, response: httpx2.Response) -> None:
        self.headers = response.headers
        self.request_id = failures.id_of(response.headers)
        self.demo = response.headers.get("server", "") == "claude-magic-offline"
        self.replayed = str(response.extensions.get(REPLAYED, ""))
        kind = providers.of(self._client).stream_type
        if not response.headers.get("content-type", "").startswith(kind):
            raise failures.not_a_stream(response, self._client, self.request_id)
        for data in providers.streamed(self._client, response):
            if self._abandoned:
                return
            self._received.append(data)
            if not self._news.is_set():
                self._news.set()

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Learn the connection as soon as it is made, so that it can be shut also before any answer."""
        if name.endswith("connect_tcp.complete"):
            # A handle of our own: TLS takes the socket itself away.
            self._socket = info["return_value"].get_extra_info("socket").dup()
            if self._abandoned:
                self._shut()

    def _shut(self) -> None:
        """Shut the connection, so that the thread blocked in it wakes and ends."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _timeout(self) -> httpx2.Timeout:
        # The deadlines are watched above; this one only ends a thread that nobody waits for any more.
        longest = max(self._patience.first_event, self._patience.silence) + 5.0
        return httpx2.Timeout(longest, connect=CONNECT)


class _Reader(threading.Thread):
    """The thread of one try."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(name="claude-magic-stream", daemon=True)
        self.stream = stream

    def run(self) -> None:
        self.stream.read()


def watch(request: httpx2.Request) -> None:
    """Let a stream see the connection its request is sent on; a request hook of the HTTP client."""
    thread = threading.current_thread()
    if isinstance(thread, _Reader):
        stream = thread.stream
        request.extensions = {**request.extensions, "trace": stream.trace, LEFT: lambda: stream.abandoned}


MALFORMED = "malformed"
"""The kind of the error event that stands for a piece of the stream that cannot be read."""


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
                return [*events, StreamError(MALFORMED, str(error), "")]
        raise
