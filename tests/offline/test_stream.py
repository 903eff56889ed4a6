"""The wire format of streams, and that a stream and a plain answer say the same."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import psutil
import pytest

from claude_magic import offline
from claude_magic.offline import LocalApi

from .samples import Json, text_document, user

TOOL: Json = {
    "name": "look",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
REQUESTS: dict[str, Json] = {
    "text": {"messages": [user("Hello")]},
    "thinking": {
        "messages": [user("Hello")],
        "thinking": {"type": "adaptive", "display": "summarized"},
    },
    "hidden thinking": {"messages": [user("Hello")], "thinking": {"type": "adaptive"}},
    "tool": {"messages": [user('Please look at "Rome"')], "tools": [TOOL]},
    "citations": {"messages": [user(text_document("A fact. More.", citations={"enabled": True}), "What?")]},
    "search": {
        "messages": [user("search the web for cats")],
        "tools": [{"type": "web_search_20260318", "name": "web_search"}],
    },
    "stop": {"messages": [user("say: one two three")], "stop_sequences": ["two"]},
    "cut": {"messages": [user("100 words")], "max_tokens": 20},
    "nothing": {"messages": [user("Hello")], "max_tokens": 0},
    "json": {
        "messages": [user('a "b" 5')],
        "output_config": {
            "format": {
                "type": "json_schema",
                "schema": {
                    "type": "object",
                    "properties": {"n": {"type": "integer"}},
                    "additionalProperties": False,
                },
            }
        },
    },
}


def full(fields: Json) -> Json:
    return {"model": "claude-sonnet-5-5", "max_tokens": 2000, **fields}


def events(wire: httpx2.Client, fields: Json) -> list[tuple[str, Json]]:
    """The events of a stream, read by the letter: an `event:` line, one `data:` line, a blank line."""
    response = wire.post("/v1/messages", json={**full(fields), "stream": True})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["request-id"].startswith("req_")
    found = []
    for part in response.text.removesuffix("\n\n").split("\n\n"):
        name, data = part.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        found.append((name[7:], json.loads(data[6:])))
    return found


def without_ids(value: Any) -> Any:
    """The same value without what may differ from one answer to the next."""
    if isinstance(value, dict):
        return {k: without_ids(v) for k, v in value.items() if k not in {"id", "tool_use_id"}}
    return [without_ids(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", REQUESTS)
def test_the_events_come_in_the_apis_order(wire: httpx2.Client, name: str) -> None:
    found = events(wire, REQUESTS[name])
    assert all(kind == data["type"] for kind, data in found)
    kinds = [kind for kind, _ in found if kind != "ping"]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    open_block: int | None = None
    number = 0
    for kind, data in found:
        if kind == "content_block_start":
            assert open_block is None
            assert data["index"] == number
            open_block = number
        elif kind == "content_block_delta":
            assert data["index"] == open_block
        elif kind == "content_block_stop":
            assert data["index"] == open_block
            open_block, number = None, number + 1
    assert open_block is None
    begun = found[0][1]["message"]
    assert (begun["content"], begun["stop_reason"]) == ([], None)
    assert ("ping", {"type": "ping"}) in found or number == 0


@pytest.mark.parametrize("name", REQUESTS)
def test_a_stream_adds_up_to_the_plain_answer(client: anthropic.Anthropic, name: str) -> None:
    fields = full(REQUESTS[name])
    plain = client.messages.create(**fields)
    with client.messages.stream(**fields) as stream:
        streamed = stream.get_final_message()
    raw = list(client.messages.create(**fields, stream=True))
    assert raw[-1].type == "message_stop"
    assert [without_ids(b.to_dict()) for b in streamed.content] == [
        without_ids(b.to_dict()) for b in plain.content
    ]
    assert (streamed.stop_reason, streamed.stop_sequence) == (plain.stop_reason, plain.stop_sequence)
    assert streamed.usage.output_tokens == plain.usage.output_tokens
    assert streamed.usage.output_tokens_details == plain.usage.output_tokens_details
    assert streamed.usage.input_tokens == plain.usage.input_tokens


def test_the_input_side_of_usage_is_there_at_once_and_the_output_side_at_the_end(wire: httpx2.Client) -> None:
    found = events(wire, REQUESTS["thinking"])
    begun = found[0][1]["message"]["usage"]
    final = found[-2][1]["usage"]
    assert begun["input_tokens"] == final["input_tokens"] > 0
    assert begun["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    assert 0 < final["output_tokens_details"]["thinking_tokens"] < final["output_tokens"]
    assert not {"cache_creation", "service_tier", "speed"} & final.keys()


def test_thinking_streams_its_text_then_one_signature(wire: httpx2.Client) -> None:
    for name, shown in (("thinking", True), ("hidden thinking", False)):
        found = events(wire, REQUESTS[name])
        deltas = [data["delta"]["type"] for _, data in found if data.get("index") == 0 and "delta" in data]
        assert deltas[-1] == "signature_delta"
        assert deltas.count("signature_delta") == 1
        assert ("thinking_delta" in deltas) is shown


def test_a_tool_input_streams_as_pieces_of_json_after_an_empty_one(wire: httpx2.Client) -> None:
    found = events(wire, REQUESTS["tool"])
    pieces = [
        d["delta"]["partial_json"] for _, d in found if d.get("delta", {}).get("type") == "input_json_delta"
    ]
    assert pieces[0] == ""
    assert len(pieces) > 3
    assert json.loads("".join(pieces)) == {"place": "Rome"}


def test_tool_json_cut_by_the_limit_is_cut_on_the_wire_too(
    client: anthropic.Anthropic, wire: httpx2.Client
) -> None:
    fields = {"messages": [user('look "' + "x " * 60 + '"')], "tools": [TOOL], "max_tokens": 60}
    found = events(wire, fields)
    pieces = [
        d["delta"]["partial_json"] for _, d in found if d.get("delta", {}).get("type") == "input_json_delta"
    ]
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads("".join(pieces))
    assert found[-2][1]["delta"]["stop_reason"] == "max_tokens"
    assert client.messages.create(**full(fields)).content[-1].to_dict()["input"] == {}


def test_text_streams_token_by_token_in_any_script(wire: httpx2.Client) -> None:
    text = 'Grüße, 世界! \U0001f600 \u2028 \r\n\t`x` \\ " end  '
    found = events(wire, {"messages": [user(f"say: {text}")]})
    pieces = [d["delta"]["text"] for _, d in found if "delta" in d and "text" in d["delta"]]
    assert "".join(pieces) == text
    assert len(pieces) > 10


def test_a_long_stream_has_every_delta(client: anthropic.Anthropic) -> None:
    words = 50_000
    count, text = 0, []
    for event in client.messages.create(
        model="claude-sonnet-4-6",
        max_tokens=128_000,
        stream=True,
        messages=[{"role": "user", "content": f"{words} words"}],
    ):
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            count += 1
            text.append(event.delta.text)
    paragraphs = [line for line in "".join(text).splitlines()[1:] if not line.startswith("#")]
    assert len(" ".join(paragraphs).split()) == words
    assert count > words


@pytest.fixture
def slow_api() -> Iterator[LocalApi]:
    with offline.start(pace=20) as api:
        yield api


def test_a_paced_stream_arrives_bit_by_bit(slow_api: LocalApi) -> None:
    with anthropic.Anthropic(
        base_url=slow_api.url,
        api_key=slow_api.token,
        max_retries=0,
        http_client=anthropic.DefaultHttpxClient(trust_env=False),
    ) as client:
        stream = client.messages.create(**full({"messages": [user("1000 words")]}), stream=True)
        seen = 0
        for event in stream:
            seen += event.type == "content_block_delta"
            if seen == 3:
                break  # at 20 tokens a second the rest would take a minute
        stream.close()
    assert seen == 3


def test_the_server_stops_when_the_client_goes_away(slow_api: LocalApi) -> None:
    host, port = slow_api.url.removeprefix("http://").split(":")
    body = json.dumps({**full({"messages": [user("100000 words")]}), "stream": True})
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: {host}:{port}\r\nx-api-key: {slow_api.token}\r\n"
        f"anthropic-version: 2026-10-21\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall((head + body).encode())
        assert b"200 OK" in connection.recv(4096)
    process = psutil.Process(slow_api.pid)
    for _ in range(500):
        if not [each for each in process.net_connections() if each.status in {"ESTABLISHED", "CLOSE_WAIT"}]:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the server still holds the connection")
