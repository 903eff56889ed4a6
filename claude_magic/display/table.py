"""A small table that reads well in a notebook and in a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claude_magic.display.neutral import inline
from claude_magic.display.untrusted import visible


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; cells are plain text and may be foreign.

    Parameters
    ----------
    columns : tuple of str
        The headings.
    rows : tuple of tuple of str
        As many cells a row as there are columns.
    title : str
        A line above the table.
    numbers : tuple of str
        The headings of columns that are set to the right.
    foot : tuple of str
        Lines below the table.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    numbers: tuple[str, ...] = ()
    foot: tuple[str, ...] = ()

    def __repr__(self) -> str:
        cells = [[visible(cell).replace("\n", " ") for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        sides = [">" if name in self.numbers else "<" for name in self.columns]
        lines = [
            "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True))
            for row in cells
        ]
        lines.insert(1, "  ".join("─" * width for width in widths))
        if self.title:
            lines.insert(0, visible(self.title))
        return "\n".join([line.rstrip() for line in lines] + [visible(line) for line in self.foot])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """The table as Markdown and as plain text."""
        rule = "".join("---:|" if name in self.numbers else "---|" for name in self.columns)
        lines = [_row(self.columns), f"|{rule}", *map(_row, self.rows)]
        if self.title:
            lines[:0] = [inline(self.title), ""]
        if self.foot:
            lines += ["", *(f"- {inline(line)}" for line in self.foot)]
        return {"text/markdown": "\n".join(lines), "text/plain": repr(self)}


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(inline(cell).replace("|", "\\|") for cell in cells) + " |"
