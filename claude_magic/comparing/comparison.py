"""A comparison as the user holds it: the answers of several models to one question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from claude_magic.display.columns import Column, as_text, bundle
from claude_magic.display.shown import ShownOnce
from claude_magic.display.status import money
from claude_magic.errors import UsageProblem, did_you_mean
from claude_magic.reply import Reply


@dataclass(frozen=True, slots=True)
class Comparison(ShownOnce):
    """The answers of several models to one question, in the order in which the models were named.

    ``c[1]`` is the first, ``c["haiku"]`` that of the model of this name.

    Parameters
    ----------
    replies : tuple of Reply
        The answers; also those that failed, which have no text.
    names : tuple of str
        The models as they were named.
    models : tuple of str
        Their ids.
    problems : tuple of str
        For each what ended it early, in one line; ``""`` for nothing.
    shown_in : int
        The execution count of the cell that has shown it already.
    """

    replies: tuple[Reply, ...]
    names: tuple[str, ...]
    models: tuple[str, ...]
    problems: tuple[str, ...] = field(repr=False)
    shown_in: int = field(default=0, repr=False)

    def __getitem__(self, which: int | str) -> Reply:
        if isinstance(which, str):
            return self.replies[position(which, self.names, self.models)]
        if not 1 <= which <= len(self.replies):
            raise IndexError(f"the answers are numbered from 1 to {len(self.replies)}")
        return self.replies[which - 1]

    def __len__(self) -> int:
        return len(self.replies)

    def __iter__(self) -> Iterator[Reply]:
        return iter(self.replies)

    @property
    def cost(self) -> float | None:
        """USD of all of them; None where no price is known of one."""
        return sum_of(reply.cost for reply in self.replies)

    @property
    def text(self) -> str:
        """The answers under the models' names."""
        return as_text(self.columns)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The answers as they are shown."""
        pairs = zip(self.replies, self.problems, strict=True)
        return tuple(Column(reply.turn, problem) for reply, problem in pairs)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        cost = "" if self.cost is None else f", {money(self.cost)}"
        return f"<Comparison: {', '.join(self.models)}{cost}>"

    def _printed(self) -> str:
        return str(self)

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return bundle(self.columns)


def sum_of(costs: Iterable[float | None]) -> float | None:
    """USD of several; None where one is not known."""
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)


def position(which: str, names: tuple[str, ...], models: tuple[str, ...], left: str = "") -> int:
    """Where an answer stands, counted from 0, by its number from 1 or its model.

    Parameters
    ----------
    left : str
        What the message says of what was left undone; ``""`` where nothing was to be done.

    Raises
    ------
    UsageProblem
        When there is none.
    """
    if which.isdecimal() and 1 <= int(which) <= len(models):
        return int(which) - 1
    for known in (names, models):
        if which in known:
            return known.index(which)
    hint = did_you_mean(which, {*names, *models})
    told = f"No answer {which!r}: there are 1 to {len(models)} ({', '.join(names)}).{hint} {left}"
    raise UsageProblem(told.rstrip())
