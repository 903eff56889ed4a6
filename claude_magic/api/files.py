"""Large attachments: uploaded once through the Files API, referenced by their id from then on."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import anthropic
from anthropic import Anthropic
from anthropic.types.file_metadata import FileMetadata

from claude_magic.api.failures import from_sdk, no_api
from claude_magic.api.request import encode
from claude_magic.values import Block

_SUFFIXES = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg"}


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file at the API: its id, and the block that refers to it."""

    file_id: str
    block: Block


_NO_FILES = (404, 405, 501)
"""What an API answers that keeps no files."""


class Files:
    """The attachments of one client that have been uploaded.

    Parameters
    ----------
    client : anthropic.Anthropic
        Where they are uploaded.
    """

    def __init__(self, client: Anthropic) -> None:
        self._client = client
        self._uploaded: dict[Block, Uploaded] = {}
        self._missing = False
        self._lock = threading.Lock()  # a stopped question's upload may still be under way

    def placed(self, blocks: Sequence[Block], above: int) -> tuple[Block, ...]:
        """The blocks, those larger than ``above`` bytes by reference; inline where the API has no files.

        Parameters
        ----------
        above : int
            Bytes of the payload; 0 for never.
        """
        with self._lock:
            return tuple(
                self._reference(block) if above and block.size > above and _is_inline(block) else block
                for block in blocks
            )

    def forget(self, message: str) -> bool:
        """Forget the files an error message speaks of; True when there were any: then a retry helps."""
        with self._lock:
            return self._forget(message)

    def _forget(self, message: str) -> bool:
        gone = [block for block, uploaded in self._uploaded.items() if uploaded.file_id in message]
        for block in gone:
            del self._uploaded[block]
        return bool(gone)

    def _reference(self, block: Block) -> Block:
        if self._missing:
            return block
        if block not in self._uploaded:
            raw = json.loads(block.json)
            kind = raw["source"]["media_type"]
            name = (block.name or "attachment").removesuffix(_SUFFIXES.get(kind, ""))
            file = (name + _SUFFIXES.get(kind, ""), base64.b64decode(raw["source"]["data"]), kind)
            try:
                uploaded = self._client.files.upload(file=file)
            except Exception as error:  # noqa: BLE001 - whatever the network does becomes one line
                if not (isinstance(error, anthropic.APIStatusError) and error.status_code in _NO_FILES):
                    raise from_sdk(error, self._client, "") from None
                self._missing = True
                return block
            if not isinstance(uploaded, FileMetadata):
                raise no_api(self._client)
            raw["source"] = {"type": "file", "file_id": uploaded.id}
            self._uploaded[block] = Uploaded(uploaded.id, replace(block, json=encode(raw)))
        return self._uploaded[block].block


def _is_inline(block: Block) -> bool:
    return block.kind in ("image", "document") and b'"type":"base64"' in block.json[:200]
