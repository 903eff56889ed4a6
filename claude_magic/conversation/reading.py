"""Reading turns and conversations: each function works inside a transaction of its caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from claude_magic.conversation.codec import StoredBlock, block_of, cell_text, text_cell, turn_of
from claude_magic.values import Block, Turn


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list of conversations tells of one.

    Parameters
    ----------
    notebook : str
        The key its caller keeps it under.
    turns : int
        Turns it has now, replaced ones not counted.
    created, last : float
        Seconds since the epoch: its beginning, its last change.
    forked_from : str
        The id of the conversation whose past it shares, ``""`` for none.
    deleted : bool
        Whether it was deleted; it can be brought back.
    """

    id: str
    name: str
    notebook: str
    turns: int
    created: float
    last: float
    forked_from: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Version:
    """A turn as it stands, or stood, in a conversation.

    Parameters
    ----------
    position : int
        Its place; versions of one turn share it.
    live : bool
        Whether it is part of the conversation now: not replaced, undone or deleted.
    """

    turn: Turn
    position: int
    live: bool


def summaries(connection: sqlite3.Connection, notebook: str | bytes) -> list[Summary]:
    """The conversations of a notebook, deleted ones too, the last touched first."""
    rows = connection.execute(
        "SELECT id, name, notebook, (SELECT COUNT(*) FROM places WHERE conversation = key AND live = 1),"
        " created, touched, forked_from, deleted FROM conversations WHERE notebook = ?"
        " ORDER BY touched DESC, key DESC",
        (notebook,),
    )
    return [_summary(row) for row in rows]


def summary_of(connection: sqlite3.Connection, id_: str) -> Summary | None:
    """One conversation, None when it is not there."""
    row = connection.execute(
        "SELECT id, name, notebook, (SELECT COUNT(*) FROM places WHERE conversation = key AND live = 1),"
        " created, touched, forked_from, deleted FROM conversations WHERE id = ?",
        (id_,),
    ).fetchone()
    return None if row is None else _summary(row)


def _summary(row: tuple[Any, ...]) -> Summary:
    id_, name, notebook, turns, created, touched, forked_from, deleted = row
    return Summary(
        id_, cell_text(name), cell_text(notebook), turns, created, touched, forked_from, bool(deleted)
    )


def spent_since(connection: sqlite3.Connection, notebook: str | bytes, since: float, *, demo: bool) -> float:
    """USD that a notebook's questions have cost since a moment; what forks share counts once."""
    row = connection.execute(
        "SELECT total(t.cost) FROM turns t JOIN conversations c ON c.id = t.conversation"
        " WHERE c.notebook = ? AND t.began >= ? AND t.demo = ? AND t.reused = 0",
        (notebook, since, demo),
    ).fetchone()
    return float(row[0])


def holding(connection: sqlite3.Connection, notebook: str, cell_id: str) -> list[str]:
    """Ids of the notebook's conversations in which a cell has a turn now, the last touched first."""
    rows = connection.execute(
        "SELECT c.id FROM turns t JOIN places p ON p.turn = t.key AND p.live = 1"
        " JOIN conversations c ON c.key = p.conversation"
        " WHERE t.cell_id = ? AND c.notebook = ? AND c.deleted = 0"
        " GROUP BY c.key ORDER BY c.touched DESC, c.key DESC",
        (text_cell(cell_id), text_cell(notebook)),
    )
    return [id_ for (id_,) in rows]


def asked_by(connection: sqlite3.Connection, cell_id: str) -> frozenset[str]:
    """Ids of all turns that a cell has ever asked."""
    rows = connection.execute("SELECT id FROM turns WHERE cell_id = ?", (text_cell(cell_id),))
    return frozenset(cell_text(id_) for (id_,) in rows)


