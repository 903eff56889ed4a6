"""From what the user types to a function of the kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from claude_magic.errors import ToolProblem, did_you_mean

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def words_of(typed: str) -> tuple[str, ...]:
    """``f,g.h`` or ``f g.h`` as words, each once."""
    return tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", typed))))


def found(word: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that a word names: a kernel name, or an attribute of one (``desk.count``).

    Raises
    ------
    ToolProblem
        When there is none, with the nearest names. Nothing was sent.
    """
    if not _DOTTED.fullmatch(word):
        raise ToolProblem(f"{word!r} is no name of a function; names stand with commas between. {_SENT}")
    first, *rest = word.split(".")
    if first not in names:
        near = [name for name, value in names.items() if not name.startswith("_") and callable(value)]
        raise ToolProblem(f"No kernel function {first!r}.{did_you_mean(first, near)} {_SENT}")
    value = names[first]
    for number, attribute in enumerate(rest, 1):
        try:
            value = getattr(value, attribute)
        except AttributeError as error:
            base = ".".join([first, *rest[: number - 1]])
            hint = did_you_mean(attribute, [name for name in dir(value) if not name.startswith("_")])
            raise ToolProblem(f"{base} has no {attribute!r}.{hint} {_SENT}") from error
    if not callable(value):
        raise ToolProblem(f"{word} is no function but of type {type(value).__name__}. {_SENT}")
    return value  # type: ignore[no-any-return]


def same(one: object, other: object) -> bool:
    """Whether two functions are the same object; a method bound to the same object counts as that."""
    if isinstance(one, MethodType) and isinstance(other, MethodType):
        return one.__self__ is other.__self__ and one.__func__ is other.__func__
    return one is other


_SENT = "Nothing was sent."
