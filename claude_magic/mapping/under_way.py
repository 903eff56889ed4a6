"""Rows that a batch has asked already, and whose answers have not been fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from claude_magic.conversation.batch_values import Sent
from claude_magic.conversation.batches import BatchShelf
from claude_magic.errors import UsageProblem


def refuse_under_way(rows: Mapping[int, int], batches: Sequence[Sent]) -> None:
    """Refuse to ask rows that are under way in batches; they would be paid twice.

    Parameters
    ----------
    rows : mapping of int to int
        How many of them are in which batch, by its number in the store.
    batches : sequence of Sent
        What the store knows.

    Raises
    ------
    UsageProblem
        Where there are any. Nothing was sent.
    """
    if not rows:
        return
    known = {one.key: one.label for one in batches}
    names = [known[key] for key in rows if key in known]
    count = sum(rows.values())
    raise UsageProblem(
        f"{count:,} row{' is' if count == 1 else 's are'} under way in {', '.join(names) or 'a batch'}; "
        f"%claude_batches --fetch {names[0] if names else 'last'} brings the answers, --again asks anew. "
        "Nothing was sent."
    )


def refuse_twice(shelf: BatchShelf, questions: Mapping[str, int]) -> None:
    """As `refuse_under_way`, of questions by how many rows ask each."""
    rows: Counter[int] = Counter()
    for question, batch in shelf.under_way(questions).items():
        rows[batch] += questions[question]
    refuse_under_way(rows, shelf.batches() if rows else ())
