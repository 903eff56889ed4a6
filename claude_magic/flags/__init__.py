"""The flags of the magics: their tables, and the lines they are read from."""

from claude_magic.flags.line import (
    Line,
    Quoted,
    Verbatim,
    choice,
    chosen,
    number,
    parse,
    parse_words,
    unquoted,
    variable,
    whole_number,
)
from claude_magic.flags.tables import (
    ASK,
    BATCHES,
    CHAT,
    COMPACT,
    COMPARE,
    EXPORT,
    HISTORY,
    MAP,
    MODELS,
    OFFLINE,
    RECORD,
    REPLAY,
    RESTORE,
    USAGE,
    Flag,
    documented,
    manual,
    markdown_table,
)

__all__ = [
    "ASK", "BATCHES", "CHAT", "COMPACT", "COMPARE", "EXPORT", "HISTORY", "MAP", "MODELS", "OFFLINE", "RECORD",
    "REPLAY", "RESTORE", "USAGE", "Flag", "Line", "Quoted", "Verbatim", "choice", "chosen", "documented",
    "manual", "markdown_table", "number", "parse", "parse_words", "unquoted", "variable", "whole_number",
]  # fmt: skip
