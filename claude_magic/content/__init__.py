"""What is sent: values of the kernel become content blocks, templates become prompts."""

from claude_magic.content.attach import attachment_blocks, mentions
from claude_magic.content.convert import attachable, blocks_of
from claude_magic.content.template import (
    encoded_prompt,
    evaluate,
    evaluated,
    expressions,
    has_missing,
)

__all__ = [
    "attachable",
    "attachment_blocks",
    "blocks_of",
    "encoded_prompt",
    "evaluate",
    "evaluated",
    "expressions",
    "has_missing",
    "mentions",
]
