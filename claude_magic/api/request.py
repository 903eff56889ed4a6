"""Requests as ready bytes: each message is encoded once and joined ever after.

A conversation of a hundred turns with a picture in the first costs the hundredth request nothing but
the sending.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from claude_magic.values import Block


def encode(value: object) -> bytes:
    """A value as compact UTF-8 JSON; NaN is refused with a ValueError, as the API would."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a request: its role, and its content blocks as ready JSON.

    Pictures stay the bytes they are until the request is joined.
    """

    role: str
    blocks: tuple[bytes, ...] = field(repr=False)

    def pieces(self) -> Iterator[bytes]:
        """The message's JSON, in pieces."""
        yield b'{"role":"%b","content":[' % self.role.encode()
        for number, block in enumerate(self.blocks):
            if number:
                yield b","
            yield block
        yield b"]}"


def user_message(blocks: Sequence[Block]) -> Message:
    """A user message of ready blocks."""
    return Message("user", tuple(block.json for block in blocks))


@functools.lru_cache(maxsize=4096)
def replied(reply: bytes) -> Message:
    """The assistant message that a turn keeps as JSON, by its blocks; empty where it cannot be read."""
    try:
        content = json.loads(reply)["content"]
    except (ValueError, KeyError, TypeError, RecursionError):
        content = []
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return Message("assistant", tuple(encode_any(block) for block in content))


def encode_any(block: object) -> bytes:
    """A block of a reply as JSON, also one that no request could carry: repair sees to it."""
    return json.dumps(block, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the API, its messages as ready JSON.

    Parameters
    ----------
    model : str
        The model's id.
    messages : tuple of Message
        All messages, in order.
    """

    model: str
    max_tokens: int
    messages: tuple[Message, ...] = field(repr=False)
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
        pieces = [encode(head)[:-1], b',"messages":[']
        for number, message in enumerate(self.messages):
            if number:
                pieces.append(b",")
            pieces += message.pieces()
        pieces.append(b"]}")
        return b"".join(pieces)
