"""What every request meets first: who may ask, how much, and answers and refusals in the API's words.

It refuses foreign Host headers (DNS rebinding) and any Origin (web pages), wants its own token, and allows
each endpoint one content type.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from tornado import iostream, web

from .errors import ApiError
from .guard import MAX_BODY, GuardedStream, Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .batches import BatchStore
    from .files import FileStore
    from .models import Catalogue
    from .service import Service

T = TypeVar("T")

_MAX_DRAINED = 1 << 30  # bytes of a refused body that are read and thrown away, so that the refusal arrives
_DIGITS = 18  # of an announced length that count


class Surroundings:
    """What the handlers share.

    Parameters
    ----------
    catalogue
        The models on offer.
    token
        The API key to ask for.
    pace
        Tokens per second of streamed answers; 0 is as fast as it can.
    files
        The uploaded files.
    batches
        The batches.
    limits
        How long to wait for slow clients.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        token: str,
        pace: float,
        files: FileStore,
        batches: BatchStore,
        limits: Limits,
    ) -> None:
        self.catalogue = catalogue
        self.files = files
        self.batches = batches
        self.token = token
        self.pace = pace
        self.limits = limits
        self.port = 0
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="local-api")
        self._service: Service | None = None
        self._loading = threading.Lock()

    @property
    def base(self) -> str:
        """The server's own address."""
        return f"http://127.0.0.1:{self.port}"

    def service(self) -> Service:
        """Return the API itself; its modules are imported at first use, when the server listens already."""
        with self._loading:
            if self._service is None:
                from .service import Service  # noqa: PLC0415

                self._service = Service(self.catalogue, self.files)
        return self._service

    def warm_up(self) -> None:
        """Import the SDK's types and the rest in a thread, before the first request has to wait for them."""
        self._threads.submit(lambda: self.service().prepare())

    async def work(self, method: Callable[[Service], T]) -> T:
        """Let the service do a piece of work in a thread and return what it returns."""
        try:
            return await self.aside(lambda: method(self.service()))
        except RecursionError:
            raise ApiError(400, "The request body is not valid JSON: nested too deeply") from None

    async def aside(self, job: Callable[[], T]) -> T:
        """Run a job in a thread, beside the event loop, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)


@web.stream_request_body
class Handler(web.RequestHandler):
    """Admits or refuses a request, reads its body up to the limit, and answers in the API's words.

    By itself it answers 404 to everything it admits.
    """

    request_id = ""
    max_body = MAX_BODY
    """Bytes a body may have."""
    accepts: tuple[str, ...] = ("application/json",)
    """Content types a POST may have."""

    def initialize(self, around: Surroundings) -> None:
        """Take what the handlers share, and prepare to read a body."""
        self.around = around
        self.refusal: ApiError | None = None
        self.body = bytearray()
        self.gone = asyncio.Event()
        connection: Any = self.request.connection
        self.stream: GuardedStream = connection.stream

    def set_default_headers(self) -> None:
        """Name the request, and send no CORS header."""
        self.request_id = self.request_id or f"req_local_{secrets.token_hex(10)}"
        self.set_header("request-id", self.request_id)
        self.set_header("Server", "claude-magic-offline")
        self.set_header("anthropic-organization-id", "local")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        """Answers are never the same twice."""

    def prepare(self) -> None:
        """Decide on admission from the headers, before anything of the body is kept."""
        connection: Any = self.request.connection
        if self.request.method in {"POST", "PUT", "PATCH", "DELETE"}:
            connection.set_max_body_size(_MAX_DRAINED)
        length = self.request.headers.get("Content-Length", "0")
        announced = int(length[:_DIGITS]) if length.isdecimal() else 0  # tornado refuses what is no number
        refusal = self._refusal_of_headers()
        if refusal is None and announced > self.max_body:
            refusal = self.too_large()
        if refusal is None:
            self.stream.admitted = True
            return
        if announced > _MAX_DRAINED or "Expect" in self.request.headers:
            raise refusal  # and the connection is closed, before the body is sent
        connection.set_body_timeout(self.around.limits.headers)
        self._refuse(refusal)

    def _refuse(self, refusal: ApiError) -> None:
        """Say no at once, and throw away what still comes of the body.

        To close the connection while the client still sends would make its system throw the answer away.
        """
        self.refusal = refusal
        self.body.clear()
        self.stream.admitted, self.stream.refused = False, True
        body = self._error_body(refusal)
        self.set_header("Content-Length", str(len(body)))
        self.write(body)
        self.flush()

    def _refusal_of_headers(self) -> ApiError | None:
        try:
            self._admit()
        except ApiError as error:
            return error
        return None

    def _admit(self) -> None:
        headers = self.request.headers
        port = self.around.port
        if self.request.host.lower() not in {f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}:
            raise ApiError(403, "Host: this server answers to its own loopback address only")
        if "Origin" in headers:
            raise ApiError(403, "Origin: this server does not answer to web pages")
        bearer = headers.get("Authorization", "")
        given = bearer[7:] if bearer[:7].lower() == "bearer " else headers.get("x-api-key", "")
        if not hmac.compare_digest(given.strip().encode(), self.around.token.encode()):
            raise ApiError(401, "invalid x-api-key or bearer token")
        if self.request.method == "POST":
            kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind not in self.accepts:
                raise ApiError(400, f"Content-Type: {self.accepts[0]} is required")
        if not headers.get("anthropic-version"):
            raise ApiError(400, "anthropic-version: header is required")

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, or throw it away if the answer is no already."""
        if self.refusal is not None:
            return
        if len(self.body) + len(chunk) > self.max_body:
            self._refuse(self.too_large())
        else:
            self.body += chunk

    def too_large(self) -> ApiError:
        """Return the refusal of a body over the limit."""
        return ApiError(413, f"Request exceeds the maximum allowed number of bytes: {self.max_body}")

    def on_connection_close(self) -> None:
        """Note that nobody listens any more, nor sends the rest of a body."""
        super().on_connection_close()
        self.body = bytearray()
        self.gone.set()

    def on_finish(self) -> None:
        """Let the connection wait for its next request."""
        self.stream.admitted = False

    def admitted(self) -> bytes:
        """Return the whole body; ends the request if it was refused."""
        if self.refusal is not None:
            raise web.Finish
        return bytes(self.body)

    async def get(self, *_arguments: str) -> None:
        """Say that there is nothing here."""
        await self._nothing()

    post = put = patch = delete = head = options = get

    async def _nothing(self) -> None:
        self.admitted()
        raise ApiError(404, "Not found")

    def answer(self, body: dict[str, Any]) -> None:
        """Send a JSON object and end."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body, ensure_ascii=False))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send the API's error envelope."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if not isinstance(error, ApiError):
            error = ApiError(status_code, self._reason)
        if self.request.method not in self.SUPPORTED_METHODS:  # tornado did not ask `prepare`
            error = self._refusal_of_headers() or error
        self.finish(self._error_body(error))

    def _error_body(self, error: ApiError) -> bytes:
        """Set status and headers of a refusal and return its body, in ASCII whatever it quotes."""
        self.set_status(error.status)
        self.set_header("Content-Type", "application/json")
        if not self.stream.admitted:
            self.set_header("Connection", "close")
        return json.dumps(error.envelope(self.request_id)).encode()

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Write down only what is a fault of ours."""
        if not isinstance(value, (ApiError, web.HTTPError, iostream.StreamClosedError)):
            traceback.print_exception(typ, value, tb, file=sys.stderr)


class OneMethod(Handler):
    """Refuses every method but those a subclass defines."""

    async def _nothing(self) -> None:
        self.admitted()
        raise ApiError(405, f"Method {self.request.method} is not allowed here")
