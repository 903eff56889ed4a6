"""From a kernel value to content blocks: one function, one table.

The general rule is the ecosystem's own: if it displays in a notebook, it attaches. The rows of the table
are for types where that is not good enough; they are recognised by the qualified names of their classes,
so that no optional library is imported to ask. Users add rows with `attachable`, or give their own
classes a method ``__claude_content__``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from claude_magic.content.figures import image_from_figure, is_figure
from claude_magic.content.files import Url, file_blocks, url_block
from claude_magic.content.images import image_from_array, image_from_pil, is_image_array
from claude_magic.content.magic_bytes import sniff
from claude_magic.content.names import shown
from claude_magic.content.objects import describe
from claude_magic.content.payload import bytes_blocks
from claude_magic.content.pdfs import pdf_from_pypdf
from claude_magic.content.showing import shown_blocks
from claude_magic.content.tables import is_table, table_block
from claude_magic.content.texts import encoded, text_attachment
from claude_magic.errors import UsageProblem
from claude_magic.values import AS_USUAL, Attaching, Block

Converter = TypeVar("Converter", bound=Callable[[Any], Any])

MOST_IN_A_LIST = 20
"""Pictures and files of one list that are attached each by itself."""
_DEPTH = 8


@functools.singledispatch
def _users_own(value: Any) -> Any:
    """What a user's converter makes of a value; the value itself where there is none."""
    return value


def attachable(type_: type) -> Callable[[Converter], Converter]:
    """Say how values of a type become content blocks.

    Parameters
    ----------
    type_ : type
        Also covers its subclasses.

    Returns
    -------
    decorator
        For a function of one value that returns anything that attaches: a text, a figure, a frame, a
        list of such.

    Examples
    --------
    >>> @attachable(Station)  # doctest: +SKIP
    ... def station(value):
    ...     return [value.plot(), f"{value.name}, {value.height} m"]
    """

    def register(converter: Converter) -> Converter:
        _users_own.register(type_)(converter)
        return converter

    return register


def blocks_of(value: Any, name: str = "", how: Attaching = AS_USUAL, depth: int = 0) -> tuple[Block, ...]:
    """The content blocks of a kernel value.

    Parameters
    ----------
    value : object
        Anything; it is not changed.
    name : str
        What the user calls it.
    how : Attaching
        Sizes and limits.

    Raises
    ------
    UsageProblem
        For what cannot be sent, in one line. Nothing was sent.
    """
    if isinstance(value, Block):
        return (value,)
    if depth > _DEPTH:
        raise UsageProblem(f"{shown(name)} converts to itself over and over. Nothing was sent.")
    own = _own(value, name)
    if own is not value:
        parts = own if isinstance(own, list | tuple) else [own]
        return tuple(block for part in parts for block in blocks_of(part, name, how, depth + 1))
    if isinstance(value, Url):
        return (url_block(value),)
    if isinstance(value, str):
        return (text_attachment(value, name, how),) if name else (encoded(value, name),)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes_blocks(bytes(value), name, how)
    if isinstance(value, os.PathLike):
        return file_blocks(os.fspath(value), name, how)
    if isinstance(value, list | tuple) and value and all(map(_is_visual, value)):
        return _each(list(value), name, how, depth)
    return _of_library(value, name, how)


def _of_library(value: Any, name: str, how: Attaching) -> tuple[Block, ...]:
    """The rows of the table for the types of libraries."""
    names = class_names(value)
    if "PIL.Image.Image" in names:
        return (image_from_pil(value, name, how),)
    if is_figure(value):
        return (image_from_figure(value, name, how),)
    if names & {"pypdf._reader.PdfReader", "pypdf._writer.PdfWriter"}:
        return (pdf_from_pypdf(value, name, how),)
    if is_image_array(value):
        return (image_from_array(value, name, how),)
    if is_table(value):
        return (table_block(value, name, how),)
    blocks = shown_blocks(value, names, name, how)
    return blocks or (encoded(describe(value, name), name),)


def _own(value: Any, name: str) -> Any:
    """What the user says the value converts to; the value itself where nothing is said."""
    method = getattr(type(value), "__claude_content__", None)
    convert: Callable[[], Any] = (lambda: method(value)) if method else (lambda: _users_own(value))
    if method is None and _users_own.dispatch(type(value)) is _users_own.dispatch(object):
        return value
    try:
        return convert()
    except Exception as error:
        raise UsageProblem(
            f"Converting {shown(name)} raised {type(error).__name__}: {error}. Nothing was sent."
        ) from error


def _is_visual(value: Any) -> bool:
    """Whether an element of a list is attached by itself rather than described with the list."""
    return (
        isinstance(value, os.PathLike | Url | Block)
        or (isinstance(value, bytes) and sniff(value) not in ("", "svg"))
        or "PIL.Image.Image" in class_names(value)
        or is_figure(value)
        or is_image_array(value)
    )


def _each(values: list[Any], name: str, how: Attaching, depth: int) -> tuple[Block, ...]:
    if len(values) > MOST_IN_A_LIST:
        raise UsageProblem(
            f"{shown(name)} has {len(values):,} pictures or files; at most {MOST_IN_A_LIST} are attached at "
            f"once: {shown(name)}[:{MOST_IN_A_LIST}]. Nothing was sent."
        )
    return tuple(
        block
        for number, value in enumerate(values)
        for block in blocks_of(value, f"{name}[{number}]" if name else "", how, depth + 1)
    )


def class_names(value: Any) -> frozenset[str]:
    """The qualified names of a value's class and its bases."""
    return frozenset(f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__)
