"""The panel of ``%claude_panel``: controls and bars made of widgets, and the same facts as a table.

It knows plain values and callbacks only. All that is shown is set as text, or stands escaped in HTML
that is made here. It may be told new facts in the cell's thread while the page's choices are heard in
another.
"""

from __future__ import annotations

import html
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anywidget
import ipywidgets
import traitlets
from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.live import WIDGET, hear_while_busy
from claude_magic.display.table import Table
from claude_magic.display.untrusted import visible

_HERE = Path(__file__).parent
MODULE = (_HERE / "panel.js").read_text(encoding="utf-8")
CSS = (_HERE / "panel.css").read_text(encoding="utf-8")

NEARLY = 0.8
"""Share of a limit from which its bar warns."""
_LABELS = (
    ("model", "Model"),
    ("effort", "Effort"),
    ("system", "System"),
    ("cache", "Cache"),
    ("budget", "Budget"),
)
_READY = "Changes hold from the next question on."
_RUNNING = "A reply is under way; Stop keeps what has come."


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a list: what is shown, and the text it stands for."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """A bar with words behind it.

    Parameters
    ----------
    words : tuple of str
        What is said of it; the first ones of its parts, where it has more than one.
    parts : tuple of float
        Shares of the whole bar, from 0 to 1; a single one may pass 1, and warns before.
    """

    name: str
    words: tuple[str, ...]
    parts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the panel shows; names and texts may be foreign.

    Parameters
    ----------
    settings : mapping
        The texts of the settings by name: model, system, cache, budget, and effort where there is one.
    choices : mapping
        What those with a list may be.
    about_model : str
        What stands beside the model.
    chat : str
        The name of the conversation that is spoken in.
    chats : tuple of Choice
        The notebook's conversations by their names.
    gauges : tuple of Gauge
        The bars.
    """

    settings: Mapping[str, str]
    choices: Mapping[str, tuple[Choice, ...]]
    about_model: str
    chat: str
    chats: tuple[Choice, ...]
    gauges: tuple[Gauge, ...]

    def table(self, foot: tuple[str, ...] = ()) -> Table:
        """The facts for who sees no widget."""
        rows: list[tuple[str, str]] = []
        for name, label in _LABELS:
            if name in self.settings:
                rows.append((label.lower(), self.settings[name] or _nothing(name)))
                if name == "model":
                    rows.append(("", self.about_model))
        rows.insert(-2, ("conversation", self.chat))
        rows += [(gauge.name.lower(), " · ".join(gauge.words)) for gauge in self.gauges]
        return Table(("claude", "now"), tuple(rows), foot=foot)


class Hands(Protocol):
    """What the page's choices do; each returns one line for the user, ``""`` where all is well."""

    def choose(self, name: str, text: str) -> str:
        """Set a setting."""

    def switch(self, chat: str) -> str:
        """Speak in another conversation."""

    def begin(self, chat: str) -> str:
        """Begin a conversation; without a name it gets one."""

    def stop(self) -> None:
        """End the running reply; called while the cell runs, in another thread."""


class StopButton(anywidget.AnyWidget):
    """A button that can be pressed while a reply runs, and interrupts the kernel where nobody hears it."""

    _esm = MODULE
    _css = CSS
    reply = traitlets.Unicode("").tag(sync=True)
    heard = traitlets.Unicode("").tag(sync=True)

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__()
        self._stop = stop
        self.on_msg(self._listen)

    def _listen(self, _: object, content: dict[str, Any], __: object) -> None:
        # A press that comes late is not for the reply that runs by then.
        if content.get("kind") == "stop" and self.reply and content.get("reply") == self.reply:
            self._stop()
            self.heard = self.reply


