"""``%claude_compact`` in a real kernel: a summary for older turns, the whole kept, no harm by a failure."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import nbformat
import pytest

from claude_magic import offline
from claude_magic.compact import older
from claude_magic.conversation.history import Conversation
from claude_magic.errors import UsageProblem
from tests.conversation.made import a_conversation, a_turn
from tests.faults import (
    GOOD,
    SO_FAR,
    FaultServer,
    Fin,
    Hang,
    Script,
    ended,
    refusal,
    sse,
    streamed,
    text,
)
from tests.faults import start as begun
from tests.kernels import Kernel, Ran, running_kernel
from tests.test_conversation import ask, book, history, prompts, saved_with
from tests.test_conversation import text as answer_of

KEY = "sk-ant-canary-0123456789"
SUMMARY = "The name is Ada; the dog is Rex."
WHOLE = "main, whole"

Start = Callable[..., Kernel]


def said(reply: str, **usage: int) -> Script:
    """A whole answer."""
    begin = begun()
    begin["message"]["usage"] |= usage
    return streamed(sse(begin, *text(reply), *ended()))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts kernels of one home that ask a server; each stands in the notebook it is told."""
    with ExitStack() as stack:
        count = 0

        def begin(api: FaultServer | offline.LocalApi, notebook: Path | None = None, **extra: str) -> Kernel:
            nonlocal count
            count += 1
            folder = tmp_path / f"k{count}"
            folder.mkdir()
            key = KEY if isinstance(api, FaultServer) else api.token
            kernel = stack.enter_context(
                running_kernel(
                    folder,
                    ANTHROPIC_BASE_URL=api.url,
                    ANTHROPIC_API_KEY=key,
                    CLAUDE_MAGIC_RETRIES="0",
                    JUPYTER_DATA_DIR=str(tmp_path / "data"),
                    JPY_SESSION_NAME=str(notebook or tmp_path / "a.ipynb"),
                    **extra,
                )
            )
            assert kernel.run("%load_ext claude_magic").status == "ok"
            return kernel

        book(tmp_path / "a.ipynb")
        yield begin


CELLS = {
    "one": "%%claude\nMy name is Ada.",
    "two": "%%claude\nMy dog is Rex.",
    "three": "%%claude\nMy cat is Tom.",
    "four": "%%claude\nhello",
}


def four(kernel: Kernel) -> None:
    for cell, code in CELLS.items():
        ask(kernel, cell, code)


def compact(kernel: Kernel, flags: str = "") -> Ran:
    return kernel.run(f"%claude_compact {flags}", cell_id="compact")


def line_of(ran: Ran) -> str:
    return re.sub(r"\x1b\[\d*m", "", ran.error)


