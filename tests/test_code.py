"""Code of an answer in a new cell: never run, whole, with everything visible, in every front end."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from playwright.sync_api import Browser, expect

from claude_magic import offline
from claude_magic.code_cells import cell_of
from claude_magic.values import Answer, TextPart, Turn
from tests.kernels import Kernel, Ran, clean_environment
from tests.pages import Notebook, Server, chromium, jupyter_server


def turn_of(text: str, **changes: Any) -> Turn:
    answer = Answer((TextPart(text),), stop_reason="end_turn", complete=True)
    return Turn(
        **{"prompt": "p", "blocks": (), "shown": text, "answer": answer, "stage": "complete", **changes}
    )


def fence(language: str, code: str) -> str:
    return f"Some words.\n\n```{language}\n{code}\n```\n\nMore `words`.\n"


# --- what stands in the cell --------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["python", "Python", "py", "python3", "ipython", "", "python title=x"])
def test_python_stays_as_it_is(language: str) -> None:
    assert (
        cell_of(turn_of(fence(language, "def f():\n    return 1\n\n\nf()")))
        == "def f():\n    return 1\n\n\nf()"
    )


@pytest.mark.parametrize(
    ("language", "magic"), [("bash", "%%bash"), ("shell", "%%bash"), ("sh", "%%sh"), ("HTML", "%%html")]
)
def test_shell_and_html_that_stand_alone_get_their_magic(language: str, magic: str) -> None:
    assert cell_of(turn_of(fence(language, "echo $HOME"))) == f"{magic}\necho $HOME"


def test_other_languages_are_commented_out() -> None:
    assert cell_of(turn_of(fence("sql", "select 1\n\nfrom t"))) == "# (sql)\n# select 1\n#\n# from t"
    assert cell_of(turn_of(fence("javascript", "alert(1)"))) == "# (javascript)\n# alert(1)"
    assert cell_of(turn_of(fence("", "$ ls -l\ntotal 0"))) == "# $ ls -l\n# total 0"


def test_several_blocks_come_into_one_cell() -> None:
    text = fence("python", "x = 1") + fence("bash", "ls") + "- in a list\n\n  ~~~py\n  y = 2\n  ~~~\n"
    cell = cell_of(turn_of(text))
    assert cell == "# Block 1 of 3\nx = 1\n\n# Block 2 of 3 (bash)\n# ls\n\n# Block 3 of 3\ny = 2"


def test_a_partial_answer_says_so() -> None:
    cell = cell_of(turn_of("```bash\nrm -rf build", stage="interrupted"))
    assert cell == "# Stopped, the answer is partial: the code may be, too.\n\n# (bash)\n# rm -rf build"


def test_no_code_is_no_cell() -> None:
    for text in ("", "Just `words`.", "    indented = 1"):
        assert cell_of(turn_of(text)) == ""


HIDDEN = (
    "x = 1 \u202e# \u2066evil\u200b\x1b[2K\x0cos.system('rm')\u2028print(2)\x85print(3)\rprint(4)\ufeff\ud800"
)


def test_what_is_hidden_is_made_visible_and_nothing_leaves_its_comment() -> None:
    cell = cell_of(turn_of(fence("python", HIDDEN)))
    assert "⟨U+202E⟩" in cell
    assert cell.isprintable(), cell
    for language in ("sql", "sql\u2028import os", "x\x0cimport os"):
        cell = cell_of(turn_of(fence(language, f"{HIDDEN}\n{HIDDEN}") + fence(language, HIDDEN)))
        assert ast.parse(cell).body == []
        assert all(line.startswith("#") or not line for line in cell.split("\n"))
        cell.encode()


# --- in a kernel --------------------------------------------------------------------------------------

PY = "from pathlib import Path\\nPath('ran').write_text('x')"
ASK = "say: {{ '```python\\n" + PY.replace("'", "\\'") + "\\n```' }}"


def asked_for(ran: Ran) -> list[str]:
    """The texts of the new cells that a run asks for."""
    assert all(one["replace"] is False for one in ran.payload if one["source"] == "set_next_input")
    return [one["text"] for one in ran.payload if one["source"] == "set_next_input"]


CODE = "from pathlib import Path\nPath('ran').write_text('x')"


def test_code_asks_for_a_cell_and_runs_nothing(kernel: Kernel) -> None:
    ran = kernel.run(f"%%claude --code --new\n{ASK}", cell_id="c1")
    assert ran.status == "ok", ran.error
    assert asked_for(ran) == [CODE]
    assert kernel.value("__import__('pathlib').Path('ran').exists()") == "False"
    again = kernel.run("%claude_code", cell_id="c2")
    assert asked_for(again) == [CODE]
    assert again.stdout == ""


def test_an_earlier_answer_by_its_number(kernel: Kernel) -> None:
    kernel.run(f"%%claude --new\n{ASK}", cell_id="d1")
    kernel.run("%%claude\nsay: no code here", cell_id="d2")
    assert asked_for(kernel.run("%claude_code 1", cell_id="d3")) == [CODE]
    none = kernel.run("%claude_code", cell_id="d4")
    assert asked_for(none) == []
    assert none.stdout == "There is no code in that answer.\n"
    assert "No turn 7: the conversation has 2." in kernel.run("%claude_code 7", cell_id="d5").error
    assert "whole number" in kernel.run("%claude_code x", cell_id="d6").error


def test_without_code_one_line_says_so(kernel: Kernel) -> None:
    ran = kernel.run("%%claude --code --new\nsay: words only", cell_id="e1")
    assert asked_for(ran) == []
    assert ran.stdout == "There is no code in that answer.\n"
    kernel.run("%claude_chat --new empty", cell_id="e2")
    assert "No turn 1" in kernel.run("%claude_code", cell_id="e3").error


def test_two_answers_of_one_cell_share_the_new_one(kernel: Kernel) -> None:
    one = "r = %claude --new --code say: {{ '```py\\nx = 1\\n```' }}\n"
    two = "r = %claude --code say: {{ '```py\\nx = 2\\n```' }}\n"
    assert asked_for(kernel.run(one + two, cell_id="f1")) == ["x = 1\n\nx = 2"]


def test_where_no_cell_can_be_added_the_code_is_printed(kernel: Kernel) -> None:
    ran = kernel.run(f"%%claude --code --new\n{ASK}", allow_stdin=False)
    assert asked_for(ran) == []
    assert "No cell can be added here: the code is in _claude.code" in ran.stdout
    assert kernel.run("%claude_code", allow_stdin=False).stdout == CODE + "\n"


def test_an_empty_conversation_has_no_code(kernel: Kernel) -> None:
    kernel.run("%claude_chat --new nothing", cell_id="g1")
    assert "the conversation has 0" in kernel.run("%claude_code", cell_id="g2").error


# --- in a page and in a terminal ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, local_api: offline.LocalApi) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    with jupyter_server(
        folder, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token
    ) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize("place", ["lab", "notebooks"])
def test_the_cell_comes_below_and_is_not_run(browser: Browser, server: Server, place: str) -> None:
    cells = ["%load_ext claude_magic", f"%%claude --code\n{ASK}", "print('end')"]
    notebook = Notebook(browser, server, cells, f"code-{place}", place)
    page = notebook.page
    notebook.run(0)  # the kernel is there
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
    notebook.output(3).get_by_text("end").wait_for(timeout=30_000)
    new = notebook.cell(2)
    expect(new.locator(".cm-content")).to_have_text(CODE, use_inner_text=True)
    expect(new.locator(".jp-InputPrompt")).to_have_text("[ ]:")
    book = notebook.save()
    assert [cell.source for cell in book.cells] == [cells[0], cells[1], CODE, cells[2]]
    assert not (server.root / "ran").exists()
    notebook.close()


def test_in_a_terminal_the_next_prompt_is_filled_in(tmp_path: Path, local_api: offline.LocalApi) -> None:
    environment = clean_environment(
        tmp_path, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token, TERM="xterm"
    )
    child = pexpect.spawn(
        sys.executable, ["-m", "IPython", "--no-banner", "--colors=nocolor", "--no-confirm-exit"],
        env=environment, cwd=str(tmp_path), encoding="utf-8", timeout=60, dimensions=(50, 200),
    )  # fmt: skip
    try:
        child.expect(r"In \[")
        child.send("%load_ext claude_magic\r")
        child.expect(r"In \[\D*2")
        child.send("r = %claude --code say: {{ '```py\\nvalue = 6 * 7\\n```' }}\r")
        child.expect(r"In \[\D*3")
        child.expect("value = 6")
        child.send("; print('it is', value)\r")
        child.expect("it is 42")
    finally:
        child.close(force=True)
