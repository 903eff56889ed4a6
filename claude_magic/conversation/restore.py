"""The conversation that a notebook's saved outputs hold, read as what it is: a stranger's text.

Of each turn only the prompt, the answer as plain text, and words about it are read. What else a record
may claim (system prompts, tools, approvals, addresses, budgets, thinking, attachments) has no field here
to go to. Anything not well formed is left out, and everything is bounded.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from claude_magic.errors import StoreProblem, UsageProblem
from claude_magic.file_names import expanded
from claude_magic.values import Stage, Usage

TURN = "application/vnd.claude-magic.turn+json"
MOST_BYTES = 200_000_000
"""A larger notebook is not read."""
MOST_TURNS = 10_000
MOST_TURN_BYTES = 10_000_000
"""Prompt and answer together, as UTF-8."""

_ENDED = ("complete", "interrupted", "cut", "refused", "max_tokens", "failed")
_NO_ANSWER = re.compile(r"\([^\n]*\)")
_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_JOINERS = "\u200c\u200d"
_LONGEST_WORDS = 200
_MOST_NAMES = 100
_MOST_TOKENS = 1_000_000_000
_START = 60
_NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class RestoredTurn:
    """One exchange of a notebook's outputs; all of it is foreign text.

    Parameters
    ----------
    cell_id : str
        The cell that holds it; ``""`` where the notebook has no ids or this one twice.
    prompt : str
        The prompt; where something was attached, a line at its end says what and that it is not there.
    answer : str
        The answer as plain text, ``""`` where none came.
    model : str
        The model, as the record says.
    stage : Stage
        How it ended, as the record says.
    usage : Usage
        Tokens, as the record says: to be shown, never to be added up.
    attachments : tuple of str
        The names of what was attached then.
    demo : bool
        Whether the offline demo model is said to have answered.
    """

    cell_id: str
    prompt: str
    answer: str
    model: str
    stage: Stage
    usage: Usage = _NO_USAGE
    attachments: tuple[str, ...] = ()
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What a notebook's outputs would bring.

    Parameters
    ----------
    turns : tuple of RestoredTurn
        In the order of the cells.
    notes : tuple of str
        What was left out, one sentence each.
    name : str
        The file's name.
    """

    turns: tuple[RestoredTurn, ...]
    notes: tuple[str, ...] = ()
    name: str = ""

    def summary(self, most: int = 20) -> str:
        """What would be taken in, as harmless plain text: how many turns, whose, how each begins."""
        count = len(self.turns)
        models = sorted({one_line(turn.model) for turn in self.turns if turn.model})
        told = ", ".join(models[:5]) + (f" and {len(models) - 5} more" if len(models) > 5 else "")
        head = f"{count} turn{'' if count == 1 else 's'} in {one_line(self.name)}"
        lines = [head + (f", answered by {told}, as it says" if told else "")]
        lines += [f"{n:>4}. {one_line(turn.prompt)}" for n, turn in enumerate(self.turns[:most], 1)]
        if count > most:
            lines.append(f"      and {count - most} more")
        return "\n".join([*lines, *self.notes])


def one_line(text: str) -> str:
    """The beginning of a foreign text in one line, without anything that does not show."""
    words = " ".join(text[: 8 * _START].split())
    plain = "".join(c if c.isprintable() or c in _JOINERS else "\ufffd" for c in words)
    return plain if len(plain) <= _START else plain[: _START - 1] + "…"


def read_turns(path: str | os.PathLike[str]) -> Restored:
    """Read the turns that a notebook's saved outputs hold.

    Parameters
    ----------
    path : str or path
        A notebook of any format from 1 to 4; it need not be valid beyond what is read.

    Returns
    -------
    Restored
        Well-formed turns only. Nothing is taken into a conversation by this.

    Raises
    ------
    UsageProblem
        When there is no such file, or it is no notebook.
    StoreProblem
        When it cannot be read.
    """
    file = expanded(path)
    name = one_line(file.name)
    notebook = _notebook(_bytes(file, name), name)
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise UsageProblem(f"{name}: a notebook without cells. Nothing was read.")
    reading = _Reading()
    turns = tuple(reading.turns(cells))
    return Restored(turns, tuple(reading.notes()), file.name)


def _bytes(file: Path, name: str) -> bytes:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageProblem(f"{name}: not a file. Give the path of a notebook (.ipynb).")
        if status.st_size > MOST_BYTES:
            raise UsageProblem(
                f"{name}: more than the {MOST_BYTES // 1_000_000} MB that are read. "
                "Clear its large outputs first."
            )
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise UsageProblem(f"{name}: no such file. Give the path of a notebook (.ipynb).") from error
    except OSError as error:
        raise StoreProblem(f"{name}: cannot be read ({error.strerror}). Nothing was taken in.") from error


