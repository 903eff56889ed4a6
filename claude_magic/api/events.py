"""The event stream of a reply: decoded into typed events, folded into an answer.

The same fold serves live, replayed and journaled streams. Adjacent text deltas of one batch are
merged while decoding, so that a burst of thousands of deltas costs one event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

from claude_magic.values import Answer, Numbers, OtherPart, Part, TextPart, ThinkingPart, ToolUsePart, Usage


@dataclass(frozen=True, slots=True)
class MessageStart:
    """The reply has begun; the input side of its usage is known."""

    message_id: str
    model: str
    usage: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BlockStart:
    """A content block begins; ``block`` is it as sent, for some types already whole."""

    index: int
    block: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delta:
    """More of a block: ``kind`` is ``text``, ``thinking``, ``signature`` or ``input_json``."""

    index: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class CitationDelta:
    """One more citation of a text block."""

    index: int
    citation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BlockStop:
    """A content block has ended."""

    index: int


@dataclass(frozen=True, slots=True)
class MessageDelta:
    """Why the reply ends, and its cumulative usage."""

    stop_reason: str
    stop_sequence: str
    stop_details: Mapping[str, Any] | None
    usage: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageStop:
    """The reply is whole."""


@dataclass(frozen=True, slots=True)
class StreamError:
    """An ``error`` event inside the stream."""

    kind: str
    message: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A ping, or an event newer than this code."""

    kind: str


Event = (
    MessageStart
    | BlockStart
    | Delta
    | CitationDelta
    | BlockStop
    | MessageDelta
    | MessageStop
    | StreamError
    | Unknown
)

# Wire name of a delta → (our kind, the field that carries its text).
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("input_json", "partial_json"),
}


class MalformedEvent(ValueError):
    """Data of the stream that is not the event it claims to be."""


def decode(batch: Iterable[str]) -> list[Event]:
    """Decode the ``data`` fields of server-sent events; deltas in a row become one.

    Parameters
    ----------
    batch : iterable of str
        JSON texts, one an event, in order.

    Raises
    ------
    MalformedEvent
        For JSON that does not parse or lacks what its type needs. Events before it are lost with it,
        so feed small batches where every character counts.
    """
    events: list[Event] = []
    pieces: list[str] = []
    open_index, open_kind = -1, ""
    for data in batch:
        try:
            raw = json.loads(data)
            kind = raw["type"]
            if kind == "content_block_delta":
                delta = raw["delta"]
                known = _DELTAS.get(delta["type"])
                if known is not None:
                    index, text = raw["index"], delta[known[1]]
                    if not isinstance(text, str):
                        raise MalformedEvent(f"{delta['type']} without text")
                    if pieces and index == open_index and known[0] == open_kind:
                        pieces.append(text)
                        continue
                    if pieces:
                        events.append(Delta(open_index, open_kind, "".join(pieces)))
                    pieces, open_index, open_kind = [text], index, known[0]
                    continue
            if pieces:
                events.append(Delta(open_index, open_kind, "".join(pieces)))
                pieces = []
            events.append(_event(kind, raw))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise MalformedEvent(f"a piece of the stream could not be read: {error}") from error
    if pieces:
        events.append(Delta(open_index, open_kind, "".join(pieces)))
    return events


def _event(kind: str, raw: Mapping[str, Any]) -> Event:
    match kind:
        case "message_start":
            message = raw["message"]
            usage = message.get("usage") or {}
            return MessageStart(message.get("id") or "", message.get("model") or "", usage)
        case "content_block_start":
            return BlockStart(raw["index"], raw["content_block"])
        case "content_block_delta" if raw["delta"]["type"] == "citations_delta":
            return CitationDelta(raw["index"], raw["delta"]["citation"])
        case "content_block_stop":
            return BlockStop(raw["index"])
        case "message_delta":
            delta = raw["delta"]
            return MessageDelta(
                delta.get("stop_reason") or "",
                delta.get("stop_sequence") or "",
                delta.get("stop_details"),
                raw.get("usage") or {},
            )
        case "message_stop":
            return MessageStop()
        case "error":
            error = raw.get("error") or {}
            return StreamError(
                error.get("type") or "error", error.get("message") or "", raw.get("request_id") or ""
            )
        case _:
            return Unknown(kind)


class _OpenBlock:
    """A content block that is still growing."""

    __slots__ = ("citations", "pieces", "raw", "signature")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.pieces: list[str] = [raw.get("text") or raw.get("thinking") or ""]
        self.signature: str = raw.get("signature") or ""
        self.citations: list[Mapping[str, Any]] = list(raw.get("citations") or ())

    def part(self) -> Part:
        kind = self.raw.get("type", "")
        text = "".join(self.pieces)
        match kind:
            case "text":
                return TextPart(whole(text), tuple(self.citations))
            case "thinking":
                return ThinkingPart(text, self.signature)
            case "tool_use":
                start = self.raw.get("input")
                return ToolUsePart(
                    self.raw.get("id") or "",
                    self.raw.get("name") or "",
                    text or (json.dumps(start) if start else ""),
                )
            case _:
                return OtherPart(kind, {**self.raw, "input_json": text} if text else self.raw)


