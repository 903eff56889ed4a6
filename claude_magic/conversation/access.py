"""Access to the store that survives what disks, other kernels and forks do: it reports, never raises."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from claude_magic.conversation.database import (
    Opened,
    file_of,
    in_memory,
    is_damage,
    open_database,
    reason,
    replace_damaged,
)

T = TypeVar("T")

_FAULTS = (sqlite3.Error, OSError, ValueError, TypeError, OverflowError, RecursionError, MemoryError)
"""What reading and writing may end in; all else, an interrupt above all, goes through."""


class Access:
    """Transactions on one database.

    Any thread may ask; one at a time is served. In a forked child the parent's connection is never
    touched, not even to close it: the child goes on in memory.

    Parameters
    ----------
    path : Path or None
        The file, None for memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._inherited: Opened | None = None
        self._closed = False
        self.problem = ""
        """What is wrong now, in one line; ``""`` when all is well."""
        self._unsaid: list[str] = []
        began = time.monotonic()
        self._opened = open_database(path)
        self._tried = time.monotonic()
        self._cost = self._tried - began
        self.say(self._opened.problem)

    @property
    def writable(self) -> bool:
        """Whether what is written is kept at all."""
        return self._opened.writable

    def news(self) -> str:
        """What has gone wrong since the last call, each problem once."""
        news, self._unsaid = " ".join(self._unsaid), []
        return news

    def say(self, problem: str) -> None:
        """Note a problem, unless it is the one already known."""
        if problem and problem != self.problem:
            self._unsaid.append(problem)
        self.problem = problem

    def read(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Do something in one view of the database; ``otherwise`` when it cannot be read."""
        return self._guarded(lambda connection: _transaction(connection, "BEGIN", work), otherwise, "read")

    def write(self, work: Callable[[sqlite3.Connection], T], otherwise: T, *, durable: bool) -> T:
        """Do something whole or not at all; ``otherwise`` when it cannot be written.

        Parameters
        ----------
        durable : bool
            Whether it is safe even from a power cut when this returns, at the price of waiting for the
            disk; else it is safe from the death of this process.
        """

        def whole(connection: sqlite3.Connection) -> T:
            _end(connection)
            connection.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
            return _transaction(connection, "BEGIN IMMEDIATE", work)

        if durable:
            self._try_the_file_again()
        self._leave_the_parent()
        if not self._opened.writable:
            return otherwise
        return self._guarded(whole, otherwise, "written")

    def try_to(
        self,
        work: Callable[[sqlite3.Connection], None],
        undo: Callable[[sqlite3.Connection], None],
    ) -> None:
        """Write what is no loss when it fails: nothing is said, and what is half there is undone."""
        self._leave_the_parent()
        if self._closed or not self._opened.writable:
            return
        with self._lock:
            for each in (work, undo):
                try:
                    _transaction(self._here().connection, "BEGIN IMMEDIATE", each)
                except sqlite3.OperationalError:
                    return  # no FTS5, another kernel writes, no room
                except _FAULTS:
                    continue
                return

    def close(self) -> None:
        """Close the database; in a forked child the parent's stays open."""
        self._closed = True
        if os.getpid() == self._process:
            with self._lock:
                self._opened.connection.close()

    def _guarded(self, work: Callable[[sqlite3.Connection], T], otherwise: T, doing: str) -> T:
        if self._closed:
            return otherwise
        self._leave_the_parent()
        with self._lock:
            for attempt in (1, 2):
                opened = self._opened
                try:
                    opened = self._here()
                    done = work(opened.connection)
                except _FAULTS as error:
                    if attempt == 1 and self._path is not None and opened.file != (0, 0) and is_damage(error):
                        opened.connection.close()
                        self._take(replace_damaged(self._path, opened.file))
                        continue
                    self.say(_FAILED[doing].format(reason(error)))
                    return otherwise
                if doing == "written":
                    self.problem = self._opened.problem  # what failed before is done
                return done
        return otherwise

    def _here(self) -> Opened:
        """The database; opened anew where another file stands at its path, or none."""
        self._leave_the_parent()
        file = self._opened.file
        if self._path is not None and file != (0, 0) and file != file_of(self._path):
            self._opened.connection.close()
            self._take(open_database(self._path))
        return self._opened

    def _try_the_file_again(self) -> None:
        """Where the file could not be opened, see whether it can now: the disk may have room again."""
        if self._path is None or self._closed or self._opened.file != (0, 0) or self._inherited is not None:
            return
        # What takes long is not tried at every turn.
        began = time.monotonic()
        if began - self._tried < 100 * self._cost:
            return
        with self._lock:
            opened = open_database(self._path)
            self._tried = time.monotonic()
            self._cost = self._tried - began
            if opened.file == (0, 0):
                opened.connection.close()
            else:
                self._opened.connection.close()
                self._take(opened)

    def _take(self, opened: Opened) -> None:
        self._opened = opened
        self.say(opened.problem)

    def _leave_the_parent(self) -> None:
        if os.getpid() == self._process:
            return
        # The parent's lock may be held by a thread that does not exist here. Its connection is held on to:
        # closing it could take the log away from under the parent.
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._inherited = self._inherited or self._opened
        self._take(in_memory("This is a forked process: what it says is not kept."))


_FAILED = {
    "read": "The store of conversations could not be read just now ({}).",
    "written": "The store of conversations could not be written ({}): what was said is in memory, and is "
    "written with the next turn.",
}


def _transaction(connection: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
    _end(connection)
    try:
        connection.execute(begin)
        done = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        _end(connection)
        raise
    return done


def _end(connection: sqlite3.Connection) -> None:
    """End a transaction that is open, also one that an interrupt left between two lines."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
