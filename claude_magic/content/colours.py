"""Pictures of any colour mode brought to 8 bits a channel: grey, RGB, or RGBA where alpha matters."""

from __future__ import annotations

import io
import math
from typing import Literal

from PIL import Image, ImageCms

Numbers = Literal["bytes", "integers", "fractions"]
"""What kind of numbers pixels are: 8-bit, wider integers, floats."""

_LARGE = 25_000_000  # pixels

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes the picture upright."""


def orientation(image: Image.Image) -> int:
    """The EXIF (or XMP) orientation, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - broken EXIF fails in any way, and means no more than no EXIF
        return 1
    return found if isinstance(found, int) and found in TURNS else 1


def shown_range(low: float, high: float, numbers: Numbers) -> tuple[float, float, str]:
    """Which values become black and white, by the kind of numbers and the range they cover.

    Bytes are taken as they are, and so are integers within 0…255 and floats that reach from 0 or more to
    128…255. Floats within 0…1 are fractions of white. Anything else is stretched from its least to
    its greatest value, since clipping it would show nothing.

    Parameters
    ----------
    low, high : float
        The least and the greatest finite value.
    numbers : Numbers
        What kind of numbers they are.

    Returns
    -------
    tuple of (float, float, str)
        The value shown as black, the one shown as white, and a note, ``""`` where nothing was stretched.
    """
    if numbers == "fractions" and low >= 0 and high <= 1:
        return 0.0, 1.0, ""
    if (
        low >= 0
        and high <= 255
        and (numbers != "fractions" or high >= 128)
        and (numbers == "bytes" or high > 1)
    ):
        return 0.0, 255.0, ""
    if numbers == "integers" and low == high == 0:
        return 0.0, 255.0, ""
    if low == high:
        return low - 1.0, high + 1.0, f"every pixel is {low:g}, shown as grey"
    return low, high, f"{low:g}…{high:g} shown as black…white"


def eight_bit(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Bring a loaded picture to mode L, RGB, RGBA or CMYK; the given one is not changed.

    Returns
    -------
    tuple of (Image, list of str)
        The picture, which may be the given one, and notes on what was done.
    """
    mode = image.mode
    if mode in ("L", "RGB", "CMYK"):
        if mode != "CMYK" and "transparency" in image.info:
            return opaque_if_so(image.convert("RGBA")), []
        return image, []
    if mode.startswith("I;16") or mode in ("I", "F"):
        return _grey_by_range(image)
    if mode == "1":
        return image.convert("L"), []
    if mode in ("P", "PA"):
        transparent = mode == "PA" or "transparency" in image.info or _palette_has_alpha(image)
        converted = image.convert("RGBA" if transparent else "RGB")
        return (opaque_if_so(converted) if transparent else converted), []
    if mode in ("LA", "La", "RGBA", "RGBa"):
        if mode == "La":
            image = image.convert("LA")
        if mode == "RGBA":
            # A second copy of a large picture is spared; its alpha is looked at once it is scaled.
            return (image if image.width * image.height > _LARGE else opaque_if_so(image)), []
        return opaque_if_so(image.convert("RGBA")), []
    if mode == "LAB":
        return _from_lab(image), ["LAB → sRGB"]
    return image.convert("RGB"), []


def _palette_has_alpha(image: Image.Image) -> bool:
    return image.palette is not None and image.palette.mode == "RGBA"


def opaque_if_so(image: Image.Image) -> Image.Image:
    """Drop an alpha channel that is opaque everywhere; other modes are returned as they are."""
    if image.mode != "RGBA":
        return image
    return image.convert("RGB") if image.getchannel("A").getextrema() == (255, 255) else image


def _grey_by_range(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Scale 16-bit, 32-bit and float grey to 8 bits by `shown_range`."""
    kind = "float" if image.mode == "F" else "16-bit" if image.mode.startswith("I;16") else "32-bit"
    numbers: Numbers = "fractions" if image.mode == "F" else "integers"
    plain = image.convert("I") if image.mode.startswith("I;16") else image
    extrema = plain.getextrema()
    low, high = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type] # of one channel
    if not (math.isfinite(low) and math.isfinite(high)):
        values = [value for value in memoryview(plain.tobytes()).cast("f") if math.isfinite(value)] or [0.0]
        low, high = min(values), max(values)
    black, white, note = shown_range(low, high, numbers)
    scale = 255.0 / (white - black)
    shifted = plain.convert("F").point(lambda value: value * scale + (0.5 - black * scale))
    return shifted.convert("L"), [f"{kind} {note}".strip()] if note else []


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return converted if converted is not None else image.convert("RGB")


def srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """Bring L, RGB, RGBA or CMYK to sRGB with the picture's ICC profile.

    Parameters
    ----------
    image : Image
        8-bit; not changed.
    profile : bytes
        The ICC profile, ``b""`` for none.

    Returns
    -------
    tuple of (Image, list of str)
        L, RGB or RGBA, and notes. A profile that cannot be read, or is for another mode, is left out.
    """
    if image.mode == "CMYK":
        converted = _by_profile(image, profile, "RGB")
        return (image.convert("RGB") if converted is None else converted), ["CMYK → sRGB"]
    if image.mode == "L" or not profile or b"sRGB" in profile or b"s\0R\0G\0B" in profile:
        return image, []
    converted = _by_profile(image, profile, image.mode)
    return (image, []) if converted is None else (converted, ["its colour profile → sRGB"])


def _by_profile(image: Image.Image, profile: bytes, mode: str) -> Image.Image | None:
    if not profile:
        return None
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def on_white(image: Image.Image) -> Image.Image:
    """Flatten RGBA on white; other modes are returned as they are."""
    if image.mode != "RGBA":
        return image
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A"))
    return flat
