"""Uploaded files: kept in this process's memory, for a time and up to a total size.

A file that has expired keeps its metadata until it is deleted; only its bytes are gone. That is assumed from
the SDK: its words for ``expires_at`` and ``FileExpiredError`` speak of the content alone.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .errors import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_FILE = 64 * 1024 * 1024  # the API itself takes 500 MB
MAX_TOTAL = 256 * 1024 * 1024

_MAX_FILES = 10_000  # of which the metadata is kept
_MAX_IDS = 100
_CURSOR = "page_"


@dataclass(frozen=True)
class StoredFile:
    """What is known of an uploaded file besides its bytes.

    Parameters
    ----------
    id
        The id by which requests name it.
    number
        Its place in the order of uploads.
    filename
        Its name, without folders.
    media_type
        Its MIME type.
    size
        Bytes.
    created
        When it was uploaded, in seconds since 1970.
    expires
        When its bytes go, in seconds since 1970; None for never.
    """

    id: str
    number: int
    filename: str
    media_type: str
    size: int
    created: float
    expires: float | None

    def metadata(self) -> dict[str, Any]:
        """Return the ``FileMetadata`` of the API."""
        return {
            "id": self.id,
            "type": "file",
            "filename": self.filename,
            "mime_type": self.media_type,
            "size_bytes": self.size,
            "created_at": _moment(self.created),
            "downloadable": False,  # only files made by a tool are, and no tool makes files here
            "expires_at": None if self.expires is None else _moment(self.expires),
        }


class FileStore:
    """The files of this server; safe to share between threads.

    Parameters
    ----------
    longest
        Seconds after which every file expires, if its upload did not ask for less; None for never.
    room
        Bytes kept in all; when they are used up, the oldest files expire.
    clock
        Seconds since 1970.
    """

    def __init__(
        self,
        longest: float | None = None,
        room: int = MAX_TOTAL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._longest = longest
        self._room = room
        self._clock = clock
        self._files: dict[str, StoredFile] = {}  # oldest first
        self._contents: dict[str, bytes] = {}  # oldest first, without those expired
        self._uploads = 0
        self._lock = threading.Lock()

    def add(self, filename: str, media_type: str, content: bytes, life: float | None = None) -> StoredFile:
        """Keep a file for `life` seconds and return what is known of it."""
        with self._lock:
            now = self._sweep()
            self._make_room(len(content), now)
            lives = [each for each in (life, self._longest) if each is not None]
            self._uploads += 1
            file = StoredFile(
                id=f"file_local_{secrets.token_hex(10)}",
                number=self._uploads,
                filename=filename,
                media_type=media_type,
                size=len(content),
                created=now,
                expires=now + min(lives) if lives else None,
            )
            self._files[file.id] = file
            self._contents[file.id] = content
            return file

    def find(self, file_id: str) -> StoredFile:
        """Return what is known of a file; ApiError 404 when it was never uploaded, or deleted."""
        with self._lock:
            return self._find(file_id)

    def content(self, file_id: str) -> tuple[StoredFile, bytes]:
        """Return a file with its bytes; ApiError 404 when it is not there, or not any more."""
        with self._lock:
            self._sweep()
            file = self._find(file_id)
            if file_id not in self._contents:
                raise ApiError(404, f"File has expired: {file_id}", code="file_expired")
            return file, self._contents[file_id]

    def delete(self, file_id: str) -> None:
        """Forget a file; ApiError 404 when it is not there."""
        with self._lock:
            self._find(file_id)
            del self._files[file_id]
            self._contents.pop(file_id, None)

    def page(self, limit: int, cursor: str = "") -> dict[str, Any]:
        """Return a page of files, the newest first (which is assumed), with the cursor of the next."""
        before = _place(cursor) if cursor else None
        with self._lock:
            newest_first = list(reversed(self._files.values()))
        rest = [file for file in newest_first if before is None or file.number < before]
        page = rest[:limit]
        following = _cursor(page[-1].number) if len(rest) > limit else None
        return {"data": [file.metadata() for file in page], "next_page": following}

    def chosen(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return those of the files named that are there, as a single page."""
        names = dict.fromkeys(ids)
        if len(names) > _MAX_IDS:
            raise invalid("ids", f"at most {_MAX_IDS} ids are allowed")
        with self._lock:
            found = [self._files[name] for name in names if name in self._files]
        return {"data": [file.metadata() for file in found], "next_page": None}

    def _find(self, file_id: str) -> StoredFile:
        if file_id not in self._files:
            raise ApiError(404, f"File not found: {file_id}")
        return self._files[file_id]

    def _sweep(self) -> float:
        """Drop the bytes of files whose time is over; returns the time."""
        now = self._clock()
        for file_id in list(self._contents):
            expires = self._files[file_id].expires
            if expires is not None and expires <= now:
                del self._contents[file_id]
        return now

    def _make_room(self, size: int, now: float) -> None:
        """Let the oldest files expire until there is room for so many bytes more."""
        used = sum(len(content) for content in self._contents.values())
        while self._contents and used + size > self._room:
            oldest = next(iter(self._contents))
            used -= len(self._contents.pop(oldest))
            self._files[oldest] = replace(self._files[oldest], expires=now)
        while len(self._files) >= _MAX_FILES:
            oldest = next(iter(self._files))
            del self._files[oldest]
            self._contents.pop(oldest, None)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _cursor(number: int) -> str:
    return _CURSOR + base64.urlsafe_b64encode(str(number).encode()).decode()


def _place(cursor: str) -> int:
    try:
        if not cursor.startswith(_CURSOR):
            raise ValueError
        return int(base64.b64decode(cursor.removeprefix(_CURSOR), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise invalid("page", "Invalid page cursor") from None
