"""What turns have used and cost, read from the store: each turn once, where it was asked.

A fork shares turns with the conversation it came from, and what a cell's answer replaced stays in the
store; so money is counted by the turns themselves, never by the places where they stand. No attachment
and no answer is loaded for it.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args

from claude_magic.conversation.codec import text_cell
from claude_magic.values import Usage

By = Literal["turn", "conversation", "model", "day"]
"""What usage is summed by."""

Saved = Callable[[str, Usage], float | None]
"""What the prompt cache saved by a model's price list, in USD; None where no price is known."""

_START = 200
_UNDER_WAY = ("pending", "streaming")


@dataclass(frozen=True, slots=True)
class Spent:
    """What one turn has used and cost.

    Parameters
    ----------
    number : int
        Its place in its conversation, from 1; 0 for one that is no part of it now.
    prompt : str
        The prompt's beginning, on one line.
    conversation, conversation_id, notebook : str
        Where it was asked: the conversation's name and id, the notebook's key.
    day : date
        The local date on which it was asked.
    began : float
        Seconds since the epoch.
    input_tokens : int
        Input that was neither read from the prompt cache nor written to it.
    cache_write_5m, cache_write_1h, cache_read : int
        Input tokens written to the prompt cache, for five minutes and for an hour, and read from it.
    output_tokens : int
        All output, thinking included.
    thinking_tokens : int
        The part of the output that was thinking.
    cost : float or None
        USD spent; None where no price is known. 0 for a demo turn and for a reused answer.
    demo_cost : float or None
        Of a demo turn: what it would have cost at list price, None where none is known. It was never charged.
    saved : float or None
        USD that the prompt cache saved, below 0 where it cost more than it saved; of a demo turn at list
        price. None where no price is known.
    stage : str
        How the turn ended.
    live : bool
        Whether the turn is part of its conversation now: not replaced, undone or deleted.
    demo : bool
        Whether the offline demo model answered.
    reused : bool
        Whether the answer came from the store: it used no tokens.
    final : bool
        Whether the API has counted the output; else it is an estimate.
    web_searches, web_fetches : int
        Made by the API; searches are charged, and in `cost`.
    beside : bool
        Whether it was asked outside the conversation (a row of a map, a program's question) and never stood
        in it.
    """

    number: int
    prompt: str
    conversation: str
    conversation_id: str
    notebook: str
    model: str
    day: date
    began: float
    input_tokens: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int
    output_tokens: int
    thinking_tokens: int
    cost: float | None
    demo_cost: float | None
    saved: float | None
    stage: str
    live: bool
    demo: bool
    reused: bool
    final: bool
    web_searches: int = 0
    web_fetches: int = 0
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """Turns summed up. Turns of the demo and those that cost money are never in one sum.

    Parameters
    ----------
    label : str
        What the turns have in common: a model, a day, a conversation; ``""`` for all.
    turns : int
        How many they are; those still under way are none of them.
    replaced : int
        Those of them that are no part of their conversation now.
    unpriced : int
        Those of them whose model has no known price: their tokens count, money does not.
    cost, saved : float
        USD; for the demo, `cost` is 0 and `saved` at list price.
    demo_cost : float
        What the turns of the demo would have cost.
    """

    label: str = ""
    demo: bool = False
    turns: int = 0
    replaced: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    cost: float = 0.0
    demo_cost: float = 0.0
    saved: float = 0.0
    web_searches: int = 0
    web_fetches: int = 0

    @property
    def prompt_tokens(self) -> int:
        """The whole input: uncached, written to the prompt cache and read from it."""
        return self.input_tokens + self.cache_write_5m + self.cache_write_1h + self.cache_read

    @property
    def uncached_cost(self) -> float:
        """What the same tokens would have cost without the prompt cache."""
        return (self.demo_cost if self.demo else self.cost) + self.saved

    @property
    def saved_share(self) -> float:
        """The part of that which the prompt cache saved, from 0 to 1; below 0 where it cost more."""
        return self.saved / self.uncached_cost if self.uncached_cost > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Shared:
    """Turns that stand in a conversation and were not asked in it.

    Parameters
    ----------
    elsewhere : int
        Those of the conversation it was forked from; they are counted there.
    taken_in : int
        Those of a file; nobody here has paid for them.
    """

    elsewhere: int = 0
    taken_in: int = 0


