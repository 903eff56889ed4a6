"""What has changed between two values of a conversation: the least that has to be written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from claude_magic.conversation.history import Conversation
from claude_magic.values import Turn


@dataclass(frozen=True, slots=True)
class Added:
    """A turn that was not there before.

    Parameters
    ----------
    instead_of : str
        The turn whose place it takes, ``""`` for none.
    behind : str
        Else: the turn it stands behind, ``""`` for the beginning.
    at_end : bool
        Whether nothing that was there before stands below it.
    """

    turn: Turn
    instead_of: str = ""
    behind: str = ""
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """The steps from one value of a conversation to another.

    Parameters
    ----------
    left : tuple of str
        Ids of turns that are no longer there.
    added : tuple of Added
        In their order.
    altered : tuple of Turn
        Turns whose content is another, under the same id.
    marked : tuple of Turn
        Turns whose staleness is another.
    """

    left: tuple[str, ...] = ()
    added: tuple[Added, ...] = ()
    altered: tuple[Turn, ...] = ()
    marked: tuple[Turn, ...] = ()


def difference(before: Conversation, after: Conversation) -> Difference:
    """Compare two values of a conversation; turns are the same when their ids are.

    The usual change touches one turn among thousands: what both begin and end with is passed over by
    identity.
    """
    old, new = before.turns, after.turns
    start, end = _shared_ends(old, new)
    old_middle, new_middle = old[start : len(old) - end], new[start : len(new) - end]
    before_by_id = {turn.id: turn for turn in old_middle}
    after_ids = {turn.id for turn in new_middle}
    altered, marked = [], []
    for turn in new_middle:
        was = before_by_id.get(turn.id)
        if was is None or was is turn:
            continue
        if was.stale != turn.stale:
            marked.append(turn)
            was = replace(was, stale=turn.stale)
        if was != turn:
            altered.append(turn)
    return Difference(
        tuple(turn.id for turn in old_middle if turn.id not in after_ids),
        _added(old_middle, new_middle, new[start - 1].id if start else "", last=end == 0),
        tuple(altered),
        tuple(marked),
    )


def _added(old: tuple[Turn, ...], new: tuple[Turn, ...], behind: str, *, last: bool) -> tuple[Added, ...]:
    """The place of each new turn: that of one that left between the same neighbours, else behind one."""
    known = {turn.id for turn in old}
    kept = known & {turn.id for turn in new}
    free: dict[str, list[str]] = {}
    neighbour = behind
    for turn in old:
        if turn.id in kept:
            neighbour = turn.id
        else:
            free.setdefault(neighbour, []).append(turn.id)
    below = max((index for index, turn in enumerate(new) if turn.id in kept), default=-1)
    added = []
    neighbour = behind
    for index, turn in enumerate(new):
        if turn.id not in known:
            places = free.get(neighbour, [])
            added.append(Added(turn, places.pop(0) if places else "", behind, last and index > below))
        elif turn.id in kept:
            neighbour = turn.id
        behind = turn.id
    return tuple(added)


def _shared_ends(old: tuple[Turn, ...], new: tuple[Turn, ...]) -> tuple[int, int]:
    """How many turns both begin with, and how many of the rest both end with."""
    shorter = min(len(old), len(new))
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a is not b), shorter)
    backwards = zip(reversed(old), reversed(new), strict=False)
    rest = shorter - start
    end = next((i for i, (a, b) in enumerate(islice(backwards, rest)) if a is not b), rest)
    return start, end
