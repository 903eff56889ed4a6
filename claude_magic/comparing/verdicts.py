"""How far the answers of two models to one prompt differ, said in words that tell only what was measured."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from itertools import takewhile
from operator import eq
from typing import Literal

from claude_magic.values import Turn

Verdict = Literal["same", "close", "different", "refused", "failed", "cut", "not asked"]

CLOSE = 0.8
"""Share of words in common from which answers are close."""
AT_ONCE = 500_000
"""Pairs of equal words in a piece of two answers in which runs are looked for at once."""
PER_WORD = 2
"""What a word costs beside its pairs, in pairs."""
MOST_PAIRS = 10_000_000
"""Pairs looked at in two answers: a second or two."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an answer is, next to that of the first model.

    Parameters
    ----------
    verdict : Verdict
        ``same`` for the same words, ``close`` and ``different`` by the share of words in common; else what
        kept one of the two from ending by itself.
    alike : float or None
        The share of words in common among all words of both, from 0 to 1, as difflib has it without its
        shortcuts; None where one answer is not whole. Where it would take too long, halves are compared with
        halves (`AT_ONCE`), and in the end no more words in common are looked for (`MOST_PAIRS`): the share is
        a lower bound then.
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
    before, after = old.text.split(), new.text.split()
    if before == after:
        return Difference("same", 1.0)
    ratio = 2 * sum(run.size for run in _in_common(before, after)) / (len(before) + len(after))
    return Difference("close" if ratio >= CLOSE else "different", min(ratio, 0.9999))


@dataclass(frozen=True, slots=True)
class Words:
    """A run of words: in both answers, in the old one only, or in the new one only."""

    where: Literal["both", "old", "new"]
    words: tuple[str, ...]


def word_diff(old: str, new: str) -> Iterator[Words]:
    """The words of two texts, those in common once."""
    before, after = old.split(), new.split()
    at = start = 0
    for run in (*_in_common(before, after), Match(len(before), len(after), 0)):
        if at < run.a:
            yield Words("old", tuple(before[at : run.a]))
        if start < run.b:
            yield Words("new", tuple(after[start : run.b]))
        at, start = run.a + run.size, run.b + run.size
        if run.size:
            yield Words("both", tuple(before[run.a : at]))


def _in_common(before: Sequence[str], after: Sequence[str]) -> list[Match]:
    """The runs of words in common, in order: those at both ends, and between them what difflib finds."""
    first = _beginning(before, after)
    last = _beginning(before[first:][::-1], after[first:][::-1])
    middle = [words[first : len(words) - last] for words in (before, after)]
    between = (Match(run.a + first, run.b + first, run.size) for run in _runs(*middle))
    ends = Match(0, 0, first), Match(len(before) - last, len(after) - last, last)
    return [run for run in (ends[0], *between, ends[1]) if run.size]


def _beginning(before: Sequence[str], after: Sequence[str]) -> int:
    """The number of words that both begin with."""
    return sum(takewhile(bool, map(eq, before, after)))


def _runs(before: Sequence[str], after: Sequence[str]) -> list[Match]:
    """The longest run in common, and so on left and right of it; the larger pieces before the smaller."""
    found, pieces, left = [], deque([(0, len(before), 0, len(after))]), MOST_PAIRS
    while pieces and left > 0:
        begin, end, start, stop = pieces.popleft()
        olds, news = before[begin:end], after[start:stop]
        counts = Counter(news)
        pairs = sum(counts[word] for word in olds)
        left -= PER_WORD * (len(olds) + len(news))
        if not pairs:
            continue
        at, there, size = (begin + end) // 2, (start + stop) // 2, 0
        if pairs <= AT_ONCE:
            run = SequenceMatcher(None, olds, news, autojunk=False).find_longest_match()
            at, there, size = begin + run.a, start + run.b, run.size
            found.append(Match(at, there, size))
            left -= pairs
        pieces += (begin, at, start, there), (at + size, end, there + size, stop)
    return sorted(found)
