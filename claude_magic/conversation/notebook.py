"""The notebook: which one this is, and whether it has been here before under another name.

No front end says so reliably, so every answer is a hint that must be confirmed by the file itself: it
exists and is a notebook. A notebook is recognised again by the conversation ids in the metadata of its
saved outputs. Nothing in a notebook is believed beyond that: an id only finds what the store holds.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

How = Literal["lab", "vscode", "colab", "terminal", "headless", "unknown"]
"""Who runs the cells; ``lab`` is JupyterLab or Notebook 7."""

MOST_BYTES = 200_000_000
"""A larger notebook is not read."""

_SMALL = 100_000
"""Bytes up to which a notebook is parsed to know that it is one, which every cell asks."""
_EDGE = 65_536
_VERSION = re.compile(rb'"nbformat"\s*:\s*[1-9]')
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook as far as a kernel can know it.

    Parameters
    ----------
    path : str
        The canonical path of its file, ``""`` where it is not known.
    how : How
        Who runs its cells.
    session : str
        A stable id of this kernel, for a notebook whose path is not known.
    """

    path: str
    how: How
    session: str

    @property
    def key(self) -> str:
        """Under what the store keeps its conversations: the path, or ``session:`` and the kernel's id."""
        return self.path or f"session:{self.session}"


def identify(user_ns: Mapping[str, Any], session_name: str, how: str, session: str) -> Notebook:
    """Tell which notebook the running cell stands in.

    Parameters
    ----------
    user_ns : mapping
        The user's namespace, in which VS Code leaves ``__vsc_ipynb_file__``.
    session_name : str
        The value of ``JPY_SESSION_NAME``: the notebook's path when the kernel began, in older servers a
        mere id, ``""`` where it is not set.
    how : str
        Who runs the cells, as the front end was recognised.
    session : str
        A stable id of this kernel.

    Returns
    -------
    Notebook
        With a path only if a notebook is there. A name that went stale when the file was renamed
        leaves it empty.
    """
    known = cast("How", how if how in get_args(How) else "unknown")
    hints: list[object] = [user_ns.get("__vsc_ipynb_file__")]
    # A child process inherits the variable from the notebook that started it, and is not that notebook.
    if known not in ("headless", "terminal"):
        hints.append(session_name)
    for hint in hints:
        if isinstance(hint, str) and Path(hint).is_absolute() and is_notebook(hint):
            return Notebook(canonical(hint), known, session)
    return Notebook("", known, session)


def canonical(path: str) -> str:
    """The one absolute path of a file, with links followed."""
    return os.path.realpath(path)


def is_notebook(path: str) -> bool:
    """Whether a file exists and is a notebook; a large one is told by its beginning and its end."""
    try:
        file = Path(path)
        size = _size(file)
        if size < 2:
            return False
        if size <= _SMALL:
            return _cells(_parsed(file.read_bytes())) is not None
        with file.open("rb") as opened:
            head = opened.read(_EDGE)
            opened.seek(-_EDGE, os.SEEK_END)
            tail = opened.read()
    except (OSError, ValueError):
        return False
    braced = head.lstrip().startswith(b"{") and tail.rstrip().endswith(b"}")
    return braced and bool(_VERSION.search(head) or _VERSION.search(tail))


def conversation_ids(path: str) -> tuple[str, ...]:
    """The conversations that a notebook's saved outputs name, one for each output, in order.

    Returns
    -------
    tuple of str
        Well-formed ids only; empty for a file that cannot be read or is no notebook.
    """
    data = _read(path)
    if b'"claude_magic"' not in data:
        return ()
    return tuple(_ids(_parsed(data)))


def cell_ids(path: str) -> frozenset[str]:
    """The ids of a notebook's cells; empty for a file that has none or cannot be read."""
    cells = _cells(_parsed(_read(path))) or ()
    return frozenset(one for cell in cells if isinstance(one := cell.get("id"), str) and one)


def cells_of(path: str) -> tuple[Sequence[Mapping[str, Any]], float]:
    """A notebook's cells as its file has them, and when that was written, in seconds since the epoch.

    Nothing in them is believed; there are none in a file that cannot be read or is no notebook.
    """
    try:
        at = Path(path).stat().st_mtime
    except (OSError, ValueError):
        return (), 0.0
    return _cells(_parsed(_read(path))) or (), at


