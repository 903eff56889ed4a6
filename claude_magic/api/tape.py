"""The HTTP layer with a cassette in it: answers are recorded on their way, or come from there."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator

import httpx2

from claude_magic.api.cassettes import Cassette, today
from claude_magic.api.credential import masked
from claude_magic.api.exchanges import Exchange, Requested, asked_of, kept_headers

REPLAYED = "claude_magic_replayed"
"""The extension of a response that says from which cassette it came, and of which day it is."""

LEFT = "claude_magic_left"
"""The extension of a request that tells whether its reader has left: a stop of the user's is no answer."""

_EVENT_END = re.compile(rb"\r?\n\r?\n")
_LAST = re.compile(rb'^(event: *message_stop|data: *\{"type": *"message_stop")', re.MULTILINE)
_AUTHORISING = ("x-api-key", "authorization", "proxy-authorization", "cookie")


class Tape(httpx2.BaseTransport):
    """A transport that records what goes through it, or answers in its place.

    Parameters
    ----------
    cassette : Cassette
        Where answers are kept.
    inner : httpx2.BaseTransport or None
        What asks the API; None where nothing may be sent.
    api : str
        Whose answers they are.
    why : str
        Why nothing may be sent, where that was not the wish.
    """

    def __init__(
        self, cassette: Cassette, inner: httpx2.BaseTransport | None, api: str = "", why: str = ""
    ) -> None:
        self._cassette = cassette
        self._inner = inner
        self._api = api
        self._why = why

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request, by the cassette or by the API."""
        began = time.monotonic()
        asked = asked_of(request)
        found = self._cassette.take(asked)
        if found is not None:
            return _answered(found, self._cassette, request)
        if self._inner is None:
            raise self._cassette.missing(asked, self._why)
        return self._recorded(asked, request, self._inner, began)

    def close(self) -> None:
        """Close what asks the API."""
        if self._inner is not None:
            self._inner.close()

    def _recorded(
        self, asked: Requested, request: httpx2.Request, inner: httpx2.BaseTransport, began: float
    ) -> httpx2.Response:
        held = [value.rpartition(" ")[2] for name in _AUTHORISING if (value := request.headers.get(name))]

        def keep(status: int, headers: dict[str, str], pieces: list[tuple[float, bytes]], ended: str) -> None:
            if ended != "whole" and request.extensions.get(LEFT, lambda: False)():
                return
            texts, binary = _texts(pieces, held)
            exchange = Exchange(asked, today(), status, headers, texts, ended, base64=binary)
            self._cassette.keep(exchange, self._api)

        try:
            response = inner.handle_request(request)
        except httpx2.TransportError as error:
            keep(0, {}, [], type(error).__name__)
            raise
        headers = kept_headers(response.headers)
        unpacked = {"content-encoding", "content-length"} if "content-encoding" in response.headers else set()
        return httpx2.Response(
            response.status_code,
            headers=[pair for pair in response.headers.multi_items() if pair[0].lower() not in unpacked],
            stream=_Recorded(
                response, began, lambda pieces, ended: keep(response.status_code, headers, pieces, ended)
            ),
            extensions=response.extensions,
        )


class _Recorded(httpx2.SyncByteStream):
    """A body on its way; kept before its reader learns that it has ended, so that no kernel dies between."""

    def __init__(
        self,
        response: httpx2.Response,
        began: float,
        keep: Callable[[list[tuple[float, bytes]], str], None],
    ) -> None:
        self._response = response
        self._began = began
        self._keep = keep
        self._kept = False
        self._events = response.headers.get("content-type", "").startswith("text/event-stream")
        self._pieces: list[tuple[float, bytes]] = []
        self._rest = b""

    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in self._response.iter_bytes():
                self._take(data)
                yield data
        except httpx2.RequestError as error:
            self._end(type(error).__name__)
            raise
        self._end("whole")

    def close(self) -> None:
        """Close the connection."""
        self._end("RemoteProtocolError")
        self._response.close()

    def _take(self, data: bytes) -> None:
        if self._kept:
            return
        self._rest += data
        now = time.monotonic() - self._began
        while self._events and (end := _EVENT_END.search(self._rest)):
            self._pieces.append((now, self._rest[: end.end()]))
            self._rest = self._rest[end.end() :]
            if _LAST.search(self._pieces[-1][1]):
                self._rest = b""
                self._end("whole")
                return

    def _end(self, how: str) -> None:
        if self._kept:
            return
        self._kept = True
        if self._rest:
            self._pieces.append((time.monotonic() - self._began, self._rest))
        self._keep(self._pieces, how)


def _texts(pieces: list[tuple[float, bytes]], held: list[str]) -> tuple[list[tuple[float, str]], bool]:
    """The pieces as text without keys, or all of them as base64."""
    try:
        texts = [(seconds, data.decode()) for seconds, data in pieces]
    except UnicodeDecodeError:
        return [(seconds, base64.b64encode(data).decode()) for seconds, data in pieces], True
    clean = []
    for seconds, text in texts:
        for key in held:
            text = text.replace(key, "***") if len(key) >= 8 else text  # noqa: PLW2901 - one after the other
        clean.append((seconds, masked(text)))
    return clean, False


class _Played(httpx2.SyncByteStream):
    """A body as it was recorded."""

    def __init__(self, exchange: Exchange, *, paced: bool) -> None:
        self._exchange = exchange
        self._paced = paced

    def __iter__(self) -> Iterator[bytes]:
        began = time.monotonic()
        for seconds, data in self._exchange.data():
            if self._paced and (pause := began + seconds - time.monotonic()) > 0:
                time.sleep(pause)
            yield data
        if self._exchange.ended != "whole":
            raise _broken(self._exchange.ended)


def _answered(found: Exchange, cassette: Cassette, request: httpx2.Request) -> httpx2.Response:
    if not found.status:
        raise _broken(found.ended)
    return httpx2.Response(
        found.status,
        headers=dict(found.headers),
        stream=_Played(found, paced=cassette.wanted.paced),
        extensions={REPLAYED: f"{cassette.name}, recorded {found.day}"},
        request=request,
    )


def _broken(name: str) -> httpx2.TransportError:
    """What the HTTP layer raised then."""
    kind = getattr(httpx2, name, None)
    if isinstance(kind, type) and issubclass(kind, httpx2.TransportError):
        return kind("as recorded")
    return httpx2.RemoteProtocolError("as recorded")
