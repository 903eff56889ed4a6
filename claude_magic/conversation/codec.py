"""Turns as rows of the store and back, to the byte. JSON only: nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast, get_args

from claude_magic.values import (
    Answer,
    Block,
    OtherPart,
    Part,
    Stage,
    TextPart,
    ThinkingPart,
    ToolUsePart,
    Turn,
    Usage,
)

Cell = str | bytes | int | float | None
"""What a column may hold."""


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block in two pieces: bytes that are kept once however often they are sent, and the rest.

    Parameters
    ----------
    data : bytes
        The block's JSON.
    thumbnail : bytes
        Its thumbnail, ``b""`` for none.
    about : str
        Everything else, as JSON.
    """

    data: bytes
    thumbnail: bytes
    about: str


def text_cell(text: str) -> str | bytes:
    """A text as SQLite can hold it: lone surrogates, which UTF-8 has no bytes for, make it a BLOB."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def cell_text(cell: object) -> str:
    """The text that :func:`text_cell` was given."""
    return cell.decode("utf-8", "surrogatepass") if isinstance(cell, bytes) else str(cell)


def turn_row(turn: Turn) -> tuple[Cell, ...]:
    """A turn without its blocks and without what depends on the conversation it stands in."""
    return (
        text_cell(turn.id),
        text_cell(turn.cell_id),
        turn.stage,
        text_cell(turn.model),
        text_cell(turn.prompt),
        turn.reply,
        text_cell(turn.shown),
        answer_json(turn.answer, turn.saved),
        turn.cost,
        turn.seconds,
        text_cell(turn.request_id),
        int(turn.demo),
        turn.began,
        text_cell(turn.conversation),
        int(turn.reused),
    )


def turn_of(row: tuple[Any, ...], blocks: tuple[Block, ...], stale: bool) -> Turn:
    """The turn of a row.

    Raises
    ------
    ValueError
        When the row is not one that :func:`turn_row` made.
    """
    id_, cell_id, stage, model, prompt, reply, shown, answer, *rest = row
    cost, seconds, request_id, demo, began, conversation, reused = rest
    if stage not in get_args(Stage):
        raise ValueError(f"unknown stage {stage!r}")
    said, saved = answer_of(answer)
    return Turn(
        prompt=cell_text(prompt),
        blocks=blocks,
        reply=bytes(reply),
        shown=cell_text(shown),
        answer=said,
        stage=cast("Stage", stage),
        model=cell_text(model),
        cost=None if cost is None else float(cost),
        seconds=float(seconds),
        request_id=cell_text(request_id),
        demo=bool(demo),
        id=cell_text(id_),
        cell_id=cell_text(cell_id),
        began=float(began),
        conversation=cell_text(conversation),
        reused=bool(reused),
        stale=stale,
        saved=saved,
    )


def answer_json(answer: Answer, saved: float = 0.0) -> str:
    """An answer as JSON, with what the prompt cache saved of it; empty fields are left out."""
    fields: dict[str, Any] = {
        "parts": [_part_json(part) for part in answer.parts],
        "usage": {name: value for name, value in asdict(answer.usage).items() if value},
        "model": answer.model,
        "message_id": answer.message_id,
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
        "complete": answer.complete,
        "cache_miss": answer.cache_miss,
        "saved": saved,
    }
    return json.dumps({name: value for name, value in fields.items() if value not in ("", [], None, False)})


def answer_of(text: str) -> tuple[Answer, float]:
    """The answer of its JSON, and what the prompt cache saved of it.

    Raises
    ------
    ValueError
        When it is not the JSON of an answer.
    """
    try:
        fields = json.loads(text)
        usage = fields.pop("usage", {})
        parts = tuple(_part_of(raw) for raw in fields.pop("parts", ()))
        saved = float(fields.pop("saved", 0.0))
        return Answer(parts=parts, usage=Usage(**usage), **fields), saved
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an answer: {error}") from error


def _part_json(part: Part) -> Mapping[str, Any]:
    match part:
        case TextPart(text, ()):
            return {"text": text}
        case TextPart(text, citations):
            return {"text": text, "citations": list(citations)}
        case ThinkingPart(thinking, signature):
            return {"thinking": thinking, "signature": signature}
        case ToolUsePart(id_, name, input_json):
            return {"tool_use": id_, "name": name, "input_json": input_json}
        case OtherPart(kind, raw):
            return {"kind": kind, "raw": raw}


def _part_of(raw: Mapping[str, Any]) -> Part:
    if "text" in raw:
        return TextPart(raw["text"], tuple(raw.get("citations", ())))
    if "thinking" in raw:
        return ThinkingPart(raw["thinking"], raw["signature"])
    if "tool_use" in raw:
        return ToolUsePart(raw["tool_use"], raw["name"], raw["input_json"])
    return OtherPart(raw["kind"], raw["raw"])


def stored_block(block: Block) -> StoredBlock:
    """A block in the pieces that are kept."""
    about: dict[str, Any] = {
        "kind": block.kind,
        "name": block.name,
        "note": block.note,
        "size": block.size,
        "tokens": block.tokens,
        "pages": block.pages,
        "page_numbers": block.page_numbers,
        "pixels": block.pixels if block.pixels != (0, 0) else (),
    }
    about = {name: value for name, value in about.items() if value not in ("", 0, ())}
    # The text stands in the JSON already; only one that differs is kept beside it.
    if block.text != _text_in(block.json):
        about["text"] = block.text
    return StoredBlock(block.json, block.thumbnail, json.dumps(about))


def block_of(stored: StoredBlock) -> Block:
    """The block of its pieces.

    Raises
    ------
    ValueError
        When they are not what :func:`stored_block` made.
    """
    try:
        about = json.loads(stored.about)
        return Block(
            kind=about["kind"],
            json=stored.data,
            text=about["text"] if "text" in about else _text_in(stored.data),
            name=about.get("name", ""),
            note=about.get("note", ""),
            size=about.get("size", 0),
            tokens=about.get("tokens", 0),
            pixels=cast("tuple[int, int]", tuple(about.get("pixels", (0, 0)))),
            pages=about.get("pages", 0),
            page_numbers=tuple(about.get("page_numbers", ())),
            thumbnail=stored.thumbnail,
        )
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a block: {error}") from error


def _text_in(data: bytes) -> str:
    """The text of a text block's JSON, ``""`` for any other; large payloads are not parsed for it."""
    if b'"text"' not in data[:64]:
        return ""
    try:
        block = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    text = block.get("text") if isinstance(block, dict) and block.get("type") == "text" else None
    return text if isinstance(text, str) else ""
