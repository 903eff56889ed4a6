"""What pictures cost on their way into a block: ``python -m tests.benchmarks.images``.

Ratios within one run: arrays against the usual recipe (LANCZOS to 1568 px, JPEG 85), figures against their
draw alone.
"""

from __future__ import annotations

import base64
import io
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure
from PIL import Image, ImageChops

from claude_magic.content.encoding import data_of
from claude_magic.content.images import image_from_array, image_from_bytes, image_from_figure, image_from_pil
from claude_magic.values import Attaching, Block

SIZE = (1568, 1176)
HOW = Attaching()


def photo(width: int = 4000, height: int = 3000) -> Any:
    """A photo-like array: soft shapes of falling strength, and a little noise."""
    random = np.random.default_rng(1)
    total = np.full((height, width, 3), 120, np.float32)
    for cells, strength in ((6, 45), (24, 25), (96, 12), (400, 5)):
        shape = (max(2, cells * height // width), cells)
        # Small things differ more in brightness than in colour.
        for channels in ([0], [1], [2]) if cells < 50 else ([0, 1, 2],):
            grid = Image.fromarray(random.normal(size=shape).astype(np.float32))
            soft = np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
            total[..., channels] += strength * soft[..., None]
    # The noise of a camera's picture is mostly of brightness.
    total += random.normal(scale=2.0, size=(height, width, 1))
    return np.clip(total, 0, 255).astype(np.uint8)


def figure(panels: int = 1) -> Figure:
    """Lines, points, a legend and a grid, as figures have them."""
    random = np.random.default_rng(2)
    fig = Figure(figsize=(8, 6))
    x = np.linspace(0, 10, 1000)
    for panel in range(1, panels + 1):
        axes = fig.add_subplot(math.ceil(panels / 2), min(panels, 2), panel)
        for line in range(4):
            axes.plot(x, np.sin(x + line) * (line + 1), label=f"series {line}")
        axes.scatter(random.uniform(0, 10, 200), random.normal(size=200), s=12, alpha=0.6)
        axes.set_title("What was measured")
        axes.set_xlabel("time [s]")
        axes.grid(visible=True)
        axes.legend(loc="upper right")
    return fig


def drawn(fig: Figure, long_edge: int) -> Any:
    """A figure's pixels."""
    fig.dpi = (long_edge + 0.01) / max(fig.get_size_inches())
    canvas: Any = backend_agg.FigureCanvasAgg(fig)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def timed(*calls: Callable[[], object], rounds: int = 9) -> list[float]:
    """Best seconds of each call, taken in turns so that all see the same machine."""
    best = [math.inf] * len(calls)
    for _ in range(rounds):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[number] = min(best[number], time.perf_counter() - start)
    return best


def decibels(one: Image.Image, other: Image.Image) -> float:
    """Peak signal to noise ratio of two pictures of one size."""
    tallies = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).histogram()
    squares = sum(count * (index % 256) ** 2 for index, count in enumerate(tallies))
    return math.inf if not squares else 10 * math.log10(255**2 * 3 * one.width * one.height / squares)


def recipe(array: Any) -> bytes:
    """What people write by hand."""
    target = io.BytesIO()
    Image.fromarray(array).resize(SIZE, Image.Resampling.LANCZOS).save(target, "JPEG", quality=85)
    return base64.b64encode(target.getvalue())


def told(what: str, seconds: float, base: float, block: Block, reference: Image.Image | None = None) -> None:
    line = (
        f"{what:32} {seconds * 1e3:6.1f} ms {seconds / base:6.2f} {block.size / 1024:5.0f} KiB {block.note}"
    )
    if reference is not None:
        picture = Image.open(io.BytesIO(data_of(block)))
        line += f"  {decibels(reference, picture):.1f} dB"
    print(line)


def arrays() -> None:
    plots = [drawn(figure(panels), 4000) for panels in (1, 4)]
    for what, array in zip(("photo", "plot", "four plots"), (photo(), *plots), strict=True):
        reference = Image.fromarray(array).resize(SIZE, Image.Resampling.LANCZOS)
        ours, theirs = timed(lambda: image_from_array(array, what, HOW), lambda: recipe(array))  # noqa: B023
        told(f"{what} 4000×3000 / recipe", ours, theirs, image_from_array(array, what, HOW), reference)
        hand = base64.b64decode(recipe(array))
        quality = decibels(reference, Image.open(io.BytesIO(hand)))
        print(
            f"{'':31} {theirs * 1e3:6.1f} ms   1.00 {len(hand) / 1024:5.0f} KiB the recipe {quality:.1f} dB"
        )


def figures() -> None:
    for panels in (1, 2, 4):
        fig = figure(panels)
        plain = figure(panels)
        plain.dpi = 1568.01 / 8
        canvas: Any = backend_agg.FigureCanvasAgg(plain)

        def draw_anew(plain: Figure = plain) -> None:
            anew: Any = backend_agg.FigureCanvasAgg(plain)
            anew.draw()

        ours, draw, again = timed(lambda: image_from_figure(fig, "fig", HOW), draw_anew, canvas.draw)  # noqa: B023
        reference = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        told(f"figure, {panels} axes / new draw", ours, draw, image_from_figure(fig, "fig", HOW), reference)
        print(f"{'':31} {again * 1e3:6.1f} ms {ours / again:6.2f} to a draw on a used canvas")


def files() -> None:
    array = photo()
    target = io.BytesIO()
    Image.fromarray(array).save(target, "JPEG", quality=90)
    big = target.getvalue()
    ours, theirs = timed(
        lambda: image_from_bytes(big, "photo.jpg", HOW),
        lambda: recipe(np.asarray(Image.open(io.BytesIO(big)))),
        rounds=5,
    )
    told("JPEG 4000×3000 / decode + recipe", ours, theirs, image_from_bytes(big, "photo.jpg", HOW))
    target = io.BytesIO()
    Image.fromarray(drawn(figure(), 1568)).save(target, "PNG")
    small = target.getvalue()
    ours, theirs = timed(
        lambda: image_from_bytes(small, "plot.png", HOW), lambda: Image.open(io.BytesIO(small)).load()
    )
    told("PNG 1568×1176 as it is / decode", ours, theirs, image_from_bytes(small, "plot.png", HOW))
    image = Image.fromarray(array)
    ours, theirs = timed(lambda: image_from_pil(image, "image", HOW), lambda: recipe(array))
    told("PIL image 4000×3000 / recipe", ours, theirs, image_from_pil(image, "image", HOW))


if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, best of runs; third column: ratio")
    arrays()
    figures()
    files()
