"""The terminal's view: plain text as it comes, and one line at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from claude_magic.display.leave import leave_by_input, question_of
from claude_magic.display.status import Status, final_line
from claude_magic.display.strip import strip_line
from claude_magic.display.untrusted import visible
from claude_magic.stop import Stop
from claude_magic.values import Block, Leave, Section, ToolUsePart, Turn


class TextView:
    """Prints the answer as it comes; control characters are made visible.

    Parameters
    ----------
    stop : Stop
        What an interrupt asks for while a question waits for its answer.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._begun = False
        self._said = ""
        self._thinking = False

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Print what goes with the prompt."""
        if line := strip_line(blocks):
            sys.stdout.write(f"{line}\n\n")
            sys.stdout.flush()

    def draw(self, text: str, status: Status) -> None:
        """Print what is new; of a wait, once, what is waited for."""
        if status.wait is not None and (said := f"{status.wait.what}, {status.wait.then}") != self._said:
            self._said = said
            apart = "\n" if self._begun else ""  # not a word of the answer
            sys.stdout.write(apart + dim(f"[{visible(str(status.wait))}]") + "\n")
            sys.stdout.flush()
        if text:
            apart = self._ended_thinking()
            self._begun = True
            sys.stdout.write(apart + visible(text))
            sys.stdout.flush()

    def show(self, section: Section, status: Status) -> None:
        """Print thinking as it comes, and of a tool one line."""
        if section.kind == "thinking":
            apart = "\n\n" if self._begun and not self._thinking else ""
            self._thinking = True
            sys.stdout.write(apart + dim(visible(section.body)))
        else:
            apart = self._ended_thinking() or ("\n" if self._begun else "")
            sys.stdout.write(apart + dim(visible(f"[{' '.join(section.title.split())}]")) + "\n")
        sys.stdout.flush()

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Ask at the prompt, with the arguments as they will run."""
        question = question_of(call)
        if question is None or self._stop.asked:
            return "no" if self._stop.asked else "unasked"
        apart = self._ended_thinking() or ("\n" if self._begun else "")
        sys.stdout.write(apart)
        sys.stdout.flush()
        return leave_by_input(question, self._stop)

    def _ended_thinking(self) -> str:
        """What sets the thinking that was printed apart from what follows."""
        ended, self._thinking = self._thinking, False
        return "\n\n" if ended else ""

    def end(self, turn: Turn) -> None:
        """Print the summary line."""
        begun = "\n" if self._begun or self._thinking else ""
        line = visible(final_line(turn))
        sys.stdout.write(f"{begun}\n{dim(line)}\n")
        sys.stdout.flush()


def dim(line: str) -> str:
    """A line in faint letters, where the terminal has them."""
    return f"\x1b[2m{line}\x1b[0m" if sys.stdout.isatty() else line
