"""Citations: the places that an answer cites, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from claude_magic.values import Block, Part, texts


@dataclass(frozen=True, slots=True)
class Source:
    """A place that an answer cites.

    Parameters
    ----------
    title : str
        The document's title, or the page's.
    place : str
        ``"page 3"``, ``"characters 10–52"``; ``""`` for the whole.
    url : str
        Of a page on the web, else ``""``.
    quote : str
        The passage, as the API quotes it.
    """

    title: str
    place: str
    url: str
    quote: str


class Numbers:
    """Numbers the sources of an answer in the order in which they are first cited.

    Parameters
    ----------
    blocks : iterable of Block
        What was sent: citations of pages cut out of a PDF are told by their numbers in the whole.
    """

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._pages = {block.name: block.page_numbers for block in blocks if block.page_numbers}
        self._numbers: dict[Source, int] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        """What has been cited, in the order of its numbers."""
        return tuple(self._numbers)

    def mark(self, citations: Iterable[Mapping[str, Any]]) -> str:
        """The marker behind a passage: ``" [1, 2]"``, or ``""`` for a passage without citations."""
        numbers = sorted({self._number(citation) for citation in citations})
        return f" [{', '.join(map(str, numbers))}]" if numbers else ""

    def _number(self, citation: Mapping[str, Any]) -> int:
        pages = self._pages.get(str(citation.get("document_title") or ""), ())
        return self._numbers.setdefault(source_of(citation, pages), len(self._numbers) + 1)


def source_of(citation: Mapping[str, Any], pages: tuple[int, ...] = ()) -> Source:
    """A citation as the API sends it, as a place for people.

    Parameters
    ----------
    pages : tuple of int
        Where the document was cut out of a PDF: the numbers of its pages in the whole.
    """

    def text(*names: str) -> str:
        return next((str(citation[name]) for name in names if citation.get(name)), "")

    def span(name: str, what: str) -> str:
        first, end = citation.get(f"start_{name}"), citation.get(f"end_{name}")
        if not isinstance(first, int):
            return ""
        # The API's ends are exclusive.
        last = end - 1 if isinstance(end, int) else first
        if name == "page_number" and 1 <= first <= last <= len(pages):
            first, last = pages[first - 1], pages[last - 1]
        return f"{what} {first}" if last <= first else f"{what}s {first}–{last}"

    place = span("page_number", "page") or span("char_index", "character") or span("block_index", "block")
    title = text("document_title", "title", "source", "url")
    if not title:
        title = f"document {int(citation.get('document_index') or 0) + 1}"
    return Source(title, place, text("url"), text("cited_text"))


def cited_text(parts: tuple[Part, ...], numbers: Numbers) -> str:
    """The text with a number behind each cited passage, as the reader sees it."""
    return "".join(texts(parts, lambda part: part.text + numbers.mark(part.citations)))
