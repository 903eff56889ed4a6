"""A list of records as a data frame, of pandas or else of polars."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from claude_magic.errors import UsageProblem


def frame_maker() -> str:
    """The package that makes data frames here.

    Raises
    ------
    UsageProblem
        When there is none. Nothing was sent.
    """
    for name in ("pandas", "polars"):
        if find_spec(name) is not None:
            return name
    raise UsageProblem("--frame needs pandas or polars: run %pip install pandas. Nothing was sent.")


def data_frame(plain: Callable[[Any], Any], schema: Mapping[str, Any], maker: str) -> Callable[[Any], Any]:
    """What makes a frame of a list.

    Parameters
    ----------
    plain : callable
        Makes dicts of records.
    schema : mapping
        The JSON schema of the list, by the names of its records' fields; tells the columns of no records.
    maker : str
        ``pandas`` or ``polars``.
    """
    columns = _columns(schema)

    def made(value: Any) -> Any:
        records = [row if isinstance(row, dict) else {"value": row} for row in plain(value)]
        package = importlib.import_module(maker)
        if not records:
            return package.DataFrame({name: [] for name in columns})
        return package.DataFrame(records)

    return made


def _columns(schema: Mapping[str, Any]) -> list[str]:
    record: Any = schema.get("items")
    for _ in range(20):
        if not isinstance(record, Mapping) or "$ref" not in record:
            break
        record = (schema.get("$defs") or {}).get(str(record["$ref"]).rpartition("/")[2])
    properties = record.get("properties") if isinstance(record, Mapping) else None
    return list(properties) if properties else ["value"]
