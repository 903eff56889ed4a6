"""The notebook's interrupt at random moments: what came is kept, the next question works."""

from __future__ import annotations

import _thread  # sends this thread the signal that a kernel would
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from claude_magic.api.patience import Patience, retried
from claude_magic.errors import ApiBusy, ApiProblem, RequestRefused
from claude_magic.stop import Stop, Stopped
from tests.benchmarks.interrupts import interrupts


def test_forty_interrupts_lose_nothing_and_leave_the_kernel_usable(tmp_path: Path) -> None:
    ended = interrupts(40, tmp_path)
    assert [one.wrong for one in ended if one.wrong] == []
    phases = Counter(one.phase for one in ended)
    assert phases["writing"] >= 20, phases


def strike() -> None:
    """Interrupt this thread; what it does about it happens here."""
    _thread.interrupt_main()
    time.sleep(0.05)


def test_an_interrupt_is_noted_not_raised_and_a_call_is_left() -> None:
    ticks: list[int] = []
    with Stop() as stop:
        threading.Timer(0.2, _thread.interrupt_main).start()
        with pytest.raises(Stopped):
            stop.during(lambda: time.sleep(30), lambda: ticks.append(1))
        assert (stop.asked, stop.interrupted) == (True, True)
        stop.sleep(30)  # returns at once
    with pytest.raises(KeyboardInterrupt):
        strike()


def test_who_insists_breaks_off_whatever_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_magic.stop.INSIST", 0.0)
    with Stop():
        strike()
        with pytest.raises(KeyboardInterrupt):
            strike()


def test_a_stop_in_another_thread_hears_the_button_only() -> None:
    heard: list[bool] = []

    def elsewhere() -> None:
        with Stop() as stop:
            threading.Timer(0.1, stop.ask).start()
            stop.sleep(30)
            heard.extend((stop.asked, stop.interrupted))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert heard == [True, False]


def test_a_call_that_fails_fails_here() -> None:
    def fails() -> None:
        raise ValueError("so")

    with Stop() as stop, pytest.raises(ValueError, match="so"):
        stop.during(fails, lambda: None)


def busy(*, retry_after: float | None = None, charged: bool = False) -> ApiBusy:
    return ApiBusy(
        "Busy.",
        "req_1",
        brief="overloaded (529)",
        pause=2.0,
        retry_after=retry_after,
        charged=charged,
    )


def test_waits_double_obey_the_api_and_end() -> None:
    patience = Patience(retries=3, longest_wait=10.0)
    waits = [patience.wait(busy(), tries) for tries in (1, 2, 3)]
    for wait, middle in zip(waits, (2.0, 4.0, 8.0), strict=True):
        assert wait is not None
        assert 0.8 * middle <= wait <= 1.2 * middle
    assert patience.wait(busy(), 4) is None
    assert patience.wait(busy(retry_after=7.0), 1) == 7.0
    assert patience.wait(busy(retry_after=10.1), 1) is None
    assert patience.wait(RequestRefused("No."), 1) is None
    assert Patience(retries=0).wait(busy(), 1) is None
    assert patience.wait(busy(charged=True), 1) is not None
    assert patience.wait(busy(charged=True), 2) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3600.0, "until "), (1e12, "for more than a day"), (float("inf"), "for more than a day")],
)
def test_a_wait_too_long_says_when_to_ask_again(seconds: float, said: str) -> None:
    told = str(Patience().given_up(busy(retry_after=seconds), 1))
    assert f"The API asks to wait {said}" in told
    assert told.endswith("(request req_1)")


def test_a_call_is_made_again_until_it_succeeds_or_patience_ends() -> None:
    calls: list[float] = []

    def call() -> str:
        if len(calls) < 2:
            raise busy(retry_after=0.01)
        return "done"

    assert retried(call, Patience(), calls.append) == "done"
    assert calls == [0.01, 0.01]
    calls = []
    with pytest.raises(ApiProblem, match="3 tries were made") as raised:
        retried(call, Patience(retries=2), lambda _: None)
    assert raised.value.tries == 3
