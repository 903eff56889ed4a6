"""Arrays become image blocks: numpy, torch, and whatever speaks their protocols."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from PIL import Image

from claude_magic.content.colours import Numbers, shown_range
from claude_magic.content.encoding import encode, encode_loaded, target_edge
from claude_magic.content.refusals import MAX_PIXELS, reading, shown_name
from claude_magic.content.scaling import Raster, looks_drawn, scaled_down
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block

_CHANNELS = frozenset({1, 3, 4})
_PICTURE_SIDE = 16  # px; an array with a shorter side is a table or a kernel
_TABLE_SIDE = 64  # px; wide numbers in two dimensions are a table below it
_EXPECTED = "expected (height, width), (height, width, 1|3|4), or (1|3|4, height, width) for tensors"
_NAN = (255, 0, 255)
_ROWS = 256  # rows converted at a time, so that floats of a large array take little memory


def is_image_array(value: object) -> bool:
    """Whether an array is a picture rather than a table of numbers.

    It is one with a numeric dtype, no empty side, and

    - three dimensions of which one counts 1, 3 or 4 channels (the last; of tensors also the first), any
      size for 8-bit colour, else both sides at least 16;
    - four dimensions, likewise, both sides at least 16: a batch of pictures;
    - two dimensions: 8-bit, 16-bit unsigned or boolean with both sides at least 16; other numbers with
      both sides at least 64, since data rarely has that many columns.

    Nothing is imported and no pixel is read: only ``shape`` and ``dtype`` are asked.
    """
    try:
        shape = tuple(int(side) for side in value.shape)  # type: ignore[attr-defined]
        dtype = str(value.dtype).removeprefix("torch.")  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - a user's property may raise anything
        return False
    if 0 in shape or not dtype.startswith(("uint", "int", "float", "bfloat", "bool")):
        return False
    tensor = _is_tensor(value)
    if len(shape) == 2:
        least = _PICTURE_SIDE if dtype in ("uint8", "uint16", "bool") else _TABLE_SIDE
        return min(shape) >= least
    if len(shape) not in (3, 4):
        return False
    picture = shape[-3:]
    if tensor and picture[0] in _CHANNELS:
        return min(picture[1:]) >= _PICTURE_SIDE
    if picture[2] not in _CHANNELS:
        return False
    return (dtype == "uint8" and len(shape) == 3 and picture[2] > 1) or min(picture[:2]) >= _PICTURE_SIDE


def image_from_array(array: Any, name: str, how: Attaching) -> Block:
    """Turn an array into an image block.

    Parameters
    ----------
    array : array
        A numpy array, a torch tensor (any device, with or without gradient), or an object with
        ``__array__`` or ``__array_interface__``. Shaped (H, W), (H, W, 1|3|4), of tensors also
        (1|3|4, H, W); of a batch (N, …) the first is taken. Which values are black and white:
        `colours.shown_range`; a two-dimensional 8-bit array of zeros and ones is a mask. NaN
        and infinity are shown in magenta.

    Raises
    ------
    UsageProblem
        For other shapes and dtypes, empty arrays, and over 100 megapixels.
    """
    shown = shown_name(name)
    tensor = _is_tensor(array)
    plain = _as_numpy(array, shown)
    with reading(shown, ""):
        if isinstance(plain, Image.Image):
            return encode_loaded(plain, plain.size, name, how)
        return _from_numpy(plain, tensor, name, shown, how)


def _from_numpy(plain: Any, tensor: bool, name: str, shown: str, how: Attaching) -> Block:
    plain, notes = _one_picture(plain, tensor, shown)
    height, width = plain.shape[:2]
    if height * width > MAX_PIXELS:
        raise UsageProblem(
            f"{shown} has {width}×{height} pixels, more than the {MAX_PIXELS // 1_000_000} megapixels"
            f" that are taken. Pass a part or every nth pixel: {shown}[::4, ::4]. Nothing was sent."
        )
    plain, told = _bytes_of(plain, shown)
    if plain.ndim == 3 and plain.shape[2] == 4 and int(plain[..., 3].min()) == 255:
        plain = plain[..., :3]
    raster = _raster(plain)
    drawn = looks_drawn(raster.sample())
    small = scaled_down(raster, target_edge(how), drawn)
    return encode(small, (width, height), name, how, drawn=drawn, notes=[*notes, *told])


def _is_tensor(value: object) -> bool:
    return any(kind.__module__ == "torch" and kind.__name__ == "Tensor" for kind in type(value).__mro__)


def _as_numpy(array: Any, shown: str) -> Any:
    """The array as a numpy array; a PIL image where numpy is not there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_tensor(array):
                array = array.detach().cpu()
                for turn in ("resolve_conj", "resolve_neg"):
                    array = getattr(array, turn)()
                if str(array.dtype) == "torch.bfloat16":
                    array = array.float()
                return array.numpy()
            numpy = sys.modules.get("numpy")
            if numpy is not None and isinstance(array, numpy.ndarray):
                return array
            if callable(getattr(array, "__array__", None)):
                return array.__array__()
            if numpy is not None:
                return numpy.asarray(array)
            return Image.fromarray(array)
    # Any library may stand behind the protocols.
    except Exception as error:
        reason = " ".join(str(error).split())[:120].rstrip(".")
        raise UsageProblem(f"{shown} cannot be read as an array ({reason}). Nothing was sent.") from error


