"""The maps of one kernel: from the line of a ``%%claude_map`` to its table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from claude_magic.api.stream import TICK
from claude_magic.around import Around
from claude_magic.content.template import evaluate
from claude_magic.display.bar import bar_of
from claude_magic.display.frontend import NoView
from claude_magic.display.table import Table
from claude_magic.errors import UsageProblem
from claude_magic.exchange import NotKept
from claude_magic.flags import Line, variable, whole_number
from claude_magic.mapping import MapReach, MapResult, ask_rows, limited, of_a_map, refuse_twice, totals
from claude_magic.prepared import Prepared
from claude_magic.preview_table import preview_table
from claude_magic.question import Question
from claude_magic.rows import Rows, rows_of
from claude_magic.settings import Settings


class Maps:
    """Asks one question of many rows.

    Parameters
    ----------
    around : Around
        What is around the question.
    """

    def __init__(self, around: Around) -> None:
        self._around = around
        self._user_ns = around.shell.user_ns

    def over(self, expression: str) -> Any:
        """What stands behind ``--over``."""
        return evaluate(expression, expression.strip(), self._user_ns)

    def ask(self, line: Line, template: str, over: object, settings: Settings) -> MapResult:
        """Ask one question of many rows, as ``%%claude_map`` does; the table goes where ``--into`` says.

        Parameters
        ----------
        over : object
            What has the rows; or the rows themselves, where they are read already.

        Raises
        ------
        ClaudeMagicError
            When nothing can be asked. What ends a map later is in the result.
        """
        around, into = self._around, variable(line.one("into"))
        line, chats = around.preset(line, settings), around.chats(settings)
        quiet = line.has("quiet") or settings.quiet
        line, question, rows = self.asked(line, template, over, settings)
        kind = "none" if quiet else around.views.kind(settings.view)
        with around.asking.reply() as stop:
            means = replace(around.means(settings, stop, NotKept(), NoView()), interval=TICK)
            reach = MapReach(
                means,
                chats.store.asked,
                chats.home,
                partial(around.accounts.add, kept=True),
                partial(around.allow_secrets, settings),
                partial(self._user_ns.__setitem__, into) if into else _nowhere,
                bar := bar_of(kind),
                refuse=partial(refuse_twice, chats.store.batches),
            )
            if not quiet:
                reach = replace(reach, say=print, show=bar.leave)
            result = ask_rows(line, question, rows, reach)
        around.say_notes(settings)
        return result

    def preview(self, line: Line, template: str, over: object, settings: Settings) -> Table:
        """The first row's question, and what all rows come to; nothing is asked."""
        around = self._around
        line, question, rows = self.asked(around.preset(line, settings), template, over, settings)
        batch = line.has("batch")
        if line.has("dry_run"):
            return totals(
                line, question, rows, lambda one: (preview_table(one, None, batch=batch), 1.0), None
            )

        def counted(prepared: Prepared) -> tuple[Table, float]:
            tokens = around.count(prepared, prepared.request(None, limited=False), settings)
            table = preview_table(prepared, lambda _: tokens, batch=batch)
            return table, tokens / max(prepared.estimated_tokens(), 1)

        return totals(line, question, rows, counted, around.chats(settings).store.asked)

    def asked(
        self, line: Line, template: str, over: object, settings: Settings
    ) -> tuple[Line, Question, Rows]:
        """What is asked, and of what.

        Raises
        ------
        UsageProblem
            Where it cannot be asked of rows. Nothing was sent.
        """
        line = of_a_map(line)
        if len(line.all("model")) > 1:
            raise UsageProblem(
                "A map asks one model; %%claude -m … -m … or %claude_compare ask several. Nothing was sent."
            )
        question = limited(self._around.preparing.question(line, template, settings))
        limit = whole_number(line.one("limit"), "--limit") if line.has("limit") else 0
        # An iterator can be read once only.
        rows = over if isinstance(over, Rows) else rows_of(over, line.one("over", "the value"), limit)
        return line, question, rows


def _nowhere(_: object) -> None:
    """For a table that nobody wants before the end."""
