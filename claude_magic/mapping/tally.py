"""How far a map is, in numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from claude_magic.rows import NOT_ASKED, Outcome
from claude_magic.values import Turn

_REQUEST = re.compile(r" \(request [^()]*\)")
_VALUE = re.compile(r"(?<!\w)(['\"`]).*?\1(?!\w)|[-+]?\d[\d.,]*(?:e[-+]?\d+)?")
"""What differs between two errors of one kind."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows by what came of them, and what was used.

    Parameters
    ----------
    total : int
        All rows.
    answered, reused, failed, stopped, waiting : int
        With a whole answer of this run; with one that was there before, or that an equal row got; with none
        for a reason; stopped under way; not asked, or not yet.
    input_tokens, output_tokens : int
        Of this run's questions.
    cost : float or None
        USD of this run; None where no price is known.
    saved : float
        USD that the prompt cache saved.
    width : int
        Questions that may be under way at once.
    held : float
        Seconds for which the API is not asked.
    demo : bool
        Whether the offline demo answered.
    replayed : mapping
        The answers that a cassette gave, by its name and the day they were recorded.
    live : bool
        Whether there are also answers that no cassette gave.
    errors : mapping
        The failed rows by the line of the first of their kind, without the ids of requests.
    varied : set of str
        Those of these lines that others of their kind differ from, by a number or a quoted value.
    """

    total: int
    answered: int = 0
    reused: int = 0
    failed: int = 0
    stopped: int = 0
    waiting: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    saved: float = 0.0
    width: int = 0
    held: float = 0.0
    demo: bool = False
    errors: Counter[str] = field(default_factory=Counter)
    replayed: Counter[str] = field(default_factory=Counter)
    live: bool = False
    varied: set[str] = field(default_factory=set)

    @property
    def done(self) -> int:
        """Rows of which something came."""
        return self.total - self.waiting


class Count:
    """Counts outcomes as they come.

    Parameters
    ----------
    outcomes : sequence of Outcome or None
        Those that are there already.
    """

    def __init__(self, outcomes: Sequence[Outcome | None]) -> None:
        self.total = len(outcomes)
        self.kinds: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.varied: set[str] = set()
        self._firsts: dict[str, str] = {}
        self.input_tokens = self.output_tokens = 0
        self.cost: float | None = 0.0
        self.saved = 0.0
        self.demo = self.live = False
        self.replayed: Counter[str] = Counter()
        for outcome in outcomes:
            if outcome is not None:
                self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        if outcome.stage == NOT_ASKED:
            return
        if outcome.stage == "interrupted":
            self.kinds["stopped"] += 1
        elif outcome.error:
            self.kinds["failed"] += 1
            self._fail(_REQUEST.sub("", outcome.error))
        else:
            self.kinds["reused" if outcome.reused else "answered"] += 1
        if not outcome.reused:
            self.input_tokens += outcome.input_tokens
            self.output_tokens += outcome.output_tokens
            self.cost = None if None in (self.cost, outcome.cost) else (self.cost or 0) + (outcome.cost or 0)
            self.saved += outcome.saved

    def _fail(self, error: str) -> None:
        first = self._firsts.setdefault(_VALUE.sub("…", error), error)
        self.errors[first] += 1
        if error != first:
            self.varied.add(first)

    def ended(self, turn: Turn) -> None:
        """Note who answered."""
        self.demo = self.demo or turn.demo
        if turn.replayed:
            self.replayed[turn.replayed] += 1
        else:
            self.live = True

    def tally(self, width: int = 0, held: float = 0.0) -> Tally:
        """The numbers now."""
        kinds = self.kinds
        return Tally(
            self.total,
            kinds["answered"],
            kinds["reused"],
            kinds["failed"],
            kinds["stopped"],
            self.total - sum(kinds.values()),
            self.input_tokens,
            self.output_tokens,
            self.cost,
            self.saved,
            width,
            held,
            self.demo,
            self.errors,
            self.replayed,
            self.live,
            self.varied,
        )
