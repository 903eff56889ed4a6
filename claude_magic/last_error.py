"""The last error of this kernel, for ``--error``."""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.content.above import Cell
from claude_magic.content.crash import crash_blocks
from claude_magic.errors import UsageProblem, last_error
from claude_magic.values import Block

WHY = (
    "What is the cause of this error, and how do I fix it? Name the cause briefly, then show the mended code."
)
"""What ``--error`` asks where the cell says nothing."""


def error_blocks(shell: InteractiveShell) -> tuple[Block, ...]:
    """The last error with its cells and variables, as a block.

    Raises
    ------
    UsageProblem
        When there was none. Nothing was sent.
    """
    error = last_error()
    if error is None:
        raise UsageProblem("--error: no error was raised in this kernel so far. Nothing was sent.")
    history: Any = shell.history_manager
    sources = list(history.input_hist_raw)
    names: dict[str, int] = getattr(shell.compile, "_filename_map", {})
    cells = {
        name: Cell(number, sources[number])
        for name, number in names.items()
        if isinstance(number, int) and 0 < number < len(sources)
    }
    return crash_blocks(error, cells)
