"""Money that many questions share: reserved before each goes out, so that together they keep within it."""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.api.budget import Limit

_HAIR = 1e-12


class MapPurse:
    """What the limits of a map leave.

    Parameters
    ----------
    limits : sequence of Limit
        None at all lets everything through.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self._left = min((limit.usd - limit.spent for limit in limits), default=float("inf"))
        self._reserved = 0.0

    @property
    def left(self) -> float:
        """USD that are neither spent nor reserved."""
        return self._left - self._reserved

    @property
    def tightest(self) -> Limit:
        """The limit that ends first."""
        return min(self.limits, key=lambda limit: limit.usd - limit.spent)

    def grant(self, whole: float, enough: float, least: float) -> float | None:
        """Reserve for a question; None where there is not enough, or not before others have ended.

        Parameters
        ----------
        whole : float
            USD with the longest answer there may be: reserved where there is so much.
        enough : float
            USD with an answer longer than any so far: reserved otherwise.
        least : float
            USD with the shortest answer worth asking for: where nothing else is under way, what is left is
            reserved from so much on.
        """
        if not self.limits:
            return 0.0
        for wanted in (whole, enough):
            if wanted <= self.left + _HAIR:
                self._reserved += wanted
                return wanted
        if self._reserved <= _HAIR and least <= self.left:
            granted = self.left
            self._reserved += granted
            return granted
        return None

    def settle(self, granted: float, cost: float) -> None:
        """A question has ended: what it cost is spent, the rest of what was reserved is free again."""
        if self.limits:
            self._reserved = max(0.0, self._reserved - granted)
            self._left -= cost
