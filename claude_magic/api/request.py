"""Requests as ready bytes: each message is encoded once and joined ever after.

A conversation of a hundred turns with a picture in the first costs the hundredth request nothing but
the sending.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from claude_magic.values import Answer, Block, OtherPart, Part, TextPart, ThinkingPart, ToolUsePart


def encode(value: object) -> bytes:
    """A value as compact UTF-8 JSON; NaN is refused with a ValueError, as the API would."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def user_message(blocks: Sequence[Block]) -> Iterator[bytes]:
    """A user message of ready blocks, in pieces: pictures are copied once, when the request is joined."""
    yield b'{"role":"user","content":['
    for number, block in enumerate(blocks):
        if number:
            yield b","
        yield block.json
    yield b"]}"


def assistant_message(answer: Answer) -> bytes:
    """An answer as the assistant message that later requests carry; empty when nothing of it can go back."""
    content = [param for part in answer.parts if (param := _param(part)) is not None]
    if not any(param["type"] != "thinking" for param in content):
        return b""
    return encode({"role": "assistant", "content": content})


def _param(part: Part) -> Mapping[str, Any] | None:
    match part:
        case TextPart(text, citations):
            if not text.strip():
                return None
            # The API tells the file of a citation and refuses to be told it back.
            cited = [{k: v for k, v in one.items() if k != "file_id"} for one in citations]
            return {"type": "text", "text": text, **({"citations": cited} if cited else {})}
        case ThinkingPart(thinking, signature):
            # Unsigned thinking is refused by the API, so it is left out whole.
            return {"type": "thinking", "thinking": thinking, "signature": signature} if signature else None
        case OtherPart("redacted_thinking", raw):
            return {"type": "redacted_thinking", "data": raw.get("data", "")}
        case ToolUsePart() | OtherPart():
            return None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the API, its messages as ready JSON.

    Parameters
    ----------
    model : str
        The model's id.
    messages : tuple of bytes
        The pieces of the array of messages, ready JSON, in order.
    """

    model: str
    max_tokens: int
    messages: tuple[bytes, ...] = field(repr=False)
    system: str = ""
    stop_sequences: tuple[str, ...] = ()

    def body(self) -> bytes:
        """The body of ``POST /v1/messages`` with ``stream: true``."""
        head: dict[str, Any] = {"model": self.model, "max_tokens": self.max_tokens, "stream": True}
        if self.system:
            head["system"] = self.system
        if self.stop_sequences:
            head["stop_sequences"] = list(self.stop_sequences)
        return self._joined(head)

    def count_body(self) -> bytes:
        """The body of ``POST /v1/messages/count_tokens``, which takes fewer parameters."""
        return self._joined({"model": self.model, **({"system": self.system} if self.system else {})})

    def _joined(self, head: Mapping[str, Any]) -> bytes:
        return b"".join((encode(head)[:-1], b',"messages":[', *self.messages, b"]}"))
