"""A view for a reply that is followed in another thread than the one that may show anything.

Widgets, terminals and event loops are touched by the cell's own thread only. What another thread draws is
kept until that one passes it on; what has gathered by then goes on as few drawings.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from claude_magic.display.frontend import View
from claude_magic.display.status import Status
from claude_magic.values import Block, Leave, Section, ToolUsePart, Turn


class Relayed:
    """Takes drawings in any thread, and hands them to a view in the thread that passes them on.

    Parameters
    ----------
    view : View
        What shows the reply.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._gate = threading.Lock()
        self._sections: list[Section] = []
        self._status: Status | None = None
        self._blocks: Sequence[Block] | None = None
        self._turn: Turn | None = None

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Begin, when it is passed on."""
        with self._gate:
            self._status, self._blocks = status, blocks

    def draw(self, text: str, status: Status) -> None:
        """Draw, when it is passed on."""
        self._take(Section("text", text) if text else None, status)

    def show(self, section: Section, status: Status) -> None:
        """Show, when it is passed on."""
        self._take(section, status)

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Nobody can be asked from another thread."""
        return "unasked"

    def end(self, turn: Turn) -> None:
        """End, when it is passed on."""
        with self._gate:
            self._turn = turn

    def pass_on(self) -> None:
        """Hand over what has come since the last time; in the thread that may show it."""
        with self._gate:
            blocks, self._blocks = self._blocks, None
            status, self._status = self._status, None
            sections, self._sections = self._sections, []
            turn, self._turn = self._turn, None
        if status is not None:
            if blocks is not None:
                self._view.begin(status, blocks)
            for section in sections:
                if section.kind == "text":
                    self._view.draw(section.body, status)
                else:
                    self._view.show(section, status)
            if not sections and blocks is None:
                self._view.draw("", status)
        if turn is not None:
            self._view.end(turn)

    def _take(self, section: Section | None, status: Status) -> None:
        with self._gate:
            self._status = status
            if section is None:
                return
            last = self._sections[-1] if self._sections else None
            if last is not None and last.kind == section.kind and section.kind in ("text", "thinking"):
                self._sections[-1] = replace(last, body=last.body + section.body)
            else:
                self._sections.append(section)
