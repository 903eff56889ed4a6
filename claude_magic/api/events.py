"""The events of a reply's stream, decoded from the wire.

What is not what it claims to be is refused here, so that nothing behind this needs to look twice. Adjacent
text deltas of one batch are merged, so that a burst of thousands of deltas costs one event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MessageStart:
    """The reply has begun; the input side of its usage is known.

    Parameters
    ----------
    cache_miss : str
        The API's word for why its prompt cache was missed; ``pending`` where it does not know yet.
    container : str
        The id of the container in which the API runs code; ``""`` where it tells none.
    """

    message_id: str
    model: str
    usage: Mapping[str, Any]
    cache_miss: str = ""
    container: str = ""


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
    """Why the reply ends, and its cumulative usage; in which container the API has run code, if it tells."""

    stop_reason: str
    stop_sequence: str
    stop_details: Mapping[str, Any] | None
    usage: Mapping[str, Any]
    container: str = ""


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
                    index, text = _index(raw), delta[known[1]]
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
            return MessageStart(
                _text(message, "id"),
                _text(message, "model"),
                _object(message, "usage"),
                _cache_miss(message.get("diagnostics")),
                _text(_object(message, "container"), "id"),
            )
        case "content_block_start":
            return BlockStart(_index(raw), _block(_object(raw, "content_block", needed=True)))
        case "content_block_delta" if raw["delta"]["type"] == "citations_delta":
            return CitationDelta(_index(raw), _object(raw["delta"], "citation", needed=True))
        case "content_block_stop":
            return BlockStop(_index(raw))
        case "message_delta":
            delta = raw["delta"]
            return MessageDelta(
                _text(delta, "stop_reason"),
                _text(delta, "stop_sequence"),
                _object(delta, "stop_details") or None,
                _object(raw, "usage"),
                _text(_object(delta, "container"), "id"),
            )
        case "message_stop":
            return MessageStop()
        case "error":
            error = _object(raw, "error")
            said = _text(error, "message")
            return StreamError(_text(error, "type") or "error", said, _text(raw, "request_id"))
        case _:
            return Unknown(str(kind))


def _cache_miss(diagnostics: object) -> str:
    if not isinstance(diagnostics, dict) or "cache_miss_reason" not in diagnostics:
        return ""
    reason = diagnostics["cache_miss_reason"]
    return str(reason.get("type") or "") if isinstance(reason, dict) else "pending"


def _block(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """A block as it begins; the fields that are read of it have their types."""
    if _text(block, "type") in ("text", "thinking", "tool_use"):
        for name in ("text", "thinking", "signature", "id", "name"):
            _text(block, name)
        citations = block.get("citations") or []
        if not isinstance(citations, list) or not all(isinstance(one, dict) for one in citations):
            raise MalformedEvent("citations that are none")
    return block


def _index(raw: Mapping[str, Any]) -> int:
    index = raw["index"]
    if not isinstance(index, int):
        raise MalformedEvent("an index that is no number")
    return index


def _text(raw: Mapping[str, Any], name: str) -> str:
    """A field that is a text, ``""`` where it is missing or null."""
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedEvent(f"a {name} that is no text")
    return value


def _object(raw: Mapping[str, Any], name: str, *, needed: bool = False) -> Mapping[str, Any]:
    """A field that is an object, an empty one where it is missing or null."""
    value = raw.get(name)
    if value is None and not needed:
        return {}
    if not isinstance(value, dict):
        raise MalformedEvent(f"a {name} that is no object")
    return value
