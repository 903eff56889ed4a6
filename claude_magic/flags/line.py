"""A magic's line: its flags and their values, read from the left."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claude_magic.errors import UsageProblem, did_you_mean
from claude_magic.flags.tables import Flag

_WORD = re.compile(r"""(?:"[^"]*"|'[^']*')(?=\s|$)|\S+""")
"""A word, or what stands in quotes."""


class Quoted(str):
    """A value the user put in quotes: text, never a kernel name."""

    __slots__ = ()


class Verbatim(Quoted):
    """A value that is text as it stands, also where it begins with @."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line: the values of its flags, and what stands behind them as written.

    Parameters
    ----------
    given : mapping or None
        Where a program asks instead of a line: values that are no text, by the names that its flags use.
    """

    values: Mapping[str, tuple[str, ...]]
    rest: str
    given: Mapping[str, Any] | None = None

    def names(self, kernel: dict[str, Any]) -> Mapping[str, Any]:
        """The names that its flags may use: those of the kernel, and what a program has given."""
        return kernel if self.given is None else {**kernel, **self.given}

    def has(self, key: str) -> bool:
        """Whether the flag was given."""
        return key in self.values

    def one(self, key: str, default: str = "") -> str:
        """The value of a flag given at most once."""
        return self.values.get(key, (default,))[-1]

    def all(self, key: str) -> tuple[str, ...]:
        """All values of a flag that may be repeated."""
        return self.values.get(key, ())


def parse(line: str, flags: Sequence[Flag], magic: str) -> Line:
    """Read flags from the left until the first word that is none.

    The rest is returned as written, so that ``%claude what's up?`` needs no quoting. ``--`` ends the
    flags. A value may be quoted, joined by ``=``, or hold spaces inside brackets: ``-a df[df.x > 3]``.

    Raises
    ------
    UsageProblem
        For an unknown flag, a missing value or a flag given twice.
    """
    known = {name: flag for flag in flags for name in flag.names}
    values: dict[str, tuple[str, ...]] = {}
    rest = line.strip()
    while match := re.match(r"(--?[A-Za-z][\w-]*)(=|\s+|$)|--(\s+|$)", rest):
        if match[1] is None:
            rest = rest[match.end() :]
            break
        flag = known.get(match[1])
        if match[1] in ("-h", "--help"):
            raise UsageProblem(f"{magic}? shows the manual. Nothing was sent.")
        if flag is None:
            hint = did_you_mean(match[1], known) or f" {magic}? lists the flags."
            raise UsageProblem(f"{magic} has no flag {match[1]}.{hint} Nothing was sent.")
        if flag.key in values and not flag.many:
            raise UsageProblem(f"{match[1]} is given twice. Nothing was sent.")
        rest = rest[match.end() :]
        value = ""
        if flag.pattern:
            found = re.match(rf"({flag.pattern})(\s+|$)", rest)
            value, rest = (found[1], rest[found.end() :]) if found else ("", rest)
        elif flag.value:
            value, rest = _value(rest, match[1], flag)
        elif match[2] == "=":
            raise UsageProblem(f"{match[1]} takes no value. Nothing was sent.")
        values[flag.key] = (*values.get(flag.key, ()), value)
    return Line(values, rest)


def parse_words(line: str, flags: Sequence[Flag], magic: str) -> Line:
    """Read a line of words among which flags may stand anywhere: ``%claude_history 2 --show``.

    Raises
    ------
    UsageProblem
        As `parse` does.
    """
    values: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    rest = line
    while rest := rest.strip():
        parsed = parse(rest, flags, magic)
        for flag in flags:
            if flag.key in values and flag.key in parsed.values and not flag.many:
                raise UsageProblem(f"{flag.names[-1]} is given twice. Nothing was sent.")
        for key, given in parsed.values.items():
            values[key] = (*values.get(key, ()), *given)
        if word := _WORD.match(parsed.rest):
            words.append(word[0])
        rest = parsed.rest[word.end() if word else 0 :]
    return Line(values, " ".join(words))


def _value(text: str, name: str, flag: Flag) -> tuple[str, str]:
    """Take one value from the left; return it and what is behind it."""
    missing = UsageProblem(f"{name} needs a value: {name} {flag.value}. Nothing was sent.")
    if not text:
        raise missing
    quote = text[0]
    if quote in "\"'":
        match = re.match(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}(\s+|$)", text, re.DOTALL)
        if match is None:
            raise UsageProblem(f"{name}: the quote {quote} is not closed. Nothing was sent.")
        return Quoted(re.sub(r"\\([\"'\\])", r"\1", match[1])), text[match.end() :]
    depth = 0
    end = len(text)
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character.isspace() and depth <= 0:
            end = position
            break
    value = text[:end]
    if re.fullmatch(r"--?[A-Za-z][\w-]*", value):
        raise missing
    return value, text[end:].lstrip()


def unquoted(text: str) -> str:
    """A name without the quotes it may stand in."""
    return text[1:-1] if len(text) > 2 and text[0] in "\"'" and text[-1] == text[0] else text


def variable(name: str) -> str:
    """The name of ``--into``, ``""`` for none.

    Raises
    ------
    UsageProblem
        When no variable can have it.
    """
    if name and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageProblem(f"--into {name}: not a variable's name. Nothing was sent.")
    return name


def whole_number(text: str, name: str, least: int = 1) -> int:
    """A flag's value as a whole number, 1 or another least one, ``_`` and ``,`` allowed between digits.

    Raises
    ------
    UsageProblem
        When it is none.
    """
    digits = text.replace("_", "").replace(",", "")
    if not digits.isascii() or not digits.isdigit() or int(digits) < least:
        allowed = f"above {least - 1}" if least else "of 0 or more"
        raise UsageProblem(f"{name} takes a whole number {allowed}, not {text!r}. Nothing was sent.")
    return int(digits)


def number(text: str, name: str) -> float:
    """A flag's value as a number that is not negative.

    Raises
    ------
    UsageProblem
        When it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise UsageProblem(f"{name} takes a number of 0 or more, not {text!r}.")
    return value


def chosen(line: Line, flags: Sequence[Flag], key: str) -> str:
    """Which of its few words a flag was given; the first of them without it.

    Raises
    ------
    UsageProblem
        When it is none of them.
    """
    (flag,) = (one for one in flags if one.key == key)
    return choice(line.one(key, flag.choices[0]), flag.names[-1], flag.choices)


def choice(text: str, name: str, choices: Sequence[str]) -> str:
    """A flag's value as one of a few words.

    Raises
    ------
    UsageProblem
        When it is none.
    """
    if text not in choices:
        hint = did_you_mean(text, choices) or f" It takes {', '.join(choices)}."
        raise UsageProblem(f"{name} {text}: no such choice.{hint} Nothing was sent.")
    return text
