"""Limits of money: whatever the model says, none is passed, and over it nothing is sent."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic import offline
from claude_magic.api import models
from claude_magic.api.budget import Limit, Purse, affordable, shares
from claude_magic.errors import UsageProblem
from claude_magic.values import Usage
from tests.faults import GOOD, FaultServer, ended, sse, start, streamed, text
from tests.kernels import Kernel, running_kernel

PRICED = [model for model in models.CATALOGUE if model.prices is not None]
USD = st.floats(0.0, 5.0)


@given(
    st.sampled_from(PRICED),
    st.integers(1, 900_000),
    st.integers(1, 128_000),
    st.lists(st.builds(Limit, st.just("this question"), USD, USD, st.just("raise it")), max_size=3),
)
def test_no_answer_can_pass_a_limit(
    model: models.Model, prompt: int, asked: int, limits: list[Limit]
) -> None:
    try:
        most = affordable(model, Usage(cache_creation_input_tokens=prompt), asked, limits)
    except UsageProblem:
        worst = models.cost(model, Usage(cache_creation_input_tokens=prompt, output_tokens=min(64, asked)))
        assert worst is not None
        assert any(limit.spent + worst > limit.usd - 1e-9 for limit in limits)
        return
    assert 1 <= most <= asked
    worst = models.cost(model, Usage(cache_creation_input_tokens=prompt, output_tokens=most))
    assert worst is not None
    assert all(limit.spent + worst <= limit.usd + 1e-9 for limit in limits)


def worst(model: models.Model, prompt: Usage, asked: int, limits: tuple[Limit, ...]) -> float | None:
    """What a question may cost at most that keeps within these limits; None where it is not asked."""
    try:
        most = affordable(model, prompt, asked, limits)
    except UsageProblem:
        return None
    return models.cost(model, Usage(cache_creation_input_tokens=prompt.prompt_tokens, output_tokens=most))


QUESTIONS = st.lists(st.tuples(st.sampled_from(PRICED), st.integers(1, 90_000)), min_size=1, max_size=6)


@given(QUESTIONS, st.integers(1, 64_000), USD, USD)
def test_no_answers_together_can_pass_a_limit(
    questions: list[tuple[models.Model, int]], asked: int, usd: float, spent: float
) -> None:
    limit = Limit("this question", usd, spent, "raise it")
    prompts = [(model, Usage(cache_creation_input_tokens=tokens)) for model, tokens in questions]
    try:
        given_each = shares(prompts, [asked] * len(prompts), [limit])
    except UsageProblem:
        return
    costs = [worst(*one, asked, share) for one, share in zip(prompts, given_each, strict=True)]
    assert sum(cost or 0.0 for cost in costs) + spent <= usd + 1e-9
    if sum(share.usd for mine in given_each for share in mine) + spent < usd - 1e-6:
        assert None not in costs  # what the limit leaves is enough for all that was asked for


@given(QUESTIONS, st.integers(1, 64_000), USD, st.integers(1, 4))
def test_what_is_taken_from_a_purse_is_never_more_than_is_in_it(
    questions: list[tuple[models.Model, int]], asked: int, usd: float, threads: int
) -> None:
    purse, spent = Purse([Limit("this question", usd, 0.0, "raise it")], threads), 0.0
    under_way: list[tuple[tuple[Limit, ...], float]] = []
    for model, tokens in questions:
        if len(under_way) == threads:
            purse.give_back(*under_way.pop(0))
        prompt = Usage(cache_creation_input_tokens=tokens)
        share = purse.take(model, prompt, asked)
        cost = worst(model, prompt, asked, share) or 0.0
        spent += cost
        under_way.append((share, cost))
    assert spent <= usd + 1e-9


def test_a_limit_cannot_be_kept_without_a_price() -> None:
    unpriced = models.unlisted("claude-new-1")
    assert affordable(unpriced, Usage(input_tokens=100), 500, ()) == 500
    with pytest.raises(UsageProblem, match="No price is known for claude-new-1"):
        affordable(unpriced, Usage(input_tokens=100), 500, [Limit("this question", 1.0, 0.0, "raise it")])


def line_of(kernel: Kernel, code: str, cell_id: str | None = None) -> str:
    return re.sub(r"\x1b\[\d*m", "", kernel.run(code, cell_id=cell_id).error)


def test_a_question_is_kept_within_its_cost(kernel: Kernel) -> None:
    kernel.run("%%claude --new --max-cost 0.003\nwrite 2000 words")
    assert kernel.value("_claude.stage") == "'max_tokens'"
    assert float(kernel.value("_claude.cost")) <= 0.003
    assert float(kernel.value("_claude.cost")) > 0.002
    line = line_of(kernel, "%%claude --max-cost 0.00001\nwrite 2000 words")
    assert line.startswith("UsageProblem: Over the limit of $0.00001 for this question: ")
    assert line.endswith("Nothing was sent.")
    kernel.run("%claude --new say: fine")


def test_a_budget_of_the_day_survives_a_restart_and_stops_before_it_hurts(
    tmp_path: Path, local_api: offline.LocalApi
) -> None:
    where = {"ANTHROPIC_BASE_URL": local_api.url, "ANTHROPIC_API_KEY": local_api.token}
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "book.ipynb")
    where["JPY_SESSION_NAME"] = str(tmp_path / "book.ipynb")
    spent = 0.0
    for run in range(2):
        with running_kernel(tmp_path, **where, CLAUDE_MAGIC_BUDGET="0.02") as kernel:
            kernel.run("%load_ext claude_magic")
            for number in range(20):
                code = f"%%claude --quiet --new\nwrite 300 words, {run} {number}"
                line = line_of(kernel, code, f"cell-{run}-{number}")
                if line:
                    break
                spent += float(kernel.value("_claude.cost"))
            assert "Over the limit of $0.0200 for this notebook today: $0.0" in line, line
            assert "%claude_config budget=… (0 for none)" in line
            kernel.run("%claude_config budget=0")
            assert kernel.run("%claude --quiet --no-history say: fine").status == "ok"
        assert 0.01 < spent <= 0.02


def test_a_budget_of_the_kernel_counts_what_is_not_kept_too(
    tmp_path: Path, local_api: offline.LocalApi
) -> None:
    where = {"ANTHROPIC_BASE_URL": local_api.url, "ANTHROPIC_API_KEY": local_api.token}
    with running_kernel(tmp_path, **where, CLAUDE_MAGIC_SESSION_BUDGET="0.01") as kernel:
        kernel.run("%load_ext claude_magic")
        lines = [line_of(kernel, "%%claude --quiet --no-history\nwrite 300 words") for _ in range(12)]
        assert any("for this kernel" in line for line in lines)
        assert lines == sorted(lines)  # once over, it stays over


def test_a_conversation_that_fills_its_window_says_so_once(tmp_path: Path) -> None:
    with (
        FaultServer() as server,
        running_kernel(
            tmp_path, ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY="sk-ant-canary-0123456789"
        ) as kernel,
    ):
        kernel.run("%load_ext claude_magic")
        usage = {"input_tokens": 850_000, "output_tokens": 1}
        begin = start()
        begin["message"]["usage"] = usage
        full = streamed(sse(begin, *text("Long."), *ended()))
        server.answers([GOOD, full, full])
        said = [kernel.run("%%claude\nhello").stdout for _ in range(3)]
        assert ["context window" in one for one in said] == [False, True, False]
        told = (
            "fills 85% of the context window of claude-sonnet-5-5. %claude_compact summarises its older turns"
        )
        assert told in said[1]
