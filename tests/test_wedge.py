"""Whatever a reply has been, the next question is one the API takes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from claude_magic.api import models
from claude_magic.api.check import check
from claude_magic.api.fold import Fold
from claude_magic.api.repair import repaired
from claude_magic.api.request import Message, Request
from claude_magic.api.stream import decoded
from claude_magic.conversation.history import Conversation
from claude_magic.errors import UsageProblem
from claude_magic.evaluation import prepare
from claude_magic.offline.errors import ApiError
from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service
from claude_magic.offline.thought import sign
from claude_magic.question import Question
from claude_magic.tools.ids import ids_of, with_own_ids
from claude_magic.values import Call, Stage, ToolUsePart, text_block

SEQUENCES = 10_000

TEXTS = [
    "A plain answer.", "", " ", "\n\n", "\ud83d", "\udc00 half", "two \ud83d\ude00 halves", "nul \0 in it",
    "\u202eright to left", "\ufeff", "é", "a" * 3000,
]  # fmt: skip
INPUTS = [
    "", "{}", '{"x": 1}', '{"x": ', "[1, 2]", '{"x": NaN}', '{"x": 1e999}', '{"x": "\\ud83d"}',
    '{"x": ' + "[" * 3000 + "]" * 3000 + "}", '{"x": ' + "9" * 5000 + "}", "null", '"text"',
]  # fmt: skip
REASONS = [
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "tool_use", "tool_use", "pause_turn", "refusal",
    "model_context_window_exceeded", "a_new_reason", None,
]  # fmt: skip
STAGES: list[Stage] = ["complete", "interrupted", "cut", "refused", "max_tokens", "failed"]
FOUND = [{"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "eA=="}]


def block_events(dice: random.Random, index: int) -> list[dict[str, Any]]:
    """One content block of a stream: of any kind, whole or not."""
    name = f"toolu_{dice.randrange(3)}"  # ids repeat now and then
    served = f"srv_{dice.randrange(3)}"
    thought = dice.choice([text for text in TEXTS if text.isascii()])
    signature = sign(thought, b"", "claude-sonnet-5-5") if dice.random() < 0.7 else ""
    start, deltas = dice.choice(
        [
            (
                {"type": "text", "text": ""},
                [("text_delta", "text", dice.choice(TEXTS)) for _ in range(2)],
            ),
            (
                {"type": "thinking", "thinking": "", "signature": ""},
                [
                    ("thinking_delta", "thinking", thought),
                    ("signature_delta", "signature", signature),
                ],
            ),
            ({"type": "redacted_thinking", "data": ""}, []),
            (
                {"type": "tool_use", "id": name, "name": "plot", "input": {}},
                [("input_json_delta", "partial_json", dice.choice(INPUTS))],
            ),
            (
                {"type": "server_tool_use", "id": served, "name": "web_search", "input": {}},
                [("input_json_delta", "partial_json", dice.choice(INPUTS))],
            ),
            ({"type": "web_search_tool_result", "tool_use_id": served, "content": FOUND}, []),
            ({"type": "brand_new", "data": [1, 2]}, []),
        ]
    )
    kept = deltas[: dice.randrange(3)] if dice.random() < 0.3 else deltas
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": {"type": k, f: v}} for k, f, v in kept),
        {"type": "content_block_stop", "index": index},
    ]


def stream(dice: random.Random) -> list[str]:
    """The data of a stream that may be cut, be missing pieces, or break off in something unreadable."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude-sonnet-5-5", "usage": {}}}
    ]
    for index in range(dice.randrange(4)):
        events += block_events(dice, index + (dice.random() < 0.1))
    events += [
        {"type": "message_delta", "delta": {"stop_reason": dice.choice(REASONS)}, "usage": {}},
        {"type": "message_stop"},
    ]
    lines = [json.dumps(event) for event in events]
    if dice.random() < 0.4:
        lines = lines[: dice.randrange(len(lines))]
    if dice.random() < 0.2 and lines:
        lost = dice.randrange(len(lines))
        if "thinking_delta" not in lines[lost]:
            lines.pop(lost)
    if dice.random() < 0.2:
        lines.append(
            dice.choice(['{"type": "content_bl', "null", '{"type": "error", "error": {}}', "\ud800"])
        )
    return lines


def answered(dice: random.Random, use: ToolUsePart) -> Call:
    """A call with whatever a tool has brought, or why it was not run."""
    result = (text_block(dice.choice(TEXTS)),)[: dice.randrange(2)]
    return Call(use.id, use.name, use.input_json, result, error=dice.random() < 0.5)


def accepted(request: Request, service: Service) -> None:
    try:
        service.count(request.count_body())
    except ApiError as error:
        raise AssertionError(f"{error}: {request.count_body()[:600]!r}") from error


