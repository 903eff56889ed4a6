"""Message Batches as the store knows them: what was sent, and what has come of each row.

A run is one question asked of many rows. It has a batch for each part it was split into, and further ones
for rows that were sent again; a row tells of the last batch it was sent in only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from claude_magic.conversation.access import Access
from claude_magic.conversation.asked import note
from claude_magic.conversation.batch_values import (
    SENDING,
    SPOOLED,
    UNANSWERED,
    UNDER_WAY,
    Came,
    Row,
    Run,
    Sent,
    Told,
)
from claude_magic.conversation.codec import cell_text, said_of, text_cell
from claude_magic.conversation.writing import save_turn

_AT_ONCE = 1000


class BatchShelf:
    """The batches of the store. Methods that write return whether it is written, or 0 where it is not.

    Parameters
    ----------
    access : Access
        The database.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def problem(self) -> str:
        """What is wrong with the store now, in one line; ``""`` for nothing."""
        return self._access.problem

    def begin(self, run: Run) -> int:
        """Keep a run; returns its number."""

        def work(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                "INSERT INTO batch_runs (created, notebook, conversation, cell_id, host, model, prompt,"
                " target, how) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.created,
                    text_cell(run.notebook),
                    run.conversation,
                    text_cell(run.cell_id),
                    text_cell(run.host),
                    text_cell(run.model),
                    text_cell(run.prompt),
                    text_cell(run.target),
                    json.dumps(run.how),
                ),
            )
            return int(cursor.lastrowid or 0)

        return self._access.write(work, 0, durable=True)

    def add_rows(self, run: int, rows: Sequence[Row]) -> bool:
        """Keep rows of a run that has not been sent yet."""

        def work(connection: sqlite3.Connection) -> bool:
            connection.executemany(
                "INSERT INTO batch_items (run, number, question, label, outcome, error, turn)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [_row_cells(run, one) for one in rows],
            )
            return True

        return self._access.write(work, False, durable=False)

    def add_batch(
        self, run: int, spool: str, places: Sequence[tuple[str, int]], estimate: float | None
    ) -> int:
        """Keep a batch whose requests are on disk and not sent; rows sent before stand in it from now on.

        Parameters
        ----------
        places : sequence of (str, int)
            The questions in it, and where they stand in its spool.
        """

        def work(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                "INSERT INTO batches (run, spool, status, total, estimate) VALUES (?, ?, ?, ?, ?)",
                (run, spool, SPOOLED, len(places), estimate),
            )
            key = int(cursor.lastrowid or 0)
            # Of a row's run and question, the question is what SQLite is to look it up by, here and below.
            connection.executemany(
                "UPDATE batch_items INDEXED BY batch_items_by_question"
                " SET batch = ?, place = ?, outcome = '', error = ''"
                " WHERE run = ? AND question = ? AND outcome <> 'answered'",
                ((key, place, run, question) for question, place in places),
            )
            return key

        return self._access.write(work, 0, durable=True)

    def forget_run(self, run: int) -> bool:
        """Forget a run of which nothing was sent."""

        def work(connection: sqlite3.Connection) -> bool:
            for table, column in (("batch_items", "run"), ("batches", "run"), ("batch_runs", "key")):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (run,))  # noqa: S608
            return True

        return self._access.write(work, False, durable=True)

    def mark(self, key: int, status: str, *, spool: str | None = None) -> bool:
        """Note how far a batch is."""
        return self._update(key, "status = ?, spool = COALESCE(?, spool)", (status, spool))

    def sending(self, key: int, sent: float, *, demo: bool) -> bool:
        """Note that a batch is being sent: from then on it may have arrived."""
        return self._update(key, "status = ?, sent = ?, demo = ?", (SENDING, sent, int(demo)))

    def arrived(
        self, key: int, batch_id: str, status: str, counts: Mapping[str, int], expires: float, *, demo: bool
    ) -> bool:
        """Note what the API says of a batch; its id is on disk when this returns."""
        return self._update(
            key,
            "id = ?, status = ?, counts = ?, expires = ?, demo = ?",
            (batch_id, status, json.dumps(dict(counts)), expires, int(demo)),
        )

    def keep(self, sent: Sent, came: Sequence[Came]) -> list[Came] | None:
        """Keep what has come of questions of a batch, and their turns; returns what was new, or None."""

        def work(connection: sqlite3.Connection) -> list[Came] | None:
            new: list[Came] = []
            for one in came:
                where = (sent.run.key, one.question, sent.key)
                open_ = connection.execute(
                    "SELECT 1 FROM batch_items INDEXED BY batch_items_by_question"
                    " WHERE run = ? AND question = ? AND batch = ?"
                    " AND outcome = ''",
                    where,
                ).fetchone()
                if open_ is None:
                    continue  # fetched before, or of no row
                new.append(one)
                one = _saved(connection, one)  # noqa: PLW2901
                connection.execute(
                    "UPDATE batch_items INDEXED BY batch_items_by_question"
                    " SET outcome = ?, error = ?, turn = ?"
                    " WHERE run = ? AND question = ? AND batch = ?",
                    (one.outcome, text_cell(one.error), "" if one.turn is None else one.turn.id, *where),
                )
            cost = sum(one.turn.cost or 0.0 for one in new if one.turn is not None)
            if new:
                connection.execute("UPDATE batches SET cost = cost + ? WHERE key = ?", (cost, sent.key))
            return new

        return self._access.write(work, None, durable=True)

    def lose(self, sent: Sent, outcome: str, error: str) -> bool:
        """Note of all rows of a batch of which nothing has come that nothing will."""

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(
                "UPDATE batch_items SET outcome = ?, error = ? WHERE batch = ? AND outcome = ''",
                (outcome, text_cell(error), sent.key),
            )
            return True

        return self._access.write(work, False, durable=True)

    def batches(self, notebook: str | None = None) -> list[Sent]:
        """The batches of a notebook, or of all; the newest first."""
        none: list[Sent] = []
        place = None if notebook is None else text_cell(notebook)
        return self._access.read(lambda connection: _batches(connection, place), none)

    def batch(self, key: int) -> Sent | None:
        """A batch as the store knows it now; None where it knows none."""
        return next((one for one in self.batches() if one.key == key), None)

    def open_questions(self, sent: Sent) -> dict[str, int]:
        """The questions of a batch of which nothing has come yet, and where each stands in its spool."""
        return dict(self._pairs(sent, "outcome = ''"))

    def unanswered(self, sent: Sent) -> list[tuple[str, int]]:
        """The questions of a batch that can be sent again, and where each stands in its spool."""
        return self._pairs(sent, f"outcome IN {UNANSWERED}")

    def known(self, question: str) -> tuple[str, int]:
        """Where a question stands already.

        Returns
        -------
        turn : str
            The id of the turn that answers it whole; ``""`` where none does.
        batch : int
            The number of a batch in which it was sent and has not been fetched; 0 for none.
        """
        turn = self._access.read(
            lambda connection: connection.execute(
                "SELECT id FROM turns WHERE reuse_key = ? AND reuse_key <> '' AND stage = 'complete'"
                " ORDER BY key DESC LIMIT 1",
                (question,),
            ).fetchone(),
            None,
        )
        return "" if turn is None else cell_text(turn[0]), self.under_way([question]).get(question, 0)

    def under_way(self, questions: Iterable[str]) -> dict[str, int]:
        """Which of these questions were sent in a batch and have not been fetched, and the batch's number."""
        wanted, found = list(questions), dict[str, int]()
        for start in range(0, len(wanted), _AT_ONCE):
            part = json.dumps(wanted[start : start + _AT_ONCE])
            none: list[tuple[Any, ...]] = []
            rows = self._access.read(
                lambda connection: connection.execute(
                    "SELECT i.question, b.key FROM batch_items i JOIN batches b ON b.key = i.batch"  # noqa: S608
                    " WHERE i.question IN (SELECT value FROM json_each(?)) AND i.question <> ''"
                    f" AND i.outcome = '' AND b.status IN {UNDER_WAY}",
                    (part,),  # noqa: B023
                ).fetchall(),
                none,
            )
            found |= {cell_text(question): int(batch) for question, batch in rows}
        return found

    def asked_since(self, sent: Sent) -> int:
        """How many open questions of a batch have been answered, or sent in another, since its run began."""
        since = sent.run.created
        row = self._access.read(
            lambda connection: connection.execute(
                "SELECT COUNT(DISTINCT i.question) FROM batch_items i WHERE i.batch = ? AND i.outcome = ''"  # noqa: S608
                " AND (EXISTS (SELECT 1 FROM turns t WHERE t.reuse_key = i.question AND t.reuse_key <> ''"
                " AND t.stage = 'complete' AND t.began > ?)"
                " OR EXISTS (SELECT 1 FROM batch_items o JOIN batches b ON b.key = o.batch"
                " WHERE o.question = i.question AND o.outcome = '' AND b.sent > ?"
                f" AND b.status IN {UNDER_WAY}))",
                (sent.key, since, since),
            ).fetchone(),
            None,
        )
        return 0 if row is None else int(row[0])

    def told(self, run: int) -> Iterator[Told]:
        """The rows of a run in order, with what is shown of their turns."""
        last = -1
        none: list[tuple[Any, ...]] = []
        while rows := self._access.read(lambda connection: _rows(connection, run, last), none):  # noqa: B023
            for row in rows:
                yield _told(row)
            last = rows[-1][0]

    def outstanding(self, notebook: str, since: float, *, demo: bool) -> float:
        """USD that batches of a notebook sent since a moment, and not fetched yet, are expected to cost."""
        row = self._access.read(
            lambda connection: connection.execute(
                "SELECT total(b.estimate) FROM batches b JOIN batch_runs r ON r.key = b.run"  # noqa: S608
                " LEFT JOIN conversations c ON c.id = r.conversation"
                " WHERE COALESCE(c.notebook, r.notebook) = ? AND b.sent >= ? AND b.demo = ?"
                f" AND b.status IN {UNDER_WAY}",
                (text_cell(notebook), since, int(demo)),
            ).fetchone(),
            None,
        )
        return 0.0 if row is None else float(row[0])

    def _pairs(self, sent: Sent, which: str) -> list[tuple[str, int]]:
        none: list[tuple[str, int]] = []
        return self._access.read(
            lambda connection: connection.execute(
                f"SELECT question, place FROM batch_items WHERE batch = ? AND {which}"  # noqa: S608
                " GROUP BY question ORDER BY MIN(number)",
                (sent.key,),
            ).fetchall(),
            none,
        )

    def _update(self, key: int, changes: str, values: tuple[Any, ...]) -> bool:
        return self._access.write(
            lambda connection: (
                connection.execute(f"UPDATE batches SET {changes} WHERE key = ?", (*values, key)).rowcount > 0  # noqa: S608
            ),
            False,
            durable=True,
        )


