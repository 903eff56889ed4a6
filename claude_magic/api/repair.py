"""Repair of a request's messages, on a copy: so that no fault of the past makes the API refuse the next one.

What is stored stays as it was received. Unreadable, empty, unsigned and unknown blocks are left out,
characters no request can carry are replaced, every tool call is answered exactly once, a call of the API's
own tools stands with its result or not at all, and a question stands last, or what the model paused in.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from claude_magic.api.request import Message, encode, encode_any
from claude_magic.api.server_tools import CALL, is_result
from claude_magic.characters import plain_name, sendable
from claude_magic.values import Answer, OtherPart, Part, TextPart, ThinkingPart, ToolUsePart

LARGE = 65_536
"""Bytes from which a picture or document is not parsed when it can be seen to be sound."""

_THINKING = frozenset({"thinking", "redacted_thinking"})
_GOES_ON = frozenset({"tool_use", "pause_turn"})
_UNANSWERED = "interrupted: this call was not run"
_NO_JSON = "INVALID_JSON"
"""Under this name an input that is no JSON object goes back to the model, as the API's manual says."""


@dataclass(frozen=True, slots=True)
class _Mended:
    """A block as it can be sent; ``json`` is empty where it cannot."""

    kind: str = ""
    id: str = ""
    json: bytes = b""


_Messages = list[tuple[str, list[_Mended]]]


