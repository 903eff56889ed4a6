"""The accounts of one kernel: what was spent, what may be, and what its replies taught of their models."""

from __future__ import annotations

from collections.abc import Callable

from claude_magic.api import models
from claude_magic.api.budget import Limit
from claude_magic.api.estimate import Densities, pieces
from claude_magic.settings import Settings
from claude_magic.values import Turn


class Accounts:
    """What this kernel has spent since it started."""

    def __init__(self) -> None:
        self._densities = Densities()
        self._spent = 0.0
        self._apart = 0.0
        self.demo: bool | None = None
        """Whether the demo model answers, whose costs are none; None while nobody has answered yet."""

    def density(self, model: models.Model) -> float:
        """Tokens per piece of a model's texts, for estimates."""
        return self._densities.density(model.id, model.density)

    def limits(
        self, max_cost: float, settings: Settings, spent_today: Callable[[], float]
    ) -> tuple[Limit, ...]:
        """What a question may cost.

        Parameters
        ----------
        max_cost : float
            USD for this question; 0 for no limit.
        spent_today : callable
            Looks up, where that matters, what the notebook has spent today.
        """
        limits = []
        if max_cost:
            limits.append(
                Limit("this question", max_cost, 0.0, "give --max-cost or %claude_config max_cost=…")
            )
        if settings.budget:
            spent = spent_today() + self._apart
            limits.append(Limit("this notebook today", settings.budget, spent, "set %claude_config budget=…"))
        if settings.session_budget:
            advice = "set %claude_config session_budget=…"
            limits.append(Limit("this kernel", settings.session_budget, self._spent, advice))
        return tuple(limits)

    def add(self, turn: Turn, *, kept: bool) -> None:
        """Add a turn's cost; ``kept`` where the store knows of it, too."""
        if turn.answer.message_id:
            self.demo = turn.demo
        cost = turn.cost or 0.0
        self._spent += cost
        if not kept:
            self._apart += cost
        usage = turn.answer.usage
        if usage.final and not usage.thinking_tokens:
            size = pieces(turn.answer.text)
            self._densities = self._densities.after(turn.model, size, usage.output_tokens)
