"""The numbered list of what an answer cites, below it."""

from __future__ import annotations

from collections.abc import Sequence

from claude_magic.citations import Source
from claude_magic.wording import linked, plain


def source_list(sources: Sequence[Source]) -> str:
    """The sources as a Markdown list; ``""`` for none. Titles and quotes are put in as plain text."""
    if not sources:
        return ""
    return "**Sources**\n\n" + "\n".join(f"{number}. {_told(one)}" for number, one in enumerate(sources, 1))


def _told(source: Source) -> str:
    place = f", {source.place}" if source.place else ""
    quote = f": “{plain(source.quote)}”" if source.quote else ""
    return f"{linked(source.title, source.url)}{place}{quote}"
