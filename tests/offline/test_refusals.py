"""What the API refuses is refused here too, with a message that names the field."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import anthropic
import httpx2
import pytest

from .conftest import Post
from .samples import Json, assistant, image_block, paper, pdf_block, picture, text_document, user

TOOL: Json = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
CALL: Json = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT: Json = {"type": "tool_result", "tool_use_id": "t1", "content": "seen"}
MARK: Json = {"type": "ephemeral"}
HELLO = user("Hello")


def text(words: str, **fields: Any) -> Json:
    return {"type": "text", "text": words, **fields}


def url_image(url: str) -> Json:
    return {"type": "image", "source": {"type": "url", "url": url}}


def encoded(raw: bytes, media_type: str = "image/png") -> Json:
    return image_block(raw, media_type)


def raw_source(data: str, media_type: str = "image/png") -> Json:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and has one byte of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


STRUCTURE: list[tuple[Json, str]] = [
    ({"model": ...}, "model: Field required"),
    ({"model": 5}, "model: Input should be a valid string"),
    ({"max_tokens": ...}, "max_tokens: Field required"),
    ({"max_tokens": "10"}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 1.5}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
    ({"messages": ...}, "messages: Field required"),
    ({"messages": "Hello"}, "messages: Input should be a valid list"),
    ({"messages": [user()]}, "messages.0.content: all messages must have non-empty content"),
    ({"messages": ["Hello"]}, "messages.0: Input should be a valid dictionary"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input tag 'tool'"),
    (
        {"messages": [{"role": "user", "content": 5}]},
        "messages.0.content: Input should be a valid string or list",
    ),
    ({"messages": [{**HELLO, "name": "x"}]}, "messages.0.name: Extra inputs are not permitted"),
    ({"messages": [user("a", text("b", foo=1))]}, "messages.0.content.1.foo: Extra inputs are not permitted"),
    ({"messages": [user({"type": "video"})]}, "messages.0.content.0.type: Input tag 'video'"),
    ({"messages": [user({"text": "x"})]}, "messages.0.content.0.type: Field required"),
    ({"messages": [user({"type": "text"})]}, "messages.0.content.0.text: Field required"),
    (
        {"messages": [user(raw_source("", "image/bmp"))]},
        "messages.0.content.0.source.media_type: Input should be",
    ),
    ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
    ({"top_p": 1}, "top_p: Extra inputs are not permitted"),
    ({"top_k": 5}, "top_k: Extra inputs are not permitted"),
    ({"thread": {"type": "create"}}, "thread: Extra inputs are not permitted"),
    ({"user_profile_id": "x"}, "user_profile_id: Extra inputs are not permitted"),
    ({"workspace_id": "x"}, "workspace_id: Extra inputs are not permitted"),
    ({"stream": "yes"}, "stream: Input should be a valid boolean"),
    ({"system": 5}, "system: Input should be a valid string or list"),
    ({"system": [{"type": "image"}]}, "system.0"),
    ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
    ({"stop_sequences": [1]}, "stop_sequences.0: Input should be a valid string"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id: Input should be a valid"),
    ({"tools": [{"name": "x"}]}, "tools.0.input_schema: Field required"),
    ({"tools": [{**TOOL, "type": "made_up"}]}, "tools.0.type: Input tag 'made_up'"),
    ({"tool_choice": {"type": "tool"}, "tools": [TOOL]}, "tool_choice.name: Field required"),
    ({"thinking": {"type": "maybe"}}, "thinking.type: Input tag 'maybe'"),
    ({"thinking": {"type": "adaptive", "display": "full"}}, "thinking.display: Input should be"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be"),
    ({"output_config": {"format": {"type": "json"}}}, "output_config.format.schema: Field required"),
    ({"cache_control": {"type": "breakpoint"}}, "cache_control.type: Input should be 'ephemeral'"),
    (
        {"cache_control": {"type": "ephemeral", "ttl": "2h"}},
        "cache_control.ttl: Input should be '5m' or '1h'",
    ),
]

PARAMETERS: list[tuple[Json, str]] = [
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 128_001}, "max_tokens: 128001 > 128000"),
    ({"model": "claude-haiku-4-5", "max_tokens": 64_001}, "max_tokens: 64001 > 64000"),
    ({"stop_sequences": ["ok", " \n"]}, "stop_sequences.1"),
    ({"system": [text(" ")]}, "system.0.text"),
    ({"speed": "fast", "model": "claude-haiku-5-5"}, "speed"),
    ({"thinking": {"type": "disabled"}}, "thinking.type"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking.type"),
    ({"thinking": {"type": "disabled"}, "model": "claude-sonnet-5-5"}, "thinking.type"),
    ({"thinking": {"type": "adaptive"}, "model": "claude-haiku-4-5"}, "thinking.type"),
    ({"thinking": {"type": "between_tools"}, "model": "claude-opus-4-8"}, "thinking.type"),
    (
        {"thinking": {"type": "disabled"}, "model": "claude-haiku-5-5", "output_config": {"effort": "max"}},
        "thinking.type",
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 1023}, "model": "claude-sonnet-4-6"},
        "thinking.budget_tokens",
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": "claude-sonnet-4-6"},
        "thinking.budget_tokens",
    ),
    ({"output_config": {"effort": "low"}, "model": "claude-haiku-4-5"}, "output_config.effort"),
    ({"output_config": {"effort": "xhigh"}, "model": "claude-opus-4-5"}, "output_config.effort"),
    ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "tool_choice.type"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "look"}}, "tool_choice.type"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "nought"}, "model": "claude-opus-5"},
        "tool_choice.name",
    ),
    ({"tool_choice": {"type": "auto"}}, "tool_choice"),
    ({"tools": [TOOL, TOOL]}, "tools.1.name"),
    ({"tools": [{**TOOL, "name": "look around"}]}, "tools.0.name"),
    ({"tools": [{**TOOL, "name": ""}]}, "tools.0.name"),
    ({"tools": [{**TOOL, "name": "x" * 129}]}, "tools.0.name"),
    ({"tools": [{"name": "x", "input_schema": {}}]}, "tools.0.input_schema.type"),
    ({"tools": [{"name": "x", "input_schema": {"type": "string"}}]}, "tools.0.input_schema.type"),
    ({"messages": [user(*[text("a", cache_control=MARK)] * 5)]}, "cache_control: A maximum of 4"),
    ({"messages": [user(*[text("a", cache_control=MARK)] * 4, "b")], "cache_control": MARK}, "cache_control"),
    (
        {
            "system": [text("a", cache_control=MARK)],
            "messages": [user(text("b", cache_control={**MARK, "ttl": "1h"}))],
        },
        "cache_control.ttl",
    ),
    (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "output_config.format",
    ),
    (
        {
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
            "messages": [user(text_document("A.", citations={"enabled": True}))],
        },
        "output_config.format: citations",
    ),
]

DIALOGUE: list[tuple[Json, str]] = [
    ({"messages": []}, "messages"),
    ({"messages": [assistant("Hi"), HELLO]}, "messages.0.role"),
    ({"messages": [HELLO, assistant("Hi")]}, "This model does not support assistant message prefill."),
    ({"messages": [HELLO, assistant("Hi ")], "model": "claude-haiku-4-5"}, "messages.1.content"),
    ({"messages": [user("")]}, "messages.0.content"),
    ({"messages": [user(" \n")]}, "messages.0.content"),
    ({"messages": [user("a", "")]}, "messages.0.content.1.text"),
    ({"messages": [user("a", "\t")]}, "messages.0.content.1.text"),
    ({"messages": [HELLO, assistant(), HELLO]}, "messages.1.content"),
    ({"messages": [HELLO, assistant(text("")), HELLO]}, "messages.1.content.0.text"),
    (
        {"messages": [HELLO, {"role": "system", "content": "x"}], "model": "claude-opus-4-7"},
        "messages.1.role",
    ),
    ({"messages": [{"role": "system", "content": "x"}, HELLO]}, "messages.0.role"),
    ({"messages": [HELLO, {"role": "system", "content": "x"}, HELLO]}, "messages.1.role"),
    ({"messages": [HELLO, assistant("a"), {"role": "system", "content": "x"}]}, "messages.2.role"),
    ({"messages": [HELLO, assistant(text_document("x")), HELLO]}, "messages.1.content.0: `document`"),
    ({"messages": [HELLO, assistant(encoded(picture())), HELLO]}, "messages.1.content.0: `image`"),
    ({"messages": [user(CALL)]}, "messages.0.content.0: `tool_use`"),
    ({"messages": [HELLO, assistant(CALL)]}, "prefill"),
    ({"messages": [HELLO, assistant(CALL), HELLO]}, "messages.2: `tool_use` ids were found without"),
    ({"messages": [HELLO, assistant(CALL)], "model": "claude-haiku-4-5"}, "messages.1: `tool_use` ids"),
    (
        {"messages": [HELLO, assistant(CALL), user("a", RESULT)]},
        "messages.2.content.1: `tool_result` blocks must",
    ),
    ({"messages": [HELLO, assistant(CALL), user(RESULT, RESULT)]}, "messages.2.content.1.tool_use_id"),
    ({"messages": [user(RESULT)]}, "messages.0.content.0.tool_use_id: unexpected"),
    ({"messages": [HELLO, assistant("a"), user(RESULT)]}, "messages.2.content.0.tool_use_id: unexpected"),
    ({"messages": [HELLO, assistant(CALL, CALL), user(RESULT)]}, "`tool_use` ids must be unique"),
    (
        {"messages": [HELLO, assistant(CALL), user({**RESULT, "content": [text("")]})]},
        "messages.2.content.0.content.0.text",
    ),
    (
        {
            "messages": [
                HELLO,
                assistant({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, "a"),
                HELLO,
            ]
        },
        "messages.1.content.0: `server_tool_use`",
    ),
    (
        {"messages": [HELLO, assistant({"type": "thinking", "thinking": "x", "signature": "YWJj"}), HELLO]},
        "messages.1.content.0.signature",
    ),
    (
        {"messages": [HELLO, assistant({"type": "thinking", "thinking": "x", "signature": ""}), HELLO]},
        "messages.1.content.0.signature",
    ),
    (
        {"messages": [HELLO, assistant({"type": "redacted_thinking", "data": "x"}), HELLO]},
        "messages.1.content.0.data",
    ),
    (
        {
            "messages": [
                user(
                    text(
                        "a",
                        citations=[
                            {
                                "type": "char_location",
                                "cited_text": "a",
                                "document_index": 0,
                                "document_title": None,
                                "start_char_index": 0,
                                "end_char_index": 1,
                            }
                        ],
                    )
                )
            ]
        },
        "messages.0.content.0.citations",
    ),
]

SMALL = encoded(picture(2, 2))
WIDE = encoded(picture(2001, 1))
PAGES_101 = pdf_block(paper(["x"] * 101))
MEDIA: list[tuple[list[Json], str, str]] = [
    ([raw_source("not base64!")], "content.0.source.data", "base64"),
    ([raw_source("")], "content.0.source.data", "empty"),
    (
        [raw_source(base64.b64encode(b"plain text").decode())],
        "content.0.source.data",
        "Could not process image",
    ),
    ([encoded(picture()[:60])], "content.0.source.data", "Could not process image"),
    ([encoded(picture(kind="JPEG"))], "content.0.source.media_type", "image/jpeg"),
    ([encoded(picture(kind="BMP"))], "content.0.source.data", "Could not process image"),
    ([raw_source("A" * 5_242_884)], "content.0.source.data", "5242884 bytes > 5242880 bytes"),
    ([encoded(picture(8001, 1))], "content.0.source.data", "8000 pixels"),
    ([encoded(png_of(8001, 1))], "content.0.source.data", "8000 pixels"),
    ([encoded(png_of(100_000, 100_000))], "content.0.source.data", "8000 pixels"),
    ([SMALL] * 20 + [WIDE], "content.20.source.data", "2000 pixels"),
    ([SMALL] * 101, "messages", "too many images: 101 > 100"),
    ([url_image("file:///etc/passwd")], "content.0.source.url", "http"),
    ([url_image("http://")], "content.0.source.url", "http"),
    ([pdf_block(b"hello")], "content.0.source.data", "%PDF"),
    ([pdf_block(b"%PDF-1.7 and nothing")], "content.0.source.data", "not valid"),
    ([pdf_block(paper([]))], "content.0.source.data", "no pages"),
    ([pdf_block(paper(["x"], password="secret"))], "content.0.source.data", "password protected"),
    ([PAGES_101], "content.0.source", "A maximum of 100 PDF pages"),
    ([pdf_block(paper(["x"] * 60)), pdf_block(paper(["y"] * 60))], "content.1.source", "100 PDF pages"),
    ([text_document(" ")], "content.0.source.data", "empty"),
]


@pytest.mark.parametrize(
    ("fields", "word"), [*STRUCTURE, *PARAMETERS, *DIALOGUE], ids=lambda each: str(each)[:70]
)
def test_a_body_the_api_refuses_is_refused_by_the_field(post: Post, fields: Json, word: str) -> None:
    response = post(**fields)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error"), error
    assert word in error["message"]


@pytest.mark.parametrize(("blocks", "field", "word"), MEDIA, ids=[f"{row[1]}-{row[2]}" for row in MEDIA])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_bad_attachment_is_refused_by_the_field(
    post: Post, blocks: list[Json], field: str, word: str, path: str
) -> None:
    more = {"max_tokens": ...} if path.endswith("count_tokens") else {}
    response = post(path, model="claude-haiku-4-5", messages=[user(*blocks)], **more)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error"), error
    assert field in error["message"]
    assert word in error["message"]


def test_an_attachment_inside_a_tool_result_is_looked_into(post: Post) -> None:
    result = {**RESULT, "content": [encoded(picture()[:60])]}
    response = post(messages=[HELLO, assistant(CALL), user(result)])
    assert response.status_code == 400
    assert "messages.2.content.0.content.0.source.data" in response.json()["error"]["message"]


def test_half_a_surrogate_pair_is_refused(wire: httpx2.Client) -> None:
    body = (
        '{"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "a %s b"}]}'
    )
    headers = {"Content-Type": "application/json"}
    response = wire.post("/v1/messages", content=body % "\\ud83d", headers=headers)
    assert response.status_code == 400
    assert "messages.0.content" in response.json()["error"]["message"]
    assert wire.post("/v1/messages", content=body % "\\ud83d\\ude00", headers=headers).status_code == 200


ACCEPTED: list[Json] = [
    {"messages": [HELLO, HELLO]},
    {"messages": [HELLO, assistant("a"), assistant("b"), HELLO]},
    {"messages": [HELLO, assistant("Hi")], "model": "claude-haiku-4-5"},
    {"messages": [HELLO, {"role": "system", "content": "x"}]},
    {"messages": [HELLO, {"role": "system", "content": "x"}, assistant("a"), HELLO]},
    {"messages": [HELLO, assistant(CALL), user(RESULT, "and now?")]},
    {"messages": [HELLO, assistant(CALL), user(RESULT), user("and now?")]},
    {"messages": [HELLO, assistant(CALL), user({"type": "tool_result", "tool_use_id": "t1"})]},
    {"messages": [HELLO, assistant(CALL), user({**RESULT, "content": ""})]},
    {"messages": [user(url_image("https://example.com/a.png"), "What?")]},
    {"messages": [user(*[SMALL] * 20, encoded(picture(2000, 1)))]},
    {"messages": [user(*[WIDE] * 20)]},
    {"messages": [user(PAGES_101)]},
    {
        "messages": [
            user(encoded(picture(kind="GIF"), "image/gif"), encoded(picture(kind="WEBP"), "image/webp"))
        ]
    },
    {
        "messages": [
            user(encoded(picture(mode="I;16")), encoded(picture(mode="1")), encoded(picture(mode="LA")))
        ]
    },
    {
        "messages": [
            user(encoded(picture(mode="P")), encoded(picture(kind="JPEG", mode="CMYK"), "image/jpeg"))
        ]
    },
    {"messages": [user(text("a", citations=[]))]},
    {"max_tokens": 128_000},
    {"thinking": {"type": "between_tools"}, "model": "claude-sonnet-5-5"},
    {"thinking": {"type": "disabled"}, "model": "claude-haiku-5-5", "output_config": {"effort": "high"}},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1025, "model": "claude-haiku-4-5"},
    {"tools": [TOOL], "tool_choice": {"type": "any"}, "model": "claude-opus-5"},
    {"tools": [{"type": "web_search_20260318", "name": "web_search"}]},
    {"system": "", "metadata": {"user_id": None}, "service_tier": "standard_only", "inference_geo": "us"},
    {"messages": [user(*[text("a", cache_control=MARK)] * 4)], "cache_control": MARK},
    {"stream": False, "speed": "fast"},
]


@pytest.mark.parametrize("fields", ACCEPTED, ids=lambda each: str(each)[:70])
def test_a_body_the_api_takes_is_taken(post: Post, fields: Json) -> None:
    response = post(**fields)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "model", ["claude-nought", "claude-3-7-sonnet-20250219", "claude-opus-4-6-20250414", ""]
)
def test_an_unknown_or_retired_model_is_not_found(client: anthropic.Anthropic, model: str) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.count_tokens(model=model, messages=[{"role": "user", "content": "x"}])
    assert caught.value.type == "not_found_error"
    assert f"model: {model}" in caught.value.message
    assert caught.value.request_id


def test_a_file_that_was_never_uploaded_is_not_found(post: Post) -> None:
    response = post(messages=[user({"type": "image", "source": {"type": "file", "file_id": "file_x"}})])
    assert response.status_code == 404
    assert "file_x" in response.json()["error"]["message"]


def test_a_prompt_longer_than_the_window_is_refused_with_both_numbers(post: Post) -> None:
    response = post(model="claude-haiku-4-5", messages=[user("word " * 200_001)])
    assert response.status_code == 400
    assert "prompt is too long: 200" in response.json()["error"]["message"]
    assert "> 200000 maximum" in response.json()["error"]["message"]


def test_counting_takes_no_limit_and_no_stream(post: Post) -> None:
    for extra in (
        {"max_tokens": 5},
        {"max_tokens": ..., "stream": True},
        {"max_tokens": ..., "metadata": {}},
    ):
        response = post("/v1/messages/count_tokens", **extra)
        assert response.status_code == 400
        assert "Extra inputs are not permitted" in response.json()["error"]["message"]