def _one_picture(plain: Any, tensor: bool, shown: str) -> tuple[Any, list[str]]:
    """A view of one picture with its channels last, (H, W) or (H, W, 3|4)."""
    shape = tuple(plain.shape)
    said = f"{shown} has shape {shape}"
    if 0 in shape:
        raise UsageProblem(f"{said}: it is empty. Nothing was sent.")
    notes = []
    if plain.ndim == 4:
        if len(plain) > 1:
            notes.append(f"the first of {len(plain)} pictures")
        plain = plain[0]
    if plain.ndim == 3:
        # A tensor's channels come first, unless only the last axis can be channels.
        first, last = plain.shape[0] in _CHANNELS, plain.shape[2] in _CHANNELS
        if first and (tensor or not last):
            plain = plain.transpose(1, 2, 0)
        elif not last:
            raise UsageProblem(f"{said}; {_EXPECTED}. Nothing was sent.")
        if plain.shape[2] == 1:
            plain = plain[..., 0]
    elif plain.ndim != 2:
        raise UsageProblem(f"{said}; {_EXPECTED}. Nothing was sent.")
    return plain, notes


def _bytes_of(plain: Any, shown: str) -> tuple[Any, list[str]]:
    """Bring an array of any numeric dtype to uint8."""
    numpy: Any = sys.modules["numpy"]
    mask = getattr(plain, "mask", None)
    masked = mask is not None and bool(numpy.any(mask))
    kind = plain.dtype.kind
    if kind not in "buif":
        raise UsageProblem(
            f"{shown} has dtype {plain.dtype}; a picture is of bool, int or float. Nothing was sent."
        )
    if kind == "b" and not masked:
        return numpy.asarray(plain).view("uint8") * numpy.uint8(255), []
    if plain.dtype == "uint8" and not masked:
        plain = numpy.asarray(plain)
        if plain.ndim == 2 and int(plain.max()) == 1:
            return plain * numpy.uint8(255), ["mask: 0 black, 1 white"]
        return plain, []
    if masked:
        plain = plain.astype("float64" if plain.dtype.itemsize > 2 else "float32").filled(numpy.nan)
    plain = numpy.asarray(plain)
    return _by_range(plain, "integers" if kind in "bui" else "fractions", numpy)


def _by_range(plain: Any, numbers: Numbers, numpy: Any) -> tuple[Any, list[str]]:
    """Scale numbers to bytes, some rows at a time; what is not finite becomes magenta."""
    colour = plain[..., :3] if plain.ndim == 3 else plain
    low, high, odd = float("inf"), float("-inf"), 0
    for top in range(0, len(plain), _ROWS):
        rows = colour[top : top + _ROWS]
        finite = numpy.isfinite(rows)
        if not finite.all():
            odd += int((~finite).any(axis=2).sum() if rows.ndim == 3 else (~finite).sum())
            rows = rows[finite]
        if rows.size:
            low, high = min(low, float(rows.min())), max(high, float(rows.max()))
    if low > high:
        low = high = 0.0
    black, white, note = shown_range(low, high, numbers)
    notes = [f"{plain.dtype} {note}"] if note else []
    shape = (*plain.shape, 3) if odd and plain.ndim == 2 else plain.shape
    done = numpy.empty(shape, "uint8")
    # Halves, so that the range of the largest floats does not overflow.
    wide = plain.dtype.itemsize >= 8 or (plain.dtype.kind in "ui" and plain.dtype.itemsize == 4)
    work = numpy.float64 if wide else numpy.float32
    span = white / 2 - black / 2
    with numpy.errstate(all="ignore"):
        for top in range(0, len(plain), _ROWS):
            rows = plain[top : top + _ROWS].astype(work)
            finite = numpy.isfinite(rows)
            rows *= 0.5
            rows -= black / 2
            rows *= 255.0 / span
            if plain.ndim == 3 and plain.shape[2] == 4 and note:
                rows[..., 3] = _alpha(plain[top : top + _ROWS, :, 3], numpy)
            rows += 0.5
            numpy.clip(rows, 0, 255.5, out=rows)
            rows[~finite] = 0
            part = done[top : top + _ROWS]
            part[...] = rows[..., None] if part.ndim > rows.ndim else rows
            if odd:
                spoilt = ~finite if plain.ndim == 2 else ~finite[..., :3].all(axis=2)
                part[spoilt] = _NAN if part.shape[2] == 3 else (*_NAN, 255)
    if odd:
        share = 100 * odd / (plain.shape[0] * plain.shape[1])
        notes.append(f"{share:.2g} % of the pixels are NaN or infinite, shown in magenta")
    return done, notes


def _alpha(rows: Any, numpy: Any) -> Any:
    """Opacity is never stretched: fractions of 1, or of 255."""
    top = rows.max()
    return numpy.clip(rows * 255.0 if top <= 1 else rows, 0, 255)


def _raster(plain: Any) -> Raster:
    """An array of bytes as a raster; its bands are copied into pictures by the thread that scales them."""
    height, width = plain.shape[:2]
    mode = "L" if plain.ndim == 2 else "RGB" if plain.shape[2] == 3 else "RGBA"

    def picture(rows: Any) -> Image.Image:
        if not rows.flags.c_contiguous:
            rows = rows.copy(order="C")
        return Image.frombuffer(mode, (rows.shape[1], rows.shape[0]), rows.data, "raw", mode, 0, 1)

    return Raster(
        (width, height),
        mode,
        lambda top, bottom: picture(plain[top:bottom]),
        lambda: picture(plain[:: max(1, -(-height // 32))]),
    )
