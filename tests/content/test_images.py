"""Pictures on their way into blocks: right side up, right colours, no secrets, within the API's limits."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import PIL
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image, ImageCms, ImageDraw, ImageFile

from claude_magic.content.encoding import MAX_CHARACTERS, data_of, image_tokens, target_edge
from claude_magic.content.images import (
    image_from_array,
    image_from_bytes,
    image_from_figure,
    image_from_pil,
    is_figure,
    is_image_array,
    scaled,
)
from claude_magic.content.magic_bytes import looks_like_svg, sniff
from claude_magic.content.metadata import without_metadata
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block

HOW = Attaching()
RANDOM = np.random.default_rng(0)

MODES = [
    "1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB",
    "I", "F", "I;16", "I;16B", "I;16L",
]  # fmt: skip
SIZES = [(1, 1), (1, 20), (17, 3), (300, 1), (97, 101)]
WRITTEN = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "GIF": ["1", "L", "P", "RGB"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16", "I;16B"],
    "AVIF": ["RGB", "RGBA"],
    "ICO": ["RGB", "RGBA"],
    "PPM": ["1", "L", "RGB", "I;16", "F"],
}


def picture_of(mode: str, size: tuple[int, int]) -> Image.Image:
    """A picture of any mode, filled with noise."""
    width, height = size
    if mode.startswith("I;16"):
        values = RANDOM.integers(0, 65536, (height, width)).astype("<u2" if mode != "I;16B" else ">u2")
        return Image.frombytes(mode, size, values.tobytes())
    if mode in ("I", "F"):
        numbers = RANDOM.integers(-9000, 9000, (height, width))
        return Image.fromarray(numbers.astype("int32" if mode == "I" else "float32"))
    colour = Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode == "PA":
        return colour.convert("P").convert("PA")
    if mode == "LAB":
        profile = ImageCms.createProfile
        done = ImageCms.profileToProfile(colour, profile("sRGB"), profile("LAB"), outputMode="LAB")
        assert done is not None
        return done
    if mode in ("RGBa", "La"):
        return colour.convert("RGBA" if mode == "RGBa" else "LA").convert(mode)
    return colour.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def opened(block: Block) -> Image.Image:
    """The picture inside a block, checked the way the API does."""
    message = json.loads(block.json)
    assert set(message) == {"type", "source"}
    source = message["source"]
    assert set(source) == {"type", "media_type", "data"}
    assert (message["type"], source["type"]) == ("image", "base64")
    assert len(source["data"]) <= MAX_CHARACTERS
    data = base64.b64decode(source["data"], validate=True)
    assert data == data_of(block)
    assert len(data) == block.size
    image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP"))
    assert source["media_type"] == f"image/{(image.format or '').lower()}"
    image.load()
    assert image.size == block.pixels
    assert max(image.size) <= 8000
    assert block.tokens == image_tokens(image.size, HOW.long_edge)
    assert not image.getexif()
    assert len(block.thumbnail) <= 6000
    assert max(Image.open(io.BytesIO(block.thumbnail)).size) <= 96
    return image


def at(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place given as shares of width and height."""
    rgb = image.convert("RGB")
    value = rgb.getpixel((min(int(x * rgb.width), rgb.width - 1), min(int(y * rgb.height), rgb.height - 1)))
    assert isinstance(value, tuple)
    return value


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def quarters(width: int = 400, height: int = 300) -> Image.Image:
    """Red, green, blue and white corners, so that every turn can be told."""
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width // 2, height // 2), fill=(255, 0, 0))
    pen.rectangle((width // 2, 0, width, height // 2), fill=(0, 255, 0))
    pen.rectangle((0, height // 2, width // 2, height), fill=(0, 0, 255))
    return image


def photo(width: int = 2400, height: int = 1800) -> Any:
    """Soft shapes with noise."""
    grid = Image.fromarray(RANDOM.integers(40, 215, (12, 16, 3), dtype=np.uint8))
    soft = np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return np.clip(soft + RANDOM.normal(scale=4, size=soft.shape), 0, 255).astype(np.uint8)


# --- every mode, size and format ---


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_pil_images_of_every_mode_become_blocks_and_stay_as_they_are(
    mode: str, size: tuple[int, int]
) -> None:
    image = picture_of(mode, size)
    before = image.copy()
    block = image_from_pil(image, "image", HOW)
    assert opened(block).size == size
    assert (image.mode, image.size, image.tobytes()) == (before.mode, before.size, before.tobytes())


@pytest.mark.parametrize(
    ("kind", "mode"), [(kind, mode) for kind, modes in WRITTEN.items() for mode in modes]
)
@pytest.mark.parametrize("size", [(1, 1), (33, 7), (1701, 31)])
def test_files_of_every_format_become_blocks(kind: str, mode: str, size: tuple[int, int]) -> None:
    if (kind, mode) == ("TIFF", "YCbCr") and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 does not read what it writes here; it is refused in one line")
    if kind == "ICO":
        size = (min(size[0], 64), min(size[1], 64))
    options = {"sizes": [size]} if kind == "ICO" else {}
    data = encoded(picture_of(mode, size), kind, **options)
    assert sniff(data) == kind.lower()
    block = image_from_bytes(data, "picture", HOW)
    assert max(opened(block).size) == min(max(size), 1568)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(MODES), st.integers(1, 90), st.integers(1, 90),
    st.sampled_from(["low", "standard", "full"]), st.integers(20, 100),
)  # fmt: skip
def test_any_size_fits_the_long_edge(mode: str, width: int, height: int, detail: Any, edge: int) -> None:
    how = Attaching(detail, long_edge=edge)
    block = image_from_pil(picture_of(mode, (width, height)), "image", how)
    assert max(block.pixels) == min(max(width, height), target_edge(how))
    assert Image.open(io.BytesIO(data_of(block))).size == block.pixels


@pytest.mark.parametrize(("detail", "edge", "expected"), [
    ("low", 1568, 768), ("low", 2576, 768), ("standard", 2576, 1568), ("standard", 1000, 1000),
    ("full", 1568, 1568), ("full", 2576, 2000),
])  # fmt: skip
def test_detail_decides_the_size_and_never_enlarges(detail: Any, edge: int, expected: int) -> None:
    block = image_from_array(photo(2000, 1500), "a", Attaching(detail, edge))
    assert block.pixels == (expected, expected * 3 // 4)


def test_thin_pictures_are_sent() -> None:
    assert opened(image_from_array(np.zeros((20000, 1), np.uint8), "thin", HOW)).size == (1, 1568)


# --- sent as it is ---


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_file_within_the_limits_is_sent_byte_for_byte(kind: str) -> None:
    data = encoded(quarters(), kind)
    block = image_from_bytes(data, f"corners.{kind.lower()}", HOW)
    assert data_of(block) == data
    assert block.note == f"400×300 {'WebP' if kind == 'WEBP' else kind}, as it is"
    assert near(at(opened(block), 0.2, 0.2), (255, 0, 0), 40)


def test_the_content_wins_over_the_suffix() -> None:
    block = image_from_bytes(encoded(quarters(), "PNG"), "corners.jpg", HOW)
    assert block.note == "400×300 PNG, as it is; is a PNG, not a JPEG"
    assert b"image/png" in block.json


def exif(orientation: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010F] = "SECRET-CAMERA"
    found.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 29: "SECRET-PLACE"})
    return found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_places_and_comments_are_taken_out(kind: str) -> None:
    image = quarters()
    options: dict[str, Any] = {"exif": exif()}
    if kind in ("JPEG", "WEBP", "AVIF"):
        options["xmp"] = b"<x:xmpmeta SECRET-XMP/>"
    if kind == "JPEG":
        options["comment"] = b"SECRET-COMMENT"
    data = encoded(image, kind, **options)
    assert b"SECRET" in data
    block = image_from_bytes(data, "image", HOW)
    assert b"SECRET" not in data_of(block)
    assert b"SECRET" not in block.thumbnail
    opened(block)
    plain = without_metadata(data, kind.lower()) if kind in ("PNG", "JPEG", "WEBP") else None
    if plain is not None:
        assert data_of(block) == plain
        assert "metadata removed" in block.note
        assert Image.open(io.BytesIO(plain)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


def test_what_hides_in_other_places_is_taken_out() -> None:
    gif = encoded(quarters(), "GIF", comment=b"SECRET")
    assert b"SECRET" in gif
    assert b"SECRET" not in data_of(image_from_bytes(gif, "x.gif", HOW))
    jpeg = encoded(quarters(), "JPEG") + b"SECRET: a film behind the picture"
    assert b"SECRET" not in data_of(image_from_bytes(jpeg, "x.jpg", HOW))
    held = quarters(1000, 600)
    held.info.update(comment=b"SECRET", exif=exif().tobytes(), xmp=b"SECRET")
    assert b"SECRET" not in data_of(image_from_pil(held, "x", HOW))


def test_a_colour_profile_stays_when_the_file_does() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("PNG", "JPEG", "WEBP"):
        block = image_from_bytes(encoded(quarters(), kind, icc_profile=profile, exif=exif()), "x", HOW)
        assert opened(block).info["icc_profile"] == profile


# --- upright ---


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(400, 300), (3000, 1000)])
def test_every_orientation_ends_upright(kind: str, orientation: int, size: tuple[int, int]) -> None:
    wrong = {
        1: None, 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
        7: "TRANSVERSE", 8: "ROTATE_270",
    }[orientation]  # fmt: skip
    image = quarters(*size)
    turned = image.transpose(Image.Transpose[wrong]) if wrong else image
    block = image_from_bytes(encoded(turned, kind, exif=exif(orientation)), "x", HOW)
    shown = opened(block)
    assert shown.size == ((400, 300) if size == (400, 300) else (1568, 523))
    corners = [at(shown, x, y) for x, y in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8))]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert all(near(one, other, 40) for one, other in zip(corners, expected, strict=True)), corners
    if size == (3000, 1000):
        assert block.note.startswith("3000×1000 → ")


