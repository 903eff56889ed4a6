"""JSON made readable while it comes: indented as far as it has come, at a cost linear in its length."""

from __future__ import annotations

import re

_INSIDE = re.compile(r'[^"\\\x00-\x1f]+')
_INDENT = "  "
_DEEPEST = 20
"""Levels that are indented: what is deeper would cost more than it is long."""
_FENCE = "```"


class Readable:
    """An answer that may be JSON, fed in pieces: a JSON object becomes an indented code block.

    However it is cut into pieces, what comes out is the same in all. A text that does not begin with a
    brace stays as it is.
    """

    def __init__(self) -> None:
        self._blank = ""  # what has come while nothing is decided
        self._json: bool | None = None
        self._string = self._escaped = False
        self._depth = 0
        self._empty = False

    def feed(self, piece: str) -> str:
        """What more there is to be shown."""
        if self._json is None:
            self._blank += piece
            piece = self._blank.lstrip()
            if not piece:
                return ""
            self._json = piece.startswith("{")
            if not self._json:
                return self._blank
            return f"{_FENCE}json\n{self._indented(piece)}"
        return self._indented(piece) if self._json else piece

    def finish(self) -> str:
        """What closes it."""
        return f"\n{_FENCE}" if self._json else ""

    def _indented(self, piece: str) -> str:
        out: list[str] = []
        place = 0
        while place < len(piece):
            if self._string and not self._escaped and (run := _INSIDE.match(piece, place)):
                out.append(run[0])
                place = run.end()
                continue
            out.append(self._inside(piece[place]) if self._string else self._outside(piece[place]))
            place += 1
        return "".join(out)

    def _inside(self, letter: str) -> str:
        """A letter of a string; a bare line end, which JSON does not have there, stays in its line."""
        if self._escaped:
            self._escaped = False
        elif letter == '"':
            self._string = False
        elif letter == "\\":
            self._escaped = True
        return letter if letter >= " " else f"\\u{ord(letter):04x}"

    def _outside(self, letter: str) -> str:
        if letter.isspace():
            return "" if self._depth else " "
        if letter in "}]":
            self._depth = max(0, self._depth - 1)
            line = "" if self._empty else self._line()
            self._empty = False
            return line + letter
        if letter == ",":
            return "," + self._line()
        if letter == ":":
            return ": "
        begun = self._line() if self._empty else ""
        self._empty = False
        if letter in "{[":
            self._depth += 1
            self._empty = True
        self._string = letter == '"'
        # Outside a string no JSON has a backtick; three of them would end the code block.
        return begun + (letter if letter != "`" else "\\u0060")

    def _line(self) -> str:
        return "\n" + _INDENT * min(self._depth, _DEEPEST)


def readable(text: str) -> str:
    """A whole answer, made readable."""
    whole = Readable()
    return whole.feed(text) + whole.finish()
