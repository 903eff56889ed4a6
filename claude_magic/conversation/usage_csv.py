"""Usage as a CSV file (RFC 4180) that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path

from claude_magic.conversation.export import place_for, write_file
from claude_magic.conversation.usage import Spent, Sum
from claude_magic.errors import StoreProblem, UsageProblem

# What spreadsheets take for a formula, also behind blanks, quotes and in full width.
_FORMULA = re.compile(r"[\s'\"]*[=+\-@|＝＋－＠]")


def write_csv(rows: Sequence[Spent] | Sequence[Sum], path: Path, kind: type[Spent] | type[Sum]) -> Path:
    """Write turns or sums to a file.

    Parameters
    ----------
    path : Path
        A file that ends in ``.csv``. One that holds such a table already is replaced, no other.
    kind : type
        Of the rows; there may be none.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    UsageProblem
        For another suffix, a folder that is not there, or a file with something else in it.
    StoreProblem
        When it cannot be written. What was there before is untouched.
    """
    target = place_for(path, (".csv",), "usage", force=True)
    _must_be_ours(target)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_columns(kind))
    for row in rows:
        writer.writerow([_cell(name, getattr(row, name)) for name in _columns(kind)])
    write_file(target, out.getvalue().encode("utf-8", "replace"))
    return target


def _columns(kind: type[Spent] | type[Sum]) -> list[str]:
    return [field.name for field in fields(kind)]


def _must_be_ours(target: Path) -> None:
    if not target.exists():
        return
    try:
        with target.open("rb") as file:
            first = file.readline(2_000).decode("utf-8", "replace").strip()
    except OSError as error:
        raise StoreProblem(f"{target.name!r}: {error.strerror}. Nothing was written.") from error
    if first and first not in (",".join(_columns(kind)) for kind in (Spent, Sum)):
        raise UsageProblem(
            f"{target.name!r} exists and holds something else. Take another name. Nothing was written."
        )


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if name == "began" and isinstance(value, float):
        return _moment(value)
    if isinstance(value, float):
        return str(round(value, 10))
    if isinstance(value, date | int):
        return str(value)
    text = "".join("\ufffd" if unicodedata.category(letter) == "Cc" else letter for letter in str(value))
    return f"'{text}" if _FORMULA.match(text) else text


def _moment(began: float) -> str:
    try:
        return datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
