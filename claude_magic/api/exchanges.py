"""One HTTP exchange as a cassette holds it: what was asked, made fit to be compared, and what came back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from claude_magic.api.credential import masked

KEPT_REQUEST = ("anthropic-version", "anthropic-beta")
KEPT_RESPONSE = ("content-type", "request-id", "retry-after", "x-should-retry")
DEMO = "claude-magic-offline"
"""How the offline demo's server names itself; a replayed answer of it is the demo's still."""

_IDS = ("id", "tool_use_id")
_ANSWERS_ID = re.compile(r"(msg|\w*toolu)_[\w-]+")
"""Ids that come from earlier answers, where a request names them; requests are compared without them."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A request, without anything secret and without the bytes of its attachments.

    Parameters
    ----------
    path : str
        From ``/v1/`` on, where it has that.
    headers : mapping
        Those that say which API is meant.
    body : object
        JSON; what is binary is told by its hash.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(compare=False)
    body: Any = None

    @property
    def key(self) -> str:
        """Equal for requests that ask the same."""
        told = json.dumps([self.method, self.path, _asking(self.body)], sort_keys=True)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what came back.

    Parameters
    ----------
    day : str
        When it was recorded, as ``2026-11-21``.
    pieces : sequence of (float, str)
        The answer in its pieces, an event of a stream each, with the seconds since the request.
    ended : str
        ``whole``, or what the HTTP layer raised, by its name.
    """

    asked: Requested
    day: str
    status: int
    headers: Mapping[str, str]
    pieces: Sequence[tuple[float, str]] = field(repr=False)
    ended: str = "whole"
    base64: bool = False

    @property
    def passing(self) -> bool:
        """Whether it is a fault that another try, or another key, need not meet."""
        return self.ended != "whole" or self.status in (401, 403, 408, 409, 429) or self.status >= 500

    @property
    def line(self) -> str:
        """It as a line of a cassette."""
        asked = self.asked
        response: dict[str, Any] = {"status": self.status, "headers": self.headers, "ended": self.ended}
        if self.base64:
            response["encoding"] = "base64"
        response["pieces"] = [[round(seconds, 3), text] for seconds, text in self.pieces]
        whole = {
            "recorded": self.day,
            "request": {
                "method": asked.method,
                "path": asked.path,
                "headers": asked.headers,
                "body": asked.body,
            },
            "response": response,
        }
        try:
            text = json.dumps(whole, ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            text = json.dumps(whole)
        return text

    @classmethod
    def of(cls, whole: Mapping[str, Any]) -> Exchange:
        """What `line` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is not that.
        """
        request, response = whole["request"], whole["response"]
        asked = Requested(request["method"], request["path"], request["headers"], request["body"])
        pieces = tuple((float(seconds), str(text)) for seconds, text in response["pieces"])
        headers = {str(name): str(value) for name, value in response["headers"].items()}
        binary = response.get("encoding") == "base64"
        status, ended = int(response["status"]), str(response["ended"])
        return cls(asked, str(whole["recorded"]), status, headers, pieces, ended, base64=binary)

    def data(self) -> Iterator[tuple[float, bytes]]:
        """The pieces as they came."""
        for seconds, text in self.pieces:
            yield seconds, base64.b64decode(text) if self.base64 else text.encode("utf-8", "surrogatepass")


def asked_of(request: httpx2.Request) -> Requested:
    """A request as a cassette holds it; its body is read."""
    path = request.url.raw_path.decode("ascii", "replace")
    start = path.find("/v1/")
    kept = {name: request.headers[name] for name in KEPT_REQUEST if name in request.headers}
    body = _body(request.read(), request.headers.get("content-type", ""))
    return Requested(request.method, path[max(start, 0) :], kept, body)


def kept_headers(headers: httpx2.Headers) -> dict[str, str]:
    """The headers of a response that its replay needs."""
    kept = {name: masked(headers[name]) for name in KEPT_RESPONSE if name in headers}
    return kept | ({"server": DEMO} if headers.get("server") == DEMO else {})


def _body(data: bytes, kind: str) -> Any:
    if not data:
        return None
    if boundary := re.search(r"multipart/.*boundary=\"?([^\";]+)", kind):
        return _parts(data, boundary[1].encode())
    try:
        return _lean(json.loads(data))
    except (ValueError, RecursionError):
        return _digest(data)


def _parts(data: bytes, boundary: bytes) -> list[Any]:
    """The parts of an upload; their boundary is another one each time."""
    parts = []
    for part in data.split(b"--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        parts.append({"head": head.decode("utf-8", "replace"), "data": _digest(content)})
    return parts


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()} ({len(data):,} bytes)"


def _lean(value: Any) -> Any:
    """A JSON value with its keys sorted, without keys of APIs and without the bytes of pictures and PDFs."""
    if isinstance(value, list):
        return [_lean(one) for one in value]
    if isinstance(value, str):
        return masked(value)
    if not isinstance(value, dict):
        return value
    lean = {name: _lean(value[name]) for name in sorted(value)}
    data = value.get("data")
    if value.get("type") == "base64" and isinstance(data, str):
        try:
            lean["data"] = _digest(base64.b64decode(data, validate=True))
        except (binascii.Error, ValueError):
            lean["data"] = _digest(data.encode())
    return lean


def _asking(body: Any) -> Any:
    """What of a request an answer depends on; diagnostics only ask why the prompt cache was missed."""
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name != "diagnostics"}
    return _comparable(body)


def _comparable(value: Any, name: str = "") -> Any:
    """Without ids of earlier answers, and without marks for the prompt cache, which no answer depends on."""
    if isinstance(value, dict):
        return {key: _comparable(one, key) for key, one in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_comparable(one) for one in value]
    if name in _IDS and isinstance(value, str) and (found := _ANSWERS_ID.fullmatch(value)):
        return f"{found[1]}_"
    return value


def differences(asked: Requested, recorded: Requested) -> list[str]:
    """The parts in which a request differs from a recorded one, in words."""
    one, other = _asking(asked.body), _asking(recorded.body)
    if not isinstance(one, dict) or not isinstance(other, dict):
        return [] if one == other else ["the body"]
    names = [name for name in (*one, *other) if name != "messages" and one.get(name) != other.get(name)]
    found = [_told(name, one.get(name), other.get(name)) for name in dict.fromkeys(names)]
    return found + _in_messages(one.get("messages"), other.get("messages"))


def _told(name: str, one: Any, other: Any) -> str:
    if not isinstance(one, str | int | float) or not isinstance(other, str | int | float) or name == "system":
        return name
    short = [text if len(text) <= 40 else f"{text[:39]}…" for text in (str(one), str(other))]
    return f"{name} ({short[0]}, recorded {short[1]})"


def _in_messages(one: Any, other: Any) -> list[str]:
    if not isinstance(one, list) or not isinstance(other, list):
        return [] if one == other else ["messages"]
    found = []
    for number, (mine, theirs) in enumerate(zip(one, other, strict=False), 1):
        if mine == theirs:
            continue
        attached = _attached(mine) != _attached(theirs)
        written = not attached or _texts(mine) != _texts(theirs)
        what = f"message {number}" if written else f"an attachment of message {number}"
        found.append(f"{what} with an attachment" if attached and written else what)
    if len(one) != len(other):
        found.append(f"the number of messages ({len(one)}, recorded {len(other)})")
    return found


def _blocks(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, list) else [content]


def _is_attached(block: Any) -> bool:
    return isinstance(block, dict) and "source" in block


def _texts(message: Any) -> list[Any]:
    return [block for block in _blocks(message) if not _is_attached(block)]


def _attached(message: Any) -> list[Any]:
    return [block for block in _blocks(message) if _is_attached(block)]
