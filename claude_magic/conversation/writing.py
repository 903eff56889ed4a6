"""Writing turns: each function works inside a transaction of its caller."""

from __future__ import annotations

import functools
import hashlib
import sqlite3
import time
from collections.abc import Callable, Sequence

from claude_magic.conversation.codec import RoundTexts, StoredBlock, stored_block, text_cell, turn_row
from claude_magic.conversation.difference import Added, Difference
from claude_magic.values import Turn

_LARGE = 100_000
"""Bytes from which a payload's hash is worth remembering."""
UNWRITABLE = (ValueError, TypeError, RecursionError)
"""What encoding may end in for a turn that JSON has no words for."""


def add_conversation(
    connection: sqlite3.Connection, id_: str, name: str, notebook: str, forked_from: str = ""
) -> int:
    """The key of a conversation, which is begun where it is not there yet."""
    now = time.time()
    connection.execute(
        "INSERT OR IGNORE INTO conversations (id, notebook, name, created, touched, forked_from)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (id_, text_cell(notebook), text_cell(name), now, now, forked_from),
    )
    return int(connection.execute("SELECT key FROM conversations WHERE id = ?", (id_,)).fetchone()[0])


def key_of(connection: sqlite3.Connection, id_: str) -> int | None:
    """The key of a conversation, None for one that is not there."""
    row = connection.execute("SELECT key FROM conversations WHERE id = ?", (id_,)).fetchone()
    return None if row is None else int(row[0])


def touch(connection: sqlite3.Connection, conversation: int, name: str) -> int:
    """Note that a conversation was written; return the count of its writes."""
    connection.execute(
        "UPDATE conversations SET revision = revision + 1, touched = ?, name = ? WHERE key = ?",
        (time.time(), text_cell(name), conversation),
    )
    row = connection.execute("SELECT revision FROM conversations WHERE key = ?", (conversation,)).fetchone()
    return int(row[0])


def save_turn(
    connection: sqlite3.Connection,
    turn: Turn,
    reuse_key: str = "",
    *,
    blocks_kept: bool = False,
    texts: RoundTexts | None = None,
) -> int:
    """Write a turn's row and blocks, new or over its older self; return its key.

    Parameters
    ----------
    reuse_key : str
        The hash of its request, ``""`` to leave it as it is.
    blocks_kept : bool
        Whether its blocks are known to be there.
    texts : RoundTexts or None
        Where the texts of its rounds are kept for the next time.

    Raises
    ------
    ValueError, TypeError, RecursionError
        When the turn cannot be encoded; nothing of it has been written.
    """
    row = turn_row(turn, texts)
    found = connection.execute("SELECT key FROM turns WHERE id = ?", (row[0],)).fetchone()
    keep_blocks = found is not None and blocks_kept
    blocks = [] if keep_blocks else [stored_block(block) for block in turn.blocks]
    if found is None:
        cursor = connection.execute(
            "INSERT INTO turns (id, cell_id, stage, model, prompt, reply, shown, answer, cost, seconds,"
            " request_id, demo, began, conversation, reused, reuse_key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, reuse_key),
        )
        key = int(cursor.lastrowid or 0)
    else:
        key = int(found[0])
        connection.execute(
            "UPDATE turns SET id = ?, cell_id = ?, stage = ?, model = ?, prompt = ?, reply = ?, shown = ?,"
            " answer = ?, cost = ?, seconds = ?, request_id = ?, demo = ?, began = ?, conversation = ?,"
            " reused = ?, reuse_key = CASE ? WHEN '' THEN reuse_key ELSE ? END,"
            " indexed = CASE indexed WHEN 0 THEN 0 ELSE 2 END WHERE key = ?",
            (*row, reuse_key, reuse_key, key),
        )
    if not keep_blocks:
        connection.execute("DELETE FROM turn_blocks WHERE turn = ?", (key,))
        _save_blocks(connection, key, blocks)
    return key


