"""Names of attachments as people and the model see them: one line, bounded, nothing invisible.

A file name may hold newlines, escape sequences, or characters that turn the reading direction; a
message or a title never does.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that show as nothing, or change how what follows is shown."""


def visible(text: str) -> str:
    r"""Return the text with every invisible character written as an escape: ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in _HIDDEN else char
        for char in text
    )


def shortened(text: str, limit: int) -> str:
    """Return the text within ``limit`` characters, its middle replaced by ``…`` where it is longer."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def shown(name: str, limit: int = 80) -> str:
    """Return a name as it stands in a message or a title: one line of at most ``limit`` characters."""
    return shortened(visible(name[: 4 * limit] + name[-limit:] if len(name) > 5 * limit else name), limit)
