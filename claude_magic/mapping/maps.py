"""A map from its question to its table: looked at, agreed to, asked, shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from claude_magic.api.budget import QUESTION
from claude_magic.conversation.asked import AskedStore
from claude_magic.display.bar import NoBar
from claude_magic.display.table import Table
from claude_magic.errors import Interrupted, UsageProblem
from claude_magic.exchange import Means
from claude_magic.flags import MAP, Line, whole_number
from claude_magic.mapping.engine import Asker, MapMeans, MapResult, told
from claude_magic.mapping.plan import Plan, plan
from claude_magic.mapping.summary import Watching, summary
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.rows import Rows
from claude_magic.values import Turn

MOST_AT_ONCE = 128
"""Questions under way at once that may be asked for."""


@dataclass(frozen=True)
class MapReach:
    """What a map needs of its session.

    Parameters
    ----------
    means : Means
        As of one question that nobody watches; with the Stop that all rows share.
    store : AskedStore
        Keeps what comes.
    home : callable
        The id of the conversation under which it is counted.
    spent : callable
        Told of each turn that has ended.
    allow : callable
        Asks whether what looks like a secret may go out.
    publish : callable
        Given the table as it stands.
    bar : NoBar
        Shows how far it is.
    say, show : callable
        Say a line to the user, show a table.
    refuse : callable
        Given the questions and how many rows ask each: raises where they are asked elsewhere already.
    """

    means: Means
    store: AskedStore
    home: Callable[[], str]
    spent: Callable[[Turn], None]
    allow: Callable[[Sequence[str]], None]
    publish: Callable[[Any], None]
    bar: NoBar = field(default_factory=NoBar)
    say: Callable[[str], None] = lambda _: None
    show: Callable[[Table], None] = lambda _: None
    refuse: Callable[[Mapping[str, int]], None] = lambda _: None


def of_a_map(line: Line) -> Line:
    """A line without what its preset says and a map does not know."""
    known = {"extra", *(flag.key for flag in MAP)}
    return replace(line, values={key: value for key, value in line.values.items() if key in known})


def limited(question: Question) -> Question:
    """The question of all rows: what it may cost is what all of them may cost together."""
    limits = (
        replace(limit, what="this map" if limit.what == QUESTION else limit.what) for limit in question.limits
    )
    return replace(question, limits=tuple(limits))


def ask_rows(line: Line, question: Question, rows: Rows, reach: MapReach) -> MapResult:
    """Ask what a map asks.

    Parameters
    ----------
    line : Line
        Its flags.
    question : Question
        The template.

    Returns
    -------
    MapResult
        Whatever ended it; the table has been published.

    Raises
    ------
    UsageProblem
        When nothing can be asked, or a batch has asked it, or it would cost more than it may, or it was
        stopped before. Nothing was sent.
    Interrupted
        When an interrupt came before anything was sent.
    """
    width = whole_number(line.one("concurrency", "8"), "--concurrency")
    stop = reach.means.stop
    again, retry_failed = line.has("again"), line.has("retry_failed")
    try:
        made = plan(question, rows, reach.store.found, stop.breaking, again=again, retry_failed=retry_failed)
    except KeyboardInterrupt:
        if stop.interrupted:
            raise Interrupted("stopped by an interrupt; nothing was sent") from None
        raise UsageProblem("Stopped while the rows were looked at. Nothing was sent.") from None
    if not again:
        reach.refuse({task.key: len(task.numbers) for task in made.tasks})
    made.check_limits()
    reach.allow(made.secrets)
    if made.alike:
        reach.say(made.alike)
    reach.say(made.estimate())
    means = MapMeans(
        reach.means,
        reach.store,
        reach.home() if made.tasks else "",
        reach.spent,
        reach.publish,
        Watching(reach.bar),
        min(width, MOST_AT_ONCE),
    )
    unasked = sum(outcome is not None and not outcome.reused for outcome in made.outcomes)
    try:
        result = Asker(made, means).run()
    finally:
        reach.bar.close()
    reach.show(summary(result, rows, line.one("into")))
    problem = None if result.problem is None else told(result.problem)
    if stop.interrupted:
        # What the next run finds: neither those stopped under way, nor those of which no question was made
        # or which could not be written.
        kept = result.tally.done - result.tally.stopped - unasked - result.unkept
        problem = Interrupted(f"stopped by an interrupt; {kept:,} of {result.tally.total:,} rows are kept")
    return replace(result, problem=problem)


def totals(
    line: Line,
    question: Question,
    rows: Rows,
    shown: Callable[[Prepared], tuple[Table, float]],
    store: AskedStore | None,
) -> Table:
    """The first row's question as a table, and below it what all rows come to. Nothing is asked.

    Parameters
    ----------
    shown : callable
        Makes the table of a question; also tells by what the estimates are to be multiplied.
    store : AskedStore or None
        What is known of the rows; None not to look.
    """
    made: Plan = plan(
        question,
        rows,
        (lambda _: {}) if store is None else store.found,
        lambda call: call(),
        again=line.has("again"),
        retry_failed=line.has("retry_failed"),
        batch=line.has("batch"),
    )
    if not made.tasks:
        return Table(("rows",), ((made.estimate(),),))
    first = made.tasks[0].numbers[0]
    prepared = made.asked(first).prepared
    if prepared is None:  # its expressions give something else each time
        return Table(("rows",), ((made.estimate(),),))
    table, scale = shown(prepared)
    line_ = f"Row {rows[first].label} is shown. All: {made.estimate(scale)}"
    return replace(table, foot=(*table.foot, *filter(None, (made.alike,)), line_))