# --- colours ---


def test_cmyk_is_not_inverted() -> None:
    cyan = Image.new("CMYK", (300, 300), (255, 0, 0, 0))
    for kind in ("JPEG", "TIFF"):
        block = image_from_bytes(encoded(cyan, kind), "x", HOW)
        assert near(at(opened(block), 0.5, 0.5), (0, 255, 255), 20)
        assert "CMYK" in block.note


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_deep_grey_is_scaled_by_its_range(mode: str) -> None:
    ramp = np.linspace(1000, 5000, 300)[None, :].repeat(300, 0)
    if mode.startswith("I;16"):
        image = Image.frombytes(mode, (300, 300), ramp.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    else:
        image = Image.fromarray(ramp.astype("int32" if mode == "I" else "float32"))
    block = image_from_pil(image, "x", HOW)
    shown = opened(block)
    assert near(at(shown, 0, 0.5), (0, 0, 0), 4)
    assert near(at(shown, 0.5, 0.5), (128, 128, 128), 6)
    assert near(at(shown, 1, 0.5), (255, 255, 255), 4)
    assert "1000…5000 shown as black…white" in block.note


def test_palette_alpha_and_bilevel() -> None:
    assert at(opened(image_from_pil(Image.new("1", (50, 50), 1), "x", HOW)), 0.5, 0.5) == (255, 255, 255)
    seen_through = Image.new("RGBA", (600, 600), (200, 10, 10, 0))
    ImageDraw.Draw(seen_through).rectangle((0, 0, 300, 600), fill=(0, 0, 200, 255))
    shown = opened(image_from_pil(seen_through, "x", HOW)).convert("RGBA")
    assert shown.getpixel((100, 100)) == (0, 0, 200, 255)
    assert shown.getpixel((500, 100))[3] == 0  # type: ignore[index]
    noisy = Image.fromarray(np.dstack([photo(600, 600), np.full((600, 600), 0, np.uint8)]))
    block = image_from_pil(noisy, "x", HOW)
    assert at(opened(block), 0.5, 0.5) == (255, 255, 255)
    assert "transparent parts on white" in block.note
    palette = quarters().quantize(16)
    palette.info["transparency"] = palette.getpixel((10, 10))
    assert opened(image_from_pil(palette, "x", HOW)).convert("RGBA").getpixel((10, 10))[3] == 0  # type: ignore[index]


def test_colours_of_transparent_edges_do_not_bleed() -> None:
    image = Image.new("RGBA", (3000, 3000), (0, 255, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 1501, 3000), fill=(255, 0, 0, 255))
    row = np.asarray(opened(image_from_pil(image, "x", HOW)).convert("RGBA"))[700]
    visible = row[row[:, 3] > 8]
    assert visible[:, 0].min() > 240
    assert visible[:, 1].max() < 15


def test_16_bit_png_is_brought_to_8() -> None:
    data = encoded(Image.frombytes("I;16", (200, 200), np.full((200, 200), 300, "<u2").tobytes()), "PNG")
    block = image_from_bytes(data, "x.png", HOW)
    assert opened(block).mode == "L"
    assert "16-bit" in block.note


# --- frames ---


def animation(kind: str, count: int = 3) -> bytes:
    frames = [Image.new("RGB", (120, 90), (80 * number, 0, 255 - 80 * number)) for number in range(count)]
    return encoded(
        frames[0],
        kind,
        save_all=True,
        append_images=frames[1:],
        **({} if kind == "TIFF" else {"duration": 100}),
    )


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_or_the_chosen_ones(kind: str) -> None:
    data = animation(kind)
    block = image_from_bytes(data, "anim", HOW)
    assert "frame 1 of 3" in block.note
    assert near(at(opened(block), 0.5, 0.5), (0, 0, 255), 8)
    third, first = image_from_bytes(data, "anim", HOW, [3, 1])
    assert "frame 3 of 3" in third.note
    assert near(at(opened(third), 0.5, 0.5), (160, 0, 95), 8)
    assert near(at(opened(first), 0.5, 0.5), (0, 0, 255), 8)
    with pytest.raises(UsageProblem, match="has frames 1 to 3, no frame 4"):
        image_from_bytes(data, "anim", HOW, [4])


def test_a_pil_animation_says_its_frame_and_stays_there() -> None:
    image = Image.open(io.BytesIO(animation("GIF")))
    image.seek(1)
    assert "frame 2 of 3" in image_from_pil(image, "anim", HOW).note
    assert image.tell() == 1
    image.seek(2)
    assert near(at(image, 0.5, 0.5), (160, 0, 95), 8)


def test_what_was_painted_on_a_frame_is_sent() -> None:
    image = Image.open(io.BytesIO(animation("GIF")))
    image.seek(1)
    image.paste((9, 9, 9), (0, 0, 20, 20))
    block = image_from_pil(image, "anim", HOW)
    assert "frame 2" in block.note
    assert near(at(opened(block), 0.05, 0.05), (9, 9, 9), 4)


# --- broken and hostile ---


def refusal(data: bytes) -> str:
    """Why a file is refused, or "" when it makes a good block."""
    try:
        block = image_from_bytes(data, "file", HOW)
    except UsageProblem as problem:
        told = str(problem)
    else:
        opened(block)
        return ""
    assert "\n" not in told
    assert "Nothing was sent." in told
    return told


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "ICO", "PPM"])
@pytest.mark.parametrize("side", [90, 1800])
def test_cut_off_files_are_refused_or_whole(kind: str, side: int) -> None:
    side = min(side, 600) if kind == "AVIF" else side  # slow to encode
    options = {"sizes": [(64, 64)]} if kind == "ICO" else {}
    data = encoded(Image.fromarray(photo(side, side)), kind, **options)
    ends = {0, 1, 2, 8, 20, 33, 60, len(data) // 2, len(data) - 1, len(data) - 9}
    ends |= {random.Random(kind).randrange(len(data)) for _ in range(20 if side == 90 else 4)}
    refused = 0
    for end in sorted(ends):
        refused += bool(refusal(data[:end]))
    assert refused > len(ends) // 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "ICO", "PPM"])
def test_flipped_bytes_never_crash(kind: str) -> None:
    dice = random.Random(kind)
    options = {"sizes": [(64, 64)]} if kind == "ICO" else {}
    data = encoded(Image.fromarray(photo(80, 64)), kind, **options)
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(dice.choice((1, 1, 4))):
            broken[dice.randrange(min(len(data), 400))] = dice.randrange(256)
        refusal(bytes(broken))


@pytest.mark.parametrize(
    "cut", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"no picture", b"%PDF-1.7\n", b"<svg xmlns='x'/>"]
)
def test_what_is_no_picture_is_refused(cut: bytes) -> None:
    with pytest.raises(UsageProblem, match="Nothing was sent"):
        image_from_bytes(cut, "x.png", HOW)


