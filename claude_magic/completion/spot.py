"""Where on a magic's line the cursor stands: in a flag's name, in its value, in a word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from claude_magic.flags import Flag

_FLAG = re.compile(r"(--?[A-Za-z][\w-]*)(=|\s+)")


@dataclass(frozen=True, slots=True)
class Spot:
    """What stands before the cursor on a magic's line.

    Parameters
    ----------
    flag : Flag or None
        Whose value it is; None for a flag's name or a word.
    fragment : str
        What is typed of it.
    flags : bool
        Whether a flag may stand here.
    words : bool
        Whether a word may that is no flag.
    given : frozenset of str
        The keys of the flags before it.
    """

    flag: Flag | None
    fragment: str
    flags: bool = True
    words: bool = True
    given: frozenset[str] = frozenset()


def where(text: str, table: Sequence[Flag], *, ends: bool) -> Spot | None:
    """What stands before the cursor on a magic's line; None behind a flag that there is not.

    Parameters
    ----------
    text : str
        The line as far as the cursor, without the magic.
    ends : bool
        Whether the first word that is no flag ends the flags.
    """
    known = {name: flag for flag in table for name in flag.names}
    given: set[str] = set()
    rest = text.lstrip()
    while True:
        if re.match(r"--\s", rest):
            return Spot(None, rest[2:].lstrip(), flags=False)
        found = _FLAG.match(rest)
        if found is None:
            _, blank, further = rest.partition(" ")
            if blank and not ends and not rest.startswith(('"', "'", "add ", "remove ")):
                rest = further.lstrip()
                continue
            if rest.startswith("-") or not blank:
                return Spot(None, rest, given=frozenset(given))
            return Spot(None, rest, flags=False)
        flag = known.get(found[1])
        if flag is None:
            return None
        rest = rest[found.end() :]
        if not flag.many:
            given.add(flag.key)
        if not flag.value:
            continue
        if flag.pattern and (rest.startswith("-") or not rest):
            continue
        after = _behind_value(rest)
        if after is None:
            return Spot(flag, rest, given=frozenset(given))
        rest = after


def _behind_value(text: str) -> str | None:
    """What is behind a flag's value; None where the text ends in it."""
    if text[:1] in ("'", '"'):
        closed = re.match(rf"{text[0]}(?:[^{text[0]}\\]|\\.)*{text[0]}\s+", text)
        return text[closed.end() :] if closed else None
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter.isspace() and depth <= 0:
            return text[position:].lstrip()
    return None
