"""The endpoints of Message Batches."""

from __future__ import annotations

import contextlib
import re
import tempfile
from typing import IO, TYPE_CHECKING, Any

from tornado import iostream

from .errors import invalid
from .handler import Handler, OneMethod
from .spool import MAX_BYTES

if TYPE_CHECKING:
    from .handler import Surroundings

_BATCH = r"/v1/messages/batches/([^/]+)"


def routes() -> list[tuple[str, type[Handler]]]:
    """Return path patterns with their handlers."""
    return [
        (r"/v1/messages/batches", BatchesHandler),
        (_BATCH, BatchHandler),
        (f"{_BATCH}/cancel", CancelHandler),
        (f"{_BATCH}/results", ResultsHandler),
    ]


class BatchesHandler(OneMethod):
    """``POST /v1/messages/batches`` and ``GET /v1/messages/batches``."""

    max_body = MAX_BYTES

    def initialize(self, around: Surroundings) -> None:
        """Keep what comes in a file: it may be eight times what a request may have."""
        super().initialize(around)
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(1)  # noqa: SIM115 - it goes on to the store
        self.size = 0
        self.taken = False

    def data_received(self, chunk: bytes) -> None:
        """Write a part of the body to the file, or throw it away if the answer is no already."""
        if self.refusal is not None:
            return
        self.size += len(chunk)
        if self.size > self.max_body:
            self._refuse(self.too_large())
        else:
            self.file.write(chunk)

    def on_finish(self) -> None:
        """Drop the file, if nobody has taken it."""
        super().on_finish()
        self._drop()

    def on_connection_close(self) -> None:
        """Drop what has come of a body that will not come whole."""
        super().on_connection_close()
        self._drop()

    def _drop(self) -> None:
        if not self.taken:
            self.file.close()

    async def post(self, *_arguments: str) -> None:
        """Take the batch, and answer with what is known of it."""
        self.admitted()
        self.taken = True
        around = self.around
        batch = await around.work(lambda service: around.batches.add(self.file, service.batched))
        self.answer(around.batches.info(batch, around.base))

    async def get(self, *_arguments: str) -> None:
        """Answer with a page of batches."""
        self.admitted()
        limit = self.get_query_argument("limit", "20")
        if not (re.fullmatch(r"[0-9]{1,4}", limit) and 1 <= int(limit) <= 1000):
            raise invalid("limit", "Input should be an integer from 1 to 1000")
        after, before = self.get_query_argument("after_id", ""), self.get_query_argument("before_id", "")
        page = self.around.batches.page(self.around.base, limit=int(limit), after=after, before=before)
        self.answer(page)


class _OneBatch(OneMethod):
    def show(self, batch_id: str) -> None:
        """Answer with a batch as it is now."""
        batches = self.around.batches
        self.answer(batches.info(batches.find(batch_id), self.around.base))


class BatchHandler(_OneBatch):
    """``GET /v1/messages/batches/{id}`` and ``DELETE /v1/messages/batches/{id}``."""

    async def get(self, *arguments: str) -> None:
        """Answer with the batch."""
        self.admitted()
        self.show(arguments[0])

    async def delete(self, *arguments: str) -> None:
        """Forget the batch."""
        self.admitted()
        self.around.batches.delete(arguments[0])
        self.answer({"id": arguments[0], "type": "message_batch_deleted"})


class CancelHandler(_OneBatch):
    """``POST /v1/messages/batches/{id}/cancel``."""

    accepts = ("application/json", "")  # the SDK sends no body, so no type of one

    async def post(self, *arguments: str) -> None:
        """Answer no further request of the batch."""
        self.admitted()
        self.around.batches.cancel(arguments[0])
        self.show(arguments[0])


class ResultsHandler(OneMethod):
    """``GET /v1/messages/batches/{id}/results``."""

    async def get(self, *arguments: str) -> None:
        """Send a line of JSON for each request, in any order."""
        self.admitted()
        bits: Any = self.around.batches.lines(arguments[0])
        self.set_header("Content-Type", "application/x-jsonl")
        with contextlib.suppress(iostream.StreamClosedError):
            for bit in bits:
                self.write(bit)
                await self.flush()
            await self.finish()
