"""The cells of a table as short texts: any value, one line each, nothing hurt by it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from claude_magic.content.deadline import Deadline, Failed
from claude_magic.content.glimpse import glimpse, type_name, whole_number
from claude_magic.content.names import visible

_SCALARS = ("datetime", "decimal", "fractions", "uuid", "zoneinfo")
"""Modules of the standard library whose values say what they are in a few characters."""

_LIBRARY_SCALARS = frozenset({"Timestamp", "Timedelta", "NaTType", "NAType", "Period", "Interval"})


def cell_texts(values: Sequence[Any], limit: int, deadline: Deadline) -> list[str]:
    """Write values for a table, each at most ``limit`` characters on one line.

    Values of foreign types are asked together, under the deadline; those that do not answer are told
    by their type.
    """
    texts: list[str] = []
    foreign: list[int] = []
    for place, value in enumerate(values):
        text = _plain(value, limit)
        if text is None:
            foreign.append(place)
            text = f"<{type_name(value)}>"
        texts.append(text)
    if foreign:
        answers: list[str] = []

        def asked() -> None:
            for place in foreign:
                answers.append(glimpse(values[place], limit, deadline))  # noqa: PERF401  kept as they come

        with contextlib.suppress(Failed):
            deadline.run(asked)
        for place, text in zip(foreign, list(answers), strict=False):
            texts[place] = text
    return texts


def _plain(value: Any, limit: int) -> str | None:
    """Write a value of a type that is known to be harmless; None for any other."""
    cls = type(value)
    if cls is str:
        return _cut(visible(value[: limit + 1]), limit)
    if value is None:
        return "null"
    if cls in (bool, float, complex):
        return repr(value)
    if cls is int:
        return _cut(whole_number(value), limit)
    name = type_name(value)
    module, _, short = name.rpartition(".")
    if module in _SCALARS or (module.split(".")[0] in ("pandas", "numpy") and short in _LIBRARY_SCALARS):
        return _cut(visible(str(value)), limit)
    return None


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
