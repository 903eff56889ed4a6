"""The tables of the store, as a list of steps; the number of steps taken is the schema's version."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

APPLICATION = 0x434C4D47
"""Says in a file's header whose it is: an SQLite file of somebody else is not written to."""


_CONVERSATIONS = """
CREATE TABLE conversations (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    notebook TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    touched REAL NOT NULL,
    forked_from TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0  -- counts the writes: a kernel sees that another one has written
);
CREATE INDEX conversations_of_notebook ON conversations (notebook);

-- A turn does not change once it has ended.
CREATE TABLE turns (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL,          -- where it was asked; where it stands is in places
    cell_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    reply BLOB NOT NULL,
    shown TEXT NOT NULL,
    answer TEXT NOT NULL,
    cost REAL,
    seconds REAL NOT NULL,
    request_id TEXT NOT NULL,
    demo INTEGER NOT NULL,
    began REAL NOT NULL,
    reused INTEGER NOT NULL,
    reuse_key TEXT NOT NULL DEFAULT '',  -- hash of the request, for answers used again
    indexed INTEGER NOT NULL DEFAULT 0   -- 0 not yet, 1 in the full-text index, 2 with words it once had
);
CREATE INDEX turns_reuse_key ON turns (reuse_key) WHERE reuse_key <> '';
CREATE INDEX turns_of_cell ON turns (cell_id);
CREATE INDEX turns_indexed ON turns (indexed) WHERE indexed <> 1;

-- A turn may stand in several conversations: a fork shares its past. Turns at one position are versions of
-- one another, at most one of them live.
CREATE TABLE places (
    conversation INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    position INTEGER NOT NULL,
    live INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    PRIMARY KEY (conversation, turn)
) WITHOUT ROWID;
CREATE INDEX places_in_order ON places (conversation, position, turn);
CREATE INDEX places_live ON places (conversation, position, turn) WHERE live = 1;
CREATE INDEX places_of_turn ON places (turn);

-- Bytes are kept once, by their hash, which names its algorithm.
CREATE TABLE attachments (
    key INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    data BLOB NOT NULL
);
CREATE TABLE turn_blocks (
    turn INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    data INTEGER NOT NULL,
    thumbnail INTEGER,
    about TEXT NOT NULL,
    PRIMARY KEY (turn, ordinal)
) WITHOUT ROWID;

-- Turns whose request is out: who streams them, and the stream as received.
CREATE TABLE underway (
    turn INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,
    owner TEXT NOT NULL,
    beat REAL NOT NULL
);
CREATE INDEX underway_of_conversation ON underway (conversation);
CREATE TABLE journal (
    key INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL,
    at REAL NOT NULL,
    lines TEXT NOT NULL
);
CREATE INDEX journal_of_turn ON journal (turn);

CREATE TABLE settings (
    notebook TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (notebook, name)
) WITHOUT ROWID;
"""


def m001_conversations(connection: sqlite3.Connection) -> None:
    """Conversations, turns, and which turns stand where."""
    _run(connection, _CONVERSATIONS)


def m002_failures(connection: sqlite3.Connection) -> None:
    """Why questions asked by the hundred have no answer: by the hash of the question, the last failure."""
    _run(
        connection,
        "CREATE TABLE failures (question TEXT PRIMARY KEY, turn INTEGER NOT NULL, error TEXT NOT NULL)"
        " WITHOUT ROWID",
    )


_BATCHES = """
-- One question asked of many rows by Message Batches.
CREATE TABLE batch_runs (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    created REAL NOT NULL,
    notebook TEXT NOT NULL,
    conversation TEXT NOT NULL,          -- under which its turns are counted
    cell_id TEXT NOT NULL,
    host TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,                -- the template
    target TEXT NOT NULL,                -- the variable its table goes into
    how TEXT NOT NULL                    -- what reading the answers needs, as JSON
);

-- What one request to the API has sent, or is to send. Without an id it has not arrived, as far as is known.
CREATE TABLE batches (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    id TEXT NOT NULL DEFAULT '',
    spool TEXT NOT NULL,                 -- the file of its requests; '' once all have an answer
    status TEXT NOT NULL,
    total INTEGER NOT NULL,
    estimate REAL,
    sent REAL NOT NULL DEFAULT 0,
    expires REAL NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}',
    cost REAL NOT NULL DEFAULT 0,
    demo INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX batches_of_run ON batches (run);
CREATE INDEX batches_id ON batches (id);

-- A row: the batch it was last sent in, and what has come of it there.
CREATE TABLE batch_items (
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    question TEXT NOT NULL,              -- the hash of the question, and its custom_id
    label TEXT NOT NULL,                 -- as JSON
    batch INTEGER NOT NULL DEFAULT 0,
    place INTEGER NOT NULL DEFAULT 0,    -- where it stands in the spool, in bytes
    outcome TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    turn TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX batch_items_by_question ON batch_items (question, run);
CREATE INDEX batch_items_by_batch ON batch_items (batch, number);
"""


def m003_batches(connection: sqlite3.Connection) -> None:
    """Message Batches: what was sent, and what has come of each row."""
    _run(connection, _BATCHES)


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Run statements inside the open transaction, which executescript would commit."""
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    for statement in bare.split(";"):
        if statement.strip():
            connection.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    m001_conversations,
    m002_failures,
    m003_batches,
)
"""All steps in order; a released one is never changed, new ones go to the end."""


def version_of(connection: sqlite3.Connection) -> int:
    """How many steps a database has taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether a database has no tables yet."""
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether a database with tables is one of these."""
    return int(connection.execute("PRAGMA application_id").fetchone()[0]) == APPLICATION


def migrate(connection: sqlite3.Connection) -> None:
    """Take the steps that are missing, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked inside the transaction: another kernel may have taken them meanwhile.
        for step in MIGRATIONS[version_of(connection) :]:
            step(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {max(len(MIGRATIONS), version_of(connection))}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
