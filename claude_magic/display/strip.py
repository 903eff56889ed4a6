"""The strip: what was sent with the prompt, in sight. Names and notes are foreign text here."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import replace

from claude_magic.display.untrusted import visible
from claude_magic.values import Block


def attached(blocks: Sequence[Block]) -> list[Block]:
    """The blocks that the user attached, in order: those with a name; as one where one name has several."""
    found: list[Block] = []
    for block in blocks:
        if found and block.name == found[-1].name:
            last = found[-1]
            found[-1] = replace(last, size=last.size + block.size, tokens=last.tokens + block.tokens)
        elif block.name:
            found.append(block)
    return found


def told(block: Block, *, tokens: bool = True) -> str:
    """One attachment in words: name, what was done to it, size, tokens."""
    parts = [block.name]
    if block.note:
        parts.append(block.note)
    if block.size:
        parts.append(data_size(block.size))
    if tokens and block.tokens:
        parts.append(f"≈{block.tokens:,} tokens")
    return visible(", ".join(parts)).replace("\n", " ")


def strip_line(blocks: Sequence[Block]) -> str:
    """All attachments in one line of plain text; ``""`` for none."""
    told_all = " · ".join(map(told, attached(blocks)))
    return f"attached: {told_all}" if told_all else ""


def strip_html(blocks: Sequence[Block]) -> str:
    """All attachments as a paragraph with thumbnails, as high as its text."""
    pieces = [f"{_thumbnail(block)}{html.escape(told(block))}" for block in attached(blocks)]
    return f'<p class="claude-strip"><em>attached: {" · ".join(pieces)}</em></p>\n' if pieces else ""


def _thumbnail(block: Block) -> str:
    if not block.thumbnail:
        return ""
    kind = "png" if block.thumbnail.startswith(b"\x89PNG") else "jpeg"
    data = base64.b64encode(block.thumbnail).decode("ascii")
    return f'<img alt="" src="data:image/{kind};base64,{data}"> '


def data_size(size: int) -> str:
    """Bytes as people read them: ``812 B``, ``118 KB``, ``2.4 MB``."""
    if size < 1_000:
        return f"{size} B"
    return f"{size / 1_000:,.0f} KB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"
