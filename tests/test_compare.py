"""One question to several models: real kernels, the local Messages API, and one that fails on purpose."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.faults import (
    FaultServer,
    Hang,
    Raw,
    Script,
    Seen,
    chunk,
    delta,
    ended,
    head,
    opened,
    refusal,
    sse,
    start,
    streamed,
    text,
)
from tests.kernels import PATIENCE, Kernel, Ran, running_kernel
from tests.test_cell import TURNS, WIDGET
from tests.test_terminal import terminal  # noqa: F401 - the fixture

THREE = "%%claude -m haiku -m sonnet -m opus"
STORE = "get_ipython().magics_manager.registry['ClaudeMagics']._open()._kept.store"
NOTEBOOK = "get_ipython().magics_manager.registry['ClaudeMagics']._open()._kept.key"
SPENT = f"sorted(one.model for one in {STORE}.spent(lambda *given: 0.0, {NOTEBOOK}))"


def value(kernel: Kernel, expression: str) -> Any:
    return ast.literal_eval(kernel.value(expression))


def line_of(ran: Ran) -> str:
    assert ran.status == "error"
    line = re.sub(r"\x1b\[\d*m", "", ran.error)
    assert "\n" not in line
    return line


def headless(kernel: Kernel, code: str) -> dict[str, Any]:
    ran = kernel.run(code, allow_stdin=False)
    assert ran.status == "ok", ran.error
    (data,) = ran.displayed
    return dict(data)


# --- against the local API


def test_three_models_answer_beside_the_conversation(kernel: Kernel) -> None:
    kernel.run("%claude --new --quiet say: before")
    before, spent = value(kernel, TURNS), value(kernel, SPENT)
    data = headless(kernel, f"{THREE} --into answers\nsay: **Hello** $5")
    assert set(data) == {"text/html", "text/markdown", "text/plain"}
    assert data["text/html"].count("<td ") == 3
    names = ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"]
    for number, name in enumerate(names, 1):
        assert f"<strong>{number} · {name}</strong>" in data["text/html"]
        assert f"#### {number} · {name}\n\n**Hello** " in data["text/markdown"]
        assert f"{number} · {name}\n" in data["text/plain"]
    assert data["text/plain"].count("\n**Hello** $5") == 3
    assert value(kernel, "answers") == dict.fromkeys(names, "**Hello** $5")
    assert kernel.value("(type(_claude).__name__, len(_claude))") == "('Comparison', 3)"
    assert value(kernel, "[_claude['opus'].model, _claude[1].model, _claude[names].text]".replace(
        "names", repr(names[1])
    )) == [names[2], names[0], "**Hello** $5"]  # fmt: skip
    assert value(kernel, TURNS) == before
    assert value(kernel, SPENT) == sorted([*spent, *names])
    again = kernel.run("_claude")
    assert [one["data"]["text/plain"] for one in again.of("execute_result")] == [data["text/plain"]]
    assert headless(kernel, f"{THREE}\nsay: **Hello** $5") == data


def test_a_page_gets_one_widget_with_all_columns_and_then_one_output(kernel: Kernel) -> None:
    ran = kernel.run(f"{THREE}\nwrite 200 words", cell_id="columns")
    assert ran.status == "ok", ran.error
    (shown,), (final,) = ran.displayed, ran.updated
    assert WIDGET in shown
    assert set(final) == {"text/html", "text/markdown", "text/plain"}
    states = [one["data"]["state"] for one in ran.of("comm_open")]
    assert sorted(one["part"] for one in states if "part" in one) == ["column"] * 3 + ["head"]


@pytest.mark.parametrize(("models", "widgets"), [("-m haiku", 1), ("-m haiku -m sonnet -m opus", 4)])
def test_no_widget_stays_when_the_page_has_let_go_of_it(kernel: Kernel, models: str, widgets: int) -> None:
    ran = kernel.run(f"%%claude {models}\nsay: x", cell_id="columns")
    made = [(str(one["comm_id"]), one["data"]["state"]) for one in ran.of("comm_open")]
    drawn = [comm for comm, state in made if "key" in state]
    assert len(drawn) == widgets
    open_ = {*drawn, *(comm for comm, state in made if state["_model_name"] == "BoxModel")}
    assert len(open_) == widgets + (widgets > 1)
    for comm in drawn:
        data = {"method": "custom", "content": {"kind": "gone"}}
        message = kernel.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        kernel.client.shell_channel.send(message)
    deadline = time.monotonic() + PATIENCE
    while open_:
        assert time.monotonic() < deadline
        message = kernel.client.get_iopub_msg(timeout=10)
        if message["msg_type"] == "comm_close":
            open_.discard(str(message["content"]["comm_id"]))


@pytest.mark.parametrize("broken", ["send", "__init__"])
def test_a_display_that_fails_harms_no_comparison(kernel: Kernel, broken: str) -> None:
    kernel.run(
        "from claude_magic.display.live import ReplyWidget\n"
        f"whole = ReplyWidget.{broken}\ndef breaks(*given, **named):\n    raise OSError('no page')\n"
        f"ReplyWidget.{broken} = breaks"
    )
    ran = kernel.run("%claude_compare -m haiku -m opus --over ['a','b'] --into t", cell_id="b1")
    kernel.run(f"ReplyWidget.{broken} = whole")
    assert ran.status == "ok", ran.error
    assert sum("2 prompts" in one["text/plain"] for one in (*ran.displayed, *ran.updated)) == 1
    assert value(kernel, "t.verdict.tolist()[1::2]") == ["same", "same"]


def test_what_is_typed_is_evaluated_once_and_one_model_twice_is_one(kernel: Kernel) -> None:
    kernel.run("asked = []\ndef once():\n    asked.append(1)\n    return picture")
    kernel.run("from PIL import Image\npicture = Image.new('RGB', (3000, 2000), 'red')")
    headless(kernel, "%%claude -m haiku -m claude-sonnet-4-5\nWhat is {{ once() }}?")
    assert value(kernel, "len(asked)") == 1
    ran = kernel.run("%%claude --no-history -m haiku -m claude-haiku-5-5\nsay: one")
    assert ran.status == "ok", ran.error
    assert kernel.value("(type(_claude).__name__, _claude.text)") == "('Reply', 'one')"


def test_an_answer_is_picked_into_its_cells_place(kernel: Kernel) -> None:
    kernel.run("%claude --new --quiet say: first", cell_id="p1")
    kernel.run(f"{THREE}\nsay: second", cell_id="p2")
    kernel.run("%claude --quiet say: third", cell_id="p3")
    picked = kernel.run("%claude_compare --pick 3", cell_id="p4")
    assert picked.status == "ok", picked.error
    assert "The answer of claude-opus-5-5 stands in the conversation" in picked.stdout
    told = TURNS.replace("turn.id", "(turn.text, turn.model, turn.stale)")
    sonnet = "claude-sonnet-5-5"
    now = [("first", sonnet, False), ("second", "claude-opus-5-5", False), ("third", sonnet, True)]
    assert value(kernel, told) == now
    assert kernel.value("(type(_claude).__name__, _claude.model)") == "('Reply', 'claude-opus-5-5')"
    kernel.run("%claude_compare --pick haiku", cell_id="p4")
    assert value(kernel, told) == [now[0], ("second", "claude-haiku-5-5", False), now[2]]
    again = kernel.run(f"{THREE} --pick sonnet\nsay: second, again", cell_id="p2")
    assert again.status == "ok", again.error
    assert value(kernel, told) == [now[0], ("second, again", sonnet, False), now[2]]
    assert "No answer 'opsu'" in line_of(kernel.run("%claude_compare --pick opsu"))
    assert line_of(kernel.run("%claude_compare --pick opsu")).endswith("Nothing was changed.")
    assert "Did you mean 'opus'? Nothing was sent." in line_of(kernel.run(f"{THREE} --pick opsu\nhi"))


def test_an_answer_is_not_picked_into_a_conversation_that_is_not_there(
    kernel: Kernel, tmp_path: Path
) -> None:
    kernel.run("%claude --chat gone --quiet say: first", cell_id="g1")
    kernel.run(f"{THREE} --chat gone\nsay: second", cell_id="g2")
    kernel.run("%claude_chat --delete gone")
    before = value(kernel, TURNS)
    line = line_of(kernel.run("%claude_compare --pick 1", cell_id="g3"))
    assert "was deleted" in line
    assert line.endswith("Nothing was changed.")
    assert value(kernel, TURNS) == before
    kernel.run(f"{THREE}\nsay: third", cell_id="g4")
    kernel.run(f"%claude_config store={tmp_path / 'other.db'}")
    line = line_of(kernel.run("%claude_compare --pick 1", cell_id="g3"))
    assert "is in another store" in line
    assert value(kernel, TURNS) == []
    kernel.run("%claude_config store=''")


def test_data_of_each_column(kernel: Kernel) -> None:
    ran = kernel.run("%%claude -m haiku -m opus --schema list[int] --into found\nThree numbers.")
    assert ran.status == "ok", ran.error
    found = value(kernel, "found")
    assert set(found) == {"claude-haiku-5-5", "claude-opus-5-5"}
    assert all(isinstance(one, list) for one in found.values())


@pytest.mark.parametrize("flag", ["--tools f", "--continue", "--code", "--pick 1 --no-history", "--pick 4"])
def test_what_does_not_go_with_several_models_is_refused(kernel: Kernel, flag: str) -> None:
    ran = kernel.run(f"{THREE} {flag}\nhi", allow_stdin=False)
    assert line_of(ran).startswith("UsageProblem: ")
    assert line_of(ran).endswith("Nothing was sent.")
    assert ran.displayed == []


def test_the_sum_of_all_keeps_within_the_limit(kernel: Kernel) -> None:
    kernel.run(f"{THREE} --new --max-cost 0.005\nwrite 2000 words")
    assert value(kernel, "[one.stage for one in _claude]") == ["max_tokens"] * 3
    cost = float(kernel.value("_claude.cost"))
    assert 0.0045 < cost < 0.00501  # the prompts are estimated, to a few tokens
    line = line_of(kernel.run(f"{THREE} --max-cost 0.0001\nwrite 2000 words"))
    assert line.startswith("UsageProblem: Over the limit of $0.0001 for this question: the 3 questions alone")


PROMPTS = "prompts = ['say: one', 'say: {{ two }} $5 <b>', 'write 40 words']"


def test_two_models_over_a_list_and_a_frame(kernel: Kernel) -> None:
    before = value(kernel, TURNS)
    kernel.run(f"import pandas\n{PROMPTS}\ndf = pandas.DataFrame({{'prompt': prompts, 'q': prompts}})")
    data = headless(kernel, "%claude_compare -m haiku -m sonnet --over prompts --into table")
    assert set(data) == {"text/markdown", "text/plain"}
    assert "{{ two }}" in data["text/plain"]  # a text of a list is no template
    assert (
        "claude-sonnet-5-5 next to claude-haiku-5-5: cost × 20.00, output tokens × 1.00, 3 same"
        in (data["text/plain"])
    )
    assert value(kernel, "table.text.tolist()[2]") == "{{ two }} $5 <b>"
    assert value(kernel, "table.verdict.tolist()") == ["", "same"] * 3
    assert headless(kernel, "%claude_compare -m haiku -m sonnet --over df") == data
    limited = headless(kernel, "%claude_compare -m haiku -m sonnet --over df --column q --limit 1")
    assert limited["text/plain"].startswith("1 prompt\n")
    assert value(kernel, TURNS) == before


SOURCES = """
import itertools, pandas, polars
class Mapped(pandas.DataFrame):
    "A frame of another library, as geopandas has."
