"""The reply as the user holds it: ``_claude`` after each cell, and what ``%claude`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from claude_magic.display.markdown import code_blocks
from claude_magic.display.shown import ShownOnce
from claude_magic.display.static import bundle
from claude_magic.display.status import final_line
from claude_magic.display.untrusted import visible
from claude_magic.values import Call, Part, Stage, Turn, Usage


@dataclass(frozen=True, slots=True)
class Reply(ShownOnce):
    """An answer of the model: ``_claude`` after each cell, and what `claude_magic.ask` returns.

    ``str(reply)`` is its text; as the value of a cell it shows itself as the cell that asked would have.

    Parameters
    ----------
    turn : Turn
        The exchange it belongs to.
    shown_in : int
        The execution count of the cell that has shown it already; it is not shown there twice.
    data : object
        The data that ``--schema`` asked for, checked; None where there are none.

    Examples
    --------
    >>> reply = claude_magic.ask("Name three colours.", schema=list[str])  # doctest: +SKIP
    >>> reply.data, reply.usage.output_tokens, reply.cost  # doctest: +SKIP
    (['red', 'green', 'blue'], 17, 0.0003)
    """

    turn: Turn = field(repr=False)
    shown_in: int = field(default=0, repr=False)
    data: Any = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.turn.text

    @property
    def blocks(self) -> tuple[Part, ...]:
        """All content blocks: text, thinking, tool use."""
        return (
            tuple(part for round_ in self.turn.rounds for part in round_.answer.parts)
            + self.turn.answer.parts
        )

    @property
    def calls(self) -> tuple[Call, ...]:
        """The tool calls that were answered, in order: names, arguments, results."""
        return tuple(call for round_ in self.turn.rounds for call in round_.calls)

    @property
    def code(self) -> list[str]:
        """The contents of the answer's fenced code blocks, in order."""
        return code_blocks(self.text)

    @property
    def usage(self) -> Usage:
        """Tokens, as the API counted them."""
        return self.turn.usage

    @property
    def cost(self) -> float | None:
        """USD; None where no price is known."""
        return self.turn.cost

    @property
    def model(self) -> str:
        """The id of the model that answered."""
        return self.turn.model

    @property
    def stage(self) -> Stage:
        """How the turn ended: ``complete``, ``interrupted``, ``cut``, ``refused`` and so on."""
        return self.turn.stage

    @property
    def stop_reason(self) -> str:
        """The API's word for why the reply ended; ``""`` when its end was not seen."""
        return self.turn.answer.stop_reason

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Reply: {final_line(self.turn)}>"

    def _printed(self) -> str:
        return visible(self.text)

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle(self.turn)
