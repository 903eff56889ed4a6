"""An answer's blocks of code as one new cell, which is never run by itself.

Python stays as it is. What is in another language is commented out, but for a block of shell or HTML that
is all there is: it gets its cell magic. Hidden characters are made visible first.
"""

from __future__ import annotations

import ast
import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.frontend import front_end
from claude_magic.display.markdown import CodeBlock, fences
from claude_magic.display.status import ended_how
from claude_magic.display.untrusted import visible
from claude_magic.values import Turn

PYTHON = frozenset({"python", "py", "python3", "py3", "ipython", "ipython3"})
MAGICS = {"bash": "%%bash", "shell": "%%bash", "sh": "%%sh", "html": "%%html"}
"""Cell magics for what may stand alone in a cell: what else is run is run by hand."""
NO_CODE = "There is no code in that answer."


def cell_of(turn: Turn) -> str:
    """The blocks of code of an answer as the text of a cell; ``""`` where there are none.

    Parameters
    ----------
    turn : Turn
        One that has ended; that its answer is partial is told in a comment.
    """
    blocks = fences(visible(turn.text))
    if not blocks:
        return ""
    how = ended_how(turn)
    magic = MAGICS.get(blocks[0].language)
    if magic and len(blocks) == 1 and not how:
        return f"{magic}\n{blocks[0].content.rstrip()}"
    told = f"# {visible(how)[:1].upper()}{visible(how)[1:]}: the code may be, too." if how else ""
    texts = [_written(block, at, len(blocks)) for at, block in enumerate(blocks, 1)]
    return "\n\n".join([*filter(None, [told]), *texts])


def offer(turn: Turn, shell: InteractiveShell) -> None:
    """Put an answer's code into a new cell below, once the running cell has ended; else say why not."""
    text = cell_of(turn)
    if not text:
        sys.stdout.write(f"{NO_CODE}\n")
    elif _has_cells(shell):
        _next_cell(shell, text)
    else:
        sys.stdout.write("No cell can be added here: the code is in _claude.code, %claude_code prints it.\n")


def offer_again(turn: Turn, shell: InteractiveShell) -> None:
    """The same for an earlier answer; where no cell can be added, its text is printed."""
    text = cell_of(turn)
    if text and _has_cells(shell):
        _next_cell(shell, text)
    else:
        sys.stdout.write(f"{text or NO_CODE}\n")


def _written(block: CodeBlock, number: int, count: int) -> str:
    """One block, below a line that numbers it where there are several."""
    content = block.content.rstrip()
    runs = block.language in PYTHON or (not block.language and _is_python(content))
    language = "" if runs or not block.language else f" ({block.language})"
    about = f"# Block {number} of {count}{language}" if count > 1 else f"#{language}" if language else ""
    text = content if runs else "\n".join(f"# {line}".rstrip() for line in content.split("\n"))
    return "\n".join(filter(None, (about, text)))


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _has_cells(shell: InteractiveShell) -> bool:
    """Whether the front end takes a text for its next cell, or prompt."""
    return front_end(shell) not in ("colab", "headless")


def _next_cell(shell: Any, text: str) -> None:
    """Ask for the cell; of one run the last request counts, so what was asked for before is kept in it."""
    payloads = getattr(shell, "payload_manager", None)
    if payloads is None:
        asked = getattr(shell, "rl_next_input", None)
    else:
        asked = next(
            (
                one.get("text")
                for one in payloads.read_payload()
                if one.get("source") == "set_next_input" and not one.get("replace")
            ),
            None,
        )
    shell.set_next_input(f"{asked}\n\n{text}" if asked else text)
