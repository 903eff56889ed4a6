"""Full-text search over prompts and answers.

The index is brought up to date when somebody searches, so that asking never waits for it and a Python
whose SQLite lacks FTS5 writes the same store. What it cannot find (parts of words, scripts without
blanks, signs) is looked for letter by letter.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass

from claude_magic.conversation.codec import cell_text, text_cell
from claude_magic.conversation.reading import turns_of
from claude_magic.values import Turn

MOST = 200
"""Turns that a search gives at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """A turn that a search found, and a conversation it stands in.

    Parameters
    ----------
    conversation, name, notebook : str
        Of the conversation: its id, its name, its notebook.
    live : bool
        Whether the turn is part of it now: not replaced, undone or deleted.
    """

    turn: Turn
    conversation: str
    name: str
    notebook: str
    live: bool


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Take turns into the index that are not there yet; inside a transaction that may write.

    Raises
    ------
    sqlite3.Error
        Where there is no FTS5.
    """
    # The index keeps no text of its own: it names rows of turns.
    connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5"
        " (prompt, shown, content='turns', content_rowid='key', tokenize='unicode61 remove_diacritics 2')"
    )
    if connection.execute("SELECT 1 FROM turns WHERE indexed = 2 LIMIT 1").fetchone():
        # A turn was rewritten after it was indexed: the words it had are gone, so all is read anew.
        connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
        connection.execute("UPDATE turns SET indexed = 1 WHERE indexed <> 1")
        return
    connection.execute(
        "INSERT INTO words (rowid, prompt, shown) SELECT key, prompt, shown FROM turns WHERE indexed = 0"
    )
    connection.execute("UPDATE turns SET indexed = 1 WHERE indexed = 0")


def drop_index(connection: sqlite3.Connection) -> None:
    """Give up a damaged index; the next search makes it anew."""
    connection.execute("DROP TABLE IF EXISTS words")
    connection.execute("UPDATE turns SET indexed = 0")


def find(connection: sqlite3.Connection, words: str, notebook: str | None) -> list[Found]:
    """Turns that hold all these words, each with the latest conversation it stands in, the latest first."""
    terms = words.split()
    if not terms:
        return []
    pairs: list[tuple[int, int]] = []
    # No index: no FTS5, a store that is only read, or a word that FTS5 has no use for.
    with contextlib.suppress(sqlite3.OperationalError, UnicodeEncodeError):
        pairs = _indexed(connection, terms, notebook)
    pairs = pairs or _letter_by_letter(connection, terms, notebook)
    turns = turns_of(connection, {turn: 0 for turn, _ in pairs})
    found = []
    for key, conversation in pairs:
        if key in turns:
            id_, name, place, live = connection.execute(
                "SELECT c.id, c.name, c.notebook, p.live FROM conversations c JOIN places p"
                " ON p.conversation = c.key WHERE c.key = ? AND p.turn = ?",
                (conversation, key),
            ).fetchone()
            found.append(Found(turns[key], id_, cell_text(name), cell_text(place), bool(live)))
    return found


def _indexed(connection: sqlite3.Connection, terms: list[str], notebook: str | None) -> list[tuple[int, int]]:
    # Quoted, a word is a word, whatever signs are in it; the star takes in its endings.
    quoted = " ".join('"{}"*'.format(term.replace('"', '""').replace("\0", "")) for term in terms)
    place = None if notebook is None else text_cell(notebook)
    return connection.execute(
        "SELECT w.rowid, MAX(p.conversation) FROM words w JOIN places p ON p.turn = w.rowid"
        " JOIN conversations c ON c.key = p.conversation"
        " WHERE words MATCH ? AND c.deleted = 0 AND (? IS NULL OR c.notebook = ?)"
        " GROUP BY w.rowid ORDER BY w.rowid DESC LIMIT ?",
        (quoted, place, place, MOST),
    ).fetchall()


def _letter_by_letter(
    connection: sqlite3.Connection, terms: list[str], notebook: str | None
) -> list[tuple[int, int]]:
    place = None if notebook is None else text_cell(notebook)
    wanted = [term.casefold() for term in terms]
    found = []
    for turn, conversation, prompt, shown in connection.execute(
        "SELECT t.key, MAX(p.conversation), t.prompt, t.shown FROM turns t JOIN places p ON p.turn = t.key"
        " JOIN conversations c ON c.key = p.conversation"
        " WHERE c.deleted = 0 AND (? IS NULL OR c.notebook = ?) GROUP BY t.key ORDER BY t.key DESC",
        (place, place),
    ):
        text = f"{cell_text(prompt)}\n{cell_text(shown)}".casefold()
        if all(term in text for term in wanted):
            found.append((turn, conversation))
            if len(found) == MOST:
                break
    return found