by_place = pandas.DataFrame([["say: one", "x"], ["say: two", "y"]])
"""


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("{'a':'say: one'}", ["one"]),
        ("Mapped({'q':['say: one'],'prompt':['say: two']})", ["two"]),
        ("by_place --column 0", ["one", "two"]),
        ("by_place.set_axis(['0','1'],axis=1) --column 0", ["one", "two"]),
        ("by_place.set_axis([0,'0'],axis=1).replace('x','say: z') --column 0 --limit 1", ["z"]),
        ("polars.DataFrame({'prompt':['say: one']})", ["one"]),
        ("by_place[0]", ["one", "two"]),
        ("(f'say: {n}' for n in itertools.count()) --limit 2", ["0", "1"]),
    ],
)
def test_what_is_sent_is_what_the_rows_say(kernel: Kernel, source: str, sent: list[str]) -> None:
    kernel.run(SOURCES)
    headless(kernel, f"%claude_compare -m haiku -m sonnet --into table --over {source}")
    assert value(kernel, "table.text.tolist()[::2]") == sent


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("by_place.set_axis(['prompt','prompt'],axis=1)", "two of its columns have one name"),
        ("by_place --column 2", "no column '2'. It has 0, 1. --column names it"),
        ("polars.LazyFrame({'prompt':['a']})", "a LazyFrame has no rows yet"),
        ("{'a':1}", "prompt 1 is no text but int"),
    ],
)
def test_what_has_no_prompts_is_told_and_nothing_is_sent(kernel: Kernel, source: str, said: str) -> None:
    kernel.run(SOURCES)
    line = line_of(kernel.run(f"%claude_compare -m haiku -m sonnet --over {source}", allow_stdin=False))
    assert said in line
    assert line.endswith("Nothing was sent.")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-m haiku --over prompts", "needs two models"),
        ("-m haiku -m opus --over prompts --column q", "is no data frame"),
        ("-m haiku -m opus --over df --column qq", "no column 'qq'"),
        ("-m haiku -m opus --over 5", "takes a list of texts or a frame, not int"),
        ("-m haiku -m opus --over [1]", "prompt 1 is no text but int"),
        ("-m haiku -m opus --over promts", "No kernel name 'promts'. Did you mean 'prompts'?"),
        ("-m haiku -m opus --over []", "--over has no prompts"),
        ("-m haiku -m opus more words", "takes flags only"),
        ("-m haiku -m opus --over prompts --max-cost 0.0001", "Over the limit of $0.0001"),
        ("-m haiku --pick 1", "--pick stands alone"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_told_in_one_line(kernel: Kernel, line: str, said: str) -> None:
    kernel.run(f"import pandas\n{PROMPTS}\ndf = pandas.DataFrame({{'q': prompts}})")
    ran = kernel.run(f"%claude_compare {line}", allow_stdin=False)
    assert said in line_of(ran)
    assert ran.displayed == []


def test_two_models_over_the_conversations_own_prompts(kernel: Kernel) -> None:
    kernel.run("%claude --new --quiet say: alpha", cell_id="o1")
    kernel.run("%claude --quiet -a picture What is this?", cell_id="o2")
    data = headless(kernel, "%claude_compare -m haiku -m sonnet --into table --with-history")
    assert data["text/plain"].startswith("2 prompts\n")
    tokens = value(kernel, "table.input_tokens.tolist()")
    headless(kernel, "%claude_compare -m haiku -m sonnet --into table")
    alone = value(kernel, "table.input_tokens.tolist()")
    assert tokens[0] == alone[0]
    assert tokens[2] > alone[2]  # what stands above went along


def test_prompts_of_deleted_cells_are_not_asked(kernel: Kernel) -> None:
    kernel.run("%claude --new --quiet say: gone", cell_id="d1")
    kernel.run("%claude --quiet say: stays", cell_id="d2")
    code = "%claude_compare -m haiku -m sonnet --into table"
    ran = kernel.collect(kernel.send(code, cell_id="d3", deleted=["d1"]))
    assert ran.status == "ok", ran.error
    assert value(kernel, "table.prompt.tolist()") == ["say: stays"] * 2


# --- against an API that fails on purpose


def begun(model: str) -> dict[str, Any]:
    event = start()
    event["message"]["model"] = model
    return event


def answer(model: str, *pieces: str) -> Script:
    return streamed(sse(begun(model), *text(*pieces), *ended()))


def half(model: str) -> Script:
    first = sse(begun(model), opened(), delta("text_delta", text=f"half of {model}"))
    return (Raw(head()), Raw(chunk(first)), Hang())


def choose(seen: Seen) -> Script:
    model, asked = str(seen.body["model"]), json.dumps(seen.messages[-1])
    if "Fail" in asked and ("all" in asked or "haiku" in model):
        return refusal(400, "invalid_request_error", "No <b>such</b> thing.")
    if "Last" in asked and "opus" not in model:
        return (Raw(head()), Hang())
    if "Hang" in asked or "Last" in asked:
        return half(model) if "opus" not in model or "Last" in asked else answer(model, "whole")
    if "Differ" in asked:
        return answer(model, "one two three four five " + ("six $7" if "haiku" in model else "seven <b>"))
    return answer(model, "fine")


@pytest.fixture(scope="module")
def api() -> Iterator[FaultServer]:
    with FaultServer(choose) as running:
        yield running


@pytest.fixture(scope="module")
def faulty(api: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("faulty")
    with running_kernel(home, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY="test-key") as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def test_a_model_that_fails_says_so_in_its_column(faulty: Kernel) -> None:
    data = headless(faulty, f"{THREE} --into x\nFail one.")
    for form in data.values():
        assert "req_fault" not in form  # it differs from run to run
    assert "No &lt;b&gt;such&lt;/b&gt; thing" in data["text/html"]
    assert data["text/plain"].count("\nfine") == 2
    assert value(faulty, "list(x)") == ["claude-sonnet-5-5", "claude-opus-5-5"]
    assert value(faulty, "[one.stage for one in _claude]") == ["failed", "complete", "complete"]
    ran = faulty.run(f"{THREE} --pick haiku\nFail one.", cell_id="f1")
    assert ran.status == "ok", ran.error
    assert "claude-haiku-5-5 has given no answer that could be taken" in ran.stdout
    ran = faulty.run(f"{THREE}\nFail all.", allow_stdin=False)
    assert line_of(ran).startswith("RequestRefused: ")
    assert len(ran.displayed) == 1


def test_nothing_is_sent_over_the_limit(faulty: Kernel, api: FaultServer) -> None:
    asked = len(api.requests)
    assert "Nothing was sent." in line_of(faulty.run(f"{THREE} --max-cost 0.0001\nhi"))
    over = "%claude_compare -m haiku -m opus --over ['hi','ho'] --max-cost 0.0001"
    assert "the 4 questions alone" in line_of(faulty.run(over))
    assert len(api.requests) == asked


def test_an_interrupt_keeps_every_partial_answer(faulty: Kernel, api: FaultServer) -> None:
    asked = len(api.requests)
    request = faulty.send(f"{THREE}\nHang.", cell_id="h1")
    faulty.begun(request)
    assert api.wait_for(asked + 3)
    wait_for_text(faulty, "half of claude-haiku", "half of claude-sonnet")
    faulty.manager.interrupt_kernel()
    ran = faulty.collect(request)
    assert line_of(ran).startswith("Interrupted: ")
    assert value(faulty, "[(one.stage, one.text) for one in _claude]") == [
        ("interrupted", "half of claude-haiku-5-5"),
        ("interrupted", "half of claude-sonnet-5-5"),
        ("complete", "whole"),
    ]
    assert "half of claude-sonnet-5-5" in ran.updated[0]["text/plain"]
    assert api.settled()


def test_an_interrupt_tells_of_what_any_model_has_said(faulty: Kernel, api: FaultServer) -> None:
    request = faulty.send(f"{THREE}\nLast.", cell_id="l1")
    faulty.begun(request)
    wait_for_text(faulty, "half of claude-opus")
    faulty.manager.interrupt_kernel()
    assert line_of(faulty.collect(request)).endswith("what came is kept in _claude")
    assert value(faulty, "[one.text for one in _claude]") == ["", "", "half of claude-opus-5-5"]
    assert api.settled()


def test_an_interrupt_of_many_keeps_what_is_done_and_tells_what_was_not_asked(
    faulty: Kernel, api: FaultServer
) -> None:
    asked = len(api.requests)
    faulty.run("many = ['hi', 'Hang 1.', 'Hang 2.', 'Hang 3.', 'Hang 4.', 'ho']")
    request = faulty.send("%claude_compare -m haiku -m opus --into t --over many", cell_id="m1")
    faulty.begun(request)
    assert api.wait_for(asked + 9)  # four are under way, and hang
    wait_for_text(faulty, "5 of 12 answers")
    time.sleep(1)  # their halves have been read by then; nothing else can happen
    faulty.manager.interrupt_kernel()
    ran = faulty.collect(request)
    assert line_of(ran) == "Interrupted: stopped by an interrupt; what came is kept in t"
    assert len(api.requests) == asked + 9
    verdicts = value(faulty, "t.verdict.tolist()")[1::2]
    assert verdicts == ["same", "cut", "cut", "cut", "not asked", "not asked"]
    assert "2 not asked" in ran.updated[0]["text/plain"]
    assert api.settled()


def wait_for_text(kernel: Kernel, *texts: str) -> str:
    """Wait until all of these are on the page, as regular expressions; return what has come."""
    seen, deadline = "", time.monotonic() + PATIENCE
    while not all(re.search(one, seen) for one in texts):
        assert time.monotonic() < deadline, (texts, seen)
        message = kernel.client.get_iopub_msg(timeout=PATIENCE)
        seen += json.dumps(message["content"], default=str, ensure_ascii=False)
    return seen


def test_a_killed_kernel_loses_no_answer_and_none_enters_the_conversation(
    tmp_path: Path, api: FaultServer
) -> None:
    where = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "test-key"}
    where["JPY_SESSION_NAME"] = str(tmp_path / "book.ipynb")
    (tmp_path / "book.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    with running_kernel(tmp_path, **where) as kernel:
        kernel.run("%load_ext claude_magic")
        request = kernel.send(f"{THREE}\nHang.", cell_id="k1")
        kernel.begun(request)
        wait_for_text(kernel, "half of claude-haiku", "half of claude-sonnet")
        wait_for_text(kernel, r" · (?:[2-9]|\d\d+) s")  # by then they are in the journal
        kernel.manager.shutdown_kernel(now=True)
    with running_kernel(tmp_path, **where) as kernel:
        kernel.run("%load_ext claude_magic")
        ran = kernel.run("%claude say: hello", cell_id="k2")
        assert "compared answers were cut when an earlier kernel ended" in ran.stdout
        assert value(kernel, TURNS.replace("turn.id", "turn.prompt")) == ["say: hello"]
        assert "half of claude-sonnet-5-5" in kernel.run("%claude_history --all").result


def test_a_store_that_cannot_be_written_is_told_at_once(tmp_path: Path, api: FaultServer) -> None:
    where = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "test-key"}
    (tmp_path / "data").write_text("not a folder", "utf-8")
    with running_kernel(tmp_path, CLAUDE_MAGIC_STORE=str(tmp_path / "data" / "store.db"), **where) as kernel:
        kernel.run("%load_ext claude_magic")
        ran = kernel.run("%claude_compare -m haiku -m opus --over ['hi']", allow_stdin=False)
        assert "Conversations cannot be kept on disk" in ran.stdout


def test_the_report_shows_where_answers_differ(faulty: Kernel) -> None:
    data = headless(faulty, "%claude_compare -m haiku -m opus --over ['Differ.','hi','Fail one.']")
    plain = data["text/plain"]
    assert "one two three four five [-six $7-] {+seven <b>+}" in plain
    assert "<del>six <span>&#36;</span>7</del> <ins>seven &#60;b&#62;</ins>" in data["text/markdown"]
    assert re.search(r"next to claude-haiku-5-5: .*1 different, 1 same, 1 failed", plain)
    assert "1 × " in plain


# --- in a terminal


def test_a_terminal_prints_one_after_the_other(terminal: pexpect.spawn) -> None:  # noqa: F811
    terminal.sendline("r = %claude -m haiku -m opus say: Hello from the terminal.")
    terminal.expect(r"In \[3\]: ")
    shown = re.sub(r"\x1b\[\d*m", "", terminal.before).replace("\r\n", "\n")
    blocks = re.findall(r"── (\d) · (\S+)\n\nHello from the terminal.\n\n\1 · \2 · .* out · ", shown)
    assert sorted(blocks) == [("1", "claude-haiku-5-5"), ("2", "claude-opus-5-5")]
    terminal.sendline("print(len(r), r['opus'].text)")
    terminal.expect(r"In \[4\]: ")
    assert "2 Hello from the terminal." in terminal.before


def test_the_manual_tells_of_it(kernel: Kernel) -> None:
    page = json.dumps(kernel.run("%claude_compare?").payload)
    assert "--over EXPR" in page
    assert "--with-history" in page
