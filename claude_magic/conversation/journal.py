"""Turns under way: who streams them, and their streams as received. Inside a transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from claude_magic.conversation.codec import RoundTexts, text_cell
from claude_magic.conversation.owner import is_alive, this_process
from claude_magic.conversation.reading import turns_of
from claude_magic.values import Turn


@dataclass(slots=True)
class Underway:
    """A turn this kernel streams: what is owed to the journal, and what is known to be written."""

    conversation: str
    turn: Turn
    reuse_key: str
    lines: list[str]
    written: bool = False
    streaming: bool = False
    texts: RoundTexts = field(default_factory=RoundTexts)


def set_out(connection: sqlite3.Connection, turn: int, conversation_id: str) -> None:
    """Note that this process streams a turn."""
    connection.execute(
        "INSERT OR REPLACE INTO underway (turn, conversation, owner, beat) VALUES (?, ?, ?, ?)",
        (turn, conversation_id, this_process(), time.time()),
    )


def append(connection: sqlite3.Connection, turn_id: str, lines: Sequence[str], *, first: bool) -> bool:
    """Keep what has arrived, and that this process is alive; False for a turn that is not there."""
    row = connection.execute("SELECT key FROM turns WHERE id = ?", (text_cell(turn_id),)).fetchone()
    if row is None:
        return False
    connection.execute(
        "INSERT INTO journal (turn, at, lines) VALUES (?, ?, ?)", (row[0], time.time(), json.dumps(lines))
    )
    if first:
        connection.execute("UPDATE turns SET stage = 'streaming' WHERE key = ?", row)
    return True


def begin_anew(connection: sqlite3.Connection, turn: int) -> None:
    """A round has ended: the turn's row has what its journal had."""
    connection.execute("DELETE FROM journal WHERE turn = ?", (turn,))


def forget(connection: sqlite3.Connection, turn: int) -> None:
    """A turn has ended: its row says all that its journal did."""
    if connection.execute("DELETE FROM underway WHERE turn = ?", (turn,)).rowcount:
        connection.execute("DELETE FROM journal WHERE turn = ?", (turn,))


def take_over(connection: sqlite3.Connection, conversation_id: str) -> list[tuple[Turn, list[str]]]:
    """Turns whose process is dead, with their streams; they are this process's from now on."""
    now = time.time()
    rows = connection.execute(
        "SELECT turn, owner, MAX(beat, COALESCE((SELECT MAX(at) FROM journal j WHERE j.turn = u.turn), beat))"
        " FROM underway u WHERE conversation = ? ORDER BY turn",
        (conversation_id,),
    ).fetchall()
    dead = [turn for turn, owner, beat in rows if not is_alive(owner, now - beat)]
    connection.executemany(
        "UPDATE underway SET owner = ?, beat = ? WHERE turn = ?",
        [(this_process(), now, turn) for turn in dead],
    )
    turns = turns_of(connection, dict.fromkeys(dead, 0))
    return [(turns[key], _lines(connection, key)) for key in dead if key in turns]


def _lines(connection: sqlite3.Connection, turn: int) -> list[str]:
    lines: list[str] = []
    for (text,) in connection.execute("SELECT lines FROM journal WHERE turn = ? ORDER BY key", (turn,)):
        lines += json.loads(text)
    return lines
