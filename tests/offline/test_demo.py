"""What the demo model does with what it is sent; the phrases other tests rely on are held here."""

from __future__ import annotations

import copy
import json
from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from .samples import Json, assistant, image_block, paper, pdf_block, picture, text_document, user

jsonschema: Any = pytest.importorskip("jsonschema")  # comes with nbformat

OPENING = "*Offline demo model, not Claude.*"
WEATHER: Json = {
    "name": "get_weather",
    "description": "The weather",
    "input_schema": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["C", "F"]},
            "note": {"type": "string"},
        },
        "required": ["city", "days", "unit"],
    },
}
TIME: Json = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


class Ask:
    """Sends a request made of content blocks or messages, and returns the message."""

    def __init__(self, client: anthropic.Anthropic) -> None:
        self._client = client

    def __call__(self, *content: Any, **fields: Any) -> Message:
        body: Json = {"model": "claude-sonnet-5-5", "max_tokens": 4000, "messages": [user(*content)]} | fields
        message = self._client.messages.create(**body)
        assert isinstance(message, Message)
        return message


@pytest.fixture
def ask(client: anthropic.Anthropic) -> Ask:
    return Ask(client)


def text(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_every_answer_says_first_that_this_is_not_claude(ask: Ask) -> None:
    for prompt in ("Hello", "50 words", "code please", "What did I ask?"):
        assert text(ask(prompt)).startswith(OPENING + "\n\n")


def test_a_default_answer_is_short_and_quotes_the_prompt(ask: Ask) -> None:
    answer = text(ask("Why is the sky blue? " * 100))
    assert "500 words and 2100 characters" in answer
    assert "Why is the sky blue?" in answer
    assert len(answer.split()) < 60


def test_the_same_request_gets_the_same_bytes(ask: Ask) -> None:
    fields: Json = {"thinking": {"type": "adaptive", "display": "summarized"}, "system": "Be brief."}
    one, two = (ask("Hello", image_block(picture()), "300 words", **fields) for _ in range(2))
    assert [block.to_dict() for block in one.content] == [block.to_dict() for block in two.content]
    assert one.usage == two.usage


@pytest.mark.parametrize("phrase", ["say: ", "Say:", "repeat exactly: ", "  say: "])
def test_say_answers_with_the_text_alone(ask: Ask, phrase: str) -> None:
    said = "# Title\n\n<b>x</b> $a$ `{{ b }}` *c*\n\n- say: no"
    assert text(ask(phrase + said)) == said


def test_say_is_heard_beside_attachments_and_only_at_the_start_of_a_block(ask: Ask) -> None:
    assert text(ask(image_block(picture()), "say: cheese")) == "cheese"
    assert text(ask("Do not say: cheese")).startswith(OPENING)


@pytest.mark.parametrize(
    ("prompt", "words"), [("write 300 words", 300), ("2,000 words", 2000), ("A 10-word essay", 10)]
)
def test_n_words_asks_for_a_text_of_that_length(ask: Ask, prompt: str, words: int) -> None:
    answer = text(ask(prompt, max_tokens=20_000))
    paragraphs = [line for line in answer.splitlines()[1:] if not line.startswith("#")]
    assert len(" ".join(paragraphs).split()) == words
    assert "\n## Part 1\n" in answer


@pytest.mark.parametrize(
    ("prompt", "sample"),
    [
        ("some code", "```python\n"),
        ("in Python", "```python\n"),
        ("a formula", "$$\n"),
        ("some math", "$$\n"),
        ("a table", "|:----"),
        ("a list", "1. Read"),
    ],
)
def test_a_kind_of_formatting_that_is_named_is_shown(ask: Ask, prompt: str, sample: str) -> None:
    assert sample in text(ask(prompt))
    assert sample not in text(ask("Hello"))


def test_the_code_sample_runs(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    code = text(ask("code")).partition("```python\n")[2].partition("```")[0]
    exec(compile(code, "sample", "exec"), {})
    assert capsys.readouterr().out == "12.566\n"


def test_it_remembers_the_conversation(ask: Ask) -> None:
    messages = [
        user("My name is Ada Lovelace. Plot x."),
        assistant("Done"),
        user("My favourite colour is blue"),
    ]
    messages += [assistant("Fine"), user("What is my name? And what did I ask earlier?")]
    answer = text(ask(messages=messages))
    assert "Your name is **Ada Lovelace**." in answer
    assert "1. “My name is Ada Lovelace. Plot x.”\n2. “My favourite colour is blue”" in answer
    colour = text(ask(messages=[*messages[:-1], user("What's my favourite colour?")]))
    assert "Your favourite colour is **blue**." in colour
    assert "There are 2 earlier prompts; the previous one: “My favourite colour is blue”" in colour
    assert "You have not told me your name." in text(ask("What is my name?"))


def test_the_latest_of_two_facts_holds(ask: Ask) -> None:
    messages = [user("My name is Ada"), assistant("a"), user("Sorry, my name is Grace"), assistant("b")]
    assert "**Grace**" in text(ask(messages=[*messages, user("Who am I?")]))


def test_it_mentions_the_system_prompt(ask: Ask) -> None:
    assert "“Talk like a pirate.”" in text(ask("Hello", system="Talk like a pirate."))
    blocks = [{"type": "text", "text": "Talk like a pirate."}]
    assert "“Talk like a pirate.”" in text(ask("Hello", system=blocks))
    assert "System prompt" not in text(ask("Hello"))


@pytest.mark.parametrize(
    ("kind", "media_type", "mode"),
    [
        ("PNG", "image/png", "RGB"),
        ("PNG", "image/png", "RGBA"),
        ("PNG", "image/png", "P"),
        ("PNG", "image/png", "I;16"),
        ("JPEG", "image/jpeg", "RGB"),
        ("JPEG", "image/jpeg", "CMYK"),
        ("GIF", "image/gif", "P"),
        ("WEBP", "image/webp", "RGB"),
    ],
)
def test_it_sees_an_images_format_size_and_mode(ask: Ask, kind: str, media_type: str, mode: str) -> None:
    answer = text(ask(image_block(picture(640, 48, "white", kind, mode), media_type), "What is this?"))
    assert f"Image 1: {kind}, 640×48 px, {'RGB' if kind == 'WEBP' else mode}" in answer
    assert ("black" if mode == "I;16" else "white") in answer  # Pillow puts 255 of 65,535 into an I;16


@pytest.mark.parametrize(("colour", "code"), [("red", "#ff0000"), ("blue", "#0000ff"), ("teal", "#008080")])
def test_it_names_the_main_colour(ask: Ask, colour: str, code: str) -> None:
    assert f"mostly `{code}` {colour}" in text(ask(image_block(picture(colour=colour))))


def test_it_tells_several_images_apart_and_counts_the_rest(ask: Ask) -> None:
    answer = text(ask(*[image_block(picture(10 + n, 10)) for n in range(6)], "Compare"))
    assert "Image 4: PNG, 13×10" in answer
    assert "2 more images, 6 in all" in answer


def test_it_reads_a_pdf(ask: Ask) -> None:
    raw = paper(["Chapter one begins here", "Chapter two", "Chapter three", "Four"], title="A Study")
    answer = text(ask(pdf_block(raw, title="study.pdf"), "Summarise"))
    assert "PDF “study.pdf”: 4 pages, titled “A Study”; page 1: “Chapter one begins here”; page 2:" in answer


def test_it_reads_a_text_document_and_the_shape_of_tables(ask: Ask) -> None:
    answer = text(ask(text_document("First line\nsecond line here\n", title="notes.txt"), "Read"))
    assert "Document “notes.txt”: 2 lines, 5 words; first line: “First line”" in answer
    assert "Table: 2 rows × 3 columns." in text(
        ask("| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |\n")
    )
    assert "Table: 3 rows × 2 columns." in text(ask("x,y\n1,2\n3,4\n5,6"))
    assert "Table: 100 rows × 5 columns." in text(ask("   a  b\n0  1  2\n\n[100 rows x 5 columns]"))
    assert "Table" not in text(ask("One, two.\nThree, four.\nFive, six."))


def test_a_url_is_described_and_not_fetched(ask: Ask) -> None:
    source = {"type": "url", "url": "https://example.com/a.png"}
    answer = text(ask({"type": "image", "source": source}, "What?"))
    assert "https://example.com/a.png" in answer
    assert "does not fetch" in answer


def test_a_tool_that_the_prompt_names_is_called_with_values_from_the_prompt(ask: Ask) -> None:
    message = ask('Use get_weather for "Paris" over 3 days', tools=[TIME, WEATHER])
    calls = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use"
    assert [(call.name, call.input) for call in calls] == [
        ("get_weather", {"city": "Paris", "days": 3, "unit": "C"})
    ]


def test_several_named_tools_are_called_in_parallel_in_their_order(ask: Ask) -> None:
    prompt = 'get_weather in "Rome", and get time'
    message = ask(prompt, tools=[TIME, WEATHER])
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert len({call.id for call in calls}) == 2
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    single = ask(prompt, tools=[TIME, WEATHER], tool_choice=choice)
    assert [block.type for block in single.content].count("tool_use") == 1


def test_tools_are_not_called_unasked_and_tool_choice_is_obeyed(ask: Ask) -> None:
    def called(prompt: str, **choice: Any) -> list[str]:
        message = ask(prompt, tools=[TIME, WEATHER], model="claude-opus-5", **choice)
        return [block.name for block in message.content if block.type == "tool_use"]

    assert called("Hello") == []
    assert called("Hello", tool_choice={"type": "any"}) == ["get_time"]
    assert called("Hello get_weather", tool_choice={"type": "any"}) == ["get_weather"]
    assert called("Hello", tool_choice={"type": "tool", "name": "get_weather"}) == ["get_weather"]
    assert called("get_weather", tool_choice={"type": "none"}) == []


def test_tool_results_are_quoted_and_end_the_loop(ask: Ask, client: anthropic.Anthropic) -> None:
    first = ask("get_time now", tools=[TIME], thinking={"type": "adaptive", "display": "summarized"})
    call = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "It is noon"}
    messages = [user("get_time now"), {"role": "assistant", "content": first.content}, user(result)]
    second = ask(messages=messages, tools=[TIME])
    assert second.stop_reason == "end_turn"
    assert "The tool returned: “It is noon”" in text(second)
    failed = ask(messages=[*messages[:2], user({**result, "is_error": True})], tools=[TIME])
    assert "The tool reported an error" in text(failed)


SCHEMAS: list[Json] = [
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name"],
    },
    {"type": "array", "items": {"type": "number"}, "minItems": 3},
    {"type": "string", "enum": ["low", "high"]},
    {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            }
        },
        "$ref": "#/$defs/Node",
    },
    {
        "type": "object",
        "properties": {
            "when": {"type": "string", "format": "date"},
            "code": {"type": "string", "pattern": "^[0-9]+$"},
            "short": {"type": "string", "maxLength": 3},
            "long": {"type": "string", "minLength": 30},
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "even": {"type": "integer", "multipleOf": 2, "exclusiveMinimum": 3},
            "kind": {"const": "x"},
            "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 2},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
            "maybe": {"type": ["null", "integer"]},
            "both": {
                "allOf": [{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}]
            },
        },
        "required": ["when", "code", "share"],
    },
]


