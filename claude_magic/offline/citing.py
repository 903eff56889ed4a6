"""Citations: the demo model quotes the beginning of each document for which citations were asked.

Only of documents sent with the last message, or named in it by their title.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .draft import Draft
from .turns import Block, content_blocks, everything, unfold

if TYPE_CHECKING:
    from .media import Inspector
    from .turns import Turn

_LONGEST = 160  # characters of a quote
_MOST = 3


def citations(turns: tuple[Turn, ...], last: Turn, inspector: Inspector) -> list[Draft]:
    """Return a text with its citation for each citable document the last turn is about, at most three."""
    drafts: list[Draft] = []
    sent = {inner.path for block in last.blocks for inner in unfold(block)}
    prompt = last.prompt
    documents, results = 0, 0
    for block in everything(turns):
        if block.kind not in {"document", "search_result"}:
            continue
        wanted = block.path in sent or _mentions(prompt, block.value.get("title"))
        if wanted and (block.value.get("citations") or {}).get("enabled"):
            citation = (
                _of_result(block.value, results)
                if block.kind == "search_result"
                else _of_document(block, documents, inspector)
            )
            if citation is not None:
                name = block.value.get("title") or f"document {documents + 1}"
                said = " ".join(citation["cited_text"].split())
                drafts += [
                    Draft("text", f"\n\n{name} says: "),
                    Draft("text", f"“{said}”", {"citations": [citation]}),
                ]
        documents += block.kind == "document"
        results += block.kind == "search_result"
    return drafts[: 2 * _MOST]


def _mentions(prompt: str, title: object) -> bool:
    named = title.strip() if isinstance(title, str) else ""
    pattern = rf"(?<!\w){re.escape(named)}(?!\w)"
    return bool(named) and re.search(pattern, prompt, re.IGNORECASE) is not None


def _of_document(block: Block, index: int, inspector: Inspector) -> dict[str, Any] | None:
    source = block.value["source"]
    common = {"document_index": index, "document_title": block.value.get("title")}
    if source["type"] == "text":
        start, end = _span(source["data"])
        return {
            "type": "char_location",
            "cited_text": source["data"][start:end],
            "start_char_index": start,
            "end_char_index": end,
            **common,
        }
    if source["type"] == "content":
        texts = [inner.text for inner in content_blocks(source["content"], "")]
        place = next((n for n, text in enumerate(texts) if text.strip()), None)
        if place is None:
            return None
        return {
            "type": "content_block_location",
            "cited_text": texts[place],
            "start_block_index": place,
            "end_block_index": place + 1,
            **common,
        }
    if source["type"] != "base64":
        return None  # not fetched, so nothing to quote
    for number, text in enumerate(inspector.paper(source, block.path).texts, 1):
        if text.strip():
            start, end = _span(text)
            return {
                "type": "page_location",
                "cited_text": text[start:end],
                "start_page_number": number,
                "end_page_number": number + 1,
                **common,
            }
    return None


def _of_result(value: dict[str, Any], index: int) -> dict[str, Any] | None:
    if not value["content"]:
        return None
    return {
        "type": "search_result_location",
        "cited_text": value["content"][0]["text"],
        "search_result_index": index,
        "source": value["source"],
        "title": value["title"],
        "start_block_index": 0,
        "end_block_index": 1,
    }


def _span(text: str) -> tuple[int, int]:
    """Return where the first sentence or line of a text begins and ends."""
    start = len(text) - len(text.lstrip())
    ends = [text.find(mark, start) for mark in (". ", ".\n", "\n")]
    end = min((place + (text[place] == ".") for place in ends if place > start), default=len(text.rstrip()))
    return start, min(end, start + _LONGEST)
