"""What ``%claude_usage`` returns: rows, sums, a table and a plot of what was used and spent."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from IPython.display import display

from claude_magic.conversation.usage import By, Shared, Spent, Sum, alike, total, totals
from claude_magic.conversation.usage_csv import write_csv
from claude_magic.display.plot import Bar, Plot, both
from claude_magic.display.status import STAGES, money
from claude_magic.display.table import Table
from claude_magic.errors import ConfigProblem
from claude_magic.file_names import expanded

__all__ = ["By", "Report", "shared_lines", "spent_line", "total_lines"]

_START = 50
_MOST_ROWS = 100
_OF_ROWS = re.compile(r"\{\{[^}]*\b(?:row|index)\b")


@dataclass(frozen=True, slots=True)
class Report:
    """Usage of one conversation, one notebook or all; it displays as a table.

    Parameters
    ----------
    rows : tuple of Spent
        What each turn has used, in order.
    by : By
        What the table has a line for.
    title : str
        Whose usage it is.
    notes : tuple of str
        Further lines below the table.
    plotted : bool
        Whether the plot shows below the table.
    """

    rows: tuple[Spent, ...] = field(repr=False)
    by: By = "turn"
    title: str = ""
    notes: tuple[str, ...] = ()
    plotted: bool = False
    several: bool = field(default=False, repr=False)
    """Whether the rows may be of more than one notebook."""

    @property
    def total(self) -> Sum:
        """All turns that cost money, summed up."""
        return total(self.rows)

    @property
    def demo(self) -> Sum:
        """All turns of the offline demo; nothing was charged for them."""
        return total(self.rows, demo=True)

    @property
    def groups(self) -> tuple[Sum, ...]:
        """The sums by conversation, model or day; those of the demo apart. None by turn."""
        return () if self.by == "turn" else tuple(totals(self.rows, self.by, self._conversation))

    @property
    def frame(self) -> Any:
        """The turns, or the sums where it is grouped, as a pandas DataFrame.

        Raises
        ------
        ConfigProblem
            Where pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - never needed but here
        except ImportError:
            raise ConfigProblem(
                ".frame needs the package pandas: %pip install pandas. The same is in .rows and --csv FILE."
            ) from None
        shown = self.rows if self.by == "turn" else self.groups
        columns = list((Spent if self.by == "turn" else Sum).__dataclass_fields__)
        frame = pd.DataFrame([asdict(row) for row in shown], columns=columns)
        for column, unit in (("began", "s"), ("day", None)):
            if column in frame:
                frame[column] = pd.to_datetime(frame[column], unit=unit, utc=unit == "s", errors="coerce")
        return frame

    @property
    def plot(self) -> Plot:
        """Stacked tokens and cost: of each turn, or of each group."""
        if self.by == "turn":
            ended = enumerate(alike(row for row in self.rows if row.stage in _ENDED), 1)
            return Plot(
                tuple(
                    _bar(total(line, demo=line[0].demo), self._number(line[0], count))
                    for count, line in ended
                ),
                "turn",
            )
        bars = [_bar(group, group.label) for group in self.groups]
        if self.by == "day":
            # A day's turns of the demo stand in the same bar; its two costs are never one.
            days = groupby(bars, key=lambda bar: bar.label)
            return Plot(tuple(functools.reduce(both, of_day) for _, of_day in days), self.by)
        named = zip(bars, self.groups, strict=True)
        return Plot(
            tuple(replace(bar, label=f"{bar.label} (demo)") if group.demo else bar for bar, group in named),
            self.by,
        )

    def write_csv(self, file: str) -> Path:
        """Write what the table tells, all of it, as CSV; return where."""
        path = expanded(file)
        if self.by == "turn":
            return write_csv(self.rows, path, Spent)
        return write_csv(self.groups, path, Sum)

    @property
    def table(self) -> Table:
        """The table, with the totals below it."""
        heads = ("uncached", "cache read", "cache write", "out", "cost", "saved")
        if self.by == "turn":
            shown = alike(self.rows)[-_MOST_ROWS:]
            named = ("prompt", "model")
            rows = [_line(line, self._conversation if self.several else None) for line in shown]
            columns = ("", *(("conversation",) if self.several else ()), *named, *heads, "")
        else:
            rows = [_group_row(group) for group in self.groups]
            columns = (self.by, "turns", *heads, "")
        return Table(columns, tuple(rows), self.title, numbers=("turns", *heads), foot=self._foot())

    def _foot(self) -> tuple[str, ...]:
        hidden = sum(map(len, alike(self.rows)[:-_MOST_ROWS]))
        lines = []
        if self.by == "turn" and hidden > 0:
            lines.append(
                f"{hidden:,} earlier turns are not shown here; .rows, .frame and --csv FILE have all."
            )
        paid, demo = self.total, self.demo
        if paid.turns or not demo.turns:
            lines += total_lines(paid, "Total")
        if demo.turns:
            lines += total_lines(demo, "Offline demo, not Claude, never charged")
        return (*lines, *self.notes)

    def _number(self, row: Spent, count: int) -> str:
        """What stands below a turn's bar: nothing for one that was replaced."""
        number = count if self.several else row.number
        return str(number) if number else ""

    def _conversation(self, row: Spent) -> str:
        if not self.several:
            return row.conversation
        notebook = "unnamed notebook" if row.notebook.startswith("session:") else Path(row.notebook).name
        return " · ".join(filter(None, (notebook, row.conversation)))

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.table._repr_mimebundle_()

    @property
    def _ipython_display_(self) -> Callable[[], None]:
        # IPython asks for this attribute first; without a plot the other representations are used.
        if self.plotted and self.plot.bars:
            return self._show_both
        raise AttributeError("_ipython_display_")

    def _show_both(self) -> None:
        display(self.table)
        display(self.plot)


