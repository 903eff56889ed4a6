"""The numbered list of what an answer cites, below it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from claude_magic.citations import Source

_SPECIAL = re.compile(r"([\\`*_\[\]<>$#|~])")
_LONGEST = 160


def source_list(sources: Sequence[Source]) -> str:
    """The sources as a Markdown list; ``""`` for none. Titles and quotes are put in as plain text."""
    if not sources:
        return ""
    return "**Sources**\n\n" + "\n".join(f"{number}. {_told(one)}" for number, one in enumerate(sources, 1))


def _told(source: Source) -> str:
    title = _plain(source.title)
    url = "%20".join(source.url.split())  # a line end would begin a text of its own
    where = f"[{title}]({url})" if url else title
    place = f", {source.place}" if source.place else ""
    quote = f": “{_plain(source.quote)}”" if source.quote else ""
    return f"{where}{place}{quote}"


def _plain(text: str) -> str:
    line = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
