"""The rows of a kernel value: of a data frame, a series, a list, a dict.

Optional libraries are recognised by the names of a value's class and never imported to ask.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from claude_magic.errors import UsageProblem, did_you_mean

NAMES = ("row", "index")
"""What a template and an attachment see of their row; the user's names of the same spelling are hidden."""
MOST = 1_000_000
"""Values that a generator may bring without a limit."""

_TEXTS = (str, bytes, bytearray, memoryview)


class Record(Mapping[Any, Any]):
    """A row of a data frame, as templates see it: ``row.review``, ``row["review"]``, ``dict(row)``.

    Parameters
    ----------
    cells : callable
        The cell of a column, by the row's number.
    number : int
        The row's number.
    """

    __slots__ = ("_cells", "_number")

    def __init__(self, cells: Cells, number: int) -> None:
        self._cells = cells
        self._number = number

    def __getitem__(self, name: Any) -> Any:
        return self._cells.cell(name, self._number)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name not in self._cells.columns:
            raise AttributeError(name)  # what asks for a protocol asks for no column
        return self._cells.cell(name, self._number)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cells.columns)

    def __len__(self) -> int:
        return len(self._cells.columns)

    def __repr__(self) -> str:
        return repr(dict(self))


class Cells:
    """The cells of a frame, by column and row.

    Parameters
    ----------
    kind : str
        ``pandas`` or ``polars``.
    frame : DataFrame
        It is not changed.
    name : str
        What the user calls it, for messages.
    """

    def __init__(self, kind: str, frame: Any, name: str) -> None:
        self.columns: dict[Any, int] = {column: place for place, column in enumerate(frame.columns)}
        self._frame = frame
        self._name = name
        self._parts: dict[Any, Any] = {}
        self._pandas = kind == "pandas"
        if len(self.columns) < len(frame.columns):
            raise UsageProblem(f"--over {name}: two of its columns have one name. Nothing was sent.")

    def cell(self, column: Any, number: int) -> Any:
        """One cell; numbers of NumPy as those of Python.

        Raises
        ------
        UsageProblem
            For a column that is not there, with the nearest names.
        """
        if column not in self.columns:
            known = [str(name) for name in self.columns]
            raise UsageProblem(
                f"{self._name} has no column {str(column)!r}.{did_you_mean(str(column), known)} "
                "Nothing was sent."
            )
        part = self._parts.get(column)
        if part is None:
            place = self.columns[column]
            part = self._frame.iloc[:, place] if self._pandas else self._frame.to_series(place)
            self._parts[column] = part
        return _plain(part.iloc[number] if self._pandas else part[number])


def _plain(value: Any) -> Any:
    if type(value).__module__ != "numpy" or not callable(getattr(value, "item", None)):
        return value
    if getattr(value, "ndim", 0):
        return value
    simple = value.item()
    return simple if isinstance(simple, bool | int | float | complex | str) else value


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Parameters
    ----------
    number : int
        Its place, from 0.
    label : object
        Its label in the index, its key in a dict; else its number.
    value : object
        What ``row`` is in the template.
    """

    number: int
    label: Any
    value: Any = field(repr=False)


@dataclass(frozen=True)
class Rows:
    """The rows of a value, in order.

    Parameters
    ----------
    kind : str
        ``pandas``, ``polars``, or ``values`` for all that is no frame.
    source : object
        The frame; or the list of values.
    labels : sequence
        The rows' labels; None for their numbers.
    cells : Cells or None
        The cells of a frame whose rows are records; None where each row is one value.
    """

    kind: str
    source: Any = field(repr=False)
    labels: Sequence[Any] | None = field(default=None, repr=False)
    cells: Cells | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, number: int) -> Row:
        label = number if self.labels is None else _plain(self.labels[number])
        return Row(number, label, self._value(number))

    def __iter__(self) -> Iterator[Row]:
        return (self[number] for number in range(len(self)))

    def _value(self, number: int) -> Any:
        if self.cells is not None:
            return Record(self.cells, number)
        if self.kind == "pandas":
            return _plain(self.source.iloc[number, 0])
        if self.kind == "polars":
            return self.source.to_series(0)[number]
        return _plain(self.source[number])


def rows_of(value: Any, name: str = "the value", limit: int = 0) -> Rows:
    """The rows of a kernel value.

    Parameters
    ----------
    value : object
        A DataFrame or Series of pandas or polars; a dict, whose values are the rows and whose keys their
        labels; a list, tuple, set, range, array of one dimension, or anything else that is iterated over.
        It is not changed, but for an iterator, which is used up.
    name : str
        What the user calls it, for messages.
    limit : int
        Most rows; 0 for all.

    Raises
    ------
    UsageProblem
        For what has no rows. Nothing was sent.
    """
    most = limit or None
    library, kind = _library_type(value)
    if kind == "LazyFrame":
        raise UsageProblem(f"--over {name}: a LazyFrame has no rows yet: {name}.collect(). Nothing was sent.")
    if library == "pandas":
        head = value.iloc[:most]
        return _of_frame("pandas", head, head.index, kind, name)
    if library == "polars":
        return _of_frame("polars", value.head(limit) if limit else value, None, kind, name)
    if isinstance(value, Mapping):
        pairs = list(itertools.islice(value.items(), most))
        return Rows("values", [item for _, item in pairs], [key for key, _ in pairs])
    if isinstance(value, _TEXTS) or not isinstance(value, Iterable) or isinstance(value, type):
        raise UsageProblem(
            f"--over {name}: {_with_article(type(value).__name__)} has no rows; a DataFrame, Series, list "
            "or dict has. "
            "Nothing was sent."
        )
    dimensions = getattr(value, "ndim", 1)
    if dimensions != 1:
        raise UsageProblem(
            f"--over {name}: {dimensions} dimensions; a list or an array of one has rows. Nothing was sent."
        )
    ordered = _in_order(value) if isinstance(value, AbstractSet) else value
    bounded = limit or hasattr(value, "__len__")
    items = list(itertools.islice(ordered, most if bounded else MOST + 1))
    if not bounded and len(items) > MOST:
        raise UsageProblem(
            f"--over {name}: it brings more than {MOST:,} values; --limit N takes the first N. "
            "Nothing was sent."
        )
    return Rows("values", items)


def has_rows(value: Any) -> bool:
    """Whether a value is one that rows are usually in: a frame, a series, an array, a list, a dict and such.

    Nothing of it is used up or evaluated for that.
    """
    kind = _library_type(value)[1]
    known = isinstance(value, list | tuple | dict | set | frozenset | range)
    array = type(value).__module__ == "numpy" and type(value).__name__ == "ndarray"
    return kind in ("DataFrame", "Series") or known or (array and value.ndim == 1)


def _of_frame(kind: str, value: Any, labels: Sequence[Any] | None, form: str, name: str) -> Rows:
    if form == "DataFrame":
        return Rows(kind, value, labels, Cells(kind, value, name))
    title = value.name if value.name not in (None, "") else "item"
    return Rows(kind, value.to_frame(title), labels)


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _in_order(values: AbstractSet[Any]) -> list[Any]:
    """A set's values, in the same order on every run where they have one."""
    try:
        return sorted(values)
    except TypeError:
        return list(values)


def _library_type(value: Any) -> tuple[str, str]:
    for base in type(value).__mro__:
        library = str(base.__module__).split(".")[0]
        if library in ("pandas", "polars") and base.__name__ in ("DataFrame", "Series", "LazyFrame"):
            return library, base.__name__
    return "", ""
