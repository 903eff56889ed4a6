"""``--context``: the cells above, as a real kernel ran them and a real JupyterLab shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, output_from_msg
from playwright.sync_api import Browser, expect

from claude_magic.content.above import Cell, Output, cell_blocks, fenced
from claude_magic.offline import LocalApi
from claude_magic.values import AS_USUAL
from tests.kernels import Kernel, Ran, clean_environment, running_kernel
from tests.pages import Notebook, Server, chromium, jupyter_server

SENT = "[(b.kind, b.text) for b in _claude.turn.blocks]"
TEXT = "print('\\n'.join(b.text or b.kind.upper() for b in _claude.turn.blocks if b.name))"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);"


@pytest.fixture
def desk(tmp_path: Path, local_api: LocalApi) -> Iterator[Kernel]:
    """A kernel of one test's own: what stands above is what that test has run."""
    key = local_api.token
    with running_kernel(tmp_path, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=key) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def ask(kernel: Kernel, code: str) -> Ran:
    ran = kernel.run(code, allow_stdin=False)
    assert ran.status == "ok", ran.error
    return ran


def sent(kernel: Kernel, code: str) -> str:
    """Ask; return the text of the cells that went along, pictures as the word IMAGE."""
    ask(kernel, code)
    return quietly(kernel, TEXT)


def quietly(kernel: Kernel, code: str) -> str:
    """What code prints; it is no cell of the notebook: what looks must not be seen."""
    file = Path(kernel.manager.connection_file).with_name("looked.txt")
    printed = (
        f"with __import__('contextlib').redirect_stdout(open({str(file)!r}, 'w')) as _f: {code}\n_f.close()"
    )
    content = {"code": printed, "silent": False, "store_history": False, "user_expressions": {}}
    message = kernel.client.session.msg("execute_request", content)
    kernel.client.shell_channel.send(message)
    assert kernel.collect(message["header"]["msg_id"]).status == "ok"
    return file.read_text(encoding="utf-8")


def note(ran: Ran) -> str:
    """The strip above the answer."""
    return str(ran.displayed[0]["text/markdown"]).split("\n", 1)[0]


def test_cells_go_with_what_they_printed_showed_and_raised(desk: Kernel) -> None:
    ask(desk, f"%matplotlib inline\n{PLOT}\nprint('drawn')")
    ask(desk, "import pandas as pd\npd.DataFrame({'a': [1, 2]})")
    ask(desk, "for i in range(3): print(f'\\rstep {i}', end='')\nprint('\\x1b[31m red\\x1b[0m')")
    assert desk.run("1 / 0", allow_stdin=False).status == "error"
    ran = ask(desk, "%%claude --context\nWhat do you see?")
    assert "cells above, 5 cells with 1 image" in note(ran)
    assert note(ran).count("cells above") == 1
    text = sent(desk, "%%claude --new --context 5\nWhat do you see?")
    assert "### Cell [2]\n```python\n%matplotlib inline" in text
    assert "Output:\n```\ndrawn\n```\nOutput, a picture:\nIMAGE" in text
    assert "   a\n0  1\n1  2" in text
    assert "step 2 red" in text
    assert "ZeroDivisionError" in text
    assert "\x1b" not in text
    assert "<table" not in text
    assert "data: nothing" in text


def test_a_display_that_was_cleared_or_updated_goes_as_it_is_now(desk: Kernel) -> None:
    ask(
        desk,
        "from IPython.display import *\nfor i in range(3):\n    clear_output()\n    display(f'turn {i}')",
    )
    ask(desk, "h = display(Markdown('*old*'), display_id=True)")
    ask(desk, "h.update(Markdown('*new*'))")
    text = sent(desk, "%%claude --context\nWhat?")
    assert "turn 2" in text
    assert "'turn 1'" not in text
    assert "*new*" in text
    assert "*old*\n" not in text


def test_a_number_takes_the_last_cells_and_what_says_ignore_is_left_out(desk: Kernel) -> None:
    ask(desk, "far = 'away'")
    ask(desk, "# claude: ignore\nprint('mine alone')")
    ask(desk, "%%time\n# Claude: ignore this\nprint('mine too')")
    ask(desk, "print('near')")
    text = sent(desk, "%%claude --context 1\nWhat?")
    assert "near" in text
    assert "mine" not in text
    text = sent(desk, "%%claude --new --context 3\nWhat?")
    assert "far = 'away'" in text
    assert "mine" not in text


