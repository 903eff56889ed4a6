"""What a question may cost: the limits it stands under, and what they leave for its answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from claude_magic.api import models
from claude_magic.errors import UsageProblem
from claude_magic.values import Usage

SHORTEST = 64
"""Output tokens below which an answer is not worth its question."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Money that may be spent, and how much of it is.

    Parameters
    ----------
    what : str
        Whose limit it is, as the user reads it: ``this question``, ``this notebook today``.
    usd : float
        The limit in USD.
    spent : float
        What has been spent of it, in USD.
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
    most = max_tokens
    for limit in limits:
        asked = models.cost(model, prompt)
        whole = models.cost(model, replace(prompt, output_tokens=1_000_000))
        if asked is None or whole is None:
            raise UsageProblem(
                f"No price is known for {model.id}, so the limit of {_usd(limit.usd)} for {limit.what} "
                f"cannot be kept. Choose another model, or {limit.advice}. Nothing was sent."
            )
        tokens = int((limit.usd - limit.spent - asked) / (whole - asked) * 1_000_000)
        if tokens < min(SHORTEST, max_tokens):
            spent = f"{_usd(limit.spent)} is spent already and " if limit.spent else ""
            leaves = ", which leaves too little for an answer" if limit.spent + asked < limit.usd else ""
            raise UsageProblem(
                f"Over the limit of {_usd(limit.usd)} for {limit.what}: {spent}the question alone would "
                f"cost about {_usd(asked)}{leaves}. To raise it, {limit.advice}. Nothing was sent."
            )
        most = min(most, tokens)
    return most


def _usd(amount: float) -> str:
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.001 or amount == 0 else "$" + f"{amount:.8f}".rstrip("0")