def is_kin(path: str, other: str) -> bool:
    """Whether a file may be the original of a notebook that was found elsewhere.

    A copy has the cells of its original, whatever became of the outputs; a new notebook that took the
    place of one that was renamed shares nothing with it. The same file under two names is no original
    of itself. In doubt the answer is yes, because a copy takes nothing away.

    Parameters
    ----------
    path : str
        Where the store has the conversations.
    other : str
        The notebook that names them now.
    """
    try:
        if not Path(path).exists() or Path(path).samefile(other):
            return False
    except OSError:  # it may be there, and may not be looked at
        return True
    if set(conversation_ids(path)) & set(conversation_ids(other)):
        return True
    cells, others = cell_ids(path), cell_ids(other)
    return not cells or not others or bool(cells & others)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a notebook is to the store.

    Parameters
    ----------
    kind : str
        ``same``: it stands where it stood. ``moved``: renamed, moved, or its path learnt only now.
        ``copy``: its original is still there. ``foreign``: its turns were asked elsewhere. ``new``: it
        has none.
    rebind : tuple of str
        Conversations that are this notebook's from now on.
    fork : tuple of str
        Conversations of which it gets its own, with the shared past.
    foreign : tuple of str
        Conversations in its outputs that the store does not know; nothing of them is taken in.
    was : str
        Where a moved or copied notebook comes from, ``""`` if nowhere is known.
    """

    kind: Literal["same", "moved", "copy", "foreign", "new"]
    rebind: tuple[str, ...] = ()
    fork: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    was: str = ""


def settle(
    notebook: str, ids: Sequence[str], known: Mapping[str, str], exists: Callable[[str], bool]
) -> Decision:
    """Decide what a notebook is to the store: the same, moved, a copy, foreign or new.

    Parameters
    ----------
    notebook : str
        Its canonical path, as the store would record it; ``""`` is never the same, moved or a copy.
    ids : sequence of str
        The conversations that its saved outputs name, one for each output.
    known : mapping
        Of the conversations in the store: where each is recorded, or a ``session:`` key.
    exists : callable
        Whether the original may still be at a path: see :func:`is_kin`.

    Returns
    -------
    Decision
        A cell pasted from another notebook makes no copy: where some of the ids belong here, only those
        count; else those of the notebook that most outputs come from.
    """
    named = Counter(ids)
    foreign = tuple(one for one in named if one not in known)
    if not notebook:
        return Decision("foreign" if foreign else "new", foreign=foreign)
    if notebook in known.values():
        return Decision("same", foreign=foreign)
    votes = Counter[str]()
    for one, count in named.items():
        if one in known:
            votes[known[one]] += count
    if not votes:
        return Decision("foreign" if foreign else "new", foreign=foreign)
    was = votes.most_common(1)[0][0]
    # All that is recorded there goes along; of one kernel's unbound conversations only what the file names.
    unbound = was == "" or was.startswith("session:")
    theirs = tuple(dict.fromkeys(one for one in (*named, *known) if known.get(one) == was))
    if unbound:
        theirs = tuple(one for one in theirs if one in named)
        return Decision("moved", rebind=theirs, foreign=foreign, was=was)
    if exists(was):
        return Decision("copy", fork=theirs, foreign=foreign, was=was)
    return Decision("moved", rebind=theirs, foreign=foreign, was=was)


def _size(file: Path) -> int:
    """Bytes of a regular file that may be read; 0 for a pipe or a folder, and for one that is too large."""
    status = file.stat()
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_size <= MOST_BYTES else 0


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes() if _size(Path(path)) else b""
    except (OSError, ValueError):
        return b""


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _cells(notebook: object) -> list[dict[str, Any]] | None:
    """The cells of a notebook of any version; None for what is no notebook."""
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        return None
    sheets = notebook.get("worksheets")
    holders = [notebook, *(sheets if isinstance(sheets, list) else ())]
    lists = [holder["cells"] for holder in holders if isinstance(holder, dict) and "cells" in holder]
    return [cell for cells in lists if isinstance(cells, list) for cell in cells if isinstance(cell, dict)]


def _ids(notebook: object) -> Iterator[str]:
    for cell in _cells(notebook) or ():
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else ():
            found: object = output
            for name in ("metadata", "claude_magic", "conversation"):
                found = found.get(name) if isinstance(found, dict) else None
            if isinstance(found, str) and _ID.fullmatch(found):
                yield found
