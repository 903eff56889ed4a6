"""Whatever a body holds, it gets an answer or a refusal, never an accident."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import httpx2
import pytest

from claude_magic.offline.errors import ApiError
from claude_magic.offline.events import stream
from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service

from .samples import Json, assistant, image_block, picture, text_document, user

JUNK: list[Any] = [
    *(None, True, 0, -1, 10**30, 1.5, "", " ", "x", "\x00", [], {}, [None], [[]], ["a"]),
    *(
        {"type": "text"},
        {"type": "text", "text": "a"},
        {"type": "object"},
        {"$ref": "#"},
        {"type": "ephemeral"},
    ),
    *("claude-haiku-4-5", "thinking", "system", "9" * 5000 + " words"),
]
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "a": {"type": "array", "items": {"$ref": "#/$defs/b"}, "minItems": 2},
        "c": {"anyOf": [{"type": "null"}, {"type": "number", "minimum": 1, "multipleOf": 0.5}]},
        "d": {"type": "string", "pattern": "^a", "maxLength": 9},
    },
    "$defs": {"b": {"enum": ["x", "y"]}},
    "required": ["a", "c", "d"],
    "additionalProperties": False,
}
BODY: Json = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 500,
    "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "tools": [{"name": "look", "input_schema": SCHEMA}],
    "thinking": {"type": "adaptive", "display": "summarized"},
    "stop_sequences": ["zzz"],
    "metadata": {"user_id": None},
    "messages": [
        user("Look", image_block(picture()), text_document("A. B.", citations={"enabled": True})),
        assistant("Yes", {"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}),
        user(
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "Seen"}]},
            "look 5",
        ),
    ],
}
STRUCTURED: Json = {
    "model": "claude-opus-5-5",
    "max_tokens": 500,
    "messages": [user('Take "a" and 5')],
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *places(value[key])]]


def spoil(body: Json, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 2, 3])):
        found = places(body)
        if not found:
            return
        container, key = chance.choice(found)
        what = chance.random()
        if what < 0.2:
            del container[key]
        elif what < 0.8:
            container[key] = copy.deepcopy(chance.choice(JUNK))
        elif isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        else:
            container[chance.choice(["foo", "type", "cache_control", "content"])] = copy.deepcopy(
                chance.choice(JUNK)
            )


@pytest.mark.parametrize("original", [BODY, STRUCTURED], ids=["with everything", "structured"])
@pytest.mark.parametrize("seed", range(4))
def test_a_spoiled_body_is_answered_or_refused(original: Json, seed: int) -> None:
    service = Service(Catalogue())
    service.create(json.dumps(original).encode())
    chance = random.Random(seed)
    refusals = []
    for _ in range(400):
        body = copy.deepcopy(original)
        spoil(body, chance)
        try:
            message, answer, _ = service.create(json.dumps(body).encode())
        except ApiError as error:
            refusals.append(error.status)
        else:
            json.dumps(message)
            assert list(stream(message, answer))
    assert 0 < len(refusals) < 400
    assert set(refusals) <= {400, 404}


@pytest.mark.parametrize("depth", [10, 400, 800, 900, 950, 980, 1500])
def test_deep_nesting_is_answered_or_refused(wire: httpx2.Client, depth: int) -> None:
    call = {"type": "tool_use", "id": "t", "name": "look", "input": {"a": "HERE"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
    body = {**STRUCTURED, "messages": [user("a \U0001f600"), assistant(call), user(result)]}
    text = json.dumps(body).replace('"HERE"', "[" * depth + "]" * depth)
    response = wire.post("/v1/messages", content=text, headers={"Content-Type": "application/json"})
    assert response.status_code == (200 if depth < 100 else response.status_code)
    assert response.status_code in {200, 400}, response.text
