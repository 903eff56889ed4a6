"""The prompt body: sent as written, except {{ expression }}."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.content import encoded_prompt, evaluated
from claude_magic.errors import UsageProblem
from claude_magic.values import AS_USUAL, Block


def prompt_blocks(body: str, namespace: dict[str, Any]) -> tuple[Block, ...]:
    return encoded_prompt(evaluated(body, namespace), AS_USUAL)


def text_of(body: str, **namespace: Any) -> str:
    (block,) = prompt_blocks(body, namespace)
    assert json.loads(block.json) == {"type": "text", "text": block.text}
    return block.text


@given(st.text(min_size=1).filter(lambda text: text.strip() and "{{" not in text and "\0" not in text))
def test_a_body_without_expressions_is_sent_as_written(body: str) -> None:
    assert text_of(body) == body.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@pytest.mark.parametrize(
    "body",
    [
        '{"a": {"b": 1}}',
        "f'{x}' and {}",
        "$E = mc^2$ \\frac{a}{b}",
        "a { b { c } d }",
        "}} alone",
        "%s %d $x",
    ],
)
def test_braces_dollars_and_latex_pass_untouched(body: str) -> None:
    assert text_of(body) == body


def test_expressions_are_evaluated_once_and_never_again_inside_a_value() -> None:
    calls = []

    def value() -> str:
        calls.append(1)
        return "{{ boom }}"

    assert text_of("a {{ value() }} b", value=value) == "a {{ boom }} b"
    assert calls == [1]


def test_expressions_may_hold_braces_and_quotes() -> None:
    assert text_of("{{ {'a': {'b': 1}}['a']['b'] }}") == "1"
    assert text_of("{{ {'x': 1} }}") == "{'x': 1}"
    assert text_of("{{{'x': 1}}}") == "{'x': 1}"
    assert text_of("{{ '}}' }}") == "}}"
    assert text_of("{{ [n * n for n in range(3)] }} and {{ 1 + 1 }}") == "[0, 1, 4] and 2"


def test_dates_and_the_numbers_of_libraries_read_as_in_a_sentence() -> None:
    when = dt.date(2024, 1, 1)
    for value, said in (
        (pd.Timestamp(when), "2024-01-01 00:00:00"),
        (("x", np.int64(1)), "('x', 1)"),
        (("x", pd.Timestamp(when)), "('x', '2024-01-01 00:00:00')"),
        (np.float64(1.5), "1.5"),
        (np.bool_(True), "True"),
        (np.datetime64("2024-01-01"), "2024-01-01"),
        (np.datetime64(1704067200000000000, "ns"), "2024-01-01T00:00:00.000000000"),
        (pd.Timedelta(hours=1), "0 days 01:00:00"),
        (pd.NaT, "NaT"),
        (pd.NA, "<NA>"),
        (pd.Period("2024-01"), "2024-01"),
        (when, "2024-01-01"),
        (dt.datetime(2024, 1, 1, 5, tzinfo=dt.UTC), "2024-01-01 05:00:00+00:00"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"when": when, "n": [np.int8(3)]}, "{'when': '2024-01-01', 'n': [3]}"),
        ([np.str_("a"), Path("b")], "['a', 'b']"),
    ):
        assert text_of("<{{ value }}>", value=value) == f"<{said}>"
    within: list[Any] = [np.int8(1)]
    within *= 40
    within.append(within)
    assert "<itself>" in text_of("{{ value }}", value=within)


def test_a_backslash_makes_braces_literal() -> None:
    assert text_of(r"Jinja: \{{ user }}") == "Jinja: {{ user }}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{{ datframe }}", "No kernel name 'datframe'. Did you mean 'dataframe'?"),
        ("{{ dataframe.x }}", "raised AttributeError"),
        ("{{ 1 / 0 }}", "'1 / 0' raised ZeroDivisionError: division by zero."),
        ("{{ open", "not closed by }}"),
        ("{{ a b }}", "is no Python expression"),
        ("{{ }}", "is no Python expression"),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_one_line(body: str, said: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        prompt_blocks(body, {"dataframe": 1})
    assert said in str(caught.value)
    assert str(caught.value).endswith("Nothing was sent.")
    assert "\n" not in str(caught.value)


def test_blank_bodies_give_no_block() -> None:
    assert prompt_blocks(" \n\t", {}) == ()
    assert prompt_blocks("{{ '' }}", {}) == ()


def test_what_no_request_can_carry_is_replaced() -> None:
    assert (
        text_of("a\0b \ud83d c \ud83d\ude00") == "a\N{REPLACEMENT CHARACTER}b \N{REPLACEMENT CHARACTER} c 😀"
    )
