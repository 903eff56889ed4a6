"""One way to look at the tables of pandas, polars, pyarrow and numpy, none of which is imported.

A type's qualified name says what it is; everything after that is the object's own methods. A frame is
looked at column by column, through slices that are views wherever the library has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from claude_magic.content.deadline import Deadline
from claude_magic.content.glimpse import glimpse
from claude_magic.content.names import shown, visible

_NAME = 60


@dataclass(frozen=True)
class Frame:
    """A table as its library sees it.

    Parameters
    ----------
    kind : str
        For people: ``pandas DataFrame``.
    rows : int
        Number of rows, -1 where nobody knows without computing.
    names, dtypes : list of str
        One for each column; names are bounded and visible, values never among the types.
    index : str
        What labels the rows, ``""`` where nothing does.
    part : callable
        ``part(column, rows)`` is a slice of a column; column -1 is the index.
    values : callable
        A part as a list of Python values.
    numeric : callable
        Whether a column has an order worth its minimum, median and maximum.
    nulls : callable
        How many values of a part are missing; None where the library cannot say.
    labelled : bool
        Whether the index says more than the number of a row.
    counted : callable, optional
        A part as values to be counted, where ``values`` would be too many or too long.
    statistics : callable
        Minimum, median, mean and maximum of a part; None for what it has not.
    """

    kind: str
    rows: int
    names: list[str]
    dtypes: list[str]
    part: Callable[[int, slice], Any]
    values: Callable[[Any], list[Any]]
    numeric: Callable[[int], bool]
    nulls: Callable[[Any], int | None]
    statistics: Callable[[Any], list[Any]]
    index: str = ""
    labelled: bool = False
    counted: Callable[[Any], list[Any]] | None = None


def library_type(value: Any) -> tuple[str, str]:
    """Return the library and the class a table belongs to, such as ``("pandas", "DataFrame")``, or blanks."""
    for base in type.__dict__["__mro__"].__get__(type(value)):
        library = str(type.__getattribute__(base, "__module__")).split(".")[0]
        name = str(type.__getattribute__(base, "__name__"))
        if name in _KINDS.get(library, ()):
            return library, name
    return "", ""


def frame_of(value: Any) -> Frame | None:
    """Return a table's frame; None for what is no table, or has no rows to look at (a LazyFrame)."""
    library, name = library_type(value)
    if library == "pandas":
        return _pandas(value, name)
    if library == "polars" and name != "LazyFrame":
        return _polars(value, name)
    if library == "pyarrow":
        return _arrow(value, name)
    if library == "numpy" and 1 <= value.ndim <= 2 and not (value.dtype.names and value.ndim == 2):
        return _numpy(value)
    return None


_KINDS = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "LazyFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch"),
    "numpy": ("ndarray",),
}


def label(name: Any) -> str:
    """Write a column's name, which may be any object, on one short line."""
    if type(name) is str:
        return shown(name, _NAME)
    if type(name) is tuple:
        return shown(" / ".join(label(part) for part in name), _NAME)
    return visible(glimpse(name, _NAME, Deadline()))


def dtype_text(dtype: Any) -> str:
    """Write a column's type; categories are values and stay out."""
    text = shown(str(dtype), 400)
    if text.startswith(("Enum(", "Categorical(")):
        text = text.split("(")[0]
    return shown(text, 80)


def ask(piece: Any, *questions: str) -> list[Any]:
    """Ask a column for statistics that its type may not have; None stands for those."""
    answers = []
    for question in questions:
        try:
            answers.append(getattr(piece, question)())
        except Exception:  # noqa: BLE001  a type without a mean says so in many ways
            answers.append(None)
    return answers


def _pandas(value: Any, name: str) -> Frame:
    if name == "DataFrame":
        names, dtypes, index = list(value.columns), list(value.dtypes), value.index
    else:
        names, dtypes = [value.name if value.name is not None else "value"], [value.dtype]
        index = value.index if name == "Series" else None

    def part(column: int, rows: slice) -> Any:
        if column < 0:
            return index[rows]
        if name == "Index":
            return value[rows]
        return (value if name == "Series" else value.iloc[:, column]).iloc[rows]

    kinds = [getattr(dtype, "kind", "O") for dtype in dtypes]
    described = "" if index is None else f"{type(index).__name__} ({dtype_text(index.dtype)})"
    return Frame(
        kind=f"pandas {name}",
        rows=len(value),
        names=[label(one) for one in names],
        dtypes=[dtype_text(one) for one in dtypes],
        part=part,
        values=lambda piece: list(piece.tolist()),
        numeric=lambda column: kinds[column] in "iufmM",
        nulls=_missing,
        statistics=lambda piece: ask(piece, "min", "median", "mean", "max"),
        index=described,
        labelled=index is not None and type(index).__name__ != "RangeIndex",
    )


