"""From 8-bit pixels to an image block: the encoding that suits the picture, within the API's limits."""

from __future__ import annotations

import base64
import binascii
import heapq
import io
import operator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageChops

from claude_magic.content.colours import TURNS, eight_bit, on_white, opaque_if_so, orientation, srgb
from claude_magic.content.scaling import fitted, looks_drawn, raster_of, scaled_down
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block

MAX_CHARACTERS = 5_242_880
"""Most base64 characters of one image."""

MAX_SIDE = 8000
"""Most pixels of a side, in any request."""

MAX_BYTES = MAX_CHARACTERS // 4 * 3

_DETAIL_EDGES = {"low": 768, "standard": 1568}
_TINY = 65_536  # pixels below which every picture is sent lossless
_SMALL = 400_000  # pixels below which a lossless PNG of a drawing is tried as well
_GOOD_ENOUGH = 6.5  # mean squared error a palette may cost: 40 dB
_CELL = 0xFC  # Pillow looks palette colours up by their six upper bits


def target_edge(how: Attaching) -> int:
    """The longest side, in pixels, that pictures are sent with."""
    return max(1, min(_DETAIL_EDGES.get(how.detail, how.long_edge), how.long_edge, MAX_SIDE))


def image_tokens(size: tuple[int, int], long_edge: int) -> int:
    """Estimated input tokens of a picture: width × height / 750, sides padded to multiples of 28 px."""
    width, height = (-(-side // 28) * 28 for side in fitted(size, long_edge))
    return -(-width * height // 750)


def block_of(
    data: bytes, kind: str, size: tuple[int, int], how: Attaching, *, name: str, note: str, thumbnail: bytes
) -> Block:
    """Put an encoded picture into a block.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG, GIF or WebP within the limits.
    kind : str
        ``"png"``, ``"jpeg"``, ``"gif"`` or ``"webp"``.
    size : tuple of (int, int)
        Its width and height.
    """
    # base64 is ASCII without anything JSON escapes.
    json = b"".join((
        b'{"type":"image","source":{"type":"base64","media_type":"image/', kind.encode(),
        b'","data":"', binascii.b2a_base64(data, newline=False), b'"}}',
    ))  # fmt: skip
    return Block(
        "image", json, name=name, note=note, size=len(data), tokens=image_tokens(size, how.long_edge),
        pixels=size, thumbnail=thumbnail,
    )  # fmt: skip


def data_of(block: Block) -> bytes:
    """The encoded picture inside an image block.

    Raises
    ------
    UsageProblem
        When the block holds no base64 image.
    """
    head, found, rest = block.json.partition(b'"data":"')
    if block.kind != "image" or not found or b'"base64"' not in head:
        raise UsageProblem(f"{block.name or 'The block'} holds no image data of ours. Nothing was sent.")
    return base64.b64decode(rest[: rest.index(b'"')])


def encode(
    image: Image.Image,
    source: tuple[int, int],
    name: str,
    how: Attaching,
    *,
    drawn: bool,
    notes: Sequence[str] = (),
) -> Block:
    """Encode a picture that is already scaled, upright and 8-bit.

    Parameters
    ----------
    image : Image
        Mode L, RGB or RGBA; only read.
    source : tuple of (int, int)
        Width and height before scaling, for the note.
    drawn : bool
        Whether it is a plot or the like: then a PNG with a palette where that shows it well.
    notes : sequence of str
        What else was done to it.
    """
    # What Pillow keeps beside the pixels (comment, profile, transparency) would be written as well.
    image = image.copy() if image.info else image
    image.info = {}
    with ThreadPoolExecutor(1) as beside:
        thumbnail = beside.submit(thumbnail_of, image)
        data, kind = _suited(image, drawn)
    more = list(notes)
    if kind == "jpeg" and image.mode == "RGBA":
        more.append("transparent parts on white")
    if len(data) > MAX_BYTES:
        data, image = _until_it_fits(image)
        kind = "jpeg"
        more.append("compressed further to fit 5 MB")
    width, height = image.size
    after = f"{width}×{height} {kind.upper()}"
    note = after if source == image.size else f"{source[0]}×{source[1]} → {after}"
    note = "; ".join([note, *more])
    return block_of(data, kind, image.size, how, name=name, note=note, thumbnail=thumbnail.result())


def encode_loaded(
    image: Image.Image, source: tuple[int, int], name: str, how: Attaching, notes: Sequence[str] = ()
) -> Block:
    """Scale a loaded picture, turn it upright, bring its colours to sRGB, encode it."""
    plain, more = eight_bit(image)
    raster = raster_of(plain)
    drawn = looks_drawn(raster.sample())
    small = scaled_down(raster, target_edge(how), drawn)
    small = opaque_if_so(small)
    turn = TURNS.get(orientation(image))
    if turn is not None:
        small = small.transpose(turn)
        more.append("turned upright")
        if small.size[0] != small.size[1] and turn not in (TURNS[2], TURNS[3], TURNS[4]):
            source = source[1], source[0]
    profile = image.info.get("icc_profile")
    small, told = srgb(small, profile if isinstance(profile, bytes) else b"")
    if small is image:
        small = small.copy()
    return encode(small, source, name, how, drawn=drawn, notes=[*notes, *more, *told])


def _suited(image: Image.Image, drawn: bool) -> tuple[bytes, str]:
    """Encode by what suits the picture; return the bytes and their kind."""
    pixels = image.width * image.height
    if pixels <= _TINY:
        return _png(image, 6), "png"
    if not drawn:
        return _jpeg(image, 85), "jpeg"
    if image.mode != "RGB":
        return _png(image, 3), "png"
    reduced = with_palette(image)
    if reduced is None:
        # Many soft colours and sharp edges as well: finer than a photograph, colour at full resolution.
        return _jpeg(image, 90, subsampling=0), "jpeg"
    data = _png(reduced, 2)
    if pixels <= _SMALL and len(exact := _png(image, 6)) <= len(data):
        data = exact
    return data, "png"


def with_palette(image: Image.Image) -> Image.Image | None:
    """Reduce an RGB picture to at most 256 colours, or None where that would show.

    Pillow finds the nearest palette colour by the six upper bits of each channel, which blurs neighbours
    and can turn a white background to its neighbour. So one colour is kept per cell, the commonest; the
    lookup is done with the cells' corners, and the true colours are put in afterwards.
    """
    few = image.getcolors(256)
    tallies: list[tuple[int, tuple[int, ...]]]
    sample = None
    if few is not None:
        tallies = [(count, tuple(colour)) for count, colour in few if isinstance(colour, tuple)]
    else:
        sample = image.resize((-(-image.width // 4), -(-image.height // 4)), Image.Resampling.NEAREST)
        reduced = sample.quantize(256, Image.Quantize.FASTOCTREE)
        flat = reduced.getpalette() or []
        tallies = [
            (count, tuple(flat[3 * index : 3 * index + 3]))
            for count, index in reduced.getcolors() or ()
            if isinstance(index, int)
        ]
    cells: dict[tuple[int, ...], tuple[int, ...]] = {}
    for colour in [*_common(sample), *(colour for _, colour in sorted(tallies, reverse=True))]:
        cells.setdefault(tuple(channel & _CELL for channel in colour), colour)
    if few is not None and len(cells) < len(few):
        return image.quantize(256, Image.Quantize.MEDIANCUT)  # exact, and quick with few colours
    while len(cells) > 256:
        cells.popitem()
    lookup = Image.new("P", (1, 1))
    lookup.putpalette([channel for cell in cells for channel in cell])
    true = [channel for colour in cells.values() for channel in colour]
    if sample is not None and not _close(sample, lookup, true):
        return None
    found = image.quantize(palette=lookup, dither=Image.Dither.NONE)
    found.putpalette(true)
    return found


def _common(sample: Image.Image | None) -> list[tuple[int, ...]]:
    """The few commonest colours exactly as they are: grounds and lines, which a palette would average."""
    if sample is None:
        return []
    fewer = sample.resize((-(-sample.width // 2), -(-sample.height // 2)), Image.Resampling.NEAREST)
    tallies = fewer.getcolors(fewer.width * fewer.height) or []
    common = heapq.nlargest(16, tallies, key=operator.itemgetter(0))
    return [colour for _, colour in common if isinstance(colour, tuple)]


def _close(sample: Image.Image, lookup: Image.Image, true: Sequence[int]) -> bool:
    """Whether a palette shows the sample well."""
    tried = sample.quantize(palette=lookup, dither=Image.Dither.NONE)
    tried.putpalette(true)
    tallies = ImageChops.difference(sample, tried.convert("RGB")).histogram()
    squares = sum(count * (index % 256) ** 2 for index, count in enumerate(tallies))
    return squares <= _GOOD_ENOUGH * 3 * sample.width * sample.height


def _jpeg(image: Image.Image, quality: int, subsampling: int = 2) -> bytes:
    target = io.BytesIO()
    on_white(image).save(target, "JPEG", quality=quality, subsampling=subsampling)
    return target.getvalue()


def _png(image: Image.Image, level: int) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=level)
    return target.getvalue()


def _until_it_fits(image: Image.Image) -> tuple[bytes, Image.Image]:
    """Encode with less quality, then smaller, until it is within the API's limit."""
    for quality in (85, 75, 60):
        if len(data := _jpeg(image, quality)) <= MAX_BYTES:
            return data, image
    while True:
        size = fitted(image.size, max(1, max(image.size) * 3 // 4))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        if len(data := _jpeg(image, 75)) <= MAX_BYTES:
            return data, image


def thumbnail_of(image: Image.Image) -> bytes:
    """A JPEG of at most 96 px and 4 KB, of a picture in mode L, RGB or RGBA; it is not changed."""
    width, height = image.size
    across = (max(1, min(width, max(width, height) // 192)), max(1, min(height, max(width, height) // 192)))
    if image.mode == "RGBA":
        image = image.convert("RGBa")
    small = image.reduce(across) if across != (1, 1) else image
    small = small.resize(fitted(small.size, 96), Image.Resampling.BICUBIC)
    if small.mode == "RGBa":
        small = on_white(small.convert("RGBA"))
    small.info = {}
    for quality in (75, 50):
        if len(data := _jpeg(small, quality)) <= 4096:
            return data
    return _jpeg(small, 20)
