"""Rows as requests on disk: what is asked of each is made, written and kept in the store, one at a time."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from claude_magic.api import batches, models
from claude_magic.batching.means import BatchMeans, must
from claude_magic.conversation.asked import Kept
from claude_magic.conversation.batch_values import Row, Run
from claude_magic.errors import ApiProblem, ClaudeMagicError, StoreProblem, UsageProblem
from claude_magic.mapping import RowQuestion, of_before, questions, shared_blocks
from claude_magic.question import Question
from claude_magic.rows import Rows
from claude_magic.values import Usage

Known = Callable[[Iterable[str]], Mapping[str, Kept]]
"""What came of questions that were asked before."""

_AT_ONCE = 1000
_SECRETS = 20
_OLD = 86_400.0
"""Seconds after which a file that nobody knows is not one that another kernel is just writing."""


@dataclass(slots=True)
class Spooled:
    """A run whose requests are on disk.

    Parameters
    ----------
    run : Run
        With its number in the store.
    parts : list of int
        Its batches, by their numbers in the store.
    rows, asked, known, refused : int
        All rows; questions on disk; rows that have an answer or a failure already; rows that cannot be asked.
    underway : dict of int to int
        Rows that another batch has asked already, by its number in the store.
    input_cost, most_cost : float or None
        USD at batch prices, of the questions alone and with the longest answers there may be; None where no
        price is known.
    secrets : list of str
        What looks like a secret in them.
    """

    run: Run
    parts: list[int] = field(default_factory=list)
    rows: int = 0
    asked: int = 0
    known: int = 0
    refused: int = 0
    input_cost: float | None = 0.0
    most_cost: float | None = 0.0
    secrets: list[str] = field(default_factory=list)
    underway: Counter[int] = field(default_factory=Counter)

    def count(self, prompt: Usage, most: int, model: models.Model) -> None:
        """Count one question."""
        at_half = replace(prompt, service_tier="batch")
        alone = models.cost(model, at_half)
        longest = models.cost(model, replace(at_half, output_tokens=most))
        self.asked += 1
        self.input_cost = None if None in (alone, self.input_cost) else self.input_cost + alone  # type: ignore[operator]
        self.most_cost = None if None in (longest, self.most_cost) else self.most_cost + longest  # type: ignore[operator]


class _Requests:
    """Rows as they become requests, one at a time; each is kept in the store."""

    def __init__(
        self,
        question: Question,
        rows: Rows,
        spooled: Spooled,
        means: BatchMeans,
        known: Known,
        *,
        retry: bool,
    ) -> None:
        self._question = question
        self._rows = rows
        self._spooled = spooled
        self._means = means
        self._known = known
        self._retry = retry
        self._seen: set[bytes] = set()
        self._noted: list[Row] = []
        self._cost_before: float | None = 0.0

    def flush(self) -> None:
        """Keep the rows so far."""
        must(self._means.shelf.add_rows(self._spooled.run.key, self._noted))
        self._noted = []

    def cost(self) -> float | None:
        """USD of the longest answers to what was asked since the last call."""
        most, before = self._spooled.most_cost, self._cost_before
        self._cost_before = most
        return None if most is None or before is None else most - before

    def each(self, *, again: bool) -> Iterator[tuple[str, bytes]]:
        shared = shared_blocks(self._question)
        asked = questions(self._question, self._rows, shared)
        total = len(self._rows)
        while (one := self._means.stop.breaking(lambda: next(asked, None))) is not None:
            self._spooled.rows += 1
            found = self._request(one, again=again)
            if len(self._noted) >= _AT_ONCE:
                self.flush()
                self._means.progress.show(self._spooled.rows, total)
            if found is not None:
                yield found

    def _request(self, asked: RowQuestion, *, again: bool) -> tuple[str, bytes] | None:
        number, label = asked.row.number, _plain(asked.row.label)
        prepared, problem = asked.prepared, asked.problem
        if prepared is None:
            self._refuse(Row(number, "", label), problem)
            return None
        key = prepared.key
        row = Row(number, key, label)
        kept = None if again else self._known([key]).get(key)
        if kept is not None and not (self._retry and of_before(kept, self._question.shape).error):
            self._spooled.known += 1
            self._noted.append(replace(row, outcome="answered", turn=kept.turn.id))
            return None
        if batch := 0 if again else self._means.shelf.under_way([key]).get(key, 0):
            self._spooled.underway[batch] += 1
            self._noted.append(replace(row, outcome="elsewhere"))
            return None
        digest = bytes.fromhex(key)
        if digest in self._seen:
            self._noted.append(row)
            return None
        above = self._question.upload_above
        uploads = above and any(block.size > above for block in prepared.blocks)

        def made() -> bytes:
            return prepared.request(self._means.files, limited=False).params()

        try:
            params = self._means.retried(made) if uploads else made()
        except UsageProblem as error:
            self._refuse(replace(row, question=""), error)
            return None
        self._seen.add(digest)
        self._noted.append(row)
        most = self._question.most
        self._spooled.count(prepared.expected(prepared.estimated_tokens()), most, self._question.model)
        if len(self._spooled.secrets) < _SECRETS:
            news = [f"{secret} (row {number})" for secret in prepared.secrets()]
            self._spooled.secrets += [one for one in news if one not in self._spooled.secrets]
        return key, params

    def _refuse(self, row: Row, problem: ClaudeMagicError | None) -> None:
        said = " ".join(str(problem).split())
        self._spooled.refused += 1
        self._noted.append(replace(row, outcome="refused", error=said))


def spool_rows(
    question: Question,
    rows: Rows,
    run: Run,
    means: BatchMeans,
    known: Known,
    *,
    again: bool = False,
    retry_failed: bool = False,
) -> Spooled:
    """Write what is asked of each row to disk, and keep it in the store. Nothing is sent.

    Parameters
    ----------
    known : callable
        What came of questions that were asked before.
    again : bool
        Whether rows are asked that have an answer already.
    retry_failed : bool
        Whether rows are asked that have failed before.

    Raises
    ------
    UsageProblem, StoreProblem, ApiProblem, Stopped, KeyboardInterrupt
        Nothing of it is left then; ApiProblem where an attachment cannot be uploaded.
    """
    batches.refuse_batches(question.provider)
    if means.shelf.problem:
        raise StoreProblem(f"{means.shelf.problem} A batch could not be found again. Nothing was sent.")
    means.spool.sweep({one.spool for one in means.shelf.batches()}, _OLD)
    number = means.shelf.begin(run)
    must(number)
    spooled = Spooled(replace(run, key=number))
    names: list[str] = []
    requests = _Requests(question, rows, spooled, means, known, retry=retry_failed)
    try:
        for part in means.spool.written(requests.each(again=again)):
            names.append(part.name)
            requests.flush()
            key = means.shelf.add_batch(number, part.name, part.places, requests.cost())
            must(key)
            spooled.parts.append(key)
        requests.flush()
    except BaseException as error:
        discard(spooled, means, names)
        if isinstance(error, OSError):
            raise UsageProblem(
                f"The batch cannot be written to disk ({error.strerror or error}). Nothing was sent."
            ) from None
        if isinstance(error, ApiProblem) and "Nothing was sent" not in str(error):
            error.charged = False  # an upload costs nothing
            error.advice = f"{error.advice} Nothing was sent.".strip()
        raise
    return spooled


def discard(spooled: Spooled, means: BatchMeans, names: Sequence[str] = ()) -> None:
    """Forget a run that is not to be sent, with its files."""
    found = [one.spool for one in means.shelf.batches() if one.run.key == spooled.run.key]
    means.shelf.forget_run(spooled.run.key)
    for name in (*names, *found):
        with contextlib.suppress(OSError):
            means.spool.drop(name)


def _plain(label: object) -> object:
    """A row's label as JSON has it."""
    return label if isinstance(label, str | int | float | bool) or label is None else str(label)
