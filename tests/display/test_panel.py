"""The panel in a real JupyterLab: it is heard while a cell runs, and follows the magics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.display import versions
from tests.pages import Notebook, Server, chromium, jupyter_server

LOAD = "%load_ext claude_magic\n%claude_offline --pace "
WIDGET = "application/vnd.jupyter.widget-view+json"
WAITS = """import time
settings = get_ipython().magics_manager.registry["ClaudeMagics"]
print("waits", flush=True)
end = time.monotonic() + 30
while settings.model != "fable" and time.monotonic() < end:
    time.sleep(0.05)
print("seen", settings.model)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    versions.write_kernelspecs(folder / "data")
    with jupyter_server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Panel:
    """A panel in a page, as its user sees it."""

    def __init__(self, notebook: Notebook, index: int = 1) -> None:
        self.box = notebook.output(index).locator(".claude-panel")
        self.box.wait_for(timeout=30_000)

    def choice(self, label: str) -> Locator:
        """A list, by its label."""
        return self.box.get_by_label(label, exact=True)

    def shows(self, label: str, chosen: str) -> None:
        """Wait until a list shows a choice that begins so."""
        expect(self.choice(label).locator("option:checked")).to_contain_text(chosen, timeout=20_000)

    def says(self, text: str) -> None:
        """Wait until the panel says so somewhere."""
        self.box.get_by_text(text).first.wait_for(timeout=20_000)

    @property
    def stop(self) -> Locator:
        return self.box.locator(".claude-stop")


def test_it_sets_what_holds_and_follows_what_magics_set(browser: Browser, server: Server) -> None:
    cells = [
        LOAD + "0",
        "%claude_panel",
        "%claude say: fine",
        "%claude_config",
        "%claude_config model=opus",
        '%config ClaudeMagics.model = "claude-opus-4-8"',
        "%claude_chat --new ideas",
        "%claude_chat",
    ]
    notebook = Notebook(browser, server, cells, "follows")
    notebook.run(0)
    notebook.run(1)
    panel = Panel(notebook)
    panel.shows("Model", "sonnet · claude-sonnet-5-5")
    panel.says("$2 in, $10 out per million · 1M context")
    panel.choice("Model").select_option("haiku · claude-haiku-5-5")
    panel.says("$0.10 in, $0.50 out")
    notebook.run(2)
    notebook.shown(2, "claude-haiku-5-5 ·")
    panel.shows("Conversation", "main · 1 turn")
    source = notebook.run(3).locator("tr", has=notebook.page.get_by_text("model", exact=True)).first
    expect(source).to_contain_text("haiku\t%claude_panel", use_inner_text=True)
    notebook.run(4)
    panel.shows("Model", "opus · claude-opus-5-5")
    notebook.run(5)
    panel.shows("Model", "claude-opus-4-8")
    notebook.run(6)
    panel.shows("Conversation", "ideas · 0 turns")
    panel.says("0 % of 1M tokens")
    panel.choice("Conversation").select_option("main · 1 turn")
    panel.says("<1 % of 1M tokens")
    notebook.run(7)
    expect(notebook.output(7).locator("tr", has_text="→")).to_contain_text("main")
    budget = panel.choice("Budget")
    budget.fill("-3")
    budget.press("Enter")
    panel.says("'-3' is no value for budget (a number, 0 or more). Nothing was changed.")
    expect(budget).to_have_value("")
    expect(panel.stop).to_be_disabled()
    notebook.close()


@pytest.mark.parametrize("place", ["lab", "notebooks"])
def test_it_is_heard_while_a_reply_runs_and_its_stop_keeps_what_came(
    browser: Browser, server: Server, place: str
) -> None:
    cells = [
        LOAD + "20",
        "%claude_panel",
        "%%claude\nwrite 3000 words",
        "print(_claude.stage, _claude.model, len(_claude.text) > 20)",
        WAITS,
        "%claude_chat",
    ]
    notebook = Notebook(browser, server, cells, f"stops-{place}", place)
    notebook.run(0)
    notebook.run(1)
    panel = Panel(notebook)
    expect(panel.stop).to_be_disabled()
    notebook.start(2)
    notebook.output(2).get_by_text("Part 1").first.wait_for(timeout=30_000)
    panel.choice("Model").select_option("haiku · claude-haiku-5-5")
    panel.says("$0.10 in, $0.50 out")
    panel.box.get_by_placeholder("name of a new one").fill("ideas")
    panel.box.get_by_role("button", name="New").click()
    panel.says("the conversation changes when it has ended")
    assert notebook.cell(2).locator(".jp-InputPrompt").inner_text() == "[*]:"
    panel.stop.click()
    notebook.wait(2)
    assert "Interrupted" not in notebook.shown(2, "stopped, the answer is partial")
    notebook.prints(3, "interrupted claude-sonnet-5-5 True")
    expect(panel.stop).to_be_disabled()
    panel.shows("Conversation", "ideas · 0 turns")
    notebook.start(4)
    notebook.output(4).get_by_text("waits").wait_for(timeout=20_000)
    panel.choice("Model").select_option("fable · claude-fable-5-2")
    notebook.wait(4)
    notebook.shown(4, "seen fable")
    rows = notebook.run(5).locator("tbody tr")
    expect(rows).to_have_count(2)
    assert sorted(row.split("\t") for row in rows.all_inner_texts()) == [
        ["", "main", "1"],
        ["→", "ideas", "0"],
    ]
    notebook.close()


def test_without_subshells_stop_interrupts_and_choices_wait_for_the_cells_end(
    browser: Browser, server: Server
) -> None:
    old = versions.OLDER[-1]
    assert old.startswith("6.")
    versions.check(old)
    spec = {"name": versions.kernelspec(old), "display_name": old, "language": "python"}
    file = nbformat.v4.new_notebook(metadata={"kernelspec": spec})
    cells = [LOAD + "20", "%claude_panel", "%%claude\nwrite 3000 words", "print(_claude.stage)"]
    file.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(file, server.root / "old.ipynb")
    notebook = Notebook(browser, server, [], "old")
    notebook.run(0)
    notebook.run(1)
    panel = Panel(notebook)
    notebook.start(2)
    notebook.output(2).get_by_text("Part 1").first.wait_for(timeout=30_000)
    panel.choice("Model").select_option("haiku · claude-haiku-5-5")
    panel.stop.click()
    notebook.wait(2)
    notebook.shown(2, "stopped, the answer is partial")
    notebook.prints(3, "interrupted")
    panel.says("$0.10 in, $0.50 out")
    notebook.close()


def test_two_places_show_one_panel_and_unloading_leaves_a_table(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    cells = [LOAD + "0", "%claude_panel", "%claude_panel", "%unload_ext claude_magic"]
    notebook = Notebook(browser, server, cells, "closes")
    for index in range(3):
        notebook.run(index)
    first, second = Panel(notebook, 1), Panel(notebook, 2)
    first.choice("Model").select_option("opus · claude-opus-5-5")
    second.shows("Model", "opus · claude-opus-5-5")
    second.box.screenshot(path=tmp_path / "panel.png")
    book = notebook.save()
    (output,) = book.cells[1].outputs
    assert WIDGET in output.data
    assert "claude-sonnet" not in output.data["text/plain"]
    assert "$2 in, $10 out per million" in output.data["text/plain"]
    assert "$2 in" in output.data["text/markdown"].replace("\\", "").replace("<span>&#36;</span>", "$")
    notebook.run(3)
    for index in (1, 2):
        notebook.shown(index, "The panel was closed.", "opus")
        assert notebook.output(index).locator(".claude-panel").count() == 0
    notebook.close()
