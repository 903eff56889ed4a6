"""The store of conversations: one SQLite database for all notebooks of a user.

What it is given is a value before and a value after; it writes the difference in one transaction. It
never raises for what a disk does: it says so once, goes on in memory, and writes what it owes with the
next turn.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from claude_magic.conversation import journal, reading, search, usage
from claude_magic.conversation.access import Access
from claude_magic.conversation.asked import AskedStore
from claude_magic.conversation.batches import BatchShelf
from claude_magic.conversation.codec import cell_text, text_cell
from claude_magic.conversation.difference import difference
from claude_magic.conversation.history import Conversation
from claude_magic.conversation.journal import Underway
from claude_magic.conversation.reading import (
    Summary,
    Version,
    all_versions,
    live_turns,
    spent_since,
    summaries,
    summary_of,
    turns_of,
)
from claude_magic.conversation.search import Found
from claude_magic.conversation.writing import add_conversation, apply, key_of, save_turn, touch
from claude_magic.values import Turn


class Store:
    """All conversations, kept. Made by :meth:`open`.

    Every method may be called in any state of the disk; methods that write return whether it is written.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._notebooks: dict[str, tuple[str, str]] = {}
        """Conversation → its notebook and what it was forked from: the store may have to be begun anew."""
        self._behind: dict[str, list[Conversation]] = {}
        """Conversation → its value as last written and those since, where a write has failed."""
        self._seen: dict[str, tuple[int, Conversation]] = {}
        """Conversation → its revision when this kernel last read or wrote it, and its value."""
        self._underway: dict[str, Underway] = {}
        self.asked, self.batches = AskedStore(access), BatchShelf(access)
        """Questions asked by the hundred; Message Batches."""

    @classmethod
    def open(cls, path: Path | None) -> Store:
        """Open the store, None for one in memory; this never raises: see :attr:`problem`."""
        return cls(Access(path))

    @property
    def problem(self) -> str:
        """What is wrong now, in one line for the user; ``""`` when all is well."""
        return self._access.problem

    def news(self) -> str:
        """Problems since the last call, each said once."""
        return self._access.news()

    def close(self) -> None:
        """Close the database."""
        self._access.close()

    # Conversations

    def create(self, conversation: Conversation, notebook: str, forked_from: str = "") -> bool:
        """Begin keeping a conversation, with the turns it has; a fork's turns are shared, not copied."""
        self._notebooks[conversation.id] = (notebook, forked_from)
        return self.write(Conversation(conversation.id, conversation.name), conversation)

    def load(self, conversation_id: str) -> Conversation:
        """A conversation as it stands, deleted ones too; one without turns when it cannot be read."""
        return self._loaded(conversation_id) or Conversation(conversation_id)

    def _loaded(self, conversation_id: str) -> Conversation | None:
        def work(connection: sqlite3.Connection) -> tuple[Conversation, int, int] | None:
            row = connection.execute(
                "SELECT key, name, revision FROM conversations WHERE id = ?", (conversation_id,)
            ).fetchone()
            if row is None:
                return None
            key, name, revision = row
            turns, lost = live_turns(connection, key)
            return Conversation(conversation_id, cell_text(name), turns), revision, lost

        loaded = self._access.read(work, None)
        if loaded is None:
            return None
        conversation, revision, lost = loaded
        self._seen[conversation_id] = (revision, conversation)
        self._tell_lost(lost)
        return conversation

    def refreshed(self, conversation: Conversation) -> Conversation:
        """The conversation, read again if another kernel has written it since; else the value given."""
        id_ = conversation.id
        if id_ in self._behind:
            return conversation  # what is here is newer than what is there
        row = self._access.read(
            lambda connection: connection.execute(
                "SELECT revision FROM conversations WHERE id = ?", (id_,)
            ).fetchone(),
            None,
        )
        revision, seen = self._seen.get(id_, (-1, conversation))
        if row is None or (row[0] == revision and seen is conversation):
            return conversation
        return self._loaded(id_) or conversation

    def conversations(self, notebook: str) -> list[Summary]:
        """The conversations of a notebook, the last touched first, without the deleted ones."""
        none: list[Summary] = []
        found = self._access.read(lambda connection: summaries(connection, text_cell(notebook)), none)
        return [summary for summary in found if not summary.deleted]

    def spent_since(self, notebook: str, since: float, *, demo: bool) -> float:
        """USD that a notebook's questions have cost since a moment, in seconds since the epoch.

        Parameters
        ----------
        demo : bool
            Whether those are meant that the offline demo answered, at list price, or those that were paid.
        """
        cell = text_cell(notebook)
        return self._access.read(lambda connection: spent_since(connection, cell, since, demo=demo), 0.0)

    def find(self, conversation_id: str) -> Summary | None:
        """What is known of a conversation, deleted or not."""
        return self._access.read(lambda connection: summary_of(connection, conversation_id), None)

    def holding(self, notebook: str, cell_id: str) -> list[str]:
        """Ids of the notebook's conversations in which this cell has a turn now, the last touched first."""
        none: list[str] = []
        return self._access.read(lambda connection: reading.holding(connection, notebook, cell_id), none)

    def asked_by(self, cell_id: str) -> frozenset[str]:
        """Ids of all turns that a cell has ever asked, wherever they stand."""
        return self._access.read(lambda connection: reading.asked_by(connection, cell_id), frozenset())

    def let_go(self, conversation_id: str) -> frozenset[str]:
        """Ids of the turns that stood in a conversation and do not now: replaced, undone, summarised."""
        return self._access.read(lambda connection: reading.let_go(connection, conversation_id), frozenset())

    def bind(self, conversation_id: str, notebook: str) -> bool:
        """Move a conversation to another notebook: its path has been learnt."""
        self._notebooks[conversation_id] = (notebook, self._notebooks.get(conversation_id, ("", ""))[1])
        return self._change(
            "UPDATE conversations SET notebook = ? WHERE id = ?", text_cell(notebook), conversation_id
        )

    def rename_notebook(self, old: str, new: str) -> bool:
        """Move all conversations and settings of a notebook: it has been renamed or moved."""
        for id_, (notebook, forked_from) in self._notebooks.items():
            if notebook == old:
                self._notebooks[id_] = (new, forked_from)

        def work(connection: sqlite3.Connection) -> bool:
            names = (text_cell(new), text_cell(old))
            connection.execute("UPDATE conversations SET notebook = ? WHERE notebook = ?", names)
            connection.execute("UPDATE OR REPLACE settings SET notebook = ? WHERE notebook = ?", names)
            return True

        return self._access.write(work, False, durable=True)

    def delete(self, conversation_id: str) -> bool:
        """Mark a conversation as deleted; nothing of it leaves the store."""
        return self._change("UPDATE conversations SET deleted = 1 WHERE id = ?", conversation_id)

    def undelete(self, conversation_id: str) -> bool:
        """Take :meth:`delete` back."""
        return self._change("UPDATE conversations SET deleted = 0 WHERE id = ?", conversation_id)

    # Turns

    def begin(self, conversation_id: str, turn: Turn, reuse_key: str = "") -> bool:
        """Keep a question before its request goes out; it is safe from then on.

        Parameters
        ----------
        turn : Turn
            Without an answer, stage ``"pending"``, its id already the one it ends with.
        reuse_key : str
            A hash of all that the answer depends on, for :meth:`answered`.
        """
        mine = self._underway[turn.id] = Underway(conversation_id, turn, reuse_key, [])
        return self._begin(mine)

    def journal(self, turn_id: str, lines: Sequence[str]) -> bool:
        """Append data lines of the reply's stream as received; no lines at all are a sign of life.

        What could not be written goes with the next call, and is not needed once the turn is written.
        """
        mine = self._underway.get(turn_id)
        if mine is None:
            return False
        mine.lines += lines
        if not (mine.written or self._begin(mine)):
            return False
        first = not mine.streaming
        done = self._access.write(
            lambda connection: journal.append(connection, turn_id, mine.lines, first=first),
            False,
            durable=False,
        )
        if done:
            mine.lines, mine.streaming = [], True
        return done

    def advance(self, turn: Turn) -> bool:
        """Keep the rounds of a turn under way; its journal begins anew."""
        mine = self._underway.get(turn.id)
        if mine is None:
            return False
        mine.turn, mine.lines = turn, []

        def work(connection: sqlite3.Connection) -> bool:
            journal.begin_anew(connection, self._save(connection, turn, mine.reuse_key))
            return True

        return self._access.write(work, False, durable=True)

    def write(self, before: Conversation, after: Conversation, reuse_key: str = "") -> bool:
        """Write what has changed between two values of a conversation, whole or not at all.

        When it returns True, every turn of ``after`` is on disk. When not, the next call writes this
        change too. Doing it twice is doing it once.

        Parameters
        ----------
        reuse_key : str
            As of :meth:`begin`, for turns that were not begun.
        """
        id_ = after.id
        # Every value that could not be written, so that a turn replaced meanwhile is kept as a version too.
        values = self._behind.setdefault(id_, [before])
        if values[-1] is not after:
            values.append(after)
        notebook, forked_from = self._notebooks.get(id_, ("", ""))
        saved: list[str] = []

        def work(connection: sqlite3.Connection) -> tuple[bool, int, list[str]]:
            saved.clear()

            def save(turn: Turn) -> int:
                saved.append(turn.id)
                return self._save(connection, turn, reuse_key)

            key = key_of(connection, id_)
            # A conversation that is not there any more, whatever happened to the file, is written whole.
            whole = key is None
            steps = [Conversation(id_), *values] if whole else values
            if key is None:
                key = add_conversation(connection, id_, after.name, notebook, forked_from)
            problems: list[str] = []
            for old, new in pairwise(steps):
                problems += apply(connection, key, difference(old, new), save)
            return whole, touch(connection, key, after.name), problems

        done = self._access.write(work, None, durable=True)
        if done is None:
            return False
        whole, revision, problems = done
        del self._behind[id_]
        if whole or self._seen.get(id_, (-1, before))[0] == revision - 1:
            self._seen[id_] = (revision, after)  # else another kernel has written: refreshed() will see
        for turn_id in saved:
            self._underway.pop(turn_id, None)
        for problem in problems:
            self._access.say(problem)
        return not problems

    def record(self, turn: Turn, reuse_key: str = "") -> bool:
        """Keep a turn that ended outside the conversation: it is found by its hash, never by a load."""
        done = self._access.write(
            lambda connection: bool(self._save(connection, turn, reuse_key)), False, durable=True
        )
        if done:
            self._underway.pop(turn.id, None)
        return done

    def keep_beside(self, conversation: Conversation, turn: Turn, reuse_key: str = "") -> bool:
        """Keep a turn among those that stood in a conversation and do not now."""
        stood = conversation.put(turn, "append")
        self._behind.setdefault(conversation.id, [conversation]).append(stood)
        return self.write(stood, conversation, reuse_key)

    def unfinished(self, conversation_id: str) -> list[tuple[Turn, list[str]]]:
        """Turns that a dead kernel left, with the stream as far as it was received; they are ours then.

        The caller makes each a turn that has ended, with the same id, and writes it.
        """
        return self._access.write(
            lambda connection: journal.take_over(connection, conversation_id), [], durable=False
        )

    def versions(self, conversation_id: str) -> list[Version]:
        """Every turn a conversation has or had, in order; versions of one stand side by side."""

        def work(connection: sqlite3.Connection) -> tuple[list[Version], int]:
            key = key_of(connection, conversation_id)
            return ([], 0) if key is None else all_versions(connection, key)

        none: tuple[list[Version], int] = ([], 0)
        versions, lost = self._access.read(work, none)
        self._tell_lost(lost)
        return versions

    def answered(self, reuse_key: str) -> Turn | None:
        """The latest whole answer to the same question, by the hash given when it was asked."""

        def work(connection: sqlite3.Connection) -> Turn | None:
            row = connection.execute(
                "SELECT key FROM turns WHERE reuse_key = ? AND reuse_key <> '' AND stage = 'complete'"
                " ORDER BY key DESC LIMIT 1",
                (reuse_key,),
            ).fetchone()
            return None if row is None else turns_of(connection, {row[0]: 0}).get(row[0])

        return self._access.read(work, None)

    def search(self, words: str, notebook: str | None = None) -> list[Found]:
        """Turns whose prompt or answer holds all the words, the latest first; also replaced ones."""
        self._access.try_to(search.bring_up_to_date, search.drop_index)
        none: list[Found] = []
        return self._access.read(lambda connection: search.find(connection, words, notebook), none)

    # Usage
    def spent(
        self, saved: usage.Saved, notebook: str | None = None, since: float = math.inf
    ) -> list[usage.Spent]:
        """What turns have used and cost, each once: those of a notebook, or of all.

        Parameters
        ----------
        saved : callable
            What the prompt cache saved, by a model's price list.
        since : float
            Turns that began later are told whatever their notebook.
        """
        none: list[usage.Spent] = []
        return self._access.read(lambda connection: usage.spent(connection, saved, notebook, since), none)

    def shared(self, conversation_id: str) -> usage.Shared:
        """What stands in a conversation and was not asked in it, so that its cost is counted elsewhere."""
        return self._access.read(lambda connection: usage.shared(connection, conversation_id), usage.Shared())

    # Settings

    def setting(self, notebook: str, name: str) -> str:
        """A value kept for a notebook, ``""`` for none."""
        return self._access.read(lambda connection: reading.setting(connection, notebook, name), "")

    def set_setting(self, notebook: str, name: str, value: str) -> bool:
        """Keep a value for a notebook."""
        return self._change(
            "INSERT OR REPLACE INTO settings (notebook, name, value) VALUES (?, ?, ?)",
            text_cell(notebook),
            name,
            text_cell(value),
        )

    def _begin(self, mine: Underway) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            key = save_turn(connection, mine.turn, mine.reuse_key)
            journal.set_out(connection, key, mine.conversation)
            return True

        mine.written = self._access.write(work, False, durable=True)
        return mine.written

    def _save(self, connection: sqlite3.Connection, turn: Turn, reuse_key: str) -> int:
        mine = self._underway.get(turn.id)
        kept = mine is not None and mine.written and mine.turn.blocks is turn.blocks
        texts = mine.texts if mine is not None else None
        key = save_turn(connection, turn, reuse_key, blocks_kept=kept, texts=texts)
        if turn.stage not in ("pending", "streaming"):
            journal.forget(connection, key)
        return key

    def _change(self, statement: str, *values: str | bytes) -> bool:
        return self._access.write(
            lambda connection: connection.execute(statement, values).rowcount > 0, False, durable=True
        )

    def _tell_lost(self, count: int) -> None:
        if count:
            self._access.say(f"{count} turns of this conversation cannot be read; they are left as they are.")
