"""Pictures become image blocks: upright, in right colours, without metadata, no larger than of use.

What is already right is sent as it is, byte for byte. What cannot be read is refused in one line.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import overload

from PIL import Image

from claude_magic.content.colours import eight_bit, orientation
from claude_magic.content.encoding import (
    MAX_BYTES,
    block_of,
    data_of,
    encode_loaded,
    target_edge,
    thumbnail_of,
)
from claude_magic.content.figures import image_from_figure, is_figure
from claude_magic.content.magic_bytes import header_size, kind_of_suffix, sniff
from claude_magic.content.metadata import without_metadata
from claude_magic.content.pixels import image_from_array, is_image_array
from claude_magic.content.refusals import called, check_pixels, reading, shown_name
from claude_magic.content.scaling import fitted
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block

__all__ = [
    "image_from_array",
    "image_from_bytes",
    "image_from_figure",
    "image_from_pil",
    "is_figure",
    "is_image_array",
    "scaled",
]

_MAX_FRAMES = 100  # most images of one request
_SENT_AS_THEY_ARE = frozenset({"png", "jpeg", "gif", "webp"})
_PLAIN_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
_FORMATS = {
    "png": "PNG", "jpeg": "JPEG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "tiff": "TIFF", "avif": "AVIF",
    "ico": "ICO", "ppm": "PPM", "heic": "HEIF",
}  # fmt: skip


@overload
def image_from_bytes(data: bytes, name: str, how: Attaching, frames: None = None) -> Block: ...
@overload
def image_from_bytes(data: bytes, name: str, how: Attaching, frames: Sequence[int]) -> tuple[Block, ...]: ...
def image_from_bytes(
    data: bytes, name: str, how: Attaching, frames: Sequence[int] | None = None
) -> Block | tuple[Block, ...]:
    """Turn an encoded picture into an image block.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG, GIF, WebP, BMP, TIFF, AVIF, ICO or PPM; HEIC where ``pillow-heif`` is registered.
    name : str
        What the user called it; a suffix that does not fit the content is told in the note.
    how : Attaching
        How large it is sent.
    frames : sequence of int, optional
        Which frames of an animation, or pages of a TIFF, counted from 1. Without it the first is sent.

    Returns
    -------
    Block, or tuple of Block when ``frames`` is given

    Raises
    ------
    UsageProblem
        When the picture cannot be read, is cut off, has over 100 megapixels, or has no such frame.
    """
    shown = shown_name(name)
    kind = _readable_kind(data, shown)
    size = header_size(data, kind)
    check_pixels(size, shown)
    with reading(shown, kind):
        image = Image.open(io.BytesIO(data), formats=(_FORMATS[kind],))
    with image, reading(shown, kind):
        check_pixels(image.size, shown)
        # Further pictures in a phone's JPEG are previews, not frames.
        count = 1 if kind == "jpeg" and frames is None else int(getattr(image, "n_frames", 1))
        notes = _mismatch(name, kind)
        if frames is not None:
            _check_frames(frames, count, shown)
            if count > 1:
                return tuple(_frame(image, (number, count), name, how, notes) for number in frames)
            return (image_from_bytes(data, name, how),) * len(frames)
        if count > 1:
            return _frame(image, (1, count), name, how, notes)
        block = _as_it_is(data, image, name, how, notes)
        return block or _recoded(image, name, how, notes)


def image_from_pil(image: Image.Image, name: str, how: Attaching) -> Block:
    """Turn a PIL image into an image block; the image is neither changed nor closed.

    Raises
    ------
    UsageProblem
        When its pixels cannot be read, as of a lazily opened image whose file was closed.
    """
    shown = shown_name(name)
    check_pixels(image.size, shown)
    notes = []
    with reading(shown, "", "Load it while its file is open."):
        if (count := _frames_of(image)) > 1:
            notes.append(f"frame {image.tell() + 1} of {count}")
        elif image.tell():
            notes.append(f"frame {image.tell() + 1}")
        image.load()
        return encode_loaded(image, image.size, name, how, notes)


def scaled(block: Block, long_edge: int) -> Block:
    """Make the picture of an image block smaller where its longer side is over ``long_edge`` px.

    For requests with many images, whose limit is stricter. A block within the limit is returned
    as it is; keeping the result for the next turn is the caller's.

    Raises
    ------
    UsageProblem
        When the block holds no base64 image.
    """
    if block.kind == "image" and 0 < max(block.pixels) <= long_edge:
        return block
    data = data_of(block)
    how = Attaching("full", long_edge)
    smaller = image_from_bytes(data, block.name, how)
    tokens = min(block.tokens or smaller.tokens, smaller.tokens)
    size = "×".join(map(str, smaller.pixels))
    return replace(
        smaller, note="; ".join(filter(None, (block.note, f"now {size}, as there are many"))), tokens=tokens
    )


def _readable_kind(data: bytes, shown: str) -> str:
    """What the bytes are, if it can be read as a picture here."""
    if not data:
        raise UsageProblem(f"{shown} is empty. Nothing was sent.")
    kind = sniff(data)
    if kind == "heic" and "HEIF" not in Image.OPEN:
        raise UsageProblem(
            f"{shown} is a HEIC picture; `pip install pillow-heif`, then"
            " `pillow_heif.register_heif_opener()`, reads it. Nothing was sent."
        )
    if kind == "avif":
        Image.init()
        if "AVIF" not in Image.OPEN:
            raise UsageProblem(
                f"{shown} is an AVIF picture, which this Pillow cannot read. Nothing was sent."
            )
    if kind not in _FORMATS:
        what = f"is {'a' if kind == 'pdf' else 'an'} {kind.upper()}, not" if kind else "is not"
        raise UsageProblem(f"{shown} {what} a picture that can be sent as an image. Nothing was sent.")
    return kind


def _mismatch(name: str, kind: str) -> list[str]:
    claimed = kind_of_suffix(name)
    if claimed in ("", kind):
        return []
    return [f"is a {called(kind)}, not a {called(claimed)}"]


def _frames_of(image: Image.Image) -> int:
    """How many frames a PIL image has; 1 where its file can no longer be asked.

    A copy is asked: counting makes Pillow walk through the file and decode the shown frame anew, and whatever
    was painted on it would be lost.
    """
    file = getattr(image, "fp", None)
    if file is None or image.format not in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        return 1
    try:
        at = file.tell()
        try:
            file.seek(0)
            data = file.read()
        finally:
            file.seek(at)
        with Image.open(io.BytesIO(data), formats=(image.format,)) as copy:
            return int(getattr(copy, "n_frames", 1))
    except Exception:  # noqa: BLE001 - closed and broken files fail in any way
        return 1


def _check_frames(frames: Sequence[int], count: int, shown: str) -> None:
    if not frames or len(frames) > _MAX_FRAMES:
        raise UsageProblem(f"{shown}: choose 1 to {_MAX_FRAMES} frames. Nothing was sent.")
    for number in frames:
        if not 1 <= number <= count:
            has = "only one frame" if count == 1 else f"frames 1 to {count}"
            raise UsageProblem(f"{shown} has {has}, no frame {number}. Nothing was sent.")


def _frame(
    image: Image.Image, which: tuple[int, int], name: str, how: Attaching, notes: Sequence[str]
) -> Block:
    number, count = which
    image.seek(number - 1)
    check_pixels(image.size, shown_name(name))
    return _recoded(image, name, how, [f"frame {number} of {count}", *notes] if count > 1 else notes)


def _as_it_is(
    data: bytes, image: Image.Image, name: str, how: Attaching, notes: Sequence[str]
) -> Block | None:
    """The file's own bytes as a block, or None where they are not within the limits or not plain."""
    kind = sniff(data)
    deep = kind == "png" and data[24:25] == b"\x10"
    if (
        kind not in _SENT_AS_THEY_ARE
        or max(image.size) > target_edge(how)
        or image.mode not in _PLAIN_MODES
        or deep
        or orientation(image) != 1
    ):
        return None
    plain = without_metadata(data, kind)
    if plain is None or len(plain) > MAX_BYTES:
        return None
    size = image.size
    # All of it is decoded, so that a file that is cut off is found here and not by the API.
    image.draft(image.mode, fitted(size, 192))
    image.load()
    thumbnail = thumbnail_of(eight_bit(image)[0])
    note = f"{size[0]}×{size[1]} {called(kind)}, as it is"
    more = ["metadata removed"] if plain != data else []
    return block_of(
        plain, kind, size, how, name=name, note="; ".join([note, *more, *notes]), thumbnail=thumbnail
    )


def _recoded(image: Image.Image, name: str, how: Attaching, notes: Sequence[str]) -> Block:
    """Decode the current frame of a file of ours, and encode it anew."""
    source = image.size
    image.draft(image.mode, fitted(source, target_edge(how)))
    image.load()
    check_pixels(image.size, shown_name(name))
    return encode_loaded(image, source, name, how, notes)
