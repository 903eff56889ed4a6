"""Filling a JSON schema with values from a prompt: what the demo model does where Claude would think."""

from __future__ import annotations

import math
import re
from typing import Any

from .errors import ApiError

_QUOTED = re.compile(
    r"\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|`([^`\n]{1,200})`|(?<!\w)'([^'\n]{1,200})'(?!\w)"
)
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?![\w])")
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEP = 6


class Filler:
    """Makes one value after the other from a prompt's quoted strings and numbers, in their order.

    Parameters
    ----------
    prompt
        Where the values come from.
    root
        The schema that ``$ref`` points into.
    every
        Whether optional properties are filled too.
    """

    def __init__(self, prompt: str, root: dict[str, Any], *, every: bool) -> None:
        quoted = list(_QUOTED.finditer(prompt))
        self._strings = ["".join(group or "" for group in match.groups()) for match in quoted]
        rest = _QUOTED.sub(" ", prompt)
        self._numbers = [float(match.group()) for match in _NUMBER.finditer(rest)]
        self._root = root
        self._every = every

    def fill(self) -> Any:
        """Return a value for the whole schema; ApiError 400 when it is no schema or never ends."""
        try:
            return self._value(self._root, "value", 0)
        except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError, RecursionError) as error:
            raise ApiError(400, f"The JSON schema is not valid: {type(error).__name__}: {error}") from None

    def _value(self, schema: Any, name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                return self._value(self._chosen(schema[union], depth), name, depth)
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in {"integer", "number"}:
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string(schema, name)

    def _resolved(self, schema: Any) -> dict[str, Any]:
        if not isinstance(schema, dict):
            return {}
        for _ in range(20):  # a chain of references; a circle of them ends here
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            target: Any = self._root
            for step in reference[1:].strip("/").split("/"):
                key = step.replace("~1", "/").replace("~0", "~")
                target = target.get(key, {}) if isinstance(target, dict) and key else target
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**target, **rest} if isinstance(target, dict) else rest
        return _merged(schema, [self._resolved(part) for part in schema.get("allOf", ())])

    def _chosen(self, options: list[Any], depth: int) -> Any:
        """Return the first option that is not null; deep down the null, so that recursion ends."""
        resolved = [self._resolved(option) for option in options]
        empty = [option for option in resolved if _kind(option) == "null"]
        if depth > _DEEP and empty:
            return empty[0]
        return next((option for option in resolved if _kind(option) != "null"), resolved[0])

    def _choice(self, options: list[Any]) -> Any:
        """Return the first option that the prompt quotes, else the first."""
        return next((option for option in options if option in self._strings), options[0])

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        names = [name for name in properties if name in required or (self._every and depth <= _DEEP)]
        names += [name for name in required if name not in properties]
        return {name: self._value(properties.get(name, {}), name, depth + 1) for name in names}

    def _array(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        least = int(schema.get("minItems", 0))
        number = max(least, 0 if depth > _DEEP else 1)
        number = min(number, int(schema.get("maxItems", number)))
        first = schema.get("prefixItems") or []
        items = schema.get("items", {})
        values: list[Any] = []
        for index in range(max(number, len(first))):
            value = self._value(first[index] if index < len(first) else items, name, depth + 1)
            if schema.get("uniqueItems") and value in values:
                value = f"{value} {index + 1}" if isinstance(value, str) else index
            values.append(value)
        return values

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float | int:
        low, high = _bounds(schema, whole=whole)
        value = self._numbers.pop(0) if self._numbers else 1.0
        step = schema.get("multipleOf")
        value = min(max(value, low), high)
        if step:
            value = math.ceil(value / step) * step
            value = value - step if value > high else value
        if whole or value == int(value):
            return math.ceil(value) if value < low + 1 else math.floor(value)
        return value

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if "format" in schema and schema["format"] in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._strings.pop(0) if self._strings else name
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            text = _matching(pattern, text)
        text = text.ljust(int(schema.get("minLength", 0)), ".")
        return text[: int(schema.get("maxLength", len(text)))]


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _merged(schema: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                merged[key] = {**value, **merged.get(key, {})}
            elif key == "required":
                merged[key] = [*merged.get(key, ()), *(n for n in value if n not in merged.get(key, ()))]
            else:
                merged.setdefault(key, value)
    return merged


def _bounds(schema: dict[str, Any], *, whole: bool) -> tuple[float, float]:
    low, high = float(schema.get("minimum", -math.inf)), float(schema.get("maximum", math.inf))
    nudge = 1.0 if whole else 1e-6
    if isinstance(schema.get("exclusiveMinimum"), (int, float)):
        low = max(low, schema["exclusiveMinimum"] + nudge)
    if isinstance(schema.get("exclusiveMaximum"), (int, float)):
        high = min(high, schema["exclusiveMaximum"] - nudge)
    return low, high


def _matching(pattern: str, text: str) -> str:
    """Return a text that matches, where a simple one does; patterns are not solved in general."""
    tries = [
        text,
        "A",
        "a",
        "0",
        "1",
        "AB",
        "ab",
        "ABC",
        "abc",
        "123",
        "1234",
        "12345",
        "A1",
        "AB-123",
        "a-1",
        "2026-01-31",
    ]
    try:
        return next((each for each in tries if re.search(pattern, each)), text)
    except re.error:
        return text
