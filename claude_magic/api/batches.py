"""Message Batches at the API: sent from a file, asked after, fetched into a file."""

from __future__ import annotations

import contextlib
import email.utils
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import anthropic
import httpx2
from anthropic import Anthropic

from claude_magic.api import providers
from claude_magic.api.failures import from_sdk, line, no_api
from claude_magic.api.stream import CONNECT
from claude_magic.errors import ApiProblem, RequestRefused, UsageProblem

COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
MOST_LINE = 64 * 1024 * 1024
"""Bytes of one result at most; what is longer is no answer of a model."""

_PATH = "/v1/messages/batches"
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_SENDING = httpx2.Timeout(600.0, connect=CONNECT)
_ASKING = httpx2.Timeout(60.0, connect=CONNECT)
_STATUS = ("in_progress", "canceling", "ended")


@dataclass(frozen=True, slots=True)
class Batch:
    """What the API says of a batch.

    Parameters
    ----------
    status : str
        ``in_progress``, ``canceling`` or ``ended``.
    counts : mapping
        How many of its requests are in each of `COUNTS`; until it has ended all are ``processing``.
    created, expires : float
        Seconds since the epoch, by the API's clock; 0 where it does not tell.
    fetchable : bool
        Whether its results are there.
    demo : bool
        Whether the local API answers.
    """

    id: str
    status: str
    counts: Mapping[str, int] = field(default_factory=dict)
    created: float = 0.0
    expires: float = 0.0
    fetchable: bool = False
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request of a batch.

    Parameters
    ----------
    custom_id : str
        Which one it is.
    outcome : str
        ``succeeded``, ``errored``, ``canceled`` or ``expired``.
    message : mapping or None
        The message as the API sent it, where it succeeded.
    error : str
        One plain line, where it did not.
    """

    custom_id: str
    outcome: str
    message: Mapping[str, Any] | None = field(default=None, repr=False)
    error: str = ""


def refuse_batches(provider: providers.Provider) -> None:
    """Raise where a provider takes no batches.

    Raises
    ------
    UsageProblem
        Before anything is sent.
    """
    if not provider.has_batches:
        raise UsageProblem(f"{provider.title} takes no Message Batches: leave --batch out. Nothing was sent.")


def submit(client: Anthropic, path: Path) -> Batch:
    """Send a batch from a file that holds its ready body; it is never held in memory.

    Raises
    ------
    ApiProblem
        When it was refused; or when it is not known whether it arrived: `charged` says so.
    """
    with path.open("rb") as body:
        size = path.stat().st_size
        headers = {"Content-Length": str(size), "Content-Type": "application/json", "Connection": "close"}
        return _asked(
            client,
            lambda: client.post(
                _PATH,
                cast_to=httpx2.Response,
                content=_pieces(body),
                options={"max_retries": 0, "timeout": _SENDING, "headers": headers},
            ),
        )


def retrieve(client: Anthropic, batch_id: str) -> Batch:
    """What the API says of a batch now; raises ApiProblem."""
    path = _path(batch_id)
    return _asked(client, lambda: client.get(path, cast_to=httpx2.Response, options=_options()))


def cancel(client: Anthropic, batch_id: str) -> Batch:
    """Have no further request of a batch answered; raises ApiProblem."""
    path = f"{_path(batch_id)}/cancel"
    return _asked(client, lambda: client.post(path, cast_to=httpx2.Response, options=_options()))


def newest(client: Anthropic, count: int = 20) -> tuple[list[Batch], float]:
    """The batches the API was sent last, newest first, and what time it is there; raises ApiProblem."""
    path = f"{_PATH}?limit={count}"
    raw, headers = _json(client, lambda: client.get(path, cast_to=httpx2.Response, options=_options()))
    rows = raw.get("data") if isinstance(raw, dict) else None
    if not isinstance(rows, list):
        raise no_api(client)
    date = email.utils.parsedate_tz(headers.get("date", ""))
    now = time.time() if date is None else float(email.utils.mktime_tz(date))
    return [_batch(row, client, demo=_is_demo(headers)) for row in rows], now


def download(client: Anthropic, batch_id: str, into: IO[bytes]) -> bool:
    """Write the results of a batch to a file as they come; return whether the local API sent them.

    They are asked for at the batch's own path: an address that an answer names might be anybody's.

    Raises
    ------
    ApiProblem
        When they are not there, or broke off; what came is in the file.
    """
    path = f"{_path(batch_id)}/results"
    try:
        response = cast(
            "httpx2.Response",
            client.get(
                path,
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=anthropic.Stream[object],
                options=_options(),
            ),
        )
        with contextlib.closing(response):
            for bit in response.iter_bytes(1 << 18):
                into.write(bit)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the network does becomes one line
        raise from_sdk(error, client, "") from None
    into.flush()
    return _is_demo(response.headers)


def results(file: IO[bytes], client: Anthropic | None = None) -> Iterator[Result | None]:
    """The results in a file, one by one; None for each line that is none.

    Parameters
    ----------
    client : Anthropic or None
        Whose key no error must repeat.
    """
    while text := file.readline(MOST_LINE):
        if text.strip():
            yield _result(text, client)


def is_gone(problem: ApiProblem) -> bool:
    """Whether the API says that it knows no such batch, or that its results are no longer there."""
    return isinstance(problem, RequestRefused) and (
        problem.brief == "refused (404)" or str(problem).startswith("Not found")
    )


def _result(text: bytes, client: Anthropic | None) -> Result | None:
    try:
        raw = json.loads(text)
        custom_id, result = raw["custom_id"], raw["result"]
        kind = result["type"]
        if not isinstance(custom_id, str) or not isinstance(kind, str):
            return None
        if kind == "succeeded":
            message = result["message"]
            return Result(custom_id, kind, message) if isinstance(message, dict) else None
        if kind in ("canceled", "expired"):
            return Result(custom_id, kind, error=f"the request was {kind}" if kind == "canceled" else kind)
        return Result(custom_id, "errored", error=_error(result.get("error"), client) or line(kind))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _error(envelope: object, client: Anthropic | None) -> str:
    """One line of an error's envelope."""
    inner = envelope.get("error", envelope) if isinstance(envelope, dict) else None
    if not isinstance(inner, dict):
        return "an error without a message"
    kind, said = inner.get("type"), inner.get("message")
    words = [line(one, client) for one in (kind, said) if isinstance(one, str) and one.strip()]
    return ": ".join(words) or "an error without a message"


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    while piece := body.read(1 << 16):
        yield piece


