"""The live view in a real JupyterLab and a real Chromium, as a user sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from claude_magic import offline
from tests.pages import Notebook, Server, chromium, jupyter_server

TURN = "application/vnd.claude-magic.turn+json"
LOAD = "%load_ext claude_magic"
ENDED = "claude-sonnet-5-5 ·"


@pytest.fixture(scope="module")
def slow_api() -> Iterator[offline.LocalApi]:
    """The local Messages API at the pace of a real model."""
    api = offline.start(pace=150)
    yield api
    api.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, slow_api: offline.LocalApi) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    with jupyter_server(folder, ANTHROPIC_BASE_URL=slow_api.url, ANTHROPIC_API_KEY=slow_api.token) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where a test leaves what it saw."""
    return tmp_path


def test_text_grows_formatted_and_gives_way_to_the_static_output(browser: Browser, server: Server) -> None:
    notebook = Notebook(browser, server, [LOAD, "%%claude\nwrite 500 words", "1 + 1"], "grows")
    page = notebook.page
    notebook.run(0)
    notebook.start(1)
    view = notebook.output(1).locator(".claude-magic")
    view.wait_for(timeout=30_000)
    lengths: list[int] = []
    lines: list[str] = []
    while view.count():
        seen = page.evaluate(
            "() => { const v = document.querySelector('.claude-magic');"
            " return v && [v.innerText.length, v.querySelector('.claude-status em').textContent,"
            " v.querySelectorAll('h1,h2,h3').length] }"
        )
        if seen is None:
            break
        lengths.append(seen[0])
        lines.append(seen[1])
        page.wait_for_timeout(100)
    assert len(set(lengths)) >= 8, lengths
    assert any(
        re.search(r"claude-sonnet-5-5 · [\d,]+ in · ≈[\d,]+ out · \$0\.\d+ · \d+ s", line) for line in lines
    )
    notebook.wait(1)
    out = notebook.output(1)
    expect(out.locator(".claude-magic")).to_have_count(0)
    out.locator(".jp-RenderedMarkdown h2").first.wait_for(timeout=30_000)
    assert "≈" not in out.inner_text()
    notebook.close()


def test_the_swap_does_not_move_the_page(browser: Browser, server: Server) -> None:
    cells = [
        LOAD,
        "%claude say: warm the renderer",
        "%%claude\nShow a table, a list, python code and a formula",
        "0",
    ]
    notebook = Notebook(browser, server, cells, "swap")
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    notebook.start(2)
    notebook.output(2).locator(".claude-magic").wait_for(timeout=30_000)
    frames = page.evaluate(
        """async () => {
          const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[2];
          const area = cell.querySelector('.jp-Cell-outputArea');
          const seen = [];
          let after = 0;
          while (after < 30) {
            await new Promise(requestAnimationFrame);
            const live = area.querySelector('.claude-magic');
            const root = live ?? area.querySelector('.jp-RenderedMarkdown');
            const top = area.getBoundingClientRect().top;
            const blocks = root ? [...root.children].map(node => node.getBoundingClientRect().top - top) : [];
            seen.push({live: !!live, height: area.getBoundingClientRect().height, blocks});
            if (!live) after += 1;
          }
          return seen;
        }"""
    )
    last_live = [frame for frame in frames if frame["live"]][-1]
    swapped = [frame for frame in frames if not frame["live"]]
    assert min(frame["height"] for frame in swapped) >= last_live["height"] - 1, "an empty frame at the swap"
    # The status line, and with it the open block, may still move down by the text of the last moment.
    standing = last_live["blocks"][:-2]
    assert len(standing) >= 4
    assert swapped[-1]["blocks"][: len(standing)] == pytest.approx(standing, abs=1)
    notebook.close()


