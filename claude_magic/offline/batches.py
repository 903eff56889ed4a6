"""Message Batches: kept in unnamed files, answered one by one in a thread, in an order of their own.

What the documentation leaves open is assumed: a batch is refused whole for its envelope (its list, its ids),
and each request's parameters are checked when it is answered; results come in the order of their answering.
"""

from __future__ import annotations

import json
import re
import secrets
import tempfile
import threading
import time
import traceback
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from .errors import ApiError, invalid
from .guard import MAX_BODY
from .pledge import Pledge
from .spool import ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_BATCHES = 100
"""Batches that are kept; the oldest of those that have ended go first."""

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_KINDS = ("succeeded", "errored", "canceled", "expired")
_CHUNK = 1 << 18


@dataclass
class Batch:
    """A batch and what has come of it; what changes is changed under the store's lock.

    Parameters
    ----------
    id
        Its name.
    count
        How many requests it has.
    created
        When it was made, in seconds since 1970.
    results
        A file with a line of JSON for each request that is done with.
    """

    id: str
    count: int
    created: float
    expires: float
    archived: float
    results: IO[bytes]
    tally: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    canceled: float | None = None
    ended: float | None = None
    woken: threading.Event = field(default_factory=threading.Event)

    def info(self, base: str, now: float) -> dict[str, Any]:
        """Return the ``MessageBatch`` of the API: its counts stand still until all is done."""
        over = self.ended is not None
        status = "ended" if over else "canceling" if self.canceled else "in_progress"
        counts = self.tally if over else dict.fromkeys(_KINDS, 0)
        there = over and now < self.archived
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {"processing": 0 if over else self.count, **counts},
            "created_at": _moment(self.created),
            "expires_at": _moment(self.expires),
            "ended_at": _moment(self.ended),
            "archived_at": _moment(self.archived) if now >= self.archived else None,
            "cancel_initiated_at": _moment(self.canceled),
            "results_url": f"{base}/v1/messages/batches/{self.id}/results" if there else None,
        }


