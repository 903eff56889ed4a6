"""matplotlib figures become image blocks, drawn straight into a buffer, and are left as they were."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from claude_magic.content.colours import eight_bit
from claude_magic.content.encoding import encode, target_edge
from claude_magic.content.refusals import reading, shown_name
from claude_magic.content.scaling import raster_of, scaled_down
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block

_FIGURES = frozenset({("matplotlib.figure", "Figure"), ("matplotlib.figure", "SubFigure")})
_AXES = ("matplotlib.axes._base", "_AxesBase")


def is_figure(value: object) -> bool:
    """Whether the value is a matplotlib figure, subfigure or axes; matplotlib is not imported for it."""
    names = {(kind.__module__, kind.__qualname__) for kind in type(value).__mro__}
    return not names.isdisjoint(_FIGURES) or _AXES in names


def image_from_figure(fig: Any, name: str, how: Attaching) -> Block:
    """Draw a figure at the resolution the model can use.

    Parameters
    ----------
    fig : Figure, SubFigure or Axes
        Axes and subfigures stand for their whole figure. Its size, dpi, canvas and colours are the same
        afterwards, and it is not closed.

    Raises
    ------
    UsageProblem
        When drawing it raises, as with TeX that cannot be parsed.
    """
    shown = shown_name(name)
    figure = _root(fig)
    edge = target_edge(how)
    with reading(shown, "", "Does it show in the notebook?"), _borrowed(figure) as canvas:
        inches = [float(side) for side in figure.get_size_inches()]
        if not min(inches) > 0:
            raise UsageProblem(f"{shown} has no size: {inches[0]:g}×{inches[1]:g} inches. Nothing was sent.")
        # A whisker more, as the canvas rounds its pixels down.
        figure.dpi = (edge + 0.01) / max(inches)
        canvas.draw()
        image = _picture(canvas, figure)
        if _cut_off(figure, canvas, image):
            image = _with_what_sticks_out(canvas, edge, figure)
        return encode(image, image.size, name, how, drawn=True)


def _root(value: Any) -> Any:
    """The figure that a subfigure or axes belongs to."""
    for _ in range(20):
        parent = getattr(value, "figure", None)
        if parent is None or parent is value:
            break
        value = parent
    return value


@contextmanager
def _borrowed(figure: Any) -> Iterator[Any]:
    """Give the figure an Agg canvas, and everything back afterwards."""
    bases = sys.modules["matplotlib.backend_bases"]  # there, since a figure is
    before, dpi, stale, told = figure.canvas, figure.dpi, figure.stale, figure.stale_callback
    figure.stale_callback = None  # or an interactive backend would redraw the figure
    try:
        yield bases.get_registered_canvas_class("png")(figure)
    finally:
        # The canvas goes last: a change of dpi would resize the user's window.
        figure.dpi = dpi
        figure.set_canvas(before)
        figure.stale = stale
        figure.stale_callback = told


def _picture(canvas: Any, figure: Any) -> Image.Image:
    """The canvas's pixels as RGB, or RGBA where the figure's ground can be seen through."""
    size = canvas.get_width_height()
    opaque = (
        figure.patch.get_visible()
        and figure.get_facecolor()[3] == 1
        and figure.patch.get_alpha() in (None, 1)
    )
    if opaque:
        return Image.frombytes("RGB", size, canvas.buffer_rgba(), "raw", "RGBX")
    image = Image.frombuffer("RGBA", size, canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    return eight_bit(image)[0].copy()


def _cut_off(figure: Any, canvas: Any, image: Image.Image) -> bool:
    """Whether something sticks out of the figure, which notebooks show and a plain drawing cuts off.

    Asking every artist for its place costs a third of the drawing, so only if something touches the
    border, or a legend lies outside.
    """
    renderer = canvas.get_renderer()
    width, height = image.size
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend() is not None)]
    for legend in legends:
        box = legend.get_window_extent(renderer)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            return True
    edges = (
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    )
    if all(image.crop(edge).getcolors(1) for edge in edges):
        return False
    box = figure.get_tightbbox(renderer)  # in inches
    inches = figure.get_size_inches()
    return bool(min(box.x0, box.y0) < -0.01 or box.x1 > inches[0] + 0.01 or box.y1 > inches[1] + 0.01)


def _with_what_sticks_out(canvas: Any, edge: int, figure: Any) -> Image.Image:
    """Draw the figure's tight box, as notebooks do."""
    box = figure.get_tightbbox(canvas.get_renderer())
    dpi = min(edge / (max(box.width, box.height) + 0.2), figure.dpi)
    target = io.BytesIO()
    canvas.print_figure(
        target, dpi=dpi, format="png", facecolor=figure.get_facecolor(), edgecolor=figure.get_edgecolor(),
        bbox_inches="tight", pad_inches=0.1, pil_kwargs={"compress_level": 1},
    )  # fmt: skip
    with Image.open(target, formats=("PNG",)) as image:
        image.load()
        return scaled_down(raster_of(eight_bit(image)[0]), edge, drawn=True)
