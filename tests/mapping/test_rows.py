"""Rows of kernel values, and the table that their answers make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from claude_magic.errors import UsageProblem
from claude_magic.rows import Outcome, rows_of, table_of

WELL = Outcome("complete", "well", input_tokens=7, output_tokens=2, cost=0.25)
FIELDS = {"score": "integer", "share": "number", "kind": "boolean", "word": "string", "deep": ""}


def frame() -> pd.DataFrame:
    return pd.DataFrame({"review": ["a", "b", "c"], "n": [1, 2, 3]}, index=["x", "y", "z"])


def test_a_row_of_a_frame_has_its_cells_by_name() -> None:
    for made in (frame(), pl.from_pandas(frame())):
        row = rows_of(made, "df")[1]
        assert (row.value.review, row.value["n"]) == ("b", 2)
        assert type(row.value.n) is int
        assert dict(row.value) == {"review": "b", "n": 2}
        with pytest.raises(UsageProblem, match=r"df has no column 'revew'\. Did you mean 'review'\?"):
            _ = row.value.revew
        assert not hasattr(row.value, "_repr_html_")
    assert [row.label for row in rows_of(frame())] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("value", "values", "labels"),
    [
        ([1, "a"], [1, "a"], [0, 1]),
        ((1, 2), [1, 2], [0, 1]),
        ({3, 1, 2}, [1, 2, 3], [0, 1, 2]),
        ({"k": 1, "z": None}, [1, None], ["k", "z"]),
        (range(2), [0, 1], [0, 1]),
        ((one for one in "ab"), ["a", "b"], [0, 1]),
        (np.array([1.5, 2.5]), [1.5, 2.5], [0, 1]),
        (pd.Series([5, 6], index=["p", "q"]), [5, 6], ["p", "q"]),
        (pl.Series("s", [5, 6]), [5, 6], [0, 1]),
        ([], [], []),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_has_rows(value: Any, values: list[Any], labels: list[Any]) -> None:
    rows = rows_of(value)
    assert [row.value for row in rows] == values
    assert [row.label for row in rows] == labels


@pytest.mark.parametrize(
    "value", ["text", b"bytes", 3, None, np.zeros((2, 2)), pl.LazyFrame({"a": [1]}), dict]
)
def test_what_has_none_is_told_in_a_line(value: object) -> None:
    with pytest.raises(UsageProblem, match=r"--over it: .* Nothing was sent\.$"):
        rows_of(value, "it")
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(UsageProblem, match="two of its columns have one name"):
        rows_of(twice)


def test_a_limit_takes_the_first_and_no_more_of_a_generator() -> None:
    taken = []

    def endless() -> Any:
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    assert len(rows_of(endless(), limit=3)) == 3
    assert taken == [0, 1, 2]
    assert [row.label for row in rows_of(frame(), limit=2)] == ["x", "y"]


def test_the_table_keeps_columns_and_labels_and_leaves_the_rows_alone() -> None:
    given = frame()
    before = given.copy()
    out = table_of(rows_of(given), [WELL, None, Outcome("failed", error="why")])
    pd.testing.assert_frame_equal(given, before)
    assert list(out.index) == ["x", "y", "z"]
    assert list(out.columns) == [
        *("review", "n", "answer", "claude_stage", "claude_error"),
        *("claude_input_tokens", "claude_output_tokens", "claude_cost"),
    ]
    assert list(out["claude_stage"]) == ["complete", "not asked", "failed"]
    assert out["answer"].isna().tolist() == [False, True, True]
    assert list(out["claude_error"]) == ["", "", "why"]
    out.loc["x", "review"] = "changed"
    assert given.loc["x", "review"] == "a"


def test_a_name_that_is_taken_gets_a_prefix() -> None:
    given = pd.DataFrame({"answer": [1], "claude_stage": ["mine"]})
    out = table_of(rows_of(given), [WELL])
    assert list(out.columns)[:4] == ["answer", "claude_stage", "claude_answer", "claude_claude_stage"]
    assert out["answer"].tolist() == [1]
    again = table_of(rows_of(out), [WELL])
    assert len(set(again.columns)) == len(again.columns) == len(out.columns) + 6


def test_fields_are_columns_of_their_types() -> None:
    deep = {"a": [1]}
    data = {"score": 3, "share": 1.5, "kind": True, "word": "w", "deep": deep}
    whole = Outcome("complete", "{}", data)
    full = table_of(rows_of([1, 2]), [whole, whole], FIELDS)
    assert [str(full[name].dtype) for name in ("score", "share", "kind", "deep")] == [
        *("int64", "float64", "bool", "object"),
    ]
    assert full["deep"][0] is deep
    some = table_of(rows_of([1, 2]), [whole, Outcome("failed", error="why")], FIELDS)
    assert [str(some[name].dtype) for name in FIELDS] == [
        *("Int64", "Float64", "boolean", "string", "object"),
    ]
    assert some["score"].tolist()[0] == 3
    assert some["score"].isna().tolist() == [False, True]
    huge = table_of(rows_of([1]), [Outcome("complete", "", {"score": 2**70})], {"score": "integer"})
    assert huge["score"][0] == 2**70
    columns = table_of(rows_of(pl.DataFrame({"a": [1, 2]})), [whole, None], FIELDS)
    assert columns["score"].dtype == pl.Int64
    assert columns["score"].to_list() == [3, None]
    assert columns.columns[:6] == ["a", *FIELDS]


def test_lists_and_dicts_become_frames() -> None:
    out = table_of(rows_of({"k": 1, "z": "x"}), [WELL, None])
    assert list(out.index) == ["k", "z"]
    assert out["item"].tolist() == [1, "x"]
    assert table_of(rows_of([1, None]), [WELL, None])["item"].tolist() == [1, None]
    assert list(table_of(rows_of(pd.Series([1], name="s")), [WELL]).columns[:2]) == ["s", "answer"]


def test_without_a_library_of_frames_there_are_dicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_magic.rows.table.find_spec", lambda _: None)
    (first, second) = table_of(rows_of({"k": 1, "z": "x"}), [WELL, None])
    assert (first["key"], first["item"], first["answer"], first["claude_cost"]) == ("k", 1, "well", 0.25)
    assert (second["answer"], second["claude_stage"]) == (None, "not asked")
