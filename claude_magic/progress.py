"""Where a turn stands, for the status line."""

from __future__ import annotations

import time
from dataclasses import replace

from claude_magic.api import models
from claude_magic.api.fold import Fold
from claude_magic.display.status import Status, Wait
from claude_magic.question import Question
from claude_magic.values import Round, Usage, total


class Progress:
    """Where a reply stands, for the status line."""

    def __init__(self, question: Question) -> None:
        self._model = question.model
        self._density = question.density
        self._began = time.monotonic()
        self._writing = 0.0
        self.rounds: tuple[Round, ...] = ()
        """What has come before the reply under way."""

    @property
    def seconds(self) -> float:
        """Since the question."""
        return time.monotonic() - self._began

    def status(self, fold: Fold, wait: Wait | None = None) -> Status:
        """The status of a reply as far as it has come."""
        usage = self.estimated(fold)
        whole = total([*(round_.answer.usage for round_ in self.rounds), usage])
        costs = [models.cost(self._model, usage), *(round_.cost for round_ in self.rounds)]
        now = time.monotonic()
        if usage.output_tokens and not self._writing:
            self._writing = now
        lasting = now - self._writing
        return Status(
            model=self._model.id,
            phase=fold.phase,
            usage=whole,
            cost=None if None in costs else sum(cost for cost in costs if cost is not None),
            seconds=self.seconds,
            rate=usage.output_tokens / lasting if self._writing and lasting > 1 else None,
            window=self._model.window,
            wait=wait,
            taken=usage.prompt_tokens + usage.output_tokens,
        )

    def between(self, phase: str) -> Status:
        """The status while the kernel is at work, between two replies."""
        return replace(self.status(Fold()), phase=phase)

    def estimated(self, fold: Fold) -> Usage:
        """The usage, its output estimated by the size of what has come until the API has counted it."""
        if fold.usage.final:
            return fold.usage
        return replace(
            fold.usage, output_tokens=max(fold.usage.output_tokens, round(fold.pieces * self._density))
        )
