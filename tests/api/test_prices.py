"""What replies cost, to the last cent: each row below is worked out by hand from the price list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from claude_magic.api.models import CATALOGUE, RETIRED, cost, find
from claude_magic.api.prices import Prices
from claude_magic.values import Usage

M = 1_000_000

# USD per million: input, output, cache read, write 5m, write 1h; as the list prints them.
STANDARD = {
    "claude-fable-5-1": (10, 50, 0.25, 12.50, 20),
    "claude-fable-5": (10, 50, 1.00, 12.50, 20),
    "claude-mythos-5-1": (10, 50, 0.25, 12.50, 20),
    "claude-mythos-5": (10, 50, 1.00, 12.50, 20),
    "claude-opus-5-5": (4, 20, 0.20, 5, 8),
    "claude-opus-5": (5, 25, 0.50, 6.25, 10),
    "claude-opus-4-8": (5, 25, 0.50, 6.25, 10),
    "claude-opus-4-7": (5, 25, 0.50, 6.25, 10),
    "claude-opus-4-6": (5, 25, 0.50, 6.25, 10),
    "claude-opus-4-5": (5, 25, 0.50, 6.25, 10),
    "claude-opus-4-5-20251101": (5, 25, 0.50, 6.25, 10),
    "claude-sonnet-5-5": (2, 10, 0.10, 2.50, 4),
    "claude-sonnet-5": (2, 10, 0.20, 2.50, 4),
    "claude-sonnet-4-6": (3, 15, 0.30, 3.75, 6),
    "claude-sonnet-4-5": (3, 15, 0.30, 3.75, 6),
    "claude-sonnet-4-5-20250929": (3, 15, 0.30, 3.75, 6),
    "claude-haiku-5-5": (0.50, 2.50, 0.05, 0.625, 1.00),  # a prompt of a million is above the step
    "claude-haiku-4-5": (1, 5, 0.10, 1.25, 2),
    "claude-haiku-4-5-20251001": (1, 5, 0.10, 1.25, 2),
}

BATCH = {
    "claude-fable-5-1": (5, 25, 0.125, 6.25, 10),
    "claude-fable-5": (5, 25, 0.50, 6.25, 10),
    "claude-mythos-5-1": (5, 25, 0.125, 6.25, 10),
    "claude-mythos-5": (5, 25, 0.50, 6.25, 10),
    "claude-opus-5-5": (2, 10, 0.10, 2.50, 4),
    "claude-opus-5": (2.50, 12.50, 0.25, 3.125, 5),
    "claude-opus-4-8": (2.50, 12.50, 0.25, 3.125, 5),
    "claude-opus-4-7": (2.50, 12.50, 0.25, 3.125, 5),
    "claude-opus-4-6": (2.50, 12.50, 0.25, 3.125, 5),
    "claude-opus-4-5": (2.50, 12.50, 0.25, 3.125, 5),
    "claude-opus-4-5-20251101": (2.50, 12.50, 0.25, 3.125, 5),
    "claude-sonnet-5-5": (1, 5, 0.05, 1.25, 2),
    "claude-sonnet-5": (1, 5, 0.10, 1.25, 2),
    "claude-sonnet-4-6": (1.50, 7.50, 0.15, 1.875, 3),
    "claude-sonnet-4-5": (1.50, 7.50, 0.15, 1.875, 3),
    "claude-sonnet-4-5-20250929": (1.50, 7.50, 0.15, 1.875, 3),
    "claude-haiku-5-5": (0.25, 1.25, 0.025, 0.3125, 0.50),
    "claude-haiku-4-5": (0.50, 2.50, 0.05, 0.625, 1),
    "claude-haiku-4-5-20251001": (0.50, 2.50, 0.05, 0.625, 1),
}

US_ONLY = {
    "claude-fable-5-1": (11, 55, 0.275, 13.75, 22),
    "claude-fable-5": (11, 55, 1.10, 13.75, 22),
    "claude-mythos-5-1": (11, 55, 0.275, 13.75, 22),
    "claude-mythos-5": (11, 55, 1.10, 13.75, 22),
    "claude-opus-5-5": (4.40, 22, 0.22, 5.50, 8.80),
    "claude-opus-5": (5.50, 27.50, 0.55, 6.875, 11),
    "claude-opus-4-8": (5.50, 27.50, 0.55, 6.875, 11),
    "claude-opus-4-7": (5.50, 27.50, 0.55, 6.875, 11),
    "claude-opus-4-6": (5.50, 27.50, 0.55, 6.875, 11),
    "claude-opus-4-5": (5, 25, 0.50, 6.25, 10),  # before 4.6 the place costs nothing
    "claude-opus-4-5-20251101": (5, 25, 0.50, 6.25, 10),
    "claude-sonnet-5-5": (2.20, 11, 0.11, 2.75, 4.40),
    "claude-sonnet-5": (2.20, 11, 0.22, 2.75, 4.40),
    "claude-sonnet-4-6": (3.30, 16.50, 0.33, 4.125, 6.60),
    "claude-sonnet-4-5": (3, 15, 0.30, 3.75, 6),
    "claude-sonnet-4-5-20250929": (3, 15, 0.30, 3.75, 6),
    "claude-haiku-5-5": (0.55, 2.75, 0.055, 0.6875, 1.10),
    "claude-haiku-4-5": (1, 5, 0.10, 1.25, 2),
    "claude-haiku-4-5-20251001": (1, 5, 0.10, 1.25, 2),
}

FAST = {
    "claude-opus-5-5": (8, 40, 0.40, 10, 16),
    "claude-opus-5": (10, 50, 1.00, 12.50, 20),
    "claude-opus-4-8": (10, 50, 1.00, 12.50, 20),
}

# A million of one kind each, in the order of the rows.
KINDS = (
    Usage(input_tokens=M),
    Usage(output_tokens=M),
    Usage(cache_read_input_tokens=M),
    Usage(cache_creation_input_tokens=M),
    Usage(cache_creation_input_tokens=M, cache_creation_1h_tokens=M),
)


def priced(id_: str, usage: Usage) -> float:
    model = find(id_)
    assert model is not None
    found = cost(model, usage)
    assert found is not None
    return found


def with_all(table: Mapping[str, tuple[float, ...]], id_: str, **how: str) -> None:
    """One request with a million of each kind costs the sum of its row; each kind alone its own entry."""
    row = table[id_]
    whole = replace(Usage(M, M, M, 2 * M, M), **how)  # type: ignore[arg-type]
    assert priced(id_, whole) == pytest.approx(sum(row), abs=1e-9)
    for usage, expected in zip(KINDS, row, strict=True):
        if usage.output_tokens and id_ == "claude-haiku-5-5":
            continue  # without a prompt there is no step: see test_the_step_of_long_prompts
        told = replace(usage, **how)  # type: ignore[arg-type]
        assert priced(id_, told) == pytest.approx(expected, abs=1e-9)


def test_every_model_has_its_row_or_no_price() -> None:
    assert {model.id for model in CATALOGUE if model.prices} == set(STANDARD) == set(BATCH) == set(US_ONLY)
    assert {model.id for model in CATALOGUE if model.prices and model.prices.fast} == set(FAST)
    unpriced = {model.id for model in CATALOGUE if not model.prices}
    assert unpriced == {"claude-fable-5-2", "claude-mythos-5-2"}
    for model in (*CATALOGUE, *RETIRED):
        if not model.prices:
            assert cost(model, Usage(5, 5)) is None


@pytest.mark.parametrize("id_", STANDARD)
def test_list_prices(id_: str) -> None:
    with_all(STANDARD, id_)
    with_all(STANDARD, id_, service_tier="standard", speed="standard", inference_geo="global")
    with_all(STANDARD, id_, service_tier="priority", inference_geo="not_available")


@pytest.mark.parametrize("id_", BATCH)
def test_batches_cost_half(id_: str) -> None:
    with_all(BATCH, id_, service_tier="batch")


@pytest.mark.parametrize("id_", US_ONLY)
def test_inference_in_the_united_states_costs_a_tenth_more(id_: str) -> None:
    with_all(US_ONLY, id_, inference_geo="us")


@pytest.mark.parametrize("id_", FAST)
def test_fast_mode_costs_twice(id_: str) -> None:
    with_all(FAST, id_, speed="fast")


@pytest.mark.parametrize("id_", sorted(set(STANDARD) - set(FAST)))
def test_fast_mode_of_a_model_without_it_has_no_price(id_: str) -> None:
    model = find(id_)
    assert model is not None
    assert cost(model, Usage(5, 5, speed="fast")) is None
    assert cost(model, Usage(5, 5), fast=True) is None
    assert cost(model, Usage(5, 5, inference_geo="mars")) is None


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        # 100,000 in, 1,000 out: 0.10 × 0.1 + 0.50 × 0.001
        (Usage(100_000, 1_000), 0.0105),
        # one token more: 0.50 × 0.100001 + 2.50 × 0.001
        (Usage(100_001, 1_000), 0.0525005),
        # the step counts the whole prompt: 40,000 in, 30,000 read, 30,000 written
        (Usage(40_000, 1_000, 30_000, 30_000), 0.0040 + 0.0005 + 0.0003 + 0.00375),
        # 1 + 40,000 in, 30,000 read, 30,000 written of which 10,000 for an hour
        (Usage(40_001, 1_000, 30_000, 30_000, 10_000), 0.0200005 + 0.0025 + 0.0015 + 0.0125 + 0.0100),
        # output alone never makes the step
        (Usage(10, 128_000), 0.000001 + 0.064),
        # as a batch, and in the United States
        (Usage(100_001, 1_000, service_tier="batch"), 0.02625025),
        (Usage(100_000, 1_000, inference_geo="us"), 0.01155),
        (Usage(100_001, 1_000, inference_geo="us"), 0.05775055),
        (Usage(100_001, 1_000, service_tier="batch", inference_geo="us"), 0.028875275),
    ],
)
def test_the_step_of_long_prompts(usage: Usage, usd: float) -> None:
    assert priced("claude-haiku-5-5", usage) == pytest.approx(usd, abs=1e-12)


@pytest.mark.parametrize(
    ("id_", "usage", "usd"),
    [
        # 1,234 in × 4, 567 out × 20, 89,000 read × 0.20, 4,000 written × 5, 1,000 for an hour × 8
        ("claude-opus-5-5", Usage(1_234, 567, 89_000, 5_000, 1_000), 0.062076),
        # the same, fast and in the United States: × 2.2
        (
            "claude-opus-5-5",
            Usage(1_234, 567, 89_000, 5_000, 1_000, speed="fast", inference_geo="us"),
            0.1365672,
        ),
        # 300 in × 2, 200 out × 10, three searches at a cent
        ("claude-sonnet-5-5", Usage(300, 200, web_searches=3), 0.0326),
        # a batch halves the tokens and not the searches
        ("claude-sonnet-5-5", Usage(300, 200, web_searches=3, service_tier="batch"), 0.0313),
        # 12 in × 3, 34 out × 15, before 4.6: nothing for the place
        ("claude-sonnet-4-5", Usage(12, 34, inference_geo="us"), 0.000546),
    ],
)
def test_mixed_bills(id_: str, usage: Usage, usd: float) -> None:
    assert priced(id_, usage) == pytest.approx(usd, abs=1e-12)


def test_what_is_planned_is_priced_by_keywords() -> None:
    opus = find("opus")
    assert opus is not None
    plan = Usage(M, M)
    assert cost(opus, plan) == pytest.approx(24)
    assert cost(opus, plan, batch=True) == pytest.approx(12)
    assert cost(opus, plan, fast=True) == pytest.approx(48)
    assert cost(opus, plan, geo="us") == pytest.approx(26.40)
    told = Usage(M, M, service_tier="batch", speed="standard", inference_geo="us")
    assert cost(opus, told, batch=False, geo="") == pytest.approx(24)


def test_rates_of_a_row() -> None:
    rates = Prices(3, 15, 0.3).rates(geo="us", batch=True)
    assert rates is not None
    assert rates.input == pytest.approx(1.65)
    assert rates.write_1h == pytest.approx(3.30)
