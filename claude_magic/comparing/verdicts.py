"""How far the answers of two models to one prompt differ, said in words that tell only what was measured."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from claude_magic.values import Turn

Verdict = Literal["same", "close", "different", "refused", "failed", "cut", "not asked"]

CLOSE = 0.8
"""Share of words in common from which answers are close."""
MOST_WORDS = 5_000
"""Words of an answer that are compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an answer is, next to that of the first model.

    Parameters
    ----------
    verdict : Verdict
        ``same`` for the same words, ``close`` and ``different`` by the share of words in common; else what
        kept one of the two from ending by itself.
    alike : float or None
        The share of words in common, from 0 to 1, as difflib has it; None where one answer is not whole.
    """

    verdict: Verdict
    alike: float | None = None


def difference(old: Turn, new: Turn) -> Difference:
    """Compare the answers of two turns, word by word."""
    for turn in (new, old):
        if turn.stage == "interrupted" and not (turn.answer.parts or turn.rounds):
            return Difference("not asked")
        if turn.stage == "failed":
            return Difference("failed")
    if "refused" in (old.stage, new.stage):
        return Difference("refused")
    if not old.stage == new.stage == "complete":
        return Difference("cut")
    ratio = _matcher(old.text, new.text).ratio()
    if old.text.split() == new.text.split():
        return Difference("same", 1.0)
    return Difference("close" if ratio >= CLOSE else "different", min(ratio, 0.9999))


@dataclass(frozen=True, slots=True)
class Words:
    """A run of words: in both answers, in the old one only, or in the new one only."""

    where: Literal["both", "old", "new"]
    words: tuple[str, ...]


def word_diff(old: str, new: str) -> Iterator[Words]:
    """The words of two texts, those in common once."""
    before, after = _words(old), _words(new)
    for kind, from_, to, start, end in _matcher(old, new).get_opcodes():
        if kind == "equal":
            yield Words("both", tuple(before[from_:to]))
            continue
        if from_ < to:
            yield Words("old", tuple(before[from_:to]))
        if start < end:
            yield Words("new", tuple(after[start:end]))


def _words(text: str) -> list[str]:
    return text.split()[:MOST_WORDS]


def _matcher(old: str, new: str) -> difflib.SequenceMatcher[str]:
    return difflib.SequenceMatcher(None, _words(old), _words(new))
