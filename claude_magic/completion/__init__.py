"""What Tab offers in our magics."""

from claude_magic.completion.matcher import Completion

__all__ = ["Completion"]
