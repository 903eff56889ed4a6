"""The ids of tool calls: each has to be its own in a whole conversation, or the API takes none of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from claude_magic.characters import plain_name
from claude_magic.values import Answer, Part, ToolUsePart, Turn


def ids_of(turns: Iterable[Turn]) -> set[str]:
    """The ids of all calls in a conversation."""
    answers = (answer for turn in turns for answer in (*(one.answer for one in turn.rounds), turn.answer))
    return {part.id for answer in answers for part in answer.parts if isinstance(part, ToolUsePart)}


def with_own_ids(answer: Answer, taken: set[str]) -> tuple[Answer, frozenset[str]]:
    """An answer whose calls have ids of their own; its ids are then taken, too.

    Returns
    -------
    answer : Answer
        The same one, where nothing had to be changed.
    repeated : frozenset of str
        The new ids of calls that repeat the id of another call of the same answer.
    """
    seen: set[str] = set()
    repeated: set[str] = set()
    parts: list[Part] = []
    for part in answer.parts:
        if not isinstance(part, ToolUsePart):
            parts.append(part)
            continue
        plain = plain_name(part.id) or "toolu"
        own, number = plain, len(taken)
        while own in taken:
            number += 1
            own = f"{plain}_{number}"
        taken.add(own)
        if part.id in seen:
            repeated.add(own)
        seen.add(part.id)
        parts.append(part if own == part.id else replace(part, id=own))
    changed = any(one is not other for one, other in zip(parts, answer.parts, strict=True))
    return (replace(answer, parts=tuple(parts)) if changed else answer), frozenset(repeated)
