"""From one question and many rows to the questions that are asked: made one by one, when they are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from claude_magic.content import expressions, mentions
from claude_magic.errors import ClaudeMagicError
from claude_magic.evaluation import attached, prepare
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.rows import NAMES, Row
from claude_magic.values import Block


@dataclass(frozen=True, slots=True)
class RowQuestion:
    """What is asked of a row.

    Parameters
    ----------
    prepared : Prepared or None
        The question; None where it could not be made.
    problem : ClaudeMagicError or None
        Why not: its line tells that nothing was sent.
    """

    row: Row
    prepared: Prepared | None
    problem: ClaudeMagicError | None = None


def shared_blocks(question: Question) -> tuple[Block, ...]:
    """The attachments that do not mention the row, encoded once for all.

    Raises
    ------
    UsageProblem
        For what cannot be found or sent. Nothing was sent.
    """
    return attached(replace(question, attach=tuple(one for one in question.attach if not _is_own(one))))


def questions(
    question: Question, rows: Iterable[Row], shared: tuple[Block, ...] | None = None
) -> Iterator[RowQuestion]:
    """What is asked of each row, evaluated and encoded when it is taken; in the thread that takes it.

    Parameters
    ----------
    question : Question
        The template: in its prompt and its attachments ``row`` is the row's value, ``index`` its label.
    rows : iterable of Row
        In the order in which they are asked.
    shared : tuple of Block or None
        What `shared_blocks` has made; None to make it at the first.

    Raises
    ------
    UsageProblem
        For what all rows share and cannot be found or sent. Nothing was sent.
    """
    common = shared_blocks(question) if shared is None else shared
    asked = replace(question, attach=tuple(filter(_is_own, question.attach)), goes_on=False)
    for row in rows:
        # eval() takes a dict as it is, and would make one of any other mapping, once an expression.
        names = {**question.namespace, "row": row.value, "index": row.label}
        try:
            prepared = prepare(replace(asked, namespace=names), common)
        except ClaudeMagicError as problem:
            yield RowQuestion(row, None, problem)
        else:
            # The names are needed no more, and would keep the row alive.
            yield RowQuestion(row, replace(prepared, question=asked))


def alike(question: Question, rows: int) -> str:
    """A line about a template that asks the same of all rows; ``""`` for one that names its row."""
    own = (*(() if question.verbatim else expressions(question.prompt)), *question.attach)
    if rows < 2 or any(map(_is_own, own)):
        return ""
    return f"The template names neither row nor index: all {rows:,} rows ask the same question."


def _is_own(expression: str) -> bool:
    return mentions(expression, NAMES)
