"""Reading a ``multipart/form-data`` body (RFC 7578), strictly: what is not well-formed is refused."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from email.utils import collapse_rfc2231_value

from .errors import ApiError

_MAX_PARTS = 20
_MAX_HEAD = 16 * 1024  # bytes of one part's headers
_MAX_BOUNDARY = 70  # characters, by RFC 2046


@dataclass(frozen=True)
class Part:
    """One field of a form: its name, the file's name and MIME type (empty where not given), and its bytes."""

    name: str
    filename: str
    media_type: str
    content: bytes


def read_form(body: bytes, content_type: str) -> tuple[Part, ...]:
    """Return the parts of a form.

    Parameters
    ----------
    body
        The whole body.
    content_type
        The request's ``Content-Type`` with the boundary.

    Raises
    ------
    ApiError
        400, when the body is no such form.
    """
    boundary = _boundary(content_type)
    mark = b"\r\n--" + boundary
    place = 0 if body.startswith(mark[2:]) else body.find(mark) + 2
    if place == 1:
        raise _malformed("the boundary is not in it")
    place += len(mark) - 2
    parts: list[Part] = []
    while body[place : place + 2] != b"--":
        if len(parts) == _MAX_PARTS:
            raise _malformed(f"more than {_MAX_PARTS} parts")
        if body[place : place + 2] != b"\r\n":
            raise _malformed("a boundary is not followed by a line end")
        start = body.find(b"\r\n\r\n", place, place + _MAX_HEAD)
        end = body.find(mark, start + 4)
        if start < 0 or end < 0:
            raise _malformed("a part has no end")
        parts.append(_part(body[place + 2 : start], body[start + 4 : end]))
        place = end + len(mark)
    return tuple(parts)


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["Content-Type"] = content_type
    boundary = (header.get_boundary() or "").encode()
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise ApiError(400, "Content-Type: multipart/form-data needs a boundary")
    return boundary


def _part(head: bytes, content: bytes) -> Part:
    try:
        headers = HeaderParser().parsestr(head.decode())
    except UnicodeDecodeError:
        raise _malformed("the headers of a part are not UTF-8") from None
    name = _parameter(headers, "name")
    if headers.get_content_disposition() != "form-data" or not name:
        raise _malformed("a part has no name")
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Part(name, _parameter(headers, "filename"), media_type, content)


def _parameter(headers: Message, name: str) -> str:
    value = headers.get_param(name, "", header="content-disposition")
    return collapse_rfc2231_value(value) if value else ""


def _malformed(reason: str) -> ApiError:
    return ApiError(400, f"The request body is not valid multipart/form-data: {reason}")
