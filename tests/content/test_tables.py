"""Tables of pandas, polars and numpy: a bounded text, the table as it was, and no surprise from a cell."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic.content.tables import BUDGET, MOST_CSV, is_table, table_block
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, DataView

pd: Any = pytest.importorskip("pandas")

VIEWS: tuple[DataView | str, ...] = ("", "schema", "head", "full")


def text_of(value: Any, data: Any = "", name: str = "df") -> str:
    block = table_block(value, name, Attaching(data=data))
    assert json.loads(block.json) == {"type": "text", "text": block.text}
    assert block.kind == "text"
    assert block.tokens > 0
    assert block.note
    assert len(block.text) <= (MOST_CSV + 200 if data == "full" else BUDGET)
    return block.text


def refused(value: Any, data: Any = "") -> str:
    with pytest.raises(UsageProblem) as problem:
        table_block(value, "df", Attaching(data=data))
    said = str(problem.value)
    assert said.endswith("Nothing was sent.")
    assert len(said.splitlines()) == 1
    return said


def mixed(rows: int = 1_000) -> Any:
    half = rows // 2
    return pd.DataFrame(
        {
            "count": np.arange(rows),
            "share": np.linspace(0, 1, rows),
            "kind": pd.Categorical(["x", "y"] * half),
            "when": pd.date_range("2020-01-01", periods=rows, tz="Europe/Vienna"),
            "maybe": pd.array([1, None] * half, dtype="Int64"),
            "flag": pd.array([True, None] * half, dtype="boolean"),
            "name": ["one|two\nthree", None] * half,
            "cells": [[1, 2], {"a": 3}] * half,
            "span": pd.to_timedelta(np.arange(rows), unit="s"),
            "month": pd.period_range("2020-01", periods=rows, freq="M"),
        }
    )


def test_a_summary_tells_shape_types_nulls_figures_and_rows() -> None:
    text = text_of(mixed())
    assert text.startswith("df: pandas DataFrame, 1,000 rows × 10 columns\n")
    assert "| count | int64 | 0 | 0 | 499.5 | 499.5 | 999 |" in text
    assert "| maybe | Int64 | 500 | 1 | 1 | 1 | 1 |" in text
    assert "x (50%), y (50%)" in text
    assert "one\\|two\\nthree" in text
    assert "2020-01-01 00:00:00+01:00" in text
    assert "{'a': 3}" in text
    assert "First 5 rows:" in text
    assert "Last 2 rows:" in text
    assert "Summary of" not in text


def test_a_schema_holds_no_value() -> None:
    frame = mixed()
    frame["kind"] = frame["kind"].cat.rename_categories({"x": "SECRETX", "y": "SECRETY"})
    frame.index = pd.Index([f"SECRET{row}" for row in range(len(frame))], name="who")
    text = text_of(frame, "schema")
    assert "SECRET" not in text
    assert "three" not in text
    assert "kind: category" in text
    assert "when: datetime64[" in text
    frame_polars = pl.DataFrame({"e": pl.Series(["SECRETX"], dtype=pl.Enum(["SECRETX", "SECRETY"]))})
    assert text_of(frame_polars, "schema").endswith("e: Enum")


def test_a_head_has_twenty_rows_and_the_schema() -> None:
    text = text_of(mixed(), "head")
    assert "First 20 rows:" in text
    assert "share: float64" in text
    assert text.count("\n|") == 20 + 2
    assert "First 3 rows:" in text_of(mixed(1_000).head(3), "head")


def test_everything_is_csv_that_reads_back() -> None:
    import io

    frame = pd.DataFrame({"a": [1, 2], "b": ['q"uote', "line\nbreak"], "c": [0.1, None]})
    csv = text_of(frame, "full").split("\n\n", 1)[1]
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(csv)), frame)
    labelled = frame.set_index(pd.Index(["x", "y"], name="who"))
    assert "\nx,1," in text_of(labelled, "full")


def test_too_much_csv_is_refused_with_the_alternatives() -> None:
    for frame in (
        pd.DataFrame({"a": np.arange(1_000_000)}),
        pd.DataFrame({"a": ["long" * 100] * 1_000}),
        pl.DataFrame({"a": range(1_000_000)}),
        np.zeros((1_000, 1_000)),
    ):
        said = refused(frame, "full")
        assert "200,000 characters" in said
        assert "df[:1000]" in said


def test_a_long_frame_is_sampled_and_said() -> None:
    frame = pd.DataFrame({"n": np.arange(1_000_000), "s": pd.Categorical(["a", "b", "c", "d"] * 250_000)})
    block = table_block(frame, "df", Attaching())
    assert "Summary of 90,910 of 1,000,000 rows, every 11th:" in block.text
    assert block.note == "1,000,000 rows × 2 columns, summary of every 11th row"


@pytest.mark.parametrize("period", [2, 3, 4, 5, 7, 10, 12, 24, 52, 60, 100])
@pytest.mark.parametrize("rows", [120_000, 1_200_000])
def test_a_sample_sees_all_of_what_repeats(period: int, rows: int) -> None:
    turn = np.arange(rows) % period
    text = text_of(pd.DataFrame({"turn": turn, "last": turn == period - 1}))
    row = next(line for line in text.splitlines() if line.startswith("| turn |")).split(" | ")
    assert (row[3], row[6]) == ("0", str(period - 1))
    assert f"True ({1 / period:.0%})" in text


def test_polars_frames_and_series() -> None:
    frame = pl.DataFrame(
        {
            "n": [1, 2, None] * 10,
            "s": ["x", None, "y"] * 10,
            "l": [[1, 2], [], None] * 10,
            "d": [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 30,
            "t": [dt.time(1)] * 30,
            "u": [dt.timedelta(1)] * 30,
            "r": [{"a": 1}] * 30,
            "b": [b"\x00x"] * 30,
        }
    )
    text = text_of(frame)
    assert "df: polars DataFrame, 30 rows × 8 columns" in text
    assert "| n | Int64 | 10 | 1 | 1.5 | 1.5 | 2 |" in text
    assert "x (50%), y (50%)" in text
    for view in VIEWS:
        text_of(frame, view)
        text_of(frame["s"], view)
        text_of(frame.clear(), view)


def test_a_lazy_frame_is_never_collected() -> None:
    def boom(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("collected")

    lazy = pl.LazyFrame({"a": [1], "b": ["x"]}).map_batches(boom, schema={"a": pl.Int64, "b": pl.String})
    for view in ("", "schema"):
        text = text_of(lazy, view)
        assert "not computed" in text
        assert "a: Int64\nb: String" in text
    assert "df.head(20).collect()" in refused(lazy, "head")
    assert "attach df.collect()" in refused(lazy, "full")


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        pd.DataFrame(index=[1, 2, 3]),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", None)])),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")])),
        pd.DataFrame({0: [1], None: [2], ("t", 1): [3], 1.5: [4]}),
        pd.DataFrame({"a": [float("inf"), float("-inf"), float("nan")]}),
        pd.DataFrame({"a": [None, None]}),
        pd.DataFrame({"a": [10**400, "x"]}),
        pd.DataFrame({"a": [1 + 2j]}),
        pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1])}),
        pd.DataFrame({"a": pd.interval_range(0, 3)}),
        pd.DataFrame({"a": [pd.DataFrame({"b": [1]})] * 3}),
        pd.Series([1, 2]),
        pd.Series(["x"] * 9, index=pd.date_range("2020", periods=9), name="named"),
        pd.Index(["a", "b"]),
        pd.RangeIndex(10**12),
        pd.MultiIndex.from_tuples([(1, 2)]),
        pl.DataFrame(),
        pl.Series([object(), None], dtype=pl.Object),
        np.arange(10),
        np.zeros((0, 3)),
        np.array(["a", None], dtype=object),
        np.array([[1.5, np.nan], [np.inf, 2]]),
        np.array([(1, "x", [1.0, 2.0])], dtype=[("i", "i4"), ("s", "U5"), ("v", "f8", (2,))]),
        np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
        np.zeros((5, 5))[::-1, ::-2],
        np.array([True, False]),
        np.array([1 + 2j]),
    ],
    ids=lambda value: f"{type(value).__module__.split('.')[0]}-{type(value).__name__}",
)
def test_odd_tables_have_a_text_in_every_view(value: Any) -> None:
    assert is_table(value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for view in VIEWS:
            if view == "full" and len(value) > 10**6:
                refused(value, view)
            else:
                text_of(value, view)


def test_what_is_no_table() -> None:
    for value in (1, "x", [1], {"a": [1]}, np.zeros((2, 2, 2)), np.array(1), object(), type):
        assert not is_table(value)


def test_many_columns_are_elided_with_their_number() -> None:
    wide = pd.DataFrame(np.zeros((20, 1_700)), columns=[f"column number {n}" for n in range(1_700)])
    for view in ("", "schema", "head"):
        text = text_of(wide, view)
        assert " more (column number " in text
        assert re.search(r"float64 × [\d,]{3,}$", text, re.MULTILINE)
    assert "more" in text_of(pd.DataFrame({"x" * 500 + str(n): ["y" * 500] for n in range(300)}))


class Hostile:
    """A cell whose every method does harm."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour

    def __repr__(self) -> Any:
        if self.behaviour == "raises":
            raise ValueError(self.behaviour)
        if self.behaviour == "sleeps":
            time.sleep(60)
        while self.behaviour == "loops":
            pass
        if self.behaviour == "prints":
            print("PRINTED")
        return {"long": "x" * 10_000_000, "number": 7, "controls": "a\x1b[31m\nb\u202e"}.get(
            self.behaviour, "fine"
        )

    def __hash__(self) -> int:
        raise RuntimeError("hashed")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __str__(self) -> str:
        raise RuntimeError("str")


