"""What a question may cost: the limits it stands under, and what they leave for its answer."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from claude_magic.api import models
from claude_magic.errors import UsageProblem
from claude_magic.values import Usage

QUESTION, TODAY, KERNEL = "this question", "this notebook today", "this kernel"
"""Whose limit it is, as the user reads it."""
SHORTEST = 64
"""Output tokens below which an answer is not worth its question."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Money that may be spent, and how much of it is.

    Parameters
    ----------
    what : str
        Whose limit it is, as the user reads it: `QUESTION`, `TODAY`, `KERNEL` or the like.
    usd : float
        The limit in USD.
    spent : float
        What has been spent of it, in USD, and what batches under way may still cost.
    advice : str
        How to raise it.
    """

    what: str
    usd: float
    spent: float
    advice: str


def affordable(model: models.Model, prompt: Usage, max_tokens: int, limits: Iterable[Limit]) -> int:
    """The most output tokens of an answer, so that no limit is passed whatever the model says.

    Parameters
    ----------
    prompt : Usage
        The estimated tokens of the whole prompt: plain, written to the cache, read from it.
    max_tokens : int
        What is asked for.

    Raises
    ------
    UsageProblem
        When a limit leaves nothing for an answer, or cannot be kept because no price is known.
    """
    leaves = [int(_each([priced(model, prompt, limit)], max_tokens, limit)) for limit in limits]
    return min([max_tokens, *leaves])


def shares(
    asked: Sequence[tuple[models.Model, Usage]], max_tokens: Sequence[int], limits: Iterable[Limit]
) -> list[tuple[Limit, ...]]:
    """What each of several questions may cost, so that their sum passes no limit: all get as many tokens.

    Parameters
    ----------
    asked : sequence of (Model, Usage)
        Who is asked, and the estimated tokens of the prompt.
    max_tokens : sequence of int
        What is asked for of each.

    Raises
    ------
    UsageProblem
        As `affordable`, for all of them together.
    """
    mine: list[tuple[Limit, ...]] = [()] * len(asked)
    for limit in limits:
        prices = [priced(model, prompt, limit) for model, prompt in asked]
        tokens = _each(prices, max(max_tokens), limit)
        for number, ((question, token), most) in enumerate(zip(prices, max_tokens, strict=True)):
            # Half a token more, lest rounding takes one away.
            usd = question + min(tokens, most + 0.5) * token
            share = Limit(f"its share of {limit.what}", usd, 0.0, limit.advice)
            mine[number] = (*mine[number], share)
    return mine


class Purse:
    """What many questions, of which a few are under way at once, may cost in all; for any thread.

    Each gets what it could cost at most, or an even part of what is left, until it has ended and what it did
    not spend comes back.

    Parameters
    ----------
    limits : sequence of Limit
        Those of all questions together.
    threads : int
        How many are under way at once.
    """

    def __init__(self, limits: Sequence[Limit], threads: int) -> None:
        self._limits = limits
        self._left = [limit.usd - limit.spent for limit in limits]
        self._free = threads
        self._gate = threading.Lock()

    def take(self, model: models.Model, prompt: Usage, max_tokens: int) -> tuple[Limit, ...]:
        """What a question may cost that is asked now.

        Raises
        ------
        UsageProblem
            Where no price is known.
        """
        shares = []
        with self._gate:
            for number, limit in enumerate(self._limits):
                asked, token = priced(model, prompt, limit)
                usd = min(asked + (max_tokens + 0.5) * token, self._left[number] / max(1, self._free))
                self._left[number] -= usd
                shares.append(Limit(f"its share of {limit.what}", usd, 0.0, limit.advice))
            self._free -= 1
        return tuple(shares)

    def give_back(self, shares: Sequence[Limit], cost: float | None) -> None:
        """Take back what a question that has ended did not spend; nothing where its cost is not known."""
        with self._gate:
            for number, share in enumerate(shares):
                self._left[number] += 0.0 if cost is None else share.usd - cost
            self._free += 1


def priced(model: models.Model, prompt: Usage, limit: Limit) -> tuple[float, float]:
    """What a prompt costs in USD, and what one token of its answer.

    Raises
    ------
    UsageProblem
        Where no price is known, so that the limit cannot be kept.
    """
    asked = models.cost(model, prompt)
    whole = models.cost(model, replace(prompt, output_tokens=1_000_000))
    if asked is None or whole is None:
        raise unpriced(model.id, limit)
    return asked, (whole - asked) / 1_000_000


def unpriced(model: str, limit: Limit) -> UsageProblem:
    """What is raised where a limit cannot be kept, for want of a price."""
    return UsageProblem(
        f"No price is known for {model}, so the limit of {_usd(limit.usd)} for {limit.what} "
        f"cannot be kept. Choose another model, or {limit.advice}. Nothing was sent."
    )


def _each(prices: Sequence[tuple[float, float]], max_tokens: int, limit: Limit) -> float:
    """The output tokens that a limit leaves each of several answers."""
    asked, token = sum(price for price, _ in prices), sum(price for _, price in prices)
    tokens = (limit.usd - limit.spent - asked) / token
    if int(tokens) < min(SHORTEST, max_tokens):
        spent = f"{_usd(limit.spent)} is spent or under way, and " if limit.spent else ""
        leaves = ", which leaves too little for an answer" if limit.spent + asked < limit.usd else ""
        several = len(prices) > 1
        what = f"the {len(prices)} questions alone" if several else "the question alone"
        raise UsageProblem(
            f"Over the limit of {_usd(limit.usd)} for {limit.what}: {spent}{what} would "
            f"cost about {_usd(asked)}{leaves}. To raise it, {limit.advice}. Nothing was sent."
        )
    return tokens


def _usd(amount: float) -> str:
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.001 or amount == 0 else "$" + f"{amount:.8f}".rstrip("0")
