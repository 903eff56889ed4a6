"""The terminal's view: plain text as it comes, and one line at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from claude_magic.display.status import Status, final_line
from claude_magic.display.strip import strip_line
from claude_magic.display.untrusted import visible
from claude_magic.values import Block, Turn


class TextView:
    """Prints the answer as it comes; control characters are made visible."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self, status: Status, blocks: Sequence[Block]) -> None:
        """Print what goes with the prompt."""
        if line := strip_line(blocks):
            sys.stdout.write(f"{line}\n\n")
            sys.stdout.flush()

    def draw(self, text: str, status: Status) -> None:
        """Print what is new."""
        if text:
            self._begun = True
            sys.stdout.write(visible(text))
            sys.stdout.flush()

    def end(self, turn: Turn) -> None:
        """Print the summary line."""
        begun = "\n" if self._begun else ""
        line = visible(final_line(turn))
        sys.stdout.write(f"{begun}\n\x1b[2m{line}\x1b[0m\n" if sys.stdout.isatty() else f"{begun}\n{line}\n")
        sys.stdout.flush()
