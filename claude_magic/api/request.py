"""Requests as ready bytes: each message is encoded once and joined ever after.

A conversation of a hundred turns with a picture in the first costs the hundredth request nothing but
the sending.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from claude_magic.api.extra import counted, parameters
from claude_magic.values import Block, Call, text_block

Place = tuple[int, int]
"""A block of a request: the number of its message, and its number in it."""


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

    def pieces(self, marked: Collection[int] = (), life: str = "") -> Iterator[bytes | memoryview]:
        """The message's JSON, in pieces; the blocks of these numbers marked for the prompt cache."""
        yield b'{"role":"%b","content":[' % self.role.encode()
        for number, block in enumerate(self.blocks):
            if number:
                yield b","
            if number in marked:
                yield from with_mark(block, life)
            else:
                yield block
        yield b"]}"


def with_mark(block: bytes, life: str) -> tuple[memoryview, bytes]:
    """The JSON of a block or tool with ``cache_control``, in pieces: nothing of it is parsed or copied."""
    end = block.rindex(b"}")
    return memoryview(block)[:end], b',"cache_control":%b}' % encode(cache_control(life))


def cache_control(life: str) -> dict[str, str]:
    """What marks a block for the prompt cache; five minutes is what the API takes without a word."""
    return {"type": "ephemeral", **({"ttl": life} if life != "5m" else {})}


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the prompt cache is to keep what stands before; no part of the prompt itself.

    Parameters
    ----------
    life : str
        For how long: ``5m`` or ``1h``; ``""`` where nothing is marked.
    system, tools : bool
        Whether the system prompt is marked, and the last tool.
    blocks : frozenset of Place
        The marked blocks.
    """

    life: str = ""
    system: bool = False
    tools: bool = False
    blocks: frozenset[Place] = frozenset()


SYSTEM = "system"
"""The kind of a block that is no part of the user's message, but a system message right after it."""


def system_message(text: str) -> Block:
    """A text as a system message inside the conversation."""
    brief = " ".join(text.split())
    brief = brief if len(brief) <= 100 else f"{brief[:99]}…"
    return replace(text_block(text), kind=SYSTEM, name="system message", note=f"“{brief}”")


def asked(blocks: Sequence[Block], *, system: bool = True) -> list[Message]:
    """The messages of what was asked: the user's, and the system message behind it if there is one.

    Parameters
    ----------
    system : bool
        Whether the model takes system messages here; else they are left out.
    """
    told = tuple(block.json for block in blocks if block.kind == SYSTEM)
    user = Message("user", tuple(block.json for block in blocks if block.kind != SYSTEM))
    return [user, Message("system", told)] if told and system else [user]


def results(calls: Sequence[Call]) -> bytes:
    """What tool calls have brought, as one text of JSON."""
    return b",".join(block for message in tool_results(calls) for block in message.blocks)


def tool_results(calls: Sequence[Call]) -> list[Message]:
    """The user's message that answers tool calls; none where nothing was called."""
    return [Message("user", tuple(map(_tool_result, calls)))] if calls else []


def _tool_result(call: Call) -> bytes:
    head = {"type": "tool_result", "tool_use_id": call.id, **({"is_error": True} if call.error else {})}
    content = b",".join(block.json for block in call.result)
    return encode_any(head)[:-1] + (b',"content":[%b]}' % content if content else b"}")


@functools.lru_cache(maxsize=4096)
def replied(reply: bytes, *, thinking: bool = True) -> Message:
    """The assistant message that a turn keeps as JSON, by its blocks; empty where it cannot be read.

    Parameters
    ----------
    thinking : bool
        Whether its thinking is among them.
    """
    try:
        content = json.loads(reply)["content"]
    except (ValueError, KeyError, TypeError, RecursionError):
        content = []
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    said = [block for block in content if thinking or not _is_thinking(block)]
    return Message("assistant", tuple(map(encode_any, said)))


def _is_thinking(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") in ("thinking", "redacted_thinking")


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
    marks : Marks
        Where the prompt cache is to keep what stands before.
    follows : str or None
        The id of the message before, against which the API is to say why its cache was missed; ``""``
        for a first message, None to ask nothing.
    extra : str
        Further parameters, as a JSON object; ``""`` for none.
    tools : tuple of bytes
        The definitions of the tools that may be called, as JSON.
    options : str
        Our own parameters, as a JSON object: ``thinking``, ``output_config``, ``tool_choice``, ``container``.
    prefill : str
        How the answer begins: sent as the last message, which no mark is ever set on; ``""`` for none.
    """

    model: str
    max_tokens: int
    messages: tuple[Message, ...] = field(repr=False)
    system: str = ""
    stop_sequences: tuple[str, ...] = ()
    marks: Marks = Marks()
    follows: str | None = None
    extra: str = ""
    tools: tuple[bytes, ...] = field(default=(), repr=False)
    options: str = ""
    prefill: str = ""

    def body(self) -> bytes:
        """The body of ``POST /v1/messages`` with ``stream: true``."""
        return self._whole({"stream": True})

    def params(self) -> bytes:
        """The parameters of the same request in a batch, whose answers do not stream."""
        return self._whole({})

    def _whole(self, further: Mapping[str, Any]) -> bytes:
        head = _together(parameters(self.extra), parameters(self.options))
        head |= {"model": self.model, "max_tokens": self.max_tokens, **further}
        if self.marks.system:
            mark = cache_control(self.marks.life)
            head["system"] = [{"type": "text", "text": self.system, "cache_control": mark}]
        elif self.system:
            head["system"] = self.system
        if self.follows is not None:
            head["diagnostics"] = {"previous_message_id": self.follows or None}
        if self.stop_sequences:
            head["stop_sequences"] = list(self.stop_sequences)
        return self._joined(head, self.marks)

    def count_body(self) -> bytes:
        """The body of ``POST /v1/messages/count_tokens``, which takes fewer parameters."""
        head = _together(counted(self.extra), parameters(self.options)) | {"model": self.model}
        head |= {"system": self.system} if self.system else {}
        return self._joined(head, Marks())

    def _joined(self, head: Mapping[str, Any], marks: Marks) -> bytes:
        pieces: list[bytes | memoryview] = [encode(head)[:-1]]
        if self.tools:
            *first, last = self.tools
            pieces += [b',"tools":[', *(tool + b"," for tool in first)]
            pieces += [*(with_mark(last, marks.life) if marks.tools else (last,)), b"]"]
        pieces.append(b',"messages":[')
        for number, message in enumerate(self.messages):
            if number:
                pieces.append(b",")
            marked = [block for place, block in marks.blocks if place == number]
            pieces += message.pieces(marked, marks.life)
        if self.prefill:
            block = encode({"type": "text", "text": self.prefill})
            pieces += [b",", *Message("assistant", (block,)).pieces()]
        pieces.append(b"]}")
        return b"".join(pieces)


def _together(extra: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Both parameters in one; where both have fields of the same, our own go before."""
    inner = {
        name: {**extra[name], **value}
        for name, value in own.items()
        if isinstance(extra.get(name), dict) and isinstance(value, dict)
    }
    return {**extra, **own, **inner}