def _save_blocks(connection: sqlite3.Connection, turn: int, blocks: Sequence[StoredBlock]) -> None:
    for ordinal, block in enumerate(blocks):
        data = _attachment(connection, block.data)
        thumbnail = _attachment(connection, block.thumbnail) if block.thumbnail else None
        connection.execute(
            "INSERT INTO turn_blocks (turn, ordinal, data, thumbnail, about) VALUES (?, ?, ?, ?, ?)",
            (turn, ordinal, data, thumbnail, block.about),
        )


def _attachment(connection: sqlite3.Connection, data: bytes) -> int:
    """The key of these bytes, which are kept once."""
    digest = _digest(data) if len(data) > _LARGE else _digest.__wrapped__(data)
    row = connection.execute("SELECT key FROM attachments WHERE hash = ?", (digest,)).fetchone()
    if row is None:
        cursor = connection.execute("INSERT INTO attachments (hash, data) VALUES (?, ?)", (digest, data))
        return int(cursor.lastrowid or 0)
    return int(row[0])


@functools.lru_cache(maxsize=8)
def _digest(data: bytes) -> str:
    """The hash of a payload; of a large one that many questions share it is made once."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def apply(
    connection: sqlite3.Connection,
    conversation: int,
    change: Difference,
    save: Callable[[Turn], int],
) -> list[str]:
    """Write a difference; return a line for each turn that cannot be written at all.

    Doing it twice is doing it once.
    """
    problems = []
    connection.executemany(
        "UPDATE places SET live = 0 WHERE conversation = ? AND turn = (SELECT key FROM turns WHERE id = ?)",
        [(conversation, text_cell(id_)) for id_ in change.left],
    )
    for added in change.added:
        try:
            _place(connection, conversation, save(added.turn), added)
        except UNWRITABLE as error:
            problems.append(f"A turn cannot be kept on disk ({error}).")
    for turn in change.altered:
        try:
            save(turn)
        except UNWRITABLE as error:
            problems.append(f"A turn cannot be kept on disk ({error}).")
    connection.executemany(
        "UPDATE places SET stale = ? WHERE conversation = ? AND turn = (SELECT key FROM turns WHERE id = ?)",
        [(int(turn.stale), conversation, text_cell(turn.id)) for turn in change.marked],
    )
    return problems


def _place(connection: sqlite3.Connection, conversation: int, turn: int, added: Added) -> None:
    row = connection.execute(
        "SELECT live FROM places WHERE conversation = ? AND turn = ?", (conversation, turn)
    ).fetchone()
    if row is not None and row[0]:
        return  # it stands there: this was written before
    position = _position_of(connection, conversation, added.instead_of)
    if position is not None:
        # Another kernel may have replaced it too: the later answer stands, the other is kept as a version.
        connection.execute(
            "UPDATE places SET live = 0 WHERE conversation = ? AND position = ? AND live = 1",
            (conversation, position),
        )
    else:
        position = _room_behind(connection, conversation, added)
    connection.execute(
        "INSERT INTO places (conversation, turn, position, live, stale) VALUES (?, ?, ?, 1, ?)"
        " ON CONFLICT (conversation, turn) DO UPDATE SET position = excluded.position, live = 1,"
        " stale = excluded.stale",
        (conversation, turn, position, int(added.turn.stale)),
    )


def _room_behind(connection: sqlite3.Connection, conversation: int, added: Added) -> int:
    """A position that nothing has, behind the turn it follows, or behind all, other kernels' turns too."""
    behind = _position_of(connection, conversation, added.behind)
    if added.at_end or (behind is None and added.behind):
        row = connection.execute(
            "SELECT MAX(position) FROM places WHERE conversation = ?", (conversation,)
        ).fetchone()
        return 1 + (row[0] or 0)
    position = 1 + (behind or 0)
    connection.execute(
        "UPDATE places SET position = position + 1 WHERE conversation = ? AND position >= ?",
        (conversation, position),
    )
    return position


def _position_of(connection: sqlite3.Connection, conversation: int, id_: str) -> int | None:
    if not id_:
        return None
    row = connection.execute(
        "SELECT position FROM places WHERE conversation = ? AND turn = (SELECT key FROM turns WHERE id = ?)",
        (conversation, text_cell(id_)),
    ).fetchone()
    return None if row is None else int(row[0])
