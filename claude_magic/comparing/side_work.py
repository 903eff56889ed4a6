"""Calls that are made at once, in threads of their own, while one thread shows how far they are."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from claude_magic.stop import Stop

SHOWN_EVERY = 0.15
"""Seconds between two looks at what the threads have brought."""
LEFT_AFTER = 2.0
"""Seconds after an interrupt that insists, in which the calls may still end."""

Result = TypeVar("Result")


def at_once(
    calls: Sequence[Callable[[], Result]], threads: int, stop: Stop, show: Callable[[int], None]
) -> list[Result | BaseException]:
    """Make calls in threads, in their order; return what each brought, or what it raised.

    All of what shows anything runs in this thread: ``show`` is called here some times a second, with the
    number of calls that have ended.

    Parameters
    ----------
    threads : int
        The most that run at once.
    stop : Stop
        The calls look at it themselves.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(calls)):
        waiting.put(number)
    brought: list[Result | BaseException] = [KeyboardInterrupt()] * len(calls)
    ended: list[int] = []
    all_ended = threading.Event()

    def work() -> None:
        while len(ended) < len(calls):
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                brought[number] = calls[number]()
            except BaseException as error:  # noqa: BLE001 - handed to who asked
                brought[number] = error
            ended.append(number)
            if len(ended) == len(calls):
                all_ended.set()

    for number in range(min(threads, len(calls))):
        threading.Thread(target=work, name=f"claude-magic-reply-{number}", daemon=True).start()
    give_up = float("inf")
    while time.monotonic() < give_up:
        try:
            if all_ended.wait(SHOWN_EVERY):
                break
            show(len(ended))
        except KeyboardInterrupt:  # the second one: the first is noted, and ends the calls
            stop.asked = stop.interrupted = True
            give_up = min(give_up, time.monotonic() + LEFT_AFTER)
    show(len(ended))
    return brought