def test_saved_and_reopened_without_a_kernel_it_reads_the_same(browser: Browser, server: Server) -> None:
    notebook = Notebook(browser, server, [LOAD, "%%claude\nShow python code and a table"], "reopen")
    notebook.run(0)
    notebook.run(1)
    live = notebook.shown(1, ENDED)
    book = notebook.save()
    (output,) = book.cells[1].outputs
    assert set(output.data) == {"text/markdown", "text/plain", TURN}
    notebook.page.goto("about:blank")
    notebook.close()
    again = Notebook(browser, server, [], "reopen")
    assert again.shown(1, ENDED) == live
    assert again.output(1).locator("pre code").count() >= 1
    again.close()


def stop_in_mid_reply(notebook: Notebook) -> None:
    """Run cell 1, press its Stop button after a moment, and see that it says so."""
    notebook.start(1)
    stop = notebook.output(1).get_by_role("button", name="Stop")
    stop.wait_for(timeout=30_000)
    notebook.page.wait_for_timeout(800)
    stop.click()
    notebook.wait(1)
    notebook.shown(1, "stopped, the answer is partial")


def test_the_stop_button_keeps_what_has_come(browser: Browser, server: Server) -> None:
    cells = [LOAD, "%%claude\nwrite 3000 words", "print(_claude.stage, len(_claude.text) > 20)"]
    notebook = Notebook(browser, server, cells, "stop")
    notebook.run(0)
    stop_in_mid_reply(notebook)
    notebook.prints(2, "interrupted True")
    notebook.close()


def test_the_dark_theme_is_followed(browser: Browser, server: Server) -> None:
    notebook = Notebook(browser, server, [LOAD, "%%claude\nwrite 300 words"], "dark")
    page = notebook.page
    page.evaluate("document.body.dataset.jpThemeLight")
    page.get_by_role("menuitem", name="Settings").click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text("JupyterLab Dark", exact=True).click()
    page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    notebook.run(0)
    notebook.start(1)
    view = notebook.output(1).locator(".claude-magic p").first
    view.wait_for(timeout=30_000)
    # In one go: the open paragraph is made anew while it grows.
    colour = page.evaluate("() => getComputedStyle(document.querySelector('.claude-magic p')).color")
    channels = [int(part) for part in re.findall(r"\d+", colour)[:3]]
    assert min(channels) > 120, colour
    notebook.wait(1)
    notebook.close()


def test_the_view_is_announced_and_reachable_by_keyboard(browser: Browser, server: Server) -> None:
    notebook = Notebook(browser, server, [LOAD, "%%claude\nwrite 1500 words"], "keys")
    notebook.run(0)
    notebook.start(1)
    view = notebook.output(1).locator(".claude-magic")
    view.wait_for(timeout=30_000)
    assert view.get_attribute("aria-busy") == "true"
    assert view.locator("[role=status]").count() == 1
    stop = view.get_by_role("button", name="Stop")
    stop.focus()
    notebook.page.keyboard.press("Enter")
    notebook.wait(1)
    notebook.shown(1, "stopped, the answer is partial")
    notebook.close()


def test_running_a_cell_again_replaces_its_turn(browser: Browser, server: Server) -> None:
    cells = [LOAD, "%%claude\nMy name is Ada.", "%%claude\nMy dog is Rex.", "%claude_history"]
    notebook = Notebook(browser, server, cells, "rerun")
    notebook.run(0)
    notebook.run(1)
    notebook.run(2)
    notebook.run_again(1)
    notebook.start(3)
    table = notebook.output(3).locator("table")
    table.wait_for(timeout=30_000)
    expect(table.locator("tbody tr")).to_have_count(2)
    rows = [row.inner_text() for row in table.locator("tbody tr").all()]
    assert "Ada" in rows[0]
    assert "stale" not in rows[0]
    notebook.close()


def test_notebook_7_streams_stops_and_keeps(browser: Browser, server: Server) -> None:
    cells = [LOAD, "%%claude\nwrite 2000 words", "%%claude\nShow a table", "print(_claude.stage)"]
    notebook = Notebook(browser, server, cells, "seven", place="notebooks")
    notebook.run(0)
    stop_in_mid_reply(notebook)
    out = notebook.run(2)
    expect(out.locator(".jp-RenderedMarkdown table")).to_have_count(1)
    notebook.prints(3, "complete")
    notebook.close()