def _path(batch_id: str) -> str:
    if not _ID.fullmatch(batch_id):
        raise UsageProblem(f"{line(batch_id)!r} is no batch's id. Nothing was sent.")
    return f"{_PATH}/{batch_id}"


def _options() -> Any:
    return {"max_retries": 0, "timeout": _ASKING}


def _asked(client: Anthropic, call: Callable[[], Any]) -> Batch:
    raw, headers = _json(client, call)
    return _batch(raw, client, demo=_is_demo(headers))


def _json(client: Anthropic, call: Callable[[], Any]) -> tuple[Any, Mapping[str, str]]:
    try:
        response = call()
        raw = json.loads(response.read())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise no_api(client) from None
    except Exception as error:  # noqa: BLE001 - whatever the network does becomes one line
        raise from_sdk(error, client, "") from None
    return raw, response.headers


def _is_demo(headers: Mapping[str, str]) -> bool:
    return headers.get("server", "") == "claude-magic-offline"


def _batch(raw: object, client: Anthropic, *, demo: bool) -> Batch:
    if not isinstance(raw, dict):
        raise no_api(client)
    batch_id, status, counts = raw.get("id"), raw.get("processing_status"), raw.get("request_counts")
    if not (isinstance(batch_id, str) and _ID.fullmatch(batch_id) and status in _STATUS):
        raise no_api(client)
    known = counts if isinstance(counts, dict) else {}
    numbers = {name: known[name] for name in COUNTS if type(known.get(name)) is int}
    return Batch(
        batch_id,
        str(status),
        numbers,
        _seconds(raw.get("created_at")),
        _seconds(raw.get("expires_at")),
        bool(raw.get("results_url")),
        demo,
    )


def _seconds(moment: object) -> float:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
