"""The conversation as a value: adding a turn gives a new one and leaves the old as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

from claude_magic.values import Turn


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in the order in which they stand in the notebook."""

    turns: tuple[Turn, ...] = ()

    def add(self, turn: Turn) -> Conversation:
        """The conversation with one more turn."""
        return replace(self, turns=(*self.turns, turn))

    def answered(self) -> tuple[Turn, ...]:
        """The turns that a new question follows.

        A turn without a reply that can be sent back is none of them: neither a question nobody answered
        nor half of an exchange goes out again.
        """
        return tuple(turn for turn in self.turns if turn.reply)
