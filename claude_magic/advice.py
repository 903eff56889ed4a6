"""What the user should know of a turn that has ended, beyond its status line."""

from __future__ import annotations

from collections.abc import Iterator

from claude_magic.question import Question
from claude_magic.values import Turn

NEARLY_FULL = 0.8
"""Share of the context window from which the user is told."""


def notes(question: Question, turn: Turn) -> Iterator[tuple[str, str]]:
    """Lines for the user, each with what it is about: about the same nothing is said twice."""
    model, usage = question.model, turn.answer.usage
    if turn.stage == "max_tokens" and usage.output_tokens < question.max_tokens:
        for limit in question.limits:
            yield f"{turn.id} {limit.what}", f"The answer was cut to keep within the limit for {limit.what}."
    share = (usage.prompt_tokens + usage.output_tokens) / model.window
    if share >= NEARLY_FULL:
        full = f"This conversation fills {share:.0%} of the context window of {model.id}."
        ways = "--new begins another; %claude_undo, or %claude_chat --fork NAME and then %claude_undo, takes"
        yield f"context of {turn.conversation}", f"{full} {ways} turns back."
