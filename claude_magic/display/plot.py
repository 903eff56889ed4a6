"""A plot of tokens and cost that stays in the saved notebook: a PNG, and a bar chart in plain text.

A PNG, because it shows wherever outputs show: SVG is left out of notebooks that are not trusted and by
some sites. It is opaque, so that it reads the same on a light and on a dark page.
"""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from claude_magic.display.status import money
from claude_magic.display.untrusted import visible

PARTS = ("input", "cache read", "cache write", "output", "thinking")
"""What a bar is stacked of, from its foot."""
MOST = 60
"""Bars of a plot; of more, neighbours are summed."""
_SIGNS = "#-+o~"
_TEXT_BARS = 30
_TEXT_WIDTH = 32


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the plot.

    Parameters
    ----------
    label : str
        What stands below it; it may be foreign text.
    parts : tuple of int
        Tokens in the order of :data:`PARTS`; output without thinking.
    cost : float or None
        USD spent; None where nothing could be, or no price is known.
    demo_cost : float or None
        What the demo would have cost at list price; None where it did not answer.
    """

    label: str
    parts: tuple[int, int, int, int, int]
    cost: float | None = None
    demo_cost: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """Stacked bars of tokens, with cost as a line on an axis of its own.

    Parameters
    ----------
    bars : tuple of Bar
        From left to right.
    what : str
        What each of them is: ``turn``, ``day``, ``model``.
    """

    bars: tuple[Bar, ...]
    what: str = "turn"

    @property
    def per_bar(self) -> int:
        """How many of the given bars are summed up in each that is drawn."""
        return max(1, math.ceil(len(self.bars) / MOST))

    @property
    def connected(self) -> bool:
        """Whether neighbours follow one another, so that a line between them says something."""
        return self.what in ("turn", "day")

    @property
    def axis(self) -> str:
        """The title below the bars."""
        return self.what if self.per_bar == 1 else f"{self.what}s, {self.per_bar} in each bar"

    @property
    def alt(self) -> str:
        """The picture in one sentence."""
        if not self.bars:
            return "No usage to plot."
        tokens = [sum(bar.parts) for bar in self.bars]
        most = max(range(len(tokens)), key=tokens.__getitem__)
        where = f"{self.what} {self.bars[most].label}" if self.bars[most].label else f"a {self.what} replaced"
        paid = [bar.cost for bar in self.bars if bar.cost is not None]
        cost = f"; cost {money(math.fsum(paid))}" if paid else ""
        plural = "s" if len(tokens) > 1 else ""
        return visible(
            f"Tokens of {len(tokens):,} {self.what}{plural}: {sum(tokens):,} in all, most in {where} with "
            f"{max(tokens):,}{cost}."
        )

    def png(self) -> bytes:
        """The picture."""
        return _png(self)

    def __str__(self) -> str:
        """The bars in plain text, for terminals and screen readers."""
        bars = summed(self.bars, _TEXT_BARS)
        width = max((len(bar.label) for bar in bars), default=0)
        most = max((sum(bar.parts) for bar in bars), default=0)
        legend = "  ".join(f"{sign} {name}" for sign, name in zip(_SIGNS, PARTS, strict=True))
        lines = [self.alt, f"{self.what:>{width}}  {legend}"]
        for bar in bars:
            numbers = [f"{tokens:,} {name}" for name, tokens in zip(PARTS, bar.parts, strict=True) if tokens]
            numbers += [money(bar.cost)] if bar.cost is not None else []
            numbers += [f"{money(bar.demo_cost)} at list price"] if bar.demo_cost is not None else []
            lines.append(
                f"{bar.label:>{width}} |{_signs(bar.parts, most):<{_TEXT_WIDTH}}| {', '.join(numbers)}"
            )
        return visible("\n".join(lines))

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        from claude_magic.display.drawing import SIZE  # noqa: PLC0415 - Pillow only where a plot is drawn

        shown = {"width": SIZE[0], "height": SIZE[1], "alt": self.alt}
        data = {"image/png": base64.b64encode(self.png()).decode("ascii"), "text/plain": str(self)}
        return data, {"image/png": shown}


@functools.lru_cache(maxsize=4)
def _png(plot: Plot) -> bytes:
    from claude_magic.display.drawing import draw  # noqa: PLC0415 - Pillow only where a plot is drawn

    return draw(summed(plot.bars, MOST), axis=plot.axis, connected=plot.connected)


def summed(bars: Sequence[Bar], most: int) -> tuple[Bar, ...]:
    """The bars, with neighbours summed up where there are more than so many."""
    per_bar = max(1, math.ceil(len(bars) / most))
    if per_bar == 1:
        return tuple(bars)
    return tuple(
        functools.reduce(both, bars[start : start + per_bar]) for start in range(0, len(bars), per_bar)
    )


def both(one: Bar, other: Bar) -> Bar:
    """Two bars as one, from the label of the first to that of the second."""
    labels = [label for label in (one.label.partition("–")[0], other.label) if label]
    a, b, c, d, e = (mine + more for mine, more in zip(one.parts, other.parts, strict=True))
    return Bar(
        "–".join(dict.fromkeys(labels)),
        (a, b, c, d, e),
        _sum(one.cost, other.cost),
        _sum(one.demo_cost, other.demo_cost),
    )


def _sum(*amounts: float | None) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return math.fsum(known) if known else None


def _signs(parts: Sequence[int], most: int) -> str:
    """A bar as signs, each part as long as its tokens are of the longest bar's."""
    signs, reached, drawn = "", 0, 0
    for sign, tokens in zip(_SIGNS, parts, strict=True):
        reached += tokens
        upto = round(reached * _TEXT_WIDTH / most) if most else 0
        signs, drawn = signs + sign * (upto - drawn), upto
    return signs
