"""Runs the tutorials offline and saves their outputs: ``python -m tests.execute_notebooks [NAME …]``."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def execute(path: Path) -> None:
    """Run one notebook in place; times are left out of what is saved, so that equal runs are equal files."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        for cassette in NOTEBOOKS.glob("*.cassette"):
            shutil.copy(cassette, folder)
        client = NotebookClient(
            notebook, timeout=120, record_timing=False, resources={"metadata": {"path": folder}}
        )
        kernel: Any = client.create_kernel_manager()
        kernel.kernel_spec.argv[0] = sys.executable
        asyncio.run(client.async_execute())
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("metadata", {}).pop("claude_magic", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")):
        execute(NOTEBOOKS / name)