def test_ignore_put_above_a_cell_later_holds_for_its_earlier_runs(desk: Kernel) -> None:
    ask(desk, "print('shared at first')")
    ask(desk, "# claude: ignore\nprint('shared at first')")
    assert "shared" not in sent(desk, "%%claude --context\nWhat?")


def test_turns_of_the_conversation_are_not_sent_twice(desk: Kernel) -> None:
    ask(desk, "%%claude\nsay: violet")
    ask(desk, "x = 1")
    assert "violet" not in sent(desk, "%%claude --context\nWhat?")
    # Outside that conversation nothing else tells of it.
    assert "violet" in sent(desk, "%%claude --no-history --context\nWhat?")


def test_what_the_conversation_has_unchanged_is_not_repeated(desk: Kernel) -> None:
    ask(desk, "one = 'first cell'")
    ask(desk, f"%matplotlib inline\n{PLOT}")
    ask(desk, "%%claude --context\nWhat?")
    ask(desk, "two = 'second cell'")
    ran = ask(desk, "%%claude --context\nAnd now?")
    assert "1 cell; 3 cells unchanged, sent before" in note(ran)
    text = "".join(json.loads(json.dumps(one)) for one in desk.value(SENT))
    assert "second cell" in text
    assert "first cell" not in text
    assert "('image'" not in text
    ran = ask(desk, "%%claude --context 1\nAnd now?")
    assert ran.status == "ok"


def test_what_does_not_fit_is_left_out_whole_and_said(desk: Kernel) -> None:
    ask(desk, "small = 'an early one'")
    ask(desk, "print('\\n'.join(f'{i * 7919} lines of text' for i in range(2_000)))")
    for number in range(8):
        ask(desk, f"big = '''{'word ' * 3_000}{number}'''")
    ran = ask(desk, "%%claude --context\nWhat?")
    assert "left out for space" in note(ran)
    text = sent(desk, "%%claude --new --context\nWhat?")
    assert "Left out, for there was no room: [4]" in text or "Left out, for there was no room: [3]" in text
    assert "word 7" in text
    assert "word 0" not in text
    assert len(text) < 70_000
    text = sent(desk, "%%claude --new --context all\nWhat?")
    assert "word 0" in text
    assert "characters left out" in text  # a long output is cut in its middle


def test_what_cannot_fit_is_refused_in_one_line(desk: Kernel) -> None:
    for _ in range(60):
        ask(desk, f"big = '''{'word ' * 3_900}'''")
    ran = desk.run("%%claude -m claude-haiku-4-5 --context all\nWhat?", allow_stdin=False)
    assert ran.status == "error"
    assert "--context alone sends what fits. Nothing was sent." in ran.error
    assert "\n" not in ran.error


def test_nothing_above_is_said_and_secrets_are_asked_about(desk: Kernel) -> None:
    ran = desk.run("%%claude --context 0\nWhat?", allow_stdin=False)
    assert "no cells above" in ran.error
    ask(desk, "password = 'correct-horse-7battery'")
    ran = desk.run("%%claude --context\nWhat?", allow_stdin=False)
    assert "looks like a secret" in ran.error
    assert "cells above" in ran.error
    assert "horse" not in ran.error


def test_dry_run_lists_what_would_go(desk: Kernel) -> None:
    ask(desk, f"%matplotlib inline\n{PLOT}")
    table = ask(desk, "%claude --dry-run --context what?").result
    assert "text: cells above, 2 cells with 1 image" in table
    assert "image: cells above, " in table


def test_unloading_takes_the_hook_away(desk: Kernel) -> None:
    ask(desk, "%%claude --context\nhi")
    shell = "get_ipython()"
    hooks = f"[*{shell}.display_pub._hooks, *{shell}.events.callbacks['pre_run_cell']]"
    ours = f"[hook.__func__.__name__ for hook in {hooks} if hasattr(hook, '__func__')]"
    assert desk.value(ours) == "['_take', '_note']"
    ask(desk, "%unload_ext claude_magic")
    assert desk.value(ours) == "[]"


def test_displays_are_kept_within_bounds(desk: Kernel) -> None:
    ask(
        desk,
        "for i in range(12): display({'text/plain': 'x' * 4_000_000}, raw=True)",
    )
    recorder = "get_ipython().magics_manager.registry['ClaudeMagics']._recorder"
    ask(desk, "for i in range(12): display({'text/plain': 'y' * 4_000_000}, raw=True)")
    assert int(desk.value(f"{recorder}._size")) <= 32_000_000
    assert desk.value(f"{recorder}.knows(2)") == "False"


