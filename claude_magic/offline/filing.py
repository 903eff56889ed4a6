"""The endpoints of the Files API.

What the documentation leaves open is assumed: an upload with fields besides those known, or two files, is
refused; the MIME type is the one the upload states, and is told from the file's name where it states none.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .errors import ApiError, invalid
from .files import MAX_FILE
from .handler import Handler, OneMethod
from .multipart import Part, read_form

if TYPE_CHECKING:
    from .files import FileStore, StoredFile

_ENVELOPE = 64 * 1024  # bytes of a form besides the file
_SHORTEST, _LONGEST = 3600, 7_776_000  # seconds that an upload may ask for
_MAX_NAME = 255  # characters
_NOT_IN_NAMES = re.compile(r'[<>:"|?*\x00-\x1f]')
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,126}/[\w.+-]{1,126}", re.ASCII)
_UNKNOWN = "application/octet-stream"
_OUR_TYPES = {".webp": "image/webp"}  # which Python knows from 3.13 on


def routes(*, on: bool) -> list[tuple[str, type[Handler]]]:
    """Return path patterns with their handlers; if not on, those of a server that lacks the Files API."""
    if not on:
        return [(r"/v1/files(?:/.*)?", NoFilesHandler)]
    return [
        (r"/v1/files", FilesHandler),
        (r"/v1/files/([^/]+)", FileHandler),
        (r"/v1/files/([^/]+)/content", ContentHandler),
    ]


class NoFilesHandler(Handler):
    """Answers 404 to an upload too, which elsewhere is refused for its content type."""

    accepts = ("application/json", "multipart/form-data")


class FilesHandler(OneMethod):
    """``POST /v1/files`` and ``GET /v1/files``."""

    accepts = ("multipart/form-data",)
    max_body = MAX_FILE + _ENVELOPE

    def too_large(self) -> ApiError:
        """Return the refusal of a file over the limit."""
        return ApiError(413, f"File exceeds the maximum allowed number of bytes: {MAX_FILE}")

    async def post(self, *_arguments: str) -> None:
        """Keep the uploaded file and answer with its metadata."""
        raw = self.admitted()
        self.body = bytearray()  # one copy is enough
        content_type = self.request.headers["Content-Type"]
        parts = await self.around.aside(lambda: read_form(raw, content_type))
        if any(len(part.content) > MAX_FILE for part in parts):
            raise self.too_large()
        self.answer(_keep(parts, self.around.files).metadata())

    async def get(self, *_arguments: str) -> None:
        """Answer with a page of files, or with those named."""
        self.admitted()
        files = self.around.files
        ids = (*self.get_query_arguments("ids"), *self.get_query_arguments("ids[]"))
        limit = self.get_query_argument("limit", "")
        cursor = self.get_query_argument("page", "")
        if ids and (limit or cursor):
            raise invalid("ids", "cannot be used together with `limit` or `page`")
        if ids:
            return self.answer(files.chosen(ids))
        if limit and not (re.fullmatch(r"[0-9]{1,4}", limit) and 1 <= int(limit) <= 1000):
            raise invalid("limit", "Input should be an integer from 1 to 1000")
        return self.answer(files.page(int(limit or 20), cursor))


class FileHandler(OneMethod):
    """``GET /v1/files/{id}`` and ``DELETE /v1/files/{id}``."""

    async def get(self, *arguments: str) -> None:
        """Answer with the file's metadata."""
        self.admitted()
        self.answer(self.around.files.find(arguments[0]).metadata())

    async def delete(self, *arguments: str) -> None:
        """Forget the file."""
        self.admitted()
        self.around.files.delete(arguments[0])
        self.answer({"id": arguments[0], "type": "file_deleted"})


class ContentHandler(OneMethod):
    """``GET /v1/files/{id}/content``."""

    async def get(self, *arguments: str) -> None:
        """Refuse: an upload cannot be downloaded (that it is first refused for having expired is assumed)."""
        self.admitted()
        file, _ = self.around.files.content(arguments[0])
        raise ApiError(400, f"File is not downloadable: {file.id}", code="file_not_downloadable")


def _keep(parts: tuple[Part, ...], files: FileStore) -> StoredFile:
    uploads = [part for part in parts if part.name == "file"]
    lives = [part for part in parts if part.name == "expires_in_seconds"]
    for part in parts:
        if part.name not in {"file", "expires_in_seconds"}:
            raise invalid(part.name, "Extra inputs are not permitted")
    if not uploads:
        raise invalid("file", "Field required")
    if len(uploads) > 1 or len(lives) > 1:
        raise invalid("file" if len(uploads) > 1 else "expires_in_seconds", "Field given more than once")
    media_type = _media_type(uploads[0])
    name = _name(uploads[0].filename, media_type)
    return files.add(name, media_type, uploads[0].content, _life(lives[0]) if lives else None)


def _media_type(part: Part) -> str:
    if _MEDIA_TYPE.fullmatch(part.media_type) and part.media_type != _UNKNOWN:
        return part.media_type
    suffix = PurePosixPath(part.filename).suffix.lower()
    return _OUR_TYPES.get(suffix) or mimetypes.guess_type(f"name{suffix}")[0] or _UNKNOWN


def _name(given: str, media_type: str) -> str:
    name = re.split(r"[/\\]", given)[-1]
    if not name:
        extension = "" if media_type == _UNKNOWN else mimetypes.guess_extension(media_type) or ""
        return f"unnamed{extension}"
    if len(name) > _MAX_NAME or _NOT_IN_NAMES.search(name):
        raise invalid(
            "file.filename", f'must have at most {_MAX_NAME} characters, none of them < > : " | ? *'
        )
    return name


def _life(part: Part) -> int:
    digits = part.content if re.fullmatch(rb"[0-9]{1,9}", part.content) else b"0"
    if not _SHORTEST <= int(digits) <= _LONGEST:
        raise invalid("expires_in_seconds", f"Input should be an integer from {_SHORTEST} to {_LONGEST}")
    return int(digits)
