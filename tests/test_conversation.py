"""The notebook keeps its conversation: re-runs, restarts, copies, chats, undo, export and restore."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import nbformat
import pytest

from claude_magic import offline
from tests.kernels import Kernel, Ran, running_kernel

Start = Callable[..., Kernel]


@pytest.fixture
def start(tmp_path: Path, local_api: offline.LocalApi) -> Iterator[Start]:
    """Starts kernels of one home; each stands in the notebook it is told."""
    with ExitStack() as stack:
        count = 0

        def begin(notebook: Path | None = None, api: offline.LocalApi = local_api) -> Kernel:
            nonlocal count
            count += 1
            folder = tmp_path / f"k{count}"
            folder.mkdir()
            extra = {"JPY_SESSION_NAME": str(notebook)} if notebook else {}
            kernel = stack.enter_context(
                running_kernel(
                    folder,
                    ANTHROPIC_BASE_URL=api.url,
                    ANTHROPIC_API_KEY=api.token,
                    JUPYTER_DATA_DIR=str(tmp_path / "data"),
                    **extra,
                )
            )
            assert kernel.run("%load_ext claude_magic").status == "ok"
            return kernel

        yield begin


def book(path: Path) -> Path:
    nbformat.write(nbformat.v4.new_notebook(), path)
    return path


def ask(kernel: Kernel, cell: str, code: str) -> Ran:
    ran = kernel.run(code, cell_id=cell)
    assert ran.status == "ok", ran.error
    return ran


def text(kernel: Kernel) -> str:
    return kernel.run("print(_claude.text)").stdout


def history(kernel: Kernel, flags: str = "") -> list[str]:
    """The lines of the table of turns."""
    ran = kernel.run(f"%claude_history {flags}", cell_id="h")
    assert ran.status == "ok", ran.error
    lines = ran.result.splitlines()
    ruler = next(number for number, line in enumerate(lines) if line.startswith("─") or "──" in line)
    return lines[ruler + 1 :]


def prompts(kernel: Kernel) -> list[str]:
    current = "get_ipython().magics_manager.registry['ClaudeMagics']._session._kept.current"
    return [str(one) for one in json.loads(kernel.run(
        f"import json; print(json.dumps([turn.prompt for turn in {current}.turns]))").stdout)]  # fmt: skip


def test_running_a_cell_again_replaces_its_turn_and_marks_later_ones_stale(
    start: Start, tmp_path: Path
) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    ask(kernel, "one", "%%claude\nMy name is Ada.")
    ask(kernel, "two", "%%claude\nMy dog is Rex.")
    ask(kernel, "three", "%%claude\nWhat is my name?")
    assert "Ada" in text(kernel)
    ask(kernel, "two", "%%claude\nMy dog is Max. What is my name?")
    assert "Ada" in text(kernel)
    assert prompts(kernel) == ["My name is Ada.", "My dog is Max. What is my name?", "What is my name?"]
    lines = history(kernel)
    assert ["stale" in line for line in lines] == [False, False, True]
    ask(kernel, "one", "%%claude\nWhat is my name?")
    assert "You have not told me" in text(kernel)
    assert len(history(kernel, "--all")) == 5
    ask(kernel, "three", "%%claude\nWhat is my dog?")
    assert "Max" in text(kernel)


@pytest.mark.parametrize(
    ("setting", "left"),
    [("append", ["one", "two", "one again"]), ("truncate", ["one again"]), ("replace", ["one again", "two"])],
)
def test_what_a_rerun_does_is_a_setting(start: Start, tmp_path: Path, setting: str, left: list[str]) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    kernel.run(f"%claude_config on_rerun={setting}")
    for cell, prompt in (("c1", "one"), ("c2", "two"), ("c1", "one again")):
        ask(kernel, cell, f"%%claude\n{prompt}")
    assert prompts(kernel) == left


def test_without_cell_ids_turns_append(start: Start) -> None:
    kernel = start()
    for _ in range(2):
        kernel.run("%%claude\nsame", allow_stdin=False)
    assert prompts(kernel) == ["same", "same"]


def test_several_questions_of_one_cell_keep_their_places(start: Start, tmp_path: Path) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    code = "%claude first\n%claude second\n%claude third"
    ask(kernel, "cell", code)
    ask(kernel, "cell", code)
    assert prompts(kernel) == ["first", "second", "third"]


def test_deleted_cells_leave_but_stay_in_the_store(start: Start, tmp_path: Path) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    ask(kernel, "one", "%%claude\nMy name is Ada.")
    ask(kernel, "two", "%%claude\nhello")
    content = {"code": "%%claude\nWhat is my name?", "silent": False, "store_history": True}
    content |= {"user_expressions": {}, "allow_stdin": True, "stop_on_error": True}
    message = kernel.client.session.msg(
        "execute_request", content, metadata={"cellId": "three", "deletedCells": ["one"]}
    )
    kernel.client.shell_channel.send(message)
    assert kernel.collect(message["header"]["msg_id"]).status == "ok"
    assert "You have not told me" in text(kernel)
    assert prompts(kernel) == ["hello", "What is my name?"]
    assert any("Ada" in line for line in history(kernel, "--all"))


def test_a_restart_goes_on_and_run_all_does_not_double(start: Start, tmp_path: Path) -> None:
    path = book(tmp_path / "a.ipynb")
    cells = [
        ("one", "%%claude\nMy name is Ada."),
        ("two", "%%claude --new\nMy dog is Rex."),
        ("three", "%%claude\nhi"),
    ]
    kernel = start(path)
    for cell, code in cells:
        ask(kernel, cell, code)
    again = start(path)
    ask(again, "four", "%%claude -c main\nWhat is my name?")
    assert "Ada" in text(again)
    third = start(path)
    for cell, code in cells:
        ask(third, cell, code)
    chats = third.run("%claude_chat", cell_id="x").result
    assert "main" in chats
    assert "chat 2" in chats
    assert "chat 3" not in chats
    assert prompts(third) == ["My dog is Rex.", "hi"]


def saved_with(kernel: Kernel, path: Path, ran: Ran) -> None:
    """Save a notebook as a page would, with the outputs of a cell."""
    saved = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("%%claude")
    final = (ran.of("update_display_data") or ran.of("display_data"))[-1]
    cell.outputs = [nbformat.v4.new_output("display_data", final["data"], metadata=final["metadata"])]
    saved.cells = [cell]
    nbformat.write(saved, path)


def test_renamed_it_is_the_same_and_copied_it_forks(start: Start, tmp_path: Path) -> None:
    first = book(tmp_path / "a.ipynb")
    kernel = start(first)
    ran = ask(kernel, "one", "%%claude\nMy name is Ada.")
    saved_with(kernel, first, ran)
    renamed = first.rename(tmp_path / "b.ipynb")
    moved = start(renamed)
    ask(moved, "two", "%%claude\nWhat is my name?")
    assert "Ada" in text(moved)
    copy = tmp_path / "copy.ipynb"
    shutil.copy(renamed, copy)
    copied = start(copy)
    ask(copied, "two", "%%claude\nMy name is Bea now.")
    assert prompts(copied)[0] == "My name is Ada."
    back = start(renamed)
    ask(back, "three", "%%claude\nWhat is my name?")
    assert "Bea" not in text(back)


def test_an_unchanged_question_is_reused_for_free(start: Start, tmp_path: Path) -> None:
    path = book(tmp_path / "a.ipynb")
    kernel = start(path)
    ask(kernel, "one", "%%claude\nWhat is a mode?")
    first = text(kernel)
    again = start(path)
    ran = ask(again, "one", "%%claude --reuse\nWhat is a mode?")
    assert "reused from the store, free" in ran.updated[-1]["text/markdown"]
    assert text(again) == first
    assert again.value("_claude.cost") == "0.0"
    ran = ask(again, "one", "%%claude --reuse\nWhat is a median?")
    assert "reused" not in ran.updated[-1]["text/markdown"]


def test_named_conversations(start: Start, tmp_path: Path) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    ask(kernel, "one", "%%claude\nMy name is Ada.")
    ask(kernel, "two", "%%claude -c ideas\nWhat is my name?")
    assert "You have not told me" in text(kernel)
    table = kernel.run("%claude_chat main", cell_id="x").result
    assert any(line.startswith("→") and "main" in line for line in table.splitlines())
    kernel.run("%claude_chat --fork branch", cell_id="x")
    ask(kernel, "three", "%%claude\nWhat is my name?")
    assert "Ada" in text(kernel)
    assert "Did you mean 'ideas'" in kernel.run("%claude_chat idaes", cell_id="x").error
    assert "already" in kernel.run("%claude_chat --new ideas", cell_id="x").error
    kernel.run("%claude_chat --delete ideas", cell_id="x")
    assert "ideas" not in kernel.run("%claude_chat", cell_id="x").result


def test_undo_takes_back_and_history_shows(start: Start, tmp_path: Path) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    ask(kernel, "one", "%%claude\nMy name is Ada.")
    ask(kernel, "two", "%%claude\nsay: the **whole** turn")
    shown = kernel.run("%claude_history 2", cell_id="h")
    assert shown.displayed[0]["text/plain"] == "the **whole** turn"
    assert "2 exchanges taken back" in kernel.run("%claude_undo 2", cell_id="u").stdout
    ask(kernel, "three", "%%claude\nWhat is my name?")
    assert "You have not told me" in text(kernel)
    assert "No turn 9" in kernel.run("%claude_history 9", cell_id="h").error


def test_search_finds_words_in_prompts_and_answers(start: Start, tmp_path: Path) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    ask(kernel, "one", "%%claude\nsay: the zebra is striped")
    ask(kernel, "two", "%%claude\nsay: the lion is not")
    found = kernel.run("%claude_history --search zebra", cell_id="h").result
    assert "zebra" in found
    assert "lion" not in found


def test_export_and_restore(start: Start, tmp_path: Path) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    ask(kernel, "one", "%%claude\nMy name is Ada.")
    ask(kernel, "two", "%%claude\nsay: answer two")
    for suffix in ("md", "ipynb", "json"):
        ran = kernel.run(f"%claude_export {tmp_path}/talk.{suffix}", cell_id="e")
        assert "2 turns written" in ran.stdout, ran.error
    assert "answer two" in (tmp_path / "talk.md").read_text("utf-8")
    nbformat.validate(nbformat.read(tmp_path / "talk.ipynb", as_version=4))
    other = start(book(tmp_path / "b.ipynb"))
    shown = other.run(f"%claude_restore {tmp_path}/talk.json", cell_id="r")
    assert "answer two" in shown.result
    assert other.run(f"%claude_restore {tmp_path}/talk.json --yes", cell_id="r").status == "ok"
    ask(other, "three", "%%claude\nWhat is my name?")
    assert "Ada" in text(other)


def test_a_strangers_notebook_is_said_once_and_taken_in_only_when_accepted(
    start: Start, tmp_path: Path
) -> None:
    kernel = start(book(tmp_path / "a.ipynb"))
    ran = ask(kernel, "one", "%%claude\nMy name is Ada.")
    stranger = tmp_path / "stranger.ipynb"
    saved_with(kernel, stranger, ran)
    shutil.rmtree(tmp_path / "data")
    guest = start(stranger)
    said = ask(guest, "two", "%%claude\nWhat is my name?")
    assert "%claude_restore" in said.stdout
    assert "You have not told me" in text(guest)
    assert "%claude_restore" not in ask(guest, "two", "%%claude\nWhat is my name?").stdout
    assert "My name is Ada" in guest.run("%claude_restore", cell_id="r").result
    guest.run("%claude_restore --yes", cell_id="r")
    ask(guest, "three", "%%claude\nWhat is my name?")
    assert "Ada" in text(guest)


def test_a_killed_kernel_loses_no_more_than_a_moment(start: Start, tmp_path: Path) -> None:
    path = book(tmp_path / "a.ipynb")
    with offline.start(pace=150) as api:
        kernel = start(path, api)
        pid = int(kernel.value("__import__('os').getpid()"))
        ask(kernel, "one", "%%claude\nMy name is Ada.")
        kernel.send("%%claude\nwrite 2000 words", cell_id="two")
        time.sleep(3)
        os.kill(pid, signal.SIGKILL)
    again = start(path)
    said = ask(again, "three", "%%claude\nWhat is my name?")
    assert "cut when an earlier kernel ended" in said.stdout
    assert "Ada" in text(again)
    assert any("write 2000 words" in line and "stopped" in line for line in history(again))
    shown = again.run("%claude_history 2", cell_id="h").displayed[0]["text/plain"]
    assert len(shown) > 300
    usage = again.run("%claude_usage", cell_id="u").result  # also what was cut is known as the demo's
    assert "never charged: 3 turns" in usage
    assert "This notebook: 0 turns, $0;" in usage


def test_a_store_that_cannot_be_written_costs_one_warning_and_no_answer(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder", "utf-8")
    kernel = start(book(tmp_path / "a.ipynb"))
    first = ask(kernel, "one", "%%claude\nMy name is Ada.")
    assert first.stdout.count("\n") == 1
    assert ask(kernel, "two", "%%claude\nWhat is my name?").stdout == ""
    assert "Ada" in text(kernel)


def test_a_failed_rerun_does_not_replace_an_answer(start: Start, tmp_path: Path) -> None:
    with offline.start(pace=0) as api:
        kernel = start(book(tmp_path / "a.ipynb"), api)
        ask(kernel, "one", "%%claude\nMy name is Ada.")
    assert kernel.run("%%claude\nMy name is Bea.", cell_id="one").status == "error"
    assert prompts(kernel) == ["My name is Ada."]
    assert any("Ada" in line for line in history(kernel))
