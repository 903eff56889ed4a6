"""What the user is told of a turn that has ended, and what is raised of it."""

from __future__ import annotations

from claude_magic.display.status import next_step
from claude_magic.errors import ApiProblem, Interrupted
from claude_magic.question import Prepared
from claude_magic.stop import Stop
from claude_magic.values import Turn

NEARLY_FULL = 0.8
"""Share of the context window from which the user is told."""


def cut_by_limits(prepared: Prepared, turn: Turn) -> tuple[str, ...]:
    """A line for each limit of money that may have cut an answer short."""
    question = prepared.question
    if turn.stage != "max_tokens" or turn.answer.usage.output_tokens >= question.max_tokens:
        return ()
    return tuple(
        f"The answer was cut to keep within the limit for {limit.what}." for limit in question.limits
    )


def nearly_full(prepared: Prepared, turn: Turn) -> str:
    """A line when the conversation nearly fills the model's context window, else ``""``."""
    model, usage = prepared.question.model, turn.answer.usage
    share = (usage.prompt_tokens + usage.output_tokens) / model.window
    if share < NEARLY_FULL:
        return ""
    return (
        f"This conversation fills {share:.0%} of the context window of {model.id}. %claude_compact "
        "summarises its older turns, reversibly; --new begins another; %claude_undo takes turns back."
    )


def raise_problem(stop: Stop, turn: Turn, problem: BaseException | None) -> None:
    """Raise what ended a turn early, with what to do about it."""
    if stop.interrupted or isinstance(problem, KeyboardInterrupt):
        what = "what came is kept in _claude" if turn.answer.parts else "nothing had come yet"
        raise Interrupted(f"stopped by an interrupt; {what}") from None
    if isinstance(problem, ApiProblem) and turn.stage == "cut":
        problem.advice = f"{next_step(turn) or 'It is in _claude; ask again'}."
    if problem is not None:
        raise problem from None
