"""The prompt cache: where requests are marked, what it saves, and why it was missed."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic.api import models
from claude_magic.api.caching import MOST, marks, missed
from claude_magic.api.events import decode
from claude_magic.api.fold import Fold
from claude_magic.api.request import Marks, Message, Request, with_mark
from claude_magic.display.status import final_line
from claude_magic.evaluation import prepare
from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.values import Answer, Turn, Usage
from tests.content import papers
from tests.faults import GOOD, FaultServer, Seen, ended, refusal, start, text
from tests.kernels import Kernel, running_kernel

SONNET = models.CATALOGUE[[model.id for model in models.CATALOGUE].index("claude-sonnet-5-5")]
SHORT = {"type": "ephemeral"}
LONG_TEXT = "A sentence that is long enough to be worth keeping. " * 100


def block(kind: str = "text", **fields: Any) -> bytes:
    return json.dumps({"type": kind, **(fields or {"text": "words"})}, separators=(",", ":")).encode()


PICTURE = block("image", source={"type": "url", "url": "https://example.org/a.png"})
THOUGHT = block("thinking", thinking="so", signature="x")
RESULT = block("tool_result", tool_use_id="t", content="1")
BLANKS = (block(text=""), block(text=" \n\t"), b'{"text": "\xc2\xa0 ", "type": "text"}')


def user(*blocks: bytes) -> Message:
    return Message("user", blocks or (block(),))


def said(*blocks: bytes) -> Message:
    return Message("assistant", blocks or (block(),))


def places(*messages: Message, **how: Any) -> set[tuple[int, int]]:
    return set(marks(messages, "5m", **how).blocks)


def talk(turns: int, *first: bytes) -> list[Message]:
    return [user(*first, block()), *(one for _ in range(turns - 1) for one in (said(), user()))]


# Where the marks stand.


def test_the_end_is_marked_and_where_the_request_before_it_ended() -> None:
    assert places(*talk(1)) == {(0, 0)}
    assert places(*talk(2)) == {(0, 0), (2, 0)}
    assert places(*talk(9)) == {(14, 0), (16, 0)}


def test_attachments_are_marked_apart_from_their_prompt() -> None:
    assert places(*talk(1, PICTURE, PICTURE)) == {(0, 1), (0, 2)}
    late = [*talk(8), said(), user(PICTURE, block())]
    assert places(*late) == {(14, 0), (16, 0), (16, 1)}
    both = [*talk(8, PICTURE), said(), user(PICTURE, block())]
    assert places(*both) == {(0, 0), (14, 0), (16, 0), (16, 1)}
    assert places(*talk(8, PICTURE)) == {(0, 0), (12, 0), (14, 0)}


def test_the_system_prompt_comes_before_first_attachments_and_tools_last() -> None:
    both = [*talk(8, PICTURE), said(), user(PICTURE, block())]
    found = marks(both, "1h", system=True, tools=True)
    assert found == Marks("1h", True, False, frozenset({(14, 0), (16, 0), (16, 1)}))
    found = marks(talk(3), "5m", system=True, tools=True)
    assert found == Marks("5m", True, True, frozenset({(2, 0), (4, 0)}))


def test_off_marks_nothing() -> None:
    assert marks(talk(3, PICTURE), "off", system=True, tools=True) == Marks()


def test_outside_a_conversation_only_what_can_be_shared_is_marked() -> None:
    assert marks(talk(1), "5m", goes_on=False) == Marks()
    assert marks(talk(1), "5m", system=True, goes_on=False) == Marks("5m", system=True)
    assert places(*talk(1, PICTURE), goes_on=False) == {(0, 0)}
    rounds = [user(), said(block("tool_use", id="t", name="f", input={})), user(RESULT)]
    assert places(*rounds, goes_on=False) == {(0, 0), (2, 0)}


def test_results_of_tools_are_no_attachments() -> None:
    assert places(*talk(2), said(), user(RESULT, RESULT)) == {(2, 0), (4, 1)}


@pytest.mark.parametrize("odd", [THOUGHT, *BLANKS, block("redacted_thinking", data="x")])
def test_what_cannot_be_marked_is_stepped_over(odd: bytes) -> None:
    assert places(user(PICTURE, odd)) == {(0, 0)}
    assert places(user(odd)) == set()
    assert places(user(), said(block(), odd), user(odd)) == {(0, 0), (1, 0)}


def test_a_block_with_a_mark_of_its_own_gets_no_second() -> None:
    own = block(text="x", cache_control=SHORT)
    assert places(user(block(), own)) == {(0, 0)}
    assert places(user(block(), block(text='says "cache_control"'))) == {(0, 0), (0, 1)}


BLOCKS = st.sampled_from([block(), PICTURE, THOUGHT, RESULT, *BLANKS])
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant"]), st.lists(BLOCKS, max_size=4).map(tuple)),
    max_size=12,
)


@given(MESSAGES, st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_there_are_never_more_than_four_and_never_on_the_wrong_block(
    messages: list[Message], system: bool, tools: bool, goes_on: bool
) -> None:
    found = marks(messages, "5m", system=system, tools=tools, goes_on=goes_on)
    assert len(found.blocks) + found.system + found.tools <= MOST
    for message, index in found.blocks:
        marked = json.loads(messages[message].blocks[index])
        assert marked["type"] != "thinking"
        assert marked["type"] != "text" or marked["text"].strip()


@given(MESSAGES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_each_request_is_marked_where_the_one_before_it_ended(messages: list[Message], system: bool) -> None:
    whole = [*messages, user()]
    asked = [number for number, message in enumerate(whole) if message.role == "user"]
    for earlier, later in itertools.pairwise(asked):
        before = marks(whole[: earlier + 1], "5m", system=system).blocks
        after = marks(whole[: later + 1], "5m", system=system).blocks
        assert not before or max(before) in after


# The bytes.


@given(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text()), min_size=1),
    st.sampled_from(["5m", "1h"]),
    st.sampled_from([None, 1]),
)
def test_a_marked_block_is_the_block_and_the_mark(raw: dict[str, Any], life: str, indent: int | None) -> None:
    raw.pop("cache_control", None)
    raw["type"] = "text"
    written = json.dumps(raw, ensure_ascii=False, indent=indent).encode("utf-8", "surrogatepass")
    pieces = with_mark(written, life)
    mark = {"type": "ephemeral"} if life == "5m" else {"type": "ephemeral", "ttl": "1h"}
    assert json.loads(b"".join(pieces).decode("utf-8", "surrogatepass")) == {**raw, "cache_control": mark}


def test_a_large_block_is_not_copied() -> None:
    picture = block("image", source={"type": "base64", "data": "A" * 5_000_000})
    head, mark = with_mark(picture, "5m")
    assert head.obj is picture
    assert len(mark) < 50


def without_marks(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: without_marks(value) for name, value in body.items() if name != "cache_control"}
    return [without_marks(one) for one in body] if isinstance(body, list) else body


def test_marks_change_nothing_else() -> None:
    messages = tuple(talk(3, PICTURE))
    plain = Request("m", 10, messages, "Be brief.")
    marked = replace(plain, marks=marks(messages, "1h", system=True), follows="msg_1")
    bare, body = json.loads(plain.body()), json.loads(marked.body())
    assert "cache_control" not in plain.body().decode()
    assert body.pop("diagnostics") == {"previous_message_id": "msg_1"}
    assert body["system"] == [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    assert without_marks(body["messages"]) == bare["messages"]
    assert marked.body().count(b'"cache_control":{"type":"ephemeral","ttl":"1h"}') == 4
    assert marked.count_body() == plain.count_body()


def test_a_first_message_asks_for_diagnostics_of_the_next() -> None:
    body = json.loads(Request("m", 10, (user(),), follows="").body())
    assert body["diagnostics"] == {"previous_message_id": None}


# What a question becomes.


def prepared(prompt: str = "Why?", *above: Turn, **how: Any) -> Prepared:
    return replace(prepare(Question(prompt, SONNET, {}, **how)), history=above)


def answered(one: Prepared, **more: Any) -> Turn:
    usage = Usage(cache_creation_input_tokens=5_000, output_tokens=9, final=True)
    fold = Fold()
    for event in decode([json.dumps(event) for event in [*text("Because."), *ended()]]):
        fold.take(event)
    answer = replace(fold.answer(), usage=usage, message_id="msg_1", model=SONNET.id)
    return replace(one.turn(answer, "complete"), **more)


def test_a_question_is_marked_by_itself() -> None:
    first = answered(prepared("First?"))
    body = json.loads(prepared("Second?", first, system="Be brief.").request(None).body())
    assert [message["content"][-1].get("cache_control") for message in body["messages"]] == [
        SHORT,
        None,
        SHORT,
    ]
    assert body["system"][0]["cache_control"] == SHORT
    assert body["diagnostics"] == {"previous_message_id": "msg_1"}


@pytest.mark.parametrize("system", ["", " ", "Be brief."])
def test_off_sends_nothing_of_it(system: str) -> None:
    body = prepared("Second?", answered(prepared("First?")), cache="off", system=system).request(None).body()
    assert b"cache_control" not in body
    assert b"diagnostics" not in body
    assert json.loads(body).get("system", "") == system


def test_a_blank_system_prompt_is_not_marked() -> None:
    assert json.loads(prepared(system=" \n").request(None).body())["system"] == " \n"


def test_what_is_no_message_id_is_not_sent_as_one() -> None:
    restored = answered(prepared("First?"))
    restored = replace(restored, answer=replace(restored.answer, message_id="härm"))
    body = json.loads(prepared("Second?", restored).request(None).body())
    assert body["diagnostics"] == {"previous_message_id": None}


# What it saved.


@pytest.mark.parametrize(
    ("name", "usage", "usd"),
    [
        ("claude-sonnet-5-5", Usage(100, 50, 1_000_000), 1.90),
        ("claude-sonnet-5-5", Usage(100, 50, 0, 1_000_000), -0.50),
        ("claude-sonnet-5-5", Usage(100, 50, 0, 1_000_000, 1_000_000), -2.00),
        ("claude-sonnet-5-5", Usage(100, 50, 1_000_000, 1_000_000), 1.40),
        ("claude-opus-5", Usage(0, 9, 1_000_000), 4.50),
        ("claude-haiku-5-5", Usage(0, 0, 100_000), 0.009),
        ("claude-haiku-5-5", Usage(1, 0, 100_000), 0.045),
        ("claude-fable-5-2", Usage(0, 9, 1_000_000), None),
        ("claude-sonnet-5-5", Usage(100, 50), 0.0),
    ],
)
def test_what_the_cache_saved(name: str, usage: Usage, usd: float | None) -> None:
    model = models.find(name)
    assert model is not None
    assert models.saved(model, usage) == (None if usd is None else pytest.approx(usd))


def test_two_questions_pay_for_five_minutes_and_three_for_an_hour() -> None:
    for hour, pays in ((0, 2), (1, 3)):
        written = Usage(cache_creation_input_tokens=10_000, cache_creation_1h_tokens=hour * 10_000)
        kept = [models.saved(SONNET, one) or 0 for one in (written, *[Usage(0, 0, 10_000)] * 2)]
        totals = [sum(kept[:count]) for count in (1, 2, 3)]
        assert [total > 0 for total in totals] == [count >= pays for count in (1, 2, 3)]


def test_the_line_tells_what_was_saved_where_it_matters() -> None:
    turn = answered(prepared())
    large = replace(turn, answer=replace(turn.answer, usage=Usage(134, 9, 1_100, final=True)), saved=0.0021)
    assert "1,234 in (1,100 cached, saved $0.0021)" in final_line(large)
    assert "1,234 in (1,100 cached) " in final_line(replace(large, saved=0.00009))
    assert "saved" not in final_line(replace(turn, saved=-0.1))


# Why it was missed.

NOW = 1_790_000_000.0
WRITTEN = Usage(cache_creation_input_tokens=5_000)
FRESH = Usage(cache_creation_input_tokens=5_100)


@pytest.mark.parametrize(
    ("told", "before", "usage", "later", "word"),
    [
        ("system_changed", WRITTEN, FRESH, 10, "system_changed"),
        ("model_changed", WRITTEN, FRESH, 1000, "model_changed"),
        ("messages_changed", WRITTEN, replace(FRESH, cache_read_input_tokens=2_600), 10, ""),
        ("messages_changed", WRITTEN, replace(FRESH, cache_read_input_tokens=2_400), 10, "messages_changed"),
        ("", WRITTEN, FRESH, 301, "5m_passed"),
        ("previous_message_not_found", WRITTEN, FRESH, 301, "5m_passed"),
        ("previous_message_not_found", WRITTEN, FRESH, 10, ""),
        ("unavailable", WRITTEN, FRESH, 10, ""),
        ("pending", WRITTEN, FRESH, 10, ""),
        ("", WRITTEN, FRESH, 10, "unknown"),
        ("speed_changed", WRITTEN, FRESH, 10, "speed_changed"),
        ("", replace(WRITTEN, cache_creation_1h_tokens=5_000), FRESH, 301, "unknown"),
        ("", replace(WRITTEN, cache_creation_1h_tokens=5_000), FRESH, 3601, "1h_passed"),
        ("system_changed", Usage(input_tokens=300), FRESH, 10, ""),
        ("", Usage(input_tokens=300), Usage(input_tokens=400), 301, ""),
        ("system_changed", WRITTEN, Usage(), 10, ""),
    ],
)
def test_a_reason_is_told_where_something_was_missed(
    told: str, before: Usage, usage: Usage, later: float, word: str
) -> None:
    above = answered(prepared(), began=NOW)
    above = replace(above, answer=replace(above.answer, usage=before))
    assert missed(above, Answer(usage=usage), told, NOW + later, "5m") == word
    assert missed(replace(above, reused=True), Answer(usage=usage), told, NOW + later, "5m") == ""


@pytest.mark.parametrize(
    ("diagnostics", "word"),
    [
        (None, ""),
        ({"cache_miss_reason": None}, "pending"),
        ({"cache_miss_reason": {"type": "tools_changed", "cache_missed_input_tokens": 7}}, "tools_changed"),
        ({"cache_miss_reason": {}}, ""),
        ({}, ""),
        ("odd", ""),
    ],
)
def test_the_apis_word_is_read_from_the_stream(diagnostics: object, word: str) -> None:
    begun = start()
    begun["message"]["diagnostics"] = diagnostics
    fold = Fold()
    for event in decode([json.dumps(begun)]):
        fold.take(event)
    assert fold.cache_miss == word
    assert fold.answer().cache_miss == ""


def test_the_line_says_it_in_plain_words() -> None:
    turn = answered(prepared())
    for word, words in (
        ("system_changed", "cache missed: the system prompt changed"),
        ("5m_passed", "cache missed: 5 minutes had passed"),
        ("speed_changed", "cache missed: speed changed"),
    ):
        line = final_line(replace(turn, answer=replace(turn.answer, cache_miss=word)))
        assert words in line
    assert "missed" not in final_line(turn)


# Over the wire: a real kernel, the local API in a process of its own.

SETUP = """
import base64, json, numpy as np
pictures = np.random.default_rng(0).integers(0, 255, (20, 300, 400, 3), dtype="uint8")
def paper(word):
    "Fifty pages that no other test has sent."
    return _paper.replace(b"This is page", word.encode().ljust(12))