def stored(tmp_path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Where all turns stand, and all that is kept of the turns that stand anywhere."""
    path = tmp_path / "data" / "claude_magic" / "conversations.db"
    with closing(sqlite3.connect(path)) as connection:
        return {
            "conversations": connection.execute("SELECT * FROM conversations ORDER BY key").fetchall(),
            "places": connection.execute("SELECT * FROM places ORDER BY conversation, position").fetchall(),
            "turns": connection.execute(
                "SELECT * FROM turns WHERE key IN (SELECT turn FROM places) ORDER BY key"
            ).fetchall(),
            "blocks": connection.execute(
                "SELECT b.* FROM turn_blocks b WHERE turn IN (SELECT turn FROM places) ORDER BY turn, ordinal"
            ).fetchall(),
            "underway": connection.execute("SELECT * FROM underway").fetchall(),
        }


def test_older_turns_become_one_and_what_is_sent_is_the_conversation(
    start: Start, server: FaultServer, tmp_path: Path
) -> None:
    kernel = start(server)
    kernel.run("%claude_config system='Be brief.'")
    four(kernel)
    server.answers([said(SUMMARY, cache_read_input_tokens=900)])
    ran = compact(kernel, "the names of all pets")
    assert ran.status == "ok", ran.error
    line = re.search(
        r"^Turns 1–2 of 'main' became one: what goes along with each question went from "
        r"≈(\d+) to ≈(\d+) tokens\. "
        r'%claude_chat "main, whole" goes back\.$',
        ran.stdout,
        re.MULTILINE,
    )
    assert line, ran.stdout
    assert ran.updated[-1]["text/plain"] == SUMMARY  # in the normal view
    assert answer_of(kernel).strip() == SUMMARY
    two, compaction = server.requests[1], server.requests[4]
    # What the second question had cached is a prefix of what is sent: same model, same system, same messages.
    assert compaction.body["model"] == two.body["model"]
    plain = json.loads(re.sub(r', "cache_control": \{[^}]*\}', "", json.dumps(compaction.body)))
    before = json.loads(re.sub(r', "cache_control": \{[^}]*\}', "", json.dumps(two.body)))
    assert plain["system"] == before["system"]
    assert plain["messages"][:3] == before["messages"]
    assert [message["role"] for message in plain["messages"]] == ["user", "assistant"] * 2 + ["user"]
    assert "My cat" not in json.dumps(plain["messages"])
    asked = plain["messages"][-1]["content"][0]["text"]
    assert asked.startswith("Summarise our conversation so far.")
    assert asked.endswith("Above all, keep in mind: the names of all pets")
    assert compaction.messages[2]["content"][-1]["cache_control"]  # the second question's mark
    assert prompts(kernel) == [asked, "My cat is Tom.", "hello"]
    assert not any("stale" in row for row in history(kernel))
    ask(kernel, "five", "%%claude\nand then?")
    sent = server.requests[5].messages
    assert [message["content"][0]["text"] for message in sent[::2]] == [
        asked, "My cat is Tom.", "hello", "and then?",
    ]  # fmt: skip
    assert sent[1]["content"][0]["text"] == SUMMARY
    # Its cost counts like any other's.
    usage = kernel.run("%claude_usage", cell_id="u").result
    assert "Summarise our conversation" in usage
    assert len(history(kernel, "--all")) == 6
    assert any("summary" in row for row in history(kernel))


def test_it_outlives_the_kernel_and_goes_back(
    start: Start, local_api: offline.LocalApi, tmp_path: Path
) -> None:
    kernel = start(local_api)
    four(kernel)
    assert compact(kernel).status == "ok"
    compacted = prompts(kernel)
    assert int(kernel.value("_claude.usage.prompt_tokens")) > 0
    again = start(local_api)
    ask(again, "five", "%%claude\nWhat is my name?")
    assert "You have not told me" in answer_of(again)  # the demo looks for it in what is sent as prompts
    ask(again, "five", "%%claude\nWhat is my cat?")
    assert "Tom" in answer_of(again)
    assert prompts(again) == [*compacted, "What is my cat?"]
    assert again.run(f'%claude_chat "{WHOLE}"', cell_id="x").status == "ok"
    ask(again, "six", "%%claude\nWhat is my name?")
    assert "Ada" in answer_of(again)
    whole = ["My name is Ada.", "My dog is Rex.", "My cat is Tom.", "hello"]
    assert prompts(again) == [*whole, "What is my name?"]
    assert not any("stale" in row for row in history(again))
    exported = again.run(f"%claude_chat main\n%claude_export {tmp_path}/talk.json", cell_id="e")
    assert "4 turns written" in exported.stdout, exported.error


def test_a_cell_whose_turn_was_summarised_asks_at_the_end_and_says_so(
    start: Start, local_api: offline.LocalApi
) -> None:
    kernel = start(local_api)
    four(kernel)
    compact(kernel)
    summary = prompts(kernel)[0]
    ran = ask(kernel, "one", "%%claude\nMy name is Bea.")
    assert "stands in the summary that 'main' begins with" in ran.stdout
    assert prompts(kernel) == [summary, "My cat is Tom.", "hello", "My name is Bea."]
    ran = ask(kernel, "one", "%%claude\nMy name is Eve.")  # it has a turn again, which is replaced
    assert "stands in the summary" not in ran.stdout
    assert prompts(kernel) == [summary, "My cat is Tom.", "hello", "My name is Eve."]
    ran = ask(kernel, "three", "%%claude\nMy cat is Tim.")  # a kept one is replaced in its place
    assert prompts(kernel) == [summary, "My cat is Tim.", "hello", "My name is Eve."]
    assert ["stale" in row for row in history(kernel)] == [False, False, True, True]
    # Also from another conversation, and after a restart.
    kernel.run("%claude_chat --new other", cell_id="x")
    ran = ask(kernel, "two", "%%claude\nWhat is my name?")
    assert "stands in the summary" in ran.stdout
    assert "Eve" in answer_of(kernel)
    assert prompts(kernel)[0] == summary
    again = start(local_api)
    ask(again, "two", "%%claude\nWhat is my cat?")
    assert prompts(again) == [summary, "My cat is Tim.", "hello", "My name is Eve.", "What is my cat?"]


def test_what_is_taken_back_after_a_compaction_does_not_bring_the_whole_back(
    start: Start, local_api: offline.LocalApi
) -> None:
    kernel = start(local_api)
    four(kernel)
    compact(kernel)
    summary = prompts(kernel)[0]
    kernel.run("%claude_undo", cell_id="u")
    ask(kernel, "four", "%%claude\nWhat is my name?")
    assert "You have not told me" in answer_of(kernel)
    assert prompts(kernel) == [summary, "My cat is Tom.", "What is my name?"]
    ask(kernel, "one", "%%claude --new\nMy name is Zoe.")  # neither the whole nor the summary is begun anew
    assert prompts(kernel) == ["My name is Zoe."]
    table = kernel.run(f"%claude_chat {WHOLE}", cell_id="x").result
    assert "chat 2" in table
    assert prompts(kernel)[0] == "My name is Ada."


def test_a_copy_of_the_notebook_is_compacted_too(
    start: Start, local_api: offline.LocalApi, tmp_path: Path
) -> None:
    kernel = start(local_api)
    four(kernel)
    compact(kernel)
    ran = ask(kernel, "five", "%%claude\nMy bird is Kim.")
    expected = prompts(kernel)
    saved_with(kernel, tmp_path / "a.ipynb", ran)
    (tmp_path / "copy.ipynb").write_bytes((tmp_path / "a.ipynb").read_bytes())
    copied = start(local_api, tmp_path / "copy.ipynb")
    said = ask(copied, "one", "%%claude\nWhat is my bird?")
    assert "Kim" in answer_of(copied)
    assert "stands in the summary" in said.stdout
    assert prompts(copied) == [*expected, "What is my bird?"]
    copied.run(f'%claude_chat "{WHOLE}"', cell_id="x")
    assert prompts(copied) == ["My name is Ada.", "My dog is Rex.", "My cat is Tom.", "hello"]
    ask(copied, "six", "%%claude\nWhat is my name?")  # the whole is now the one last spoken in
    assert "Ada" in answer_of(copied)
    copied.run("%claude_chat main", cell_id="x")
    ask(copied, "two", "%%claude\nWhat is my name?")
    assert "You have not told me" in answer_of(copied)
    assert prompts(copied) == [*expected, "What is my bird?", "What is my name?"]


def test_it_reads_the_turns_from_the_prompt_cache(start: Start, local_api: offline.LocalApi) -> None:
    kernel = start(local_api)
    kernel.run("note = 'a word of many ' * 2000")
    ask(kernel, "one", "%%claude\n{{ note }} My name is Ada.")
    for cell in ("two", "three", "four"):
        ask(kernel, cell, CELLS[cell])
    compact(kernel)
    read, whole = (
        kernel.value(f"_claude.usage.{name}") for name in ("cache_read_input_tokens", "prompt_tokens")
    )
    assert int(read) > 0.9 * int(whole) > 5000
    assert "cache missed" not in str(kernel.value("_claude"))


def test_a_second_compaction_stands_on_the_first(start: Start, server: FaultServer) -> None:
    kernel = start(server)
    four(kernel)
    server.answers([said(SUMMARY)])
    compact(kernel, "--keep 1")
    ask(kernel, "five", "%%claude\nfive")
    server.answers([said("Shorter yet.")])
    ran = compact(kernel, "--keep 0")
    assert "Turns 1–3 of 'main' became one" in ran.stdout
    assert '%claude_chat "main, whole 2" goes back' in ran.stdout
    told = json.dumps(server.requests[-1].messages)
    assert SUMMARY in told
    assert "My name is Ada." not in told
    assert len(prompts(kernel)) == 1
    ran = ask(kernel, "one", CELLS["one"])  # the first summary's cells are known to the second
    assert "stands in the summary" in ran.stdout
    kernel.run('%claude_chat "main, whole 2"', cell_id="x")
    assert prompts(kernel)[1:] == ["hello", "five"]
    kernel.run('%claude_chat "main, whole"', cell_id="x")
    assert prompts(kernel)[0] == "My name is Ada."
    assert f'"{WHOLE}, whole" goes back' in compact(kernel, "--keep 0").stdout


def test_attachments_go_into_the_summary_and_no_further(
    start: Start, local_api: offline.LocalApi, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("The basin is 40 m deep.", "utf-8")
    kernel = start(local_api)
    kernel.run(f"from PIL import Image; dot = Image.new('RGB', (900, 900), 'red'); note = {str(tmp_path)!r}")
    ask(kernel, "one", "%%claude -a dot\nWhat is it?")
    ask(kernel, "two", f"%%claude -a {tmp_path}/notes.txt\nHow deep?")
    ask(kernel, "three", "%%claude\nthanks")
    ran = compact(kernel, "--keep 1")
    sizes = re.search(r"from ≈([\d,]+) to ≈([\d,]+) tokens", ran.stdout)
    assert sizes, ran.stdout + ran.error
    before, after = (int(size.replace(",", "")) for size in sizes.groups())
    assert before > after + 500  # the picture
    current = "get_ipython().magics_manager.registry['ClaudeMagics']._session._kept.current"
    kinds = f"[b.kind for t in {current}.turns for b in t.blocks]"
    assert kernel.value(kinds) == "['text', 'text']"
    ran = kernel.run(f'%claude_chat "{WHOLE}"', cell_id="x")
    assert "image" in kernel.value(kinds)
    ask(kernel, "four", "%%claude\nand now?")
    assert kernel.value("_claude.stage") == "'complete'"


DECLINED = streamed(sse(begun(), *text("I would"), *ended("refusal")))
FAILURES = {
    "cut": (streamed(SO_FAR, Fin(), end=()), "cut, the answer is partial", "error"),
    "refused": (DECLINED, "the model declined", "ok"),
    "max_tokens": (streamed(sse(begun(), *text("The "), *ended("max_tokens"))), "cut at max_tokens", "ok"),
    "empty": (streamed(sse(begun(), *ended())), "the answer is empty", "ok"),
    "failed": (refusal(400, "invalid_request_error", "prompt is too long"), "failed", "error"),
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, FaultServer, Path]]:
    """A kernel with four turns, and the server it asks."""
    home = tmp_path_factory.mktemp("failing")
    nbformat.write(nbformat.v4.new_notebook(), home / "a.ipynb")
    where = {"JUPYTER_DATA_DIR": str(home / "data"), "JPY_SESSION_NAME": str(home / "a.ipynb")}
    with (
        FaultServer() as server,
        running_kernel(
            home, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=KEY, CLAUDE_MAGIC_RETRIES="0", **where
        ) as kernel,
    ):
        assert kernel.run("%load_ext claude_magic").status == "ok"
        four(kernel)
        yield kernel, server, home


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_no_whole_answer_changes_nothing(
    failing: tuple[Kernel, FaultServer, Path], name: str
) -> None:
    kernel, server, home = failing
    script, why, status = FAILURES[name]
    before, told = stored(home), prompts(kernel)
    server.answers([script])
    ran = compact(kernel)
    assert ran.status == status, ran.error
    assert f"Nothing was compacted, 'main' is as it was: {why}.\n" in ran.stdout
    assert "--continue" not in json.dumps([ran.error, ran.updated])  # no conversation holds the half of it
    assert stored(home) == before
    assert prompts(kernel) == told
    if name in ("cut", "refused", "max_tokens"):
        assert answer_of(kernel).strip() in ("The text so far", "I would", "The")


def test_an_interrupt_changes_nothing(failing: tuple[Kernel, FaultServer, Path]) -> None:
    kernel, server, home = failing
    before = stored(home)
    server.answers([streamed(SO_FAR, Hang())])
    count = len(server.requests)
    request = kernel.send("%claude_compact", cell_id="compact")
    kernel.begun(request)
    assert server.wait_for(count + 1)
    kernel.manager.interrupt_kernel()
    ran = kernel.collect(request)
    assert "Interrupted: stopped by an interrupt" in line_of(ran)
    assert "Nothing was compacted" in ran.stdout
    assert stored(home) == before
    server.answers([GOOD])
    assert kernel.run("%claude --quiet --no-history hello").status == "ok"


def test_limits_are_kept_and_its_cost_counts(failing: tuple[Kernel, FaultServer, Path]) -> None:
    kernel, server, home = failing
    before, count = stored(home), len(server.requests)
    assert "Over the limit of $0.00001 for this question" in line_of(compact(kernel, "--max-cost 0.00001"))
    line = line_of(compact(kernel, "--max-cost 0.005"))
    assert re.search(r"The limit for this question leaves \d+ tokens for the summary", line), line
    kernel.run("%claude_config session_budget=0.0001")
    assert "for this kernel" in line_of(compact(kernel))
    kernel.run("%claude_config session_budget=0")
    assert "Did you mean '--keep'" in line_of(compact(kernel, "--kepe 3"))
    assert "a whole number of 0 or more, not '-1'" in line_of(compact(kernel, "--keep=-1"))
    assert stored(home) == before
    assert len(server.requests) == count  # nothing was sent
    # What was asked in vain is counted, and where it was asked.
    server.answers([DECLINED])
    spent = "get_ipython().magics_manager.registry['ClaudeMagics']._session._kept.spent_today(demo=False)"
    paid = float(kernel.value(spent))
    compact(kernel)
    cost = float(kernel.value("_claude.cost"))
    assert cost > 0
    assert float(kernel.value(spent)) == pytest.approx(paid + cost)


def test_a_kernel_that_dies_meanwhile_leaves_the_conversation_as_it_was(
    start: Start, server: FaultServer, tmp_path: Path
) -> None:
    kernel = start(server)
    four(kernel)
    before = prompts(kernel)
    server.answers([streamed(SO_FAR, Hang())])
    request = kernel.send("%claude_compact", cell_id="compact")
    kernel.begun(request)
    assert server.wait_for(5)
    kernel.manager.shutdown_kernel(now=True)
    again = start(server)
    assert history(again) != []
    assert prompts(again) == before
    assert "A summary was cut when an earlier kernel ended" in ask(again, "four", CELLS["four"]).stdout
    assert prompts(again) == before


def test_nothing_to_compact_is_said_and_nothing_sent(start: Start, server: FaultServer) -> None:
    kernel = start(server)
    said = line_of(compact(kernel))
    assert said.startswith("UsageProblem: Nothing to compact: 'main' has 0 answered turns")
    for cell in ("one", "two", "three"):
        ask(kernel, cell, CELLS[cell])
    said = line_of(compact(kernel))
    assert "has 3 answered turns, the last 2 would stay" in said
    assert said.endswith("--keep 0 keeps none. Nothing was sent.")
    assert len(server.requests) == 3


def test_a_context_nearly_full_offers_it_and_says_so_anew_when_it_fills_again(
    start: Start, server: FaultServer
) -> None:
    kernel = start(server)
    for cell in ("one", "two"):
        ask(kernel, cell, CELLS[cell])
    full = said("Long.", input_tokens=800_000)
    server.answers([full])
    note = ask(kernel, "three", CELLS["three"]).stdout
    assert "fills 80% of the context window" in note
    assert note.index("%claude_compact") < note.index("--new")
    server.answers([said(SUMMARY, input_tokens=850_000), GOOD, full])
    assert "context window" not in compact(kernel, "--keep 0").stdout
    assert "context window" not in ask(kernel, "four", CELLS["four"]).stdout
    assert "context window" in ask(kernel, "five", "%%claude\nmore").stdout


def test_a_question_mark_ends_its_words_and_asks_for_no_help(start: Start, server: FaultServer) -> None:
    kernel = start(server)
    four(kernel)
    server.answers([said(SUMMARY)])
    assert "became one" in compact(kernel, "--keep 1 what did we decide?").stdout
    assert server.requests[-1].messages[-1]["content"][0]["text"].endswith("mind: what did we decide?")
    page = kernel.run("%claude_compact?").payload[0]["data"]["text/plain"]
    assert "--keep N" in page


def test_turns_without_an_answer_go_with_those_above_them_or_stay() -> None:
    talk = a_conversation(3).put(a_turn("failed", reply=b"", stage="failed", cell="x"))
    assert older(talk, 1).count == 2
    assert older(talk, 0).count == 3  # what failed last stays
    inner = Conversation("1", "main", (*talk.turns, *a_conversation(2).turns))
    assert older(inner, 1).count == 5
    with pytest.raises(UsageProblem, match="Nothing to compact"):
        older(talk, 2)


def test_the_rest_of_a_compacted_conversation_is_the_same_turns() -> None:
    talk = a_conversation(4)
    summary = a_turn("Summarise", stands_for=(talk.turns[0].id, talk.turns[1].id))
    shorter = talk.compacted(summary, 2)
    assert shorter.turns[0] is summary
    assert all(a is b for a, b in zip(shorter.turns[1:], talk.turns[2:], strict=True))
    assert shorter.summarises([talk.turns[1].id])
    assert not shorter.summarises([talk.turns[2].id])
    assert not shorter.has("c0")
    assert shorter.has("c2")
