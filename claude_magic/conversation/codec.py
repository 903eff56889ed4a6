"""Turns as rows of the store and back, to the byte. JSON only: nothing is ever unpickled."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast, get_args

from claude_magic.values import (
    Answer,
    Block,
    Call,
    OtherPart,
    Part,
    Round,
    Section,
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


class RoundTexts:
    """The JSON of the rounds of one turn under way: each is made once, however often the turn is written."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Round, str]] = {}

    def of(self, rounds: Sequence[Round]) -> list[str]:
        """The text of each; what belongs to others is forgotten."""
        made = [self._made.get(id(one), (None, "")) for one in rounds]
        texts = [
            text if same is one else json.dumps(_round_json(one))
            for one, (same, text) in zip(rounds, made, strict=True)
        ]
        self._made = {id(one): (one, text) for one, text in zip(rounds, texts, strict=True)}
        return texts


def turn_row(turn: Turn, texts: RoundTexts | None = None) -> tuple[Cell, ...]:
    """A turn without its blocks and without what depends on the conversation it stands in."""
    return (
        text_cell(turn.id),
        text_cell(turn.cell_id),
        turn.stage,
        text_cell(turn.model),
        text_cell(turn.prompt),
        turn.reply,
        text_cell(turn.shown),
        turn_json(turn, texts),
        turn.cost,
        turn.seconds,
        text_cell(turn.request_id),
        int(turn.demo),
        turn.began,
        text_cell(turn.conversation),
        int(turn.reused or bool(turn.replayed and not turn.cost)),  # neither counts as spent
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
    said = said_of(answer)
    return Turn(
        prompt=cell_text(prompt),
        blocks=blocks,
        reply=bytes(reply),
        shown=cell_text(shown),
        answer=said.answer,
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
        reused=said.reused if said.replayed else bool(reused),
        replayed=said.replayed,
        stale=stale,
        saved=said.saved,
        rounds=said.rounds,
        sections=said.sections,
        stands_for=said.stands_for,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What the column of a turn's answer holds."""

    answer: Answer
    saved: float = 0.0
    rounds: tuple[Round, ...] = ()
    sections: tuple[Section, ...] = ()
    stands_for: tuple[str, ...] = ()
    replayed: str = ""
    reused: bool = False


def turn_json(turn: Turn, texts: RoundTexts | None = None) -> str:
    """A turn's answer as JSON, with its rounds; ``usage`` is that of all its replies."""
    fields = _answer_fields(turn.answer) | {"saved": turn.saved, "stands_for": list(turn.stands_for)}
    fields |= {"replayed": turn.replayed, "reused": bool(turn.replayed and turn.reused)}
    if turn.rounds:
        fields |= {"last_usage": fields["usage"], "usage": _usage_fields(turn.usage)}
    fields["sections"] = [[one.kind, one.title, one.body] for one in turn.sections]
    text = _without_empty(fields)
    if not turn.rounds:
        return text
    rounds = (texts or RoundTexts()).of(turn.rounds)
    return f'{text[:-1]}, "rounds": [{", ".join(rounds)}]}}'


def said_of(text: str) -> Said:
    """What :func:`turn_json` wrote.

    Raises
    ------
    ValueError
        When it is not that.
    """
    try:
        fields = json.loads(text)
        saved = float(fields.pop("saved", 0.0))
        rounds = tuple(_round_of(raw) for raw in fields.pop("rounds", ()))
        sections = tuple(Section(kind, body, title) for kind, title, body in fields.pop("sections", ()))
        stands_for = tuple(map(str, fields.pop("stands_for", ())))
        replayed, reused = str(fields.pop("replayed", "")), bool(fields.pop("reused", False))
        if rounds:
            fields["usage"] = fields.pop("last_usage", {})
        return Said(_answer_of(fields), saved, rounds, sections, stands_for, replayed, reused)
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an answer: {error}") from error


def _without_empty(fields: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in fields.items() if value not in ("", [], None, False)})


def _usage_fields(usage: Usage) -> dict[str, Any]:
    return {name: value for name, value in asdict(usage).items() if value}


def _answer_fields(answer: Answer) -> dict[str, Any]:
    return {
        "parts": [_part_json(part) for part in answer.parts],
        "usage": _usage_fields(answer.usage),
        "model": answer.model,
        "message_id": answer.message_id,
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
        "complete": answer.complete,
        "cache_miss": answer.cache_miss,
        "container": answer.container,
    }


def _answer_of(fields: dict[str, Any]) -> Answer:
    usage = fields.pop("usage", {})
    parts = tuple(_part_of(raw) for raw in fields.pop("parts", ()))
    return Answer(parts=parts, usage=Usage(**usage), **fields)


def _round_json(one: Round) -> dict[str, Any]:
    """A round; its messages are texts, as their bytes are UTF-8 JSON."""
    return {
        "answer": json.loads(_without_empty(_answer_fields(one.answer))),
        "reply": _text(one.reply),
        "calls": [_call_json(call) for call in one.calls],
        "cost": one.cost,
        "saved": one.saved,
    }


def _round_of(raw: dict[str, Any]) -> Round:
    return Round(
        _answer_of(raw["answer"]),
        raw["reply"].encode("utf-8", "surrogatepass"),
        tuple(_call_of(call) for call in raw["calls"]),
        raw["cost"],
        raw["saved"],
    )


def _call_json(call: Call) -> dict[str, Any]:
    told = [stored_block(block) for block in call.result]
    result = [
        [one.data.decode("utf-8", "surrogatepass"), base64.b64encode(one.thumbnail).decode(), one.about]
        for one in told
    ]
    fields = {name: getattr(call, name) for name in ("id", "name", "arguments", "error", "note", "seconds")}
    return {**fields, "result": result}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _call_of(raw: dict[str, Any]) -> Call:
    result = [
        block_of(StoredBlock(data.encode("utf-8", "surrogatepass"), base64.b64decode(thumbnail), about))
        for data, thumbnail, about in raw.pop("result")
    ]
    return Call(**raw, result=tuple(result))


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


@functools.lru_cache(maxsize=32)
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
