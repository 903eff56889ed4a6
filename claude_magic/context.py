"""The cells above a question: what this kernel has run, in the order that the notebook's file tells.

What really ran, and what it printed and showed, is the kernel's to say: the file may be older than the
screen, and a restarted kernel has run nothing of it. But only the file has the order of the cells, the text
between them, their tags, and the outputs of earlier kernels. So the file gives the cells, and each that has
run in this kernel is sent as it ran; without a file the runs go in their order.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.content.above import Cell, Output, cell_blocks, joined
from claude_magic.conversation.history import cell_of
from claude_magic.conversation.notebook import cells_of
from claude_magic.errors import UsageProblem
from claude_magic.recorder import Recorder
from claude_magic.values import Attaching, Block, Turn

SHARE = 8
"""Without a number, the cells above take at most this part of the model's window …"""

MOST = 20_000
"""… and at most so many tokens."""

NOT_RUN = "not run in this kernel"

_TAGS = re.compile(r"claude[-_: ]\s*ignore", re.IGNORECASE)
_COMMENT = re.compile(r"\s*(?:%%[^\n]*\n\s*)?(?:#|<!--)\s*claude:\s*ignore\b", re.IGNORECASE)
_COMMENT_LINE = re.compile(r"^[^\n]*claude:\s*ignore[^\n]*\n?", re.IGNORECASE | re.MULTILINE)
_OURS = re.compile(r"\s*%%claude(_count)?(?=\s|$)[^\n]*\n?")
_OUR_LINE = re.compile(r"\s*%claude\s[^\n]*\s*")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a question is asked.

    Parameters
    ----------
    path : str
        The notebook's file, ``""`` where it is not known.
    cell : str
        The front end's id of the running cell.
    history : tuple of Turn
        The conversation that is sent with the question.
    """

    path: str
    cell: str
    history: tuple[Turn, ...]


def context_blocks(
    shell: InteractiveShell, recorder: Recorder, spot: Spot, asked: str, room: tuple[int, int], how: Attaching
) -> tuple[Block, ...]:
    """The cells above the running one, as content blocks.

    Parameters
    ----------
    asked : str
        What stands behind ``--context``: ``""`` for what fits, a number of cells, or ``all``.
    room : tuple of (int, int)
        Tokens of the model's window, and how many of them are left.

    Raises
    ------
    UsageProblem
        When there is none, or what was asked for cannot fit. Nothing was sent.
    """
    cells, said = _cells_above(shell, recorder, spot)
    hidden = _hidden(shell)
    kept = [
        told
        for cell in cells
        if not _ignored(cell) and cell.source.strip() not in hidden
        if (told := _told(cell, spot.history)) is not None
    ]
    if asked.isdigit():
        kept = kept[-int(asked) :] if int(asked) else []
    if not kept:
        raise UsageProblem("--context: there are no cells above that could be sent. Nothing was sent.")
    window, left = room
    most = 0 if asked else min(MOST, window // SHARE, max(left, 1))
    sent = [block for turn in spot.history for block in turn.blocks]
    blocks = cell_blocks(kept, how, most, sent, said)
    tokens = sum(block.tokens for block in blocks)
    if tokens > left:
        raise UsageProblem(
            f"--context {asked}: these cells have about {tokens:,} tokens, and of the model's window "
            f"{max(left, 0):,} are left. --context alone sends what fits. Nothing was sent."
        )
    return blocks


def _cells_above(shell: InteractiveShell, recorder: Recorder, spot: Spot) -> tuple[list[Cell], str]:
    """The cells above, top to bottom, and where they come from in a few words."""
    runs = _Runs(shell, recorder, spot.cell)
    file, at = cells_of(spot.path) if spot.path else ((), 0.0)
    if not file:
        return [runs.cell(number) for number in sorted(runs.sources)], "as run in this kernel"
    deleted = {cell for cell, when in recorder.deleted.items() if when > at}
    book = _Book([_file_cell(cell) for cell in file], runs, deleted)
    above = book.above(book.place(spot.cell, runs.running))
    saved = f"the file, saved {_ago(time.time() - at)} ago"
    if not any(cell.number and cell.state != NOT_RUN for cell in above):
        said = f"from {saved}"
    else:
        said = f"as run in this kernel, in the order of {saved}"
    if book.unplaced:
        runs_ = f"{book.unplaced} run{'s' if book.unplaced > 1 else ''}"
        said += f"; {runs_} since then not placed: save the notebook"
    return above, said


class _Runs:
    """What this kernel has run: the code of each run, by its number, and what came of it.

    Of a cell that is known by its id there is only the last run, and of the one that asks there is none.
    """

    def __init__(self, shell: InteractiveShell, recorder: Recorder, here: str) -> None:
        history: Any = shell.history_manager
        sources = list(history.input_hist_raw)
        self.running = sources[-1] if sources else ""
        latest = {cell: number for number, cell in sorted(recorder.cells.items())}
        self.sources = {
            number: text
            for number, text in enumerate(sources[:-1])
            if number
            and text.strip()
            and not _same(text, self.running)
            and ((cell := recorder.cells.get(number, "")) == "" or (cell != here and latest[cell] == number))
        }
        self._outputs = getattr(history, "outputs", None) or {}
        self._exceptions = getattr(history, "exceptions", None) or {}
        self.recorder = recorder

    def cell(self, number: int, cell: Cell | None = None) -> Cell:
        """A run as a cell; in the place of a file's cell, with its outputs where those here are not all."""
        outputs = self.outputs(number)
        was_seen = cell is not None and cell.number == number and _same(cell.source, self.sources[number])
        if (
            cell is not None
            and was_seen
            and not self.recorder.knows(number)
            and _agree(cell.outputs, outputs)
        ):
            outputs = cell.outputs
        known = cell.id if cell is not None else self.recorder.cells.get(number, "")
        return Cell(number, self.sources[number], outputs, id=known)

    def outputs(self, number: int) -> tuple[Output, ...]:
        """What a run has printed, shown and raised, as far as it is known, in its order."""
        shown = list(self.recorder.shown(number))
        cleared = self.recorder.cleared(number)
        outputs: list[Output] = []
        for place, one in enumerate(list(self._outputs.get(number, ()))):
            while shown and shown[0].after <= place:
                outputs.append(_display(shown.pop(0)))
            if one.output_type == "display_data" and self.recorder.hooked():
                continue  # IPython's record of it, under a number that need not be right
            if place >= cleared and (output := _of_history(one)) is not None:
                outputs.append(output)
        outputs += map(_display, shown)
        if error := self._exceptions.get(number):
            outputs.append(_error(error))
        return tuple(outputs)