def _saved(connection: sqlite3.Connection, one: Came) -> Came:
    """Write the turn of an answer; one that JSON has no words for is told as an error."""
    try:
        if one.turn is not None:
            note(connection, one.question, save_turn(connection, one.turn, one.question), one.error)
    except (ValueError, TypeError, RecursionError) as error:
        return Came(one.question, "errored", f"its answer cannot be kept ({error})")
    return one


def _row_cells(run: int, row: Row) -> tuple[Any, ...]:
    label, error = json.dumps(row.label), text_cell(row.error)
    return (run, row.number, row.question, label, row.outcome, error, row.turn)


def _batches(connection: sqlite3.Connection, notebook: str | bytes | None) -> list[Sent]:
    rows = connection.execute(
        # A notebook may have been moved since, and its conversations with it.
        "SELECT r.key, r.created, COALESCE(c.notebook, r.notebook), r.conversation, r.cell_id,"  # noqa: S608
        " r.host, r.model, r.prompt, r.target,"
        " r.how, b.key, b.id, b.spool, b.status, b.total, b.estimate, b.sent, b.expires, b.counts, b.cost,"
        " b.demo, COALESCE(i.answered, 0), COALESCE(i.unanswered, 0)"
        " FROM batches b JOIN batch_runs r ON r.key = b.run"
        " LEFT JOIN (SELECT batch,"
        " COUNT(DISTINCT CASE WHEN outcome = 'answered' THEN question END) AS answered,"
        f" COUNT(DISTINCT CASE WHEN outcome IN {UNANSWERED} THEN question END)"
        " AS unanswered"
        " FROM batch_items GROUP BY batch) i ON i.batch = b.key"
        " LEFT JOIN conversations c ON c.id = r.conversation"
        " WHERE b.status <> 'dropped' AND (? IS NULL OR COALESCE(c.notebook, r.notebook) = ?)"
        " ORDER BY b.key DESC",
        (notebook, notebook),
    )
    return [_sent(row) for row in rows]


