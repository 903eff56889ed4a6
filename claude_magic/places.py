"""Where a question is asked: in which conversation, under which cell, below which turns."""

from __future__ import annotations

from dataclasses import dataclass

from claude_magic.conversation.history import PARTIAL, Conversation, OnRerun
from claude_magic.errors import UsageProblem
from claude_magic.values import Turn


@dataclass(frozen=True, slots=True)
class CellRun:
    """A run of a cell, and how often it has asked."""

    cell_id: str = ""
    execution: int = -1
    count: int = 0

    def during(self, cell_id: str, execution: int) -> bool:
        """Whether it is this run."""
        return (self.cell_id, self.execution) == (cell_id, execution)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question is asked.

    Parameters
    ----------
    conversation : Conversation
        The one it is asked in; without an id where it is yet to be made.
    cell : str
        The id under which the turn is kept.
    history : tuple of Turn
        What stands above it and is sent along.
    rerun : OnRerun
        How its turn is kept.
    asked : CellRun
        What was asked in the same run of the cell.
    """

    conversation: Conversation
    cell: str
    history: tuple[Turn, ...]
    rerun: OnRerun
    asked: CellRun


def going_on(conversation: Conversation, cell: str, rerun: OnRerun, asked: CellRun) -> Place:
    """The place of a question for the rest of a partial answer; where that is the cell's own, both stay."""
    own = [turn for turn in conversation.turns if turn.cell_id == cell] if cell else []
    again = bool(own) and own[-1].stage in PARTIAL
    history = (conversation if again else conversation.above(cell, rerun)).answered()
    if not history or history[-1].stage not in PARTIAL:
        raise UsageProblem(
            "--continue: the last answer in this conversation is whole, or there is none, so there is "
            "nothing to go on from. Nothing was sent."
        )
    return Place(conversation, cell, history, "append" if again else rerun, asked)