_ENDED = frozenset({"complete", *STAGES})


def total_lines(summed: Sum, label: str) -> list[str]:
    """A sum in words: tokens, cost, and what the prompt cache made of it."""
    if not summed.turns:
        return [f"{label}: nothing yet."]
    paid = f"{money(summed.demo_cost)} at list price" if summed.demo else money(summed.cost)
    cached = f" ({summed.cache_read:,} read from the prompt cache)" if summed.cache_read else ""
    thought = f" ({summed.thinking_tokens:,} thinking)" if summed.thinking_tokens else ""
    tokens = f"{summed.prompt_tokens:,} tokens in{cached}, {summed.output_tokens:,} out{thought}"
    lines = [f"{label}: {_count(summed.turns, 'turn')}, {tokens}, {paid}."]
    if summed.web_searches or summed.web_fetches:
        lines.append(
            f"The API searched the web {_count(summed.web_searches, 'time')}, which is charged and in the "
            f"cost, and read {_count(summed.web_fetches, 'page')}."
        )
    if summed.saved > 0:
        would = "would have saved" if summed.demo else "saved"
        lines.append(
            f"The prompt cache {would} {money(summed.saved)} ({summed.saved_share:.0%}): without it "
            f"{money(summed.uncached_cost)}."
        )
    elif summed.saved < 0:
        lines.append(
            f"The prompt cache has not paid yet: writing to it cost {money(-summed.saved)} more than reading "
            f"from it saved; without it {money(summed.uncached_cost)}."
        )
    if summed.replaced and not summed.demo:
        lines.append(
            f"{_count(summed.replaced, 'turn')} of these {'is' if summed.replaced == 1 else 'are'} no longer "
            "in the conversation (replaced, failed or taken back), and cost what they cost all the same."
        )
    if summed.unpriced:
        lines.append(
            f"{_count(summed.unpriced, 'turn')} of a model without a known price: "
            f"{'its' if summed.unpriced == 1 else 'their'} tokens count, the money is not known."
        )
    return lines


def shared_lines(shared: Shared) -> list[str]:
    """What stands in a conversation and is not counted in it."""
    lines = []
    if shared.elsewhere:
        lines.append(
            f"{_count(shared.elsewhere, 'turn')} shared with another conversation "
            f"{'is' if shared.elsewhere == 1 else 'are'} counted there, where "
            f"{'it was' if shared.elsewhere == 1 else 'they were'} asked."
        )
    if shared.taken_in:
        lines.append(f"{_count(shared.taken_in, 'turn')} taken in from a file: not paid for here.")
    return lines