class _Book:
    """The cells of the notebook's file, and which run of this kernel each of them has seen last."""

    def __init__(self, cells: Sequence[Cell], runs: _Runs, deleted: Collection[str]) -> None:
        self._cells = cells
        self._runs = runs
        self._deleted = deleted
        self._ran: dict[int, int] = {}
        self._extra: list[int] = []
        self.unplaced = 0
        """Runs that are left out, because a tag may hold for their cells."""
        self._match(runs.recorder.cells)

    def place(self, cell: str, source: str) -> int:
        """How many of the cells stand above the running one; all, where the file does not have it."""
        ids = [place for place, one in enumerate(self._cells) if cell and one.id == cell]
        same = [place for place, one in enumerate(self._cells) if _same(one.source, source)]
        return ids[0] if ids else same[0] if len(same) == 1 else len(self._cells)

    def above(self, place: int) -> list[Cell]:
        """The cells above a place as they last ran, and at the end runs that the file does not have."""
        above = []
        for at, cell in enumerate(self._cells[:place]):
            if cell.id in self._deleted:
                continue
            if at in self._ran:
                ran = self._runs.cell(self._ran[at], cell)
                above.append(replace(ran, state=cell.state))
            else:
                code = cell.kind == "code"
                above.append(replace(cell, state=cell.state or (NOT_RUN if code else "")))
        if self._extra and any(cell.state == _IGNORED for cell in self._cells):
            # One of them may be a cell with that tag, edited since.
            self.unplaced = len(self._extra)
            return above
        return above + [self._runs.cell(number) for number in self._extra]

    def _match(self, known: Mapping[int, str]) -> None:
        """Find for each run of this kernel the cell that it was."""
        sources = self._runs.sources
        by_id = {cell.id: place for place, cell in enumerate(self._cells) if cell.id}
        numbers = {
            cell.number: place
            for place, cell in enumerate(self._cells)
            if cell.number in sources and _same(sources[cell.number], cell.source)
        }
        self._ran = {place: number for number, place in numbers.items()}
        extra: dict[str, int] = {}
        saved = max(numbers, default=0)  # the file is not older than this run
        for number, source in sorted(sources.items()):
            if number in known:
                place = by_id.get(known[number])
                gone = known[number] in self._deleted
            elif number in numbers:
                continue
            else:
                place = self._like(number, source, exactly=number > saved)
                gone = number <= saved  # replaced by a later run, or its cell is no more
            if place is not None:
                self._ran[place] = max(number, self._ran.get(place, 0))
            elif not gone:
                extra[source.strip()] = number
        for number in self._ran.values():
            extra.pop(sources[number].strip(), None)  # run again since
        self._extra = sorted(extra.values())

    def _like(self, number: int, source: str, *, exactly: bool) -> int | None:
        """The cell that a run with no known cell has most likely been."""
        if exactly:
            same = [place for place, cell in enumerate(self._cells) if _same(cell.source, source)]
            if same:
                return min(same, key=lambda place: self._ran.get(place, 0))
        for place, cell in enumerate(self._cells):
            # The same number and nearly the same code: it was edited before, or after, the file was saved.
            if cell.number == number and place not in self._ran and _alike(cell.source, source):
                return place
        return None