class PanelView:
    """The widgets, which may be shown in any number of places.

    Parameters
    ----------
    facts : Facts
        What they show at first.
    hands : Hands
        What the page's choices do.
    """

    def __init__(self, facts: Facts, hands: Hands) -> None:
        self._hands = hands
        self._lock = threading.RLock()
        self._showing = False
        self._display_id = f"claude-panel-{uuid.uuid4().hex}"
        self._lists = {
            name: _named(ipywidgets.Dropdown, label)
            for name, label in _LABELS
            if name in facts.choices and name in facts.settings
        }
        self._chats = _named(ipywidgets.Dropdown, "Conversation")
        self._system = _named(
            ipywidgets.Textarea, "System", rows=2, continuous_update=False, placeholder="no system prompt"
        )
        self._budget = _named(ipywidgets.Text, "Budget", continuous_update=False, placeholder="no limit")
        self._new = ipywidgets.Text(
            placeholder="name of a new one",
            tooltip="Name of the new conversation; it may be left out",
            continuous_update=False,
        )
        self._begin = ipywidgets.Button(
            description="New", tooltip="Begin a conversation", layout=ipywidgets.Layout(width="auto")
        )
        self._about, self._figures, self._line = (ipywidgets.HTML() for _ in range(3))
        self._stop = StopButton(hands.stop)
        self._root = self._laid_out()
        self.show(facts)
        self.say("")
        self._connect()

    def _laid_out(self) -> ipywidgets.VBox:
        rows: list[ipywidgets.Widget] = [_row(self._lists["model"], self._about)]
        if "effort" in self._lists:
            rows.append(_row(self._lists["effort"], _aside("how much the model works on an answer")))
        rows += [
            _row(self._system),
            _row(self._chats, self._new, self._begin),
            _row(self._lists["cache"], _aside("how long the API keeps what was sent")),
            _row(self._budget, _aside("USD a day for this notebook")),
            self._figures,
            _row(self._stop, self._line),
        ]
        rows[-1].add_class("claude-foot")
        root = ipywidgets.VBox(rows)
        root.add_class("claude-panel")
        return root

    def _connect(self) -> None:
        for name, one in (*self._lists.items(), ("system", self._system), ("budget", self._budget)):
            self._hear(one, partial(self._hands.choose, name))
        self._hear(self._chats, self._hands.switch)
        self._begin.on_click(self._begun)
        for widget in self._parts(self._root):
            hear_while_busy(widget)

    def _hear(self, widget: ipywidgets.Widget, call: Callable[[str], str]) -> None:
        def heard(change: Mapping[str, Any]) -> None:
            with self._lock:
                shown_by_us = self._showing
            if not shown_by_us and change["new"] is not None:
                self.say(call(change["new"]))

        widget.observe(heard, "value")

    def _begun(self, _: object) -> None:
        line = self._hands.begin(self._new.value.strip())
        if not line:
            self._new.value = ""
        self.say(line)

    def show(self, facts: Facts) -> None:
        """Show these facts from now on; what is shown already is not sent again."""
        with self._lock:
            self._showing = True
            try:
                for name, widget in self._lists.items():
                    _choose(widget, facts.choices[name], facts.settings[name])
                _choose(self._chats, facts.chats, facts.chat)
                self._system.value = visible(facts.settings["system"])
                self._budget.value = facts.settings["budget"]
                self._about.value = _aside_html(facts.about_model)
                self._figures.value = _figures(facts.gauges)
            finally:
                self._showing = False

    def say(self, line: str) -> None:
        """Show a line for the user; without one, what can be done now."""
        kind = "claude-problem" if line else "claude-aside"
        said = line or (_RUNNING if self._stop.reply else _READY)
        self._line.value = f'<span class="{kind}" role="status">{_text(said)}</span>'

    def running(self, *, on: bool) -> None:
        """Show whether a reply can be stopped."""
        if on or self._stop.reply:
            self._stop.reply = uuid.uuid4().hex if on else ""
            self.say("")

    def publish(self, shell: InteractiveShell, facts: Facts) -> None:
        """Show the widgets below the running cell, with the facts as text for who cannot."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self._root.model_id}
        still = facts.table(("As it was when %claude_panel ran; run it again for the live panel.",))
        shell.display_pub.publish(
            {WIDGET: view, **still._repr_mimebundle_()}, transient={"display_id": self._display_id}
        )

    def close(self, shell: InteractiveShell, facts: Facts | None) -> None:
        """Leave the facts as text wherever the widgets are shown, and close them."""
        data = (
            facts.table(("The panel was closed.",))._repr_mimebundle_()
            if facts is not None
            else {"text/plain": "The panel was closed."}
        )
        shell.display_pub.publish(data, transient={"display_id": self._display_id}, update=True)
        for widget in list(self._parts(self._root)):
            for part in (widget.layout, getattr(widget, "style", None), widget):
                if part is not None:
                    part.close()

    def _parts(self, widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
        yield widget
        for child in getattr(widget, "children", ()):
            yield from self._parts(child)


def _named(kind: type[ipywidgets.Widget], label: str, **more: Any) -> Any:
    """A control with its label in a column of its own."""
    return kind(description=label, style={"description_width": "96px"}, **more)


def _row(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
    return ipywidgets.HBox(widgets)


def _aside(text: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(_aside_html(text))


def _aside_html(text: str) -> str:
    return f'<span class="claude-aside">{_text(text)}</span>'


def _choose(widget: ipywidgets.Dropdown, choices: tuple[Choice, ...], value: str) -> None:
    """Set a list and what is chosen of it; a value that is not in the list is put first."""
    if all(one.value != value for one in choices):
        choices = (Choice(value, value), *choices)
    options = tuple((visible(one.label), one.value) for one in choices)
    if widget.options != options:
        widget.options = options
    if widget.value != value:
        widget.value = value


def _text(text: str) -> str:
    return html.escape(visible(text))


def _figures(gauges: tuple[Gauge, ...]) -> str:
    return f'<div class="claude-gauges">{"".join(map(_gauge, gauges))}</div>'


def _gauge(gauge: Gauge) -> str:
    """A row of three cells: name, bar, words. Numbers and escaped text only."""
    several = len(gauge.parts) > 1
    share = sum(gauge.parts)
    state = "" if several or share < NEARLY else " claude-full" if share >= 1 else " claude-nearly"
    bars = "".join(
        f'<i class="claude-part{number}" style="width:{100 * min(max(part, 0.0), 1.0):.2f}%"></i>'
        for number, part in enumerate(gauge.parts)
    )
    # A bar of parts is a picture of the words beside it; one of a limit has a value of its own.
    value = max(0, min(100, round(100 * share)))
    limit = f'role="progressbar" aria-label="{_text(gauge.name)}" aria-valuenow="{value}"'
    role = 'aria-hidden="true"' if several or not gauge.parts else limit
    words = "".join(
        f"<span>{_swatch(number, several=several and number < len(gauge.parts))}{_text(word)}</span>"
        for number, word in enumerate(gauge.words)
    )
    return f'<b>{_text(gauge.name)}</b><div class="claude-bar{state}" {role}>{bars}</div><p>{words}</p>'


def _swatch(number: int, *, several: bool) -> str:
    return f'<i class="claude-part{number}"></i>' if several else ""


def _nothing(name: str) -> str:
    return {"budget": "no limit", "system": "none"}.get(name, "by default")
