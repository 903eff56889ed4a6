"""Uploaded files in messages: a source that names a file becomes the source that holds its content.

From there on nothing tells the two apart: the same checks, words, tokens and cache entries.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from .errors import ApiError, invalid
from .turns import Block, Turn, content_blocks, everything

if TYPE_CHECKING:
    from .files import FileStore

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_HOLDERS = ("tool_result", "search_result")


def with_files(turns: tuple[Turn, ...], files: FileStore) -> tuple[Turn, ...]:
    """Return the turns with the content of each file in the place of its id.

    Parameters
    ----------
    turns
        The turns of a request whose structure has been checked.
    files
        The uploaded files.

    Raises
    ------
    ApiError
        404 when a file is unknown, deleted or expired; 400 when it is nothing for the block that names it.
    """
    if not any(_names_file(block.value) for block in everything(turns)):
        return turns
    filler = _Filler(files)
    return tuple(
        Turn(turn.role, turn.path, tuple(Block(block.path, filler.fill(block)) for block in turn.blocks))
        for turn in turns
    )


def _names_file(value: dict[str, Any]) -> bool:
    source = value.get("source")
    return value["type"] in {"image", "document"} and isinstance(source, dict) and source["type"] == "file"


class _Filler:
    """Puts files in their places, opening each once even if a request names it often."""

    def __init__(self, files: FileStore) -> None:
        self._files = files
        self._opened: dict[tuple[str, str], dict[str, Any]] = {}

    def fill(self, block: Block) -> dict[str, Any]:
        """Return a block's value with every file in it, and in the blocks inside it, in its place."""
        value = block.value
        if _names_file(value):
            return {**value, "source": self._source(value["source"]["file_id"], block)}
        if block.kind in _HOLDERS and isinstance(value.get("content"), list):
            return {**value, "content": self._all(value["content"], f"{block.path}.content")}
        if block.kind == "document" and isinstance(value["source"].get("content"), list):
            source: dict[str, Any] = value["source"]
            inner = self._all(source["content"], f"{block.path}.source.content")
            return {**value, "source": {**source, "content": inner}}
        return value

    def _all(self, content: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
        return [self.fill(inner) for inner in content_blocks(content, path)]

    def _source(self, file_id: str, block: Block) -> dict[str, Any]:
        key = (block.kind, file_id)
        if key not in self._opened:
            self._opened[key] = _opened(self._files, file_id, block.kind, f"{block.path}.source.file_id")
        return self._opened[key]


def _opened(files: FileStore, file_id: str, kind: str, path: str) -> dict[str, Any]:
    try:
        file, content = files.content(file_id)
    except ApiError as error:
        # Assumed. The guide to the Files API gives the status 404 and "File not found: <id>", but its example
        # has the type invalid_request_error, which is that of a 400. Not documented at all: that the field's
        # path comes first, and that an expired file is refused like one that never was.
        raise ApiError(error.status, f"{path}: File not found: {file_id}") from None
    fitting = file.media_type in (_IMAGES if kind == "image" else ("application/pdf", "text/plain"))
    if not fitting:  # the guide gives the status; the words are ours
        raise invalid(path, f"A file of type {file.media_type} cannot be used in a block of type {kind}")
    if file.media_type == "text/plain":
        try:
            return {"type": "text", "media_type": "text/plain", "data": content.decode()}
        except UnicodeDecodeError:
            raise invalid(path, f"The file is not UTF-8 text: {file_id}") from None
    data = base64.b64encode(content).decode()
    return {"type": "base64", "media_type": file.media_type, "data": data}
