"""Which view a comparison gets, and how the threads of its replies reach it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.columns import Column, bundle, line_of
from claude_magic.display.frontend import Guarded, NoView, View, Views
from claude_magic.display.live_columns import LiveColumns, LiveLine
from claude_magic.display.relayed import Relayed
from claude_magic.display.static import Bundle
from claude_magic.display.status import Status
from claude_magic.display.terminal import TextView, dim
from claude_magic.display.untrusted import visible
from claude_magic.stop import Stop
from claude_magic.values import Block, Section, Turn


class Columns(Protocol):
    """What shows several replies; every call comes from the cell's thread."""

    gives_way: bool
    """Whether the end leaves nothing of what was drawn, so that the last of it need not be."""

    @property
    def columns(self) -> Sequence[View]:
        """The view of each."""

    def begin(self, blocks: Sequence[Block]) -> None:
        """Show that the question is on its way, and what goes with it."""

    def progress(self, ended: int) -> None:
        """Say how many have ended."""

    def fail(self, number: int, problem: str) -> None:
        """Show in a column, counted from 0, what ended it early."""

    def end(self, columns: Sequence[Column]) -> None:
        """Leave what stays."""


class NoColumns:
    """Shows nothing: ``--quiet``."""

    gives_way = False

    def __init__(self, count: int) -> None:
        self.columns: Sequence[View] = [NoView()] * count

    def begin(self, blocks: Sequence[Block]) -> None:
        """Show nothing."""

    def progress(self, ended: int) -> None:
        """Show nothing."""

    def fail(self, number: int, problem: str) -> None:
        """Show nothing."""

    def end(self, columns: Sequence[Column]) -> None:
        """Show nothing."""


class StaticColumns(NoColumns):
    """Shows all replies once, at their end, for runs without a front end."""

    def __init__(self, shell: InteractiveShell, count: int) -> None:
        super().__init__(count)
        self._shell = shell

    def end(self, columns: Sequence[Column]) -> None:
        """Publish the static output."""
        self._shell.display_pub.publish(*bundle(columns))


class _Held(NoView):
    """Prints a reply when it has ended, so that no two are mixed."""

    def __init__(self, number: int) -> None:
        self._view = TextView(Stop())
        self._number = number
        self._held: list[Callable[[], None]] = []

    def draw(self, text: str, status: Status) -> None:
        """Hold the text."""
        if text:
            self._held.append(lambda: self._view.draw(text, status))

    def show(self, section: Section, status: Status) -> None:
        """Hold the section."""
        self._held.append(lambda: self._view.show(section, status))

    def end(self, turn: Turn) -> None:
        """Print all of it."""
        sys.stdout.write(f"── {self._number} · {visible(turn.model)}\n\n")
        for draw in self._held:
            draw()
        begun = "\n\n" if self._held else ""
        sys.stdout.write(f"{begun}{dim(line_of(turn, self._number))}\n\n")
        sys.stdout.flush()


class TextColumns(NoColumns):
    """Prints one reply after the other, as they end."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.columns = [_Held(number) for number in range(1, count + 1)]

    def begin(self, blocks: Sequence[Block]) -> None:
        """Print what goes with the prompt, and that there is something to wait for."""
        TextView(Stop()).begin(_NOWHERE, blocks)
        sys.stdout.write(dim(f"[{len(self.columns)} models are asked]") + "\n\n")
        sys.stdout.flush()

    def fail(self, number: int, problem: str) -> None:
        """Print it."""
        sys.stdout.write(f"{number + 1} · {visible(problem)}\n\n")
        sys.stdout.flush()


_NOWHERE = Status("", "waiting", Turn("", ()).usage, None, 0.0)


class SideBySide:
    """The views of a comparison; a display that fails harms no reply.

    Parameters
    ----------
    columns : Columns
        What shows them.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._guards = [Guarded(view) for view in columns.columns]
        self.views = [Relayed(guard) for guard in self._guards]
        """Where each reply is drawn, from any thread."""
        self._broken = False
        self._failed: dict[int, str] = {}
        self._told: set[int] = set()

    def begin(self, blocks: Sequence[Block]) -> None:
        """Show that the question is on its way."""
        self._try(lambda: self._columns.begin(blocks))

    def draw(self, ended: int) -> None:
        """Show what has come, and how many have ended; in the cell's thread."""
        if ended == len(self.views) and self._columns.gives_way:
            return
        for view in self.views:
            view.pass_on()
        self._tell_failed()
        self._try(lambda: self._columns.progress(ended))

    def fail(self, number: int, problem: str) -> None:
        """Show in a column, at the next drawing, what ended it early; from any thread."""
        self._failed.setdefault(number, problem)

    def _tell_failed(self) -> None:
        for number in sorted(self._failed.keys() - self._told):
            self._told.add(number)
            self._try(partial(self._columns.fail, number, self._failed[number]))

    def end(self, columns: Sequence[Column]) -> None:
        """Leave what stays, also where nothing could be drawn."""
        if not self._columns.gives_way:
            self._tell_failed()
        broken, self._broken = self._broken, False
        self._try(lambda: self._columns.end(columns))
        self._broken = self._broken or broken

    @property
    def problem(self) -> str:
        """One line for the user, ``""`` while all is well."""
        if self._broken or any(guard.problem for guard in self._guards):
            return "The answers could not all be shown; they are in _claude."
        return ""

    def _try(self, call: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            call()
        except Exception:  # noqa: BLE001 - whatever the page or the terminal does
            self._broken = True


def side_by_side(views: Views, wanted: str, stop: Stop, names: Sequence[str]) -> SideBySide:
    """The view of a comparison in the cell now running.

    Parameters
    ----------
    wanted : str
        The setting ``view``, or ``none``.
    stop : Stop
        What a Stop button asks.
    names : sequence of str
        Who is asked.
    """
    kind, count = views.kind(wanted), len(names)
    if kind == "none":
        return SideBySide(NoColumns(count))
    if kind == "static":
        return SideBySide(StaticColumns(views.shell, count))
    if kind == "text":
        return SideBySide(TextColumns(count))
    return SideBySide(LiveColumns(views, stop, names))


class Working(Protocol):
    """What shows how far a longer piece of work is, and then its result."""

    def say(self, line: str) -> None:
        """Show where it stands."""

    def end(self, result: Bundle) -> None:
        """Show the result."""


class _Result:
    """Shows the result only."""

    def __init__(self, shell: InteractiveShell, *, printed: bool) -> None:
        self._shell = shell
        self._printed = printed

    def say(self, line: str) -> None:
        """Show nothing: what is saved shall not depend on time."""

    def end(self, result: Bundle) -> None:
        """Publish it, or print it."""
        if self._printed:
            sys.stdout.write(f"{result[0]['text/plain']}\n")
        else:
            self._shell.display_pub.publish(*result)


def working(views: Views, wanted: str, stop: Stop) -> Working:
    """What shows a longer piece of work in the cell now running."""
    kind = views.kind(wanted)
    return LiveLine(views, stop) if kind == "widget" else _Result(views.shell, printed=kind == "text")
