"""The fields of a record, as the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PLAIN = ("integer", "number", "boolean", "string")


def fields_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """The columns that data of a JSON schema fill, and their JSON types; ``""`` for what is no scalar.

    A record fills one column for each of its fields, anything else one called ``answer``.

    Parameters
    ----------
    schema : mapping
        By the names of the fields in Python.
    """
    top = _followed(schema, schema)
    properties = top.get("properties")
    if top.get("type") != "object" or not isinstance(properties, Mapping) or not properties:
        return {"answer": _kind(schema, schema)}
    return {str(name): _kind(one, schema) for name, one in properties.items()}


def record_of(value: Any, fields: Mapping[str, str]) -> dict[str, Any]:
    """The cells of those columns, as the data has them: what is nested stays the object it is."""
    named = isinstance(value, Mapping)
    if list(fields) == ["answer"] and not ("answer" in value if named else hasattr(value, "answer")):
        return {"answer": value}
    return {name: value.get(name) if named else getattr(value, name, None) for name in fields}


def _followed(one: Any, whole: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(20):
        if not isinstance(one, Mapping):
            return {}
        if "$ref" not in one:
            return one
        one = (whole.get("$defs") or {}).get(str(one["$ref"]).rpartition("/")[2])
    return {}


def _kind(one: Any, whole: Mapping[str, Any]) -> str:
    if not isinstance(one, Mapping) or "$ref" in one:
        return ""  # an enumeration or a record: its values are objects
    kinds = one.get("anyOf")
    if isinstance(kinds, list):
        others = [kind for kind in kinds if not (isinstance(kind, Mapping) and kind.get("type") == "null")]
        return _kind(others[0], whole) if len(others) == 1 else ""
    kind = one.get("type")
    if isinstance(kind, list):
        named = [word for word in kind if word != "null"]
        kind = named[0] if len(named) == 1 else ""
    # A date or the like: the type of the kernel makes an object of it.
    return str(kind) if kind in _PLAIN and "format" not in one else ""
