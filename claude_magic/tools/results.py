"""What a tool has brought, as the blocks that the model is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from claude_magic.errors import UsageProblem
from claude_magic.values import Block, text_block

MOST_TEXT = 100_000
"""Characters of text in one result; what is more is cut, and said."""
MOST_BYTES = 8_000_000
"""Bytes of one result as it is sent, pictures included."""
_MESSAGE = 2_000

Convert = Callable[[Any, str], tuple[Block, ...]]
"""Makes content blocks of a value and its name."""


def result_blocks(value: Any, name: str, convert: Convert) -> tuple[Block, ...]:
    """The blocks of a tool's value.

    Parameters
    ----------
    value : object
        Anything that attaches.
    name : str
        The tool's name.

    Raises
    ------
    UsageProblem
        For what cannot be sent.
    """
    if value is None:
        return (text_block("Done; it returned nothing."),)
    blocks = convert(str(value) if isinstance(value, str) else value, name)
    blocks = tuple(block for block in shortened(blocks) if block.kind != "text" or block.text.strip())
    size = sum(len(block.json) for block in blocks)
    if size > MOST_BYTES:
        raise UsageProblem(f"it has {size / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:.0f} MB are sent")
    return blocks or (text_block("Done; it returned an empty text."),)


def shortened(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks, their text cut where it is too much in all, with a word for the model."""
    left = MOST_TEXT
    kept = []
    for block in blocks:
        if block.kind != "text" or len(block.text) <= left:
            kept.append(block)
        else:
            more = len(block.text) - left
            word = f"\n[cut here: {more:,} more characters; call again for less]"
            cut = text_block(block.text[:left] + word, block.name, f"cut, {more:,} more characters")
            kept.append(replace(cut, size=len(cut.json)))
        left -= min(left, len(block.text) if block.kind == "text" else 0)
    return tuple(kept)


def failure(error: BaseException) -> str:
    """An exception in one line: its type and message."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot say what it is
        message = ""
    message = message if len(message) <= _MESSAGE else f"{message[:_MESSAGE]}…"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