def talk(*cells):
    usages = []
    for flags, prompt in cells:
        get_ipython().run_cell_magic("claude", flags, prompt)
        usages.append({name: getattr(_claude.usage, name) for name in _claude.usage.__slots__})
    print(json.dumps(usages))
"""


@pytest.fixture(scope="module")
def desk(kernel: Kernel) -> Kernel:
    """A kernel with a PDF of 50 pages, and pictures."""
    pdf = base64.b64encode(papers.pdf(50)).decode()
    ran = kernel.run(f"{SETUP}\n_paper = base64.b64decode({pdf!r})")
    assert ran.status == "ok", ran.error
    return kernel


def talked(kernel: Kernel, *cells: tuple[str, str]) -> list[Usage]:
    """Ask cells, each its flags and its prompt; the usage of each answer."""
    ran = kernel.run(f"talk(*{list(cells)!r})", allow_stdin=False)
    assert ran.status == "ok", ran.error
    return [Usage(**one) for one in json.loads(ran.stdout.splitlines()[-1])]


def share(usages: list[Usage]) -> float:
    """The part of the input that was read from the cache."""
    return sum(one.cache_read_input_tokens for one in usages) / sum(one.prompt_tokens for one in usages)


def line_of(kernel: Kernel, code: str, cell_id: str | None = None) -> str:
    """The status line of a cell's answer."""
    ran = kernel.run(code, cell_id=cell_id, allow_stdin=False)
    assert ran.status == "ok", ran.error
    return kernel.value("repr(_claude)")


