"""Data frames become text within a budget: shape, types, figures of the columns, first and last rows.

A frame is never copied, collected or changed, and never read as a whole unless all of it is asked
for: figures of a long frame are those of every n-th row, and the text says so.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from claude_magic.content.cells import cell_texts
from claude_magic.content.deadline import Deadline
from claude_magic.content.frames import Frame, dtype_text, frame_of, label, library_type
from claude_magic.content.names import shown
from claude_magic.content.texts import encoded
from claude_magic.errors import ClaudeMagicError, UsageProblem
from claude_magic.values import Attaching, Block

BUDGET = 20_000
"""Characters of a summary, a head or a schema."""

MOST_CSV = 200_000
"""Characters of a whole table as CSV."""

_CELL = 80
_SAMPLE_ROWS = 100_000
_SAMPLE_CELLS = 1_000_000
_PERIODS = (2, 3, 5, 7, 13, 31, 61, 73)
"""Factors of what repeats in tables: a dozen, hours, weekdays, weeks of a year, days, thousands."""

_COUNTED = 10_000
"""Rows of which the most frequent values are counted."""


def is_table(value: Any) -> bool:
    """Whether `table_block` takes the value: frames, series, and arrays of one or two dimensions."""
    library = library_type(value)[0]
    return bool(library) and (library != "numpy" or 1 <= value.ndim <= 2)


def table_block(value: Any, name: str, how: Attaching) -> Block:
    """Make the text block of a table.

    Parameters
    ----------
    value : pandas, polars or pyarrow table or series, polars LazyFrame, numpy array
        Left as it is; a LazyFrame is never collected.
    name : str
        What the user calls it.
    how : Attaching
        ``data`` is ``""`` for a summary within about 20,000 characters, ``schema`` for names and types
        only, ``head`` for those and the first 20 rows, ``full`` for CSV of all, up to 200,000 characters.

    Raises
    ------
    UsageProblem
        When all of it is asked for and too much, or it cannot be read. Nothing was sent.
    """
    called = shown(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if library_type(value)[1] == "LazyFrame":
                text, note = _lazy(value, called, how)
            else:
                frame = frame_of(value)
                if frame is None:
                    raise UsageProblem(f"{called} is no table. Nothing was sent.")
                text, note = _TEXTS[how.data](frame, called)
        except ClaudeMagicError:
            raise
        except Exception as error:  # any error of the table's library is told in one line
            reason = f"{type(error).__name__}: {shown(str(error), 100)}".rstrip(".")
            raise UsageProblem(f"{called} cannot be read as a table ({reason}). Nothing was sent.") from error
    return encoded(text, shown(name, 200), note)


def _lazy(value: Any, name: str, how: Attaching) -> tuple[str, str]:
    """Return the schema of a LazyFrame, which is all that is known before it is computed."""
    if how.data in ("full", "head"):
        raise UsageProblem(
            f"{name} is a LazyFrame and is never computed by attaching it: "
            f"attach {name}.{'head(20).' if how.data == 'head' else ''}collect(). Nothing was sent."
        )
    schema = value.collect_schema()
    names = [label(one) for one in schema.names()]
    types = [dtype_text(one) for one in schema.dtypes()]
    head = f"{name}: polars LazyFrame, {_columns(len(names))}, not computed"
    return f"{head}\n\n{_schema_lines(names, types)}", f"{_columns(len(names))}, schema only, never collected"


def _schema(frame: Frame, name: str) -> tuple[str, str]:
    """Return shape, names and types: no value at all."""
    index = f"\nIndex: {frame.index}" if frame.index else ""
    text = f"{_title(frame, name)}{index}\n\n{_schema_lines(frame.names, frame.dtypes)}"
    return text, f"{_shape(frame)}, schema only"


def _head(frame: Frame, name: str) -> tuple[str, str]:
    """Return the first 20 rows and the schema."""
    count = min(20, frame.rows)
    rows = _rows(frame, range(count), BUDGET // 2 - 500, Deadline())
    schema = _schema_lines(frame.names, frame.dtypes, BUDGET // 2 - 500)
    text = f"{_title(frame, name)}\n\n{schema}\n\nFirst {count} rows:\n\n{rows}"
    return text, f"{_shape(frame)}, first {count} rows"


def _summary(frame: Frame, name: str) -> tuple[str, str]:
    """Return figures of the columns and the first and last rows."""
    shown_columns = max(1, min(len(frame.names), 100))
    sample = max(1_000, min(_SAMPLE_ROWS, _SAMPLE_CELLS // shown_columns))
    step = _step(frame.rows, sample)
    taken = -(-frame.rows // step)
    parts = [_title(frame, name)]
    if frame.labelled:
        parts[0] += f"\nIndex: {frame.index}"
    note = f"{_shape(frame)}, summary"
    if step > 1:
        ordinal = _ordinal(step)
        parts.append(f"Summary of {taken:,} of {frame.rows:,} rows, every {ordinal}:")
        note += f" of every {ordinal} row"
    parts.append(_figures(frame, step))
    deadline = Deadline()
    if frame.rows <= 7:
        rows = _rows(frame, range(frame.rows), 8_000, deadline)
        parts += ["All rows:", rows] if frame.rows else ["No rows."]
    else:
        parts += ["First 5 rows:", _rows(frame, range(5), 5_500, deadline)]
        parts += ["Last 2 rows:", _rows(frame, range(frame.rows - 2, frame.rows), 2_500, deadline)]
    return "\n\n".join(parts), note


def _step(rows: int, most: int) -> int:
    """Return the distance of sampled rows so that at most about ``most`` are taken.

    It shares no factor with the usual periods: every 12th row of monthly figures would be one month.
    """
    if rows <= most:
        return 1
    step = max(11, -(-rows // most))
    while any(step % period == 0 for period in _PERIODS):
        step += 1
    return step


def _full(frame: Frame, name: str) -> tuple[str, str]:
    """Return everything as CSV.

    Raises
    ------
    UsageProblem
        Over the limit; found out before the values are read wherever their number alone tells.
    """
    columns = [*([-1] if frame.labelled else []), *range(len(frame.names))]
    too_much = UsageProblem(
        f"{name} as CSV is over {MOST_CSV:,} characters ({_shape(frame)}): "
        f"leave --data full away for a summary, or attach a part such as {name}[:1000]. Nothing was sent."
    )
    # Each cell needs a character and a comma.
    if frame.rows * len(columns) * 2 > MOST_CSV:
        raise too_much
    deadline = Deadline()
    table = [_csv_cells(frame.values(frame.part(at, slice(None))), deadline) for at in columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["index" if at < 0 else frame.names[at] for at in columns])
    for row in zip(*table, strict=True):
        writer.writerow(row)
        if out.tell() > MOST_CSV:
            raise too_much
    return f"{_title(frame, name)}, CSV:\n\n{out.getvalue()}", f"{_shape(frame)}, all of it"


def _csv_cells(values: Sequence[Any], deadline: Deadline) -> list[str]:
    """Write a column for CSV: what is missing is empty, text keeps its newlines."""
    texts = cell_texts(values, MOST_CSV, deadline)
    for place, value in enumerate(values):
        if type(value) is str:
            texts[place] = value
        elif value is None or texts[place] in ("nan", "NaT", "<NA>"):
            texts[place] = ""
    return texts


_TEXTS = {"": _summary, "schema": _schema, "head": _head, "full": _full}


def _title(frame: Frame, name: str) -> str:
    return f"{name}: {frame.kind}, {_shape(frame)}"


def _shape(frame: Frame) -> str:
    return f"{frame.rows:,} row{'' if frame.rows == 1 else 's'} × {_columns(len(frame.names))}"


def _columns(count: int) -> str:
    return f"{count:,} column{'' if count == 1 else 's'}"


def _ordinal(number: int) -> str:
    last = number % 10 if number % 100 not in (11, 12, 13) else 0
    return f"{number:,}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def _schema_lines(names: Sequence[str], types: Sequence[str], budget: int = BUDGET - 500) -> str:
    """One line for each column; those in the middle are counted by type when there are too many."""
    lines: list[str] = []
    for at, (name, dtype) in enumerate(zip(names, types, strict=True)):
        line = f"{name}: {dtype}"
        budget -= len(line) + 1
        if budget < 0:
            lines.append(_elided(names[at:], types[at:]))
            break
        lines.append(line)
    return "\n".join(lines) or "No columns."


def _elided(names: Sequence[str], types: Sequence[str]) -> str:
    """Count the columns left out, by type, and name the first and the last."""
    counts = Counter(types).most_common(4)
    said = ", ".join(f"{dtype} × {count:,}" for dtype, count in counts)
    more = "" if len(set(types)) <= 4 else ", …"
    return f"… {_columns(len(names))} more ({names[0]} … {names[-1]}): {said}{more}"


def _figures(frame: Frame, step: int) -> str:
    """Write a line of figures for each column, as many as the budget takes."""
    lines = ["| column | dtype | nulls | min | median | mean | max | most frequent |", "|---" * 8 + "|"]
    budget = 10_000
    for column, (name, dtype) in enumerate(zip(frame.names, frame.dtypes, strict=True)):
        cells = [name, dtype, *_column_figures(frame, column, step)]
        line = _line(cells)
        budget -= len(line) + 1
        if budget < 0 or column >= 100:
            lines.append(f"\n{_elided(frame.names[column:], frame.dtypes[column:])}")
            break
        lines.append(line)
    return "\n".join(lines) if frame.names else "No columns."


def _column_figures(frame: Frame, column: int, step: int) -> list[str]:
    """Return nulls, minimum, median, mean, maximum and the most frequent values of a column's sample."""
    if not frame.rows:
        return ["0", "", "", "", "", ""]
    piece = frame.part(column, slice(None, None, step))
    missing = frame.nulls(piece)
    nulls = "" if missing is None else f"{missing:,}"
    if frame.numeric(column):
        return [nulls, *map(_figure, frame.statistics(piece)), ""]
    coarse = max(step, _step(frame.rows, _COUNTED))
    values = (frame.counted or frame.values)(frame.part(column, slice(None, None, coarse)))
    return [nulls, "", "", "", "", _frequent(values)]


