"""What completes after the name ``row``: by the first row of what ``--over`` names."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from IPython.core.completer import SimpleCompletion

from claude_magic.errors import UsageProblem
from claude_magic.rows import Record, has_rows, rows_of

_OVER = re.compile(r"(?<!\S)--over(?:=|\s+)([^\W\d]\w*)(?=\s|$)")
_ATTRIBUTE = re.compile(r"(?<![\w.])row\.(\w*)\Z")
_KEY = re.compile(r"(?<![\w.])row\[(['\"])([^'\"\\]*)\Z")


def over(line: str, names: Mapping[str, Any]) -> Any:
    """The kernel value that ``--over`` names; None for an expression, which is not evaluated for Tab."""
    found = _OVER.search(line)
    return names.get(found[1]) if found else None


def columns(value: Any) -> Sequence[str]:
    """The columns of a frame that are named by texts; none of anything else."""
    row = _first(value)
    return tuple(name for name in row if isinstance(name, str)) if isinstance(row, Record) else ()


def of_row(source: str, value: Any, after: str) -> tuple[str, list[SimpleCompletion]] | None:
    """What completes ``row.`` and ``row['`` at the end of an expression; None where neither stands there.

    Parameters
    ----------
    value : object
        What has the rows.
    after : str
        What stands behind the cursor: a quote that is there is not added again.
    """
    attribute, key = _ATTRIBUTE.search(source), _KEY.search(source)
    if attribute is not None:
        return attribute[1], _offered(_attributes(_first(value)), attribute[1])
    if key is not None:
        closing = "" if after.startswith(key[1]) else f"{key[1]}]"
        fit = (name for name in _keys(_first(value)) if not re.search(r"['\"\\\n]", name))
        return key[2], _offered(fit, key[2], closing)
    return None


def _first(value: Any) -> Any:
    """What ``row`` is in the first row; None where there is none."""
    if not has_rows(value) or not len(value):
        return None
    try:
        return rows_of(value, limit=1)[0].value
    except UsageProblem:  # two columns of one name
        return None


def _keys(row: Any) -> Iterator[str]:
    if isinstance(row, Record | Mapping):
        yield from (name for name in row if isinstance(name, str))


def _attributes(row: Any) -> Iterator[str]:
    if isinstance(row, Record):
        yield from (name for name in _keys(row) if name.isidentifier() and not keyword.iskeyword(name))
    elif row is not None:
        yield from (name for name in dir(row) if not name.startswith("_"))


def _offered(names: Iterator[str], fragment: str, closing: str = "") -> list[SimpleCompletion]:
    return [
        SimpleCompletion(f"{name}{closing}", type="column") for name in names if name.startswith(fragment)
    ]
