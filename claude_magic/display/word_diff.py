"""A diff of words, as Markdown and as plain text; the words are foreign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from claude_magic.display.prose import entities
from claude_magic.display.untrusted import alone, visible

AROUND = 6
"""Words in common that are shown on either side of a difference."""
MOST = 250
"""Words of a diff that are shown."""
_PLAIN = {"old": ("[-", "-]"), "new": ("{+", "+}"), "both": ("", "")}
_MARKED = {"old": ("<del>", "</del>"), "new": ("<ins>", "</ins>"), "both": ("", "")}

Run = tuple[str, Sequence[str]]
"""Where words stand (``old``, ``new`` or ``both``), and the words."""


def shown_runs(runs: Iterable[Run]) -> list[Run]:
    """The runs of a diff as they are shown: what is in common is left out but around differences."""
    listed = list(runs)
    short: list[Run] = []
    count = 0
    for number, (where, words) in enumerate(listed):
        kept = tuple(words)
        if where == "both":
            first = kept[:AROUND] if number else ()
            last = kept[-AROUND:] if number < len(listed) - 1 else ()
            if len(kept) > len(first) + len(last):
                kept = (*first, "…", *last)
        if count + len(kept) > MOST:
            short.append((where, (*kept[: MOST - count], "…")))
            break
        short.append((where, kept))
        count += len(kept)
    return short


def as_markdown(runs: Iterable[Run]) -> str:
    """One line: what only the old text has struck through, what only the new has underlined."""
    return " ".join(
        f"{_MARKED[where][0]}{_inert(words)}{_MARKED[where][1]}" for where, words in runs if words
    )


def as_text(runs: Iterable[Run]) -> str:
    """One line: ``[-old-] {+new+}``."""
    return visible(
        " ".join(f"{_PLAIN[where][0]}{' '.join(words)}{_PLAIN[where][1]}" for where, words in runs if words)
    )


def _inert(words: Sequence[str]) -> str:
    """Words in which no parser and no typesetter finds anything."""
    text = entities(" ".join(visible(word) for word in words))
    return text.replace("&#36;", alone("$")).replace("&#92;", alone("\\"))
