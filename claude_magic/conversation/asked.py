"""Questions asked by the hundred, outside the conversation: found again, and kept, many at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from claude_magic.conversation.access import Access
from claude_magic.conversation.codec import cell_text, text_cell, turn_of
from claude_magic.conversation.writing import UNWRITABLE, save_turn
from claude_magic.values import Turn

_AT_ONCE = 500
_WHOLE = """
    SELECT '', t.reuse_key, t.id, t.cell_id, t.stage, t.model, t.prompt, t.reply, t.shown, t.answer,
    t.cost, t.seconds, t.request_id, t.demo, t.began, t.conversation, t.reused
    FROM turns t WHERE t.key IN (
        SELECT MAX(key) FROM turns WHERE reuse_key IN (SELECT value FROM json_each(?)) AND reuse_key <> ''
        AND stage = 'complete' GROUP BY reuse_key
    )
"""
_FAILED = """
    SELECT f.error, t.reuse_key, t.id, t.cell_id, t.stage, t.model, t.prompt, t.reply, t.shown, t.answer,
    t.cost, t.seconds, t.request_id, t.demo, t.began, t.conversation, t.reused
    FROM failures f JOIN turns t ON t.key = f.turn WHERE f.question IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a question.

    Parameters
    ----------
    key : str
        The question, whole, as a hash.
    turn : Turn
        As it ended; without its blocks where it comes from the store.
    error : str
        Why it has no whole answer, in one line; ``""`` where it has.
    """

    key: str
    turn: Turn
    error: str = ""


class AskedStore:
    """What the store knows of such questions.

    Parameters
    ----------
    access : Access
        The database.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def found(self, keys: Iterable[str]) -> dict[str, Kept]:
        """The last whole answer to each question that has one, the last failure of each that has not."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Kept] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            part = json.dumps(wanted[start : start + _AT_ONCE])
            none: dict[str, Kept] = {}
            found |= self._access.read(_reading(part), none)
        return found

    def record(self, ended: Sequence[Kept]) -> bool:
        """Keep turns that have ended: whole or not at all, and safe from the death of this process."""

        def work(connection: sqlite3.Connection) -> bool:
            for one in ended:
                try:
                    turn = save_turn(connection, one.turn, one.key)
                except UNWRITABLE:  # no words for it in JSON: it is asked again the next time
                    continue
                note(connection, one.key, turn, one.error)
            return True

        return self._access.write(work, False, durable=False)

    def forget_failures(self, keys: Sequence[str]) -> bool:
        """Let failures of these questions be as if they had never been asked."""

        def work(connection: sqlite3.Connection) -> bool:
            connection.executemany("DELETE FROM failures WHERE question = ?", [(key,) for key in keys])
            return True

        return self._access.write(work, False, durable=False)


def note(connection: sqlite3.Connection, question: str, turn: int, error: str) -> None:
    """Note why a question has no whole answer, ``""`` where it has; inside a transaction of the caller."""
    connection.execute("DELETE FROM failures WHERE question = ?", (question,))
    if error:
        connection.execute(
            "INSERT INTO failures (question, turn, error) VALUES (?, ?, ?)",
            (question, turn, text_cell(error)),
        )


def _reading(keys: str) -> Callable[[sqlite3.Connection], dict[str, Kept]]:
    def work(connection: sqlite3.Connection) -> dict[str, Kept]:
        failed = connection.execute(_FAILED, (keys,)).fetchall()
        whole = connection.execute(_WHOLE, (keys,)).fetchall()
        found: dict[str, Kept] = {}
        # The last whole answer goes before a failure, unless it is the failure: data that were not as asked.
        for error, key, *row in (*whole, *failed):
            if key in found and found[key].turn.id != row[0]:
                continue
            try:
                found[key] = Kept(key, turn_of(tuple(row), (), stale=False), cell_text(error))
            except (ValueError, TypeError):
                continue
        return found

    return work
