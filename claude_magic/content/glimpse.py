"""A bounded look at any value: one line of at most so many characters, and no harm done.

Plain values are written by us, within bounds of depth, number and length; a foreign object's own
``repr`` is asked under a deadline. ``isinstance`` and attributes of values are avoided: both may run an
object's own code.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any

from claude_magic.content.deadline import Deadline, Failed
from claude_magic.content.names import visible

_DEEPEST = 6
_MOST_DIGITS = 1_000
_BRACKETS: dict[type, Sequence[str]] = {
    list: "[]",
    tuple: "()",
    set: "{}",
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}
_MAPPINGS = frozenset({dict, OrderedDict, defaultdict, Counter})


class _Full(Exception):
    """No room is left."""


def type_name(value: Any) -> str:
    """The qualified name of a value's type, whatever its class says about itself."""
    cls = type(value)
    try:
        module = type.__getattribute__(cls, "__module__")
        name = type.__getattribute__(cls, "__qualname__")
        if type(module) is not str or type(name) is not str:
            return "object"
    except Exception:  # noqa: BLE001  a metaclass of the user's
        return "object"
    return visible(name if module in ("builtins", "__main__") else f"{module}.{name}")[:200]


def glimpse(value: Any, limit: int = 80, deadline: Deadline | None = None) -> str:
    """Return one line about a value, in the manner of ``repr``.

    Parameters
    ----------
    value : object
        Anything.
    limit : int
        Characters; what is longer ends in ``…``.
    deadline : Deadline, optional
        The seconds that are left to foreign code; its own without.
    """
    line = _Line(limit, deadline or Deadline())
    try:
        line.add(value, 0)
    except _Full:
        return "".join(line.pieces)[: max(0, limit - 1)] + "…"
    return "".join(line.pieces)


def own_text(value: Any, deadline: Deadline, limit: int) -> str:
    """Return at most ``limit`` characters of what the object's own ``repr`` says.

    Raises
    ------
    Failed
        When it raises, takes too long, or answers with something else.
    """
    text = deadline.run(lambda: repr(value))
    # A subclass of str may lie about itself: str's own slice makes a plain one.
    return str.__getitem__(text, slice(0, limit))


def whole_number(value: int) -> str:
    """Write an integer; one with more digits than anyone reads is told by its size."""
    digits = math.ceil(value.bit_length() * math.log10(2))
    if digits > _MOST_DIGITS:
        return f"<{'-' if value < 0 else ''}int of about {digits:,} digits>"
    return repr(value)


class _Line:
    """The line as it grows, and the containers it is inside of."""

    def __init__(self, limit: int, deadline: Deadline) -> None:
        self.pieces: list[str] = []
        self.left = limit
        self.deadline = deadline
        self.inside: set[int] = set()

    def put(self, text: str) -> None:
        self.pieces.append(text)
        self.left -= len(text)
        if self.left < 0:
            raise _Full

    def add(self, value: Any, depth: int) -> None:
        """Add a value; containers recurse at most ``_DEEPEST`` deep."""
        cls = type(value)
        if cls is str:
            # Sliced before it is escaped: it may be a gigabyte.
            cut = value[: self.left + 2]
            self.put(visible(repr(cut)))
        elif cls in (bytes, bytearray):
            self.put(repr(value[: self.left + 2]))
        elif cls is int:
            self.put(whole_number(value))
        elif value is None or cls in (bool, float, complex, range, slice) or value is Ellipsis:
            self.put(repr(value) if cls not in (range, slice) else self._foreign(value))
        elif cls in _BRACKETS or cls in _MAPPINGS:
            self._container(value, cls, depth)
        else:
            self.put(self._foreign(value))

    def _container(self, value: Any, cls: type, depth: int) -> None:
        if id(value) in self.inside:
            self.put("<itself>")
            return
        if depth >= _DEEPEST:
            self.put(f"<{cls.__name__} of {len(value):,}>" if len(value) else f"{cls.__name__}()")
            return
        self.inside.add(id(value))
        if cls in _MAPPINGS:
            self._pairs(value, depth)
        else:
            opening, closing = _BRACKETS[cls] if value or cls is not set else ("set(", ")")
            self._items(value, depth, opening, closing)
            if cls is tuple and len(value) == 1:
                self.pieces[-1] = ",)"
        self.inside.discard(id(value))

    def _items(self, values: Iterable[Any], depth: int, opening: str, closing: str) -> None:
        self.put(opening)
        for number, item in enumerate(values):
            if number:
                self.put(", ")
            self.add(item, depth + 1)
        self.put(closing)

    def _pairs(self, mapping: Any, depth: int) -> None:
        self.put("{")
        for number, (key, item) in enumerate(dict.items(mapping)):
            if number:
                self.put(", ")
            self.add(key, depth + 1)
            self.put(": ")
            self.add(item, depth + 1)
        self.put("}")

    def _foreign(self, value: Any) -> str:
        try:
            return " ".join(visible(own_text(value, self.deadline, self.left + 2)).split(r"\n"))
        except Failed as fault:
            return f"<{type_name(value)}: its repr {fault}>"