def _figure(value: Any) -> str:
    """Write one figure; floats to six digits."""
    if value is None:
        return ""
    if issubclass(type(value), float):
        return f"{float(value):.6g}"
    return cell_texts([value], 40, Deadline())[0] if type(value) in (int, str) else shown(str(value), 40)


def _frequent(values: Sequence[Any]) -> str:
    """Name the most frequent values of few, or say how many different ones there are.

    Only plain values are counted: hashing others would run their code.
    """
    plain = [
        value[:_CELL] if type(value) is str else value for value in values if type(value) in (str, bool, int)
    ]
    if not plain:
        return ""
    counts = Counter(plain)
    if len(counts) > max(20, len(plain) // 20):
        return f"{len(counts):,} different of {len(plain):,}"
    top = counts.most_common(5)
    texts = cell_texts([value for value, _ in top], 30, Deadline())
    said = ", ".join(
        f"{text} ({count / len(plain):.0%})" for text, (_, count) in zip(texts, top, strict=True)
    )
    return said if len(counts) <= 5 else f"{said}, … ({len(counts):,} different)"


def _rows(frame: Frame, rows: range, budget: int, deadline: Deadline) -> str:
    """Write rows as a Markdown table, as many columns as the budget takes."""
    where = slice(rows.start, rows.stop)
    table: list[list[str]] = []
    columns = [*([-1] if frame.labelled else []), *range(len(frame.names))]
    left_out = ""
    for at in columns:
        name = "(index)" if at < 0 else frame.names[at]
        cells = [name, *cell_texts(frame.values(frame.part(at, where)), _CELL, deadline)]
        budget -= sum(map(len, cells)) + 3 * len(cells) + 4
        if budget < 0 and table:
            left_out = f"\n\n{_elided(frame.names[at:], frame.dtypes[at:])}"
            break
        table.append(cells)
    if not table:
        return "No columns."
    lines = [_line(cells) for cells in zip(*table, strict=True)]
    lines.insert(1, "|---" * len(table) + "|")
    return "\n".join(lines) + left_out


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
