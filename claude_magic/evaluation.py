"""The evaluation of a question: its expressions and attachments become content blocks, once."""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.api.request import system_message
from claude_magic.content import attachment_blocks, encoded_prompt, evaluated, has_missing
from claude_magic.errors import UsageProblem
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.values import Block

GO_ON = "Your last answer was cut off. Continue exactly where it stopped, and repeat nothing of it."
"""What ``--continue`` asks; no model need take a half answer of its own as the last message for it."""


def attached(question: Question) -> tuple[Block, ...]:
    """What a question attaches, evaluated and encoded.

    Raises
    ------
    UsageProblem
        For what cannot be found or sent. Nothing was sent.
    """
    return attachment_blocks(question.attach, question.namespace, question.how, urls=question.urls)


def prepare(question: Question, shared: tuple[Block, ...] | None = None) -> Prepared:
    """Evaluate and encode what a cell asks; it has no history yet.

    Parameters
    ----------
    shared : tuple of Block or None
        Of a row's question: what all rows attach, already encoded; it stands first.

    Raises
    ------
    UsageProblem
        When the prompt is empty or something in it cannot be sent. Nothing was sent.
    """
    return prepare_all([question], shared)[0]


def prepare_all(questions: Sequence[Question], shared: tuple[Block, ...] | None = None) -> list[Prepared]:
    """As `prepare`, for questions that differ in their model only.

    What stands in ``{{ }}`` is evaluated once for all of them, and all is encoded once, but for a model that
    takes pictures or documents otherwise.
    """
    one = questions[0]
    own = attached(one)
    typed = one.prompt
    if one.go_on:
        typed = f"{GO_ON}\n\n{typed}" if typed.strip() else GO_ON
    pieces = evaluated(typed, one.namespace, verbatim=one.verbatim)
    made = {one.how: (*own, *encoded_prompt(pieces, one.how))}
    if len(made[one.how]) == len(own):
        raise UsageProblem("The prompt is empty. Nothing was sent.")
    told = (system_message(one.system_message),) if one.system_message.strip() else ()
    for question in questions:
        how = question.how
        if how in made:
            continue
        made[how] = made[one.how]
        if any(block.kind in ("image", "document") for block in made[how]):
            made[how] = (*attached(question), *encoded_prompt(pieces, how))
    count = None if shared is None else len(shared)
    return [
        Prepared(
            question, (*(shared or ()), *made[question.how], *told), shared=count, missing=has_missing(pieces)
        )
        for question in questions
    ]
