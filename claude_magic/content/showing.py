"""What a value shows in a notebook is what is sent of it: IPython's display formatter, first pictures."""

from __future__ import annotations

import base64
import binascii
import functools
import io
from collections.abc import Callable
from typing import Any

from IPython.core.getipython import get_ipython

from claude_magic.content.deadline import Deadline, Failed
from claude_magic.content.files import Url, url_block
from claude_magic.content.payload import bytes_blocks
from claude_magic.content.texts import encoded, text_attachment
from claude_magic.values import Attaching, Block

SECONDS = 20.0
"""What drawing a value may take; plotting libraries start a browser for it."""

PLOTLY = "plotly.basedatatypes.BaseFigure"
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf")
_TEXTS = ("image/svg+xml", "text/markdown", "text/latex", "application/json")


def shown_blocks(value: Any, names: frozenset[str], name: str, how: Attaching) -> tuple[Block, ...]:
    """The blocks of what a value shows; empty where it shows nothing but plain text.

    Parameters
    ----------
    names : frozenset of str
        The qualified names of the value's classes.
    """
    if "IPython.core.display.Image" in names and not getattr(value, "embed", True) and value.url:
        return (url_block(Url(value.url)),)
    if drawn := _drawn(value, names):
        return bytes_blocks(drawn, name, how)
    if spec := _specification(value, names):
        return (text_attachment(spec, name, how, "its specification; no renderer makes a picture of it"),)
    data = _displayed(value)
    for kind in _PICTURES:
        picture = data.get(kind)
        if picture:
            return bytes_blocks(_bytes(picture), name, how)
    for kind in _TEXTS:
        if text := data.get(kind):
            return (encoded(text if isinstance(text, str) else str(text), name, f"its {kind}"),)
    return ()


def _displayed(value: Any) -> dict[str, Any]:
    """The MIME bundle of a value; ``{}`` when its own methods fail or take too long."""
    shell = get_ipython()
    if shell is None or not any(_has(value, f"_repr_{kind}_") for kind in _METHODS):
        return {}
    formatter: Any = shell.display_formatter
    try:
        data, _ = Deadline(SECONDS).run(lambda: formatter.format(value, include={*_PICTURES, *_TEXTS}))
    except Failed:
        return {}
    return dict(data)


_METHODS = ("mimebundle", "png", "jpeg", "pdf", "svg", "markdown", "latex", "json")


def _has(value: Any, method: str) -> bool:
    return callable(getattr(type(value), method, None))


def _drawn(value: Any, names: frozenset[str]) -> bytes:
    """The picture that a plotting library makes of its own figure; ``b""`` when it cannot."""
    buffer = io.BytesIO()
    draw: Callable[[], Any]
    if PLOTLY in names:
        draw = functools.partial(value.write_image, buffer, format="png")
    elif _is_altair(names):
        draw = functools.partial(value.save, buffer, format="png", scale_factor=2)
    else:
        return b""
    try:
        Deadline(SECONDS).run(draw)
    except Failed:
        return b""
    return buffer.getvalue()


def _specification(value: Any, names: frozenset[str]) -> str:
    """The JSON of a figure that could not be drawn."""
    if PLOTLY in names or _is_altair(names):
        return str(value.to_json())
    return ""


def _is_altair(names: frozenset[str]) -> bool:
    return any(name.startswith("altair.") and name.endswith(".TopLevelMixin") for name in names)


def _bytes(picture: Any) -> bytes:
    """A picture of a MIME bundle, which may be bytes or their base64."""
    if isinstance(picture, bytes):
        return picture
    try:
        return base64.b64decode(picture, validate=False)
    except (binascii.Error, TypeError, ValueError):
        return b""
