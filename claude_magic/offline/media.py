"""Looking into images and PDFs: whether they are what they claim, and what they show.

Each is inspected once and remembered by content hash, since a conversation sends it again in every turn.
"""

from __future__ import annotations

import base64
import binascii
import io
import logging
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import ApiError, invalid
from .memory import Memory

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_IMAGE_CHARACTERS = 5_242_880
MAX_SIDE = 8000
MAX_SIDE_OF_MANY = 2000
MANY = 20

_FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_PAGES_READ = 40  # text of further pages is not extracted, their tokens are taken as the average
_LONGEST_PAGE = 2_000_000  # bytes of a page's drawing commands above which its text is not extracted


@dataclass(frozen=True)
class Picture:
    """What an image shows: sides in pixels, file format, mode, frames, main colours as ``#rrggbb``."""

    width: int
    height: int
    format: str
    mode: str
    frames: int
    colours: tuple[str, ...]


@dataclass(frozen=True)
class Paper:
    """What a PDF holds: its number of pages, its title, and the text of its first pages."""

    pages: int
    title: str
    texts: tuple[str, ...]


class Inspector:
    """Opens the images and PDFs of requests; safe to share between threads."""

    def __init__(self) -> None:
        self._pictures: Memory[Picture] = Memory(2000)
        self._papers: Memory[Paper] = Memory(200)
        # One at a time: a large image takes up to 256 MB while it is open.
        self._decoding = threading.Lock()

    def picture(self, source: dict[str, Any], path: str) -> Picture:
        """Return what a base64 image source shows; ApiError 400 when it is not a good image."""
        data, claimed = source["data"], source["media_type"]
        if len(data) > MAX_IMAGE_CHARACTERS:
            raise invalid(
                f"{path}.data",
                f"image exceeds 5 MB maximum: {len(data)} bytes > {MAX_IMAGE_CHARACTERS} bytes",
            )
        key = Memory.key("image", claimed, data)
        picture = self._pictures.get(key)
        if picture is None:
            raw = _decoded(data, f"{path}.data")
            with self._decoding:
                picture = _look(raw, claimed, path)
            self._pictures.put(key, picture)
        return picture

    def paper(self, source: dict[str, Any], path: str) -> Paper:
        """Return what a base64 PDF source holds; ApiError 400 when it is not a good PDF."""
        key = Memory.key("pdf", source["data"])
        paper = self._papers.get(key)
        if paper is None:
            raw = _decoded(source["data"], f"{path}.data")
            with self._decoding:
                paper = _leaf_through(raw, path)
            self._papers.put(key, paper)
        return paper


def _decoded(data: str, path: str) -> bytes:
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(path, "The data is not valid base64") from None
    if not raw:
        raise invalid(path, "The data is empty")
    return raw


def _look(raw: bytes, claimed: str, path: str) -> Picture:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(raw), formats=tuple(_FORMATS))
    except Image.DecompressionBombError:
        raise _too_many_pixels(path) from None
    except UnidentifiedImageError:
        raise invalid(f"{path}.data", "Could not process image: not a JPEG, PNG, GIF or WebP") from None
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        raise invalid(f"{path}.data", f"Could not process image: {error}") from None
    with image:
        found = _FORMATS.get(image.format or "", image.format or "unknown")
        # MPO is what Pillow calls a JPEG with more pictures inside
        if found != claimed and not (image.format == "MPO" and claimed == "image/jpeg"):
            raise invalid(
                f"{path}.media_type", f"Image does not match the provided media type {claimed}: it is {found}"
            )
        if max(image.size) > MAX_SIDE:
            raise _too_many_pixels(path)
        width, height, mode, kind = *image.size, image.mode, image.format or ""
        try:
            frames = int(getattr(image, "n_frames", 1))
            image.seek(0)
            image.load()
            colours = _dominant(image)
        except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
            raise invalid(f"{path}.data", f"Could not process image: {error}") from None
    return Picture(width, height, kind, mode, frames, colours)


def _too_many_pixels(path: str) -> ApiError:
    return invalid(
        f"{path}.data", "At least one of the image dimensions exceed max allowed size: 8000 pixels"
    )


def _dominant(image: Image, count: int = 3) -> tuple[str, ...]:
    """Return the commonest colours, most first; transparent parts count as white."""
    from PIL import Image as images  # noqa: N813, PLC0415

    scale = min(1.0, 64 / max(image.size))
    sides = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.resize(sides, images.Resampling.NEAREST)  # no copy of the large one, and for every mode
    if small.mode.startswith(("I", "F")):
        small = small.convert("F").point(lambda value: value / 256).convert("L")  # 16 bits a pixel
    rgba = small.convert("RGBA")
    flat = images.new("RGB", rgba.size, "white")
    flat.paste(rgba, mask=rgba.getchannel("A"))
    reduced = flat.quantize(colors=8)
    palette = reduced.getpalette() or []
    tallies = [(number, index) for number, index in reduced.getcolors() or [] if isinstance(index, int)]
    tallies.sort(key=lambda tally: (-tally[0], tally[1]))
    return tuple("#" + bytes(palette[3 * index : 3 * index + 3]).hex() for _, index in tallies[:count])


def _leaf_through(raw: bytes, path: str) -> Paper:
    import pypdf  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its repairs are not our news
    if not raw.lstrip()[:5].startswith(b"%PDF"):
        raise invalid(f"{path}.data", "The PDF specified was not valid: it does not begin with %PDF")
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw))
        if reader.is_encrypted:
            raise invalid(f"{path}.data", "The PDF specified is password protected")
        pages = len(reader.pages)
        if not pages:
            raise invalid(f"{path}.data", "The PDF specified has no pages")
        title = str(reader.metadata.title or "") if reader.metadata else ""
        texts = tuple(_page_text(reader.pages[number]) for number in range(min(pages, _PAGES_READ)))
    except ApiError:
        raise
    except Exception as error:  # noqa: BLE001 - pypdf meets broken files with errors of every kind
        raise invalid(f"{path}.data", f"The PDF specified was not valid: {error}") from None
    return Paper(pages, title, texts)


def _page_text(page: Any) -> str:
    try:
        contents = page.get_contents()
        if contents is None or len(contents.get_data()) > _LONGEST_PAGE:
            return ""
        return str(page.extract_text())
    except Exception:  # noqa: BLE001 - a page without readable text is still a page
        return ""