def repaired(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages as the API takes them, in the same order.

    Parameters
    ----------
    messages : iterable of Message
        What was said, whatever happened meanwhile.

    Returns
    -------
    tuple of Message
        Begins with a user's message, and ends with one, with a system message right after it, or with that
        in which the model paused while a tool of the API was at work; empty where there is no user's message.
    """
    mended = [
        (message.role, [one for block in message.blocks if (one := _mended(message.role, block)).json])
        for message in messages
    ]
    served = _served(list(itertools.dropwhile(lambda message: not _begins(*message), mended)))
    paired = _paired([(role, blocks) for role, blocks in served if _says_something(blocks)])
    paired = _in_their_place(paired)
    while paired and paired[-1][0] == "assistant" and not _paused(paired[-1][1]):
        paired.pop()
    return tuple(Message(role, tuple(block.json for block in blocks)) for role, blocks in paired)


def assistant_message(answer: Answer) -> bytes:
    """An answer as the assistant message that later requests carry; empty when nothing of it can go back."""
    # Nobody knows what a call that was cut would have asked for.
    parts = (part for part in answer.parts if answer.complete or not isinstance(part, ToolUsePart))
    if answer.complete and answer.stop_reason == "tool_use":
        # These calls are answered, also those with an input that says nothing.
        parts = (_told_back(part) if isinstance(part, ToolUsePart) else part for part in answer.parts)
    params = filter(None, map(_param, parts))
    blocks = [one for param in params if (one := _mended("assistant", encode_any(param))).json]
    if not (answer.complete and answer.stop_reason in _GOES_ON):
        # Results of an earlier pause's calls stand at the beginning: whether they are in place is seen later.
        brought = {block.id for block in blocks if is_result(block.kind)}
        blocks = [block for block in blocks if block.kind != CALL or block.id in brought]
    if not _says_something(blocks):
        return b""
    return b"".join(Message("assistant", tuple(block.json for block in blocks)).pieces())


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
        case ToolUsePart(id_, name, input_json):
            plain = plain_name(name)[:128] or "unnamed"
            return {"type": "tool_use", "id": id_, "name": plain, "input": _object(input_json)}
        case OtherPart(kind, raw) if kind == CALL:
            told = {name: value for name, value in raw.items() if name != "input_json"}
            given = raw.get("input_json")
            return {**told, "input": _object(given)} if isinstance(given, str) else told
        case OtherPart(kind, raw) if is_result(kind):
            return raw
        case OtherPart():
            return None


def _told_back(call: ToolUsePart) -> ToolUsePart:
    """A call with an input that a request can carry."""
    value = _object(call.input_json)
    with contextlib.suppress(ValueError, RecursionError):  # an infinity, half a character, too deep
        if isinstance(value, dict):
            encode(value)
            return call
    # As a tool call that was cut may be large, its beginning is enough to tell.
    return replace(call, input_json=json.dumps({_NO_JSON: call.input_json[:2000]}))


def _object(text: str) -> Any:
    """What a call's JSON says; None where it was cut."""
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None


def _begins(role: str, blocks: Sequence[_Mended]) -> bool:
    return role == "user" and any(block.kind != "tool_result" for block in blocks)


def _says_something(blocks: Sequence[_Mended]) -> bool:
    return any(block.kind not in _THINKING for block in blocks)


def _paused(blocks: Sequence[_Mended]) -> bool:
    """Whether a message is one that the model may go on with: a tool of the API is in it."""
    return any(block.kind == CALL or is_result(block.kind) for block in blocks)


def _served(messages: _Messages) -> _Messages:
    """The messages with calls of the API's own tools only where their results stand, and the reverse.

    A result may come in the message after a pause, or behind the results of other tools; and a call of the
    answer that is under way may still wait for it. A question ends what came before it.
    """
    waiting: dict[str, tuple[int, int]] = {}
    called: set[str] = set()
    left_out: set[tuple[int, int]] = set()
    for number, (role, blocks) in enumerate(messages):
        if _begins(role, blocks):
            left_out |= set(waiting.values())
            waiting = {}
        for index, block in enumerate(blocks if role == "assistant" else ()):
            if block.kind == CALL and block.id not in called:
                called.add(block.id)
                waiting[block.id] = number, index
            elif block.kind == CALL or (is_result(block.kind) and waiting.pop(block.id, None) is None):
                left_out.add((number, index))
    return [
        (role, [block for index, block in enumerate(blocks) if (number, index) not in left_out])
        for number, (role, blocks) in enumerate(messages)
    ]


def _in_their_place(messages: _Messages) -> _Messages:
    """Without the system messages that do not stand between a user's and an assistant's, or at the end."""
    before = ["", *(role for role, _ in messages)]
    after = [*(role for role, _ in messages[1:]), "assistant"]
    return [
        message
        for message, last, following in zip(messages, before, after, strict=False)
        if message[0] != "system" or (last, following) == ("user", "assistant")
    ]


def _paired(messages: _Messages) -> _Messages:
    """Answer each tool call once, right after it and first in its message; drop results of no call."""
    paired: _Messages = []
    called: set[str] = set()
    open_calls: list[str] = []
    for role, blocks in messages:
        if open_calls and role != "user":
            paired.append(("user", [_not_run(call) for call in open_calls]))
            open_calls = []
        if role == "user":
            results = {block.id: block for block in reversed(blocks) if block.kind == "tool_result"}
            given = [results.get(call) or _not_run(call) for call in open_calls]
            rest = [block for block in blocks if block.kind != "tool_result"]
            open_calls = []
            if given or rest:
                paired.append((role, given + rest))
            continue
        fresh = []
        for block in blocks:
            if block.kind == "tool_use":
                if block.id in called:
                    continue
                called.add(block.id)
                open_calls.append(block.id)
            fresh.append(block)
        if _says_something(fresh):
            paired.append((role, fresh))
    if open_calls and _paused(paired[-1][1]):
        paired.append(("user", [_not_run(call) for call in open_calls]))
    return paired


def _not_run(call: str) -> _Mended:
    result = {"type": "tool_result", "tool_use_id": call, "is_error": True, "content": _UNANSWERED}
    return _Mended("tool_result", call, encode(result))


@functools.lru_cache(maxsize=4096)
def _mended(role: str, block: bytes) -> _Mended:
    """A block as it can be sent; looked at once, however often it goes out."""
    kind = seen_sound(block)
    if kind:
        return _Mended(kind, "", block) if role == "user" else _Mended()
    constants: list[str] = []  # NaN and infinities, which are no JSON, become null
    try:
        raw = json.loads(block.decode("utf-8", "surrogatepass"), parse_constant=constants.append)
        fixed = _sound(role, raw) if isinstance(raw, dict) else None
        if fixed is None:
            return _Mended()
        # Byte for byte where nothing was wrong.
        as_it_is = fixed == raw and not constants
        return _Mended(str(fixed["type"]), _id(fixed), block if as_it_is else encode(fixed))
    except (ValueError, RecursionError):
        return _Mended()


def seen_sound(block: bytes) -> str:
    """The kind of a large picture or document that is plain ASCII without escapes; ``""`` for any other."""
    if len(block) < LARGE:
        return ""
    head = block[:40]
    kind = next((one for one in ("image", "document") if head.startswith(b'{"type":"%b"' % one.encode())), "")
    return kind if kind and block.isascii() and b"\\" not in block else ""


def _id(raw: Mapping[str, Any]) -> str:
    return str(raw.get("id" if raw["type"] in ("tool_use", CALL) else "tool_use_id", ""))


def _sound(role: str, raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The block without what no request can carry; None where nothing of it can go out."""
    match role, raw.get("type"):
        case _, "text":
            text = raw.get("text")
            written = isinstance(text, str) and bool(sendable(text).strip())
            return _clean_all(raw) if written else None
        case "assistant", "thinking":
            # Signed as it stands, so it goes back as it stands or not at all.
            signed = raw.get("signature") and isinstance(raw.get("thinking"), str)
            return raw if signed and _clean_all(raw) == raw else None
        case "assistant", "redacted_thinking":
            return raw if raw.get("data") else None
        case "assistant", "tool_use" | "server_tool_use":
            named = bool(raw.get("id") and raw.get("name")) and isinstance(raw.get("input"), dict)
            return _clean_all(raw) if named else None
        case "assistant", str(kind) if is_result(kind):
            # Parts of it are signed or encrypted: as it stands, or not at all.
            return raw if raw.get("tool_use_id") and raw.get("content") and _clean_all(raw) == raw else None
        case "user", "tool_result":
            content = raw.get("content")
            said = [one for one in content if not _is_blank(one)] if isinstance(content, list) else content
            return {**_clean_all(raw), **({"content": _cleaned(said)} if said != content else {})}
        case "user", "image" | "document" | "search_result":
            return _clean_all(raw)
        case _:
            return None


def _is_blank(block: object) -> bool:
    return (
        isinstance(block, dict) and block.get("type") == "text" and not str(block.get("text") or "").strip()
    )


def _clean_all(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {sendable(key): _cleaned(value) for key, value in raw.items()}


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return sendable(value)
        case dict():
            return _clean_all(value)
        case list():
            return [_cleaned(one) for one in value]
        case _:
            return value
