"""What a file is, told by its first bytes; its name is never asked."""

from __future__ import annotations

import contextlib
import re
import struct

_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

# A number must follow, or a text that begins with "P1 " would be a picture.
_PPM = re.compile(rb"P[1-6f]\s+(?:#[^\n]*\n\s*)*\d+\s")
_SVG = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>\s*)*<(?:\w+:)?svg[\s>/]",
    re.DOTALL,
)

_SUFFIXES = {
    "jpg": "jpeg", "jpeg": "jpeg", "jpe": "jpeg", "jfif": "jpeg", "mpo": "jpeg",
    "png": "png", "apng": "png", "gif": "gif", "webp": "webp", "bmp": "bmp", "dib": "bmp",
    "tif": "tiff", "tiff": "tiff", "avif": "avif", "avifs": "avif", "ico": "ico",
    "ppm": "ppm", "pgm": "ppm", "pbm": "ppm", "pnm": "ppm", "pfm": "ppm",
    "heic": "heic", "heif": "heic", "hif": "heic", "svg": "svg", "pdf": "pdf",
}  # fmt: skip


def sniff(data: bytes) -> str:
    """Tell what the bytes are.

    Parameters
    ----------
    data : bytes
        A whole file, or at least its first 4 KB.

    Returns
    -------
    str
        ``"png"``, ``"jpeg"``, ``"gif"``, ``"webp"``, ``"bmp"``, ``"tiff"``, ``"avif"``, ``"ico"``, ``"ppm"``,
        ``"heic"``, ``"svg"``, ``"pdf"``, or ``""`` for anything else.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if data.startswith(b"BM") and len(data) >= 18 and struct.unpack_from("<I", data, 14)[0] in _BMP_HEADERS:
        return "bmp"
    if data.startswith(b"\0\0\1\0") and data[4:6] not in (b"", b"\0\0"):
        return "ico"
    if _PPM.match(data[:4096]):
        return "ppm"
    if b"%PDF-" in data[:1024]:
        return "pdf"
    return "svg" if looks_like_svg(data) else ""


def _of_brands(data: bytes) -> str:
    """``"avif"``, ``"heic"`` or ``""`` by the brands of an ISO media file's first box."""
    length = min(int.from_bytes(data[:4], "big"), 256, len(data))
    brands = {data[at : at + 4] for at in (8, *range(16, length - 3, 4))}
    if brands & _AVIF_BRANDS:
        return "avif"
    return "heic" if brands & _HEIF_BRANDS else ""


def looks_like_svg(data: bytes) -> bool:
    """Whether the bytes are an SVG drawing: its first element is ``svg``."""
    head = data[:4096]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[2:].replace(b"\0", b"")
    return _SVG.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def kind_of_suffix(name: str) -> str:
    """What a file's name claims it is, in the words of `sniff`; ``""`` where it claims nothing."""
    stem, dot, suffix = name.rpartition(".")
    return _SUFFIXES.get(suffix.lower(), "") if stem and dot else ""


def header_size(data: bytes, kind: str) -> tuple[int, int]:
    """Read width and height from the header alone, before any decoder sees the bytes.

    Returns
    -------
    tuple of (int, int)
        Pixels; of an ICO the largest picture inside. ``(0, 0)`` where the header is cut or of a kind whose
        decoder tells the size without reserving memory for it (JPEG, TIFF, AVIF, PPM).
    """
    with contextlib.suppress(struct.error):
        match kind:
            case "png":
                return struct.unpack_from(">II", data, 16)
            case "gif":
                return struct.unpack_from("<HH", data, 6)
            case "webp" if data[12:16] == b"VP8X":
                return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
            case "bmp":
                return _bmp_size(data, 14)
            case "ico":
                return _ico_size(data)
    return 0, 0


def _bmp_size(data: bytes, at: int) -> tuple[int, int]:
    """Width and height in the bitmap header at ``at``."""
    if struct.unpack_from("<I", data, at)[0] == 12:
        return struct.unpack_from("<HH", data, at + 4)
    width, height = struct.unpack_from("<ii", data, at + 4)
    return abs(width), abs(height)


def _ico_size(data: bytes) -> tuple[int, int]:
    """The largest picture inside an ICO: its directory has one byte a side, the truth is further in."""
    largest = (0, 0)
    for number in range(min(struct.unpack_from("<H", data, 4)[0], 64)):
        at = struct.unpack_from("<I", data, 6 + 16 * number + 12)[0]
        if data[at : at + 8] == b"\x89PNG\r\n\x1a\n":
            size = struct.unpack_from(">II", data, at + 16)
        else:
            width, height = _bmp_size(data, at)
            size = width, height // 2  # picture and mask are stacked
        largest = max(largest, size, key=lambda sides: sides[0] * sides[1])
    return largest
