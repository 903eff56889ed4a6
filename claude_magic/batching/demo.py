"""Batches of the offline demo: they end with the kernel that it runs in."""

from __future__ import annotations

from claude_magic.api.address import has_ended
from claude_magic.conversation.batch_values import FETCHED, GONE, SPOOLED, Sent
from claude_magic.conversation.batches import BatchShelf


def give_up_ended_demos(shelf: BatchShelf) -> None:
    """Note of each batch whose demo has ended that nothing more will come of it."""
    done = (SPOOLED, FETCHED, GONE)
    open_ = [one for one in shelf.batches() if one.demo and one.status not in done]
    ended = {host for host in {one.run.host for one in open_} if has_ended(host)}
    for one in open_:
        if one.run.host in ended:
            shelf.lose(one, "lost", "the offline demo ended with its kernel")
            # Without its file, which goes with those that nobody knows: the rows are asked by their cell.
            shelf.mark(one.key, GONE, spool="")


def ended_with_its_kernel(one: Sent, host: str) -> bool:
    """Whether a batch is lost with the demo it was sent to, which is not the one that is asked now."""
    return one.demo and one.status == GONE and one.run.host != host
