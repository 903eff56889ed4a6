"""File names as users write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with ``~`` for the home it stands for; where nobody has that name, it is a name like any other.

    `pathlib.Path.expanduser` raises there.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - it leaves an unknown user's home as it is
