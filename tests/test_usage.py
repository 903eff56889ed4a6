"""``%claude_usage`` in a real kernel: what was asked, what was paid earlier, a restart, a file, a plot."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from claude_magic import offline
from claude_magic.api.models import cost, find
from claude_magic.conversation.history import Conversation
from claude_magic.conversation.store import Store
from claude_magic.values import Usage
from tests.conversation.made import a_turn
from tests.kernels import Kernel, running_kernel

Start = Callable[[], Kernel]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    return path


@pytest.fixture
def start(tmp_path: Path, book: Path, local_api: offline.LocalApi) -> Iterator[Start]:
    """Starts kernels that all stand in the same notebook."""
    with ExitStack() as stack:
        count = 0

        def begin() -> Kernel:
            nonlocal count
            count += 1
            folder = tmp_path / f"k{count}"
            folder.mkdir()
            kernel = stack.enter_context(
                running_kernel(
                    folder,
                    ANTHROPIC_BASE_URL=local_api.url,
                    ANTHROPIC_API_KEY=local_api.token,
                    JUPYTER_DATA_DIR=str(tmp_path / "data"),
                    JPY_SESSION_NAME=str(book),
                )
            )
            assert kernel.run("%load_ext claude_magic").status == "ok"
            return kernel

        yield begin


def paid_earlier(data: Path, notebook: Path) -> None:
    """Turns of another day, that cost money, in the store."""
    usage = Usage(100, 200, 3_000, 500, 0, 50, True)
    model = find("claude-sonnet-5-5")
    assert model is not None
    talk = Conversation("a1" * 16)
    turns = [
        a_turn(f"=paid {n}", cell=f"p{n}", conversation=talk.id, cost=cost(model, usage)) for n in (1, 2)
    ]
    turns = [replace(turn, answer=replace(turn.answer, usage=usage)) for turn in turns]
    store = Store.open(data / "claude_magic" / "conversations.db")
    assert store.create(replace(talk, turns=tuple(turns)), str(notebook.resolve()))
    store.close()


def test_what_was_paid_and_the_demo_apart_also_after_a_restart(
    start: Start, tmp_path: Path, book: Path
) -> None:
    paid_earlier(tmp_path / "data", book)
    kernel = start()
    assert kernel.run("%%claude\nhello", cell_id="c1").status == "ok"
    table = kernel.run("%claude_usage", cell_id="u").result
    assert "Conversation main" in table
    assert (
        "Total: 2 turns, 7,200 tokens in (6,000 read from the prompt cache), 400 out (100 thinking), $0.0075."
        in table
    )
    assert "The prompt cache saved $0.0109 (59%): without it $0.0184." in table
    assert "Offline demo, not Claude, never charged: 1 turn" in table
    assert "This notebook: 2 turns, $0.0075; offline demo 1 turn" in table
    assert "Today, all notebooks: 0 turns, $0; offline demo 1 turn" in table
    again = start()
    assert again.run("%claude_usage", cell_id="u").result == table
    assert again.run("u = %claude_usage", cell_id="u").result == ""
    assert (
        again.value("(round(u.total.cost, 6), u.demo.turns, len(u.rows), len(u.frame))")
        == "(0.0075, 1, 3, 3)"
    )
    assert again.run("%claude_chat --fork branch", cell_id="x").status == "ok"
    fork = again.run("%claude_usage", cell_id="u").result
    assert "3 turns shared with another conversation are counted there" in fork
    assert "This notebook: 2 turns, $0.0075" in fork
    by_day = again.run("%claude_usage --all --by day", cell_id="u").result
    assert "2026-09-2" in by_day


def test_a_plot_that_needs_no_kernel_and_a_file(start: Start, tmp_path: Path, book: Path) -> None:
    paid_earlier(tmp_path / "data", book)
    kernel = start()
    ran = kernel.run("%claude_usage --plot --csv usage.csv", cell_id="u")
    assert ran.status == "ok", ran.error
    table, plot = ran.displayed
    assert set(table) == {"text/markdown", "text/plain"}
    assert set(plot) == {"image/png", "text/plain"}
    assert Image.open(io.BytesIO(base64.b64decode(plot["image/png"]))).format == "PNG"
    assert "Tokens of 2 turns: 7,600 in all" in plot["text/plain"]
    written = tmp_path / "k1" / "usage.csv"
    assert str(written) in ran.stdout
    with written.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["prompt"] for row in rows] == ["'=paid 1", "'=paid 2"]
    assert sum(float(row["cost"]) for row in rows) == 0.0075
    assert kernel.run("%claude_usage --by model --csv usage.csv", cell_id="u").status == "ok"
    assert "Did you mean 'model'" in kernel.run("%claude_usage --by mdoel", cell_id="u").error
    assert "takes flags only" in kernel.run("%claude_usage model", cell_id="u").error
    # A notebook that is saved now shows the picture anywhere.
    output = nbformat.v4.new_output("display_data", plot)
    nbformat.validate(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])]))


def test_a_map_is_one_line(start: Start) -> None:
    kernel = start()
    kernel.run("%%claude\nfirst", cell_id="a1")
    ran = kernel.run("%%claude_map --over range(4) --into out -m haiku\nDouble: {{ row }}", cell_id="a2")
    assert ran.status == "ok", ran.error
    assert kernel.run("report = %claude_usage", cell_id="a3").status == "ok"
    lines = kernel.value("[row[1:3] for row in report.table.rows]")
    assert "('%%claude_map Double: {{ row }} (4 rows)', 'claude-haiku-5-5'" in lines
    assert "no longer" not in kernel.value("repr(report)")
    assert kernel.value("len(report.table.rows)") == "2"


def test_before_anything_was_asked(start: Start) -> None:
    kernel = start()
    assert "Total: nothing yet." in kernel.run("%claude_usage --plot", cell_id="u").result
