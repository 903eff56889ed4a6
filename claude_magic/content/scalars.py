"""Scalars as they read in a sentence: dates, decimals and the numbers of NumPy and pandas.

Those of libraries are recognised by the names of their classes; nothing is imported to ask.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
import pathlib
import uuid
from typing import Any

_SPOKEN = (
    *(dt.datetime, dt.date, dt.time, dt.timedelta),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID),
)
_PATHS = (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
_OF_PANDAS = ("Timestamp", "Timedelta", "Period", "Interval", "NaTType", "NAType")
_OF_PYTHON = (bool, int, float, complex, str)
_TIMES = ("datetime64", "timedelta64")
_MOST, _DEEPEST = 2_000, 100
"""Elements, and containers, up to which a container is gone through."""


def plainly(value: Any) -> Any:
    """A scalar as a plain number or text; a small tuple, list or dict of such; all else as it is."""
    return _plain(value, [])


def is_missing(value: Any) -> bool:
    """Whether it stands for a value that is not there: None, NaN, NaT, NA."""
    if type(value) is str:
        return False
    plain = _scalar(value)
    if type(plain) is float:
        return math.isnan(plain)
    return plain is None or (type(plain) is str and plain in ("NaT", "<NA>"))


def _plain(value: Any, seen: list[Any]) -> Any:
    """As `plainly`; what was gone through already is left as it is."""
    cls = type(value)
    if seen and cls in _PATHS:  # alone it stands for its file
        return str(value)
    if cls not in (tuple, list, dict):
        return _scalar(value)
    if any(one is value for one in seen) or sum(map(len, seen)) + len(value) > _MOST or len(seen) > _DEEPEST:
        return value
    seen.append(value)
    if cls is dict:
        return {key: _plain(item, seen) for key, item in value.items()}
    return cls(_plain(item, seen) for item in value)


def _scalar(value: Any) -> Any:
    cls = type(value)
    library = str(cls.__module__).split(".", 1)[0]
    if cls in _SPOKEN or (library == "pandas" and cls.__name__ in _OF_PANDAS):
        return str(value)
    if library != "numpy" or not callable(getattr(cls, "item", None)):
        return value
    if isinstance(value, str):
        return str(value)
    if hasattr(cls, "__len__"):  # an array
        return value
    simple = value.item()
    # What Python has no date or number for, item() gives in another unit, or as it is.
    return simple if type(simple) in _OF_PYTHON and cls.__name__ not in _TIMES else str(value)
