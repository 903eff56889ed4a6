"""The live view of a comparison: one widget a reply, side by side, under a head with the one Stop."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets
from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.columns import Column, bundle, line_of
from claude_magic.display.frontend import Views
from claude_magic.display.live import LiveView, ReplyWidget, Runtime
from claude_magic.display.static import Bundle
from claude_magic.display.status import Status, live_line
from claude_magic.display.strip import strip_html
from claude_magic.display.untrusted import visible
from claude_magic.stop import Stop
from claude_magic.values import Block, Turn


class Head(LiveView):
    """A line with a Stop button, which a static output takes the place of: alone, or above columns."""

    found_by = "%claude_history --all shows the answers"

    def __init__(self, views: Views, stop: Stop) -> None:
        super().__init__(views.shell, views.runtime(), stop, inline=views.inline)
        self._box: ipywidgets.Box | None = None

    def say(self, line: str, blocks: Sequence[Block] = (), columns: Sequence[LiveColumn] = ()) -> None:
        """Show a line; the first time with what was attached, above the columns."""
        if self._widget is not None:
            self._send(visible(line))
            return
        head = self._open(visible(line), strip_html(blocks), "head")
        if not columns:
            self._publish_widget(head)
            return
        children = [head, *(column.opened() for column in columns)]
        self._box = ipywidgets.Box(children, layout=self._runtime.layout, _dom_classes=("claude-columns",))
        self._publish_widget(self._box)

    def give_way(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Put the static output in the place of all of it."""
        self._ended = True
        self._replace(data, metadata)

    def _listen(self, widget: object, content: dict[str, Any], buffers: object) -> None:
        super()._listen(widget, content, buffers)
        if content.get("kind") == "gone" and self._ended and self._box is not None:
            box, self._box = self._box, None
            box.close()


class LiveColumn(LiveView):
    """One reply among others: its status line stands above it, and Stop elsewhere."""

    def __init__(
        self, shell: InteractiveShell, runtime: Runtime, stop: Stop, *, inline: bool, name: str, number: int
    ) -> None:
        super().__init__(shell, runtime, stop, inline=inline)
        self._name = name
        self._number_of_column = number
        self._given_way = False

    def opened(self) -> ReplyWidget:
        """Its widget."""
        return self._open(f"{self._number_of_column} · {visible(self._name)}", "", "column")

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Show nothing more: the empty column stands there."""

    def end(self, turn: Turn) -> None:
        """Show how it ended; it stays until all have."""
        folds, done = self._fold(), self._finished()
        self._ended = True
        self._send(line_of(turn, self._number_of_column), done, folds=folds)

    def give_way(self) -> None:
        """Show nothing more: the page may let go of it."""
        self._ended = self._given_way = True

    def _listen(self, widget: object, content: dict[str, Any], buffers: object) -> None:
        if content.get("kind") != "gone" or self._given_way:  # until then it is shown again, though ended
            super()._listen(widget, content, buffers)

    def fail(self, problem: str) -> None:
        """Show what ended it early."""
        line = html.escape(visible(problem))
        self._send(self._status, f'<p class="claude-problem">{line}</p>\n')

    def _line(self, status: Status) -> str:
        return f"{self._number_of_column} · {live_line(status)}"


class LiveColumns:
    """Shows the replies of a comparison while they come.

    Parameters
    ----------
    names : sequence of str
        Who is asked.
    """

    gives_way = True

    def __init__(self, views: Views, stop: Stop, names: Sequence[str]) -> None:
        self._names = names
        self._head = Head(views, stop)
        self.columns = [
            LiveColumn(views.shell, views.runtime(), stop, inline=views.inline, name=name, number=number)
            for number, name in enumerate(names, 1)
        ]

    def begin(self, blocks: Sequence[Block]) -> None:
        """Show the head and the empty columns."""
        self._head.say(f"{len(self._names)} models are asked", blocks, self.columns)

    def progress(self, ended: int) -> None:
        """Say how many have ended."""
        count = len(self._names)
        self._head.say(f"{count} models are asked" + (f" · {ended} of {count} ended" if ended else ""))

    def fail(self, number: int, problem: str) -> None:
        """Show in a column what ended it early."""
        self.columns[number].fail(problem)

    def end(self, columns: Sequence[Column]) -> None:
        """Put the static output in the place of all of them, also of those whose end was not drawn."""
        for column in self.columns:
            column.give_way()
        self._head.give_way(*bundle(columns))


class LiveLine:
    """Shows how far a longer piece of work is, with Stop, and then its result; its failure harms no work."""

    def __init__(self, views: Views, stop: Stop) -> None:
        self._shell = views.shell
        self._head = Head(views, stop)
        self._broken = False

    def say(self, line: str) -> None:
        """Show where it stands, if nothing has failed before."""
        if self._broken:
            return
        try:
            self._head.say(line)
        except Exception:  # noqa: BLE001 - whatever the page does
            self._broken = True

    def end(self, result: Bundle) -> None:
        """Put the result in its place; below it, where that fails."""
        try:
            self._head.give_way(*result)
        except Exception:  # noqa: BLE001 - whatever the page does
            self._shell.display_pub.publish(*result)
