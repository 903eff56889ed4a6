"""Turns made for tests: each different, and whole."""

from __future__ import annotations

import json
import uuid
from typing import Any

from claude_magic.conversation.history import Conversation
from claude_magic.values import Answer, Block, TextPart, Turn, Usage


def text_block(text: str) -> Block:
    return Block("text", json.dumps({"type": "text", "text": text}, ensure_ascii=False).encode(), text)


def a_turn(prompt: str = "What is it?", says: str = "", cell: str = "", **more: Any) -> Turn:
    says = says or f"An answer to: {prompt}"
    fields: dict[str, Any] = {
        "prompt": prompt,
        "blocks": (text_block(prompt),),
        "reply": json.dumps({"role": "assistant", "content": says}).encode(),
        "shown": says,
        "answer": Answer(
            parts=(TextPart(says),),
            usage=Usage(input_tokens=12, output_tokens=34, final=True),
            model="claude-sonnet-5-5",
            message_id="msg_1",
            stop_reason="end_turn",
            complete=True,
        ),
        "stage": "complete",
        "model": "claude-sonnet-5-5",
        "cost": 0.001,
        "seconds": 1.5,
        "id": uuid.uuid4().hex,
        "cell_id": cell,
        "began": 1_790_000_000.0,
    }
    return Turn(**{**fields, **more})


def pending(prompt: str = "Still open", cell: str = "", **more: Any) -> Turn:
    return a_turn(
        prompt, cell=cell, **{"stage": "pending", "answer": Answer(), "reply": b"", "shown": "", **more}
    )


def a_conversation(count: int = 0, *, name: str = "main") -> Conversation:
    """A conversation of so many turns, of cells ``c0``, ``c1``, …"""
    turns = tuple(a_turn(f"question {i}", cell=f"c{i}") for i in range(count))
    return Conversation(uuid.uuid4().hex, name, turns)
