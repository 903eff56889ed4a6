"""The files and folders that what is typed may become."""

from __future__ import annotations

import re
from collections.abc import Iterator

from IPython.core.completer import SimpleCompletion

from claude_magic.file_names import expanded

_MOST = 300
"""Files of a folder that are offered."""


def files(fragment: str, before: str = "") -> Iterator[SimpleCompletion]:
    """The files and folders that a path may become; one with blanks in quotes.

    Parameters
    ----------
    before : str
        What stands before the path and is part of what is replaced.
    """
    quote = fragment[:1] if fragment[:1] in ("'", '"') else ""
    typed = fragment.removeprefix(quote)
    folder, slash, name = typed.rpartition("/")
    place = expanded(f"{folder}{slash}" or ".")
    count = 0
    for entry in sorted(place.iterdir() if place.is_dir() else ()):
        if not entry.name.startswith(name) or (entry.name.startswith(".") and not name.startswith(".")):
            continue
        count += 1
        if count > _MOST:
            return
        inside = entry.is_dir()
        path = f"{folder}{slash}{entry.name}{'/' if inside else ''}"
        needs = quote or ('"' if re.search(r"[\s\[\]{}()]", path) else "")
        closed = "" if inside else needs
        yield SimpleCompletion(f"{needs}{before}{path}{closed}", type="folder" if inside else "file")
