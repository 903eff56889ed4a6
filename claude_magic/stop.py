"""The user's wish to end what runs, from whichever side it comes."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

INSIST = 2.0
"""Seconds after a first interrupt from which a further one breaks off whatever still runs."""

_SLICE = 0.05
_TICK = 0.5
_SETTLED = 1.0

Result = TypeVar("Result")


class Stopped(Exception):
    """What was running has been left, because the user asked for it."""


class Stop:
    """Asked for by the Stop button, from another thread, or by the notebook's interrupt, a signal.

    Inside ``with stop:`` an interrupt does not fall as an exception into whatever runs at that moment: it
    is noted, all that waits looks here many times a second, and the turn ends in good order. Plain
    attributes, because a signal must not wait for the lock that the code it interrupts may hold.

    Only inside `breaking` does it fall, as KeyboardInterrupt: there the user's own code runs, which looks
    nowhere. The button reaches it as a signal to the main thread; in any other thread, which no signal
    reaches, such code runs to its end.
    """

    def __init__(self) -> None:
        self.asked = False
        """Whether to end, by the button or by an interrupt."""
        self.interrupted = False
        """Whether it was an interrupt: queued cells must not go on."""
        self._since = 0.0
        self._before: Any = None
        self._breakable = False
        self._pressed = False
        self._pressing = threading.Lock()

    def ask(self) -> None:
        """Ask to end; what runs in `breaking` is broken off."""
        with self._pressing:
            self.asked = True
            if self._breakable and not self._pressed:
                self._pressed = True
                _signal_main_thread()

    def breaking(self, call: Callable[[], Result]) -> Result:
        """Make a call of the user's own code, in this thread; an interrupt or the button breaks it off.

        Raises
        ------
        KeyboardInterrupt
            When it was broken off, or asked to end before it began.
        """
        try:
            self._breakable = self._before is not None
            if self.asked:
                raise KeyboardInterrupt
            return call()
        except KeyboardInterrupt:
            if not self.asked:  # somebody else's handler of signals has raised it
                self.asked = self.interrupted = True
            raise
        finally:
            self._breakable = False
            self._settle()

    def _settle(self) -> None:
        """Wait until no signal of the button is on its way: it must not fall into what comes next."""
        with self._pressing:
            end = time.monotonic() + _SETTLED
            while self._pressed and time.monotonic() < end:
                time.sleep(0.001)
            self._pressed = False

    def sleep(self, seconds: float) -> None:
        """Sleep; wake early when asked to end."""
        end = time.monotonic() + seconds
        while not self.asked and (rest := end - time.monotonic()) > 0:
            time.sleep(min(_SLICE, rest))

    def during(self, call: Callable[[], Result], tick: Callable[[], None]) -> Result:
        """Make a call that cannot be stopped itself, in a thread; leave it when asked to end.

        Parameters
        ----------
        tick : callable
            Called here now and then while it lasts.

        Raises
        ------
        Stopped
            When asked to end before the call did.
        """
        done: list[Result] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(call())
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                failed.append(error)

        thread = threading.Thread(target=run, name="claude-magic-call", daemon=True)
        thread.start()
        thread.join(_SLICE)
        ticked = time.monotonic()
        while thread.is_alive():
            if self.asked:
                raise Stopped
            if time.monotonic() - ticked > _TICK:
                tick()
                ticked = time.monotonic()
            thread.join(_SLICE)
        if failed:
            raise failed[0]
        return done[0]

    def __enter__(self) -> Stop:
        # Elsewhere than in the main thread no interrupt can fall in.
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGINT, self._note)
            self._before = signal.default_int_handler if before is None else before
        return self

    def __exit__(self, *exc: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._pressed:  # the button's signal
            self._pressed = False
            if self._breakable:
                raise KeyboardInterrupt
            return
        if self._breakable:
            self._since = time.monotonic()
            self.interrupted = self.asked = True
            raise KeyboardInterrupt
        if self.interrupted and time.monotonic() - self._since > INSIST and callable(self._before):
            self._before(number, frame)
            return
        if not self.interrupted:
            self._since = time.monotonic()
        self.interrupted = self.asked = True


class Asking:
    """The question under way in a kernel: who can stop its reply, and who wants to know of it.

    ``watchers`` are called in the cell's thread: with True when a reply begins, with False when a question
    has ended, however it did. They must not raise.
    """

    def __init__(self) -> None:
        self.watchers: tuple[Callable[[bool], None], ...] = ()
        self._gate = threading.RLock()
        self._threads: tuple[int, ...] = ()
        self._stops: tuple[Stop, ...] = ()

    def stop(self) -> None:
        """Ask what replies to end, if anything does; from any thread."""
        for stop in self._stops:
            stop.ask()

    @contextmanager
    def question(self) -> Iterator[None]:
        """Tell that a question is under way, from before it is looked at until its turn is kept."""
        own = threading.get_ident()
        with self._gate:
            self._threads = (*self._threads, own)
        try:
            yield
        finally:
            with self._gate:
                rest = list(self._threads)
                rest.remove(own)  # once: a prompt's {{ expression }} may ask too
                self._threads = tuple(rest)
            self._tell(running=False)

    @contextmanager
    def reply(self) -> Iterator[Stop]:
        """The stop of a reply, as long as that can be asked for."""
        with Stop() as stop:
            self._stops = (*self._stops, stop)
            try:
                self._tell(running=True)
                yield stop
            finally:
                self._stops = tuple(one for one in self._stops if one is not stop)

    @contextmanager
    def between(self) -> Iterator[bool]:
        """Whether no question is under way in another thread; meanwhile none begins."""
        with self._gate:
            yield not set(self._threads) - {threading.get_ident()}

    def _tell(self, *, running: bool) -> None:
        for watcher in self.watchers:
            watcher(running)


def _signal_main_thread() -> None:
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)  # wakes what sleeps, too
    else:
        _thread.interrupt_main()
