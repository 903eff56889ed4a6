"""Questions asked beside a conversation: their answers are kept and counted, and stand in none.

While one is under way it is kept as any other; when its kernel dies, what had come of it is kept too, and
does not enter the conversation either.
"""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.conversation.history import Conversation
from claude_magic.conversation.store import Store
from claude_magic.ending import recovered
from claude_magic.values import Turn


def _beside(conversation_id: str) -> str:
    """The name under which what is under way beside a conversation is found again."""
    return f"beside {conversation_id}"


class Aside:
    """The journal of questions asked beside a conversation; any thread may use it.

    Parameters
    ----------
    store : Store
        Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, turn: Turn, key: str) -> None:
        """Keep a prompt before it is sent."""
        self._store.begin(_beside(turn.conversation), turn, key)

    def journal(self, turn: Turn, lines: Sequence[str]) -> None:
        """Keep what has come of a reply."""
        self._store.journal(turn.id, lines)

    def advance(self, turn: Turn) -> None:
        """Keep the rounds of a turn that goes on."""
        self._store.advance(turn)

    def keep(self, turn: Turn, key: str, conversation: Conversation) -> None:
        """Keep a turn that has ended: in reach of the conversation, and not in it."""
        if turn.conversation == conversation.id:
            self._store.keep_beside(conversation, turn, key)
        else:  # a prompt's expression has spoken elsewhere meanwhile
            self._store.record(turn, key)


def recover(store: Store, conversation: Conversation) -> list[str]:
    """End what a dead kernel had asked beside a conversation; return what the user is told of it."""
    unfinished = store.unfinished(_beside(conversation.id))
    for turn, lines in unfinished:
        above = conversation.above(turn.cell_id, "replace").turns
        store.keep_beside(conversation, recovered(turn, lines, above))
    if not unfinished:
        return []
    count = f"{len(unfinished)} compared answer{'s were' if len(unfinished) > 1 else ' was'}"
    return [f"{count} cut when an earlier kernel ended; what came is kept: %claude_history --all shows it."]
