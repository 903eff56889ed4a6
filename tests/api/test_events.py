"""The fold: from the wire's events to an answer, also where the wire misbehaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.api.events import Delta, MalformedEvent, StreamError, Unknown, decode
from claude_magic.api.fold import Fold
from claude_magic.values import Answer, OtherPart, TextPart, ThinkingPart, ToolUsePart


def wire(*events: dict[str, Any]) -> list[str]:
    return [json.dumps(event) for event in events]


def start(**usage: int) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "model": "claude-opus-5-5",
        "usage": {"input_tokens": 10, "output_tokens": 1, **usage},
    }
    return {"type": "message_start", "message": message}


def opened(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **body: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **body}}


def ended(reason: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5, **usage}},
        {"type": "message_stop"},
    ]


def fold(*batches: list[str]) -> Fold:
    folded = Fold()
    for batch in batches:
        for event in decode(batch):
            folded.take(event)
    return folded


def text_stream(*pieces: str) -> list[str]:
    deltas = [delta(0, "text_delta", text=piece) for piece in pieces]
    return wire(
        start(),
        opened(0, type="text", text=""),
        *deltas,
        {"type": "content_block_stop", "index": 0},
        *ended(),
    )


def test_text_usage_and_end() -> None:
    answer = fold(text_stream("Hel", "lo")).answer()
    assert answer.text == "Hello"
    assert answer.complete
    assert (answer.stop_reason, answer.message_id, answer.model) == ("end_turn", "msg_1", "claude-opus-5-5")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.final) == (10, 5, True)


def test_deltas_of_a_batch_are_merged() -> None:
    events = decode(text_stream(*"abcdef"))
    assert [event for event in events if isinstance(event, Delta)] == [Delta(0, "text", "abcdef")]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=20), st.data())
def test_any_split_into_batches_gives_the_same_answer(pieces: list[str], data: st.DataObject) -> None:
    stream = text_stream(*pieces)
    cut = data.draw(st.integers(0, len(stream)))
    assert fold(stream[:cut], stream[cut:]).answer() == fold(stream).answer()


@given(st.text(alphabet="a😀é\ud83d", max_size=12), st.data())
def test_news_joined_are_the_text_wherever_a_pair_is_split(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    pieces = [units[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(units), 2)]
    folded, seen = Fold(), ""
    for line in text_stream(*pieces, "."):
        for event in decode([line]):
            folded.take(event)
        seen += "".join(section.body for section in folded.news())
    assert seen == folded.answer().text


def test_a_reply_is_complete_only_after_message_stop() -> None:
    stream = text_stream("Hello")
    assert not fold(stream[:-1]).answer().complete
    assert not fold(stream[:-2]).answer().complete
    no_reason = wire(start(), {"type": "message_stop"})
    assert not fold(no_reason).answer().complete


def test_thinking_tools_citations_and_unknown_blocks_survive() -> None:
    citation = {"type": "char_location", "cited_text": "x"}
    answer = fold(
        wire(
            start(),
            opened(0, type="thinking", thinking="", signature=""),
            delta(0, "thinking_delta", thinking="Let me "),
            delta(0, "thinking_delta", thinking="see."),
            delta(0, "signature_delta", signature="c2ln"),
            opened(1, type="text", text=""),
            delta(1, "text_delta", text="It says "),
            delta(1, "citations_delta", citation=citation),
            opened(2, type="tool_use", id="toolu_1", name="add", input={}),
            delta(2, "input_json_delta", partial_json='{"a":'),
            delta(2, "input_json_delta", partial_json=" 1}"),
            opened(3, type="redacted_thinking", data="xyz"),
            opened(4, type="from_the_future", shape="odd"),
            opened(5, type="text", text="done"),
            *ended("tool_use", output_tokens_details={"thinking_tokens": 3}),
        )
    ).answer()
    assert answer.parts == (
        ThinkingPart("Let me see.", "c2ln"),
        TextPart("It says ", (citation,)),
        ToolUsePart("toolu_1", "add", '{"a": 1}'),
        OtherPart("redacted_thinking", {"type": "redacted_thinking", "data": "xyz"}),
        OtherPart("from_the_future", {"type": "from_the_future", "shape": "odd"}),
        TextPart("done"),
    )
    assert answer.text == "It says \n\ndone"
    assert answer.usage.thinking_tokens == 3


def test_pings_and_unknown_events_are_passed_over() -> None:
    stream = text_stream("a", "b")
    noisy = [
        line for data in stream for line in (data, *wire({"type": "ping"}, {"type": "brand_new", "x": 1}))
    ]
    assert fold(noisy).answer() == fold(stream).answer()
    assert decode(wire({"type": "ping"})) == [Unknown("ping")]
    assert decode(wire(delta(0, "brand_new_delta", x=1))) == [Unknown("content_block_delta")]


def test_a_second_message_start_is_ignored_and_a_missing_block_start_costs_no_text() -> None:
    answer = fold(
        wire(start(), start(input_tokens=99), delta(0, "text_delta", text="kept"), *ended())
    ).answer()
    assert answer.text == "kept"
    assert answer.usage.input_tokens == 10


def test_usage_that_an_event_leaves_out_stands() -> None:
    stream = wire(
        start(cache_read_input_tokens=7, cache_creation_input_tokens=3),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    )
    usage = fold(stream).answer().usage
    assert (usage.prompt_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (20, 7, 4)


def test_an_error_event_keeps_its_words() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "req_1"}
    assert decode(wire(error)) == [StreamError("overloaded_error", "busy", "req_1")]


@pytest.mark.parametrize(
    "data",
    ["{", "[]", '"text"', "{}", '{"type": "content_block_start"}', "[" * 100_000,
     '{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": null}}',
     '{"type": "message_delta", "delta": null}'],
)  # fmt: skip
def test_malformed_data_is_named_not_crashed_on(data: str) -> None:
    with pytest.raises(MalformedEvent):
        decode([data])


def test_lone_surrogates_become_replacement_characters() -> None:
    answer = fold(text_stream("a\ud83d", "\ude00 b\ud83d c")).answer()
    assert answer.text == "a😀 b\N{REPLACEMENT CHARACTER} c"
    answer.text.encode()


def test_equal_streams_give_equal_answers() -> None:
    assert fold(text_stream("x")).answer() == fold(text_stream("x")).answer() != Answer()


def test_what_bears_on_the_price_is_taken_from_the_usage() -> None:
    told = {"service_tier": "batch", "speed": "fast", "inference_geo": "us"}
    begun = {
        "type": "message_start",
        "message": {"id": "m", "model": "x", "usage": {"input_tokens": 1, **told}},
    }
    searched = ended(server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1})
    usage = fold(wire(begun, *searched)).answer().usage
    assert (usage.service_tier, usage.speed, usage.inference_geo) == ("batch", "fast", "us")
    assert usage.web_searches == 2
    odd = {"service_tier": 5, "speed": None, "inference_geo": ["us"], "server_tool_use": None}
    begun = {
        "type": "message_start",
        "message": {"id": "m", "model": "x", "usage": {"input_tokens": 1, **odd}},
    }
    usage = fold(wire(begun, *ended())).answer().usage
    assert (usage.service_tier, usage.speed, usage.inference_geo, usage.web_searches) == ("", "", "", 0)


@pytest.mark.parametrize(
    "odd", [{"text": 7}, {"thinking": ["x"]}, {"citations": 5}, {"citations": "x"}, {"signature": {}}]
)
def test_a_block_of_an_unknown_kind_is_kept_whatever_its_fields_are(odd: dict[str, Any]) -> None:
    block = {"type": "hologram", "id": "h1", **odd}
    answer = fold(wire(start(), opened(0, **block), *ended())).answer()
    assert answer.parts == (OtherPart("hologram", block),)
    assert answer.complete


def test_many_calls_of_the_apis_own_tools_are_each_shown_with_their_question() -> None:
    events = [start()]
    for number in range(50):
        use = {"type": "server_tool_use", "id": f"s{number}", "name": "web_search", "input": {}}
        asked = delta(2 * number, "input_json_delta", partial_json=f'{{"query": "q{number}"}}')
        found = {"type": "web_search_tool_result", "tool_use_id": f"s{number}", "content": []}
        events += [opened(2 * number, **use), asked, opened(2 * number + 1, **found)]
    news = fold(wire(*events, *ended())).news()
    assert [f"q{number}" in section.title for number, section in enumerate(news)] == [True] * 50
