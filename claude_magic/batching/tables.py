"""What the user sees of batches: the list of them, and the rows of a run with their answers."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from claude_magic.batching.naming import short_names
from claude_magic.conversation.batch_values import FETCHED, GONE, SENDING, SPOOLED, Sent, Told
from claude_magic.display.status import money
from claude_magic.display.table import Table
from claude_magic.rows import Outcome, Rows, table_of

PENDING = "pending"
"""The stage of a row whose batch has brought nothing yet."""

_STATUS = {
    SPOOLED: "not sent",
    SENDING: "perhaps sent",
    "in_progress": "in progress",
    "canceling": "canceling",
    "ended": "ended",
    FETCHED: "fetched",
    GONE: "gone",
}
_TEMPLATE = 30
_WITHOUT = ("errored", "canceled", "expired")


_VOLATILE = ("age", "expires")
_IF_ANY = ("done", "cost", "expires")
"""Columns that are left out where they tell nothing."""


def batches_table(
    found: Sequence[Sent], *, every: bool, notes: Iterable[str] = (), volatile: bool = True
) -> Table:
    """The batches, the newest first.

    Parameters
    ----------
    volatile : bool
        Whether with what is another at each run: ids, in whose place numbers stand else, and times.
    """
    now = time.time()
    ids = short_names(found) if volatile else [str(number) for number in range(1, len(found) + 1)]
    rows = [_row(one, name, now) for one, name in zip(found, ids, strict=True)]
    foot = list(notes)
    if any(one.status in (SPOOLED, SENDING) for one in found):
        foot.append("What was not sent is kept on disk; --resend ID sends it.")
    ended = [one for one in found if one.demo and one.status == GONE]
    if ended:
        foot.append("What is gone was the offline demo's, which ended with its kernel: run its cell again.")
    if left := sum(one.unanswered for one in found if one not in ended):
        are = "question is" if left == 1 else "questions are"
        foot.append(f"{left:,} {are} errored, canceled, expired or lost; --resend ID sends them again.")
    names: tuple[str, ...] = (
        "batch",
        "status",
        "asked",
        "done",
        "model",
        "cost",
        "age",
        "expires",
        "into",
        "question",
    )
    kept = [
        place
        for place, name in enumerate(names)
        if (volatile or name not in _VOLATILE) and (name not in _IF_ANY or any(row[place] for row in rows))
    ]
    rows = [tuple(row[place] for place in kept) for row in rows]
    names = tuple(names[place] for place in kept)
    title = "All batches of the store" if every else "Batches of this notebook"
    if not rows:
        title += ": none" if every else ": none; --all lists those of others"
    return Table(names, tuple(rows), title, ("asked",), tuple(foot))


def _row(one: Sent, name: str, now: float) -> tuple[str, ...]:
    began = one.sent or one.run.created
    waiting = one.status in ("in_progress", "canceling")
    demo = " (demo)" if one.demo and one.cost else ""
    first = next(iter(one.run.prompt.strip().splitlines()), "")
    return (
        name,
        _STATUS.get(one.status, one.status),
        f"{one.total:,}",
        _done(one),
        one.run.model,
        f"{money(one.cost)}{demo}" if one.cost else "",
        _span(now - began),
        f"in {_span(one.expires - now)}" if waiting and one.expires > now else "",
        one.run.target,
        first if len(first) <= _TEMPLATE else f"{first[: _TEMPLATE - 1]}…",
    )


def _done(one: Sent) -> str:
    """What has come: as fetched, or as the API counts it, which it does at the end only."""
    if one.status == FETCHED or one.answered or one.unanswered:
        why = {name: one.counts.get(name, 0) for name in _WITHOUT}
        told = {"answered": one.answered}
        told |= why if sum(why.values()) == one.unanswered else {"without answer": one.unanswered}
    elif one.status == "ended":
        told = {name: one.counts.get(name, 0) for name in ("succeeded", *_WITHOUT)}
    else:
        return ""
    return ", ".join(f"{count:,} {name}" for name, count in told.items() if count)


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def run_table(told: Iterable[Told], fields: Mapping[str, str] | None, rows: Rows | None = None) -> Any:
    """The rows of a run, with what has come of each.

    Parameters
    ----------
    fields : mapping or None
        With a schema: the columns its data fill, and their JSON types.
    rows : Rows or None
        The rows themselves, where this kernel has them; else their labels stand for them.
    """
    labels: list[Any] = []
    outcomes: list[Outcome | None] = []
    paid: set[bytes] = set()
    for one in told:
        labels.append(one.row.label)
        outcome, question = _outcome(one, fields), bytes.fromhex(one.row.question)
        # Equal rows share an answer, which has cost once.
        outcomes.append(replace(outcome, cost=0.0, reused=True) if question in paid else outcome)
        paid.add(question)
    known = rows if rows is not None and len(rows) == len(labels) else _labelled(labels)
    return table_of(known, outcomes, fields)


def _labelled(labels: list[Any]) -> Rows:
    for kind in ("pandas", "polars"):
        if find_spec(kind) is not None:
            package = importlib.import_module(kind)
            if kind == "pandas":
                return Rows(kind, package.DataFrame(index=package.Index(labels)))
            return Rows(kind, package.DataFrame({"row": [str(one) for one in labels]}))
    return Rows("values", labels)


def _outcome(one: Told, fields: Mapping[str, str] | None) -> Outcome:
    row = one.row
    if not one.stage:
        stage = {
            "": PENDING,
            "answered": "failed",
            "refused": "failed",
            "errored": "failed",
            "lost": "failed",
        }
        error = row.error or ("its answer is no longer in the store" if row.outcome == "answered" else "")
        return Outcome(stage.get(row.outcome, row.outcome), error=error)
    data, error = _data(one, fields) if fields is not None else (None, "")
    if one.stage != "complete":
        error = f"It ended early: {one.stage}."
    return Outcome(
        "failed" if error and one.stage == "complete" else one.stage,
        one.text,
        data,
        error,
        one.input_tokens,
        one.output_tokens,
        one.cost,
    )


def _data(one: Told, fields: Mapping[str, str]) -> tuple[dict[str, Any] | None, str]:
    """The cells of an answer that is data: as JSON has them, the types of the kernel being unknown."""
    try:
        value = json.loads(one.text)
    except (ValueError, RecursionError):
        return None, "The answer is not the data that was asked for."
    if isinstance(value, dict) and set(fields) & set(value):
        return {name: value.get(name) for name in fields}, ""
    if list(fields) == ["answer"]:
        return {"answer": value}, ""
    return None, "The answer is not the data that was asked for."