def test_the_messages_name_the_file_and_the_reason() -> None:
    with pytest.raises(UsageProblem, match=r"^photo\.jpg is empty\. Nothing was sent\.$"):
        image_from_bytes(b"", "photo.jpg", HOW)
    jpeg = encoded(Image.fromarray(photo(90, 90)), "JPEG")
    with pytest.raises(UsageProblem, match=r"^photo\.jpg is a truncated JPEG \(.+\)\. Nothing was sent\.$"):
        image_from_bytes(jpeg[: len(jpeg) // 2], "photo.jpg", HOW)
    with pytest.raises(UsageProblem, match="pillow-heif"):
        image_from_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "x.heic", HOW)
    with pytest.raises(UsageProblem) as caught:
        image_from_bytes(b"", "a\x1b[31m\n\u202egnp.exe", HOW)
    assert not {"\x1b", "\n", "\u202e"} & set(str(caught.value))


def png_header(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0")
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (head, data, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


BOMBS = {
    "png": png_header(20000, 20000),
    "png, between Pillow's limit and ours": png_header(11000, 10000),
    "gif": b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;",
    "bmp": b"BM\0\0\0\0\0\0\0\0\x36\0\0\0"
    + struct.pack("<IiiHHIIiiII", 40, 2_400_000, 2_500_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "ico": struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, 100, 22) + png_header(30000, 30000),
    "ppm": b"P6 99999 99999 255\n",
    "webp": b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + (16382).to_bytes(3, "little") * 2 + bytes(60),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_anything_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UsageProblem, match="megapixels"):
        image_from_bytes(BOMBS[name], "bomb", HOW)


def test_warnings_and_limits_of_pillow_are_left_alone() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image_from_bytes(encoded(Image.new("L", (9600, 9700)), "PNG"), "big", HOW)
    assert not caught
    assert limit == Image.MAX_IMAGE_PIXELS
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_lazy_image_whose_file_is_closed(tmp_path: Any) -> None:
    path = tmp_path / "x.png"
    quarters().save(path)
    image = Image.open(path)
    image.close()
    with pytest.raises(UsageProblem, match="Load it while its file is open"):
        image_from_pil(image, "img", HOW)
    with path.open("rb") as file:
        image = Image.open(file)
    with pytest.raises(UsageProblem, match="Load it while its file is open"):
        image_from_pil(image, "img", HOW)


# --- the encoding that suits ---


def test_photographs_are_jpeg_and_plots_are_png() -> None:
    array = photo()
    block = image_from_array(array, "photo", HOW)
    assert block.note == "2400×1800 → 1568×1176 JPEG"
    reference = np.asarray(Image.fromarray(array).resize((1568, 1176), Image.Resampling.LANCZOS), float)
    assert decibels(reference, opened(block)) > 36
    fig = figure()
    fig.dpi = 400
    canvas = FigureCanvasAgg(fig)
    canvas.draw()  # type: ignore[no-untyped-call]
    plot = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    block = image_from_array(plot, "plot", HOW)
    assert block.note.endswith("PNG")
    assert block.size < 130_000
    reference = np.asarray(Image.fromarray(plot.copy()).resize(block.pixels, Image.Resampling.LANCZOS), float)
    assert decibels(reference, opened(block)) > 42
    assert at(opened(block), 0.001, 0.001) == (255, 255, 255)


def decibels(reference: Any, image: Image.Image) -> float:
    return float(10 * np.log10(255**2 / ((reference - np.asarray(image.convert("RGB"), float)) ** 2).mean()))


def test_few_colours_are_kept_exactly() -> None:
    colours = RANDOM.integers(0, 256, (200, 3), dtype=np.uint8)
    array = colours[RANDOM.integers(0, 200, (20, 20))].repeat(40, 0).repeat(40, 1)
    assert (np.asarray(opened(image_from_array(array, "x", HOW)).convert("RGB")) == array).all()


def test_a_photograph_on_white_is_not_forced_into_256_colours() -> None:
    array = np.full((1200, 1500, 3), 255, np.uint8)
    array[200:900, 300:1000] = photo(700, 700)
    shown = opened(image_from_array(array, "product", HOW))
    assert shown.format == "JPEG"
    assert decibels(array.astype(float), shown) > 36


def test_noise_of_full_size_is_made_to_fit() -> None:
    noise = RANDOM.integers(0, 256, (4000, 6000, 3), dtype=np.uint8)
    block = image_from_array(noise, "noise", Attaching("full", 6000))
    assert "compressed further to fit 5 MB" in block.note
    assert len(json.loads(block.json)["source"]["data"]) <= MAX_CHARACTERS


def test_bands_leave_no_seam() -> None:
    ramp = np.linspace(0, 255, 3000).astype(np.uint8)[:, None].repeat(3001, 1)
    shown = np.asarray(opened(image_from_array(ramp, "ramp", HOW)).convert("L"), int)
    assert np.abs(np.diff(shown[:, 700])).max() <= 2


def test_smaller_for_requests_with_many_images() -> None:
    how = Attaching("full", 2576)
    block = image_from_array(photo(3000, 1500), "a", how)
    assert block.pixels == (2576, 1288)
    small = scaled(block, 2000)
    assert small.pixels == (2000, 1000)
    assert Image.open(io.BytesIO(data_of(small))).size == (2000, 1000)
    assert small.note == f"{block.note}; now 2000×1000, as there are many"
    assert small.tokens < block.tokens
    assert scaled(small, 2000) is small
    with pytest.raises(UsageProblem):
        scaled(Block("text", b"{}"), 2000)


# --- arrays ---


def grey(value: float) -> tuple[int, int, int]:
    return (round(value), round(value), round(value))


ARRAYS: list[tuple[str, Callable[[], Any], tuple[int, int, int]]] = [
    ("uint8", lambda: np.full((40, 50), 90, np.uint8), grey(90)),
    ("uint8 mask", lambda: np.eye(40, dtype=np.uint8) | 1, grey(255)),
    ("uint8 black", lambda: np.zeros((40, 50), np.uint8), grey(0)),
    ("bool", lambda: np.ones((40, 50), bool), grey(255)),
    ("one channel", lambda: np.full((40, 50, 1), 90, np.uint8), grey(90)),
    ("colour", lambda: np.full((40, 50, 3), (1, 2, 200), np.uint8), (1, 2, 200)),
    ("opaque", lambda: np.full((40, 50, 4), (1, 2, 200, 255), np.uint8), (1, 2, 200)),
    ("fractions", lambda: np.full((40, 50, 3), (0.0, 0.5, 1.0)), (0, 128, 255)),
    ("floats to 255", lambda: np.full((40, 50, 3), (0.0, 100.0, 255.0), np.float32), (0, 100, 255)),
    ("half", lambda: np.full((40, 50, 3), (0.0, 0.5, 1.0), np.float16), (0, 128, 255)),
    ("uint16", lambda: np.full((40, 50, 3), (0, 30000, 60000), np.uint16), (0, 128, 255)),
    ("int64 to 255", lambda: np.full((40, 50, 3), (0, 77, 255)), (0, 77, 255)),
    ("negative", lambda: np.full((40, 50, 3), (-1.0, 0.0, 1.0)), (0, 128, 255)),
    ("int64 range", lambda: np.full((40, 50, 3), (-(2**62), 0, 2**62)), (0, 128, 255)),
    ("huge floats", lambda: np.full((40, 50, 3), (-1.7e308, 0, 1.7e308)), (0, 128, 255)),
    ("constant", lambda: np.full((40, 50), 7000.0), grey(128)),
    ("all NaN", lambda: np.full((40, 50), np.nan), (255, 0, 255)),
    ("upside down", lambda: np.full((40, 50, 3), (1, 2, 200), np.uint8)[::-1, ::-1], (1, 2, 200)),
    ("BGR", lambda: np.full((40, 50, 3), (1, 2, 200), np.uint8)[..., ::-1], (200, 2, 1)),
    ("Fortran", lambda: np.asfortranarray(np.full((40, 50, 3), (1, 2, 200), np.uint8)), (1, 2, 200)),
    ("read-only", lambda: np.broadcast_to(np.array((1, 2, 200), np.uint8), (40, 50, 3)), (1, 2, 200)),
    ("big-endian", lambda: np.full((40, 50, 3), (0, 30000, 60000), ">u2"), (0, 128, 255)),
    ("batch", lambda: np.full((7, 40, 50, 3), (1, 2, 200), np.uint8), (1, 2, 200)),
    ("channels first", lambda: np.full((3, 40, 50), 9, np.uint8), grey(9)),
    ("masked", lambda: np.ma.masked_equal(np.full((40, 50), 5.0), 5.0), (255, 0, 255)),
    ("tensor", lambda: torch.tensor([[[1]], [[2]], [[200]]]).byte().expand(3, 40, 50), (1, 2, 200)),
    ("tensor with grad", lambda: torch.full((3, 40, 50), 0.5, requires_grad=True), grey(128)),
    ("bfloat16", lambda: torch.full((1, 40, 50), 0.5, dtype=torch.bfloat16), grey(128)),
    ("tensor batch", lambda: torch.full((2, 3, 40, 50), 0.5), grey(128)),
    ("tensor, channels last", lambda: torch.full((40, 50, 3), 0.5), grey(128)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "colour"), [pytest.param(make, colour, id=name) for name, make, colour in ARRAYS]
)
def test_arrays(make: Callable[[], Any], colour: tuple[int, int, int]) -> None:
    array = make()
    block = image_from_array(array, "array", HOW)
    shown = opened(block)
    assert shown.size == (40 if "eye" in str(make) or tuple(array.shape[:2]) == (40, 40) else 50, 40)
    assert near(at(shown, 0, 0), colour, 2)


def test_nan_is_shown_and_said() -> None:
    array = RANDOM.random((100, 100))
    array[:5] = np.nan
    array[50, 50] = np.inf
    block = image_from_array(array, "a", HOW)
    assert "5 % of the pixels are NaN or infinite, shown in magenta" in block.note
    assert at(opened(block), 0.5, 0.01) == (255, 0, 255)
    assert at(opened(block), 0.505, 0.505) == (255, 0, 255)


@pytest.mark.parametrize(
    "array",
    [
        np.array(3), np.zeros(10), np.zeros((2, 2, 2, 2, 2)), np.zeros((0, 10)), np.zeros((10, 0, 3)),
        np.zeros((10, 10, 7)), np.zeros((10, 10), complex), np.zeros((10, 10), object),
        np.zeros((10, 10), "M8[s]"),
        np.array([["a"]]), np.zeros((9, 9), [("a", int)]), torch.zeros(5), torch.zeros((2, 30, 30)), object(),
        np.broadcast_to(np.uint8(1), (20000, 20000)),
    ],
    ids=lambda array: f"{type(array).__name__}{getattr(array, 'shape', '')}{getattr(array, 'dtype', '')}",
)  # fmt: skip
def test_arrays_that_are_no_pictures(array: Any) -> None:
    with pytest.raises(UsageProblem, match=r"^arr .+Nothing was sent\.$") as caught:
        image_from_array(array, "arr", HOW)
    assert "\n" not in str(caught.value)


def test_array_interface_alone_is_enough() -> None:
    class Holder:
        __array_interface__ = np.full((40, 50, 3), 9, np.uint8).__array_interface__
        kept = np.full((40, 50, 3), 9, np.uint8)

    Holder.__array_interface__ = Holder.kept.__array_interface__
    assert at(opened(image_from_array(Holder(), "x", HOW)), 0.5, 0.5) == grey(9)


@pytest.mark.parametrize(("array", "expected"), [
    (np.zeros((40, 50), np.uint8), True), (np.zeros((8, 8), np.uint8), False),
    (np.zeros((28, 28), np.uint8), True),
    (np.zeros((30, 30)), False), (np.zeros((1000, 20)), False), (np.zeros((64, 64)), True),
    (np.zeros((4, 4, 3), np.uint8), True), (np.zeros((20, 20, 3)), True), (np.zeros((20, 20, 5)), False),
    (np.zeros((100, 3)), False), (np.zeros(100), False), (np.zeros((0, 50, 3)), False),
    (np.zeros((5, 20, 20, 3)), True), (np.zeros((40, 50), object), False),
    (np.zeros((70, 70), complex), False),
    (torch.zeros((3, 40, 50)), True), (torch.zeros((64, 3, 7, 7)), False),
    (torch.zeros((2, 3, 40, 50)), True),
    ([1, 2], False), ("text", False), (None, False), (np.zeros((40, 40), bool), True),
])  # fmt: skip
def test_which_arrays_are_pictures(array: Any, expected: bool) -> None:
    assert is_image_array(array) is expected


# --- figures ---


def figure(**options: Any) -> Figure:
    fig = Figure(figsize=(8, 6), **options)
    axes = fig.subplots()
    x = np.linspace(0, 10, 300)
    for shift in range(3):
        axes.plot(x, np.sin(x + shift), label=f"series {shift}")
    axes.legend()
    axes.set_title("A title")
    return fig


@pytest.mark.parametrize("canvas", [FigureCanvasAgg, FigureCanvasSVG])
def test_figures_are_drawn_large_and_left_as_they_were(canvas: Any) -> None:
    fig = figure(facecolor="#ffeedd", dpi=91)
    before = canvas(fig)
    redrawn: list[object] = []
    fig.stale_callback = lambda *given: redrawn.append(given)
    state = (fig.dpi, tuple(fig.get_size_inches()), fig.get_facecolor(), fig.stale, fig.stale_callback)
    block = image_from_figure(fig, "fig", HOW)
    assert (
        fig.dpi,
        tuple(fig.get_size_inches()),
        fig.get_facecolor(),
        fig.stale,
        fig.stale_callback,
    ) == state
    assert fig.canvas is before
    assert not redrawn
    shown = opened(block)
    assert shown.size == (1568, 1176)
    assert near(at(shown, 0.01, 0.01), (0xFF, 0xEE, 0xDD), 3)
    assert opened(image_from_figure(fig, "fig", HOW)).tobytes() == shown.tobytes()


def test_axes_and_subfigures_stand_for_their_figure() -> None:
    fig = Figure(figsize=(8, 4))
    left: Any = fig.subfigures()
    axes = left.subplots()
    for value in (fig, left, axes):
        assert is_figure(value)
        assert opened(image_from_figure(value, "fig", Attaching("low"))).size == (768, 384)
    assert not is_figure(3)


def test_a_legend_beside_the_figure_is_not_cut_off() -> None:
    fig = figure()
    fig.axes[0].legend(loc="upper left", bbox_to_anchor=(1.2, 1), title="beside")
    before = fig.canvas
    block = image_from_figure(fig, "fig", HOW)
    assert fig.canvas is before
    assert max(block.pixels) <= 1568
    assert block.pixels[0] / block.pixels[1] > 1.4


def test_see_through_figures_keep_their_alpha() -> None:
    fig = figure()
    fig.patch.set_alpha(0.0)
    assert opened(image_from_figure(fig, "fig", HOW)).mode == "RGBA"


def test_a_figure_that_cannot_be_drawn() -> None:
    fig = figure()
    fig.axes[0].set_title(r"$\frac{$")
    before = fig.canvas, fig.dpi
    with pytest.raises(UsageProblem, match=r"^fig "):
        image_from_figure(fig, "fig", HOW)
    assert (fig.canvas, fig.dpi) == before


def test_pyplot_figures_are_not_closed() -> None:
    mpl.use("agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots()
    axes.plot([1, 2])
    try:
        image_from_figure(fig, "fig", HOW)
        assert plt.fignum_exists(fig.number)
    finally:
        plt.close(fig)


# --- what a file is ---


@pytest.mark.parametrize(("data", "kind"), [
    (b"<svg/>", "svg"), (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg:svg>", "svg"),
    (b'<!DOCTYPE svg PUBLIC "x" "y" [<!ENTITY a "b">]><svg >', "svg"), (b"<html><svg>", ""),
    (b"P1 is the first", ""),
    (b"P5 3 3 255 ", "ppm"), (b"BMW makes cars, and many of them", ""), (b"junk\n%PDF-1.4", "pdf"),
    (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "avif"), (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", ""), (b"", ""),
    (b"II*\0", "tiff"), (b"\xff\xd8\xff", "jpeg"), (b"RIFF\0\0\0\0WAVE", ""),
])  # fmt: skip
def test_sniff(data: bytes, kind: str) -> None:
    assert sniff(data) == kind
    assert looks_like_svg(data) is (kind == "svg")


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"GIF89a",
            b"RIFF\0\0\0\0WEBP",
            b"II*\0",
            b"P6 9 9 255\n",
            b"\0\0\1\0\1\0",
        ]
    ),
)
@settings(deadline=None)
def test_random_bytes_are_refused_in_one_line(tail: bytes, head: bytes) -> None:
    refusal(head + tail)


def test_nothing_heavy_is_imported() -> None:
    import subprocess

    code = (
        "import sys, claude_magic.content.images; print({'numpy', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "set()"
