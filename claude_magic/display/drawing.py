"""The picture of a plot, drawn with Pillow: axes, stacked bars, lines, a legend."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from claude_magic.display.plot import Bar

SIZE = (720, 340)
"""As shown; it is drawn twice as large, for dense screens."""
_SCALE = 2
_LEFT, _TOP, _RIGHT, _BOTTOM = 62, 64, 654, 292
_PAPER, _INK, _GREY, _GRID, _FRAME = "#ffffff", "#222222", "#5a5a5a", "#e4e4e4", "#c8c8c8"
# Tell apart for the colour-blind, too (Paul Tol's bright scheme).
_COLOURS = ("#4477aa", "#66ccee", "#228833", "#ee6677", "#aa3377")
_PART_NAMES = ("input", "cache read", "cache write", "output", "thinking")
_COST, _DEMO = "#222222", "#777777"


def draw(bars: Sequence[Bar], *, axis: str, connected: bool) -> bytes:
    """Draw bars with their costs.

    Parameters
    ----------
    bars : sequence of Bar
        As many as there is room for.
    axis : str
        The title below them.
    connected : bool
        Whether a line is drawn from cost to cost.

    Returns
    -------
    bytes
        A PNG.
    """
    canvas = _Canvas()
    top_tokens, ticks = _scale(max((sum(bar.parts) for bar in bars), default=0))
    for tick in ticks:
        y = _BOTTOM - (_BOTTOM - _TOP) * tick / top_tokens
        canvas.line(((_LEFT, y), (_RIGHT, y)), _GRID, 1)
        canvas.text((_LEFT - 6, y), short(tick), _GREY, "rm")
    slot = (_RIGHT - _LEFT) / max(1, len(bars))
    for number, bar in enumerate(bars):
        _stack(canvas, bar, _LEFT + slot * (number + 0.5), min(46.0, slot * 0.72), top_tokens)
    canvas.line(((_LEFT, _BOTTOM), (_RIGHT, _BOTTOM)), _GREY, 1)
    _labels(canvas, [bar.label for bar in bars], slot)
    _costs(canvas, bars, slot, connected=connected)
    canvas.text(((_LEFT + _RIGHT) / 2, SIZE[1] - 10), axis, _GREY, "mm")
    canvas.text((_LEFT - 6, _TOP - 16), "tokens", _GREY, "rm")
    _legend(canvas, bars)
    return canvas.png()


def short(tokens: float) -> str:
    """A number of tokens for an axis: ``500``, ``1.5k``, ``2M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:.4g}{unit}"
    return f"{tokens:.4g}"