def _sent(row: tuple[Any, ...]) -> Sent:
    key, created, *texts, how = row[:10]
    number, id_, spool, status, total, estimate, sent, expires, counts, cost, demo, *done = row[10:]
    notebook, conversation, cell, host, model, prompt, target = map(cell_text, texts)
    run = Run(key, created, notebook, conversation, cell, host, model, prompt, target, _mapping(how))
    return Sent(
        number, run, str(id_), str(spool), str(status), total, estimate, sent, expires,
        _mapping(counts), cost, bool(demo), *done,
    )  # fmt: skip


def _mapping(text: object) -> dict[str, Any]:
    try:
        value = json.loads(str(text))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _rows(connection: sqlite3.Connection, run: int, after: int) -> list[tuple[Any, ...]]:
    return connection.execute(
        # What was answered since, by whatever has asked it, is its answer too.
        # It has cost this run nothing then.
        "SELECT i.number, i.question, i.label, i.outcome, i.error, i.turn, t.stage, t.answer,"
        " CASE WHEN i.outcome = 'answered' AND i.batch <> 0 THEN t.cost ELSE 0.0 END"
        " FROM batch_items i LEFT JOIN turns t ON t.id = CASE WHEN i.turn <> '' THEN i.turn ELSE"
        " (SELECT id FROM turns WHERE reuse_key = i.question AND reuse_key <> '' AND stage = 'complete'"
        " ORDER BY key DESC LIMIT 1) END"
        " WHERE i.run = ? AND i.number > ? ORDER BY i.number LIMIT ?",
        (run, after, _AT_ONCE),
    ).fetchall()


def _told(found: tuple[Any, ...]) -> Told:
    number, question, label, outcome, error, turn, stage, answer, cost = found
    row = Row(number, question, json.loads(label), outcome, cell_text(error), turn)
    if stage is None:
        return Told(row)
    try:
        said = said_of(answer).answer
    except (ValueError, TypeError, KeyError):
        return Told(row)
    usage = said.usage
    return Told(row, stage, said.text, usage.prompt_tokens, usage.output_tokens, cost)
