"""What is refused, told in one line each."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from PIL import Image, UnidentifiedImageError

from claude_magic.errors import ClaudeMagicError, UsageProblem

MAX_PIXELS = 100_000_000
"""Most pixels of a picture that is opened at all."""


def shown_name(name: str) -> str:
    """A name for messages: one line, nothing invisible, at most 80 characters."""
    clean = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return (clean if len(clean) <= 80 else f"{clean[:60]}…{clean[-19:]}") or "The image"


@contextmanager
def reading(shown: str, kind: str, advice: str = "") -> Iterator[None]:
    """Tell whatever Pillow raises in one line, and keep its warnings from the user's cell."""
    what = called(kind) if kind else "image"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ClaudeMagicError:
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        refuse_pixels(f"{int(found[0]) / 1e6:.0f} megapixels" if found else "too many pixels", shown, error)
    except MemoryError as error:
        raise UsageProblem(f"{shown} needs more memory than there is. Nothing was sent.") from error
    # Decoders meet broken files with errors of every kind.
    except Exception as error:
        reason = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "its header makes no sense"
        state = "truncated" if "truncated" in reason or isinstance(error, EOFError) else "broken"
        problem = f"{shown} is a {state} {what} ({reason})" if kind else f"{shown} cannot be read ({reason})"
        raise UsageProblem(f"{problem}. {advice}{' ' if advice else ''}Nothing was sent.") from error


def called(kind: str) -> str:
    """What people call a kind of file that `magic_bytes.sniff` tells."""
    return "WebP" if kind == "webp" else kind.upper()


def check_pixels(size: tuple[int, int], shown: str) -> None:
    """Refuse a picture (width, height) that is over `MAX_PIXELS`."""
    if size[0] * size[1] > MAX_PIXELS:
        refuse_pixels(f"{size[0]}×{size[1]} pixels", shown)


def refuse_pixels(amount: str, shown: str, cause: BaseException | None = None) -> NoReturn:
    """Refuse a picture by the amount of its pixels, told in words."""
    raise UsageProblem(
        f"{shown} has {amount}, more than the {MAX_PIXELS // 1_000_000} megapixels that are opened."
        " Make it smaller first. Nothing was sent."
    ) from cause
