"""Many pictures in one request: the API's pixel limit is stricter then, for all of them."""

from __future__ import annotations

import functools

from claude_magic.content.images import scaled
from claude_magic.values import Block

CROWD = 20
"""With more pictures than this in a request, none may be larger than `EDGE`."""
EDGE = 2000
"""Pixels of the longest side."""


def in_a_crowd(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The blocks with their larger pictures scaled down; each picture is scaled once."""
    return tuple(
        _small(block) if block.kind == "image" and max(block.pixels) > EDGE else block for block in blocks
    )


@functools.lru_cache(maxsize=256)
def _small(block: Block) -> Block:
    return scaled(block, EDGE)
