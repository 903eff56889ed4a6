"""The magic that asks one question of many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import cell_magic, magics_class, no_var_expand

from claude_magic import flags
from claude_magic.errors import UsageProblem, at_the_door
from claude_magic.session_magics import SessionMagics

if TYPE_CHECKING:
    from claude_magic.display.table import Table


@magics_class
class MapMagics(SessionMagics):
    """One question, many rows: ``%%claude_map``."""

    @no_var_expand
    @cell_magic
    @flags.documented(flags.MAP)
    @at_the_door
    def claude_map(self, line: str, cell: str) -> Table | None:
        r"""Ask one question of every row of a frame or a list; the answers become columns.

        ::

            %%claude_map --over df --into out
            Is this review friendly? Answer yes or no: {{ row.review }}

        The body is a template: in {{ }} and in -a, row is the row and index its label. Of a data frame
        row.review and row["review"] are cells; of a list, a series or a dict row is the value itself. What
        -a attaches without naming row is shared by all rows: encoded once, uploaded once where it is large,
        and read from the prompt cache by all rows but the first. An attached str is text: Path(row.file)
        attaches the file.

        out has the rows' columns and labels, then answer, or the fields of --schema as columns of their
        types; claude_stage (complete, max_tokens, refused, cut, interrupted, failed, not asked),
        claude_error, claude_input_tokens, claude_output_tokens and claude_cost. It grows while answers come
        in. What --over names is not changed.

        Before anything is sent, all rows are looked at, and one line tells how many questions there are and
        what they may cost; --max-cost, the budget of the day and that of the kernel hold for all of them
        together. Equal questions are asked once. Rows are asked side by side, at the pace that the API
        allows.

        Each answer is kept as it comes. Stop, the notebook's interrupt, a lost connection and a killed
        kernel lose none: run the cell again, and only what is missing is asked. A row that has failed is
        asked again by --retry-failed only. Another prompt, model or setting makes other questions.

        --batch sends the rows as Message Batches instead: at half the price, answered within a day, mostly
        within an hour. They go on without the kernel; %claude_batches lists them, and --fetch brings the
        answers, here or in another kernel. Since a batch cannot be kept short on its way, the limits must
        leave enough for the longest answers: --max-tokens makes them shorter. Only the offline demo's batches
        end with its kernel.

        Flags
        -----
          {flags}

        Examples
        --------
        ::

            %%claude_map --over reviews --into rated --schema Rating -m haiku --max-cost 2
            Rate this review: {{ row.text }}

            %%claude_map --over photos --into captions -a row.picture
            One caption for this picture, in the style of {{ row.paper }}.

            %%claude_map --over questions --into answers -a report.pdf --concurrency 16
            {{ row }}

            %%claude_map --over df --into out --limit 5 --dry-run
            Is this review friendly? {{ row.review }}

            %%claude_map --over df --into out --batch --max-tokens 200
            Is this review friendly? {{ row.review }}
        """
        parsed = flags.parse(line, flags.MAP, "%%claude_map")
        if parsed.rest:
            raise UsageProblem(
                f"%%claude_map: {parsed.rest!r} is no flag; the template stands below the first line. "
                "Nothing was sent."
            )
        if not parsed.has("over"):
            raise UsageProblem("%%claude_map needs rows: --over df. Nothing was sent.")
        session, template = self._open(), cell.removesuffix("\n")
        over = session.maps.over(parsed.one("over"))
        if parsed.has("dry_run") or parsed.has("count"):
            return session.maps.preview(parsed, template, over, self._settings)
        if not parsed.has("into"):
            raise UsageProblem("%%claude_map needs a name for the answers: --into out. Nothing was sent.")
        with session.asking.question():
            if parsed.has("batch"):
                over = session.batches.send(parsed, template, over, self._settings)
                if over is None:
                    return None
            result = session.maps.ask(parsed, template, over, self._settings)
        if result.problem is not None:
            raise result.problem
        return None
