"""Characters that no request can carry: NUL, and halves of surrogate pairs; and those that no name can."""

from __future__ import annotations

import re

_UNNAMED = re.compile(r"[^a-zA-Z0-9_-]")


def plain_name(text: str) -> str:
    """An id or a name with ``_`` in the place of each character that the API refuses in one."""
    return _UNNAMED.sub("_", text)


def sendable(text: str) -> str:
    """Put U+FFFD in the place of what no request can carry; the halves of a pair become their character."""
    return whole(text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text)


def is_sendable(text: str) -> bool:
    """Whether a request can carry a text."""
    return "\0" not in text and _encodes(text)


def whole(text: str) -> str:
    """Join the halves of surrogate pairs; U+FFFD stands for a half without its other."""
    return text if _encodes(text) else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
