"""The messages of a request as turns: strings become text blocks, same-role neighbours are merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        """The text blocks, joined by blank lines."""
        return "\n\n".join(block.text for block in self.of("text"))


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
