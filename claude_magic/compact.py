"""Making a conversation shorter: a summary in the place of its older turns, and the whole kept beside it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from claude_magic.chats import Chats
from claude_magic.conversation.history import Conversation
from claude_magic.display.status import ended_how
from claude_magic.errors import StoreProblem, UsageProblem
from claude_magic.prepared import Prepared
from claude_magic.values import Turn

KEEP = 2
"""Turns at the end that stay as they are, where nothing else is said."""
ROOM = 8_000
"""Output tokens that a summary may always have: a setting for short answers does not mean it."""
LEAST = 500
"""Output tokens that a limit of money must leave: a summary that is cut is paid for and of no use."""

_PROMPT = """\
Summarise our conversation so far. Your summary will stand in the place of all that is above, so that a \
colleague who has not seen any of it can go on from there. Keep:

- facts and figures exactly as they were, with their units and where they came from;
- the names of variables, functions, files and attachments, and what matters of what was attached;
- decisions with their reasons, and what was tried and did not work;
- what I want, and how I want it;
- open questions, and what was to come next.

Leave out what has been superseded. Use the language of the conversation and short headings. Answer with the \
summary alone."""


def prompt(words: str) -> str:
    """What a summary is asked for with.

    Parameters
    ----------
    words : str
        What the user wants it to keep in mind, ``""`` for nothing in particular.
    """
    return f"{_PROMPT}\n\nAbove all, keep in mind: {words}" if words.strip() else _PROMPT


@dataclass(frozen=True, slots=True)
class Older:
    """The turns whose place a summary is to take.

    Parameters
    ----------
    conversation : Conversation
        The one they stand in.
    count : int
        How many they are, from the first.
    """

    conversation: Conversation
    count: int

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns, those that brought no answer too."""
        return self.conversation.turns[: self.count]

    def question(self, prepared: Prepared) -> Prepared:
        """The question for their summary, with them as its history.

        Raises
        ------
        UsageProblem
            When its limits leave too little for a summary. Nothing was sent.
        """
        question = prepared.question
        room = min(question.model.max_output, max(question.max_tokens, ROOM))
        history = replace(self.conversation, turns=self.turns).answered()
        asked = replace(
            prepared.at(history, conversation=self.conversation.id),
            question=replace(question, max_tokens=room),
            stands_for=tuple(one for turn in self.turns for one in (*turn.stands_for, turn.id)),
        )
        most = asked.within_limits()
        if most < min(LEAST, room):
            what = " and ".join(limit.what for limit in question.limits)
            raise UsageProblem(
                f"The limit for {what} leaves {most:,} tokens for the summary, which would be cut. To raise "
                f"it, {question.limits[0].advice}. Nothing was sent."
            )
        return asked


def older(conversation: Conversation, keep: int) -> Older:
    """The turns above the last ones that are to be kept, counted by those that have an answer.

    Raises
    ------
    UsageProblem
        When they are fewer than two. Nothing was sent.
    """
    answered = conversation.answered()
    above = answered[: max(0, len(answered) - keep)]
    if len(above) < 2:
        there = f"{len(answered)} answered turn{'' if len(answered) == 1 else 's'}"
        hint = " --keep 0 keeps none." if keep and len(answered) > 1 else ""
        raise UsageProblem(
            f"Nothing to compact: {conversation.name!r} has {there}, the last {keep} would stay, and a "
            f"summary takes the place of two or more.{hint} Nothing was sent."
        )
    return Older(conversation, conversation.turns.index(above[-1]) + 1)


def failed(turn: Turn) -> str:
    """Why the answer of a turn is no summary to go on from; ``""`` where it is one."""
    if turn.stage != "complete":
        return ended_how(turn) or turn.stage
    return "" if turn.reply else "the answer is empty"


def put(chats: Chats, replaced: Older, summary: Turn, prepared: Prepared) -> str:
    """Put a summary in the place of older turns, keep the whole, and say so in a line.

    Raises
    ------
    StoreProblem
        When the whole cannot be kept. The conversation is as it was, and the summary in the store.
    """
    before = replaced.conversation
    whole = before.fork(
        uuid.uuid4().hex, _name_of_whole(before.name, {one.name for one in chats.summaries()})
    )
    if not chats.store.create(whole, chats.key, forked_from=before.id):
        set_aside(chats, summary, prepared)
        raise StoreProblem(
            f"The whole of {before.name!r} cannot be kept on disk, so nothing was compacted; the summary is "
            "in _claude."
        )
    # Written last, so that it is the one last spoken in.
    after = before.compacted(summary, replaced.count)
    chats.change(after, prepared.key)
    sizes = [_tokens(prepared, one.answered()) for one in (before, after)]
    return (
        f"Turns 1–{replaced.count} of {before.name!r} became one: what goes along with each question went "
        f'from ≈{sizes[0]:,} to ≈{sizes[1]:,} tokens. %claude_chat "{whole.name}" goes back.'
    )


def set_aside(chats: Chats, turn: Turn, prepared: Prepared) -> None:
    """Keep a turn and what it cost outside the conversation, which stays as it is."""
    chats.store.record(turn, prepared.key)


def _name_of_whole(name: str, taken: set[str]) -> str:
    wanted = f"{name}, whole"
    free = (wanted, *(f"{wanted} {number}" for number in range(2, len(taken) + 3)))
    return next(one for one in free if one not in taken)


def _tokens(prepared: Prepared, turns: Sequence[Turn]) -> int:
    """The tokens of turns as they are sent along, estimated."""
    bare = replace(prepared, blocks=(), history=())
    return replace(bare, history=tuple(turns)).estimated_tokens() - bare.estimated_tokens()
