"""The live view: a reply that is formatted while it is written.

Finished blocks of the answer are rendered once, here, and sent once; only the open tail is sent again,
and of it only what changed. Each frame has a number, so that the page notices a gap and asks for the
whole; until the page has said hello, the whole is sent a few times unasked, because what was sent
before the page listened is lost. The module that draws is sent once a kernel, not with every cell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets
import traitlets
from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.folds import folded_html, thinking_html
from claude_magic.display.markdown import STYLE, Growing
from claude_magic.display.static import bundle
from claude_magic.display.status import Status, final_line, live_line
from claude_magic.display.strip import strip_html
from claude_magic.stop import Stop
from claude_magic.values import Block, Leave, Section, ToolUsePart, Turn

_HERE = Path(__file__).parent
MODULE = (_HERE / "live.js").read_text(encoding="utf-8")
CSS = (_HERE / "live.css").read_text(encoding="utf-8") + STYLE
SHIM = (_HERE / "shim.js").read_text(encoding="utf-8")

WIDGET = "application/vnd.jupyter.widget-view+json"
UNASKED = (0.25, 0.75, 1.75, 4.0)
"""Seconds after the beginning at which the whole is sent to a page that has not said hello."""
UNASKED_SIZE = 16_384
"""Characters up to which it is: what a page misses at the beginning is little, unless a burst ends soon."""


class Runtime(ipywidgets.Widget):  # type: ignore[misc]
    """Carries the drawing module and its style to the page, once a kernel."""

    code = traitlets.Unicode(MODULE).tag(sync=True)
    css = traitlets.Unicode(CSS).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.layout = ipywidgets.Layout()

    def close(self) -> None:
        """Close the module's model and the layout all cells share."""
        self.layout.close()
        super().close()


class ReplyWidget(anywidget.AnyWidget):
    """The widget of one reply; its ``frame`` is made when the page asks for the state, and then whole."""

    # Declared here, so that anywidget need not make a new class for every reply.
    _esm = traitlets.Unicode(SHIM).tag(sync=True)
    _css = traitlets.Unicode("").tag(sync=True)
    _anywidget_id = traitlets.Unicode("claude_magic.display.live.ReplyWidget").tag(sync=True)
    key = traitlets.Unicode("").tag(sync=True)
    runtime = traitlets.Unicode("").tag(sync=True)
    frame = traitlets.Dict().tag(sync=True, to_json=lambda _, widget: widget.whole_frame())

    def __init__(self, view: LiveView, **kwargs: Any) -> None:
        self.whole_frame = view.whole_frame
        super().__init__(**kwargs)

    def add_traits(self, **traits: Any) -> None:
        """Add the traits that are not there yet, which are none."""
        missing = {name: trait for name, trait in traits.items() if not self.has_trait(name)}
        if missing:
            super().add_traits(**missing)


