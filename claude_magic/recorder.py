"""What IPython's history forgets of a run: what a cell has displayed, and which cell it was.

IPython keeps each cell's code, printed text, value and error, but ipykernel's displays, figures first, are
not kept unless `store_display_history` is on, which keeps every update for ever. So a hook on the display
publisher keeps the last of them, within bounds: it costs nothing for a cell that displays nothing. Which
cell a run belongs to is noted only after the first question with ``--context``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

MOST_BYTES = 32_000_000
"""Of displays that are kept; the oldest leave first."""

KINDS = (
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "text/plain",
    "text/markdown",
    "text/latex",
    "application/json",
)
"""What is kept of a display: what can be sent."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One display.

    Parameters
    ----------
    data : mapping
        Its MIME bundle, as far as it can be sent; pictures in base64.
    turn : str
        The turn whose answer it is, ``""`` for none.
    after : int
        How many outputs of the run IPython's history had before it.
    """

    data: Mapping[str, Any] = field(repr=False)
    turn: str = ""
    display_id: str = ""
    after: int = 0

    @property
    def size(self) -> int:
        """Characters, about."""
        return sum(len(value) if isinstance(value, str) else 1_000 for value in self.data.values())


class Recorder:
    """Keeps what runs of cells display, by the number of the run.

    Parameters
    ----------
    shell : InteractiveShell
        The terminal's displays nothing but text, and IPython keeps that: there nothing is hooked.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._publisher: Any = shell.display_pub if hasattr(shell.display_pub, "register_hook") else None
        self._shown: dict[int, list[Shown]] = {}
        self._named: dict[str, int] = {}
        self._size = 0
        self._lost: set[int] = set()
        self._cleared: dict[int, int] = {}
        self._running: Callable[[], tuple[str, tuple[str, ...]]] | None = None
        self.cells: dict[int, str] = {}
        """The cell ids of runs, as far as they were noted."""
        self.deleted: dict[str, float] = {}
        """The ids of cells that were deleted, as far as they were noted, and when that was."""
        self.first = self._run() + 1
        """The first run whose displays are all known."""
        if self._publisher is not None:
            self._publisher.register_hook(self._take)

    def stop(self) -> None:
        """Take the hooks back."""
        if self._publisher is not None:
            self._publisher.unregister_hook(self._take)
        if self._running is not None:
            self._shell.events.unregister("pre_run_cell", self._note)
            self._running = None

    def follow(self, running: Callable[[], tuple[str, tuple[str, ...]]]) -> None:
        """Note from now on which cell a run belongs to.

        Parameters
        ----------
        running : callable
            Tells the running cell's id and those of the cells deleted since the last.
        """
        self._at(self._run(), *running())
        if self._running is None:
            self._running = running
            self._shell.events.register("pre_run_cell", self._note)

    def knows(self, run: int) -> bool:
        """Whether all that a run has displayed is here."""
        return self._publisher is None or (run >= self.first and run not in self._lost)

    def shown(self, run: int) -> tuple[Shown, ...]:
        """What a run has displayed and not cleared."""
        return tuple(self._shown.get(run, ()))

    def cleared(self, run: int) -> int:
        """How many of the outputs in IPython's history the run has cleared."""
        return self._cleared.get(run, 0)

    def hooked(self) -> bool:
        """Whether displays are kept here, not by IPython."""
        return self._publisher is not None

    def _note(self, info: Any) -> None:
        if self._running is None or not getattr(info, "store_history", True):
            return
        self._at(self._run() + 1, *self._running())  # its input is kept only after this

    def _at(self, run: int, cell: str, deleted: tuple[str, ...]) -> None:
        self.deleted |= dict.fromkeys(deleted, time.time())
        if cell:
            self.cells[run] = cell
            self.deleted.pop(cell, None)  # its deletion was undone

    def _run(self) -> int:
        """The number of the run that is under way, or was the last."""
        history = self._shell.history_manager
        return len(history.input_hist_raw) - 1 if history is not None else 0

    def _take(self, message: Any) -> Any:
        """Keep a display that is on its way to the page; whatever it is, it goes on."""
        try:
            self._keep(message["msg_type"], message["content"])
        except Exception:  # noqa: BLE001 - a display must never fail because of its record
            self._lost.add(self._run())
        return message

    def _keep(self, kind: str, content: Mapping[str, Any]) -> None:
        run = self._run()
        if kind == "clear_output":
            self._size -= sum(one.size for one in self._shown.pop(run, ()))
            self._cleared[run] = self._outputs(run)
            return
        data = {mime: value for mime, value in content["data"].items() if mime in KINDS}
        turn = content["metadata"].get("claude_magic", {}).get("turn", "")
        display_id = (content.get("transient") or {}).get("display_id", "")
        shown = Shown(data, turn if isinstance(turn, str) else "", display_id, self._outputs(run))
        if kind == "update_display_data":
            self._update(shown)
        elif data:
            self._shown.setdefault(run, []).append(shown)
            if display_id:
                self._named[display_id] = run
            self._size += shown.size
        while self._size > MOST_BYTES and self._shown:
            oldest = min(self._shown)
            self._size -= sum(one.size for one in self._shown.pop(oldest))
            self._lost.add(oldest)

    def _update(self, new: Shown) -> None:
        shown = self._shown.get(self._named.get(new.display_id, 0), [])
        for place, old in enumerate(shown):
            if old.display_id and old.display_id == new.display_id:
                shown[place] = Shown(new.data, new.turn, old.display_id, old.after)
                self._size += new.size - old.size

    def _outputs(self, run: int) -> int:
        outputs = getattr(self._shell.history_manager, "outputs", None) or {}
        return len(outputs.get(run, ()))
