"""The pace at which many requests go out: as fast as the API lets them, never in a storm.

A width is kept: how many requests may be under way at once. It begins small, doubles with each round of
answers until the API first says no, and grows by one a round from then on; each no halves it, once for all
requests that were under way when it came, and holds every request back for as long as the API asks. Before
the API has to say no, its headers tell how little is left: then requests go out one by one, spread over the
time until there is more.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from claude_magic.errors import ApiBusy
from claude_magic.stop import Stop

FIRST = 4
"""Requests under way at once to begin with."""
LOW = 0.1
"""The part of a limit from which on what is left of it is spread."""
LONGEST = 60.0
"""Seconds over which it is spread at most, and of a wait that the API did not ask for."""

_SLICE = 0.1
_PREFIX = "anthropic-ratelimit-"


class Gate(Protocol):
    """Where each try of a request waits until it may go out."""

    def enter(self, stop: Stop) -> float | None:
        """Wait; return the moment of leaving, for `leave`, or None where the user asked to end."""

    def leave(self, entered: float, problem: BaseException | None, headers: Mapping[str, str]) -> None:
        """A try has ended: what it met, and the headers of its answer as far as there was one."""


class OpenGate:
    """Nobody waits: one question alone is paced by its own retries."""

    def enter(self, stop: Stop) -> float | None:
        """Go."""
        return None if stop.asked else 0.0

    def leave(self, entered: float, problem: BaseException | None, headers: Mapping[str, str]) -> None:
        """Note nothing."""


class Pace:
    """The gate that many requests share.

    Parameters
    ----------
    most : int
        Requests under way at once, at most.
    tokens : float
        Input tokens of one request, about.
    """

    def __init__(self, most: int, tokens: float = 0.0) -> None:
        self._most = most
        self._tokens = tokens
        self._changed = threading.Condition()
        self._width = float(min(FIRST, most))
        self._steep = True
        self._running = 0
        self._refusals = 0
        self._gap = 0.0
        self._not_before = 0.0
        self._narrowed = 0.0

    @property
    def width(self) -> int:
        """How many requests may be under way at once now."""
        return int(self._width)

    @property
    def held(self) -> float:
        """Seconds for which nothing goes out; 0 where something may."""
        return max(0.0, self._not_before - time.monotonic())

    def enter(self, stop: Stop) -> float | None:
        """Wait for room, and until nothing holds requests back."""
        with self._changed:
            while not stop.asked:
                now = time.monotonic()
                wait = self._not_before - now
                if wait <= 0 and self._running < self.width:
                    self._running += 1
                    self._not_before = now + self._gap
                    return now
                self._changed.wait(min(_SLICE, wait) if wait > 0 else _SLICE)
            return None

    def leave(self, entered: float, problem: BaseException | None, headers: Mapping[str, str]) -> None:
        """Learn from how a try ended; let the next one go."""
        with self._changed:
            now = time.monotonic()
            self._running -= 1
            if isinstance(problem, ApiBusy) and _is_full(problem):
                self._narrow(problem, entered, now)
            elif problem is None:
                self._refusals = 0
                grown = self._width + (1.0 if self._steep else 1.0 / self._width)
                self._width = min(grown, float(self._most))
            if headers:
                self._gap = min(_gap(headers, self._tokens), LONGEST)
                self._not_before = max(self._not_before, entered + self._gap)
            self._changed.notify_all()

    def _narrow(self, problem: ApiBusy, entered: float, now: float) -> None:
        asked = problem.retry_after
        if entered >= self._narrowed:  # else it went out before the API's last no, and tells nothing new
            self._refusals += 1
            self._width = max(1.0, self._width / 2)
            self._narrowed = now
            self._steep = False
        if asked is None:
            asked = min((problem.pause or 1.0) * 2.0 ** min(self._refusals - 1, 10), LONGEST)
        self._not_before = max(self._not_before, now + asked)


def _is_full(problem: ApiBusy) -> bool:
    """Whether the API says that there is too much, and not that something broke."""
    return problem.retry_after is not None or problem.brief.startswith(("rate limit", "overloaded"))


def _gap(headers: Mapping[str, str], tokens: float) -> float:
    """The seconds between two requests that what is left asks for; 0 while there is plenty."""
    gap = 0.0
    for kind, each in (("requests", 1.0), ("input-tokens", tokens), ("tokens", tokens)):
        limit, left = (_number(headers.get(f"{_PREFIX}{kind}-{one}")) for one in ("limit", "remaining"))
        if limit is None or left is None or left > LOW * limit:
            continue
        seconds = _until(headers.get(f"{_PREFIX}{kind}-reset", ""), headers.get("date", ""))
        gap = max(gap, seconds * min(1.0, each / left) if left > 0 else seconds)
    return gap


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _until(moment: str, now: str) -> float:
    """Seconds until a moment, by the clock of who tells it where that is known; 0 for none."""
    try:
        reset = datetime.fromisoformat(moment).timestamp()
        told = email.utils.parsedate_to_datetime(now).timestamp() if now else time.time()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return max(0.0, reset - told)
