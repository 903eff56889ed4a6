"""The static output of a comparison: several answers side by side, in one ``display_data``.

It needs no style sheet: a table, which every front end knows, holds the columns. The page's typesetter looks
for formulas in all of its text, so outside of formulas and code no dollar and no backslash stands beside
anything.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from claude_magic.display.folds import folded_html, thinking_html
from claude_magic.display.markdown import render
from claude_magic.display.neutral import inline
from claude_magic.display.static import Bundle, emphasised, section_markdown
from claude_magic.display.status import ended_how, final_line, money
from claude_magic.display.strip import strip_line
from claude_magic.display.table import Table
from claude_magic.display.untrusted import alone, visible
from claude_magic.values import Section, Turn


@dataclass(frozen=True, slots=True)
class Column:
    """One of the answers.

    Parameters
    ----------
    turn : Turn
        As it ended.
    problem : str
        What ended it early, in one line; ``""`` for nothing.
    """

    turn: Turn
    problem: str = ""


def bundle(columns: Sequence[Column]) -> Bundle:
    """The MIME bundle of a comparison and its metadata.

    Returns
    -------
    data : dict
        ``text/html`` (the columns), ``text/markdown`` (a table and the answers under headings) and
        ``text/plain`` (the answers under the models' names).
    metadata : dict
        ``claude_magic``: what differs from run to run.
    """
    turns = [column.turn for column in columns]
    data = {
        "text/html": as_html(columns),
        "text/markdown": as_markdown(columns),
        "text/plain": as_text(columns),
    }
    volatile = {
        "conversation": turns[0].conversation,
        "compared": [turn.id for turn in turns],
        "message_ids": [turn.answer.message_id for turn in turns],
        "request_ids": [turn.request_id for turn in turns],
        "seconds": [round(turn.seconds, 2) for turn in turns],
    }
    return data, {"claude_magic": volatile}


def line_of(turn: Turn, number: int) -> str:
    """The line of a column: its number, by which it can be picked, and the status line."""
    # It stands in no conversation that could be continued.
    return f"{number} · {final_line(replace(turn, conversation=''))}"


_CELL = (
    "text-align:left;vertical-align:top;font-size:inherit;line-height:1.6;white-space:normal;"
    "overflow-wrap:anywhere;"
)
_BODY = f"{_CELL}background:none;border:none;padding:0.4em 0.9em 0.4em 0"
_HEAD = f"{_CELL}font-weight:normal;padding:0 0.9em 0.4em 0"


def as_html(columns: Sequence[Column]) -> str:
    """The columns as HTML that may be put into a page as it is."""
    strip = strip_line(columns[0].turn.blocks)
    width = f'width="{100 // len(columns)}%"'
    heads = "".join(
        f'<th align="left" valign="top" {width} style="{_HEAD}">{_head(column, number)}</th>'
        for number, column in enumerate(columns, 1)
    )
    bodies = "".join(
        f'<td align="left" valign="top" style="{_BODY}"><div style="overflow:auto">\n'
        f"{column_html(column)}</div></td>"
        for column in columns
    )
    table = (
        '<table style="width:100%;table-layout:fixed;margin:0;border:none;font-size:inherit">'
        f"<thead><tr>{heads}</tr></thead>\n"
        f'<tbody><tr style="background:none">{bodies}</tr></tbody></table>'
    )
    return (f"<p><em>{_text(strip)}</em></p>\n" if strip else "") + table


def _head(column: Column, number: int) -> str:
    name, dot, rest = line_of(column.turn, number)[len(f"{number} · ") :].partition(" · ")
    return f"<strong>{number} · {_text(name)}</strong>" + (f"<br><em>{_text(rest)}</em>" if dot else "")


def column_html(column: Column) -> str:
    """An answer as sanitised HTML in which nothing can be taken for a formula that is none."""
    sections = column.turn.sections or (Section("text", column.turn.shown),)
    body = "".join(map(_section_html, sections))
    return body + (f"<p><strong>{_text(column.problem)}</strong></p>\n" if column.problem else "")


def _section_html(section: Section) -> str:
    if section.kind == "thinking":
        return guarded(thinking_html(section.body))
    return guarded(render(section.body) if section.kind == "text" else folded_html(section))


_KEPT = re.compile(
    r'<(code|pre)\b[^>]*>.*?</\1>|<span class="math (?:inline|block)">.*?</span>|<[^>]*>|([$\\])|&#(36|92);',
    re.DOTALL,
)


_TOKEN = re.compile(r'<span class="\w{1,4}">([^<]*)</span>')
"""A word of code in a colour that only the live view's style sheet has."""


def guarded(sanitised: str) -> str:
    """Sanitised HTML for pages that look for formulas in all of its text: ours stay, no other can begin."""

    def kept(found: re.Match[str]) -> str:
        edge = found[2] or (chr(int(found[3])) if found[3] else "")
        return alone(edge) if edge else found[0]

    return _KEPT.sub(kept, _TOKEN.sub(r"\1", sanitised))


def _text(text: str) -> str:
    """Plain text of any origin as HTML, without anything a typesetter takes for a formula."""
    return guarded(html.escape(" ".join(visible(text).split("\n"))))


def as_markdown(columns: Sequence[Column]) -> str:
    """A small table, and the answers under headings, as Markdown that is safe in any front end."""
    strip = strip_line(columns[0].turn.blocks)
    rows = tuple(_row(column.turn, number) for number, column in enumerate(columns, 1))
    table = Table(("", "model", "in", "out", "cost", "ended"), rows, numbers=("in", "out", "cost"))
    pieces = [f"*{emphasised(strip)}*" if strip else "", table._repr_mimebundle_()["text/markdown"]]
    for number, column in enumerate(columns, 1):
        turn = column.turn
        pieces.append(f"#### {number} · {inline(turn.model)}")
        pieces += [section_markdown(one) for one in turn.sections or (Section("text", turn.shown),)]
        pieces.append(f"**{emphasised(column.problem)}**" if column.problem else "")
    return "\n\n".join(piece for piece in pieces if piece)


def _row(turn: Turn, number: int) -> tuple[str, ...]:
    usage = turn.usage
    cost = money(turn.cost) if turn.cost is not None and usage.output_tokens and not turn.reused else ""
    marks = [ended_how(turn) or turn.stage, "reused" * turn.reused, "offline demo, not Claude" * turn.demo]
    return (
        str(number),
        turn.model,
        f"{usage.prompt_tokens:,}" if usage.prompt_tokens else "",
        f"{usage.output_tokens:,}" if usage.output_tokens else "",
        f"{cost} at list price" if cost and turn.demo else cost,
        ", ".join(mark for mark in marks if mark),
    )


def as_text(columns: Sequence[Column]) -> str:
    """The answers under the models' names, as plain text."""
    pieces = []
    for number, column in enumerate(columns, 1):
        name = f"{number} · {column.turn.model}"
        said = column.turn.text or ("" if column.problem else f"({ended_how(column.turn) or 'nothing'})")
        pieces.append("\n".join(filter(None, (name, "─" * len(name), said, column.problem))))
    return visible("\n\n".join(pieces))