def test_headless_in_nbclient(tmp_path: Path, local_api: LocalApi, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = clean_environment(
        tmp_path, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=local_api.token
    )
    book = new_notebook()
    sources = ["%load_ext claude_magic", PLOT, "%%claude --context\nlook", TEXT]
    book.cells = [new_code_cell(source) for source in sources]
    NotebookClient(book, timeout=60, kernel_name="python3").execute(env=environment, cwd=str(tmp_path))
    assert "IMAGE" in book.cells[3].outputs[0].text
    assert "3 cells" not in book.cells[2].outputs[0].data["text/markdown"]
    assert "2 cells with 1 image; as run in this kernel" in book.cells[2].outputs[0].data["text/markdown"]


@pytest.mark.parametrize("hostile", ["```\nout", "~~~", "````\n`````", "\x00\x1b[31m", "<!--"])
def test_no_output_leaves_its_fence(hostile: str) -> None:
    outputs = (Output("text", {"text/plain": hostile}),)
    (block,) = cell_blocks([Cell(1, "print()", outputs)], AS_USUAL, 0, ())
    last = block.text.rstrip().splitlines()[-1]
    assert set(last) == {"`"}
    assert f"\n{last}\n" not in fenced(hostile).removesuffix(f"\n{last}")
    assert "\x1b" not in block.text


def test_broken_pictures_become_a_word() -> None:
    outputs = tuple(
        Output("value", {"image/png": data, "text/plain": "fig"}) for data in ("AAAA", "%", "iVBOR")
    )
    (block,) = cell_blocks([Cell(1, "fig", outputs)], AS_USUAL, 0, ())
    assert block.text.count("a picture that cannot be read") == 3


# A notebook's file beside a kernel: what a page does, without one.


class Page:
    """Cells of a file, run by their ids as a page would run them."""

    def __init__(self, kernel: Kernel, path: Path) -> None:
        self.kernel = kernel
        self.path = path
        self.cells: dict[str, Any] = {}

    def put(self, name: str, source: str, *tags: str) -> None:
        """A cell of this id; a new one goes to the end."""
        cell: Any = new_code_cell(source, id=name)
        if tags:
            cell.metadata["tags"] = list(tags)
        self.cells[name] = cell

    def run(self, name: str) -> Ran:
        """Run a cell; its number and outputs are those that a page would save."""
        cell = self.cells[name]
        ran = self.kernel.run(cell.source, cell_id=name)
        assert ran.status == "ok", ran.error
        (begun,) = ran.of("execute_input")
        cell.execution_count = begun["execution_count"]
        cell.outputs = [
            output_from_msg(message)
            for message in ran.messages
            if message["msg_type"] in ("stream", "display_data", "execute_result")
        ]
        return ran

    def save(self) -> None:
        write(self.path, list(self.cells.values()))

    def sent(self) -> str:
        """What the cell "ask" takes along."""
        ran = self.kernel.run(self.cells["ask"].source, cell_id="ask")
        assert ran.status == "ok", ran.error
        return quietly(self.kernel, TEXT)


@pytest.fixture
def page(tmp_path: Path, local_api: LocalApi) -> Iterator[Page]:
    path = tmp_path / "book.ipynb"
    key = local_api.token
    with running_kernel(tmp_path, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=key) as running:
        running.run(f"__vsc_ipynb_file__ = {str(path)!r}")
        made = Page(running, path)
        made.put("load", "%load_ext claude_magic")
        yield made


ASK = "%%claude --no-history --context\nlook"


def test_a_cell_edited_and_run_since_the_file_was_saved_is_sent_as_it_ran(page: Page) -> None:
    page.put("x", "x = 'old value'\nx")
    page.put("y", "y = 'another'\ny")
    page.put("ask", ASK)
    for name in ("load", "x", "y"):
        page.run(name)
    page.save()
    page.put("x", "x = 'new value'\nx")
    page.run("x")
    # The first such question: no id of a run has been noted. Both have run, in this order.
    said = page.sent()
    assert said.index("old value") < said.index("another") < said.index("new value")
    page.run("x")
    said = page.sent()
    assert "old value" not in said
    assert said.index("new value") < said.index("another")


def test_what_ran_before_us_has_its_figures_from_the_file(page: Page) -> None:
    page.put("plot", f"%matplotlib inline\n{PLOT}")
    page.put("ask", ASK)
    page.run("plot")
    page.run("load")
    page.save()
    assert "IMAGE" in page.sent()


def test_runs_that_may_be_of_a_tagged_cell_are_not_sent(page: Page) -> None:
    page.put("mine", "key = 'old, mine'", "claude-ignore")
    page.put("x", "x = 'for all'")
    page.put("ask", ASK)
    for name in ("load", "mine", "x"):
        page.run(name)
    page.save()
    page.kernel.run("key = 'new, mine'", cell_id="mine")
    said = page.sent()
    assert "for all" in said
    assert "mine" not in said
    page.kernel.run("key = 'newer, mine'", cell_id="mine")
    assert "mine" not in page.sent()


def test_after_a_restart_the_file_tells_and_what_runs_again_takes_its_place(page: Page) -> None:
    page.put("x", "x = 'told'\nx")
    page.put("y", "y = 'drawn'\ny")
    page.put("ask", ASK)
    for place, name in enumerate(("load", "x", "y"), 40):
        page.cells[name].execution_count = place
    page.cells["x"].outputs = [new_output("stream", text="from an earlier kernel")]
    page.save()
    page.kernel.run("%load_ext claude_magic", cell_id="load")
    said = page.sent()
    assert "### Cell [41], not run in this kernel" in said
    assert "from an earlier kernel" in said
    page.kernel.run("x = 'told'\nx", cell_id="x")
    said = page.sent()
    assert "from an earlier kernel" not in said
    assert "### Cell [42], not run in this kernel" in said


def test_restarted_and_edited_runs_with_the_old_numbers_are_what_ran(page: Page) -> None:
    page.put("x", "value = 'of the old kernel'")
    page.put("y", "y = 'same'")
    page.put("ask", ASK)
    for place, name in enumerate(("load", "x", "y"), 2):
        page.cells[name].execution_count = place
    page.save()
    page.kernel.run("%load_ext claude_magic")
    page.kernel.run("value = 'of the new kernel'")
    page.kernel.run("y = 'same'")
    said = page.sent()
    assert "of the new kernel" in said
    assert "of the old kernel" not in said
    assert said.index("new kernel") < said.index("same")


# A real JupyterLab.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, local_api: LocalApi) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    key = local_api.token
    with jupyter_server(folder, ANTHROPIC_BASE_URL=local_api.url, ANTHROPIC_API_KEY=key) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def write(path: Path, cells: list[Any]) -> None:
    book = new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.cells = cells
    nbformat.write(book, path)


def edit(notebook: Notebook, index: int, text: str) -> None:
    notebook.cell(index).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.insert_text(text)


def look(notebook: Notebook, index: int, *, again: bool = True) -> str:
    """Run the question, and the cell below it that prints what went along."""
    for place in (index, index + 1):
        (notebook.run_again if again else notebook.run)(place)
    expect(notebook.output(index + 1)).not_to_be_empty(timeout=30_000)
    return notebook.output(index + 1).inner_text()


def test_cells_of_a_real_notebook(browser: Browser, server: Server) -> None:
    code: Any = new_code_cell
    text: Any = new_markdown_cell
    tagged = code("print('tagged, mine alone')")
    tagged.metadata["tags"] = ["claude-ignore"]
    cells = [
        code("%load_ext claude_magic"),
        text("## The aim"),
        code("x = 1\nprint('value', x)"),
        code(PLOT),
        tagged,
        code("%%claude --context\nlook"),
        code(TEXT),
        code("below = 'not above'"),
    ]
    write(server.root / "above.ipynb", cells)
    notebook = Notebook(browser, server, [], "above")
    for place in (0, 2, 3, 4, 7):
        notebook.run(place)
    said = look(notebook, 5, again=False)
    assert "## The aim" in said
    assert "value 1" in said
    assert "IMAGE" in said
    assert "mine alone" not in said
    assert "not above" not in said
    notebook.shown(5, "in the order of the file, saved")
    # Edited and run again, not saved.
    edit(notebook, 2, "x = 2\nprint('value', x)")
    notebook.run_again(2)
    said = look(notebook, 5)
    assert "value 2" in said
    assert "value 1" not in said
    assert said.index("value 2") < said.index("IMAGE")
    # Deleted, not saved.
    notebook.cell(3).locator(".jp-InputPrompt").click()
    notebook.page.keyboard.press("Escape")
    notebook.page.keyboard.type("dd")
    notebook.page.wait_for_timeout(200)
    said = look(notebook, 4)
    assert "value 2" in said
    assert "IMAGE" not in said
    assert "plt.plot" not in said
    # Restarted: what this kernel has not run is the file's to tell.
    notebook.save()
    notebook.restart()
    notebook.start(0)
    said = look(notebook, 4)
    assert "not run in this kernel" in said
    assert "value 2" in said
    assert "mine alone" not in said
    notebook.close()
