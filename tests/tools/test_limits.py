"""What a loop of tool calls may cost: no limit is passed by more than one request's estimate."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic.api import models
from claude_magic.api.budget import Limit
from claude_magic.errors import UsageProblem
from claude_magic.evaluation import prepare
from claude_magic.question import Question
from claude_magic.values import Answer, Call, ToolUsePart, Usage, text_block

PRICED = [model for model in models.CATALOGUE if model.prices is not None]

Steps = st.lists(
    st.tuples(st.floats(0.5, 2.0), st.floats(0.0, 1.0), st.integers(1, 60_000)), min_size=1, max_size=40
)
"""Of each reply: its prompt against the estimate, what it says of what it may say, the size of the result."""


def cost(model: models.Model, usage: Usage) -> float:
    usd = models.cost(model, usage)
    assert usd is not None
    return usd


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PRICED), st.floats(0.001, 3.0), st.sampled_from(["5m", "1h", "off"]), Steps)
def test_no_loop_passes_its_limit_by_more_than_an_estimate(
    model: models.Model, usd: float, cache: str, steps: list[tuple[float, float, int]]
) -> None:
    limit = Limit("this question", usd, 0.0, "raise it")
    prepared = prepare(Question("Go on.", model, {}, limits=(limit,), cache=cache))
    spent = 0.0
    for number, (off, said, size) in enumerate(steps):
        try:
            most = prepared.within_limits()
        except UsageProblem:
            return
        assert spent < usd
        estimate = prepared.expected(prepared.estimated_tokens())
        usage = replace(
            prepared.expected(round(prepared.estimated_tokens() * off)),
            output_tokens=round(most * said),
            final=True,
        )
        spent += cost(model, usage)
        assert (
            spent <= usd + cost(model, estimate) * 1.01 + cost(model, replace(usage, output_tokens=0)) + 1e-9
        )
        use = ToolUsePart(f"t{number}", "f", "{}")
        answer = Answer((use,), usage, model.id, stop_reason="tool_use", complete=True)
        call = Call(use.id, "f", "{}", (text_block("x " * size),))
        prepared = prepared.after(answer, [call])
