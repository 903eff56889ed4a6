"""Keys of the tests, which no artefact may hold: each is made so that it can be searched for."""

from __future__ import annotations

import re
from pathlib import Path

KEY = re.compile(rb"sk-local-[\w-]{32}|sk-ant-canary-[\w-]+")
"""The tokens of local APIs, which serve as keys in the tests, and the keys that tests make up."""

PIECE = 1 << 24


def keys_in(data: bytes) -> list[str]:
    """The keys that stand in some bytes."""
    return [found.decode() for found in set(KEY.findall(data))] if b"sk-" in data else []


def files_with_keys(folder: Path) -> list[Path]:
    """The files under a folder that hold a key: stores, notebooks, logs, exports, whatever is there."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and _holds_key(path)
    ]


def _holds_key(path: Path) -> bool:
    with path.open("rb") as file:
        before = b""
        while piece := file.read(PIECE):
            if keys_in(before + piece):
                return True
            before = piece[-100:]
    return False
