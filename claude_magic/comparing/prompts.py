"""Several models over a set of prompts: the check before a model retires."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from claude_magic import notices
from claude_magic.api.budget import Purse, shares
from claude_magic.around import Around
from claude_magic.asides import Aside
from claude_magic.comparing.cells import Ended, ended_of, line_of
from claude_magic.comparing.report import Case, Report
from claude_magic.comparing.side_work import at_once
from claude_magic.content import evaluate
from claude_magic.display.frontend import NoView
from claude_magic.display.side_by_side import working
from claude_magic.display.status import money
from claude_magic.errors import UsageProblem, did_you_mean
from claude_magic.exchange import Means, ask
from claude_magic.flags import Line, variable, whole_number
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.rows import rows_of
from claude_magic.settings import Settings
from claude_magic.values import Answer, Turn, text_block

AT_ONCE = 4
"""Questions under way at once."""
LEAST = 64
"""Output tokens of each answer for which the limit must have room before anything is sent."""


def compare(line: Line, settings: Settings, around: Around) -> None:
    """Ask several models each of a set of prompts, keep all answers beside the conversation, show a report.

    Raises
    ------
    ClaudeMagicError
        One line for the user: nothing could be asked, or no question was answered.
    KeyboardInterrupt
        The notebook's interrupt: queued cells must not go on.
    """
    into = variable(line.one("into"))
    names = around.preparing.several(line, settings)
    if len(names) < 2:
        raise UsageProblem("%claude_compare needs two models: -m OLD -m NEW. Nothing was sent.")
    questions = [
        around.preparing.question(replace(line, values={**line.values, "model": (name,)}), "", settings)
        for name in names
    ]
    chats = around.chats(settings)
    given = _given(line, around.shell.user_ns)  # its expression may ask, too
    place = around.place(Line({}, ""), settings)  # the turns of deleted cells leave
    cases = given or _own(line, chats.refresh().turns)
    prepared = [make(question) for make in cases for question in questions]
    around.allow_secrets(settings, tuple(dict.fromkeys(found for one in prepared for found in one.secrets())))
    limits = questions[0].limits
    costs = [(one.question.model, one.expected(one.estimated_tokens())) for one in prepared]
    shares(costs, [min(LEAST, one.question.max_tokens) for one in prepared], limits)
    for one in prepared:
        one.request(None, limited=False)  # what is to be refused is refused before anything is begun
    conversation = chats.take(place) if place is not None else ""
    prepared = [replace(one, conversation=conversation) for one in prepared]
    journal, purse = Aside(chats.store), Purse(limits, AT_ONCE)
    with around.asking.reply() as stop:
        means = around.means(settings, stop, journal, NoView())
        shown = working(around.views, settings.view, stop)
        spent: list[float] = []

        def say(count: int) -> None:
            told = f"{count} of {len(prepared)} answers · {money(sum(spent))}"
            shown.say(f"{', '.join(names)}: {told}")

        say(0)
        calls = [partial(_answer, one, means, purse, spent) for one in prepared]
        brought = at_once(calls, AT_ONCE, stop, say)
        ended = [ended_of(one, what) for one, what in zip(prepared, brought, strict=True)]
        for one, (turn, problem) in zip(prepared, ended, strict=True):
            if turn.seconds and not isinstance(problem, KeyboardInterrupt):  # it was asked
                chats.store.record(turn, one.key)
                around.accounts.add(turn, kept=True)
        around.say_notes(settings)
        report = _report(tuple(one.model.id for one in questions), ended)
        if into:
            around.shell.user_ns[into] = report.frame()
        shown.end(report.bundle())
    problems = [problem for _, problem in ended]
    if stop.interrupted or None not in problems:
        turns = [turn for turn, _ in ended]
        first, where = replace(turns[0], conversation=""), into or "the report"
        notices.raise_problem(stop, first, problems[0], beside=turns, where=where)


def _answer(prepared: Prepared, means: Means, purse: Purse, spent: list[float]) -> Ended:
    """Ask one question, within what is left for it; in any thread."""
    if means.stop.asked:
        return prepared.turn(Answer(), "interrupted"), None
    question = prepared.question
    most = question.most
    limits = purse.take(question.model, prepared.expected(prepared.estimated_tokens()), most)
    cost: float | None = None
    try:
        turn, problem = ask(replace(prepared, question=replace(question, limits=limits)), means)
        cost = turn.cost
        spent.append(cost or 0.0)
        return turn, problem
    finally:
        purse.give_back(limits, cost)


def _report(models: tuple[str, ...], ended: Sequence[Ended]) -> Report:
    """The answers, those to one prompt together."""
    count = len(models)
    cases = [
        Case(
            number,
            ended[start][0].prompt,
            tuple(turn for turn, _ in ended[start : start + count]),
            tuple(line_of(problem) for _, problem in ended[start : start + count]),
        )
        for number, start in enumerate(range(0, len(ended), count), 1)
    ]
    return Report(models, tuple(cases))


Make = Callable[[Question], Prepared]
"""Puts one prompt to a model."""


def _given(line: Line, names: dict[str, Any]) -> list[Make]:
    """The prompts that ``--over`` gives, in their order; none without it."""
    if not line.has("over"):
        if line.has("column"):
            raise UsageProblem("--column names a column of the frame that --over gives. Nothing was sent.")
        return []
    if line.has("with_history"):
        raise UsageProblem("--with-history is for this conversation's prompts, not for --over.")
    source = line.one("over")
    prompts = texts_of(evaluate(source, source, names), source, line.one("column"), _limit(line))
    if not prompts:
        raise UsageProblem(_NONE.format("--over has no prompts"))
    return [partial(_of_text, prompt) for prompt in prompts]


def _own(line: Line, turns: Sequence[Turn]) -> list[Make]:
    """The prompts of a conversation, in their order."""
    asked = [at for at, turn in enumerate(turns) if turn.blocks and not turn.stands_for]
    chosen = asked[-_limit(line) :]
    if not chosen:
        raise UsageProblem(_NONE.format("This conversation has no prompts yet"))
    above = [tuple(one for one in turns[:at] if one.goes_back) for at in chosen]
    if not line.has("with_history"):
        above = [()] * len(chosen)
    return [partial(_again, turns[at], before) for at, before in zip(chosen, above, strict=True)]


_NONE = "{}: --over takes a list of texts, or a frame. Nothing was sent."


def _limit(line: Line) -> int:
    return whole_number(line.one("limit"), "--limit") if line.has("limit") else 0


def _of_text(prompt: str, question: Question) -> Prepared:
    """A prompt as it stands; what looks like a template in it is text."""
    return Prepared(replace(question, prompt=prompt, goes_on=False), (text_block(prompt),))


def _again(turn: Turn, above: tuple[Turn, ...], question: Question) -> Prepared:
    """What a turn asked, with its attachments as they were."""
    return Prepared(replace(question, prompt=turn.prompt, goes_on=bool(above)), turn.blocks, above)


def texts_of(value: Any, name: str, column: str = "", limit: int = 0) -> list[str]:
    """The prompts of a list, a dict's values, a series or a frame.

    Parameters
    ----------
    name : str
        What the user calls it.
    column : str
        The frame's column; ``""`` for ``prompt``.
    limit : int
        Most prompts; 0 for all.

    Raises
    ------
    UsageProblem
        When there are none in it, or something else. Nothing was sent.
    """
    if isinstance(value, str | bytes | int):
        kind = type(value).__name__
        raise UsageProblem(f"--over {name} takes a list of texts or a frame, not {kind}. Nothing was sent.")
    rows = rows_of(value, name, limit)
    if rows.cells is not None:
        named = _named(column or "prompt", tuple(rows.cells.columns), name)
        texts = [rows.cells.cell(named, number) for number in range(len(rows))]
    elif column:
        raise UsageProblem(f"--column {column}: {name} is no data frame. Nothing was sent.")
    else:
        texts = [row.value for row in rows]
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str) or not text.strip():
            what = "empty" if isinstance(text, str) else f"no text but {type(text).__name__}"
            raise UsageProblem(f"--over {name}: prompt {number} is {what}. Nothing was sent.")
    return texts


def _named(wanted: str, columns: Sequence[Any], name: str) -> Any:
    """The column of this name, or the one that is written so: 0 for ``0``."""
    if wanted in columns:
        return wanted
    known = {str(one): one for one in columns}
    if wanted not in known:
        hint = did_you_mean(wanted, known) or f" It has {', '.join(list(known)[:10])}."
        raise UsageProblem(f"--over {name}: no column {wanted!r}.{hint} --column names it. Nothing was sent.")
    return known[wanted]