def test_no_sequence_of_faults_and_interrupts_wedges_a_conversation() -> None:
    service = Service(Catalogue())
    model = models.find("sonnet")
    assert model is not None
    asked = rounds = pauses = 0
    for seed in range(SEQUENCES):
        dice = random.Random(seed)
        conversation = Conversation("c1")
        for step in range(dice.randrange(2, 5)):
            prompt = dice.choice(["What is it?", "nul \0", "half \ud83d", "plain", "é"])
            question = Question(prompt, model, {}, system=dice.choice(["", "Be brief.", "\ud83d\0"]))
            cell = f"cell-{dice.randrange(3)}"
            history = conversation.above(cell, "replace").answered()
            prepared = replace(prepare(question), history=history, cell_id=cell, id=f"{seed}-{step}")
            accepted(prepared.request(None), service)
            asked += 1
            taken = ids_of(history)
            while True:
                fold = Fold()
                for event in decoded(stream(dice)):
                    fold.take(event)
                answer, _ = with_own_ids(fold.answer(), taken)
                uses = [part for part in answer.parts if isinstance(part, ToolUsePart)]
                paused = answer.stop_reason == "pause_turn" and dice.random() < 0.7
                if not (answer.complete and (paused or (answer.stop_reason == "tool_use" and uses))):
                    break
                pauses += paused
                rounds += not paused
                prepared = prepared.after(answer, [] if paused else [answered(dice, use) for use in uses])
                accepted(prepared.request(None), service)
            turn = prepared.turn(answer, dice.choice(STAGES))
            conversation = conversation.put(turn, dice.choice(["replace", "append", "truncate"]))
            if dice.random() < 0.1:
                conversation = conversation.undo()
            if dice.random() < 0.1:
                conversation = conversation.without_cells(["cell-0"])
    assert asked > 2 * SEQUENCES
    assert rounds > SEQUENCES / 20
    assert pauses > SEQUENCES // 20


SIGNED = sign("so", b"", "claude-sonnet-5-5")
BLOCKS: list[dict[str, Any]] = [
    {"type": "text", "text": "hello"},
    {"type": "text", "text": " \n"},
    {"type": "text"},
    {"type": "text", "text": "half \ud83d"},
    {"type": "thinking", "thinking": "so", "signature": SIGNED},
    {"type": "thinking", "thinking": "so", "signature": ""},
    {"type": "thinking", "thinking": "nul \0", "signature": SIGNED},
    {"type": "redacted_thinking", "data": ""},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}},
    {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {"x": float("nan")}},
    {"type": "tool_use", "id": "toolu_3", "name": "f", "input": [1]},
    {"type": "tool_use", "id": "", "name": "f", "input": {}},
    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "one"},
    {"type": "tool_result", "tool_use_id": "toolu_2", "content": "two \0"},
    {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": " "}]},
    {"type": "tool_result", "tool_use_id": "toolu_9", "content": "of no call"},
    {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": FOUND},
    {"type": "server_tool_use", "id": "srv_2", "name": "web_fetch", "input": {"url": "half \ud83d"}},
    {
        "type": "web_fetch_tool_result",
        "tool_use_id": "srv_2",
        "content": {"type": "web_fetch_tool_result_error", "error_code": "unavailable"},
    },
    {"type": "brand_new"},
    {"no": "type"},
]


def as_json(block: dict[str, Any]) -> bytes:
    return json.dumps(block, ensure_ascii=False).encode("utf-8", "surrogatepass")


def request_of(messages: Sequence[Message]) -> Request:
    return Request("claude-sonnet-5-5", 100, tuple(messages))


def test_any_heap_of_blocks_is_repaired_into_something_the_api_takes() -> None:
    service = Service(Catalogue())
    sound = refused = 0
    for seed in range(4_000):
        dice = random.Random(seed)
        heap = [
            Message(
                dice.choice(["user", "assistant"]),
                tuple(as_json(dice.choice(BLOCKS)) for _ in range(dice.randrange(4))),
            )
            for _ in range(dice.randrange(1, 6))
        ]
        question = Message("user", (as_json({"type": "text", "text": "And now?"}),))
        mended = repaired([*heap, question])
        check(request_of(mended))
        accepted(request_of(mended), service)
        assert question.blocks[0] in mended[-1].blocks
        assert repaired(mended) == mended
        # The check alone agrees with the API: what it lets pass unrepaired is taken, too.
        try:
            check(request_of([*heap, question]))
        except UsageProblem:
            refused += 1
        else:
            sound += 1
            accepted(request_of([*heap, question]), service)
    assert refused > 1_000
    assert sound


def test_what_is_sound_goes_out_byte_for_byte_and_in_its_order() -> None:
    blocks = (
        b'{"type":"thinking","thinking":"so \\u00e9","signature":"c2ln"}',
        b'{"type":"text","text":"a"}',
        b'{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1.0}}',
    )
    result = b'{"type":"tool_result","tool_use_id":"toolu_1","content":"r"}'
    text = b'{"type":"text","text":"b"}'
    messages = (Message("user", (text,)), Message("assistant", blocks), Message("user", (text, result)))
    mended = repaired(messages)
    assert mended[:2] == messages[:2]
    assert mended[2].blocks == (result, text)  # results come first


def test_a_call_nobody_answered_is_answered_as_not_run() -> None:
    call = b'{"type":"tool_use","id":"toolu_1","name":"f","input":{}}'
    text = b'{"type":"text","text":"b"}'
    mended = repaired([Message("user", (text,)), Message("assistant", (call,)), Message("user", (text,))])
    answer = json.loads(mended[2].blocks[0])
    assert (answer["tool_use_id"], answer["is_error"]) == ("toolu_1", True)
    assert mended[2].blocks[1:] == (text,)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "begins and ends with the user"),
        ([Message("assistant", (b'{"type":"text","text":"a"}',))], "begins and ends with the user"),
        ([Message("user", ())], "message 1 is empty"),
        ([Message("user", (b'{"type":"text","text":" "}',))], "message 1 has a text block that is blank"),
        ([Message("user", (b'{"type":"text","text":NaN}',))], "message 1 has a block that is no JSON"),
        ([Message("user", (b'{"type":"thinking","signature":"s"}',))], "of type 'thinking'"),
        ([Message("user", (b'{"type":"tool_result","tool_use_id":"t"}',))], "does not answer the tool calls"),
    ],
)
def test_the_check_says_what_the_api_would_refuse(messages: list[Message], why: str) -> None:
    with pytest.raises(UsageProblem, match=why) as raised:
        check(request_of(messages))
    assert "Nothing was sent." in str(raised.value)