_IGNORED = "ignored"
"""The state of a cell whose tags say that it is not sent."""


def _file_cell(cell: Mapping[str, Any]) -> Cell:
    """A cell of a notebook's file."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    tagged = isinstance(tags, list) and any(_TAGS.fullmatch(str(tag).strip()) for tag in tags)
    number, id_ = cell.get("execution_count"), cell.get("id")
    outputs = cell.get("outputs")
    return Cell(
        number if isinstance(number, int) else 0,
        joined(cell.get("source", "")),
        tuple(
            found
            for one in (outputs if isinstance(outputs, list) else ())
            if isinstance(one, dict) and (found := _of_file(one)) is not None
        ),
        "code" if cell.get("cell_type") == "code" else "markdown",
        id_ if isinstance(id_, str) else "",
        _IGNORED if tagged else "",
    )


def _of_file(output: Mapping[str, Any]) -> Output | None:
    """An output of a notebook's file."""
    match output.get("output_type"):
        case "stream":
            return Output("text", {"text/plain": joined(output.get("text", ""))})
        case "error":
            return _error(output)
        case "execute_result" | "display_data":
            data, metadata = output.get("data"), output.get("metadata")
            ours = metadata.get("claude_magic") if isinstance(metadata, dict) else None
            turn = ours.get("turn") if isinstance(ours, dict) else ""
            return Output(
                "value", data if isinstance(data, dict) else {}, turn if isinstance(turn, str) else ""
            )
    return None


def _of_history(output: Any) -> Output | None:
    """An output of IPython's history."""
    if output.output_type in ("out_stream", "err_stream"):
        return Output("text", {"text/plain": joined(output.bundle.get("stream", ""))})
    return Output("value", output.bundle)


def _display(shown: Any) -> Output:
    return Output("value", shown.data, shown.turn)


def _error(error: Mapping[str, Any]) -> Output:
    lines = error.get("traceback")
    text = "\n".join(map(str, lines)) if isinstance(lines, list) else ""
    return Output("error", {"text/plain": text or f"{error.get('ename')}: {error.get('evalue')}"})


def _agree(file: Sequence[Output], here: Sequence[Output]) -> bool:
    """Whether a file's outputs are those of the run as far as that is known: their kinds and values are."""
    values = [joined(one.data.get("text/plain", "")) for one in file if one.kind == "value"]
    wanted = [joined(one.data.get("text/plain", "")) for one in here if one.kind == "value"]
    printed = any(one.kind == "text" for one in file) == any(one.kind == "text" for one in here)
    return printed and all(text in values for text in wanted)


def _same(one: str, other: str) -> bool:
    return one.strip() == other.strip()


def _alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, one[:2_000], other[:2_000]).ratio() >= 0.5


def _ignored(cell: Cell) -> bool:
    """Whether the user has said that a cell is not sent: by a tag, or by its first line."""
    return cell.state == _IGNORED or bool(_COMMENT.match(cell.source))


def _hidden(shell: InteractiveShell) -> set[str]:
    """What cells had said before the user put "ignore" above it: their earlier runs are not sent either."""
    history: Any = shell.history_manager
    marked = [source for source in history.input_hist_raw if _COMMENT.match(source)]
    return {_COMMENT_LINE.sub("", source, count=1).strip() for source in marked} - {""}


def _told(cell: Cell, history: Sequence[Turn]) -> Cell | None:
    """A cell without the answers that the conversation has; None where nothing is left of it."""
    turns = {turn.id for turn in history}
    outputs = tuple(one for one in cell.outputs if not (one.turn and one.turn in turns))
    answered = len(outputs) < len(cell.outputs)
    if ours := _OURS.match(cell.source):
        asked = cell.source[ours.end() :].removesuffix("\n")
        cells = {cell_of(turn.cell_id) for turn in history} - {""}
        if ours[1] or answered or cell.id in cells or any(turn.prompt == asked for turn in history):
            return None
    elif (answered and _OUR_LINE.fullmatch(cell.source)) or not (cell.source.strip() or outputs):
        return None
    return replace(cell, outputs=outputs)


def _ago(seconds: float) -> str:
    """How long ago, as people say it."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
