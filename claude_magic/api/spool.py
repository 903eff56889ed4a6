"""Requests of a batch on disk: one file is one batch's ready body, each request on a line of its own.

Nothing is held in memory but where each request stands. JSON takes a line's end for a space, so the file is
sent as it is.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from claude_magic.errors import UsageProblem

_HEAD, _TAIL = b'{"requests":[\n', b"]}\n"
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME = re.compile(r"[0-9a-f]{32}\.json")


@dataclass(frozen=True, slots=True)
class Most:
    """What one batch may hold.

    Parameters
    ----------
    requests : int
        The API takes 100,000.
    size : int
        Bytes of the body; the API takes 256 MB, and room is left.
    """

    requests: int = 100_000
    size: int = 250_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """A body on disk.

    Parameters
    ----------
    name : str
        The file's, in its folder.
    places : tuple of (str, int)
        Each request's id and where its line begins, in bytes.
    """

    name: str
    places: tuple[tuple[str, int], ...]


class Spool:
    """The folder of bodies; for this user alone.

    Parameters
    ----------
    folder : Path
        Made at the first write.
    most : Most
        What one file may hold.
    """

    def __init__(self, folder: Path, most: Most | None = None) -> None:
        self.folder = folder
        self.most = most or Most()

    def written(self, requests: Iterable[tuple[str, bytes]]) -> Iterator[Part]:
        """Write requests to files, as many as their limits need; each is told of once it is whole on disk.

        Parameters
        ----------
        requests : iterable of (str, bytes)
            The id of each, unique, and its parameters as JSON.

        Raises
        ------
        UsageProblem
            For a request larger than a whole batch. What was written of its part is gone.
        OSError
            When the disk is full, or the like; likewise.
        """
        rest = iter(requests)
        line = _line(rest)
        while line is not None:
            part, line = self._part(line, rest)
            yield part

    def _part(
        self, first: tuple[str, bytes], rest: Iterator[tuple[str, bytes]]
    ) -> tuple[Part, tuple[str, bytes] | None]:
        name = f"{uuid.uuid4().hex}.json"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        places: list[tuple[str, int]] = []
        following: tuple[str, bytes] | None = first
        try:
            with os.fdopen(handle, "wb", buffering=1 << 20) as file:
                size = file.write(_HEAD)
                while following is not None:
                    custom_id, line = following
                    full = size + len(line) + len(_TAIL) + 1 > self.most.size
                    if full and not places:
                        raise UsageProblem(
                            f"One row's request has {len(line) / 1e6:,.0f} MB, more than a whole batch may: "
                            "attach less. Nothing was sent."
                        )
                    if full or len(places) >= self.most.requests:
                        break
                    if places:
                        size += file.write(b",")
                    places.append((custom_id, size))
                    size += file.write(line)
                    following = _line(rest)
                file.write(_TAIL)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Part(name, tuple(places)), following

    def path(self, name: str) -> Path:
        """Where a file of this folder is; raises FileNotFoundError for a name that is none of ours."""
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(name)
        return self.folder / name

    def open(self, name: str) -> IO[bytes]:
        """A file of this folder, to be read; raises OSError where it is not there."""
        return self.path(name).open("rb")

    def drop(self, name: str) -> None:
        """Delete a file, if it is there."""
        if _NAME.fullmatch(name):
            (self.folder / name).unlink(missing_ok=True)

    def sweep(self, known: Collection[str], seconds: float) -> None:
        """Delete files that nobody knows and that are so old: a kernel has died while it wrote them."""
        try:
            found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
            for path in found:
                if path.name not in known and time.time() - path.stat().st_mtime > seconds:
                    path.unlink(missing_ok=True)
        except OSError:
            return  # the next time


def request_at(file: IO[bytes], place: int) -> tuple[str, bytes]:
    """The request whose line begins there: its id, and its parameters as JSON.

    Raises
    ------
    ValueError
        When there is none.
    """
    file.seek(place)
    line = file.readline()
    raw = json.loads(line)
    marker = b',"params":'
    found = line.index(marker)
    return str(raw["custom_id"]), line.rstrip()[found + len(marker) : -1]


def asked_in(params: bytes) -> list[dict[str, Any]]:
    """The content blocks of the last user message in a request's parameters.

    Raises
    ------
    ValueError
        When it has none.
    """
    messages = json.loads(params).get("messages") or []
    asked = [one for one in messages if isinstance(one, dict) and one.get("role") == "user"]
    content = asked[-1].get("content") if asked else None
    if not isinstance(content, list):
        raise ValueError("no message of the user")  # noqa: TRY004 - what is on disk is no argument
    return content


def _line(requests: Iterator[tuple[str, bytes]]) -> tuple[str, bytes] | None:
    found = next(requests, None)
    if found is None:
        return None
    custom_id, params = found
    if not _CUSTOM_ID.fullmatch(custom_id):
        raise ValueError(f"no custom_id: {custom_id!r}")
    return custom_id, b'{"custom_id":"%b","params":%b}\n' % (custom_id.encode(), params)