def closed(schema: Any) -> Any:
    """The schema with its objects closed, as structured outputs want it."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(item) for name, item in schema.items()}
    return made | ({"additionalProperties": False} if schema.get("type") == "object" else {})


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:50])
def test_a_structured_answer_is_json_that_fits_the_schema(ask: Ask, schema: Json) -> None:
    form = {"type": "json_schema", "schema": closed(copy.deepcopy(schema))}
    message = ask('Take "Ada" aged 36, or 2.5', output_config={"format": form})
    jsonschema.validate(json.loads(text(message)), form["schema"])


def test_a_structured_answer_takes_values_from_the_prompt(ask: Ask) -> None:
    form = {"type": "json_schema", "schema": closed(SCHEMAS[0])}
    message = ask('The person "Ada" is 36', output_config={"format": form})
    assert json.loads(text(message)) == {"name": "Ada", "age": 36}


@pytest.mark.parametrize(
    ("model", "thinking", "shown"),
    [
        ("claude-opus-5-5", None, None),
        ("claude-opus-5-5", {"type": "adaptive"}, False),
        ("claude-opus-5-5", {"type": "adaptive", "display": "omitted"}, False),
        ("claude-opus-5-5", {"type": "adaptive", "display": "summarized"}, True),
        ("claude-sonnet-5-5", {"type": "between_tools"}, None),
        ("claude-haiku-5-5", {"type": "disabled"}, None),
        ("claude-sonnet-4-6", {"type": "enabled", "budget_tokens": 1024}, True),
        ("claude-haiku-4-5", {"type": "enabled", "budget_tokens": 1024, "display": "omitted"}, False),
    ],
)
def test_thinking_is_shown_hidden_or_absent_as_asked(
    ask: Ask, model: str, thinking: Json | None, shown: bool | None
) -> None:
    message = ask("Hello", model=model, **({"thinking": thinking} if thinking else {}))
    blocks = [block for block in message.content if block.type == "thinking"]
    details = message.usage.output_tokens_details
    if shown is None:
        assert not blocks
        assert details is None
    else:
        assert bool(blocks[0].thinking) is shown
        assert blocks[0].signature
        assert details is not None
        assert 0 < details.thinking_tokens < message.usage.output_tokens


def test_thinking_sent_back_unchanged_is_accepted_and_changed_is_refused(ask: Ask) -> None:
    for display in ("summarized", "omitted"):
        first = ask("Hello", thinking={"type": "adaptive", "display": display})
        content = [block.to_dict() for block in first.content]
        ask(messages=[user("Hello"), {"role": "assistant", "content": content}, user("More")])
        for change in ({"thinking": "I thought otherwise."}, {"signature": "A" * 64}):
            changed: list[Json] = [{**content[0], **change}, *content[1:]]
            with pytest.raises(anthropic.BadRequestError, match=r"messages\.1\.content\.0\.signature"):
                ask(messages=[user("Hello"), {"role": "assistant", "content": changed}, user("More")])


def test_a_stop_sequence_cuts_the_text_before_it(ask: Ask) -> None:
    message = ask("say: one two three", stop_sequences=["three", "two"])
    assert (text(message), message.stop_reason, message.stop_sequence) == ("one ", "stop_sequence", "two")
    whole = ask("say: one", stop_sequences=["two"])
    assert (text(whole), whole.stop_reason, whole.stop_sequence) == ("one", "end_turn", None)


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 40])
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-sonnet-4-6"])
def test_the_limit_cuts_the_answer(ask: Ask, limit: int, model: str) -> None:
    message = ask("300 words", max_tokens=limit, model=model)
    whole = ask("300 words", model=model)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens <= limit
    assert text(whole).startswith(text(message))
    assert bool(message.content) is (message.usage.output_tokens > 0)


def test_a_full_context_window_cuts_the_answer_with_its_own_reason(ask: Ask) -> None:
    message = ask("word " * 199_900 + " 300 words", model="claude-haiku-4-5")
    assert message.stop_reason == "model_context_window_exceeded"


def test_documents_are_cited_by_place(ask: Ask) -> None:
    on = {"citations": {"enabled": True}}
    content = {
        "type": "content",
        "content": [{"type": "text", "text": "Alpha."}, {"type": "text", "text": "Beta."}],
    }
    found = {
        "type": "search_result",
        "source": "https://example.com",
        "title": "Found",
        "content": [{"type": "text", "text": "A result."}],
        **on,
    }
    written = "\nFirst sentence. Second."
    message = ask(
        text_document("Not to be cited."),
        text_document(written, title="notes", **on),
        pdf_block(paper(["Page text"]), title="paper", **on),
        {"type": "document", "source": content, **on},
        "What do they say?",
    )
    cited = [c for block in message.content if block.type == "text" for c in block.citations or ()]
    kinds = [citation.type for citation in cited]
    assert kinds == ["char_location", "page_location", "content_block_location"]
    char, page, block = cited
    assert char.type == "char_location"
    assert char.cited_text == written[char.start_char_index : char.end_char_index] == "First sentence."
    assert (char.document_index, char.document_title) == (1, "notes")
    assert page.type == "page_location"
    assert (page.start_page_number, page.end_page_number, page.document_index) == (1, 2, 2)
    assert block.type == "content_block_location"
    assert (block.cited_text, block.start_block_index, block.end_block_index) == ("Alpha.", 0, 1)
    (from_search,) = [c for b in ask(found, "What?").content if b.type == "text" for c in b.citations or ()]
    assert from_search.type == "search_result_location"
    ask(messages=[user(found, "What?"), {"role": "assistant", "content": message.content}, user("More")])


def test_a_web_search_is_made_up_and_says_so_and_can_be_sent_back(ask: Ask) -> None:
    tools = [{"type": "web_search_20260318", "name": "web_search"}]
    message = ask("search the web for cats", tools=tools)
    assert [block.type for block in message.content][1:3] == ["server_tool_use", "web_search_tool_result"]
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1
    assert "made up" in text(message)
    messages = [user("search"), {"role": "assistant", "content": message.content}, user("Thanks")]
    assert ask(messages=messages, tools=tools).stop_reason == "end_turn"
    fetch = [{"type": "web_fetch_20260318", "name": "web_fetch"}]
    fetched = ask("Read https://example.com/page", tools=fetch)
    assert "web_fetch_tool_result" in [block.type for block in fetched.content]
    messages = [user("fetch"), {"role": "assistant", "content": fetched.content}, user("Thanks")]
    assert ask(messages=messages, tools=fetch).stop_reason == "end_turn"


def test_a_prefilled_answer_is_continued(ask: Ask) -> None:
    message = ask(messages=[user("say: one two"), assistant("one")], model="claude-haiku-4-5")
    assert text(message) == " two"


@pytest.mark.parametrize(
    "ask", ["Your last answer was cut off. Continue exactly there.", "go on", "Continue"]
)
def test_it_goes_on_where_an_answer_was_cut(client: anthropic.Anthropic, ask: str) -> None:
    asked = {"role": "user", "content": "write 60 words"}

    def said(tokens: int, *more: dict[str, str]) -> tuple[str, str | None]:
        message = client.messages.create(
            model="claude-sonnet-5-5",
            max_tokens=tokens,
            messages=[asked, *more],  # type: ignore[list-item]
        )
        return "".join(block.text for block in message.content if block.type == "text"), message.stop_reason

    whole, _ = said(1000)
    talk: list[dict[str, str]] = []
    pieces = []
    reason: str | None = "max_tokens"
    while reason == "max_tokens":
        piece, reason = said(30, *talk)
        pieces.append(piece)
        talk += [{"role": "assistant", "content": piece}, {"role": "user", "content": ask}]
        assert len(pieces) < 20
    assert len(pieces) > 2
    assert "".join(pieces) == whole
    assert "begins" in said(1000, *talk)[0]  # nothing is left: an ordinary answer
