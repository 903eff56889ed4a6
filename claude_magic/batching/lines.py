"""The lines that tell what was sent and what has come."""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.batching.spooling import Spooled
from claude_magic.conversation.batch_values import SENDING, Sent
from claude_magic.display.status import about, money
from claude_magic.question import Question


def sent_line(spooled: Spooled, question: Question, batches: int, into: str) -> list[str]:
    """What was sent, what it may cost, and how its answers are fetched; the parts of one line."""
    count = spooled.asked
    parts = [f"{count:,} question{'' if count == 1 else 's'} sent"]
    if batches > 1:
        parts[0] += f" as {batches} batches"
    for number, what in (
        (spooled.known, "known from before"),
        (sum(spooled.underway.values()), "under way already"),
        (spooled.refused, "cannot be asked"),
    ):
        parts += [f"{number:,} {what}"] if number else []
    if spooled.input_cost is not None and spooled.most_cost is not None:
        most = question.most
        parts.append(
            f"{about(spooled.input_cost)} for the input, at most {money(spooled.most_cost)} with "
            f"answers of {most:,} tokens, at half price"
        )
    return [*parts, f"%claude_batches --fetch last brings them into {into}"]


def fetched_line(parts: Sequence[Sent], target: str) -> str:
    """What has come of a run."""
    answered = sum(part.answered for part in parts)
    left = sum(part.unanswered for part in parts)
    cost = sum(part.cost for part in parts)
    told = [f"{target}: {answered:,} question{'' if answered == 1 else 's'} answered"]
    if left:
        told.append(f"{left:,} without an answer, which --resend sends again")
    if cost:
        demo = any(part.demo for part in parts)
        told.append(f"{money(cost)}{' at list price, nothing charged by the demo' if demo else ''}")
    return " · ".join(told)


def not_yet(open_: Sequence[Sent]) -> str:
    """Why something cannot be fetched yet."""
    if not open_:
        return "Nothing of it can be fetched."
    one = open_[0]
    told = "is still in progress; --wait waits for it"
    if not one.id:
        perhaps = one.status == SENDING
        told = "has perhaps not been sent" if perhaps else "has not been sent; --resend sends it"
    more = f", and {len(open_) - 1} more" if len(open_) > 1 else ""
    return f"{one.label}{more} {told}."