def let_go(connection: sqlite3.Connection, conversation_id: str) -> frozenset[str]:
    """Ids of the turns that stood in a conversation and do not now."""
    rows = connection.execute(
        "SELECT t.id FROM conversations c JOIN places p ON p.conversation = c.key AND p.live = 0"
        " JOIN turns t ON t.key = p.turn WHERE c.id = ?",
        (conversation_id,),
    )
    return frozenset(cell_text(id_) for (id_,) in rows)


def live_turns(connection: sqlite3.Connection, conversation: int) -> tuple[tuple[Turn, ...], int]:
    """The turns of a conversation in order, and how many could not be read."""
    stale = dict(
        connection.execute(
            "SELECT turn, stale FROM places WHERE conversation = ? AND live = 1 ORDER BY position, turn",
            (conversation,),
        ).fetchall()
    )
    turns = turns_of(connection, stale)
    return tuple(turns[key] for key in stale if key in turns), len(stale) - len(turns)


def all_versions(connection: sqlite3.Connection, conversation: int) -> tuple[list[Version], int]:
    """The turns of a conversation, replaced ones too, in order, and how many could not be read."""
    rows = connection.execute(
        "SELECT turn, position, live, stale FROM places WHERE conversation = ? ORDER BY position, turn",
        (conversation,),
    ).fetchall()
    turns = turns_of(connection, {turn: stale for turn, _, _, stale in rows})
    versions = [
        Version(turns[turn], position, bool(live)) for turn, position, live, _ in rows if turn in turns
    ]
    return versions, len(rows) - len(turns)


def turns_of(connection: sqlite3.Connection, stale: Mapping[int, int]) -> dict[int, Turn]:
    """The turns of these keys, staleness given with each; those that cannot be read are left out."""
    keys = json.dumps(list(stale))
    blocks = _blocks_of(connection, keys)
    turns = {}
    for key, *row in connection.execute(
        "SELECT key, id, cell_id, stage, model, prompt, reply, shown, answer, cost, seconds, request_id,"
        " demo, began, conversation, reused FROM turns WHERE key IN (SELECT value FROM json_each(?))",
        (keys,),
    ):
        sent = blocks.get(key, [])
        try:
            whole = tuple(block for block in sent if block is not None)
            if len(whole) == len(sent):
                turns[key] = turn_of(tuple(row), whole, bool(stale[key]))
        except (ValueError, TypeError):
            continue
    return turns


def _blocks_of(connection: sqlite3.Connection, keys: str) -> dict[int, list[Block | None]]:
    """The blocks of turns; None for one that cannot be read. Equal ones are one value in memory too."""
    rows = connection.execute(
        "SELECT turn, data, thumbnail, about FROM turn_blocks WHERE turn IN (SELECT value FROM json_each(?))"
        " ORDER BY turn, ordinal",
        (keys,),
    ).fetchall()
    data = _attachments(connection, {key for row in rows for key in row[1:3] if key is not None})
    made: dict[tuple[int, int | None, str], Block | None] = {}
    blocks: dict[int, list[Block | None]] = {}
    for turn, *what in rows:
        content, thumbnail, about = what
        named = (content, thumbnail, about)
        if named not in made:
            made[named] = _block(data, content, thumbnail, about)
        blocks.setdefault(turn, []).append(made[named])
    return blocks


def _block(data: Mapping[int, bytes], content: int, thumbnail: int | None, about: str) -> Block | None:
    try:
        return block_of(StoredBlock(data[content], b"" if thumbnail is None else data[thumbnail], about))
    except (ValueError, TypeError, KeyError):
        return None


def _attachments(connection: sqlite3.Connection, keys: Collection[int]) -> dict[int, bytes]:
    return dict(
        connection.execute(
            "SELECT key, data FROM attachments WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(list(keys)),),
        ).fetchall()
    )


def setting(connection: sqlite3.Connection, notebook: str, name: str) -> str:
    """A value kept for a notebook, ``""`` for none."""
    asked = "SELECT value FROM settings WHERE notebook = ? AND name = ?"
    row = connection.execute(asked, (text_cell(notebook), name)).fetchone()
    return "" if row is None else cell_text(row[0])
