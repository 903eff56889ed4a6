"""The store's file looked at from outside: whether it is there, private, whole and writable."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from claude_magic.conversation import schema
from claude_magic.conversation.database import BUSY_SECONDS, is_damage, reason

LEAST_ROOM = 50_000_000
"""Bytes that should be free on the store's disk."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is found of a store, which is left as it is.

    Parameters
    ----------
    size : int
        Bytes of the database; 0 where there is none yet.
    mode : str
        The permissions of its file, such as ``0600``; ``""`` where there is none yet.
    problem : str
        What keeps it from working, in a few words; ``""`` for nothing.
    advice : str
        What to do about it.
    serious : bool
        Whether conversations cannot be kept.
    """

    size: int = 0
    mode: str = ""
    problem: str = ""
    advice: str = ""
    serious: bool = True


def examine(path: Path) -> Health:
    """Look at a store without changing it; this never raises."""
    try:
        folder = next(parent for parent in path.parents if parent.exists())
        if not path.exists():
            return _without_room(Health(), folder) or _missing(folder)
        info = path.stat()
        found = Health(info.st_size, f"{stat.S_IMODE(info.st_mode):04o}")
        return _without_room(found, folder) or _existing(found, path)
    except (OSError, ValueError) as error:
        return Health(problem=reason(error), advice="set another: CLAUDE_MAGIC_STORE=FILE")


def _missing(folder: Path) -> Health:
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Health()
    kind = "no folder" if not folder.is_dir() else "not writable"
    return Health(problem=f"{folder} is {kind}", advice="set another: CLAUDE_MAGIC_STORE=FILE")


def _without_room(found: Health, folder: Path) -> Health | None:
    free = shutil.disk_usage(folder).free
    if free >= LEAST_ROOM:
        return None
    return Health(found.size, found.mode, f"only {free / 1e6:.0f} MB are free on its disk", "make room there")


def _existing(found: Health, path: Path) -> Health:
    """A file that is there: readable, whole, writable, private."""
    if not path.is_file():
        return Health(problem="it is no file", advice="set another: CLAUDE_MAGIC_STORE=FILE")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        return Health(
            found.size,
            found.mode,
            "it cannot be written",
            "make file and folder writable for you: chmod u+rw",
        )
    problem, advice = _inside(path)
    if problem:
        return Health(found.size, found.mode, problem, advice)
    if int(found.mode, 8) & 0o077:
        return Health(found.size, found.mode, "others can read it", f"chmod 600 {str(path)!r}", serious=False)
    return found


def _inside(path: Path) -> tuple[str, str]:
    """What is wrong with what a file holds, shortened, and what to do about it; ``""`` for nothing."""
    away = "move it away; the next question begins a new one"
    try:
        with _opened(path) as connection:
            if not schema.is_empty(connection) and not schema.is_ours(connection):
                return "it is a database of something else", away
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                return f"it is damaged ({' '.join(str(found).split())[:100]})", away
            if schema.version_of(connection) > len(schema.MIGRATIONS):
                return "a newer claude_magic has written it", "pip install -U claude_magic"
    except sqlite3.Error as error:
        if is_damage(error):
            return f"it is damaged ({error})", away
        return f"it cannot be read now ({error})", "try again"
    return "", ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database for reading, closed at the end."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection
    finally:
        connection.close()