def read(kernel: Kernel) -> int:
    """The tokens that the last answer's question has read from the cache."""
    return int(kernel.value("_claude.usage.cache_read_input_tokens"))


def test_a_long_talk_about_a_document_is_read_from_the_cache(desk: Kernel) -> None:
    later = [("", f"Question {number}: which page?") for number in range(19)]
    first, *rest = talked(desk, ("--new -a paper('long')", "What is it?"), *later)
    assert (first.cache_read_input_tokens, first.input_tokens) == (0, 0)
    assert first.cache_creation_input_tokens > 75_000
    assert share(rest) >= 0.998
    assert all(one.input_tokens == 0 for one in rest)
    assert "cached, saved $0.1" in desk.value("repr(_claude)")


def test_so_is_a_talk_with_pictures_in_many_turns(desk: Kernel) -> None:
    later = [("" if number % 3 else f"-a pictures[{number}]", f"Question {number}?") for number in range(19)]
    _, *rest = talked(desk, ("--new -a paper('pictures')", "What is it?"), *later)
    assert share(rest) >= 0.99


def test_so_is_a_document_that_was_uploaded(desk: Kernel) -> None:
    desk.run("%claude_config upload_above=1000")
    first, *rest = talked(desk, ("--new -a paper('uploaded')", "What is it?"), *[("", "And then?")] * 4)
    desk.run("%claude_config upload_above=4000000")
    assert first.cache_creation_input_tokens > 75_000
    assert share(rest) >= 0.998


