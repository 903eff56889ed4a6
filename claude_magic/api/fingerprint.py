"""What is asked, whole, as a hash: by it an unchanged question is known again."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

from claude_magic.api.request import SYSTEM, results
from claude_magic.values import Block, Turn


def fingerprint(asked: object, history: Sequence[Turn], blocks: Sequence[Block]) -> str:
    """The hash of a question.

    Parameters
    ----------
    asked : object
        Everything beside the messages, by its repr.
    history : sequence of Turn
        What stands above it.
    blocks : sequence of Block
        Its own.
    """
    whole = hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass"))
    for turn in history:
        for round_ in turn.rounds:
            whole.update(b"".join(map(_digest, (round_.reply, results(round_.calls)))))
        whole.update(_digest(turn.reply))
        whole.update(b"".join(map(_of_block, turn.blocks)))
    whole.update(b"".join(map(_of_block, blocks)))
    return whole.hexdigest()


def _of_block(block: Block) -> bytes:
    """The hash of a block at its place: the user's words are not the system's."""
    return _digest(block.json) + (b"system" if block.kind == SYSTEM else b"")


@functools.lru_cache(maxsize=4096)
def _digest(data: bytes) -> bytes:
    """The hash of a ready block or message; a picture is hashed once, not at each turn."""
    return hashlib.sha256(data).digest()
