"""Answers as data: every kind of type there and back, and what is told where there are no data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic import offline
from claude_magic.api.models import find
from claude_magic.api.options import DATA_TOOL, Options
from claude_magic.api.request import Request
from claude_magic.errors import DataProblem, UsageProblem
from claude_magic.evaluation import prepare
from claude_magic.question import Question
from claude_magic.readable import Readable, readable
from claude_magic.structured import result, shape_of
from claude_magic.values import Answer, TextPart, Turn
from tests import shapes
from tests.faults import FaultServer, Fin, ended, sse, start, streamed, text, tool
from tests.kernels import Kernel, Ran, running_kernel

ITEM = """
from pydantic import BaseModel
class Item(BaseModel):
    name: str
    price: float
class Order(BaseModel):
    items: list[Item]
"""


def line_of(ran: Ran) -> str:
    line = re.sub(r"\x1b\[\d*m", "", ran.error)
    assert "\n" not in line.strip()
    assert "Traceback" not in line
    return line.strip()


# -- there and back, over the local API


@pytest.fixture(scope="module")
def typed(kernel: Kernel) -> Kernel:
    where = str(Path(__file__).parent.parent)
    ran = kernel.run(f"import sys; sys.path.insert(0, {where!r})\nfrom tests.shapes import *\n{ITEM}")
    assert ran.status == "ok", ran.error
    return kernel


def test_all_kinds_of_types_come_back_as_what_they_are(typed: Kernel) -> None:
    assert len(shapes.SHAPES) >= 50
    wrong = []
    for number, (name, prompt) in enumerate(shapes.SHAPES.items()):
        flags = f'--no-history --quiet --schema "{name}" --into d{number}'
        ran = typed.run(f"%%claude {flags}\n{prompt or 'Go.'}")
        if ran.status != "ok":
            wrong.append(f"{name}: {line_of(ran)}")
    assert not wrong, "\n".join(wrong)
    numbers = {name: number for number, name in enumerate(shapes.SHAPES)}

    def value(name: str) -> str:
        return typed.value(f"d{numbers[name]}")

    assert value("Plain") == "Plain(name='Ada', size=3, weight=4.5, here=True)"
    assert value("Movie") == "{'title': 'Stalker', 'year': 1979}"
    assert value("list[Plain]") == "[Plain(name='a', size=1, weight=2.5, here=True)]"
    assert value("dict[str, Inner]") == "{'k': Inner(street='s', number=5)}"
    assert value("tuple[int, str]") == "(7, 'seven')"
    assert value("Deep") == "Deep(a={'k': [(3, {'key': []})]})"
    assert value("Colour") == "<Colour.GREEN: 'green'>"
    assert value("Station") == "Station(name='Zermatt', height=1608.0, tags=['tags'])"
    assert value("Strict") == "Strict(name='Ada', when=datetime.date(2026, 1, 31), pair=(3, 4))"
    assert value("LIST_SCHEMA") == "[{'n': 3}]"
    assert "'pair': ['item_1', 1]" in value("JSON_SCHEMA")


def test_no_open_object_and_no_mark_is_ever_sent() -> None:
    def look(node: Any) -> None:
        if isinstance(node, dict):
            assert node.get("type") != "object" or node["additionalProperties"] is False, node
            for one in node.values():
                look(one)
        elif isinstance(node, list):
            for one in node:
                look(one)

    for name in shapes.SHAPES:
        schema = shape_of(name, shapes.NAMES).schema
        assert "x-asked-for-as" not in schema
        assert json.loads(schema)["type"] == "object"
        look(json.loads(schema))


def test_a_schema_may_stand_in_a_file(typed: Kernel) -> None:
    folder = Path(typed.value("__import__('os').getcwd()").strip("'"))
    (folder / "s.json").write_text(json.dumps(shapes.LIST_SCHEMA))
    assert typed.run("%%claude --no-history --schema @s.json --into n\n7").status == "ok"
    assert typed.value("n") == "[{'n': 7}]"
    (folder / "t.json").write_text("[1")
    assert "it is no JSON" in line_of(typed.run("%claude --schema @t.json hi"))
    assert "No such file" in line_of(typed.run("%claude --schema @u.json hi"))


def test_what_is_shown_and_kept_is_the_json(typed: Kernel) -> None:
    code = '%%claude --new --schema Order --into order\n"milk" 1.2'
    ran = typed.run(code, allow_stdin=False)
    (data,) = ran.displayed
    shown = '```json\n{\n  "items": [\n    {\n      "name": "milk",\n      "price": 1.2\n    }\n  ]\n}\n```'
    assert data["text/markdown"].startswith(shown)
    assert json.loads(data["text/plain"]) == {"items": [{"name": "milk", "price": 1.2}]}
    assert typed.value("_claude.data == order == Order(items=[Item(name='milk', price=1.2)])") == "True"
    again = typed.run(code.replace("--new", "--new --reuse"), allow_stdin=False)
    assert "reused" not in data["text/markdown"]
    assert "reused" in again.displayed[0]["text/markdown"]
    assert typed.value("_claude.data == order") == "True"
    other = typed.run(code.replace("--new", "--new --reuse").replace("Order", "Item"), allow_stdin=False)
    assert "reused" not in other.displayed[0]["text/markdown"]


def test_the_live_view_draws_the_growing_json_and_ends_in_the_same(typed: Kernel) -> None:
    ran = typed.run('%%claude --no-history --schema Order\n"milk" 1.2', cell_id="c")
    frames = json.dumps(ran.of("comm_msg"), default=str)
    assert "claude-code" in frames or "<pre" in frames
    assert "milk" in frames
    assert "```json" in ran.updated[-1]["text/markdown"]


def test_a_frame_of_records(typed: Kernel) -> None:
    typed.run('%%claude --no-history --quiet --schema list[Item] --frame --into rows\n"milk" 1.2')
    assert typed.value("(type(rows).__module__.split('.')[0], rows.to_dict('records'))") == (
        "('pandas', [{'name': 'milk', 'price': 1.2}])"
    )
    assert "list[…]" in line_of(typed.run("%claude --schema Item --frame hi"))
    assert "say which by --schema" in line_of(typed.run("%claude --frame hi"))


def test_frames_without_records_and_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"list": list, "Plain": shapes.Plain}
    made = shape_of("list[Plain]", names, framed=True)
    assert made.frame is not None
    assert list(made.frame([]).columns) == ["name", "size", "weight", "here"]
    from claude_magic.structured import frame

    monkeypatch.setattr(frame, "find_spec", lambda name: None if name == "pandas" else name)
    made = shape_of("list[Plain]", names, framed=True)
    assert made.frame is not None
    table = made.frame(made.data('{"items": [{"name": "a", "size": 1, "weight": 2, "here": true}]}'))
    assert type(table).__module__.startswith("polars")
    assert table.rows() == [("a", 1, 2.0, True)]
    monkeypatch.setattr(frame, "find_spec", lambda _: None)
    with pytest.raises(UsageProblem, match="needs pandas or polars"):
        shape_of("list[Plain]", names, framed=True)


def test_what_is_looked_at_tells_the_schema(typed: Kernel) -> None:
    dry = typed.run("%claude --no-history --dry-run --schema Order hello").result
    assert "schema" in dry
    assert '"items"' in dry
    assert typed.run("%claude --no-history --count --schema Order hello").status == "ok"
    schema = shape_of("list[str]", {"list": list}).schema
    model = find("sonnet")
    assert model is not None
    options = Options(schema=schema)
    asked = Request(model.id, 5, (), options=json.dumps(options.parameters(model, 5)))
    for body in (asked.body(), asked.count_body()):
        assert json.loads(body)["output_config"]["format"] == {
            "type": "json_schema",
            "schema": json.loads(schema),
        }


def test_an_estimate_counts_the_schema() -> None:
    model = find("sonnet")
    assert model is not None
    with_it, without = (
        prepare(Question("Go.", model, {}, options=Options(schema=schema))).estimated_tokens()
        for schema in (shape_of("Zoo", shapes.NAMES).schema, "")
    )
    assert with_it > without + 50


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--schema Itm", "No kernel name 'Itm'. Did you mean 'Item'?"),
        ("--schema 5", "not a value of type int"),
        ("--schema list[", "no kernel name and no expression"),
        ("--schema 1/0", "raised ZeroDivisionError"),
        ("--schema Kernel_", "No kernel name"),
        ("--schema object()", "cannot be asked for"),
        ("--schema type(sys)", "cannot be asked for"),
        ("--schema {'type':'nothing'}", "cannot be asked for"),
        ("--schema {'$ref':'https://example.com/x'}", "its own $defs"),
        ("--schema Item --cite", "does not go with --cite"),
        ("--schema Item --prefill {", "does not go with --prefill"),
    ],
)
def test_what_cannot_be_asked_for_is_told_and_not_sent(typed: Kernel, flags: str, said: str) -> None:
    line = line_of(typed.run(f"%claude --no-history {flags} hello"))
    assert said in line, line
    assert line.endswith("Nothing was sent.")


def test_documents_cited_above_are_told(typed: Kernel) -> None:
    folder = Path(typed.value("__import__('os').getcwd()").strip("'"))
    (folder / "a.txt").write_text("Milk is 1.20.")
    typed.run("%claude --new --cite -a a.txt What is milk?")
    assert "do not go with --schema" in line_of(typed.run("%claude --schema Item what is it?"))


# -- what goes wrong


LISTED = [
    {
        "id": name,
        "type": "model",
        "display_name": name,
        "created_at": "2026-01-01T00:00:00Z",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": {"structured_outputs": {"supported": False}},
    }
    for name in ("claude-haiku-4-5", "claude-opus-5-5")
]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer(models=LISTED) as running:
        yield running


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, server: FaultServer) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("data")
    key = "sk-ant-canary-0123456789"
    with running_kernel(
        home, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=key, CLAUDE_MAGIC_RETRIES="0"
    ) as kernel:
        assert kernel.run(f"%load_ext claude_magic\n{ITEM}").status == "ok"
        yield kernel


def answered(*pieces: str, reason: str = "end_turn", **more: Any) -> tuple[Any, ...]:
    return streamed(sse(start(), *text(*pieces), *ended(reason, **more)))


GOOD = '{"items": [{"name": "a", "price": 1}, {"name": "b", "price": %s}]}'
FAILING = {
    "refusal": (
        answered("I cannot do that.", reason="refusal"),
        "No data: the model declined.",
        "I cannot do that.",
    ),
    "max_tokens": (
        answered('{"items": [{"name": "a", "price": 1}, {"na', 'me": "b', reason="max_tokens"),
        "No data: cut at max_tokens, in answer.items[1].name. Allow more with --max-tokens.",
        '{"items": [{"name": "a", "price": 1}, {"name": "b',
    ),
    "stopped by a sequence": (
        answered('{"items": [', reason="stop_sequence"),
        'No data: the answer is no JSON (line 1, column 12); it begins {"items": [.',
        '{"items": [',
    ),
    "no JSON": (
        answered("Sure! Here it is."),
        "the answer is no JSON (line 1, column 1)",
        "Sure! Here it is.",
    ),
    "nothing": (streamed(sse(start(), *ended())), "the answer is no JSON", ""),
    "a wrong type": (
        answered(GOOD % '"cheap"'),
        "The answer is not Order: answer.items[1].price: Input should be a valid number",
        GOOD % '"cheap"',
    ),
    "a missing field": (
        answered('{"items": [{"name": "a"}]}'),
        "The answer is not Order: answer.items[0].price: Field required.",
        '{"items": [{"name": "a"}]}',
    ),
    "another type": (
        answered('["a"]'),
        "The answer is not Order: answer: Input should be an object",
        '["a"]',
    ),
    "several": (
        answered('{"items": [{"name": 1, "price": "x"}]}'),
        "answer.items[0].name: Input should be a valid string, found 1, and 1 more.",
        '{"items": [{"name": 1, "price": "x"}]}',
    ),
    "deep": (answered('{"items": ' + "[" * 3000), "is no JSON", '{"items": ' + "[" * 3000),
    "hostile": (
        answered('{"items": [{"name": "a", "price": "\\u202e\\u0007<b>\\n' + "x" * 500 + '"}]}'),
        "answer.items[0].price: Input should be a valid number",
        None,
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_without_data_the_text_is_kept_and_one_line_says_what_and_where(
    faulty: Kernel, server: FaultServer, case: str
) -> None:
    script, said, kept = FAILING[case]
    faulty.run("order = 'as it was'")
    server.answers([script])
    ran = faulty.run("%%claude --new --schema Order --into order\nGo.", allow_stdin=False)
    line = line_of(ran)
    assert line.startswith("DataProblem: "), line
    assert said in line, line
    assert len(line) < 400
    assert line.isprintable()
    assert len(ran.displayed) == 1
    assert faulty.value("(order, _claude.data, _claude.usage.output_tokens)") == "('as it was', None, 5)"
    if kept is not None:
        assert json.loads(faulty.run("import json; print(json.dumps(_claude.text))").stdout) == kept


def test_a_cut_stream_is_told_as_such(faulty: Kernel, server: FaultServer) -> None:
    faulty.run("order = 'as it was'")
    cut = sse(start(), *text('{"items": [')[:-1])
    server.answers([streamed(cut, end=(Fin(),))])
    line = line_of(faulty.run("%%claude --new --schema Order --into order\nGo.", allow_stdin=False))
    assert line.startswith("StreamCut")
    assert faulty.value("(order, _claude.text)") == "('as it was', '{\"items\": [')"


def test_where_there_are_no_structured_outputs_a_tool_is_called_and_read(
    faulty: Kernel, server: FaultServer
) -> None:
    assert faulty.run("%claude_models --refresh").status == "ok"
    call = tool(0, '{"items": [{"na', 'me": "a", "price": 2}]}', name=DATA_TOOL)
    server.answers([streamed(sse(start(), *call, *ended("tool_use")))])
    before = len(server.requests)
    ran = faulty.run("%%claude --new -m claude-haiku-4-5 --schema Order --into order\nGo.", allow_stdin=False)
    assert ran.status == "ok", ran.error
    assert faulty.value("order") == "Order(items=[Item(name='a', price=2.0)])"
    assert faulty.value("(_claude.stage, _claude.stop_reason)") == "('complete', 'end_turn')"
    assert '"price": 2' in ran.displayed[0]["text/markdown"]
    (asked,) = server.requests[before:]
    assert asked.body["tool_choice"] == {"type": "tool", "name": DATA_TOOL, "disable_parallel_tool_use": True}
    assert [one["name"] for one in asked.body["tools"]] == [DATA_TOOL]
    assert asked.body["tools"][0]["input_schema"]["type"] == "object"
    assert "format" not in asked.body.get("output_config", {})
    # The next question carries the data as text: no call that somebody would have to answer.
    faulty.run("%claude -m claude-haiku-4-5 And now?")
    last = server.requests[-1].body
    assert "tools" not in last
    assert [block["type"] for message in last["messages"] for block in message["content"]] == ["text"] * 3
    line = line_of(faulty.run("%claude -m claude-opus-5-5 --schema Order hi"))
    assert "no structured outputs and cannot be forced to call a tool: ask for JSON in the prompt" in line
    line = line_of(faulty.run("%claude -m claude-haiku-4-5 --thinking --schema Order hi"))
    assert "leave out --thinking" in line
    faulty.run("def look(at: str) -> str: return at")
    line = line_of(faulty.run("%claude -m claude-haiku-4-5 --tools look --schema Order hi"))
    assert "leave out --tools" in line


@pytest.mark.parametrize("name", ["Maps", "list[Plain]", "Zoo", "Node"])
def test_the_tools_schema_is_one_the_api_takes(local_api: offline.LocalApi, name: str) -> None:
    shape = shape_of(name, shapes.NAMES)
    model = find("claude-haiku-4-5")
    assert model is not None
    options = Options(schema=shape.schema, must_call=DATA_TOOL)
    body = {
        "model": model.id,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": shapes.SHAPES.get(name) or "Go."}],
        "tools": [json.loads(one) for one in options.tools],
        **options.parameters(model, 500),
    }
    key = {"Authorization": f"Bearer {local_api.token}", "anthropic-version": "2026-10-21"}
    told = httpx2.post(f"{local_api.url}/v1/messages", json=body, headers=key)
    assert told.status_code == 200, told.text
    (call,) = [block for block in told.json()["content"] if block["type"] == "tool_use"]
    assert shape.data(json.dumps(call["input"])) is not None


# -- the parts


def turn_of(said: str, stage: Any = "complete") -> Turn:
    return Turn("Go.", (), answer=Answer((TextPart(said),), complete=True), stage=stage)


def test_a_problem_of_the_turn_comes_first_and_text_has_no_data() -> None:
    shape = shape_of("int", {})
    problem = KeyboardInterrupt()
    assert result(shape, turn_of('{"value": 3}'), problem, "") == (None, problem)
    assert result(None, turn_of("3"), None, "") == (None, None)
    assert result(shape, turn_of('{"value": 3}'), None, "") == (3, None)
    words = shape_of("list[str]", {"list": list})
    stopped = result(words, turn_of('{"items": ["a", "b', "interrupted"), None, "stopped")[1]
    assert isinstance(stopped, DataProblem)
    assert str(stopped).startswith("No data: stopped, in answer[1]. ")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            {"type": "object", "properties": {"n": {"type": "integer", "maximum": 3}}},
            "answer.n: 4 is greater",
        ),
        ({"type": "object", "properties": {"n": {"enum": [1, 2]}}}, "answer.n: 4 is not one of"),
    ],
)
def test_a_json_schema_is_checked_whole(schema: Mapping[str, Any], said: str) -> None:
    with pytest.raises(DataProblem) as caught:
        shape_of("S", {"S": schema}).data('{"n": 4}')
    assert said in str(caught.value)


def test_keys_that_come_twice_are_not_lost_in_silence() -> None:
    shape = shape_of("dict[str, int]", {"dict": dict})
    assert shape.data('{"value": [{"key": "a", "value": 1}]}'.replace('value": [', 'items": [')) == {"a": 1}
    with pytest.raises(DataProblem):
        shape.data('{"items": [{"key": "a", "value": 1}, {"key": "a", "value": 2}]}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text(), JSON), st.booleans(), st.lists(st.integers(0, 400), max_size=8))
def test_readable_json_is_the_same_json_however_it_is_cut(
    value: dict[str, Any], ascii_only: bool, cuts: list[int]
) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only)
    whole = readable(written)
    begin, end = "```json\n", "\n```"
    assert whole.startswith(begin)
    assert whole.endswith(end)
    assert json.loads(whole[len(begin) : -len(end)]) == value
    growing, shown, place = Readable(), "", 0
    for cut in [*sorted(cuts), len(written)]:
        shown += growing.feed(written[place:cut])
        place = max(place, cut)
    assert shown + growing.finish() == whole


@given(st.text())
def test_what_is_no_json_object_stays_as_it_is_and_no_text_ends_its_fence(said: str) -> None:
    if said.lstrip().startswith("{"):
        inside = readable(said).split("\n")[1:-1]
        assert not any(re.fullmatch(r" {0,3}`{3,}\s*", line) for line in inside)
    else:
        assert readable(said) == (said if said.strip() else "")


def test_no_fence_of_the_model_ends_the_code_block() -> None:
    for said in ("{```}", "{\n```\n# Title", '{"a": "\n```\n# Title"}', "{[```]", "{}\n```\n"):
        inside = readable(said).split("\n")[1:-1]
        assert not any(re.fullmatch(r" {0,3}`{3,}\s*", line) for line in inside), said


def test_an_answer_of_the_tool_without_arguments_is_an_empty_object() -> None:
    from claude_magic.api.events import BlockStart, BlockStop
    from claude_magic.api.fold import Fold

    fold = Fold(data="tool")
    fold.take(BlockStart(0, {"type": "tool_use", "id": "t", "name": DATA_TOOL, "input": {}}))
    fold.take(BlockStop(0))
    assert fold.answer().text == "{}"
    assert replace(fold.answer(), parts=()).parts == ()
