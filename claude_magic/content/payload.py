"""Bytes of unknown kind: their content, not their name, says what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from claude_magic.content.images import image_from_bytes
from claude_magic.content.magic_bytes import sniff
from claude_magic.content.names import shown
from claude_magic.content.pages import page_ranges
from claude_magic.content.pdfs import pdf_block
from claude_magic.content.texts import decode, text_attachment
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block

MOST_FRAMES = 20
"""Frames of one animation that are sent."""


def bytes_blocks(data: bytes, name: str, how: Attaching, part: str = "") -> tuple[Block, ...]:
    """The content blocks of a file's or value's bytes.

    Parameters
    ----------
    data : bytes
        The content.
    part : str
        Pages of a PDF or frames of an animation, as in ``"3-7"`` or ``"1,5,9"``; ``""`` for all pages
        and the first frame.

    Raises
    ------
    UsageProblem
        For what is no picture, PDF or text, or is damaged. Nothing was sent.
    """
    kind = sniff(data)
    label = shown(name) or "the bytes"
    if not data:
        raise UsageProblem(f"{label} is empty. Nothing was sent.")
    if kind == "pdf":
        return (pdf_block(data, name, how, page_ranges(part) if part else None),)
    if kind in ("", "svg"):
        if part:
            raise UsageProblem(f"{label} has no pages or frames to choose from. Nothing was sent.")
        text, note = decode(data, label)
        note = note or ("an SVG drawing, sent as its source" if kind == "svg" else "")
        return (text_attachment(text, name, how, note),)
    if not part:
        return (image_from_bytes(data, name, how),)
    frames = _frames(page_ranges(part), label)
    blocks = image_from_bytes(data, name, how, frames)
    return tuple(
        replace(block, name=f"{name}, frame {frame}") for block, frame in zip(blocks, frames, strict=True)
    )


def _frames(ranges: Sequence[tuple[int, int]], label: str) -> list[int]:
    count = sum(last - first + 1 for first, last in ranges)
    if count > MOST_FRAMES:
        raise UsageProblem(f"{label}: {count} frames; at most {MOST_FRAMES} are sent. Nothing was sent.")
    return [number for first, last in ranges for number in range(first, last + 1)]
