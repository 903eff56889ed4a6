"""The terminal's view: plain text as it comes, and one line at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from claude_magic.display.status import Status, final_line
from claude_magic.display.strip import strip_line
from claude_magic.display.untrusted import visible
from claude_magic.values import Block, Leave, Section, ToolUsePart, Turn


class TextView:
    """Prints the answer as it comes; control characters are made visible."""

    def __init__(self) -> None:
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
            sys.stdout.write(apart + _dim(f"[{visible(str(status.wait))}]") + "\n")
            sys.stdout.flush()
        if text:
            if self._thinking:
                sys.stdout.write("\n" if text.startswith("\n") else "\n\n")
            self._begun, self._thinking = True, False
            sys.stdout.write(visible(text))
            sys.stdout.flush()

    def show(self, section: Section, status: Status) -> None:
        """Print thinking as it comes, and of a tool one line."""
        thinking = section.kind == "thinking"
        goes_on = thinking and self._thinking
        begun = "\n" if (self._begun or self._thinking) and not goes_on else ""
        self._thinking = thinking
        sys.stdout.write(begun + _dim(visible(section.body if thinking else f"[{section.title}]")))
        sys.stdout.write("" if thinking else "\n")
        sys.stdout.flush()

    def may_run(self, call: ToolUsePart, status: Status) -> Leave:
        """Ask at the prompt; whatever is no clear yes is a no."""
        question = f"Run {call.name}({call.input_json})? [y]es, [a]lways, [N]o: "
        try:
            said = input(visible(question)).strip().casefold()
        except (EOFError, OSError, RuntimeError):
            return "no"
        return "once" if said in ("y", "yes") else "always" if said in ("a", "always") else "no"

    def end(self, turn: Turn) -> None:
        """Print the summary line."""
        begun = "\n" if self._begun or self._thinking else ""
        line = visible(final_line(turn))
        sys.stdout.write(f"{begun}\n{_dim(line)}\n")
        sys.stdout.flush()


def _dim(line: str) -> str:
    return f"\x1b[2m{line}\x1b[0m" if sys.stdout.isatty() else line