def spent_line(rows: Iterable[Spent]) -> str:
    """What some turns have cost, in a few words; the demo apart."""
    rows = tuple(rows)
    paid, demo = total(rows), total(rows, demo=True)
    line = f"{_count(paid.turns, 'turn')}, {money(paid.cost)}"
    if paid.unpriced:
        line += f" and {_count(paid.unpriced, 'turn')} of unknown price"
    if demo.turns:
        line += (
            f"; offline demo {_count(demo.turns, 'turn')}, {money(demo.demo_cost)} at list price, not charged"
        )
    return f"{line}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _line(line: Sequence[Spent], conversation: Callable[[Spent], str] | None) -> tuple[str, ...]:
    """A line of the table: of one turn, or of those that one template asked."""
    row = line[0]
    unpriced = any(one.cost is None for one in line)
    start = row.prompt if len(row.prompt) <= _START else row.prompt[: _START - 1] + "…"
    if len(line) > 1:
        start = (
            f"%%claude_map {start} ({len(line):,} rows)"
            if _OF_ROWS.search(row.prompt)
            else (f"{start} ({len(line):,} times)")
        )
    output = sum(one.output_tokens for one in line)
    return (
        str(row.number) if row.number else "",
        *((conversation(row),) if conversation is not None else ()),
        start,
        row.model,
        _number(sum(one.input_tokens for one in line)),
        _number(sum(one.cache_read for one in line)),
        _number(sum(one.cache_write_5m + one.cache_write_1h for one in line)),
        ("" if all(one.final for one in line) else "≈") + _number(output) if output else "",
        "" if row.demo or unpriced else money(sum(one.cost or 0.0 for one in line)),
        ""
        if row.demo or any(one.saved is None for one in line)
        else _signed(sum(one.saved or 0.0 for one in line)),
        ", ".join(_marks(line)),
    )


def _marks(line: Sequence[Spent]) -> list[str]:
    """What is said of the turns of a line; of several with how many they are."""
    row = line[0]
    gone = not row.live and not row.beside
    marks = [mark for mark, on in (("reused, free", row.reused), ("no longer sent", gone)) if on]
    for stage, said in STAGES.items():
        if count := sum(one.stage == stage for one in line):
            marks.append(said if len(line) == 1 else f"{count:,} {said}")
    if row.stage not in _ENDED:
        marks.append("under way")
    if row.demo:
        listed = sum(one.demo_cost or 0.0 for one in line)
        marks.append(f"offline demo{f', {money(listed)} at list price' if listed else ''}")
    if any(one.cost is None for one in line):
        marks.append("price not known")
    return marks


def _group_row(group: Sum) -> tuple[str, ...]:
    marks = []
    if group.demo:
        marks.append(f"offline demo, {money(group.demo_cost)} at list price")
    if group.unpriced:
        marks.append(f"{group.unpriced:,} without a known price")
    return (
        group.label,
        f"{group.turns:,}",
        _number(group.input_tokens),
        _number(group.cache_read),
        _number(group.cache_write_5m + group.cache_write_1h),
        _number(group.output_tokens),
        "" if group.demo else money(group.cost),
        "" if group.demo else _signed(group.saved),
        ", ".join(marks),
    )


def _number(tokens: int) -> str:
    return f"{tokens:,}" if tokens else ""


def _signed(usd: float) -> str:
    if not usd:
        return ""
    return money(usd) if usd > 0 else f"−{money(-usd)}"


def _bar(summed: Sum, label: str) -> Bar:
    parts = (
        summed.input_tokens,
        summed.cache_read,
        summed.cache_write_5m + summed.cache_write_1h,
        summed.output_tokens - summed.thinking_tokens,
        summed.thinking_tokens,
    )
    unknown = summed.unpriced == summed.turns
    return Bar(
        label,
        parts,
        None if summed.demo or unknown else summed.cost,
        summed.demo_cost if summed.demo and not unknown else None,
    )
