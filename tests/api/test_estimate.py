"""The running estimate of tokens, against the local API's own counts, for models of different density."""

from __future__ import annotations

import math
import random

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic import offline
from claude_magic.api import models
from claude_magic.api.estimate import TRUSTED, Densities, Growing, pieces
from claude_magic.offline import tokens
from claude_magic.offline.models import Catalogue


@given(st.lists(st.text(max_size=30), max_size=20))
def test_a_text_in_parts_counts_as_the_text_at_once(parts: list[str]) -> None:
    growing = Growing()
    for part in parts:
        growing.feed(part)
    whole = "".join(parts)
    # A word longer than what is held back may be taken apart elsewhere.
    assert abs(growing.pieces - pieces(whole)) <= len(whole) // 40


@pytest.mark.parametrize("name", ["claude-sonnet-5-5", "claude-haiku-4-5", "claude-opus-4-6"])
@pytest.mark.parametrize("prompt", ["write 400 words", "show me python code, a table, a formula and a list"])
def test_the_running_estimate_is_near_the_truth_from_the_first_fifty_tokens_on(
    local_api: offline.LocalApi, name: str, prompt: str
) -> None:
    known = models.find(name)
    assert known is not None
    density = Catalogue().find(name).density
    client = anthropic.Anthropic(base_url=local_api.url, api_key=local_api.token, max_retries=0)
    growing, text, looked = Growing(), "", 0
    with (
        client,
        client.messages.stream(
            model=name, max_tokens=4000, messages=[{"role": "user", "content": prompt}]
        ) as stream,
    ):
        for more in stream.text_stream:
            text += more
            growing.feed(more)
            true = math.ceil(len(tokens.pieces(text)) * density)
            if true >= 50:
                looked += 1
                assert abs(growing.pieces * known.density - true) <= 0.15 * true, (true, text[-40:])
        final = stream.get_final_message().usage.output_tokens
    assert looked > 20
    assert abs(growing.pieces * known.density - final) <= 0.15 * final


@pytest.mark.parametrize("true", [0.6, 1.0, 1.3, 2.2])
def test_a_model_of_unknown_density_is_learnt_from_its_replies(true: float) -> None:
    dice = random.Random(1)
    known = Densities()
    for _ in range(8):
        size = dice.randrange(200, 1500)
        known = known.after("new", size, round(size * true))
    assert abs(known.density("new", 1.3) - true) <= 0.15 * true
    assert known.density("other", 1.3) == 1.3


def test_a_reply_that_says_nothing_of_its_density_is_passed_over() -> None:
    known = Densities()
    assert known.after("m", 0, 10) is known
    assert known.after("m", 10, 4_000) is known  # thinking that was not shown
    assert known.after("m", TRUSTED, TRUSTED).density("m", 2.0) == 1.5