class BatchStore:
    """The batches of this server; safe to share between threads.

    Parameters
    ----------
    pledge
        How long they take, and how many of their requests come to grief.
    clock
        Seconds since 1970.
    """

    def __init__(self, pledge: Pledge, clock: Callable[[], float] = time.time) -> None:
        self._pledge = pledge
        self._clock = clock
        self._batches: dict[str, Batch] = {}  # oldest first
        self._lock = threading.Lock()

    def add(self, body: IO[bytes], answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Batch:
        """Take a batch and begin to answer it.

        Parameters
        ----------
        body
            The request's body in a file, which is this store's to close from now on.
        answer
            Makes a message of the parameters of one request, or raises ApiError.

        Raises
        ------
        ApiError
            400, when the whole batch is refused.
        """
        try:
            places = ranges(body)
            order = _checked(body, places)
        except BaseException:
            body.close()
            raise
        now = self._clock()
        batch = Batch(
            id=f"msgbatch_local_{secrets.token_hex(10)}",
            count=len(places),
            created=now,
            expires=now + self._pledge.life,
            archived=now + self._pledge.kept,
            results=tempfile.TemporaryFile(),  # noqa: SIM115 - it lives as long as the batch
        )
        with self._lock:
            self._make_room()
            self._batches[batch.id] = batch
        name = f"local-api-{batch.id[-6:]}"
        job = (batch, body, places, order, answer)
        threading.Thread(target=self._run, args=job, name=name, daemon=True).start()
        return batch

    def find(self, batch_id: str) -> Batch:
        """Return a batch; ApiError 404 when there is none of this id."""
        with self._lock:
            return self._find(batch_id)

    def info(self, batch: Batch, base: str) -> dict[str, Any]:
        """Return the ``MessageBatch`` of the API as it is now."""
        with self._lock:
            return batch.info(base, self._clock())

    def cancel(self, batch_id: str) -> Batch:
        """Answer no further request of a batch; ApiError 400 when it has ended."""
        with self._lock:
            batch = self._find(batch_id)
            if batch.ended is not None:
                raise ApiError(400, f"Batch {batch_id} has ended and cannot be canceled")
            batch.canceled = batch.canceled or self._clock()
        batch.woken.set()
        return batch

    def delete(self, batch_id: str) -> None:
        """Forget a batch; ApiError 400 when it has not ended."""
        with self._lock:
            batch = self._find(batch_id)
            if batch.ended is None:
                raise ApiError(400, f"Batch {batch_id} is in progress: cancel it before it can be deleted")
            del self._batches[batch_id]
            batch.results.close()

    def page(self, base: str, *, limit: int, after: str, before: str) -> dict[str, Any]:
        """Return a page of batches, the newest first; an unknown cursor is a 400."""
        with self._lock:
            batches = list(reversed(self._batches.values()))
            names = [batch.id for batch in batches]
            for cursor, name in ((after, "after_id"), (before, "before_id")):
                if cursor and cursor not in names:
                    raise invalid(name, f"no such batch: {cursor}")
            if after:
                batches = batches[names.index(after) + 1 :]
            elif before:
                batches = batches[: names.index(before)]
            chosen = batches[-limit:] if before and not after else batches[:limit]
            now = self._clock()
            return {
                "data": [batch.info(base, now) for batch in chosen],
                "has_more": len(batches) > limit,
                "first_id": chosen[0].id if chosen else None,
                "last_id": chosen[-1].id if chosen else None,
            }

    def lines(self, batch_id: str) -> Iterator[bytes]:
        """Yield the results of a batch in bits; ApiError 400 before it has ended, 404 when they are gone."""
        batch = self.find(batch_id)
        if batch.ended is None:
            raise ApiError(400, f"Batch {batch_id} has no results yet: it is still in progress")
        if self._clock() >= batch.archived:
            raise ApiError(404, f"The results of batch {batch_id} are no longer available")
        return self._bits(batch)

    def _bits(self, batch: Batch) -> Iterator[bytes]:
        place = 0
        while True:
            with self._lock:  # several may read it, each from a place of its own
                if batch.results.closed:
                    return
                batch.results.seek(place)
                bit = batch.results.read(_CHUNK)
            if not bit:
                return
            place += len(bit)
            yield bit

    def _find(self, batch_id: str) -> Batch:
        if batch_id not in self._batches:
            raise ApiError(404, f"Batch not found: {batch_id}")
        return self._batches[batch_id]

    def _make_room(self) -> None:
        ended = [batch for batch in self._batches.values() if batch.ended is not None]
        if len(self._batches) < MAX_BATCHES:
            return
        if not ended:
            raise ApiError(400, f"At most {MAX_BATCHES} batches can be in progress here")
        ended[0].results.close()
        del self._batches[ended[0].id]

    def _run(
        self,
        batch: Batch,
        body: IO[bytes],
        places: list[tuple[int, int]],
        order: list[int],
        answer: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        """Answer a batch to its end; in a thread of its own."""
        with body:
            for done, number in enumerate(order):
                self._wait(batch, batch.created + self._pledge.delay * (done + 1) / len(order))
                item = json.loads(_read(body, places[number]))
                result = self._result(batch, number, places[number], item["params"], answer)
                batch.tally[result["type"]] += 1
                line = json.dumps({"custom_id": item["custom_id"], "result": result}, ensure_ascii=True)
                batch.results.write(line.encode() + b"\n")
            batch.results.flush()
        with self._lock:
            batch.ended = self._clock()

    def _wait(self, batch: Batch, until: float) -> None:
        left = min(until, batch.expires) - self._clock()
        if left > 0:
            batch.woken.wait(left)

    def _result(
        self,
        batch: Batch,
        number: int,
        place: tuple[int, int],
        params: dict[str, Any],
        answer: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> dict[str, Any]:
        """Return the result of one request."""
        if batch.canceled is not None:
            return {"type": "canceled"}
        fate = self._pledge.fate(number)
        if fate == "expired" or self._clock() >= batch.expires:
            return {"type": "expired"}
        try:
            if fate == "errored":
                raise ApiError(500, "Internal server error")
            if place[1] - place[0] > MAX_BODY:
                raise ApiError(413, f"Request exceeds the maximum allowed number of bytes: {MAX_BODY}")
            return {"type": "succeeded", "message": answer(params)}
        except ApiError as error:
            said = error
        except RecursionError:
            said = ApiError(400, "The request body is not valid JSON: nested too deeply")
        except Exception:  # noqa: BLE001 - a fault of ours must not leave the batch without an end
            traceback.print_exc()
            said = ApiError(500, "Internal server error")
        return {"type": "errored", "error": said.envelope(f"req_local_{secrets.token_hex(10)}")}


def _checked(body: IO[bytes], places: list[tuple[int, int]]) -> list[int]:
    """Check the frame of each request, and return the order in which they are answered: not their own."""
    seen: set[str] = set()
    sums = []
    for index, place in enumerate(places):
        path = f"requests.{index}"
        try:
            item = json.loads(_read(body, place).decode("utf-8"))
        except RecursionError:
            raise ApiError(400, "The request body is not valid JSON: nested too deeply") from None
        except ValueError as error:
            raise ApiError(400, f"The request body is not valid JSON: {path}: {error}") from None
        for name in ("custom_id", "params"):
            if name not in item:
                raise invalid(f"{path}.{name}", "Field required")
        for name in item:
            if name not in {"custom_id", "params"}:
                raise invalid(f"{path}.{name}", "Extra inputs are not permitted")
        custom_id = item["custom_id"]
        if not isinstance(custom_id, str) or not _ID.fullmatch(custom_id):
            raise invalid(f"{path}.custom_id", "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'")
        if custom_id in seen:
            raise invalid(f"{path}.custom_id", f"custom_id must be unique within a batch: {custom_id}")
        if not isinstance(item["params"], dict):
            raise invalid(f"{path}.params", "Input should be a valid dictionary")
        seen.add(custom_id)
        sums.append(zlib.crc32(custom_id.encode()))
    return sorted(range(len(sums)), key=sums.__getitem__)


def _read(body: IO[bytes], place: tuple[int, int]) -> bytes:
    body.seek(place[0])
    return body.read(place[1] - place[0])


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
