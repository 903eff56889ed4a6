"""How a turn ends: the one place that makes a finished turn of what was asked and what has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from claude_magic.api import models
from claude_magic.api.fold import Fold
from claude_magic.api.repair import assistant_message
from claude_magic.api.stream import decoded
from claude_magic.citations import Numbers
from claude_magic.display.sources import source_list
from claude_magic.readable import readable
from claude_magic.sections import answer_sections, joined
from claude_magic.values import Answer, Call, OtherPart, Round, Section, Stage, TextPart, Turn

_STAGE_OF_STOP_REASON: Mapping[str, Stage] = {
    "refusal": "refused",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    # Where a turn ends in them, nobody has gone on.
    "tool_use": "interrupted",
    "pause_turn": "interrupted",
}


def stage_of(answer: Answer, *, failed: bool, begun: bool = False) -> Stage:
    """The stage in which an answer leaves its turn.

    Parameters
    ----------
    failed : bool
        Whether something other than the user ended it, if it is not complete.
    begun : bool
        Whether there were rounds before this answer.
    """
    if answer.complete:
        return _STAGE_OF_STOP_REASON.get(answer.stop_reason, "complete")
    if not failed:
        return "interrupted"
    return "cut" if answer.parts or begun else "failed"


def ended_round(answer: Answer, calls: Sequence[Call], model: models.Model | None) -> Round:
    """A step of a turn, with what its tool calls brought."""
    cost = models.cost(model, answer.usage) if model is not None else None
    saved = (models.saved(model, answer.usage) or 0.0) if model is not None else 0.0
    return Round(answer, assistant_message(answer), tuple(calls), cost, saved)


def ended(
    turn: Turn,
    answer: Answer,
    stage: Stage,
    model: models.Model | None,
    numbers: Numbers,
    *,
    thinking: bool = False,
    data: bool = False,
) -> Turn:
    """A turn with its answer.

    Parameters
    ----------
    turn : Turn
        What was asked, and its rounds so far.
    answer : Answer
        The last of its replies.
    model : Model or None
        Whose prices hold; None where none are known.
    numbers : Numbers
        Numbers the sources that the answer cites.
    thinking : bool
        Whether thinking is shown.
    data : bool
        Whether the answer is data, its JSON to be shown readable.
    """
    asked = {
        str(part.raw["id"]): part.raw
        for round_ in turn.rounds
        for part in round_.answer.parts
        if isinstance(part, OtherPart) and "id" in part.raw
    }
    replies = [*((round_.answer, round_.calls) for round_ in turn.rounds), (answer, ())]
    sections = [
        section
        for reply, calls in replies
        for section in answer_sections(
            _readable(reply) if data else reply, numbers, calls, thinking=thinking, before=asked
        )
    ]
    text = joined(sections)
    cited = source_list(numbers.sources)
    last = ended_round(answer, (), model)
    costs = [round_.cost for round_ in (*turn.rounds, last)]
    folded = any(section.kind != "text" for section in sections)
    sections += [Section("text", cited)] if cited else []
    return replace(
        turn,
        # What the model declined to say on does not go back to it as something said.
        reply=b"" if stage == "refused" else last.reply,
        shown=f"{text}\n\n{cited}" if cited else text,
        sections=tuple(sections) if folded else (),
        answer=answer,
        stage=stage,
        model=answer.model or turn.model,
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        saved=sum(round_.saved for round_ in (*turn.rounds, last)),
    )


def free_of_charge(turn: Turn, replayed: Sequence[str]) -> Turn:
    """A turn without the costs of those of its replies that a cassette gave.

    Parameters
    ----------
    replayed : sequence of str
        Of each reply, from where and of which day it is; ``""`` for one that the API gave now.
    """
    if not any(replayed):
        return turn
    rounds = tuple(
        replace(one, cost=0.0, saved=0.0) if again else one
        for one, again in zip(turn.rounds, replayed, strict=False)
    )
    asked = [one for one, again in zip(turn.rounds, replayed, strict=False) if not again]
    told = len(replayed) > len(turn.rounds) and not replayed[-1]  # the last reply is the API's own
    last = None if turn.cost is None else turn.cost - sum(one.cost or 0.0 for one in turn.rounds)
    costs = [*(one.cost for one in asked), *([last] if told else [])]
    return replace(
        turn,
        rounds=rounds,
        cost=None if None in costs else sum((cost for cost in costs if cost is not None), 0.0),
        saved=sum((one.saved for one in asked), 0.0)
        + (turn.saved - sum(one.saved for one in turn.rounds) if told else 0.0),
        replayed=next(filter(None, replayed)),
    )


def recovered(turn: Turn, lines: Sequence[str], above: Sequence[Turn]) -> Turn:
    """A turn whose kernel died, ended with what had been journaled.

    Parameters
    ----------
    lines : sequence of str
        Its reply's stream as far as it was received.
    above : sequence of Turn
        What stands above it: its answer may cite their documents.
    """
    numbers = Numbers(tuple(block for one in (*above, turn) for block in one.blocks))
    fold = Fold(numbers, begins=turn.answer.text)
    for event in decoded(list(lines)):
        fold.take(event)
    answer = fold.answer()
    stage = stage_of(answer, failed=not answer.parts, begun=bool(turn.rounds))
    done = ended(turn, answer, stage, models.find(answer.model or turn.model), numbers)
    # No header tells it any more, but the local API's ids do.
    return replace(done, demo=answer.message_id.startswith("msg_local_"))


def _readable(answer: Answer) -> Answer:
    """An answer with its JSON as it is shown."""
    parts = [
        replace(part, text=readable(part.text)) if isinstance(part, TextPart) else part
        for part in answer.parts
    ]
    return replace(answer, parts=tuple(parts))
