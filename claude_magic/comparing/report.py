"""The report of several models over a set of prompts: a table, its totals, and where answers differ most."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from claude_magic.comparing.comparison import sum_of
from claude_magic.comparing.verdicts import Difference, difference, word_diff
from claude_magic.display.neutral import inline
from claude_magic.display.static import Bundle
from claude_magic.display.status import money
from claude_magic.display.table import Table
from claude_magic.display.untrusted import visible
from claude_magic.display.word_diff import as_markdown, as_text, shown_runs
from claude_magic.values import Turn

MOST_SHOWN = 3
"""Answers whose words are shown side by side."""
_START = 60
_HEAD = ("", "prompt", "model", "in", "out", "cost", "length", "alike", "verdict")
_NUMBERS = ("in", "out", "cost", "length", "alike")


@dataclass(frozen=True)
class Case:
    """A prompt and its answers.

    Parameters
    ----------
    number : int
        Of the prompt, from 1.
    turns : tuple of Turn
        One a model.
    problems : tuple of str
        For each what ended it early, in one line; ``""`` for nothing.
    """

    number: int
    prompt: str
    turns: tuple[Turn, ...]
    problems: tuple[str, ...]

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """What the answers after the first are, next to it."""
        return tuple(difference(self.turns[0], turn) for turn in self.turns[1:])


@dataclass(frozen=True, slots=True)
class Report:
    """The answers of several models to a set of prompts.

    Parameters
    ----------
    models : tuple of str
        Their ids; the others are compared with the first.
    """

    models: tuple[str, ...]
    cases: tuple[Case, ...]

    def bundle(self) -> Bundle:
        """The report as Markdown and plain text; what differs from run to run is in the metadata."""
        found = [case.differences for case in self.cases]
        table = self._table(found)
        told = table._repr_mimebundle_()
        markdown, plain = [told["text/markdown"]], [told["text/plain"]]
        for case, at in self._most_different(found):
            old, new = case.turns[0], case.turns[at + 1]
            runs = shown_runs((one.where, one.words) for one in word_diff(old.text, new.text))
            alike = _percent(found[case.number - 1][at])
            title = f"{case.number}. {_start(case.prompt)} · {self.models[at + 1]}: {alike} alike"
            markdown.append(f"**{inline(title)}**\n\n{as_markdown(runs)}")
            plain.append(f"{visible(title)}\n{as_text(runs)}")
        seconds = [[round(turn.seconds, 2) for turn in case.turns] for case in self.cases]
        data = {"text/markdown": "\n\n".join(markdown), "text/plain": "\n\n".join(plain)}
        return data, {"claude_magic": {"seconds": seconds}}

    def frame(self) -> Any:
        """One record an answer, with its text: a pandas frame where there is pandas, else a list of dicts."""
        records = list(self._records())
        if "pandas" in sys.modules or find_spec("pandas") is not None:
            return import_module("pandas").DataFrame(records)
        return records

    def _records(self) -> Iterator[dict[str, Any]]:
        for case in self.cases:
            told = (None, *case.differences)
            for turn, model, found, problem in zip(case.turns, self.models, told, case.problems, strict=True):
                yield {
                    "number": case.number,
                    "prompt": case.prompt,
                    "model": model,
                    "stage": turn.stage,
                    "verdict": found.verdict if found else "",
                    "alike": found.alike if found else None,
                    "input_tokens": turn.usage.prompt_tokens,
                    "output_tokens": turn.usage.output_tokens,
                    "cost": turn.cost,
                    "seconds": turn.seconds,
                    "length": len(turn.text),
                    "text": turn.text,
                    "problem": problem,
                }

    def _table(self, found: list[tuple[Difference, ...]]) -> Table:
        rows = [
            _row(case, model, turn, (None, *told)[place], first=not place)
            for case, told in zip(self.cases, found, strict=True)
            for place, (model, turn) in enumerate(zip(self.models, case.turns, strict=True))
        ]
        foot = [*(self._total(place) for place in range(len(self.models)))]
        foot += [self._against(place, found) for place in range(1, len(self.models))]
        failed = Counter(problem for case in self.cases for problem in case.problems if problem)
        foot += [f"{count} × {problem}" for problem, count in failed.most_common(3)]
        return Table(
            _HEAD,
            tuple(rows),
            f"{len(self.cases)} prompt{'s' if len(self.cases) > 1 else ''}",
            _NUMBERS,
            tuple(foot),
        )

    def _total(self, place: int) -> str:
        turns = [case.turns[place] for case in self.cases]
        given = sum(turn.usage.prompt_tokens for turn in turns)
        got = sum(turn.usage.output_tokens for turn in turns)
        demo = any(turn.demo for turn in turns)
        cost = sum_of(turn.cost for turn in turns if turn.usage.output_tokens)
        told = "" if cost is None else f", {money(cost)}" + " at list price, offline demo, not Claude" * demo
        return f"{self.models[place]}: {given:,} in, {got:,} out{told}"

    def _against(self, place: int, found: list[tuple[Difference, ...]]) -> str:
        """One model next to the first: ratios over the prompts that both have answered, and verdicts."""
        both = [case for case in self.cases if all(case.turns[at].usage.final for at in (0, place))]
        parts = []
        old, new = (sum_of(case.turns[at].cost for case in both) for at in (0, place))
        if old and new:
            parts.append(f"cost × {new / old:.2f}")
        was, now = (sum(case.turns[at].usage.output_tokens for case in both) for at in (0, place))
        if was:
            parts.append(f"output tokens × {now / was:.2f}")
        verdicts = Counter(told[place - 1].verdict for told in found)
        parts += [f"{count} {verdict}" for verdict, count in verdicts.most_common()]
        return f"{self.models[place]} next to {self.models[0]}: {', '.join(parts)}"

    def _most_different(self, found: list[tuple[Difference, ...]]) -> list[tuple[Case, int]]:
        """The answers that have least in common with the first model's, which are not the same."""
        pairs = [
            (one.alike, case.number, case, at)
            for case, told in zip(self.cases, found, strict=True)
            for at, one in enumerate(told)
            if one.alike is not None and one.verdict != "same"
        ]
        pairs.sort(key=lambda pair: pair[:2])
        return [(case, at) for _, _, case, at in pairs[:MOST_SHOWN]]


def _row(case: Case, model: str, turn: Turn, found: Difference | None, *, first: bool) -> tuple[str, ...]:
    usage = turn.usage
    return (
        str(case.number) if first else "",
        _start(case.prompt) if first else "",
        model,
        f"{usage.prompt_tokens:,}" if usage.prompt_tokens else "",
        f"{usage.output_tokens:,}" if usage.output_tokens else "",
        money(turn.cost) if turn.cost is not None and usage.output_tokens else "",
        f"{len(turn.text):,}",
        _percent(found),
        found.verdict if found is not None else "" if turn.stage == "complete" else turn.stage,
    )


def _percent(found: Difference | None) -> str:
    return f"{int(found.alike * 100)} %" if found is not None and found.alike is not None else ""


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _START else line[: _START - 1] + "…"
