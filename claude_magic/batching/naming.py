"""How batches are named: by a beginning of their id, or by their place in the list."""

from __future__ import annotations

import re
from collections.abc import Sequence

from claude_magic.conversation.batch_values import Sent
from claude_magic.errors import UsageProblem

_SHORTEST = 6
"""Characters of an id that are shown at least: more than a place in the list has."""

_PLACE = re.compile(r"[1-9]\d{0,4}")


def short_names(listed: Sequence[Sent]) -> list[str]:
    """For each batch as much of its id as names it among the others."""
    bare = [_bare(one.label) for one in listed]
    return [_beginning(name, bare) if one.id else name for one, name in zip(listed, bare, strict=True)]


def _beginning(name: str, names: Sequence[str]) -> str:
    size = _SHORTEST
    while size < len(name) and sum(other.startswith(name[:size]) for other in names) > 1:
        size += 1
    return name[:size]


def numbered(listed: Sequence[Sent], name: str) -> list[Sent]:
    """The batch at a place of the list, 1 for the newest; none where the name is no such number."""
    return list(listed[int(name) - 1 : int(name)]) if _PLACE.fullmatch(name) else []


def matching(listed: Sequence[Sent], name: str) -> list[Sent]:
    """The batches whose id, with or without what all ids begin with, begins so; ``last`` for the newest."""
    if name == "last":
        return list(listed[:1])
    exact = [one for one in listed if one.label == name]
    return exact or [
        one for one in listed if one.label.startswith(name) or _bare(one.label).startswith(_bare(name))
    ]


def chosen(listed: Sequence[Sent], every: Sequence[Sent], name: str) -> Sent:
    """The batch of a name: of the notebook, or of another where the notebook has none of that name.

    Raises
    ------
    UsageProblem
        When the name means none, or several.
    """
    found = numbered(listed, name) or matching(listed, name)
    if not found and name != "last":
        found = matching(every, name)
    if len(found) == 1:
        return found[0]
    if not found:
        known = "There is none." if name == "last" else f"None begins with {name!r}."
        raise UsageProblem(f"No such batch. {known} %claude_batches --all lists all of the store.")
    names = ", ".join(one.label for one in found[:5])
    raise UsageProblem(f"{len(found)} batches begin with {name!r}: {names}. Write more of it.")


def _bare(name: str) -> str:
    return name.removeprefix("msgbatch_").removeprefix("local_")
