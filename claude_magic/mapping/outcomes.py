"""What came of a row, made of its turn."""

from __future__ import annotations

from dataclasses import replace

from claude_magic.conversation.asked import Kept
from claude_magic.display.status import ended_how
from claude_magic.rows import Outcome
from claude_magic.structured import Shape, record_of, result
from claude_magic.values import Turn


def answered(
    turn: Turn, problem: BaseException | None, shape: Shape | None, *, reused: bool = False
) -> Outcome:
    """The outcome of a row that was asked.

    Parameters
    ----------
    turn : Turn
        The turn it ended with.
    problem : BaseException or None
        What ended it early.
    shape : Shape or None
        What the answer is to be, where it is data; data that are not so make the row a failed one.
    reused : bool
        Whether the answer was there before, and so costs nothing now.
    """
    data, problem = result(shape, turn, problem, ended_how(turn))
    usage = turn.usage
    outcome = Outcome(
        stage=turn.stage,
        text=turn.text,
        error=one_line(problem) if problem is not None else _unfinished(turn),
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        cost=0.0 if reused else turn.cost,
        saved=0.0 if reused else turn.saved,
        reused=reused,
    )
    if shape is None:
        return outcome
    if problem is None:
        return replace(outcome, fields=record_of(data, shape.fields))
    return replace(outcome, stage="failed" if turn.stage == "complete" else turn.stage)


def of_before(kept: Kept, shape: Shape | None) -> Outcome:
    """The outcome of a row that was asked before; one with an error is a failed one."""
    outcome = answered(kept.turn, None, shape, reused=True)
    return replace(outcome, error=kept.error) if kept.error else outcome


def failed(error: str, stage: str = "failed", *, reused: bool = False) -> Outcome:
    """The outcome of a row that has no answer, with why in one line."""
    return Outcome(stage=stage, error=error, reused=reused)


def one_line(problem: BaseException) -> str:
    """An error's message on one line; its kind, where it says nothing."""
    said = " ".join(str(problem).split()) or type(problem).__name__
    return said.replace(" The text is kept in _claude, --into is as it was.", "")


def _unfinished(turn: Turn) -> str:
    if turn.stage == "complete":
        return ""
    how = ended_how(turn) or turn.stage
    return f"{how[:1].upper()}{how[1:]}."
