"""How a turn ends: the one place that makes a finished turn of what was asked and what has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from claude_magic.api import models
from claude_magic.api.repair import assistant_message
from claude_magic.display.sources import source_list
from claude_magic.values import Answer, Numbers, Stage, Turn, cited_text

_STAGE_OF_STOP_REASON: Mapping[str, Stage] = {
    "refusal": "refused",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
}


def stage_of(answer: Answer, *, failed: bool) -> Stage:
    """The stage in which an answer leaves its turn.

    Parameters
    ----------
    failed : bool
        Whether something other than the user ended it, if it is not complete.
    """
    if answer.complete:
        return _STAGE_OF_STOP_REASON.get(answer.stop_reason, "complete")
    if not failed:
        return "interrupted"
    return "cut" if answer.parts else "failed"


def ended(turn: Turn, answer: Answer, stage: Stage, model: models.Model | None, numbers: Numbers) -> Turn:
    """A turn with its answer.

    Parameters
    ----------
    turn : Turn
        What was asked.
    model : Model or None
        Whose prices hold; None where none are known.
    numbers : Numbers
        Numbers the sources that the answer cites.
    """
    text = cited_text(answer.parts, numbers)
    cited = source_list(numbers.sources)
    return replace(
        turn,
        # What the model declined to say on does not go back to it as something said.
        reply=b"" if stage == "refused" else assistant_message(answer),
        shown=f"{text}\n\n{cited}" if cited else text,
        answer=answer,
        stage=stage,
        model=answer.model or turn.model,
        cost=models.cost(model, answer.usage) if model is not None else None,
        saved=(models.saved(model, answer.usage) or 0.0) if model is not None else 0.0,
    )
