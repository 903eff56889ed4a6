"""How long the batches of this server take, and how many of their requests come to grief.

For notebooks it is a moment and none, for tests whatever they need.
"""

from __future__ import annotations

from dataclasses import dataclass

DELAY = 0.5
DAY = 86_400.0


@dataclass(frozen=True)
class Pledge:
    """What becomes of a batch.

    Parameters
    ----------
    delay
        Seconds over which its requests are answered, evenly; it takes longer where the demo model needs it.
    life
        Seconds after which what is not answered expires.
    kept
        Seconds, from its creation, for which its results can be fetched.
    errored
        Share of its requests, from 0 to 1, that end in an error of the server.
    expired
        Share of its requests that are not answered before it expires.
    """

    delay: float = DELAY
    life: float = DAY
    kept: float = 29 * DAY
    errored: float = 0.0
    expired: float = 0.0

    def fate(self, number: int) -> str:
        """What becomes of the request with a number from 0 on: ``answered``, ``errored`` or ``expired``."""
        for name, share in (("errored", self.errored), ("expired", self.expired)):
            if int((number + 1) * share + 1e-9) > int(number * share + 1e-9):
                return name
        return "answered"
