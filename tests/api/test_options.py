"""Effort and thinking as parameters: in the form each model takes, or refused with what to do instead."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from claude_magic.api.capabilities import Wanted, refuse
from claude_magic.api.models import CATALOGUE, Model, Thinking, find, unlisted
from claude_magic.api.options import LEAST_BUDGET, Options
from claude_magic.errors import UsageProblem
from claude_magic.offline.errors import ApiError
from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service

SHOWN = Options(thinking=True)
HELLO = [{"role": "user", "content": "Hello"}]


def model(name: str) -> Model:
    found = find(name)
    assert found is not None
    return found


@pytest.mark.parametrize("one", [one for one in CATALOGUE if one.lifecycle != "retired"], ids=lambda m: m.id)
@pytest.mark.parametrize("max_tokens", [LEAST_BUDGET + 1, 5_000, 64_000])
def test_every_model_shows_its_thinking_in_a_form_that_the_api_takes(one: Model, max_tokens: int) -> None:
    asked = SHOWN.parameters(one, max_tokens)
    assert asked["thinking"]["type"] in ("adaptive", "enabled")
    body = {"model": one.id, "max_tokens": max_tokens, "messages": HELLO, **asked}
    message, _, _ = Service(Catalogue()).create(json.dumps(body).encode())
    assert message["content"][0]["thinking"], "the thinking itself is not in the answer"


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda m: m.id)
def test_nothing_is_sent_where_nothing_is_asked(one: Model) -> None:
    assert Options().parameters(one, 16_000) == {}


@pytest.mark.parametrize(
    ("max_tokens", "budget"), [(16_000, 8_000), (3_000, 1_500), (1_500, 1_024), (1_025, 1_024)]
)
def test_half_of_the_answer_is_for_thinking_where_that_is_counted(max_tokens: int, budget: int) -> None:
    asked = SHOWN.parameters(model("claude-haiku-4-5"), max_tokens)
    assert asked == {"thinking": {"type": "enabled", "budget_tokens": budget}}


@pytest.mark.parametrize("max_tokens", [1, 1_023, 1_024])
def test_too_short_an_answer_to_think_by_a_budget_is_refused(max_tokens: int) -> None:
    with pytest.raises(UsageProblem, match=r"--max-tokens .*leave --thinking out. Nothing was sent."):
        SHOWN.parameters(model("claude-haiku-4-5"), max_tokens)
    body = {"model": "claude-haiku-4-5", "max_tokens": max_tokens, "messages": HELLO}
    least = body | {"thinking": {"type": "enabled", "budget_tokens": LEAST_BUDGET}}
    with pytest.raises(ApiError):  # and the API would refuse the least there is
        Service(Catalogue()).create(json.dumps(least).encode())


def test_a_model_that_does_not_think_is_refused_with_another() -> None:
    dull = replace(model("claude-haiku-5-5"), thinking=Thinking(()))
    with pytest.raises(UsageProblem, match=r"does not think: leave --thinking out, or use claude-haiku-5-5"):
        refuse(dull, Wanted(thinking=SHOWN.mode(dull)))


def test_of_an_unknown_model_the_api_decides() -> None:
    new = unlisted("claude-new-6")
    refuse(new, Wanted(thinking=SHOWN.mode(new), effort="max"))
    assert SHOWN.parameters(new, 100)["thinking"] == {"type": "adaptive", "display": "summarized"}


def test_effort_stands_beside_a_schema() -> None:
    asked = Options(effort="low", schema='{"type": "object"}').parameters(model("sonnet"), 100)
    assert asked["output_config"]["effort"] == "low"
    assert asked["output_config"]["format"]["schema"] == {"type": "object"}
