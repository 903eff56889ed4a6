"""A whole message as the events of a stream, so that one fold makes answers of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from claude_magic.api.events import Event, MalformedEvent, decode


def events_of(message: Mapping[str, Any]) -> list[Event]:
    """The events that would have brought a message.

    Raises
    ------
    MalformedEvent
        When it is no message.
    """
    try:
        return decode(json.dumps(event) for event in _streamed(message))
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise MalformedEvent(f"a message that cannot be read: {error}") from error


def _streamed(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = message["content"]
    if message.get("type") != "message" or not isinstance(content, list):
        raise MalformedEvent("it is no message")
    yield {"type": "message_start", "message": {**message, "content": []}}
    for index, block in enumerate(content):
        opening, deltas = _opened(block)
        yield {"type": "content_block_start", "index": index, "content_block": opening}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    names = ("stop_reason", "stop_sequence", "stop_details", "container")
    ending = {name: message.get(name) for name in names}
    yield {"type": "message_delta", "delta": ending, "usage": message.get("usage")}
    yield {"type": "message_stop"}


def _opened(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it would begin, and the rest of it."""
    match block.get("type"):
        case "text":
            cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations") or ()]
            said = {"type": "text_delta", "text": block["text"]}
            return {**block, "text": "", "citations": None}, [said, *cited]
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            signed = {"type": "signature_delta", "signature": block.get("signature") or ""}
            return {**block, "thinking": "", "signature": ""}, [thought, signed]
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            given = json.dumps(block["input"], ensure_ascii=False)
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": given}]
        case _:
            return dict(block), []