def test_a_turn_of_many_blocks_is_found_again(desk: Kernel) -> None:
    desk.run("for n in range(45):\n    open(f'w{n:02}.txt', 'w').write(f'{n} word ' * 100)")
    many = " ".join(f"-a w{tens}*.txt" for tens in range(5))
    one, two, three = talked(desk, (f"--new {many}", "What?"), (many, "And again?"), (many, "And again?"))
    assert one.cache_creation_input_tokens > 45 * 200
    assert two.cache_read_input_tokens == one.prompt_tokens
    assert three.cache_read_input_tokens == two.prompt_tokens


def test_a_cell_run_again_with_another_prompt_reads_what_stands_above_it(desk: Kernel) -> None:
    desk.run("again = paper('again')")
    for name, rest in (("a", "--new -a again\nFirst"), ("b", "\nSecond"), ("c", "\nThird")):
        line_of(desk, f"%%claude {rest}", cell_id=name)
    for name, rest in (
        ("b", "\nSecond, in other words"),
        ("a", "--new -a again\nFirst, in other words"),
        ("c", "\nThird"),
        ("b", "\nSecond, once more"),
        ("c", "\nThird"),
    ):
        assert "missed" not in line_of(desk, f"%%claude {rest}", cell_id=name)
        assert read(desk) > 75_000, name


