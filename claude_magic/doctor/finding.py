"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "note", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    grade : Grade
        ``note`` for what works all the same, ``fail`` for what does not.
    about : str
        What was looked at, in a word or two.
    said : str
        How it is, in one line.
    fix : str
        What to do, ``""`` where there is nothing to do.
    """

    grade: Grade
    about: str
    said: str
    fix: str = ""

    def __str__(self) -> str:
        line = f"{self.grade:<5} {self.about:<14} {self.said}{f': {self.fix}' if self.fix else ''}"
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def ok(about: str, said: str) -> Finding:
    """All is well."""
    return Finding("ok", about, said)


def note(about: str, said: str, fix: str = "") -> Finding:
    """It works, but the user should know."""
    return Finding("note", about, said, fix)


def fail(about: str, said: str, fix: str = "") -> Finding:
    """It does not work."""
    return Finding("fail", about, said, fix)
