"""The store's file: made private, opened whatever state it is in, never deleted.

Journal mode. A write-ahead log is quicker and lets one kernel read while another writes, but its index
is memory shared between processes, which a network home cannot give: two hosts would ruin the file.
So the log is used only where the file system is known to be a local one; everywhere else the rollback
journal, which needs nothing but locks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from claude_magic.conversation import schema

BUSY_SECONDS = 5.0
"""How long another kernel's write is waited for."""

LOCAL = frozenset(
    {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"}
)
"""File systems on which a write-ahead log is safe."""

SIDE_FILES = ("-wal", "-shm", "-journal")

_MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True, slots=True)
class Opened:
    """A database, and how it came to be open.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode: transactions are begun by hand.
    file : tuple of (int, int)
        Device and number of its file, ``(0, 0)`` in memory.
    writable : bool
        Whether it may be written.
    problem : str
        One line for the user, ``""`` when all is well.
    """

    connection: sqlite3.Connection
    file: tuple[int, int] = (0, 0)
    writable: bool = True
    problem: str = ""


def open_database(path: Path | None) -> Opened:
    """Open the store's file, or one in memory when there is no way; this never raises."""
    if path is None:
        return in_memory()
    try:
        _make_folder(path.parent)
        with _gate(path):
            return _open_file(path)
    except (OSError, sqlite3.Error, ValueError) as error:
        return in_memory(
            f"Conversations cannot be kept on disk ({reason(error)}): "
            "what is said from here on is lost when the kernel ends."
        )


def in_memory(problem: str = "") -> Opened:
    """A store that ends with the kernel."""
    connection = _connect(":memory:")
    schema.migrate(connection)
    return Opened(connection, problem=problem)


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is broken, not that it cannot be reached just now."""
    code = getattr(error, "sqlite_errorcode", None)
    # A damaged full-text index is no damage to what it was made from.
    if code is None or code == sqlite3.SQLITE_CORRUPT_VTAB:
        return False
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def reason(error: BaseException) -> str:
    """What is wrong, without path or class name."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def file_of(path: Path) -> tuple[int, int]:
    """Device and number of the file that stands at a path now, ``(0, 0)`` for none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return (0, 0)
    return (found.st_dev, found.st_ino)


def set_aside(path: Path) -> str:
    """Move a database and what belongs to it out of the way; return its new name."""
    moved = _stamped(path, "corrupt")
    for suffix in ("", *SIDE_FILES):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{moved}{suffix}")
    return moved.name


def replace_damaged(path: Path, file: tuple[int, int]) -> Opened:
    """Move a file that turned out to be damaged out of the way and begin a new one; this never raises.

    Parameters
    ----------
    path : Path
        Where it stands.
    file : tuple of (int, int)
        The one found damaged: another kernel may have replaced it meanwhile.
    """
    try:
        with _gate(path):
            return _open_file(path, set_aside(path) if file_of(path) == file else "")
    except (OSError, sqlite3.Error, ValueError) as error:
        return in_memory(
            f"The store of conversations is damaged and cannot be replaced ({reason(error)}): "
            "what is said from here on is lost when the kernel ends."
        )


def _open_file(path: Path, aside: str = "") -> Opened:
    if _is_a_stump(path):
        aside = set_aside(path)
    for last in (False, True):
        connection = None
        try:
            _make_file(path)
            connection = _connect(str(path))
            if not schema.is_empty(connection) and not schema.is_ours(connection):
                raise _not_ours()
            if schema.version_of(connection) > len(schema.MIGRATIONS):
                connection.close()
                return _read_only(path)
            return _ready(connection, path, _said_of(aside))
        except BaseException as error:
            if connection is not None:
                connection.close()
            if last or not is_damage(error):
                raise
            aside = set_aside(path)
    raise AssertionError  # the loop returns or raises


def _said_of(aside: str) -> str:
    return f"The store of conversations could not be read: kept as {aside}, a new one begun." if aside else ""


def _not_ours() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("a database of something else")
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def _ready(connection: sqlite3.Connection, path: Path, problem: str) -> Opened:
    """Bring an open file to the schema of today."""
    if 0 < schema.version_of(connection) < len(schema.MIGRATIONS):
        _keep_original(connection, path)
    if _is_local(path):
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        # The log shrinks again after a long stream.
        connection.execute("PRAGMA journal_size_limit = 8388608")
    else:
        # It may have come here from a local disk, with its log.
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    if schema.version_of(connection) < len(schema.MIGRATIONS):
        schema.migrate(connection)
    # Reads the tables, so that a file that lacks them is found out now.
    connection.execute("SELECT revision FROM conversations LIMIT 1").fetchone()
    return Opened(connection, file_of(path), problem=problem)


def _read_only(path: Path) -> Opened:
    connection = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    return Opened(
        connection,
        file_of(path),
        writable=False,
        problem="The store of conversations was written by a newer claude_magic: it is read, never written. "
        "Update claude_magic to keep what is said from here on.",
    )


def _keep_original(connection: sqlite3.Connection, path: Path) -> None:
    """Copy a database before its schema changes.

    SQLite copies: opening the file beside it would, on closing, drop this process's locks.
    """
    copy = _stamped(path, f"version-{schema.version_of(connection)}")
    _make_file(copy)
    with contextlib.closing(sqlite3.connect(copy)) as target:
        connection.backup(target)


def _connect(place: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        place, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )
    try:
        # A commit is then in the log, safe from all but a power cut; Access asks for more where it matters.
        connection.execute("PRAGMA synchronous = NORMAL")
        # A store received from somebody cannot run functions through its views or triggers.
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_folder(folder: Path) -> None:
    """Make missing folders for this user alone; those already there are left as they are."""
    for part in (*reversed(folder.parents), folder):
        try:
            part.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError:
            if not part.is_dir():
                raise
        else:
            part.chmod(0o700)


def _make_file(path: Path) -> None:
    """Make the file for this user alone before SQLite would; its side files get the same mode from it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError(f"{path.name} is no file") from None
        if mode & 0o077:
            with contextlib.suppress(OSError):  # somebody else's: theirs to say
                path.chmod(0o600)
    else:
        os.close(handle)


