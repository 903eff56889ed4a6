"""The pace of many requests: it grows with answers, is halved by a no, and spreads what is nearly used up."""

from __future__ import annotations

import threading
import time

import pytest

from claude_magic.api.pacing import FIRST, Pace
from claude_magic.errors import ApiBusy, StreamCut
from claude_magic.stop import Stop

FULL = ApiBusy("no", brief="rate limit (429)", pause=2.0, retry_after=30.0)


def entered(pace: Pace) -> float:
    moment = pace.enter(Stop())
    assert moment is not None
    return moment


def test_it_grows_while_all_is_well_and_never_beyond() -> None:
    pace = Pace(16)
    assert pace.width == FIRST
    for _ in range(50):
        pace.leave(entered(pace), None, {})
    assert pace.width == 16
    assert Pace(2).width == 2


def test_a_no_halves_it_once_for_all_that_were_under_way_and_holds_back() -> None:
    pace = Pace(16)
    for _ in range(12):
        pace.leave(entered(pace), None, {})
    begun = [entered(pace) for _ in range(16)]
    before = time.monotonic()
    for moment in begun:
        pace.leave(moment, FULL, {})
    assert pace.width == 8
    held = pace.held
    assert 29.9 - (time.monotonic() - before) <= held <= 30


def test_what_is_no_fault_of_the_pace_leaves_it_alone() -> None:
    pace = Pace(16)
    pace.leave(entered(pace), StreamCut("cut"), {})
    pace.leave(entered(pace), ApiBusy("fault", brief="a fault of the API (500)", pause=1.0), {})
    assert (pace.width, pace.held) == (FIRST, 0)


def test_who_waits_can_be_stopped() -> None:
    pace, stop, ends = Pace(4), Stop(), []
    pace.leave(entered(pace), FULL, {})
    thread = threading.Thread(target=lambda: ends.append(pace.enter(stop)))
    thread.start()
    stop.asked = True
    thread.join(10)
    assert ends == [None]


@pytest.mark.parametrize(
    ("kind", "limit", "left", "gap"),
    [
        ("requests", 1000, 500, 0),
        ("requests", 1000, 50, 4),
        ("requests", 1000, 0, 60),
        ("input-tokens", 100_000, 5_000, 8),
        ("tokens", 100_000, 0, 60),
        ("tokens", "odd", 0, 0),
    ],
)
def test_what_is_nearly_used_up_is_spread(kind: str, limit: object, left: int, gap: float) -> None:
    pace = Pace(8, tokens=200)
    headers = {
        f"anthropic-ratelimit-{kind}-limit": str(limit),
        f"anthropic-ratelimit-{kind}-remaining": str(left),
        f"anthropic-ratelimit-{kind}-reset": "2026-05-01T12:03:20Z",
        "date": "Fri, 01 May 2026 12:00:00 GMT",
    }
    moment = entered(pace)
    pace.leave(moment, None, headers)
    assert pace.held == pytest.approx(max(0.0, moment + gap - time.monotonic()), abs=0.5)