def _notebook(data: bytes, name: str) -> Mapping[str, Any]:
    """The notebook in format 4; only an older one goes through nbformat, which would refuse it whole.

    Of a notebook with one malformed cell the others are still read, which no schema check allows.
    """
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageProblem(f"{name}: not a notebook, its JSON is broken. Nothing was read.") from error
    version = raw.get("nbformat") if isinstance(raw, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= 4:
        newer = isinstance(version, int) and version > 4
        what = f"notebook format {one_line(str(version))} is not known" if newer else "not a notebook"
        raise UsageProblem(f"{name}: {what}. Nothing was read.")
    return cast("Mapping[str, Any]", raw) if version == 4 else _upgraded(raw, name)


def _upgraded(raw: dict[str, Any], name: str) -> Mapping[str, Any]:
    import nbformat  # noqa: PLC0415 - its schema checker takes about a second to import

    try:
        node = nbformat.convert(nbformat.from_dict(raw), 4)
        cells = [{name: value for name, value in cell.items() if name != "id"} for cell in node["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UsageProblem(f"{name}: an old notebook that cannot be converted. Nothing was read.") from error
    except nbformat.ValidationError as error:
        raise UsageProblem(f"{name}: an old notebook that is not valid. Nothing was read.") from error
    # Ids that the conversion made up are not those of the notebook's cells.
    return {"cells": cells}


class _Reading:
    """Reads the outputs of cells, counting what it leaves out."""

    def __init__(self) -> None:
        self._malformed = 0
        self._repeated = 0
        self._more = False
        self._cells: set[str] = set()
        self._seen: set[str] = set()

    def turns(self, cells: list[Any]) -> Iterator[RestoredTurn]:
        """The well-formed turns, as many as are read at all."""
        count = 0
        for cell in cells:
            if not isinstance(cell, dict) or cell.get("cell_type") != "code":
                continue
            cell_id = self._cell_id(cell)
            outputs = cell.get("outputs")
            for output in outputs if isinstance(outputs, list) else ():
                turn = self._turn(output, cell_id)
                if turn is None:
                    continue
                if count == MOST_TURNS:
                    self._more = True
                    return
                count += 1
                yield turn

    def notes(self) -> Iterator[str]:
        """What was left out."""
        if self._malformed:
            yield f"{self._malformed:,} left out: not well formed."
        if self._repeated:
            yield f"{self._repeated:,} left out: the same turn again."
        if self._more:
            yield f"Only the first {MOST_TURNS:,} turns are read."

    def _cell_id(self, cell: Mapping[str, Any]) -> str:
        found = cell.get("id")
        if not isinstance(found, str) or not _CELL_ID.fullmatch(found) or found in self._cells:
            return ""
        self._cells.add(found)
        return found

    def _turn(self, output: object, cell_id: str) -> RestoredTurn | None:
        data = output.get("data") if isinstance(output, dict) else None
        if not isinstance(data, dict) or TURN not in data:
            return None
        turn = _turn_of(data)
        if turn is None:
            self._malformed += 1
            return None
        if own := _own_id(cast("dict[str, Any]", output)):
            if own in self._seen:
                self._repeated += 1
                return None
            self._seen.add(own)
        return replace(turn, cell_id=cell_id)


def _own_id(output: Mapping[str, Any]) -> str:
    """What tells a turn from all others, where its output says."""
    metadata = output.get("metadata")
    ours = metadata.get("claude_magic") if isinstance(metadata, dict) else None
    if isinstance(ours, dict):
        for name in ("turn", "message_id"):
            found = ours.get(name)
            if isinstance(found, str) and 0 < len(found) <= _LONGEST_WORDS:
                return f"{name}:{found}"
    return ""


def _turn_of(data: Mapping[str, Any]) -> RestoredTurn | None:
    """The turn of an output's data; None unless every field that is read is of its type and size."""
    record = data[TURN]
    if not isinstance(record, dict) or type(record.get("version")) is not int or record["version"] != 1:
        return None
    prompt, answer = record.get("prompt"), _plain(data.get("text/plain"))
    model, stage = record.get("model"), record.get("stage")
    if not isinstance(prompt, str) or answer is None or not isinstance(model, str):
        return None
    if len(prompt) + len(answer) > MOST_TURN_BYTES or len(model) > _LONGEST_WORDS:
        return None
    if not isinstance(stage, str) or stage not in _ENDED:
        return None
    prompt, answer, model = (_SURROGATE.sub("\ufffd", text) for text in (prompt, answer, model))
    if len(prompt.encode()) + len(answer.encode()) > MOST_TURN_BYTES:
        return None
    usage, names = _usage(record.get("usage", {})), _names(record.get("attachments", []))
    if usage is None or names is None:
        return None
    if usage.output_tokens == 0 and _NO_ANSWER.fullmatch(answer):
        answer = ""  # the status line stands where nothing came
    asked = _with_note(prompt, names)
    if not asked.strip():
        return None
    demo = record.get("demo") is True
    return RestoredTurn("", asked, answer, model, cast("Stage", stage), usage, names, demo)


def _plain(text: object) -> str | None:
    """A text as notebooks keep it: whole, or as lines."""
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        return "".join(text)
    return text if isinstance(text, str) else None


def _usage(raw: object) -> Usage | None:
    if not isinstance(raw, dict):
        return None
    known = {field.name for field in fields(Usage) if type(field.default) is int}
    counts = {name: count for name, count in raw.items() if name in known}
    if not all(type(count) is int and 0 <= count <= _MOST_TOKENS for count in counts.values()):
        return None
    return Usage(**counts, final=True)


def _names(raw: object) -> tuple[str, ...] | None:
    if not isinstance(raw, list):
        return None
    names = [one.get("name") if isinstance(one, dict) else None for one in raw]
    if not all(isinstance(name, str) for name in names):
        return None
    return tuple(one_line(name) for name in names if isinstance(name, str))


def _with_note(prompt: str, names: tuple[str, ...]) -> str:
    if not names:
        return prompt
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    note = f"[attached then, not restored: {', '.join(names[:_MOST_NAMES])}{more}]"
    return f"{prompt}\n\n{note}" if prompt.strip() else note