@pytest.mark.parametrize("behaviour", ["raises", "sleeps", "loops", "prints", "long", "number", "controls"])
def test_hostile_cells_are_bounded(behaviour: str, capfd: pytest.CaptureFixture[str]) -> None:
    column = pd.Series([Hostile(behaviour)] * 8, dtype=object)
    frame = pd.DataFrame({"n": range(8), "evil": column})
    started = time.monotonic()
    text = text_of(frame)
    assert time.monotonic() - started < 30
    assert "| 7 | " in text
    assert max(map(len, text.splitlines())) < 300
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "PRINTED" not in "".join(capfd.readouterr())
    assert behaviour != "raises" or "its repr raised ValueError" in text


def test_a_table_that_fails_is_refused() -> None:
    class Broken(pd.DataFrame):  # type: ignore[misc]
        @property
        def iloc(self) -> Any:
            raise RuntimeError("no\nway")

    assert "RuntimeError: no\\nway" in refused(Broken({"a": [1]}))


def test_names_of_columns_stay_on_their_line() -> None:
    text = text_of(pd.DataFrame({"a|b\n\x1b[1m\u202e": [1]}), name="d\nf")
    assert text.startswith("d\\nf: ")
    assert "a\\|b\\n\\x1b[1m\\u202e" in text


def test_the_table_is_not_changed() -> None:
    frame = mixed(20)
    before, index, columns = frame.copy(deep=True), frame.index, frame.columns
    for view in VIEWS:
        text_of(frame, view)
    pd.testing.assert_frame_equal(frame, before)
    assert frame.index is index
    assert list(frame.columns) == list(columns)


VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(),
    st.booleans(),
    st.binary(),
    st.datetimes(),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.none()),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(VALUES, min_size=1, max_size=4), max_size=12),
    st.lists(st.text(), min_size=4, max_size=4),
)
def test_any_frame_has_a_text(rows: list[list[Any]], names: list[str]) -> None:
    width = max(map(len, rows), default=0)
    frame = pd.DataFrame([[*row, *[None] * (width - len(row))] for row in rows], dtype=object)
    frame.columns = pd.Index(names[:width], dtype=object)
    for view in VIEWS:
        text_of(frame, view)
        text_of(frame.convert_dtypes(), view)


def test_pyarrow_tables() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": [1, 2, None], "s": ["x", "y", "x"], "f": [1.0, float("nan"), 2.0]})
    for view in VIEWS:
        text_of(table, view)
    assert "| n | int64 | 1 | 1 | 1.5 | 1.5 | 2 |" in text_of(table)
