"""Run code of foreign objects for a bounded time, without signals and without their prints.

A ``repr`` may sleep, loop or print. It runs in a daemon thread; when its time is over the thread is
asked to stop (it does at its next Python instruction) and the kernel goes on.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS = 2.0
"""What describing one value may cost in code of its own."""


class _Stop(BaseException):
    """Raised inside a thread whose time is over."""


class Failed(Exception):
    """What the object's own code did instead of answering: ``raised ValueError``, ``took over 2 s``."""


class Deadline:
    """A budget of seconds shared by all foreign code that describing one value needs.

    Parameters
    ----------
    seconds : float
        For all calls together; once it is spent, further calls fail at once.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._left = seconds
        self._worker = 0

    def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns.

        Raises
        ------
        Failed
            When it raises, or its time is over.
        """
        if threading.get_ident() == self._worker:
            # Already under this deadline, such as the objects inside a list.
            return _inline(work)
        if self._left <= 0:
            raise Failed(f"took over {self.seconds:g} s")
        answers: list[T] = []
        faults: list[str] = []
        context = contextvars.copy_context()

        def call() -> None:
            self._worker = threading.get_ident()
            try:
                answers.append(context.run(_inline, work))
            except Failed as fault:
                faults.append(str(fault))
            except _Stop:
                # Heard after whoever waited has gone.
                return
            finally:
                self._worker = 0

        thread = threading.Thread(target=call, name="claude_magic describing", daemon=True)
        started = time.monotonic()
        with _silence():
            thread.start()
            try:
                thread.join(self._left)
            finally:
                if thread.is_alive():
                    _stop(thread)
        self._left -= time.monotonic() - started
        if answers:
            return answers[0]
        if thread.is_alive() or not faults:
            self._left = 0
            raise Failed(f"took over {self.seconds:g} s")
        raise Failed(faults[0])


def _inline(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, or say what it raised; only the type, for its message is code too."""
    try:
        return work()
    except (Failed, _Stop):
        raise
    except BaseException as error:
        raise Failed(f"raised {type.__getattribute__(type(error), '__name__')}") from error


def _stop(thread: threading.Thread) -> None:
    """Ask a thread to end; one that sleeps hears it when it wakes."""
    ident = thread.ident
    if ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(_Stop))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Swallow what is printed meanwhile."""
    before: tuple[Any, Any] = sys.stdout, sys.stderr
    nowhere = io.StringIO()
    sys.stdout = sys.stderr = nowhere
    try:
        yield
    finally:
        if sys.stdout is nowhere:
            sys.stdout = before[0]
        if sys.stderr is nowhere:
            sys.stderr = before[1]