class _Canvas:
    """A picture, drawn on in the units in which it is shown."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (SIZE[0] * _SCALE, SIZE[1] * _SCALE), _PAPER)
        self._draw = ImageDraw.Draw(self._image)
        width, height = self._image.size
        self._draw.rectangle((0, 0, width - 1, height - 1), outline=_FRAME, width=_SCALE)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        """Draw a line through points."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * _SCALE), joint="curve")

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """Fill a rectangle."""
        corners = [round(place * _SCALE) for place in (left, top, right, bottom)]
        if corners[3] > corners[1]:
            self._draw.rectangle(
                (corners[0], corners[1], max(corners[0], corners[2] - 1), corners[3] - 1), fill=colour
            )

    def dot(self, x: float, y: float, colour: str, *, hollow: bool) -> None:
        """Draw a small circle."""
        reach = 3 * _SCALE
        around = (x * _SCALE - reach, y * _SCALE - reach, x * _SCALE + reach, y * _SCALE + reach)
        self._draw.ellipse(around, fill=_PAPER if hollow else colour, outline=colour, width=_SCALE)

    def text(self, place: tuple[float, float], text: str, colour: str, anchor: str) -> None:
        """Write a word or two; anchors are Pillow's."""
        self._draw.text(
            (place[0] * _SCALE, place[1] * _SCALE), text, fill=colour, font=_font(), anchor=anchor
        )

    def png(self) -> bytes:
        """The picture, with as few colours as it needs."""
        out = io.BytesIO()
        few = self._image.quantize(48, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(out, "PNG", optimize=True)
        return out.getvalue()


@functools.lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(11.5 * _SCALE)


def _width(text: str) -> float:
    return _font().getbbox(text)[2] / _SCALE


def _drawable(text: str) -> str:
    """A label in letters that Pillow's own font has."""
    text = text.replace("–", "-").replace("…", "...")
    return "".join(letter if letter.isprintable() and letter < "\u0180" else "?" for letter in text)


def _fitted(text: str, room: float) -> str:
    """A label cut to the room it has."""
    if _width(text) <= room:
        return text
    while text and _width(text + "...") > room:
        text = text[:-1]
    return text + "..." if text else ""


def _stack(canvas: _Canvas, bar: Bar, middle: float, width: float, top_tokens: float) -> None:
    reached = 0
    for tokens, colour in zip(bar.parts, _COLOURS, strict=True):
        foot = _BOTTOM - (_BOTTOM - _TOP) * reached / top_tokens
        reached += tokens
        head = _BOTTOM - (_BOTTOM - _TOP) * reached / top_tokens
        canvas.box(middle - width / 2, head, middle + width / 2, foot, colour)


def _labels(canvas: _Canvas, labels: Sequence[str], slot: float) -> None:
    """The labels below the bars: all of them, cut, where there are few; else every so many."""
    if not labels:
        return
    few = len(labels) <= 8
    widest = max(_width(_drawable(label)) for label in labels) + 10
    step = 1 if few else max(1, math.ceil(widest / slot))
    for number in range(0, len(labels), step):
        text = _fitted(_drawable(labels[number]), slot * step - 6)
        canvas.text((_LEFT + slot * (number + 0.5), _BOTTOM + 12), text, _GREY, "mm")


def _costs(canvas: _Canvas, bars: Sequence[Bar], slot: float, *, connected: bool) -> None:
    """The costs on the axis at the right, what was charged and what was not apart."""
    kinds = [
        ([bar.demo_cost for bar in bars], _DEMO, True),
        ([bar.cost for bar in bars], _COST, False),
    ]
    known = [amount for amounts, _, _ in kinds for amount in amounts if amount is not None]
    if not known:
        return
    top, ticks = _scale(max(known)) if max(known) > 0 else (1.0, [0.0, 1.0])
    for tick in ticks:
        y = _BOTTOM - (_BOTTOM - _TOP) * tick / top
        canvas.text((_RIGHT + 6, y), _dollars(tick, ticks[1]), _INK, "lm")
    canvas.text((_RIGHT + 6, _TOP - 16), "cost", _INK, "lm")
    for amounts, colour, hollow in kinds:
        run: list[tuple[float, float]] = []
        for number, amount in enumerate([*amounts, None]):
            if amount is None:
                if connected and len(run) > 1:
                    canvas.line(run, _PAPER, 4)  # so that it stands out from the bars
                    canvas.line(run, colour, 1.5)
                if len(bars) <= 40 or len(run) == 1:
                    for x, y in run:
                        canvas.dot(x, y, colour, hollow=hollow)
                run = []
            else:
                y = _BOTTOM - (_BOTTOM - _TOP) * max(0.0, amount) / top
                run.append((_LEFT + slot * (number + 0.5), y))


def _dollars(amount: float, step: float) -> str:
    """A mark of the axis of costs, with the digits that its steps need."""
    digits = 2
    while digits < 9 and abs(round(step, digits) - step) > step / 100:
        digits += 1
    return f"${amount:,.{digits}f}" if amount else "$0"


def _legend(canvas: _Canvas, bars: Sequence[Bar]) -> None:
    """What the colours mean: of the parts that are there, in one row above the plot."""
    x, y = 16.0, 20.0
    for number, name in enumerate(_PART_NAMES):
        if any(bar.parts[number] for bar in bars):
            canvas.box(x, y - 5, x + 10, y + 5, _COLOURS[number])
            canvas.text((x + 15, y), name, _INK, "lm")
            x += 15 + _width(name) + 16
    lines = [
        ("cost", _COST, False, any(bar.cost is not None for bar in bars)),
        ("list price of the demo, not charged", _DEMO, True, any(bar.demo_cost is not None for bar in bars)),
    ]
    for name, colour, hollow, there in lines:
        if there:
            canvas.line(((x, y), (x + 18, y)), colour, 1.5)
            canvas.dot(x + 9, y, colour, hollow=hollow)
            canvas.text((x + 23, y), name, _INK, "lm")
            x += 23 + _width(name) + 16


def _scale(most: float) -> tuple[float, list[float]]:
    """The top of an axis from 0, and its marks at round numbers."""
    if most <= 0:
        return 1.0, [0.0]
    power = 10.0 ** math.floor(math.log10(most / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * 4 >= most * 0.999)
    count = math.ceil(most / step - 0.001)
    return step * count, [step * number for number in range(count + 1)]