def test_outside_the_conversation_a_document_is_shared(desk: Kernel) -> None:
    cells = [("--no-history -a paper('alone')", f"Question {number}?") for number in range(3)]
    first, *rest = talked(desk, *cells)
    assert first.cache_creation_input_tokens > 75_000
    assert all(0 < one.input_tokens < 20 for one in (first, *rest))
    assert all(one.cache_read_input_tokens == first.cache_creation_input_tokens for one in rest)


def test_outside_the_conversation_a_prompt_alone_is_not_kept(desk: Kernel) -> None:
    (one,) = talked(desk, ("--no-history", LONG_TEXT))
    assert one.input_tokens == one.prompt_tokens > 900


def test_a_changed_system_prompt_or_model_is_told(desk: Kernel) -> None:
    desk.run(f"rule = {LONG_TEXT!r}")
    assert "missed" not in line_of(desk, "%%claude --new -s rule -a paper('rules')\nFirst")
    assert "missed" not in line_of(desk, "%%claude -s rule\nSecond")
    assert "cache missed: the system prompt changed" in line_of(desk, "%%claude -s 'Be brief.'\nThird")
    assert "missed" not in line_of(desk, "%%claude -s 'Be brief.'\nFourth")
    assert "cache missed: the model changed" in line_of(desk, "%%claude -m haiku -s 'Be brief.'\nFifth")
    (data,) = desk.run("%claude_history 5", allow_stdin=False).displayed
    assert "cache missed: the model changed" in data["text/markdown"]