def spent(
    connection: sqlite3.Connection, saved: Saved, notebook: str | None = None, since: float = math.inf
) -> list[Spent]:
    """What the turns of a notebook have cost, in order; inside a transaction of the caller.

    Turns taken in from a file are left out: they were not paid for here.

    Parameters
    ----------
    notebook : str or None
        None for all notebooks.
    since : float
        Turns that began later are read whatever their notebook.
    """
    place = None if notebook is None else text_cell(notebook)
    rows = connection.execute(
        "SELECT substr(t.prompt, 1, ?), c.name, t.conversation, c.notebook, t.model, t.began,"
        # What SQLite does not take for JSON (an infinite number) is looked into by Python.
        " CASE WHEN json_valid(t.answer) THEN json_extract(t.answer, '$.usage') ELSE t.answer END,"
        " t.cost, t.stage, t.demo, t.reused, COALESCE(p.live, 0), COALESCE(n.number, 0),"
        " c.key IS NOT NULL AND p.turn IS NULL AND t.cell_id = ''"
        " FROM turns t LEFT JOIN conversations c ON c.id = t.conversation"
        " LEFT JOIN places p ON p.conversation = c.key AND p.turn = t.key"
        " LEFT JOIN (SELECT conversation, turn, ROW_NUMBER() OVER"
        "   (PARTITION BY conversation ORDER BY position, turn) AS number FROM places WHERE live = 1) n"
        "  ON n.conversation = p.conversation AND n.turn = p.turn"
        " WHERE t.conversation <> '' AND (? IS NULL OR c.notebook = ? OR t.began >= ?)"
        " ORDER BY c.key, COALESCE(p.position, 1e18), t.key",
        (2 * _START, place, place, since),
    )
    return [_spent(row, saved) for row in rows]


def shared(connection: sqlite3.Connection, conversation_id: str) -> Shared:
    """What stands in a conversation and was not asked in it; inside a transaction of the caller."""
    row = connection.execute(
        "SELECT COALESCE(SUM(t.conversation <> ''), 0), COALESCE(SUM(t.conversation = ''), 0)"
        " FROM conversations c JOIN places p ON p.conversation = c.key AND p.live = 1"
        " JOIN turns t ON t.key = p.turn WHERE c.id = ? AND t.conversation <> c.id",
        (conversation_id,),
    ).fetchone()
    return Shared(*row)


def alike(rows: Iterable[Spent]) -> list[list[Spent]]:
    """The turns as lines of a table: those asked outside the conversation by one template stand together.

    Each line stands where the first of its turns does.
    """
    lines: dict[object, list[Spent]] = {}
    for number, row in enumerate(rows):
        together = row.beside and row.stage not in _UNDER_WAY
        key = (row.conversation_id, row.prompt, row.model, row.demo) if together else number
        lines.setdefault(key, []).append(row)
    return list(lines.values())


def total(rows: Iterable[Spent], label: str = "", *, demo: bool = False) -> Sum:
    """Sum turns up: those that cost money, or those of the demo."""
    own = [row for row in rows if row.demo == demo and row.stage not in _UNDER_WAY]
    return Sum(
        label=label,
        demo=demo,
        turns=len(own),
        replaced=sum(not row.live and not row.beside for row in own),
        unpriced=sum(None in (row.cost, row.demo_cost) for row in own),
        input_tokens=sum(row.input_tokens for row in own),
        cache_write_5m=sum(row.cache_write_5m for row in own),
        cache_write_1h=sum(row.cache_write_1h for row in own),
        cache_read=sum(row.cache_read for row in own),
        output_tokens=sum(row.output_tokens for row in own),
        thinking_tokens=sum(row.thinking_tokens for row in own),
        cost=math.fsum(row.cost for row in own if row.cost is not None),
        demo_cost=math.fsum(row.demo_cost for row in own if row.demo_cost is not None),
        saved=math.fsum(row.saved for row in own if row.saved is not None),
        web_searches=sum(row.web_searches for row in own),
        web_fetches=sum(row.web_fetches for row in own),
    )


