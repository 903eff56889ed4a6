"""An event loop of its own for async tools.

The kernel's loop is the one that runs the cell, so it is busy until the cell has ended. This one runs in
a thread, is made at the first async tool, and stays: what a tool has opened in one call is there in the next.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Awaitable
from typing import Any

_SLICE = 0.05
_LAST = 2.0
"""Seconds that a cancelled tool has to end."""


class Loop:
    """Waits for awaitables in a thread of its own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait_for(self, awaitable: Awaitable[Any]) -> Any:
        """Return what an awaitable brings; an interrupt of this thread cancels it first."""
        future = asyncio.run_coroutine_threadsafe(_awaited(awaitable), self._running())
        try:
            while True:
                try:
                    # In slices: a wait without end would not let a signal through everywhere.
                    return future.result(_SLICE)
                except concurrent.futures.TimeoutError:
                    if future.done():
                        return future.result()  # it ended just now, maybe in a timeout of its own
        except KeyboardInterrupt:
            future.cancel()
            with contextlib.suppress(BaseException):
                concurrent.futures.wait([future], _LAST)
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = self._loop = asyncio.new_event_loop()

            def run() -> None:
                try:
                    loop.run_forever()
                finally:
                    loop.close()

            threading.Thread(target=run, name="claude-magic-tools", daemon=True).start()
        return self._loop


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
