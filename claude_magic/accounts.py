"""The accounts of one kernel: what was spent, what may be, and what its replies taught of their models."""

from __future__ import annotations

import time

from claude_magic.api import models
from claude_magic.api.budget import KERNEL, QUESTION, TODAY, Limit
from claude_magic.api.estimate import Densities, pieces
from claude_magic.settings import Settings
from claude_magic.values import TextPart, Turn


class Accounts:
    """What this kernel has spent since it started."""

    def __init__(self) -> None:
        self.began = time.time()
        """When it started, in seconds since the epoch."""
        self._densities = Densities()
        # What the demo answered, at list price, and what was paid are different purses.
        self._spent = {True: 0.0, False: 0.0}
        self._apart = {True: 0.0, False: 0.0}
        self.demo: bool | None = None
        """Whether the demo model answers, whose costs are none; None while nobody has answered yet."""

    def density(self, model: models.Model) -> float:
        """Tokens per piece of a model's texts, for estimates."""
        return self._densities.density(model.id, model.density)

    def limits(
        self, max_cost: float, settings: Settings, today: float, under_way: float, *, demo: bool
    ) -> tuple[Limit, ...]:
        """What a question may cost.

        Parameters
        ----------
        max_cost : float
            USD for this question; 0 for no limit.
        today : float
            USD that the notebook has spent today, as the store knows it, and what batches may still cost.
        under_way : float
            USD that this kernel's batches may still cost.
        demo : bool
            Whether the demo model is asked: its list prices and what is paid are never summed.
        """
        limits = []
        if max_cost:
            limits.append(
                Limit(
                    QUESTION,
                    max_cost,
                    0.0,
                    "give a larger --max-cost or %claude_config max_cost=… (0 for none)",
                )
            )
        if settings.budget:
            spent = today + self.apart(demo=demo)
            advice = "set %claude_config budget=… (0 for none)"
            limits.append(Limit(TODAY, settings.budget, spent, advice))
        if settings.session_budget:
            advice = "set %claude_config session_budget=… (0 for none)"
            limits.append(Limit(KERNEL, settings.session_budget, self._spent[demo] + under_way, advice))
        return tuple(limits)

    def apart(self, *, demo: bool) -> float:
        """USD that this kernel has spent on questions of which the store does not know."""
        return self._apart[demo]

    def add(self, turn: Turn, *, kept: bool) -> None:
        """Add a turn's cost; ``kept`` where the store knows of it, too."""
        if turn.answer.message_id:
            self.demo = turn.demo
        cost = turn.cost or 0.0
        self._spent[turn.demo] += cost
        if not kept:
            self._apart[turn.demo] += cost
        usage = turn.answer.usage
        plain = all(isinstance(part, TextPart) for part in turn.answer.parts)
        if usage.final and not usage.thinking_tokens and plain:
            size = pieces(turn.answer.text)
            self._densities = self._densities.after(turn.model, size, usage.output_tokens)