def totals(rows: Iterable[Spent], by: By, label: Callable[[Spent], str] | None = None) -> list[Sum]:
    """Sum turns up by what they have in common; by day in order of days, else the dearest first.

    Parameters
    ----------
    label : callable, optional
        Names the conversation of a turn; its name where it is not given.
    """
    if by not in get_args(By) or by == "turn":
        raise ValueError(f"no sums by {by!r}")
    groups: dict[tuple[str, str, bool], list[Spent]] = {}
    for row in rows:
        if row.stage not in _UNDER_WAY:
            named = label(row) if label is not None else row.conversation
            key = {
                "conversation": (row.conversation_id, named),
                "model": (row.model, row.model),
                "day": (row.day.isoformat(), row.day.isoformat()),
            }[by]
            groups.setdefault((*key, row.demo), []).append(row)
    sums = [
        (key, total(group, name, demo=demo))
        for (key, name, demo), group in sorted(groups.items(), key=lambda one: one[0])
    ]
    if by != "day":
        sums.sort(key=lambda one: (one[1].demo, -one[1].cost, -one[1].demo_cost, -one[1].prompt_tokens))
    return [one for _, one in sums]


def local_day(began: float) -> date:
    """The local date of a time in seconds since the epoch; its first day for what is no time."""
    try:
        return date(*time.localtime(began)[:3])
    except (ValueError, OverflowError, OSError):
        return date(1970, 1, 1)


def midnight(now: float) -> float:
    """The beginning of the local day, in seconds since the epoch."""
    today = time.localtime(now)
    return time.mktime((today.tm_year, today.tm_mon, today.tm_mday, 0, 0, 0, 0, 0, -1))


def _spent(row: Sequence[Any], saved: Saved) -> Spent:
    prompt, name, conversation, notebook, model, began, usage_json, cost, stage, demo, reused, *where = row
    live, number, beside = where
    # A reused answer carries the usage of the turn that paid for it.
    usage = Usage(final=True) if reused else _usage(usage_json)
    hour = min(usage.cache_creation_1h_tokens, usage.cache_creation_input_tokens)
    model = _text(model)
    price = None if cost is None or not math.isfinite(cost) else float(cost)
    return Spent(
        number=number,
        prompt=_line(_text(prompt)),
        conversation=_text(name or ""),
        conversation_id=_text(conversation),
        notebook=_text(notebook or ""),
        model=model,
        day=local_day(began),
        began=began,
        input_tokens=usage.input_tokens,
        cache_write_5m=usage.cache_creation_input_tokens - hour,
        cache_write_1h=hour,
        cache_read=usage.cache_read_input_tokens,
        output_tokens=usage.output_tokens,
        thinking_tokens=min(usage.thinking_tokens, usage.output_tokens),
        cost=0.0 if demo or reused else price,
        demo_cost=price if demo and not reused else 0.0,
        saved=saved(model, usage) if usage.prompt_tokens > usage.input_tokens else 0.0,
        stage=stage,
        live=bool(live),
        demo=bool(demo),
        reused=bool(reused),
        final=usage.final,
        web_searches=usage.web_searches,
        web_fetches=usage.web_fetches,
        beside=bool(beside),
    )


def _usage(cell: object) -> Usage:
    """The usage as JSON, alone or in its answer's; nothing where it cannot be read."""
    try:
        read = json.loads(_text(cell or "{}"))
    except (ValueError, RecursionError):
        read = {}
    read = read.get("usage", read) if isinstance(read, dict) else {}
    fields = read if isinstance(read, dict) else {}

    def count(name: str) -> int:
        value = fields.get(name, 0)
        return value if isinstance(value, int) and value > 0 else 0

    return Usage(
        input_tokens=count("input_tokens"),
        output_tokens=count("output_tokens"),
        cache_read_input_tokens=count("cache_read_input_tokens"),
        cache_creation_input_tokens=count("cache_creation_input_tokens"),
        cache_creation_1h_tokens=count("cache_creation_1h_tokens"),
        thinking_tokens=count("thinking_tokens"),
        final=bool(fields.get("final", False)),
        web_searches=count("web_searches"),
        web_fetches=count("web_fetches"),
    )


def _text(cell: object) -> str:
    """As codec.cell_text, for a beginning that may end within a character."""
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _START else line[: _START - 1] + "…"
