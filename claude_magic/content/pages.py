"""Which pages of a document: ranges as typed, as chosen, and as offered when all would be too many."""

from __future__ import annotations

import re
from collections.abc import Sequence

from claude_magic.content.names import shown
from claude_magic.errors import UsageProblem

LAST = 0
"""As the end of a range: to the last page."""

_RANGE = re.compile(r"([0-9]{1,9})(?:\s*[-–]\s*([0-9]{1,9})?)?")


def page_ranges(text: str) -> list[tuple[int, int]]:
    """Read page ranges as typed: ``3-7``, ``[1,4-6]``, ``12-`` (to the end).

    Parameters
    ----------
    text : str
        Pages counted from 1, ranges inclusive, with or without the brackets.

    Returns
    -------
    list of (int, int)
        First and last page of each range in the order given; the last is ``LAST`` for an open end.

    Raises
    ------
    UsageProblem
        For anything else, with what was meant to stand there.
    """
    body = text.strip()
    if body.startswith("[") and body.endswith("]"):
        body = body[1:-1]
    said = repr(shown(text, 40))
    ranges = []
    for part in body.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise UsageProblem(f"{_misread(said, part)} Nothing was sent.")
        first = int(match[1])
        last = first if match[0] == match[1] else int(match[2]) if match[2] else LAST
        if first < 1 or (match[2] and last < 1):
            raise UsageProblem(f"{said}: pages are counted from 1. Nothing was sent.")
        if last != LAST and last < first:
            raise UsageProblem(f"{said} runs backwards: did you mean {last}-{first}? Nothing was sent.")
        ranges.append((first, last))
    return ranges


def _misread(said: str, part: str) -> str:
    """Say what is wrong with a part that is no range."""
    if re.fullmatch(r"\s*[-–]\s*[0-9]{1,9}\s*", part):
        return f"{said} may mean the first pages or the last: write [1-3] or [118-]."
    if re.fullmatch(r"\s*[0-9]{1,9}\s*:\s*[0-9]{0,9}\s*", part):
        return f"{said}: pages are written with a dash, both ends included: [3-7]."
    return f"{said} are no pages: write [3-7], [1,4-6] or [12-], counted from 1."


def chosen_pages(name: str, count: int, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the chosen pages, counted from 0, in the order given and each once.

    Raises
    ------
    UsageProblem
        When one is beyond the document's ``count`` pages, or none is chosen.
    """
    chosen: dict[int, None] = {}
    for first, last in ranges:
        end = count if last == LAST else last
        if not 1 <= first <= end <= count:
            span = f"{first}" if first == last else f"{first}-{'' if last == LAST else last}"
            plural = "page" if count == 1 else "pages"
            raise UsageProblem(f"{name} has {count:,} {plural}, so not [{span}]. Nothing was sent.")
        chosen.update(dict.fromkeys(range(first - 1, end)))
    if not chosen:
        raise UsageProblem(f"No pages of {name} are chosen. Nothing was sent.")
    return list(chosen)


def too_many(name: str, count: int, chosen: Sequence[int], most: int) -> str:
    """Say that more than ``most`` pages are chosen of ``count``, and which ranges would fit."""
    what = f"{name} has {count:,} pages"
    if len(chosen) != count:
        what = f"{len(chosen):,} pages of {name} are chosen"
    return f"{what}; at most {most:,} fit: {_offers(name, chosen, most)}. Nothing was sent."


def too_large(name: str, size: int, most_bytes: int, chosen: Sequence[int]) -> str:
    """Say that the pages are over the request's size (bytes), and which would fit if all were of one size."""
    said = f"{name} has {size / 1e6:,.1f} MB; at most {most_bytes / 1e6:,.1f} MB fit in a request"
    # A tenth less than its share: pages differ, and fonts are repeated in every part.
    most = int(len(chosen) * most_bytes / size * 0.9)
    if most < 1 or len(chosen) == 1:
        return f"{said}: save it with smaller images. Nothing was sent."
    return f"{said}: perhaps {_offers(name, chosen, most)}. Nothing was sent."


def spans(chosen: Sequence[int], dash: str = "–", comma: str = ", ") -> str:
    """Write pages counted from 0 for people: ``4``, ``1, 4–6``."""
    runs: list[list[int]] = []
    for page in chosen:
        if runs and runs[-1][1] == page - 1:
            runs[-1][1] = page
        else:
            runs.append([page, page])
    return comma.join(f"{a + 1}" if a == b else f"{a + 1}{dash}{b + 1}" for a, b in runs)


def _offers(name: str, chosen: Sequence[int], most: int) -> str:
    """Name up to three parts of at most ``most`` pages, as the user would type them."""
    parts = [chosen[at : at + most] for at in range(0, len(chosen), most)]
    typed = [f"{name}[{spans(part, '-', ',')}]" for part in parts[:3]]
    return ", ".join(typed) + (", …" if len(parts) > 3 else "")