class LiveView:
    """Shows one reply in a widget, and leaves the static output in its place.

    Parameters
    ----------
    shell : InteractiveShell
        Where to publish.
    runtime : Runtime
        The shared module.
    stop : Stop
        What the Stop button sets.
    inline : bool
        Send the module with the widget itself, for pages that cannot look up another model.
    """

    def __init__(self, shell: InteractiveShell, runtime: Runtime, stop: Stop, *, inline: bool) -> None:
        self._shell = shell
        self._runtime = runtime
        self._stop = stop
        self._inline = inline
        self._growing = Growing()
        self._done: list[str] = []
        self._tail = ""
        self._thought = ""
        self._status = ""
        self._number = 0
        self._heard = threading.Event()
        self._asked = threading.Event()
        self._unasked = list(UNASKED)
        self._begun = time.monotonic()
        self._ended = False
        self._widget: ReplyWidget | None = None

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Show the widget with what goes with the prompt, and its status line."""
        self._done.append(strip_html(blocks))
        self._status = live_line(status)
        source = {"_esm": MODULE, "_css": CSS} if self._inline else {}
        self._widget = ReplyWidget(
            self, key=uuid4().hex, layout=self._runtime.layout, runtime=self._runtime.model_id, **source
        )
        hear_while_busy(self._widget)
        self._widget.on_msg(self._listen)
        self._display_id = f"claude-{self._widget.model_id}"
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        # What a file keeps that was saved before the reply ended, by a page that was then reloaded.
        unfinished = "(the answer was not finished when this was saved: %claude_history shows it)"
        self._shell.display_pub.publish(
            {WIDGET: view, "text/markdown": f"*{unfinished}*", "text/plain": unfinished},
            transient={"display_id": self._display_id},
        )

    def draw(self, text: str, status: Status) -> None:
        """Send the blocks that were finished, the change of the open one, and the status."""
        if self._thought and not text:
            self._send("", self._tail, live_line(status))
            return
        done = self._finished() if self._thought else ""
        if text:
            self._growing.feed(text)
        drawn = self._growing.draw()
        self._send(done + drawn.done, drawn.tail, live_line(status))

    def show(self, section: Section, status: Status) -> None:
        """Send a section that can be folded; thinking grows open, and is folded when something follows."""
        if section.kind == "thinking":
            self._thought += section.body
            self._send("", thinking_html(self._thought, growing=True), live_line(status))
            return
        self._send(self._finished() + folded_html(section), "", live_line(status))

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Not yet."""
        return "no"

    def _finished(self) -> str:
        """The HTML of what was open: the answer's last block, or its thinking."""
        if self._thought:
            thought, self._thought = self._thought, ""
            return thinking_html(thought)
        done, self._growing = self._growing.finish().done, Growing()
        return done

    def end(self, turn: Turn) -> None:
        """Put the static output in the widget's place."""
        if self._widget is None:
            return
        self._status, self._ended = final_line(turn), True
        self._number += 1
        data, metadata = bundle(turn)
        self._shell.display_pub.publish(
            data, metadata, transient={"display_id": self._display_id}, update=True
        )

    def whole_frame(self) -> dict[str, Any]:
        """All that has been drawn, for a page that comes late or lost something."""
        if self._ended and self._tail:
            self._done.append(self._finished())
            self._tail = ""
        return {
            "number": self._number,
            "done": "".join(self._done),
            "tail": self._tail,
            "status": self._status,
            "ended": self._ended,
            "heard": self._heard.is_set(),
        }

    def _send(self, done: str, tail: str, status: str) -> None:
        if not (done or tail != self._tail or status != self._status or self._asked.is_set()):
            return
        keep = 0 if done else _common(self._tail, tail)
        message: dict[str, Any] = {"number": self._number + 1}
        if done:
            message["done"] = done
            self._done.append(done)
        if done or tail != self._tail:
            # The page counts UTF-16 units.
            message["keep"] = len(tail[:keep].encode("utf-16-le")) // 2
            message["tail"] = tail[keep:]
        if status != self._status:
            message["status"] = status
        self._tail, self._status = tail, status
        self._number += 1
        assert self._widget is not None  # noqa: S101 - begin() came first
        self._widget.send({"whole": self.whole_frame()} if self._whole_is_due() else message)

    def _whole_is_due(self) -> bool:
        if self._asked.is_set():
            self._asked.clear()
            return True
        if self._heard.is_set() or not self._unasked:
            return False
        if time.monotonic() - self._begun < self._unasked[0]:
            return False
        self._unasked.pop(0)
        return sum(map(len, self._done)) <= UNASKED_SIZE

    def _listen(self, _: object, content: dict[str, Any], __: object) -> None:
        """Hear the page; runs in another thread while the cell runs, so it only sets events."""
        match content.get("kind"):
            case "hello":
                self._heard.set()
                self._asked.set()
            case "stop":
                self._stop.ask()
            case "gone" if self._ended and self._widget is not None:
                # The page has put the static output in the view's place: nobody will ask again.
                self._widget.layout = None
                self._widget.close()


def hear_while_busy(widget: ipywidgets.Widget) -> None:
    """Let the page's messages be handled while the cell runs.

    ipykernel 7.4 sends them to the shell that last published on the comm, which is the one that is
    busy running this cell; by default they come to a subshell.
    """
    comm = widget.comm
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001 - no public way there


def _common(old: str, new: str) -> int:
    """The length of the common beginning of two texts, found by halving."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[:middle] == new[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
