"""A map that has ended, as a table that stays: how many rows, what they used, the first of them."""

from __future__ import annotations

from claude_magic.display.bar import NoBar, facts
from claude_magic.display.status import money
from claude_magic.display.table import Table
from claude_magic.mapping.engine import MapResult
from claude_magic.mapping.tally import Tally
from claude_magic.rows import Rows

ROWS, ERRORS = 5, 3
"""The first rows, and the most frequent errors, that are shown."""
_LONG = 70


class Watching:
    """Tells a bar how far a map is.

    Parameters
    ----------
    bar : NoBar
        It is drawn a few times a second.
    """

    def __init__(self, bar: NoBar) -> None:
        self._bar = bar

    def update(self, tally: Tally) -> None:
        """Show the numbers."""
        tokens = tally.input_tokens + tally.output_tokens
        more = facts(tokens, tally.cost, tally.failed, tally.width, tally.held)
        self._bar.show(tally.done, tally.total, **more)


def summary(result: MapResult, rows: Rows, into: str) -> Table:
    """The table of a map; what is in it may come from anywhere.

    Parameters
    ----------
    into : str
        The name that the whole table has been given; ``""`` for none.
    """
    first = result.outcomes[:ROWS]
    cells = tuple(
        (_brief(str(rows[number].label)), _brief(outcome.text or outcome.error), outcome.stage)
        for number, outcome in enumerate(first)
    )
    foot = [*_used(result.tally), *_errors(result.tally)]
    more = len(result.outcomes) - len(first)
    if more > 0:
        foot.insert(0, f"{more:,} more row{'' if more == 1 else 's'}{f' in {into}' if into else ''}")
    if lost := result.unkept:
        foot.append(
            f"{lost:,} row{'' if lost == 1 else 's'} could not be kept in the store; the next run asks again"
        )
    return Table(("row", "answer", "stage"), cells, title=_counted(result.tally), foot=tuple(foot))


def _counted(tally: Tally) -> str:
    parts = [f"{tally.total:,} row{'' if tally.total == 1 else 's'}: {tally.answered:,} answered"]
    if tally.reused:
        parts.append(f"{tally.reused:,} reused")
    parts.append(f"{tally.failed:,} failed")
    if tally.stopped:
        parts.append(f"{tally.stopped:,} stopped")
    parts.append(f"{tally.waiting:,} not asked")
    return ", ".join(parts)


def _used(tally: Tally) -> list[str]:
    if not (tally.input_tokens or tally.output_tokens):
        return []
    parts = [f"{tally.input_tokens:,} tokens in, {tally.output_tokens:,} out"]
    if tally.cost:
        parts.append(money(tally.cost) + (" at list price" if tally.demo else ""))
    if tally.saved and abs(tally.saved) >= 0.00005:
        kept = "the prompt cache saved" if tally.saved > 0 else "the prompt cache cost"
        parts.append(f"{kept} {money(abs(tally.saved))}")
    several = tally.live or len(tally.replayed) > 1
    parts += [
        f"{f'{count:,} ' if several else ''}replayed from {one}" for one, count in tally.replayed.items()
    ]
    if tally.demo:
        parts.append("offline demo, not Claude")
    return [" · ".join(parts)]


def _errors(tally: Tally) -> list[str]:
    common = tally.errors.most_common()
    told = [
        f"{count:,} {'such as' if error in tally.varied else '×'} {_brief(error, 200)}"
        for error, count in common[:ERRORS]
    ]
    if len(common) > ERRORS:
        rest = len(common) - ERRORS
        told.append(f"{rest:,} more kind{'' if rest == 1 else 's'} of failure in claude_error")
    if tally.failed:
        told.append("--retry-failed asks failed rows again")
    return told


def _brief(text: str, most: int = _LONG) -> str:
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
