"""What the user is told of a turn that has ended, and what is raised of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from claude_magic.api.request import SYSTEM
from claude_magic.display.status import next_step
from claude_magic.errors import ApiProblem, ClaudeMagicError, Interrupted
from claude_magic.prepared import Prepared
from claude_magic.stop import Stop
from claude_magic.values import Answer, OtherPart, Part, Turn

NEARLY_FULL = 0.8
"""Share of the context window from which the user is told."""


def notes(prepared: Prepared, turn: Turn) -> Iterator[tuple[str, str]]:
    """Lines for the user, each with what it is about: about the same nothing is said twice."""
    question, usage = prepared.question, turn.answer.usage
    if turn.stage == "max_tokens" and usage.output_tokens < question.max_tokens:
        for limit in question.limits:
            yield f"{turn.id} {limit.what}", f"The answer was cut to keep within the limit for {limit.what}."
    share = (usage.prompt_tokens + usage.output_tokens) / question.model.window
    if share >= NEARLY_FULL:
        full = f"This conversation fills {share:.0%} of the context window of {question.model.id}."
        ways = "%claude_compact summarises its older turns, reversibly; --new begins another; %claude_undo"
        yield about_context(turn), f"{full} {ways} takes turns back."
    above = sum(block.kind == SYSTEM for one in prepared.history for block in one.blocks)
    if above and question.model.system_turns is False:
        left = f"{above} system messages above were" if above > 1 else "the system message above was"
        yield (
            f"left out {turn.conversation} {question.model.id}",
            f"{question.model.id} takes no system message inside a conversation: {left} left out.",
        )
    if not (turn.demo or turn.replayed) and any(
        _runs_code(part) for one in _replies(turn) for part in one.parts
    ):
        note = "Running code at the API may be charged by the time of its container, which the API does not "
        yield "container", f"{note}tell: it is not in the cost shown."


def about_context(turn: Turn) -> str:
    """What the note of a context that is nearly full is about."""
    return f"context of {turn.conversation}"


def _replies(turn: Turn) -> list[Answer]:
    return [*(round_.answer for round_ in turn.rounds), turn.answer]


def _runs_code(part: Part) -> bool:
    if not isinstance(part, OtherPart) or part.kind != "server_tool_use":
        return False
    return str(part.raw.get("name")).endswith("code_execution")


def raise_problem(
    stop: Stop,
    turn: Turn,
    problem: BaseException | None,
    reply: object = None,
    *,
    beside: Sequence[Turn] = (),
    where: str = "_claude",
) -> None:
    """Raise what ended a turn early, with what to do about it, and with the reply as far as it came.

    Parameters
    ----------
    beside : sequence of Turn
        What was asked together with it.
    where : str
        Where the user finds what came.
    """
    if stop.interrupted or isinstance(problem, KeyboardInterrupt):
        came = any(one.answer.parts or one.rounds for one in (turn, *beside))
        what = f"what came is kept in {where}" if came else "nothing had come yet"
        interrupted = Interrupted(f"stopped by an interrupt; {what}")
        interrupted.reply = reply
        raise interrupted from None
    if isinstance(problem, ApiProblem) and turn.stage == "cut":
        problem.advice = f"{next_step(turn) or f'It is in {where}; ask again'}."
    if isinstance(problem, ClaudeMagicError):
        problem.reply = reply
    if problem is not None:
        raise problem from None
