"""The body of a batch in a file: taken apart into its requests without being held in memory.

Only where each request begins and ends is looked for, by the quotes and brackets of JSON; each is parsed by
itself, and what is left of the body without them as well.
"""

from __future__ import annotations

import json
import mmap
import re
from typing import IO, TYPE_CHECKING

from .errors import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_REQUESTS = 100_000
MAX_BYTES = 256 * 1024 * 1024

# Possessive: a string is never read twice, however long it is.
_MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_MAX_REST = 1 << 24  # bytes besides the requests
_REQUESTS_DEPTH = 2  # inside the body, inside its list


def ranges(body: IO[bytes]) -> list[tuple[int, int]]:
    """Return where each request of a batch begins and ends in the file.

    Raises
    ------
    ApiError
        400 for what is no JSON object with a list of objects in ``requests`` and nothing else.
    """
    size = body.seek(0, 2)
    if not size:
        raise ApiError(400, "The request body is not valid JSON: it is empty")
    with mmap.mmap(body.fileno(), size, access=mmap.ACCESS_READ) as view:
        found: list[tuple[int, int]] = []
        for place in _objects(view):
            found.append(place)
            if len(found) > MAX_REQUESTS:
                raise invalid("requests", f"at most {MAX_REQUESTS} requests are allowed")
        _check_rest(_rest(view, found), len(found))
    return found


def _objects(view: mmap.mmap) -> Iterator[tuple[int, int]]:
    depth = start = 0
    for mark in _MARKS.finditer(view):
        sign = mark[0][:1]
        if sign in b"{[":
            if depth == _REQUESTS_DEPTH and sign == b"{":
                start = mark.start()
            depth += 1
        elif sign in b"}]":
            depth -= 1
            if depth == _REQUESTS_DEPTH and sign == b"}":
                yield start, mark.end()


def _rest(view: mmap.mmap, found: list[tuple[int, int]]) -> bytes:
    """Return the body with a 0 in the place of each request."""
    if len(view) - sum(end - begin for begin, end in found) > _MAX_REST:
        raise invalid("requests", "Each request should be a valid dictionary")
    edges = [0, *(edge for place in found for edge in place), len(view)]
    return b"0".join(view[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True))


def _check_rest(rest: bytes, count: int) -> None:
    try:
        body = json.loads(rest.decode("utf-8"))
    except RecursionError:
        raise ApiError(400, "The request body is not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be a JSON object")
    for name in body:
        if name != "requests":
            raise invalid(name, "Extra inputs are not permitted")
    if "requests" not in body:
        raise invalid("requests", "Field required")
    requests = body["requests"]
    if not isinstance(requests, list):
        raise invalid("requests", "Input should be a valid list")
    if not requests:
        raise invalid("requests", "at least one request is required")
    if requests != [0] * count:
        raise invalid("requests", "Each request should be a valid dictionary")
