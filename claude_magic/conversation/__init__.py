"""What was said: turns and conversations, immutable, so that a failure changes nothing; and their store."""

from claude_magic.conversation.history import Conversation, OnRerun

__all__ = ["Conversation", "OnRerun"]
