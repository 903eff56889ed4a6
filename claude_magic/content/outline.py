"""Nested values as JSON, exact while they are plain and fit, told about where they are not.

Plain dicts and lists of JSON values come out as JSON that reads back equal. Dataclasses become their
fields; any other object one line in quotes. Longer than its budget, the beginning stands with a count
of what is missing.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from claude_magic.content.deadline import Deadline, Failed
from claude_magic.content.glimpse import glimpse, type_name, whole_number

_DEEPEST = 60
_CELL = 2_000
"""Characters of one object that is neither a container nor plain."""

_LISTS = frozenset({list, tuple, set, frozenset, deque})
_SHORT = frozenset({int, float, bool, type(None)})
_MAPPINGS = frozenset({dict, OrderedDict, defaultdict, Counter})


class _Full(Exception):
    """The budget is spent."""


def class_attribute(value: Any, name: str) -> Any:
    """Look a name up on a value's class and its bases, running no code of theirs; None where it is not."""
    for base in type.__dict__["__mro__"].__get__(type(value)):
        found = type.__dict__["__dict__"].__get__(base).get(name)
        if found is not None:
            return found
    return None


def is_container(value: Any) -> bool:
    """Whether the value is exactly one of the containers that are outlined."""
    return type(value) in _LISTS or type(value) in _MAPPINGS


def outline(value: Any, budget: int, deadline: Deadline) -> str:
    """Write a value as indented JSON of about ``budget`` characters at most."""
    tree = _Tree(budget, deadline)
    try:
        tree.add(value, 0)
    except _Full:
        return "".join(tree.pieces).rstrip(" \n,") + f"\n… ({_count(value)})"
    return "".join(tree.pieces)


def fields_of(value: Any, deadline: Deadline) -> dict[str, Any]:
    """Return the fields of a dataclass instance; those with ``repr=False`` are told as hidden."""
    found: dict[str, Any] = {}
    for name, field in cast("Mapping[str, Any]", class_attribute(value, "__dataclass_fields__")).items():
        if str(getattr(field, "_field_type", "")) != "_FIELD":
            continue
        if not field.repr:
            found[name] = "<hidden>"
            continue
        try:
            found[name] = deadline.run(lambda name=name: getattr(value, name))  # type: ignore[misc]
        except Failed as fault:
            found[name] = f"<{fault}>"
    return found


def _count(value: Any) -> str:
    """Say how much there is in all."""
    if type(value) in _MAPPINGS:
        return f"{len(value):,} keys in all"
    return f"{len(value):,} items in all" if type(value) in _LISTS else "cut"


class _Tree:
    """The JSON as it grows, and the containers it is inside of."""

    def __init__(self, budget: int, deadline: Deadline) -> None:
        self.pieces: list[str] = []
        self.left = budget
        self.deadline = deadline
        self.inside: set[int] = set()

    def put(self, text: str) -> None:
        self.left -= len(text)
        if self.left < 0:
            raise _Full
        self.pieces.append(text)

    def add(self, value: Any, depth: int) -> None:
        cls = type(value)
        if cls is str:
            self._string(value)
        elif value is None or cls is bool or cls is float:
            self.put(json.dumps(value))
        elif cls is int:
            text = whole_number(value)
            self.put(text if not text.startswith("<") else json.dumps(text))
        elif cls in _LISTS or cls in _MAPPINGS or class_attribute(value, "__dataclass_fields__") is not None:
            self._nested(value, cls, depth)
        else:
            self._string(glimpse(value, min(_CELL, max(self.left, 1)), self.deadline))

    def _string(self, text: str) -> None:
        cut = text[: max(self.left, 0)]
        encoded = json.dumps(cut, ensure_ascii=False)
        if len(cut) < len(text):
            # What fits of a string that does not, so that the reader sees its beginning.
            self.pieces.append(encoded[: self.left])
            raise _Full
        self.put(encoded)

    def _nested(self, value: Any, cls: type, depth: int) -> None:
        if id(value) in self.inside:
            self.put('"<itself>"')
            return
        if depth >= _DEEPEST:
            self.put(json.dumps(f"<{type_name(value)}, nested deeper than {_DEEPEST}>"))
            return
        self.inside.add(id(value))
        if cls in _LISTS:
            self._rows("[]", ((None, item) for item in value), depth)
        elif cls in _MAPPINGS:
            self._rows("{}", dict.items(value), depth)
        elif type(value) is type:
            self.put(json.dumps(f"<class {glimpse(value)}>"))
        else:
            self._rows("{}", fields_of(value, self.deadline).items(), depth)
        self.inside.discard(id(value))

    def _rows(self, brackets: Sequence[str], rows: Iterable[tuple[Any, Any]], depth: int) -> None:
        self.put(brackets[0])
        indent, separator, flat, wrapped = "\n" + "  " * (depth + 1), "", True, False
        for key, item in _steady(rows):
            was_flat, flat = flat, brackets[0] == "[" and type(item) in _SHORT
            if was_flat and flat:
                # Numbers stand side by side: a line for each would cost as much as the number.
                self.put(f"{separator} " if separator else "")
            else:
                wrapped = True
                self.put(f"{separator}{indent}")
            separator = ","
            if brackets[0] == "{":
                self._string(key if type(key) is str else glimpse(key, 80, self.deadline))
                self.put(": ")
            self.add(item, depth + 1)
        self.put(indent[:-2] + brackets[1] if wrapped else brackets[1])


def _steady(rows: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Yield the rows; where another thread changes the container meanwhile, those that were seen."""
    try:
        yield from rows
    except RuntimeError as error:
        yield "…", f"<{error}>"
