"""Metadata taken out of an encoded picture without touching its pixels.

Places, names and dates (EXIF, XMP, IPTC, comments, whatever hangs behind the picture) go; what decides
colours (ICC profile, gamma, Adobe's marker) stays. Each function keeps what it knows to be harmless and
drops the rest, so a kind of metadata that is newer than this code is dropped as well.
"""

from __future__ import annotations

import re
import struct
import zlib

_PNG_KEPT = frozenset({
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS",
    b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD", b"pHYs",
})  # fmt: skip
_WEBP_KEPT = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP"})
_JPEG_ENTROPY_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_APP0, _APP15 = 0xE0, 0xEF


def without_metadata(data: bytes, kind: str) -> bytes | None:
    """Take the metadata out of a PNG, JPEG, GIF or WebP.

    Parameters
    ----------
    data : bytes
        The whole file.
    kind : str
        ``"png"``, ``"jpeg"``, ``"gif"`` or ``"webp"``.

    Returns
    -------
    bytes or None
        ``data`` itself where there was nothing to take out; None where the file's structure is not
        whole, so that only decoding can tell what can be saved of it.
    """
    strip = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp}[kind]
    try:
        kept = strip(data)
    except (IndexError, struct.error, ValueError):
        return None
    return data if kept == data else kept


def _png(data: bytes) -> bytes:
    pieces = [data[:8]]
    at, name = 8, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if (
            end > len(data)
            or zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]
        ):
            raise ValueError
        if name in _PNG_KEPT:
            pieces.append(data[at:end])
        at = end
    return b"".join(pieces)


def _jpeg(data: bytes) -> bytes:
    pieces = [data[:2]]
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1  # fill bytes
        if data[at] != 0xFF:
            raise ValueError
        marker = data[at + 1]
        if marker == _EOI:
            pieces.append(data[at : at + 2])
            return b"".join(pieces)
        length = 0 if marker in _STANDALONE else struct.unpack_from(">H", data, at + 2)[0]
        end = at + 2 + length
        if marker == _SOS:
            found = _JPEG_ENTROPY_END.search(data, end)
            if found is None:
                raise ValueError
            end = found.start()
        if end > len(data):
            raise ValueError
        if _jpeg_segment_stays(marker, data[at + 4 : at + 18]):
            pieces.append(data[at:end])
        at = end


def _jpeg_segment_stays(marker: int, head: bytes) -> bool:
    """Whether a JPEG segment takes part in the picture."""
    if marker == _COM:
        return False
    if not _APP0 <= marker <= _APP15:
        return True
    return (
        (marker == _APP0 and head.startswith(b"JFIF\0"))
        or (marker == 0xE2 and head.startswith(b"ICC_PROFILE\0"))
        or (marker == 0xEE and head.startswith(b"Adobe"))
    )


def _gif(data: bytes) -> bytes:
    flags = data[10]
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    pieces = [data[:at]]
    while True:
        start = at
        introducer = data[at]
        if introducer == 0x3B:
            pieces.append(b"\x3b")
            return b"".join(pieces)
        if introducer == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        elif introducer == 0x21:
            at += 2
        else:
            raise ValueError
        while data[at]:
            at += 1 + data[at]
        at += 1
        # Of the extensions only the one that tells transparency belongs to a single picture.
        if introducer == 0x2C or data[start + 1] == 0xF9:
            pieces.append(data[start:at])


def _webp(data: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 12
    stop = 8 + struct.unpack_from("<I", data, 4)[0]
    if stop > len(data) + 1:
        raise ValueError
    while at + 8 <= stop:
        name, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length + (length & 1)
        if end > stop + 1:
            raise ValueError
        chunk = data[at:end]
        if name == b"VP8X":
            # The flags for EXIF (8) and XMP (4) go with their chunks.
            chunk = chunk[:8] + bytes([chunk[8] & ~0x0C]) + chunk[9:]
        if name in _WEBP_KEPT:
            pieces.append(chunk)
        at = end
    if not pieces:
        raise ValueError
    body = b"".join(pieces)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