def _is_a_stump(path: Path) -> bool:
    """Whether SQLite would take what is left of a file for an empty database and write over it.

    That is so below the smallest page, and for an empty file, whose logs it would delete.
    """
    size = path.stat().st_size if path.exists() else 0
    if size:
        return size < 512
    logs = [Path(f"{path}{suffix}") for suffix in ("-wal", "-journal")]
    return any(log.exists() and log.stat().st_size > 0 for log in logs)


@contextlib.contextmanager
def _gate(path: Path) -> Iterator[None]:
    """Let one kernel at a time open, mend or migrate the file; the system opens the gate when one dies.

    The lock is SQLite's own, on an empty database, so that it works wherever the store does.
    """
    gate = path.with_name(f"{path.name}-gate")
    _make_file(gate)
    with contextlib.closing(sqlite3.connect(gate, timeout=BUSY_SECONDS, isolation_level=None)) as lock:
        with contextlib.suppress(sqlite3.Error):  # who cannot lock opens all the same
            lock.execute("BEGIN EXCLUSIVE")
        yield


def _stamped(path: Path, what: str) -> Path:
    """A name that nothing has yet, beside a file."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for count in range(1, 10_000):
        name = path.with_name(f"{path.name}-{what}-{stamp}" + (f"-{count}" if count > 1 else ""))
        if not any(Path(f"{name}{suffix}").exists() for suffix in ("", *SIDE_FILES)):
            return name
    raise OSError("no free name is left beside the store")


def _is_local(path: Path) -> bool:
    """Whether the file lies on a file system known to be local; where nothing tells, it does not."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    folder = path.parent.resolve()
    best, kind = -1, ""
    for line in mounts:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # The kernel writes blanks and the like in a mount point as \040.
        place = Path(fields[1].encode("utf-8", "surrogateescape").decode("unicode_escape", "replace"))
        depth = len(place.parts)
        # Of two mounts at one place the later one covers the earlier.
        if depth >= best and (place == folder or place in folder.parents):
            best, kind = depth, fields[2]
    return kind in LOCAL
