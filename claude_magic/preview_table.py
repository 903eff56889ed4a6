"""A question as a table, before it is asked: the request as it would be sent, its tokens and their cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from claude_magic.api import models
from claude_magic.api.request import Request
from claude_magic.display.preview import preview
from claude_magic.display.status import money
from claude_magic.display.table import Table
from claude_magic.prepared import Prepared


def preview_table(
    prepared: Prepared, count: Callable[[Request], int] | None, *, batch: bool = False
) -> Table:
    """Show a question that is not asked.

    Parameters
    ----------
    count : callable or None
        Has the API count the request's tokens; None where they are to be estimated.
    batch : bool
        Whether it would go out in a batch, at half price.

    Raises
    ------
    UsageProblem
        When the API would refuse it. Nothing was sent.
    """
    request = prepared.request(None, limited=False)  # what is only looked at is not uploaded
    model = prepared.question.model
    if count is not None:
        tokens, about, done = count(request), "", "counted by the API, not asked"
    else:
        tokens, about, done = prepared.estimated_tokens(), "≈", "nothing was sent"
    prompt = prepared.expected(tokens)
    cost = models.cost(model, replace(prompt, service_tier="batch") if batch else prompt)
    total = f"{about}{tokens:,}" + (f", {money(cost)} for the input" if cost is not None else "")
    return preview(
        model=model.id,
        system=request.system,
        history=prepared.history,
        blocks=prepared.blocks,
        size=len(request.body()),
        total=total,
        done=done,
        extra=request.extra,
        options=request.options,
        tools=request.tools,
        prefill=request.prefill,
    )
