"""The last look at a request before it is sent: what the API would refuse is refused here, and told."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from claude_magic.api.repair import seen_sound
from claude_magic.api.request import Message, Request
from claude_magic.api.server_tools import CALL, is_result
from claude_magic.characters import is_sendable
from claude_magic.errors import UsageProblem
from claude_magic.values import Block

MOST_BYTES = 32_000_000
"""Bytes of one request."""

_KINDS = {
    "user": frozenset({"text", "image", "document", "tool_result", "search_result"}),
    "assistant": frozenset({"text", "thinking", "redacted_thinking", "tool_use", CALL}),
    "system": frozenset({"text"}),
}
_REQUIRED = {
    "text": "text",
    "thinking": "signature",
    "redacted_thinking": "data",
    "tool_use": "id",
    CALL: "id",
    "tool_result": "tool_use_id",
    "image": "source",
    "document": "source",
}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the rules need to know of a block; ``wrong`` says why no request can carry it."""

    kind: str = ""
    id: str = ""
    wrong: str = ""


def check(request: Request) -> None:
    """Hold a request against the rules of the API.

    Raises
    ------
    UsageProblem
        With the first rule it breaks. Nothing was sent.
    """
    messages = request.messages
    wrong = next(filter(None, (_head(request), _order(messages), _pairs(messages), _served(messages))), "")
    if wrong:
        raise UsageProblem(
            f"The API would refuse this: {wrong}. Nothing was sent. "
            "--new begins a conversation without it; %claude_history shows what is there."
        )


def refuse_too_large(blocks: Sequence[Block]) -> None:
    """Hold what is attached against the size of a request.

    Raises
    ------
    UsageProblem
        With the largest attachments. Nothing was sent.
    """
    size = sum(len(block.json) for block in blocks)
    if size > MOST_BYTES:
        largest = sorted(blocks, key=lambda block: -len(block.json))[:3]
        largest = [one for one in largest if len(one.json) > size / 20] or largest[:1]
        named = ", ".join(f"{one.name or 'the prompt'} ({len(one.json) / 1e6:.1f} MB)" for one in largest)
        raise UsageProblem(
            f"The request would have {size / 1e6:.1f} MB; the API takes {MOST_BYTES / 1e6:.0f}. The largest: "
            f"{named}. Attach less (report.pdf[1-20] takes some pages), or begin anew with --new. "
            "Nothing was sent."
        )


def _head(request: Request) -> str:
    if not request.model.strip():
        return "no model"
    if request.max_tokens < 1:
        return "max_tokens below 1"
    if any(not text.strip() for text in request.stop_sequences):
        return "an empty stop sequence"
    if not all(map(is_sendable, (request.system, request.prefill, *request.stop_sequences))):
        return "a character that no request can carry, in the system prompt, the prefill or a stop sequence"
    if '"json_schema"' in request.options and any(
        b'"citations":{"enabled":true}' in block for message in request.messages for block in message.blocks
    ):
        return "a document with citations (--cite), which do not go with --schema"
    if request.prefill != request.prefill.rstrip():
        return "an answer that is to begin with blanks at its end"
    return ""


def _order(messages: Sequence[Message]) -> str:
    if (
        not messages
        or messages[0].role != "user"
        or not (messages[-1].role != "assistant" or _paused(messages))
    ):
        return "a conversation begins and ends with the user"
    roles = [message.role for message in messages]
    for number, (before, role, after) in enumerate(zip(roles, roles[1:], [*roles[2:], ""], strict=False), 2):
        if role == "system" and (before != "user" or after not in ("assistant", "")):
            return f"message {number} is the system's, which stands between the user's and an answer only"
    for number, message in enumerate(messages, 1):
        facts = [_facts(block) for block in message.blocks]
        if not facts:
            return f"message {number} is empty"
        if wrong := next((fact.wrong for fact in facts if fact.wrong), ""):
            return f"message {number} has {wrong}"
        if alien := next((fact.kind for fact in facts if not _belongs(fact.kind, message.role)), ""):
            return f"message {number} of the {message.role} has a block of type {alien!r}"
    return ""


def _belongs(kind: str, role: str) -> bool:
    return kind in _KINDS[role] or (role == "assistant" and is_result(kind))


def _paused(messages: Sequence[Message]) -> bool:
    """Whether the last message is one in which the model paused while a tool of the API was at work."""
    kinds = [_facts(block).kind for block in messages[-1].blocks]
    return "tool_use" not in kinds and any(kind == CALL or is_result(kind) for kind in kinds)


def _served(messages: Sequence[Message]) -> str:
    """Whether calls of the API's own tools have their results; those of the answer under way may wait."""
    waiting: set[str] = set()
    called: set[str] = set()
    for number, message in enumerate(messages, 1):
        facts = [_facts(block) for block in message.blocks]
        if waiting and message.role == "user" and any(fact.kind != "tool_result" for fact in facts):
            return f"message {number} comes before the result of a tool of the API"
        for fact in facts:
            if fact.kind == CALL and fact.id in called:
                return f"message {number} repeats the id of a call of the API's own tools"
            if fact.kind == CALL:
                called.add(fact.id)
                waiting.add(fact.id)
            elif is_result(fact.kind):
                if fact.id not in waiting:
                    return f"message {number} has the result of a tool of the API without its call"
                waiting.remove(fact.id)
    return ""


def _pairs(messages: Sequence[Message]) -> str:
    """Whether each tool call is answered once, first in the next message; and no other result is there."""
    pending: list[str] = []
    seen: set[str] = set()
    for number, message in enumerate(messages, 1):
        facts = [_facts(block) for block in message.blocks]
        results = [fact.id for fact in facts if fact.kind == "tool_result"]
        if sorted(results) != sorted(pending):
            return f"message {number} does not answer the tool calls before it one by one"
        if any(fact.kind == "tool_result" for fact in facts[len(results) :]):
            return f"message {number} has a tool result behind other content"
        pending = [fact.id for fact in facts if fact.kind == "tool_use"]
        if len(set(pending)) < len(pending) or seen & set(pending):
            return f"message {number} repeats the id of a tool call"
        seen |= set(pending)
    return ""


@functools.lru_cache(maxsize=4096)
def _facts(block: bytes) -> _Facts:
    if large := seen_sound(block):
        return _Facts(large)
    try:
        raw = json.loads(block.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _Facts(wrong="a block that is no JSON")
    kind = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or not kind:
        return _Facts(wrong="a block without a type")
    required = _REQUIRED.get(kind, "tool_use_id" if is_result(kind) else "type")
    if not raw.get(required):
        return _Facts(kind, wrong=f"a {kind} block without its {required}")
    if kind == "text" and not str(raw["text"]).strip():
        return _Facts(kind, wrong="a text block that is blank")
    if not all(map(is_sendable, _texts(raw))):
        return _Facts(kind, wrong="a character that no request can carry")
    return _Facts(kind, str(raw.get("id") or raw.get("tool_use_id") or ""))


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _texts(value: object) -> Iterator[str]:
    """All texts inside a block."""
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)
