"""The live view: a reply that is formatted while it is written.

Finished blocks of the answer are rendered once, here, and sent once; only the open tail is sent again,
and of it only what changed. Each frame has a number, so that the page notices a gap and asks for the
whole; until the page has said hello, the whole is sent a few times unasked, because what was sent
before the page listened is lost. The module that draws is sent once a kernel, not with every cell.

Thinking is sent as text, each piece once, into a fold that stays open until something follows. A question
stands in the frame as long as it is open; its answer is a message of the page, like Stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets
import traitlets
from IPython.core.interactiveshell import InteractiveShell

from claude_magic.display.folds import Thought, folded_html, thinking_html
from claude_magic.display.leave import Question, leave_by_input, leave_in, question_of
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

HEARD_AFTER = 3.0
"""Seconds after a question in which a page that can be heard has been heard."""
HEARD_SINCE = 6.0
"""The same since the beginning: a page says hello for four seconds, and may load for some before."""
_SLICE = 0.05


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
    part = traitlets.Unicode("").tag(sync=True)
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


class _Asking:
    """A question that is open in the page, and its answer: the first that comes, from another thread."""

    __slots__ = ("leave", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.leave: Leave | None = None


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
    has_input : bool
        Whether the front end can be asked for input, where its page is not heard.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        runtime: Runtime,
        stop: Stop,
        *,
        inline: bool,
        has_input: bool = False,
    ) -> None:
        self._shell = shell
        self._runtime = runtime
        self._stop = stop
        self._inline = inline
        self._has_input = has_input
        self._growing = Growing()
        self._done: list[str] = []
        self._tail = ""
        self._thought = Thought()
        self._asking: _Asking | None = None
        self._asked_last: _Asking | None = None
        self._status = ""
        self._number = 0
        self._frame = threading.RLock()  # the page may ask for the whole from another thread
        self._heard = threading.Event()
        self._asked = threading.Event()
        self._unasked = list(UNASKED)
        self._begun = time.monotonic()
        self._ended = False
        self._widget: ReplyWidget | None = None

    found_by = "%claude_history shows it"
    """How what came of a reply is found, where its output was saved before it had ended."""

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Show the widget with what goes with the prompt, and its status line."""
        widget = self._open(live_line(status), strip_html(blocks))
        self._publish_widget(widget)

    def _open(self, line: str, html: str, part: str = "") -> ReplyWidget:
        """Make the widget, which shows a status line below some HTML.

        Parameters
        ----------
        part : str
            What it is among others: ``head`` or ``column``; ``""`` where it is alone.
        """
        self._done.append(html)
        self._status = line
        source = {"_esm": MODULE, "_css": CSS} if self._inline else {}
        self._widget = ReplyWidget(
            self,
            key=uuid4().hex,
            part=part,
            layout=self._runtime.layout,
            runtime=self._runtime.model_id,
            **source,
        )
        hear_while_busy(self._widget)
        self._widget.on_msg(self._listen)
        return self._widget

    def _publish_widget(self, widget: ipywidgets.Widget) -> None:
        """Put a widget into the cell's output, until the static output takes its place."""
        self._display_id = f"claude-{widget.model_id}"
        view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
        # What a file keeps that was saved before the reply ended, by a page that was then reloaded.
        unfinished = f"(not finished when this was saved: {self.found_by})"
        self._shell.display_pub.publish(
            {WIDGET: view, "text/markdown": f"*{unfinished}*", "text/plain": unfinished},
            transient={"display_id": self._display_id},
        )

    def draw(self, text: str, status: Status) -> None:
        """Send the blocks that were finished, the change of the open one, and the status."""
        if not text and self._thought:
            self._send(self._line(status), tail=self._tail)
            return
        folds = self._fold()
        if text:
            self._growing.feed(text)
        drawn = self._growing.draw()
        self._send(self._line(status), drawn.done, drawn.tail, folds=folds)

    def _line(self, status: Status) -> str:
        return live_line(status)

    def show(self, section: Section, status: Status) -> None:
        """Send a section that can be folded; thinking grows open, and is folded when something follows."""
        done = "" if self._thought else self._finished()
        if section.kind == "thinking":
            self._send(self._line(status), done, thought=self._thought.more(section.body))
            return
        self._send(self._line(status), done + folded_html(section), folds=self._fold())

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Ask in the page; where it cannot be heard while the cell runs, at the prompt, or not at all."""
        question = question_of(call)
        if self._stop.asked:
            return "no"
        if question is None or self._widget is None:
            return "unasked"
        asking = _Asking(question)
        if self._can_hear() and self._heard_in_page(asking, status):
            return "no" if self._stop.asked or asking.leave is None else asking.leave
        return leave_by_input(question, self._stop) if self._has_input else "unasked"

    def _can_hear(self) -> bool:
        """Whether the kernel has subshells, which hear the page while the cell runs."""
        kernel = getattr(self._shell, "kernel", None)
        return kernel is not None and "kernel subshells" in kernel.kernel_info.get("supported_features", ())

    def _heard_in_page(self, asking: _Asking, status: Status) -> bool:
        """Show a question until it is answered or the reply is stopped; False where no page is heard."""
        asked = time.monotonic()
        given_up = max(asked + HEARD_AFTER, self._begun + HEARD_SINCE)
        self._asking = asking
        try:
            while asking.leave is None and not self._stop.asked:
                now = time.monotonic()
                if now > given_up and not self._heard.is_set():
                    return False
                waited = replace(status, seconds=status.seconds + int(now - asked))
                self._send(live_line(waited), tail=self._tail)
                self._stop.sleep(_SLICE)
            return True
        finally:
            self._asking = None
            self._send(live_line(status), tail=self._tail)

    def _finished(self) -> str:
        """The HTML of the text that was open."""
        done, self._growing = self._growing.finish().done, Growing()
        return done

    def _fold(self) -> bool:
        """End the thinking that is open; False where there is none."""
        if not self._thought:
            return False
        self._done.append(thinking_html(self._thought.text))
        self._thought = Thought()
        return True

    def end(self, turn: Turn) -> None:
        """Put the static output in the widget's place."""
        if self._widget is None:
            return
        self._status, self._ended = final_line(turn), True
        self._number += 1
        self._replace(*bundle(turn))

    def _replace(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Put a static output in the place of the widget that was published."""
        self._shell.display_pub.publish(
            data, metadata, transient={"display_id": self._display_id}, update=True
        )

    def whole_frame(self) -> dict[str, Any]:
        """All that has been drawn, for a page that comes late or lost something."""
        with self._frame:
            if self._ended:
                self._fold()
                self._done.append(self._finished())
                self._tail = ""
            return {
                "number": self._number,
                "done": "".join(self._done),
                "thought": self._thought.text,
                "tail": self._tail,
                "status": self._status,
                "question": self._question(),
                "ended": self._ended,
                "heard": self._heard.is_set(),
            }

    def _question(self) -> dict[str, str] | None:
        """The open question as the page is told of it."""
        if self._asking is None:
            return None
        question = self._asking.question
        return {"id": question.id, "name": question.name, "arguments": question.arguments}

    def _send(
        self, status: str, done: str = "", tail: str = "", *, thought: str = "", folds: bool = False
    ) -> None:
        """Send what has changed.

        Parameters
        ----------
        done : str
            HTML of blocks that will not change again.
        tail : str
            HTML of the open block, all of it.
        thought : str
            More of the thinking that is open, as text.
        folds : bool
            Whether the thinking that was open has ended; it comes before ``done``.
        """
        with self._frame:
            self._send_frame(status, done, tail, thought, folds=folds)

    def _send_frame(self, status: str, done: str, tail: str, thought: str, *, folds: bool) -> None:
        message: dict[str, Any] = {"ended": True} if self._ended else {}
        if folds:
            message["folds"] = True
        if thought:
            message["thought"] = thought
        if done:
            message["done"] = done
            self._done.append(done)
        if done or tail != self._tail:
            keep = 0 if done else _common(self._tail, tail)
            # The page counts UTF-16 units.
            message["keep"] = len(tail[:keep].encode("utf-16-le")) // 2
            message["tail"] = tail[keep:]
        if status != self._status:
            message["status"] = status
        if self._asking is not self._asked_last:
            message["question"] = self._question()
        if not message and not self._asked.is_set():
            return
        self._tail, self._status, self._asked_last = tail, status, self._asking
        self._number += 1
        assert self._widget is not None  # noqa: S101 - begin() came first
        whole = self._whole_is_due()
        self._widget.send({"whole": self.whole_frame()} if whole else {"number": self._number, **message})

    def _whole_is_due(self) -> bool:
        if self._asked.is_set():
            self._asked.clear()
            return True
        if self._heard.is_set() or not self._unasked:
            return False
        if time.monotonic() - self._begun < self._unasked[0]:
            return False
        self._unasked.pop(0)
        return sum(map(len, self._done)) + len(self._thought) <= UNASKED_SIZE

    def _listen(self, _: object, content: dict[str, Any], __: object) -> None:
        """Hear the page; runs in another thread while the cell runs, so it only notes what it hears."""
        match content.get("kind"):
            case "hello":
                self._heard.set()
                self._asked.set()
            case "stop":
                self._stop.ask()
            case "leave" if (asking := self._asking) is not None and asking.leave is None:
                self._heard.set()
                asking.leave = leave_in(content, asking.question)
            case "gone" if self._ended and self._widget is not None:
                # The page has put the static output in the view's place: nobody will ask again.
                self._widget.close()


def hear_while_busy(widget: ipywidgets.Widget) -> None:
    """Let the page's messages be handled while the cell runs.

    ipykernel 7.4 sends them to the shell that last published on the comm, which is the one that is
    busy running this cell; by default they come to a subshell. The comm's own way to handle a message also
    runs the hooks of cells (``post_execute``), there beside the running one: matplotlib would show and
    close figures that the cell is still drawing. So the widget is told directly.
    """
    comm = widget.comm
    comm.handle_msg = widget._handle_msg  # noqa: SLF001 - what it has registered as its callback
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
