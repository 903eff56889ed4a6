"""What a batch may cost: it cannot be kept short on its way, so the longest answers must be affordable."""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.api.budget import Limit, unpriced
from claude_magic.conversation.batch_values import Sent
from claude_magic.display.status import money
from claude_magic.errors import UsageProblem


def check_limits(
    rows: int,
    cost: float | None,
    input_cost: float | None,
    question: tuple[str, int],
    limits: Sequence[Limit],
) -> None:
    """See that the limits leave enough for the longest answers: a batch cannot be kept short on its way.

    Parameters
    ----------
    rows : int
        Questions.
    cost, input_cost : float or None
        USD at batch prices, with the longest answers and with none.
    question : tuple of (str, int)
        The model's id, and the most tokens of an answer.

    Raises
    ------
    UsageProblem
        Where they do not. Nothing was sent.
    """
    for limit in limits:
        if cost is None or input_cost is None:
            raise unpriced(question[0], limit)
        left = limit.usd - limit.spent
        if cost <= left:
            continue
        most = question[1]
        fits = int(most * (left - input_cost) / (cost - input_cost)) if cost > input_cost else 0
        fewer = "Take fewer rows by --limit N, or "
        advice = f"--max-tokens {fits} keeps within it; or " if fits >= 1 else fewer
        spent = f", of which {money(limit.spent)} is spent or under way" if limit.spent else ""
        raise UsageProblem(
            f"Over the limit of {money(limit.usd)} for {limit.what}{spent}: {rows:,} answers of up to "
            f"{most:,} tokens may cost {money(cost)} at batch prices, {money(input_cost)} of it for the "
            f"questions. {advice}{limit.advice}. Nothing was sent."
        )


def check_again(one: Sent, count: int, limits: Sequence[Limit]) -> None:
    """See that the limits leave enough for sending so many questions of a batch again.

    Raises
    ------
    UsageProblem
        Where they do not. Nothing was sent.
    """
    cost = None if one.estimate is None else one.estimate * count / max(1, one.total)
    for limit in limits:
        if cost is None or cost > limit.usd - limit.spent:
            told = "has no known price" if cost is None else f"may cost {money(cost)}"
            raise UsageProblem(
                f"Over the limit of {money(limit.usd)} for {limit.what}: sending {count:,} questions {told}. "
                f"To raise it, {limit.advice}. Nothing was sent."
            )
