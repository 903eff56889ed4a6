"""What one question is asked of, row by row, and the table that its answers make."""

from claude_magic.rows.rows import NAMES, Record, Row, Rows, has_rows, rows_of
from claude_magic.rows.table import NOT_ASKED, Outcome, table_of

__all__ = ["NAMES", "NOT_ASKED", "Outcome", "Record", "Row", "Rows", "has_rows", "rows_of", "table_of"]