class Fold:
    """The fold of a stream: feed it events in order, read the answer at any time.

    It appends to lists, so that its cost is linear however many deltas come.

    Parameters
    ----------
    numbers : Numbers
        Numbers the sources that the answer cites.
    """

    def __init__(self, numbers: Numbers | None = None) -> None:
        self._blocks: dict[int, _OpenBlock] = {}
        self._head = Answer()
        self._stopped = False
        self.characters = 0
        """Characters received so far: text, thinking and tool input."""
        self._news: list[str] = []
        self._numbers = numbers or Numbers()
        self._shown = False
        self._apart = False

    @property
    def started(self) -> bool:
        """Whether ``message_start`` has been seen."""
        return bool(self._head.message_id or self._head.model)

    @property
    def usage(self) -> Usage:
        """The usage as far as the API has told it."""
        return self._head.usage

    def take(self, event: Event) -> None:
        """Take in one event; what is unknown or out of place is passed over."""
        match event:
            case Delta(index, kind, text):
                self._grow(index, kind, text)
            case BlockStart(index, block):
                self._open(index, block)
            case CitationDelta(index, citation):
                if index in self._blocks:
                    self._blocks[index].citations.append(citation)
            case BlockStop(index):
                if index in self._blocks:
                    self._show(self._numbers.mark(self._blocks[index].citations))
            case MessageStart():
                self._begin(event)
            case MessageDelta():
                self._end(event)
            case MessageStop():
                self._stopped = True
            case StreamError() | Unknown():
                pass
            case _:
                assert_never(event)

    def _begin(self, event: MessageStart) -> None:
        if not self.started:
            self._head = replace(
                self._head,
                message_id=event.message_id,
                model=event.model,
                usage=merge(Usage(), event.usage),
            )

    def _end(self, event: MessageDelta) -> None:
        self._head = replace(
            self._head,
            stop_reason=event.stop_reason or self._head.stop_reason,
            stop_sequence=event.stop_sequence or self._head.stop_sequence,
            stop_details=event.stop_details or self._head.stop_details,
            usage=replace(merge(self._head.usage, event.usage), final=True),
        )

    def _open(self, index: int, block: Mapping[str, Any]) -> None:
        self._blocks[index] = _OpenBlock(block)
        if block.get("type") == "text":
            self._show(self._blocks[index].pieces[0])
        else:
            self._apart = self._shown

    def _grow(self, index: int, kind: str, text: str) -> None:
        block = self._blocks.get(index)
        if block is None:  # its start was lost: the text still counts
            block = self._blocks[index] = _OpenBlock({"type": kind})
        if kind == "signature":
            block.signature += text
        else:
            block.pieces.append(text)
            self.characters += len(text)
            if kind == "text":
                self._show(text)

    def _show(self, text: str) -> None:
        if text:
            self._news.append("\n\n" + text if self._apart else text)
            self._shown = True
            self._apart = False

    def news(self) -> str:
        """The answer's text since the last call, with numbers behind cited passages."""
        text = "".join(self._news)
        # Half a surrogate pair waits for its other half.
        held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        self._news = [held] if held else []
        return whole(text[: len(text) - len(held)])

    @property
    def phase(self) -> str:
        """What the model is doing: ``waiting``, ``thinking``, ``writing`` or ``calling a tool``."""
        if not self._blocks:
            return "waiting"
        last = self._blocks[max(self._blocks)].raw.get("type", "")
        return {"thinking": "thinking", "redacted_thinking": "thinking", "text": "writing"}.get(
            last, "calling a tool"
        )

    def answer(self) -> Answer:
        """The answer as received so far."""
        parts = tuple(block.part() for _, block in sorted(self._blocks.items()))
        return replace(self._head, parts=parts, complete=self._stopped and bool(self._head.stop_reason))


def merge(usage: Usage, raw: Mapping[str, Any]) -> Usage:
    """Overwrite a usage by what an event tells; fields it leaves out stand."""

    def number(value: object, old: int) -> int:
        return value if isinstance(value, int) else old

    split = raw.get("cache_creation") or {}
    details = raw.get("output_tokens_details") or {}
    return replace(
        usage,
        input_tokens=number(raw.get("input_tokens"), usage.input_tokens),
        output_tokens=number(raw.get("output_tokens"), usage.output_tokens),
        cache_read_input_tokens=number(raw.get("cache_read_input_tokens"), usage.cache_read_input_tokens),
        cache_creation_input_tokens=number(
            raw.get("cache_creation_input_tokens"), usage.cache_creation_input_tokens
        ),
        cache_creation_1h_tokens=number(
            split.get("ephemeral_1h_input_tokens"), usage.cache_creation_1h_tokens
        ),
        thinking_tokens=number(details.get("thinking_tokens"), usage.thinking_tokens),
    )


def whole(text: str) -> str:
    """Replace lone surrogates, which no request can carry, by U+FFFD; pairs become their character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
