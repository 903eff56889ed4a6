"""Foreign text as a piece of our own Markdown: it says what it says, and formats nothing."""

from __future__ import annotations

import re
from urllib.parse import quote

MOST_SHOWN = 20_000
"""Characters of a tool's arguments or result that are shown; the model gets all of them."""
LONGEST_LINE = 160
"""Characters of a line that is shown: a title, a quote."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>$#|~])")


def fenced(text: str, language: str = "") -> str:
    """A text as a fenced code block that it cannot end; a long one is cut."""
    if len(text) > MOST_SHOWN:
        text = f"{text[:MOST_SHOWN]}\n… {len(text) - MOST_SHOWN:,} more characters"
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def plain(text: str, longest: int = LONGEST_LINE) -> str:
    """A text as one line of Markdown in which nothing is formatted; a long one is cut."""
    line = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", line if len(line) <= longest else line[: longest - 1] + "…")


def linked(title: str, url: str) -> str:
    """A title that leads to an address of the web; any other address is told as text."""
    if not url.startswith(("https://", "http://")):
        return f"{plain(title)} {plain(url)}".rstrip()
    # Nothing that is left in it means anything to Markdown.
    target = quote("%20".join(url.split()), safe="/:?&=#%+,;@~!'-._")
    return f"[{plain(title)}]({target})"
