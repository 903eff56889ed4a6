"""What would be sent: the whole request as a table, for ``--dry-run`` and ``--count``."""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.display.strip import data_size, told
from claude_magic.display.table import Table
from claude_magic.values import Block, Turn

_START = 120


def preview(
    *,
    model: str,
    system: str,
    history: Sequence[Turn],
    blocks: Sequence[Block],
    size: int,
    total: str,
    done: str,
    extra: str = "",
) -> Table:
    """The parts of a request in the order in which they would go out.

    Parameters
    ----------
    size : int
        Bytes of the whole request.
    total : str
        What it comes to: tokens and cost.
    done : str
        What was done with it.
    extra : str
        Further parameters, as JSON.
    """
    rows = [("model", model, "")]
    if system:
        rows.append(("system", _start(system), _about(len(system))))
    if extra:
        rows.append(("extra", _start(extra), ""))
    for number, turn in enumerate(history, 1):
        rows += [(f"turn {number}, user", *_row(block)) for block in turn.blocks]
        rows.append((f"turn {number}, assistant", _start(turn.text), _about(len(turn.text))))
    rows += [("user", *_row(block)) for block in blocks]
    rows.append(("request", f"{data_size(size)}, {done}", total))
    return Table(("part", "content", "tokens"), tuple(rows))


def _row(block: Block) -> tuple[str, str]:
    if block.name:
        return f"{block.kind}: {told(block, tokens=False)}", f"≈{block.tokens:,}" if block.tokens else ""
    return _start(block.text), _about(len(block.text))


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _START else line[: _START - 1] + "…"


def _about(characters: int) -> str:
    return f"≈{max(1, round(characters / 3.3)):,}"
