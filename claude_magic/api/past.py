"""What the model has said, as messages of the requests that follow."""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.api.models import Model, plain_id
from claude_magic.api.request import Message, replied, tool_results
from claude_magic.values import Round, Turn


def rounds_said(rounds: Sequence[Round], *, thinking: bool = True) -> list[Message]:
    """What the model said in its rounds, and what its tools brought."""
    return [
        message
        for one in rounds
        for message in (replied(one.reply, thinking=thinking), *tool_results(one.calls))
    ]


def said(turn: Turn, model: Model, *, thoughts: bool = True) -> list[Message]:
    """What was said in an earlier turn, behind its question.

    Its thinking goes back as it came, or not at all: it is bound to its model and to what stood before it.
    The API drops or refuses what has no place any more; without it the conversation always goes on.

    Parameters
    ----------
    model : Model
        Who is asked now.
    thoughts : bool
        Whether thinking goes back where it can.
    """
    thinking = thoughts and not turn.stale and plain_id(turn.model) == plain_id(model.id)
    return [*rounds_said(turn.rounds, thinking=thinking), replied(turn.reply, thinking=thinking)]
