"""The rules between messages: who may speak when, which blocks go where, and tools answered in full."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from . import thought
from .errors import invalid
from .turns import unfold

if TYPE_CHECKING:
    from .models import Model
    from .turns import Block, Turn

_SERVER_RESULTS = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
)
_ALLOWED = {
    "user": {"text", "image", "document", "search_result", "tool_result", "container_upload"},
    "assistant": {
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "server_tool_use",
        "container_upload",
        *_SERVER_RESULTS,
    },
    "system": {"text"},
}
_EMPTY_TEXT = "text content blocks must be non-empty"
_NO_PREFILL = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)


def check_dialogue(
    messages: list[dict[str, Any]], turns: tuple[Turn, ...], model: Model, *, structured: bool
) -> None:
    """Refuse a conversation the API would refuse (ApiError 400, naming the message or block)."""
    if turns[0].role != "user":
        raise invalid("messages.0.role", 'first message must use the "user" role')
    if turns[-1].role == "assistant" and (not model.prefill or structured) and not _is_paused(turns[-1]):
        raise invalid(f"messages.{len(messages) - 1}", _NO_PREFILL)
    _check_contents(messages)
    for index, turn in enumerate(turns):
        _check_blocks(turn, model)
        if turn.role == "system":
            _check_system_turn(turns, index, model)
        if turn.role == "assistant":
            following = turns[index + 1] if index + 1 < len(turns) else None
            _check_answered(turn, following)
        else:
            previous = turns[index - 1] if index and turns[index - 1].role == "assistant" else None
            _check_results(turn, previous)
    _check_server_tools(turns)
    calls = Counter(block.value["id"] for turn in turns for block in turn.of("tool_use"))
    for name, number in calls.items():
        if number > 1:
            raise invalid("messages", f"`tool_use` ids must be unique: {name}")
    if turns[-1].role == "assistant" and not _is_paused(turns[-1]):
        last = turns[-1].blocks[-1] if turns[-1].blocks else None
        if last is not None and last.text != last.text.rstrip():
            raise invalid(last.path, "final assistant content cannot end with trailing whitespace")


def _check_contents(messages: list[dict[str, Any]]) -> None:
    for index, message in enumerate(messages):
        optional = index == len(messages) - 1 and message["role"] == "assistant"
        if not message["content"] and not optional:
            raise invalid(
                f"messages.{index}.content",
                "all messages must have non-empty content except for the optional final assistant message",
            )


def _is_paused(turn: Turn) -> bool:
    """Whether tools of the API are at work in an answer, so that it is sent back to go on."""
    return bool(turn.of("server_tool_use", *_SERVER_RESULTS))


def _check_blocks(turn: Turn, model: Model) -> None:
    for block in turn.blocks:
        kind = block.kind
        if kind not in _ALLOWED[turn.role]:
            raise invalid(block.path, f"`{kind}` blocks are not permitted in {turn.role} messages")
        if kind == "text":
            _check_text(block, turn.role)
        elif kind == "thinking":
            if not thought.is_genuine(block.value["thinking"], block.value["signature"], model.id):
                raise invalid(f"{block.path}.signature", "Invalid `signature` in `thinking` block")
        elif kind == "redacted_thinking":
            raise invalid(f"{block.path}.data", "Invalid `data` in `redacted_thinking` block")
        for inner in list(unfold(block))[1:]:
            # a whole content given as a string may be empty in a tool's result
            if inner.kind == "text" and inner.path[-1].isdigit() and not inner.text.strip():
                raise invalid(f"{inner.path}.text", _EMPTY_TEXT)


def _check_text(block: Block, role: str) -> None:
    field = f"{block.path}.text" if block.path[-1].isdigit() else block.path
    if not block.text:
        if role == "assistant" and field == block.path:
            return  # the empty string as an optional final assistant message
        raise invalid(field, _EMPTY_TEXT)
    if not block.text.strip():
        raise invalid(field, "text content blocks must contain non-whitespace text")
    if role != "assistant" and block.value.get("citations"):
        raise invalid(f"{block.path}.citations", f"citations are not permitted in {role} messages")


def _check_system_turn(turns: tuple[Turn, ...], index: int, model: Model) -> None:
    path = f"{turns[index].path}.role"
    if not model.system_turns:
        raise invalid(path, "role 'system' is not supported on this model")
    if turns[index - 1].role != "user":
        raise invalid(path, "a system message must follow a user message")
    if index + 1 < len(turns) and turns[index + 1].role != "assistant":
        raise invalid(path, "a system message must be last or be followed by an assistant message")


def _check_server_tools(turns: tuple[Turn, ...]) -> None:
    """Refuse a call of the API's own tools without its result, and the reverse.

    The result may stand behind the results of other tools, and the last answer's may still be to come.
    """
    waiting: dict[str, Block] = {}
    called: set[str] = set()
    for turn in turns:
        if turn.role == "user" and len(turn.of("tool_result")) < len(turn.blocks):
            for name, block in waiting.items():
                raise invalid(block.path, f"`server_tool_use` {name} has no result block")
        for block in turn.of("server_tool_use", *_SERVER_RESULTS):
            name = str(block.value.get("id") or block.value.get("tool_use_id"))
            if block.kind == "server_tool_use" and name in called:
                raise invalid(block.path, f"`server_tool_use` ids must be unique: {name}")
            if block.kind == "server_tool_use":
                called.add(name)
                waiting[name] = block
            elif waiting.pop(name, None) is None:
                raise invalid(f"{block.path}.tool_use_id", f"no `server_tool_use` with id {name}")


def _check_answered(turn: Turn, following: Turn | None) -> None:
    called = [block.value["id"] for block in turn.of("tool_use")]
    if not called:
        return
    answers = following.of("tool_result") if following and following.role == "user" else []
    answered = {block.value["tool_use_id"] for block in answers}
    missing = [name for name in called if name not in answered]
    if missing:
        raise invalid(
            following.path if following else turn.path,
            "`tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block "
            "in the next message.",
        )


def _check_results(turn: Turn, previous: Turn | None) -> None:
    called = {block.value["id"] for block in previous.of("tool_use")} if previous else set()
    seen: set[str] = set()
    for index, block in enumerate(turn.blocks):
        if block.kind != "tool_result":
            continue
        name = block.value["tool_use_id"]
        if name not in called:
            raise invalid(
                f"{block.path}.tool_use_id",
                f"unexpected `tool_use_id` found in `tool_result` blocks: {name}. Each `tool_result` block "
                "must have a corresponding `tool_use` block in the previous message.",
            )
        if name in seen:
            raise invalid(f"{block.path}.tool_use_id", f"multiple `tool_result` blocks with id: {name}")
        seen.add(name)
        if any(before.kind != "tool_result" for before in turn.blocks[:index]):
            raise invalid(block.path, "`tool_result` blocks must come first in the message")