def _missing(piece: Any) -> int | None:
    """Count what pandas takes for missing; it has no word on a MultiIndex."""
    try:
        return int(piece.isna().sum())
    except NotImplementedError:
        return None


def _polars(value: Any, name: str) -> Frame:
    series = [value] if name == "Series" else value.get_columns()
    numeric = [one.dtype.is_numeric() or one.dtype.is_temporal() for one in series]

    def counted(piece: Any) -> list[Any]:
        if piece.dtype.is_nested() or str(piece.dtype) == "Object":
            # Ten thousand embeddings would become millions of Python numbers.
            return []
        return list((piece.str.slice(0, 100) if str(piece.dtype) == "String" else piece).to_list())

    return Frame(
        kind=f"polars {name}",
        rows=len(value),
        names=[label(one.name or "value") for one in series],
        dtypes=[dtype_text(one.dtype) for one in series],
        part=lambda column, rows: series[column][rows],
        values=lambda piece: list(piece.to_list()),
        numeric=lambda column: numeric[column],
        nulls=lambda piece: int(piece.null_count()),
        statistics=lambda piece: ask(piece, "min", "median", "mean", "max"),
        counted=counted,
    )


def _arrow(value: Any, name: str) -> Frame:
    types = [dtype_text(one) for one in value.schema.types]

    def part(column: int, rows: slice) -> Any:
        places = range(*rows.indices(value.num_rows))
        whole = value.column(column)
        if places.step == 1:
            return whole.slice(places.start, len(places))
        return whole.take(list(places))

    def counted(piece: Any) -> list[Any]:
        nested = ("list", "large_list", "fixed_size_list", "struct", "map", "binary")
        return [] if str(piece.type).startswith(nested) else list(piece.to_pylist())

    def statistics(piece: Any) -> list[Any]:
        known = sorted(one for one in piece.to_pylist() if one is not None and not math.isnan(one))
        return _ordered(known, sum)

    return Frame(
        kind=f"pyarrow {name}",
        rows=value.num_rows,
        names=[label(one) for one in value.schema.names],
        dtypes=types,
        part=part,
        values=lambda piece: list(piece.to_pylist()),
        numeric=lambda column: types[column].startswith(("int", "uint", "float", "double", "halffloat")),
        nulls=lambda piece: int(piece.null_count),
        statistics=statistics,
        counted=counted,
    )


def _ordered(known: Any, total: Callable[[Any], Any]) -> list[Any]:
    """Minimum, median, mean and maximum of sorted values without gaps."""
    count = len(known)
    if not count:
        return [None] * 4
    middle = (known[(count - 1) // 2] + known[count // 2]) / 2
    return [known[0], middle, total(known) / count, known[-1]]


def _numpy(value: Any) -> Frame:
    fields = value.dtype.names
    if fields:
        names, dtypes = list(fields), [value.dtype[one] for one in fields]
    else:
        names = ["value"] if value.ndim == 1 else [str(one) for one in range(value.shape[1])]
        dtypes = [value.dtype] * len(names)

    def part(column: int, rows: slice) -> Any:
        if fields:
            return value[fields[column]][rows]
        return value[rows] if value.ndim == 1 else value[rows, column]

    def statistics(piece: Any) -> list[Any]:
        if piece.dtype.kind in "mM":
            return [*ask(piece, "min"), None, None, *ask(piece, "max")]
        known = piece[piece == piece].copy()  # noqa: PLR0124  only NaN differs from itself
        known.sort()
        return _ordered(known, lambda numbers: float(numbers.sum(dtype="float64")))

    return Frame(
        kind="numpy array",
        rows=len(value),
        names=[label(one) for one in names],
        dtypes=[dtype_text(one) for one in dtypes],
        part=part,
        values=lambda piece: list(piece.tolist()),
        numeric=lambda column: dtypes[column].kind in "iufmM" and dtypes[column].subdtype is None,
        nulls=lambda piece: int((piece != piece).sum()) if piece.dtype.kind in "fcmM" else 0,  # noqa: PLR0124
        statistics=statistics,
    )
