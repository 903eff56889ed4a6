"""The magic of tools: which kernel functions Claude may call in all cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_magic, magics_class

from claude_magic.errors import UsageProblem, at_the_door, did_you_mean
from claude_magic.session_magics import SessionMagics

if TYPE_CHECKING:
    from claude_magic.display.table import Table


@magics_class
class ToolMagics(SessionMagics):
    """What Claude may call: ``%claude_tools``."""

    @line_magic
    @at_the_door
    def claude_tools(self, line: str) -> Table | None:
        """List the kernel functions that Claude may call, or offer some, or take them back.

        ::

            %claude_tools                 the tools of all cells
            %claude_tools add f           offer f in all cells of this kernel
            %claude_tools add f,desk.find several; a method by its object's name
            %claude_tools remove f        offer it no more, and forget that it was always allowed

            %%claude --tools f,g          offer them in this cell only
            How many rows has the table orders?

        Any function whose parameters are annotated can be offered, sync or async, and so can bound methods
        and other callables. The model reads its name, its docstring and its parameters. What it returns goes
        back as anything goes that attaches: a figure as a picture, a frame as a table; an exception goes
        back as its type and message, and the model may try again.

        Before a call is run you are shown exactly what would run, and asked: once, always (this function,
        in this kernel, until it is defined anew) or no. Where nobody can be asked, the answer is no.
        Functions that only read can do without:

        ::

            import claude_magic

            @claude_magic.tool(approval=False)
            def rows(table: str) -> int:
                "Count the rows of a table."

        name="…" and description="…" set what the model is told in the place of the name and the docstring.
        Stop, or the notebook's interrupt, also ends a function that runs. --rounds N, or the setting
        tool_rounds, limits how often the model may go on with what its calls have brought.
        """
        action, _, rest = line.strip().partition(" ")
        if not action:
            return self._open().tools.table()
        if action == "add":
            names = self._open().tools.add(rest)
            print(f"Claude may now call {', '.join(names)}.")  # noqa: T201 - the magic's answer
            return None
        if action == "remove":
            self._open().tools.remove(rest)
            return None
        hint = did_you_mean(action, ("add", "remove"))
        raise UsageProblem(
            f"%claude_tools has no {action!r}.{hint} It takes add NAMES, remove NAMES, or nothing for a list."
        )
