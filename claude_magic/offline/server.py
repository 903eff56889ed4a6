"""The HTTP side: where to listen, the routes, and answers as JSON or as server-sent events.

It listens on 127.0.0.1 only, and reads no file by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from tornado import iostream, netutil, web

from .batches import BatchStore
from .batching import routes as batch_routes
from .errors import ApiError
from .files import FileStore
from .filing import routes as file_routes
from .guard import GuardedServer, Limits
from .handler import Handler, OneMethod, Surroundings
from .models import Catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pledge import Pledge

DEFAULT_PACE = 120.0  # tokens per second

_WRITE_AT = 1 << 16  # characters of events gathered into one write when nothing holds them back
_LIFECYCLES = ("active", "deprecated", "retired")


def listen(
    *,
    port: int,
    token: str,
    pace: float,
    models: tuple[str, ...],
    files: FileStore | None,
    pledge: Pledge,
    limits: Limits,
) -> tuple[GuardedServer, Surroundings]:
    """Start to listen on loopback, within the running event loop.

    Parameters
    ----------
    port
        The port; 0 for any free one.
    token
        The API key to ask for.
    pace
        Tokens per second of streamed answers; 0 is as fast as it can.
    models
        Ids of the models on offer; all when empty.
    files
        Where to keep uploaded files; None for a server without the Files API.
    pledge
        What becomes of batches.
    limits
        How long to wait for slow clients.

    Returns
    -------
    tuple
        The server, and its surroundings, whose `port` is the one it listens on.

    Raises
    ------
    OSError
        The port is taken.
    ValueError
        A model is not known.
    """
    store = FileStore() if files is None else files
    around = Surroundings(Catalogue(models), token, max(0.0, pace), store, BatchStore(pledge), limits)
    shared = {"around": around}
    application = web.Application(
        [
            (r"/v1/messages", CreateHandler, shared),
            (r"/v1/messages/count_tokens", CountHandler, shared),
            *((path, handler, shared) for path, handler in batch_routes()),
            (r"/v1/models", ModelsHandler, shared),
            (r"/v1/models/([^/]+)", ModelHandler, shared),
            *((path, handler, shared) for path, handler in file_routes(on=files is not None)),
        ],
        default_handler_class=Handler,
        default_handler_args=shared,
        log_function=lambda _handler: None,
    )
    # A client that goes away is no news, nor is one that does not speak HTTP.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    server = GuardedServer(application, limits=limits)
    sockets = netutil.bind_sockets(port, "127.0.0.1")
    around.port = int(sockets[0].getsockname()[1])
    server.add_sockets(sockets)
    return server, around


class CreateHandler(OneMethod):
    """``POST /v1/messages``."""

    async def post(self, *_arguments: str) -> None:
        """Answer with a message, whole or as a stream."""
        raw = self.admitted()
        message, answer, streamed = await self.around.work(lambda service: service.create(raw))
        if not streamed:
            return self.answer(message)
        from .events import stream  # noqa: PLC0415

        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        with contextlib.suppress(iostream.StreamClosedError):
            await self._send(stream(message, answer))
            await self.finish()
        return None

    async def _send(self, events: Iterator[str]) -> None:
        """Send events at the server's pace until they end or the client has gone."""
        gap = 1 / self.around.pace if self.around.pace else 0.0
        due = asyncio.get_running_loop().time()
        gathered: list[str] = []
        size = 0
        for event in events:
            gathered.append(event)
            size += len(event)
            if gap and event.startswith("event: content_block_delta"):
                due += gap
            wait = due - asyncio.get_running_loop().time()
            if size < _WRITE_AT and wait <= 0:
                continue
            self.write("".join(gathered))
            await self.flush()
            gathered, size = [], 0
            if self.gone.is_set():
                return
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.gone.wait(), wait)
        self.write("".join(gathered))
        await self.flush()


class CountHandler(OneMethod):
    """``POST /v1/messages/count_tokens``."""

    async def post(self, *_arguments: str) -> None:
        """Answer with the tokens of the request's input."""
        raw = self.admitted()
        self.answer(await self.around.work(lambda service: service.count(raw)))


class ModelsHandler(OneMethod):
    """``GET /v1/models``."""

    async def get(self, *_arguments: str) -> None:
        """Answer with a page of models."""
        self.admitted()
        limit = self.get_query_argument("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
            raise ApiError(400, "limit: Input should be an integer from 1 to 1000")
        stages = (*self.get_query_arguments("lifecycle"), *self.get_query_arguments("lifecycle[]"))
        if any(stage not in _LIFECYCLES for stage in stages):
            raise ApiError(400, "lifecycle: Input should be 'active', 'deprecated' or 'retired'")
        page = self.around.catalogue.page(
            limit=int(limit),
            after=self.get_query_argument("after_id", ""),
            before=self.get_query_argument("before_id", ""),
            lifecycles=stages or ("active", "deprecated"),
        )
        self.answer(page)


class ModelHandler(OneMethod):
    """``GET /v1/models/{id}``."""

    async def get(self, *arguments: str) -> None:
        """Answer with one model."""
        self.admitted()
        name = arguments[0]
        self.answer({**self.around.catalogue.find(name).info(), "id": name})
