"""Pictures made smaller: in bands, one thread each, since Pillow resamples without the GIL."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image, ImageChops

_SAMPLED_ROWS = 32
_BANDS = 4
_WORTH_THREADS = 500_000  # pixels of the source, below which a thread costs more than it saves
_BAND = 8_000_000  # pixels of the source in one band
_MARGIN = 2  # rows of the result that the filter reaches beyond its band


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture that can be read in bands, whatever holds its pixels.

    Parameters
    ----------
    size : tuple of (int, int)
        Width and height.
    mode : str
        ``"L"``, ``"RGB"``, ``"RGBA"`` or ``"CMYK"``.
    band : callable
        From first and last row (exclusive) to a picture of those rows.
    sample : callable
        To a picture of some rows in full width, about 32, spread over the whole.
    """

    size: tuple[int, int]
    mode: str
    band: Callable[[int, int], Image.Image]
    sample: Callable[[], Image.Image]


def raster_of(image: Image.Image) -> Raster:
    """A loaded 8-bit picture as a raster."""
    width, height = image.size

    def band(top: int, bottom: int) -> Image.Image:
        return image if (top, bottom) == (0, height) else image.crop((0, top, width, bottom))

    def sample() -> Image.Image:
        return image.resize((width, min(height, _SAMPLED_ROWS)), Image.Resampling.NEAREST)

    return Raster((width, height), image.mode, band, sample)


def fitted(size: tuple[int, int], long_edge: int) -> tuple[int, int]:
    """The size with the same shape whose longer side is at most ``long_edge``; never larger."""
    longest = max(size)
    if longest <= long_edge:
        return size
    width, height = (max(1, round(side * long_edge / longest)) for side in size)
    return width, height


def looks_drawn(sample: Image.Image) -> bool:
    """Whether rows of a picture look drawn (plot, screenshot, diagram) rather than photographed.

    In drawings at least half of the pixels equal their right-hand neighbour exactly; in photographs noise
    leaves few that do, even in a clear sky.
    """
    width, height = sample.size
    if width < 2:
        return False
    difference = ImageChops.difference(
        sample.crop((1, 0, width, height)), sample.crop((0, 0, width - 1, height))
    )
    largest = difference
    if len(bands := difference.split()) > 1:
        largest = bands[0]
        for other in bands[1:]:
            largest = ImageChops.lighter(largest, other)
    return 2 * largest.histogram()[0] >= (width - 1) * height


def scaled_down(raster: Raster, long_edge: int, drawn: bool) -> Image.Image:
    """Scale to at most ``long_edge``; never up.

    Photographs are box-reduced to about twice the size before the filter, which halves the cost and cannot be
    seen; thin lines of drawings suffer from that, so they are filtered from all pixels.
    """
    size = fitted(raster.size, long_edge)
    height = raster.size[1]
    if size == raster.size:
        return raster.band(0, height)
    step = height / size[1]
    pixels = raster.size[0] * height
    # More bands than threads for large pictures, since each band is a copy. Their number depends on the
    # picture alone: the same picture gives the same bytes on every machine.
    wanted = _BANDS if pixels >= _WORTH_THREADS else 1
    count = max(1, min(max(wanted, pixels // _BAND), size[1] // 64))

    def scale(number: int) -> tuple[int, Image.Image]:
        first, last = size[1] * number // count, size[1] * (number + 1) // count
        margin = math.ceil(_MARGIN * step) + math.ceil(step)
        top, bottom = max(0, int(first * step) - margin), min(height, math.ceil(last * step) + margin)
        box = (0.0, max(0.0, first * step - top), float(raster.size[0]), min(bottom - top, last * step - top))
        return first, _filtered(raster.band(top, bottom), (size[0], last - first), box, drawn)

    if count == 1:
        return scale(0)[1]
    with ThreadPoolExecutor(min(count, os.cpu_count() or 1)) as threads:
        bands = list(threads.map(scale, range(count)))
    whole = Image.new(bands[0][1].mode, size)
    for top, part in bands:
        whole.paste(part, (0, top))
    return whole


def _filtered(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float], drawn: bool
) -> Image.Image:
    """Resample a part of a picture; colours are weighted by their opacity."""
    mode = image.mode
    if mode == "RGBA":
        image = image.convert("RGBa")
    if drawn:
        image = image.resize(size, Image.Resampling.BICUBIC, box)
    else:
        image = image.resize(size, Image.Resampling.BICUBIC, box, reducing_gap=1.0)
    return image.convert(mode) if image.mode != mode else image
