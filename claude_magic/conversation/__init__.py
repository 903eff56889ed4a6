"""What was said: turns and conversations, immutable, so that a failure changes nothing."""

from claude_magic.conversation.history import Conversation

__all__ = ["Conversation"]
