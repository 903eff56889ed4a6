"""Which view a reply gets: the one question about the front end, asked once a cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.live import LiveView, Runtime
from claude_magic.display.static import bundle
from claude_magic.display.status import Status
from claude_magic.display.terminal import TextView
from claude_magic.stop import Stop
from claude_magic.values import Block, Leave, Section, ToolUsePart, Turn

MayRun = Callable[[ToolUsePart], Leave]
"""Asks the user whether a tool call may be run."""


class View(Protocol):
    """What shows one reply: begun, drawn a few times a second, ended once, whatever happens."""

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Show that the question is on its way, and what goes with it."""

    def draw(self, text: str, status: Status) -> None:
        """Show the text that has come since the last drawing, and where the reply stands."""

    def show(self, section: Section, status: Status) -> None:
        """Show what can be folded: more of the thinking, or a whole section of another kind."""

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Ask the user whether this call may be run, shown exactly as it would be."""

    def end(self, turn: Turn) -> None:
        """Leave what stays."""


class Guarded:
    """A view that may fail without harm to the turn: it falls silent then, and says why.

    Parameters
    ----------
    view : View
        What shows the reply.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self.problem = ""
        """One line for the user, ``""`` while all is well."""

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Begin the view."""
        self._try(lambda: self._view.begin(status, blocks))

    def draw(self, text: str, status: Status) -> None:
        """Draw, if nothing has failed before."""
        if not self.problem:
            self._try(lambda: self._view.draw(text, status))

    def show(self, section: Section, status: Status) -> None:
        """Show, if nothing has failed before."""
        if not self.problem:
            self._try(lambda: self._view.show(section, status))

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Ask; where that fails, the call is not run."""
        said: list[Leave] = []
        self._try(lambda: said.append(self._view.may_run(call, status)))
        return said[0] if said else "unasked"

    def end(self, turn: Turn) -> None:
        """End the view, also one that could not draw."""
        self._try(lambda: self._view.end(turn))

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever the page or the terminal does
            kind = type(error).__name__
            self.problem = f"The answer could not be shown ({kind}); it is in _claude and in %claude_history."


class NoView:
    """Shows nothing: ``--quiet``."""

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Show nothing."""

    def draw(self, text: str, status: Status) -> None:
        """Show nothing."""

    def show(self, section: Section, status: Status) -> None:
        """Show nothing."""

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Nobody can be asked."""
        return "unasked"

    def end(self, turn: Turn) -> None:
        """Show nothing."""


class StaticView(NoView):
    """Shows a reply once, at its end: one ``display_data``, never a widget, for runs without a front end."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def end(self, turn: Turn) -> None:
        """Publish the static output."""
        data, metadata = bundle(turn)
        self._shell.display_pub.publish(data, metadata)


class Views:
    """Makes a view for each cell; holds the live view's module, which is sent once a kernel."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._runtime: Runtime | None = None

    def make(self, wanted: str, stop: Stop) -> Guarded:
        """The view for the cell now running, guarded.

        Parameters
        ----------
        wanted : str
            The setting ``view``, or ``none``.
        stop : Stop
            What a Stop button asks.
        """
        return Guarded(self._view(wanted, stop))

    def _view(self, wanted: str, stop: Stop) -> View:
        kind = self.kind(wanted)
        if kind == "none":
            return NoView()
        if kind == "static":
            return StaticView(self.shell)
        if kind == "text":
            return TextView(stop)
        has_input = can_answer(self.shell)
        return LiveView(self.shell, self.runtime(), stop, inline=self.inline, has_input=has_input)

    def runtime(self) -> Runtime:
        """The live view's module; made when it is first needed."""
        if self._runtime is None:
            self._runtime = Runtime()
        return self._runtime

    @property
    def inline(self) -> bool:
        """Whether the page needs the module with each widget: only Jupyter's finds models by their id."""
        return _is_colab(self.shell) or "__vsc_ipynb_file__" in self.shell.user_ns

    def kind(self, wanted: str) -> str:
        """What kind of view the running cell gets, by the setting ``view``; to be asked in its thread."""
        return fitting_view(self.shell) if wanted == "auto" else wanted

    def close(self) -> None:
        """Close the live view's module."""
        if self._runtime is not None:
            self._runtime.close()
            self._runtime = None


def fitting_view(shell: InteractiveShell) -> str:
    """What the front end of the running cell can show: ``widget``, ``static`` or ``text``.

    A request that allows no input comes from nbclient and its like; one with a cell id from a notebook
    page; one with neither from a console.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "text"
    parent = kernel.get_parent()
    if parent.get("metadata", {}).get("cellId") or _is_colab(shell):
        return "widget"
    return "text" if parent.get("content", {}).get("allow_stdin") else "static"


def running_cell(shell: InteractiveShell) -> tuple[str, tuple[str, ...]]:
    """The front end's id of the running cell, ``""`` for none, and of the cells deleted since the last.

    To be asked in the cell's own thread: elsewhere the kernel's parent is another message.
    """
    kernel = getattr(shell, "kernel", None)
    metadata = (kernel.get_parent().get("metadata") or {}) if kernel is not None else {}
    cell, deleted = metadata.get("cellId"), metadata.get("deletedCells")
    gone = tuple(one for one in deleted if isinstance(one, str)) if isinstance(deleted, list) else ()
    return (cell if isinstance(cell, str) else ""), gone


def front_end(shell: InteractiveShell) -> str:
    """Who runs the cells: ``lab``, ``vscode``, ``colab``, ``terminal`` or ``headless``."""
    if getattr(shell, "kernel", None) is None:
        return "terminal"
    if _is_colab(shell):
        return "colab"
    if "__vsc_ipynb_file__" in shell.user_ns:
        return "vscode"
    return "lab" if running_cell(shell)[0] else "terminal" if can_answer(shell) else "headless"


def can_answer(shell: InteractiveShell) -> bool:
    """Whether somebody can be asked: a terminal, or a request that allows input."""
    kernel = getattr(shell, "kernel", None)
    return kernel is None or bool(kernel.get_parent().get("content", {}).get("allow_stdin"))


def _is_colab(shell: InteractiveShell) -> bool:
    return type(shell).__module__.startswith("google.colab")
