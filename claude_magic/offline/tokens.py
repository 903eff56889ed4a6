"""An estimate of tokens that is the same on every run and every machine.

It is not Claude's tokenizer: it counts pieces of text, which for prose come within some tens of percent.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from .memory import Memory
from .turns import content_blocks

if TYPE_CHECKING:
    from .media import Inspector
    from .models import Model

# A piece is one CJK character, up to six letters, up to three digits, or one other character, with the blanks
# before it. The pieces of a text, joined, are the text.
_PIECE = re.compile(r"\s*(?:[\u2e80-\u9fff\uac00-\ud7af]|[^\W\d_]{1,6}|\d{1,3}|\S)|\s+$")

_PER_TURN = 4
_PER_TOOL = 12
_PER_PAGE = 1500
_PIXELS_PER_TOKEN = 750
_PATCH = 28
_UNSEEN_IMAGE = 1500  # a URL source, which this server does not fetch


def pieces(text: str) -> list[str]:
    """Return the pieces in which a text is streamed; joined they are the text."""
    return _PIECE.findall(text)


class Counter:
    """Counts the tokens of a request's parts; safe to share between threads."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._pieces: Memory[int] = Memory(20_000)

    def text(self, text: str, model: Model) -> int:
        """Return the tokens of a text."""
        if len(text) < 200:
            return math.ceil(len(pieces(text)) * model.density)
        key = Memory.key(text)
        number = self._pieces.get(key)
        if number is None:
            number = sum(1 for _ in _PIECE.finditer(text))
            self._pieces.put(key, number)
        return math.ceil(number * model.density)

    def json(self, value: Any, model: Model) -> int:
        """Return the tokens of a JSON value."""
        return self.text(json.dumps(value, ensure_ascii=False), model)

    def tool(self, tool: dict[str, Any], model: Model) -> int:
        """Return the tokens of a tool's definition."""
        return _PER_TOOL + self.json(without_marks(tool), model)

    def turn_opening(self) -> int:
        """Return the tokens that each message costs besides its content."""
        return _PER_TURN

    def block(self, block: dict[str, Any], model: Model) -> int:
        """Return the tokens of one content block, whatever its type."""
        kind = block["type"]
        if kind == "text":
            return self.text(block["text"], model)
        if kind == "image":
            return self._image(block["source"], model)
        if kind == "document":
            return self._document(block, model)
        if kind in {"thinking", "redacted_thinking"}:
            return self.text(block.get("thinking", ""), model)
        if kind in {"tool_result", "search_result"}:
            inner = content_blocks(block.get("content"), "")
            return _PER_TURN + sum(self.block(each.value, model) for each in inner)
        return _PER_TURN + self.json(without_marks(block), model)

    def _image(self, source: dict[str, Any], model: Model) -> int:
        if source["type"] != "base64":
            return _UNSEEN_IMAGE
        picture = self._inspector.picture(source, "")
        scale = min(1.0, model.long_edge / max(picture.width, picture.height))
        width, height = (
            math.ceil(max(1, round(side * scale)) / _PATCH) * _PATCH
            for side in (picture.width, picture.height)
        )
        return math.ceil(width * height / _PIXELS_PER_TOKEN)

    def _document(self, block: dict[str, Any], model: Model) -> int:
        source = block["source"]
        total = sum(self.text(block[name], model) for name in ("title", "context") if block.get(name))
        if source["type"] == "text":
            return total + self.text(source["data"], model)
        if source["type"] == "content":
            inner = content_blocks(source["content"], "")
            return total + sum(self.block(each.value, model) for each in inner)
        if source["type"] != "base64":
            return total + _PER_PAGE
        paper = self._inspector.paper(source, "")
        read = sum(self.text(text, model) for text in paper.texts)
        return total + round(read * paper.pages / len(paper.texts)) + _PER_PAGE * paper.pages


def without_marks(value: dict[str, Any]) -> dict[str, Any]:
    """Return a block or tool without its `cache_control`, which is no part of the prompt."""
    return {name: item for name, item in value.items() if name != "cache_control"}
