"""The messages of a request as turns: strings become text blocks, same-role neighbours are merged.

A user's text blocks are the prompt or attachments before it; what tells them apart is how the client sends
them, so of two text blocks in a row only the last can be the prompt.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = re.compile(r"(?<![\d,.])(\d[\d,]*) rows? [x×] (\d[\d,]*) columns?\b")

_DOCUMENT = re.compile(r"<document name=(\"[^\"\n]*\"|'[^'\n]*')>\n")
_DOCUMENT_END = "</document>"
_LABEL = re.compile(r"\S[^\n]{0,300}:")
_SUMMARY = re.compile(rf"[^\n]{{1,300}}: [^\n]{{1,60}}, (?:{SHAPE.pattern}|[\d,]+ columns?, not computed)")


@dataclass(frozen=True)
class Block:
    """One content block and the dotted path at which the request has it."""

    path: str
    value: dict[str, Any]

    @property
    def kind(self) -> str:
        """The block's ``type``."""
        return str(self.value["type"])

    @property
    def text(self) -> str:
        """The text of a text block, else an empty string."""
        return str(self.value["text"]) if self.value["type"] == "text" else ""


@dataclass(frozen=True)
class Turn:
    """Everything one side said before the other spoke."""

    role: str
    path: str
    blocks: tuple[Block, ...]

    def of(self, *kinds: str) -> list[Block]:
        """Return the blocks of these types, in order."""
        return [block for block in self.blocks if block.kind in kinds]

    @property
    def prompt(self) -> str:
        """What the user typed, without the texts attached to it; of an assistant, all of its text."""
        if self.role != "user":
            return "\n\n".join(block.text for block in self.of("text"))
        attached = {block.path for block in self.attached_texts}
        typed = [block.text for block in self.of("text") if block.path not in attached]
        return typed[0] if len(typed) == 1 else " ".join(text.strip() for text in typed)

    @property
    def attached_texts(self) -> list[Block]:
        """The text blocks that are attachments, or the names of images."""
        last = next((block.path for block in reversed(self.blocks) if block.kind == "text"), "")
        following = (*self.blocks[1:], None)
        return [
            block
            for block, after in zip(self.blocks, following, strict=True)
            if block.kind == "text" and _is_attached(block, after, last=block.path == last)
        ]


def read(messages: list[dict[str, Any]]) -> tuple[Turn, ...]:
    """Return the turns of a body's `messages` (already checked for structure)."""
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        path = f"messages.{index}"
        blocks = tuple(content_blocks(message["content"], f"{path}.content"))
        if turns and turns[-1].role == message["role"]:
            last = turns.pop()
            blocks, path = last.blocks + blocks, last.path
        turns.append(Turn(message["role"], path, blocks))
    return tuple(turns)


def content_blocks(content: Any, path: str) -> Iterator[Block]:
    """Yield the blocks of a `content`, which may be a string."""
    if isinstance(content, str):
        yield Block(path, {"type": "text", "text": content})
        return
    for index, value in enumerate(content or ()):
        yield Block(f"{path}.{index}", value)


def everything(turns: tuple[Turn, ...]) -> Iterator[Block]:
    """Yield every block of the request, those inside tool results and content documents too."""
    for turn in turns:
        for block in turn.blocks:
            yield from unfold(block)


def unfold(block: Block) -> Iterator[Block]:
    """Yield a block and the blocks inside it."""
    yield block
    if block.kind in {"tool_result", "search_result"}:
        for inner in content_blocks(block.value.get("content"), f"{block.path}.content"):
            yield from unfold(inner)
    elif block.kind == "document" and block.value["source"]["type"] == "content":
        yield from content_blocks(block.value["source"]["content"], f"{block.path}.source.content")


def attached_document(text: str) -> tuple[str, str] | None:
    """Return the name and the content of a text that is one ``<document name=…>`` element, else None."""
    found = _DOCUMENT.match(text)
    end = text.rfind(_DOCUMENT_END)
    if found is None or end < found.end() or text[end + len(_DOCUMENT_END) :].strip():
        return None
    return html.unescape(found[1][1:-1]), text[found.end() : end]


def is_label(block: Block, following: Block | None) -> bool:
    """Whether a text block is but the name of the image that follows, such as ``fig:``."""
    image = following is not None and following.kind == "image"
    return image and _LABEL.fullmatch(block.text) is not None


def _is_attached(block: Block, following: Block | None, *, last: bool) -> bool:
    """Return whether a text block of a user is not typed: the last one is, if it does not look otherwise."""
    if attached_document(block.text) is not None:
        return True
    if last:
        return is_label(block, following) and " " not in block.text
    if following is not None and following.kind == "text" and _message(following) == _message(block):
        return True
    return is_label(block, following) or _SUMMARY.match(block.text) is not None


def _message(block: Block) -> str:
    return block.path.partition(".content")[0]
