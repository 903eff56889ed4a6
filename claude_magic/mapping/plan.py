"""What a map has to ask: every row looked at once, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from claude_magic.api import models
from claude_magic.api.budget import SHORTEST, priced
from claude_magic.conversation.asked import Kept
from claude_magic.display.status import about, money
from claude_magic.errors import ClaudeMagicError, UsageProblem
from claude_magic.mapping.outcomes import failed, of_before, one_line
from claude_magic.mapping.purse import MapPurse
from claude_magic.mapping.questions import RowQuestion, alike, questions, shared_blocks
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.rows import Outcome, Rows
from claude_magic.values import Block, Usage

Result = TypeVar("Result")
Breaking = Callable[[Callable[[], Result]], Result]

HELD = 100_000_000
"""Bytes of questions that are held until they are asked; those beyond are made again then."""
_EACH = 2_000
_SECRETS = 20


@dataclass
class Task:
    """A question to be asked, of one row or of several that are equal.

    Parameters
    ----------
    key : str
        What is asked, whole, as a hash.
    numbers : list of int
        The rows.
    prompt : Usage
        Its input as expected.
    prepared : Prepared or None
        The question; None where it is to be made again.
    """

    key: str
    numbers: list[int]
    prompt: Usage
    prepared: Prepared | None = field(default=None, repr=False)


@dataclass
class Plan:
    """The rows of a map, what is known of them, and what is to be asked.

    Parameters
    ----------
    outcomes : list of (Outcome or None)
        By the rows' numbers.
    tasks : list of Task
        What is to be asked, in the order of the rows.
    secrets : list of str
        What looks like a secret in it.
    alone : bool
        Whether the first question goes out alone: the others find in the cache what it leaves there.
    batch : bool
        Whether it is reckoned as a batch: at half price, no question waiting for what another caches.
    alike : str
        What is to be said of a template that asks the same of all rows; ``""`` for nothing.
    missing : int
        Rows in whose questions a value is missing.
    """

    question: Question
    rows: Rows
    shared: tuple[Block, ...] = field(repr=False)
    outcomes: list[Outcome | None] = field(repr=False)
    tasks: list[Task] = field(repr=False)
    secrets: list[str] = field(default_factory=list)
    alone: bool = False
    batch: bool = False
    alike: str = ""
    missing: int = 0

    def asked(self, number: int) -> RowQuestion:
        """The question of a row, made anew."""
        return next(questions(self.question, [self.rows[number]], self.shared))

    def cost(self, prompt: Usage, output: int = 0) -> float | None:
        """USD of a question with so long an answer; None where no price is known."""
        tier = "batch" if self.batch else prompt.service_tier
        return models.cost(self.question.model, replace(prompt, output_tokens=output, service_tier=tier))

    @property
    def most(self) -> int:
        """Output tokens of the longest answer there may be."""
        return self.question.most

    def estimate(self, scale: float = 1.0) -> str:
        """What is to be asked and what it may cost, in one line.

        Parameters
        ----------
        scale : float
            What the estimated tokens are multiplied by.
        """
        rows, count = len(self.rows), len(self.tasks)
        kept = sum(outcome is not None and outcome.reused for outcome in self.outcomes)
        said = f"{rows:,} row{'' if rows == 1 else 's'}: {count:,} question{'' if count == 1 else 's'} to ask"
        parts = [f"{said}, {kept:,} known from before" if kept else said]
        if self.missing:
            parts.append(f"{self.missing:,} row{' has' if self.missing == 1 else 's have'} missing values")
        if count:
            tokens = round(scale * sum(task.prompt.prompt_tokens for task in self.tasks))
            parts.append(f"≈{tokens:,} input tokens")
            costs = [self.cost(task.prompt) for task in self.tasks]
            longest = [self.cost(task.prompt, self.most) for task in self.tasks]
            if None not in costs and None not in longest:
                alone = sum(cost or 0.0 for cost in costs)
                # Not of an empty prompt: what is asked decides what a token of the answer costs.
                answers = sum(cost or 0.0 for cost in longest) - alone
                parts.append(f"{about(scale * alone)} for the input")
                parts.append(self._at_most(scale * alone, answers))
        return " · ".join(parts)

    def _at_most(self, asked: float, answers: float) -> str:
        """What it may cost at most, of USD for the input and USD for the longest answers."""
        if self.batch:  # it is not kept short on its way: where a limit leaves less, it is not sent
            return f"at most {money(asked + answers)} with answers of {self.most:,} tokens, at half price"
        purse = MapPurse(self.question.limits)
        if asked + answers > purse.left:
            limit = purse.tightest
            return f"at most {money(max(0.0, purse.left))} in all, which the limit for {limit.what} leaves"
        return f"at most {money(answers)} for answers of {self.most:,} tokens"

    def check_limits(self) -> None:
        """See that the limits leave enough for all questions with short answers.

        Raises
        ------
        UsageProblem
            Where they do not. Nothing was sent.
        """
        if not (self.question.limits and self.tasks):
            return
        limit = MapPurse(self.question.limits).tightest
        shortest = min(SHORTEST, self.most)
        prices = [priced(self.question.model, task.prompt, limit) for task in self.tasks]
        whole = sum(asked + shortest * token for asked, token in prices)
        if whole > limit.usd - limit.spent:
            spent = f", of which {money(limit.spent)} is spent or under way" if limit.spent else ""
            raise UsageProblem(
                f"Over the limit of {money(limit.usd)} for {limit.what}{spent}: {len(self.tasks):,} "
                f"questions would cost about {money(whole)} even with the shortest answers. Take fewer "
                f"rows by --limit N, or {limit.advice}. Nothing was sent."
            )


def plan(
    question: Question,
    rows: Rows,
    known: Callable[[Iterable[str]], Mapping[str, Kept]],
    breaking: Breaking[RowQuestion | None],
    *,
    again: bool = False,
    retry_failed: bool = False,
    batch: bool = False,
) -> Plan:
    """Look at every row, and at what the store knows of it. Nothing is sent.

    Parameters
    ----------
    known : callable
        What came of questions that were asked before.
    breaking : callable
        Makes a call of the user's own code, so that it can be broken off.
    again : bool
        Whether rows are asked that have an answer already.
    retry_failed : bool
        Whether rows are asked that have failed before.
    batch : bool
        Whether it is reckoned as a batch.

    Raises
    ------
    UsageProblem
        Where no row can be asked: what is wrong with the first.
    """
    made = Plan(question, rows, shared_blocks(question), [None] * len(rows), [], batch=batch)
    tasks: dict[str, Task] = {}
    first: ClaudeMagicError | None = None
    for asked in _each(questions(question, rows, made.shared), breaking):
        if asked.prepared is None:
            first = first or asked.problem
            made.outcomes[asked.row.number] = failed(one_line(asked.problem or ValueError("no question")))
        else:
            made.missing += asked.prepared.missing
            _add(tasks, asked.row.number, asked.prepared, made)
    if first is not None and not tasks:
        raise first
    made.alike = alike(question, len(rows)) if len(tasks) == 1 and first is None else ""
    found: Mapping[str, Kept] = {} if again else known(tasks)
    for task in tasks.values():
        kept = found.get(task.key)
        if kept is None:
            made.tasks.append(task)
            continue
        outcome = of_before(kept, question.shape)
        if outcome.error and retry_failed:
            made.tasks.append(task)
            continue
        for number in task.numbers:
            made.outcomes[number] = outcome
    _reckon(made)
    return made


def _each(asked: Iterator[RowQuestion], breaking: Breaking[RowQuestion | None]) -> Iterator[RowQuestion]:
    while (one := breaking(lambda: next(asked, None))) is not None:
        yield one


def _add(tasks: dict[str, Task], number: int, prepared: Prepared, made: Plan) -> None:
    key = prepared.key
    if key in tasks:
        tasks[key].numbers.append(number)
        return
    tasks[key] = Task(key, [number], prepared.expected(prepared.estimated_tokens()), prepared)
    if len(tasks) == 1:
        made.secrets += prepared.secrets()
    elif len(made.secrets) < _SECRETS:  # what all share was looked at with the first
        own = replace(prepared, blocks=prepared.blocks[len(made.shared) :]).secrets()
        made.secrets += [f"{secret} (row {number})" for secret in own if secret not in made.secrets]


def _reckon(made: Plan) -> None:
    """Reckon the first with writing to the cache, the others with reading from it; drop what is too much."""
    own = len(made.shared)
    held = 0
    for place, task in enumerate(made.tasks):
        prepared = task.prepared
        if prepared is None:
            continue
        if place == 0:
            made.alone = not made.batch and len(made.tasks) > 1 and prepared.common_tokens() > 0
        elif made.alone:
            prepared = task.prepared = replace(prepared, kept=True)
            task.prompt = prepared.expected(prepared.estimated_tokens())
        held += _EACH + sum(len(block.json) + len(block.thumbnail) for block in prepared.blocks[own:])
        if held > HELD:
            task.prepared = None
