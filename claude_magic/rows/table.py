"""Rows and what came of each, as one table."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from claude_magic.rows.rows import Rows

NOT_ASKED = "not asked"
"""The stage of a row that no question was sent for."""

_FULL = {"integer": "int64", "number": "float64", "boolean": "bool"}
_NULLABLE = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "string": "string"}
_POLARS = {"integer": "Int64", "number": "Float64", "boolean": "Boolean", "string": "String"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a row.

    Parameters
    ----------
    stage : str
        How its turn ended: ``complete``, ``max_tokens``, ``refused``, ``cut``, ``interrupted``, ``failed``;
        or ``not asked``.
    text : str
        The answer's text.
    fields : mapping or None
        With a schema: the data, by the names of its fields; None where there are none.
    error : str
        Why the row has no whole answer, in one line; ``""`` where it has.
    input_tokens, output_tokens : int
        Of the whole prompt, and of the answer.
    cost : float or None
        USD; 0 for an answer that was there already, None where no price is known.
    saved : float
        USD that the prompt cache saved.
    reused : bool
        Whether the answer, or the failure, was there already.
    """

    stage: str = NOT_ASKED
    text: str = ""
    fields: Mapping[str, Any] | None = field(default=None, repr=False)
    error: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    saved: float = 0.0
    reused: bool = False


NOTHING = Outcome()
"""What came of a row so far where nothing did."""


def table_of(rows: Rows, outcomes: Sequence[Outcome | None], fields: Mapping[str, str] | None = None) -> Any:
    """Rows with their answers, as a new table: a frame of the rows' library; pandas, polars or dicts.

    Parameters
    ----------
    rows : Rows
        Their columns and labels are kept; they are not changed.
    outcomes : sequence of Outcome or None
        By the rows' numbers; None where nothing came yet.
    fields : mapping or None
        With a schema: its fields and their JSON types (``""`` for what a column holds as objects); None for
        one column ``answer`` of texts.

    Returns
    -------
    DataFrame, or list of dict
        A list where neither pandas nor polars is installed. A column's name that the rows have already gets
        ``claude_`` before it.
    """
    ended = [outcome or NOTHING for outcome in outcomes]
    if rows.kind == "pandas":
        return _with_columns_of_pandas(rows.source.copy(), ended, fields)
    if rows.kind == "polars":
        return _with_columns_of_polars(rows.source, ended, fields)
    base: dict[str, list[Any]] = {"item": list(rows.source)}
    if find_spec("pandas") is not None:
        package = importlib.import_module("pandas")
        items = package.Series(base["item"], dtype=object)
        if not any(item is None for item in base["item"]):  # which would make numbers of another kind
            items = items.infer_objects()
        frame = package.DataFrame({"item": items})
        if rows.labels is not None:
            frame.index = package.Index(rows.labels)
        return _with_columns_of_pandas(frame, ended, fields)
    if rows.labels is not None:
        base = {"key": list(rows.labels), **base}
    if find_spec("polars") is not None:
        package = importlib.import_module("polars")
        frame = package.DataFrame([_polars_column(package, name, "", cells) for name, cells in base.items()])
        return _with_columns_of_polars(frame, ended, fields)
    columns = {**base, **{name: cells for name, _, cells in _columns(list(base), ended, fields)}}
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _columns(
    taken: Sequence[Any], ended: Sequence[Outcome], fields: Mapping[str, str] | None
) -> list[tuple[str, str, list[Any]]]:
    """The columns that answers add: name, JSON type, cells."""
    added: list[tuple[str, str, list[Any]]] = []
    if fields is None:
        texts = [one.text if one.text or one.stage == "complete" else None for one in ended]
        added.append(("answer", "string", texts))
    else:
        for name, kind in fields.items():
            cells = [None if one.fields is None else one.fields.get(name) for one in ended]
            added.append((name, kind, cells))
    added += [
        ("claude_stage", "string", [one.stage for one in ended]),
        ("claude_error", "string", [one.error for one in ended]),
        ("claude_input_tokens", "integer", [one.input_tokens for one in ended]),
        ("claude_output_tokens", "integer", [one.output_tokens for one in ended]),
        ("claude_cost", "number", [one.cost for one in ended]),
    ]
    names = set(taken)
    free = []
    for name, kind, cells in added:
        while name in names:
            name = f"claude_{name}"  # noqa: PLW2901
        names.add(name)
        free.append((name, kind, cells))
    return free


def _with_columns_of_pandas(frame: Any, ended: Sequence[Outcome], fields: Mapping[str, str] | None) -> Any:
    pandas = importlib.import_module("pandas")
    for name, kind, cells in _columns(list(frame.columns), ended, fields):
        frame[name] = _pandas_column(pandas, cells, kind, frame.index)
    return frame


def _pandas_column(pandas: Any, cells: list[Any], kind: str, index: Any) -> Any:
    missing = any(cell is None for cell in cells)
    dtype = (_NULLABLE if missing else _FULL).get(kind)
    if dtype is not None:
        try:
            return pandas.Series(cells, index=index, dtype=dtype)
        except (TypeError, ValueError, OverflowError):  # more than 64 bits, or a type's own idea of a number
            return pandas.Series(cells, index=index, dtype=object)
    return pandas.Series(cells, index=index, dtype=object).infer_objects()


def _with_columns_of_polars(frame: Any, ended: Sequence[Outcome], fields: Mapping[str, str] | None) -> Any:
    polars = importlib.import_module("polars")
    added = _columns(frame.columns, ended, fields)
    return frame.with_columns([_polars_column(polars, *column) for column in added])


def _polars_column(polars: Any, name: str, kind: str, cells: list[Any]) -> Any:
    dtype = getattr(polars, _POLARS[kind]) if kind in _POLARS else None
    try:
        return polars.Series(name, cells, dtype=dtype)
    except Exception:  # noqa: BLE001 - what polars has no type for it says in many ways
        return polars.Series(name, cells, dtype=polars.Object)
