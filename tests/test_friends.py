"""What else handles notebooks: nbclient, nbstripout, jupytext, papermill, nbconvert, a PDF of its page."""

from __future__ import annotations

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pypdf
import pytest
from nbconvert import HTMLExporter, MarkdownExporter

from tests.kernels import clean_environment

CHECKOUT = str(Path(__file__).parent.parent)
PROMPT = """Why is {{ town }} not in import or def?

# %% a line like a marker
# don't lose me
What then?"""
CELLS = (
    "%load_ext claude_magic\n%claude_offline --pace 0",
    'town = "Bath"',
    f"%%claude -m opus\n{PROMPT}",
    "%claude say: **Hello** $x^2$ <script>alert(1)</script> {{ town }}",
    "%claude_history",
)
TURN = "application/vnd.claude-magic.turn+json"


def tool(home: Path, *arguments: str) -> None:
    """Run a tool of this environment as the shell would."""
    environment = clean_environment(
        home, PYTHONPATH=CHECKOUT, JUPYTER_DATA_DIR=str(home / "data"), CLAUDE_MAGIC_STORE="memory"
    )
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=environment, cwd=home, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def written(home: Path) -> Path:
    """The notebook, never run."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    book.cells = [nbformat.v4.new_code_cell(cell, id=f"cell-{i}") for i, cell in enumerate(CELLS)]
    book.cells[1].metadata["tags"] = ["parameters"]
    path = home / "talk.ipynb"
    nbformat.write(book, path)
    return path


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def shown(book: Any) -> list[Any]:
    """The outputs of all cells, without the metadata that alone may differ."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    return [{key: value for key, value in output.items() if key != "metadata"} for output in outputs]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook, run by papermill with another town than its own."""
    path = written(tmp_path_factory.mktemp("friends"))
    tool(path.parent, "papermill", path.name, "run.ipynb", "-p", "town", "York", "--no-progress-bar")
    return path.with_name("run.ipynb")


def test_papermills_parameters_reach_the_prompt_and_a_second_run_gives_equal_outputs(
    executed: Path, tmp_path: Path
) -> None:
    outputs = shown(read(executed))
    assert len(outputs) == 4
    assert "Why is York not in" in outputs[1]["data"]["text/plain"]
    again = tmp_path / "again.ipynb"
    again.write_bytes(executed.read_bytes())
    tool(tmp_path, "nbconvert", "--to", "notebook", "--execute", "--inplace", again.name)
    assert shown(read(again)) == outputs


def test_nbstripout_leaves_the_questions(executed: Path, tmp_path: Path) -> None:
    path = tmp_path / "stripped.ipynb"
    path.write_bytes(executed.read_bytes())
    tool(tmp_path, "nbstripout", path.name)
    assert shown(read(path)) == []
    assert TURN not in path.read_text("utf-8")
    assert [cell.source for cell in read(path).cells if cell.source in CELLS] == list(CELLS)


def test_jupytext_keeps_the_cells(tmp_path: Path) -> None:
    book = read(written(tmp_path))
    for kind in ("md", "ipynb"):
        assert [cell.source for cell in jupytext.reads(jupytext.writes(book, kind), kind).cells] == list(
            CELLS
        )
    # A script has questions as comments once it is told so; jupytext knows no magics but the usual ones.
    book.metadata["jupytext"] = {"custom_cell_magics": "claude"}
    text = jupytext.writes(book, "py:percent")
    compile(text, "talk.py", "exec")
    assert [cell.source for cell in jupytext.reads(text, "py:percent").cells] == list(CELLS)


def test_nbconverts_markdown_has_the_answers(executed: Path) -> None:
    text, _ = MarkdownExporter().from_notebook_node(read(executed))
    outputs = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)  # without what was typed
    assert "Why is York not in" in outputs
    assert "**Hello** $x^2$" in outputs
    assert "<script" not in outputs
    assert "claude-opus" in outputs


def test_nbconverts_page_has_the_answers_and_no_script_of_ours_and_prints(
    executed: Path, tmp_path: Path
) -> None:
    text, _ = HTMLExporter().from_notebook_node(read(executed))
    assert "<strong>Hello</strong>" in text
    assert "widget-view" not in text
    scripts = re.findall(r"<script\b.*?</script>", text, re.DOTALL)
    assert not [script for script in scripts if "claude" in script or "alert" in script]
    assert "not in import or def?" in text  # in one piece: a question is not coloured as Python
    from tests.pages import chromium  # here, because it wants no machine for itself

    page = tmp_path / "page.html"
    page.write_text(text, "utf-8")
    with chromium() as browser:
        opened = browser.new_page()
        opened.route(re.compile("^https?:"), lambda route: route.abort())
        opened.goto(page.as_uri(), wait_until="domcontentloaded")
        printed = pypdf.PdfReader(BytesIO(opened.pdf()))
    words = " ".join(" ".join(one.extract_text() for one in printed.pages).split())
    assert "Why is York not in" in words
