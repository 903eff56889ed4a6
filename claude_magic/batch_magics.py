"""The magic of Message Batches: what is under way, and what has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import line_magic, magics_class

from claude_magic import flags
from claude_magic.errors import at_the_door
from claude_magic.session_magics import SessionMagics

if TYPE_CHECKING:
    from claude_magic.display.table import Table


@magics_class
class BatchMagics(SessionMagics):
    """What was sent by ``%%claude_map --batch``: ``%claude_batches``."""

    @line_magic
    @flags.documented(flags.BATCHES)
    @at_the_door
    def claude_batches(self, line: str) -> Table | None:
        """List the Message Batches of this notebook, fetch their answers, cancel or resend them.

        ::

            %%claude_map --over reviews --into rated --batch
            Is this review friendly? {{ row.text }}

            %claude_batches                     what is under way, and what has ended
            %claude_batches --fetch last        the answers into rated
            %claude_batches --wait              the same, once it has ended
            %claude_batches --fetch 01AbC --into other
            %claude_batches --cancel 01AbC
            %claude_batches --resend 01AbC      its errored, canceled and expired rows, as a new batch

        A batch is answered within 24 hours, mostly within one, at half the price; what is not answered by
        then expires. Its id is kept as soon as the API has told it, so that any kernel can fetch it, on
        another day too. The API keeps results for 29 days. For ID a
        beginning of it is enough, without msgbatch_; so is a number: 1 is the newest of the list. Batches of
        this notebook are looked through first, then those of others.

        Batches of the offline demo end with the kernel that it was started in: run their cell again then.

        The table that --fetch makes has a row for each row of the map, by its label, with the answer or the
        fields of --schema, the stage and the error. The answers are kept: run the cell of the map again (with
        or without --batch), and the whole table is there with the rows' own columns; nothing is asked twice.

        Before anything is sent, requests are written to a folder beside the store, for you alone. What a
        killed kernel has not sent is shown as "not sent". They are deleted once every row has an answer.
        A map too large for one batch (100,000 rows or 256 MB) is sent as several; --fetch of one brings all
        of them that have ended.

        Until it has ended the API does not tell how many rows of a batch are done.

        Flags
        -----
          {flags}
        """
        parsed = flags.parse_words(line, flags.BATCHES, "%claude_batches")
        return self._open().batches.shown(parsed, self._settings)
