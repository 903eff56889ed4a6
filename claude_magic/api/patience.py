"""How long to wait for the API, and how often to try: all waiting is ours, and bounded."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from claude_magic.errors import ApiProblem

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """Deadlines and retries.

    Parameters
    ----------
    first_event : float
        Seconds to wait for the first event of a reply.
    silence : float
        Seconds without any event before a reply counts as cut.
    retries : int
        Further tries after the first one.
    longest_wait : float
        Seconds of one wait at most; who asks for more is not waited for.
    hurry : bool
        Whether no wait takes any time: what answers only repeats what it once said.
    """

    first_event: float = 120.0
    silence: float = 90.0
    retries: int = 4
    longest_wait: float = 120.0
    hurry: bool = False

    def wait(self, problem: ApiProblem, tries: int) -> float | None:
        """The seconds to wait after so many tries that failed; None to give up.

        What may have been charged is tried only once more. A wait the API asks for is taken as it is;
        others double from the problem's own pause, with some jitter, so that many clients do not come back
        at once.
        """
        most = min(self.retries, 1) if problem.charged else self.retries
        if problem.pause is None or tries > most:
            return None
        if problem.retry_after is not None and problem.retry_after > self.longest_wait:
            return None
        if self.hurry or problem.retry_after is not None:
            return 0.0 if self.hurry else problem.retry_after
        grown = problem.pause * 2.0 ** min(tries - 1, 30)
        return min(grown * random.uniform(0.8, 1.2), self.longest_wait)  # noqa: S311 - no secret

    def given_up(self, problem: ApiProblem, tries: int) -> ApiProblem:
        """The problem as it is told in the end: with the number of tries, or when to ask again."""
        problem.tries = tries
        asked = problem.retry_after
        if problem.pause is not None and asked is not None and asked > self.longest_wait:
            problem.advice = (
                f"The API asks to wait {_until(asked)}, which is longer than longest_wait "
                f"({self.longest_wait:.0f} s): ask again then."
            )
        return problem


def retried(call: Callable[[], Result], patience: Patience, sleep: Callable[[float], None]) -> Result:
    """Call until it succeeds, is refused or patience ends; for calls that show nothing while they wait.

    Raises
    ------
    ApiProblem
        What the last call raised.
    """
    tries = 1
    while True:
        try:
            return call()
        except ApiProblem as problem:
            pause = patience.wait(problem, tries)
            if pause is None:
                raise patience.given_up(problem, tries) from None
        sleep(pause)
        tries += 1


def _until(seconds: float) -> str:
    if seconds > 86_400:
        return "for more than a day"
    return f"until {time.strftime('%H:%M', time.localtime(time.time() + seconds))}"
