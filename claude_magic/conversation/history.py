"""The conversation as a value: every change gives a new one and leaves the old as it was."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from claude_magic.values import Turn

OnRerun = Literal["replace", "append", "truncate"]
"""What running a cell again does to the turn that it made before."""

PARTIAL = frozenset({"interrupted", "cut", "max_tokens"})
"""Stages of an answer that can be gone on with."""

# Where one run of a cell asks more than once, the number stands behind the cell's id. No front end's id has
# a space in it: nbformat allows letters, digits, - and _, and VS Code's is a URI.
_NTH = " "


def nth_of_cell(cell_id: str, count: int) -> str:
    """The id under which the ``count``-th question of one run of a cell is kept, counted from 1.

    A cell may ask more than once (lines of ``%claude``, a loop). Each of its questions replaces its own
    turn when the cell runs again, not the one just asked above it.
    """
    return f"{cell_id}{_NTH}{count}" if cell_id and count > 1 else cell_id


def cell_of(cell_id: str) -> str:
    """The front end's id of the cell, whichever of its questions is meant."""
    return cell_id.partition(_NTH)[0]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in the order in which they stand in the notebook.

    Parameters
    ----------
    id : str
        A hexadecimal uuid; ``""`` for one that is not kept.
    name : str
        What the user calls it.
    turns : tuple of Turn
        A cell's turn stands where that cell first asked.
    """

    id: str = ""
    name: str = "main"
    turns: tuple[Turn, ...] = ()

    def answered(self) -> tuple[Turn, ...]:
        """The turns that a new question follows.

        A turn without a reply that can be sent back is none of them: neither a question nobody answered
        nor half of an exchange goes out again.
        """
        return tuple(turn for turn in self.turns if turn.goes_back)

    def above(self, cell_id: str, on_rerun: OnRerun) -> Conversation:
        """What a question from this cell follows: all, or what stands above the cell's earlier turn."""
        place = self._place(cell_id, on_rerun)
        return self if place is None else replace(self, turns=self.turns[:place])

    def put(self, turn: Turn, on_rerun: OnRerun = "replace") -> Conversation:
        """The conversation with this turn in its place.

        Parameters
        ----------
        turn : Turn
            What was just asked; it is fresh, whatever it says.
        on_rerun : OnRerun
            For a turn of a cell that has one already. ``"replace"``: it takes the place of the first, any
            further ones of that cell leave, and the turns below become stale, unless the exchange is the
            same as before. ``"truncate"``: the turns below leave. ``"append"``: it goes to the end.
        """
        fresh = replace(turn, stale=False) if turn.stale else turn
        place = self._place(turn.cell_id, on_rerun)
        if place is None:
            return replace(self, turns=(*self.turns, fresh))
        above, old = self.turns[:place], self.turns[place]
        if on_rerun == "truncate":
            return replace(self, turns=(*above, fresh))
        below = self.turns[place + 1 :]
        kept = tuple(other for other in below if other.cell_id != turn.cell_id)
        if not (_same_exchange(old, fresh) and len(kept) == len(below)):
            kept = _stale(kept)
        return replace(self, turns=(*above, fresh, *kept))

    def inserted(self, turn: Turn, place: int, *, instead: bool = False) -> Conversation:
        """The conversation with a turn at a place, or in that of the one there; those below are stale."""
        below = _stale(self.turns[place + instead :])
        return replace(self, turns=(*self.turns[:place], turn, *below))

    def without_cells(self, cell_ids: Collection[str]) -> Conversation:
        """The conversation after cells were deleted: their turns leave, those below become stale."""
        gone = set(cell_ids) - {""}
        place = next((i for i, turn in enumerate(self.turns) if cell_of(turn.cell_id) in gone), None)
        if place is None:
            return self
        below = tuple(turn for turn in self.turns[place:] if cell_of(turn.cell_id) not in gone)
        return replace(self, turns=(*self.turns[:place], *_stale(below)))

    def undo(self, count: int = 1) -> Conversation:
        """The conversation without its last turns."""
        if count <= 0 or not self.turns:
            return self
        return replace(self, turns=self.turns[: max(0, len(self.turns) - count)])

    def compacted(self, summary: Turn, count: int) -> Conversation:
        """The conversation with a summary in the place of its first ``count`` turns.

        The others stay as they are, and are not stale for that: what they followed is still what was said.
        """
        return replace(self, turns=(summary, *self.turns[count:]))

    def has(self, cell_id: str) -> bool:
        """Whether a turn of this cell stands in it."""
        return any(turn.cell_id == cell_id for turn in self.turns)

    def summarises(self, ids: Collection[str]) -> bool:
        """Whether a summary in it stands for any of these turns."""
        return any(not set(ids).isdisjoint(turn.stands_for) for turn in self.turns if turn.stands_for)

    def fork(self, id: str, name: str) -> Conversation:  # noqa: A002 - the field's own name
        """Another conversation with the same past; the turns are shared, also in the store."""
        return replace(self, id=id, name=name)

    def _place(self, cell_id: str, on_rerun: OnRerun) -> int | None:
        """Where the cell's first turn stands, if that matters."""
        if not cell_id or on_rerun == "append":
            return None
        return next((i for i, turn in enumerate(self.turns) if turn.cell_id == cell_id), None)


def _stale(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    return tuple(turn if turn.stale else replace(turn, stale=True) for turn in turns)


def _same_exchange(old: Turn, new: Turn) -> bool:
    """Whether turns below see no difference: the same was asked and the same answered."""
    asked = [(one.kind, one.json) for one in old.blocks] == [(one.kind, one.json) for one in new.blocks]
    said = old.reply == new.reply and _sent(old) == _sent(new)
    return asked and said


def _sent(turn: Turn) -> list[tuple[bytes, ...]]:
    """What the rounds of a turn send, their tool results too."""
    return [
        (round_.reply, *(block.json for call in round_.calls for block in call.result))
        for round_ in turn.rounds
    ]
