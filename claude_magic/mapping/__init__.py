"""One question asked of many rows: its questions, what came of them, and the asking."""

from claude_magic.mapping.engine import MapResult
from claude_magic.mapping.maps import MapReach, ask_rows, limited, of_a_map, totals
from claude_magic.mapping.outcomes import answered, failed, of_before
from claude_magic.mapping.questions import RowQuestion, alike, questions, shared_blocks
from claude_magic.mapping.under_way import refuse_twice, refuse_under_way

__all__ = [
    "MapReach",
    "MapResult",
    "RowQuestion",
    "alike",
    "answered",
    "ask_rows",
    "failed",
    "limited",
    "of_a_map",
    "of_before",
    "questions",
    "refuse_twice",
    "refuse_under_way",
    "shared_blocks",
    "totals",
]
