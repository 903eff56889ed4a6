"""A comparison in a real JupyterLab: columns that stream side by side, one Stop, what is saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.display.hostile import payloads
from tests.faults import (
    FaultServer,
    Raw,
    Script,
    Seen,
    Sleep,
    Step,
    chunk,
    closed,
    delta,
    ended,
    head,
    opened,
    refusal,
    sse,
    start,
)
from tests.pages import Notebook, Server, chromium, jupyter_server

PARTIAL = "stopped, the answer is partial"
HOSTILE = [one for one in payloads() if one.kind in ("handler", "script", "formula", "scheme")][::23]
OWNED = "window.__hits = []; window.__owned = number => window.__hits.push(number);"


def choose(seen: Seen) -> Script:
    """Fable says no, and Opus ends soon; the others go on for a minute, with hostile text among the words."""
    model = str(seen.body["model"])
    if "fable" in model:
        return refusal(400, "invalid_request_error", "No <b onclick=__owned(1)>such</b> thing.")
    begun: dict[str, Any] = start()
    begun["message"]["model"] = model
    steps: list[Step] = [Raw(head()), Raw(chunk(sse(begun, opened())))]
    pieces = [f"**{model}** begins.\n\n", *(f"{one.text}\n\n" for one in HOSTILE), "Words: "]
    pieces += [f"word{number} " for number in range(20 if "opus" in model else 3000)]
    for piece in pieces:
        steps += [Raw(chunk(sse(delta("text_delta", text=piece)))), Sleep(0.02)]
    return (*steps, Raw(chunk(sse(closed(), *ended()))), Raw(chunk(b"")))


@pytest.fixture(scope="module")
def api() -> Iterator[FaultServer]:
    with FaultServer(choose) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, api: FaultServer) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    with jupyter_server(folder, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY="test-key") as running:
        yield running


def assert_side_by_side(columns: Locator) -> None:
    """See that three stand in a row, from left to right."""
    boxes = [columns.nth(number).bounding_box() for number in range(3)]
    (left, top), (middle, second), (right, third) = [(box["x"], box["y"]) for box in boxes if box]
    assert left < middle < right
    assert round(top) == round(second) == round(third)


def test_three_columns_stream_and_stop_keeps_them_and_they_are_saved(
    server: Server, api: FaultServer
) -> None:
    cells = ["%load_ext claude_magic", "%%claude -m haiku -m sonnet -m opus\nGo on.", "print(len(_claude))"]
    cells += ["%%claude -m fable -m haiku\nGo on."]
    with chromium() as browser:
        book = Notebook(browser, server, cells, "columns")
        page, output = book.page, book.output(1)
        page.add_init_script(OWNED)
        page.evaluate(OWNED)
        book.run(0)
        book.start(1)
        columns = output.locator(".claude-column")
        for number, name in enumerate(("haiku", "sonnet", "opus")):
            columns.nth(number).get_by_text(f"claude-{name}-5-5 begins.").wait_for(timeout=30_000)
        assert_side_by_side(columns)
        assert output.get_by_role("button", name="Stop").count() == 1
        # A column that has ended stays, with its figures, while the others go on.
        output.get_by_text("1 of 3 ended").wait_for(timeout=30_000)
        expect(columns.nth(2).locator(".claude-status em")).to_contain_text("10 in · 5 out")
        grown = columns.nth(0).inner_text()
        page.set_viewport_size({"width": 760, "height": 900})
        page.wait_for_function(
            "() => new Set([...document.querySelectorAll('.claude-column')]"
            ".map(one => one.getBoundingClientRect().x)).size === 1"
        )
        page.set_viewport_size({"width": 1100, "height": 900})
        output.get_by_role("button", name="Stop").click()
        book.wait(1)
        assert api.settled()
        output.locator("mjx-container").first.wait_for(timeout=30_000)  # formulas are set a moment later
        shown = book.shown(1, PARTIAL, "word19")
        assert output.locator(".claude-column").count() == 0
        assert shown.count(PARTIAL) == 2
        assert "word19" in output.locator("td").nth(2).inner_text()
        assert len(output.locator("td").nth(0).inner_text()) >= len(grown) - 300
        book.prints(2, "3")
        # What fails says so at once, while another goes on.
        book.start(3)
        problem = book.output(3).locator(".claude-column .claude-problem")
        expect(problem).to_contain_text("No <b onclick=__owned(1)>such</b> thing", timeout=30_000)
        book.output(3).get_by_text("word20").wait_for(timeout=30_000)
        book.output(3).get_by_role("button", name="Stop").click()
        book.wait(3)
        # What is saved, and what a page shows of it that comes anew.
        (saved,) = book.save().cells[1].outputs
        assert set(saved.data) == {"text/html", "text/markdown", "text/plain"}
        assert saved.data["text/html"].count("<td ") == 3
        assert "widget" not in json.dumps(saved)
        page.reload()
        again = book.output(1)
        again.locator("td").nth(2).wait_for(timeout=60_000)
        again.locator("mjx-container").first.wait_for(timeout=30_000)
        assert book.shown(1, PARTIAL) == shown
        assert_side_by_side(again.locator("td"))
        assert page.evaluate("window.__hits") == []
        book.close()