def test_a_system_prompt_is_shared_between_conversations(desk: Kernel) -> None:
    desk.run(f"shared = 'Shared. ' + {LONG_TEXT!r}")
    talked(desk, ("--new -s shared", "First"), ("--new -s shared", "Another"))
    assert read(desk) > 900


def test_a_repaired_conversation_is_found_again(desk: Kernel) -> None:
    line_of(desk, "%%claude --new --max-tokens 3 -a paper('cut')\nwrite 400 words")
    assert desk.value("_claude.stage") == "'max_tokens'"
    assert desk.run("%%claude -m claude-no-such\nnobody answers", allow_stdin=False).status == "error"
    assert "missed" not in line_of(desk, "%%claude --continue\n")
    assert read(desk) > 75_000


def test_off_reads_and_writes_nothing(desk: Kernel) -> None:
    for one in talked(desk, ("--cache off --new -a paper('off')", "What?"), ("--cache off", "And?")):
        assert one.input_tokens == one.prompt_tokens > 75_000


def test_an_hour_is_written_as_an_hour(desk: Kernel) -> None:
    (one,) = talked(desk, ("--cache 1h --new", f"For an hour. {LONG_TEXT}"))
    assert one.cache_creation_1h_tokens == one.cache_creation_input_tokens > 900
    ran = desk.run("%claude --cache 2h hi", allow_stdin=False)
    assert "--cache 2h: no such choice" in ran.error


def test_an_answer_used_again_saves_nothing_more(desk: Kernel) -> None:
    cells = [("--new -a paper('reused')", "What?"), ("", "And?")]
    talked(desk, *cells)
    assert "saved $" in desk.value("repr(_claude)")
    line_of(desk, "%%claude --new -a paper('reused')\nWhat?")
    assert "saved" not in line_of(desk, "%%claude --reuse\nAnd?")
    assert desk.value("(_claude.turn.reused, _claude.turn.saved)") == "(True, 0.0)"


# Against a server that says what it is told to.


@pytest.fixture
def picky(tmp_path: Any) -> Iterator[tuple[Kernel, FaultServer]]:
    """A kernel that asks a server which knows no diagnostics."""

    def choose(seen: Seen) -> Any:
        unknown = refusal(400, "invalid_request_error", "diagnostics: Extra inputs are not permitted")
        return unknown if "diagnostics" in seen.body else GOOD

    with (
        FaultServer(choose) as server,
        running_kernel(tmp_path, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY="sk-test") as kernel,
    ):
        assert kernel.run("%load_ext claude_magic").status == "ok"
        yield kernel, server


def test_who_knows_no_diagnostics_is_asked_without(picky: tuple[Kernel, FaultServer]) -> None:
    kernel, server = picky
    assert kernel.run("%claude hello", allow_stdin=False).status == "ok"
    assert ["diagnostics" in seen.body for seen in server.requests] == [True, False]
    ran = kernel.run("%claude --cache off hello", allow_stdin=False)
    assert ran.status == "ok"
    assert "cache_control" not in json.dumps(server.requests[-1].body)
    assert len(server.requests) == 3


def test_the_local_api_takes_every_request_of_a_marked_talk() -> None:
    service = Service(Catalogue())
    above: tuple[Turn, ...] = ()
    for number in range(6):
        one = prepared(f"Question {number}", *above, system="Be brief.", cache="1h")
        message, _, _ = service.create(one.request(None).body())
        assert message["usage"]["cache_creation_input_tokens"] == 0  # too short to be kept
        above = (*above, answered(one))
