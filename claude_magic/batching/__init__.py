"""Message Batches: many rows sent at once for half the price, and fetched later, by whichever kernel."""

from claude_magic.batching.demo import ended_with_its_kernel, give_up_ended_demos
from claude_magic.batching.fetching import fetch, refresh
from claude_magic.batching.limits import check_limits
from claude_magic.batching.means import BatchMeans
from claude_magic.batching.naming import chosen, matching, numbered
from claude_magic.batching.sending import drop, resend, submit
from claude_magic.batching.spooling import Spooled, discard, spool_rows
from claude_magic.batching.tables import batches_table, run_table

__all__ = [
    "BatchMeans",
    "Spooled",
    "batches_table",
    "check_limits",
    "chosen",
    "discard",
    "drop",
    "ended_with_its_kernel",
    "fetch",
    "give_up_ended_demos",
    "matching",
    "numbered",
    "refresh",
    "resend",
    "run_table",
    "spool_rows",
    "submit",
]
