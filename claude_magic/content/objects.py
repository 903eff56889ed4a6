"""Any Python object as bounded text, without being hurt by it.

Nothing is consumed, opened or changed: generators, files, locks and connections are told by their
type. Code of the object runs under a deadline and its prints are swallowed.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import threading
import traceback
import types
from typing import Any

from claude_magic.content.deadline import Deadline, Failed
from claude_magic.content.glimpse import glimpse, own_text, type_name, whole_number
from claude_magic.content.names import shown, visible
from claude_magic.content.outline import class_attribute, is_container, outline
from claude_magic.errors import UsageProblem

BUDGET = 50_000
"""Characters of a description."""

_TREE = BUDGET - 500
"""Characters of an outline, which ends with its own word on what is missing."""

_OUTPUT = 2_000
"""Characters of one output in a notebook."""

_OPAQUE = (
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    io.IOBase,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Thread,
    memoryview,
)
_OURS = __file__.removesuffix("content/objects.py").removesuffix("content\\objects.py")
_FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)


def describe(value: Any, name: str) -> str:
    """Describe a value in at most about 50,000 characters.

    Parameters
    ----------
    value : object
        Anything; it is neither consumed nor changed.
    name : str
        What the user calls it, for messages.

    Returns
    -------
    str
        A text as it is; JSON for containers, dataclasses and pydantic models; the source of a function
        or class; the traceback of an exception; the cells of a notebook; else the object's own ``repr``.

    Raises
    ------
    UsageProblem
        When the object's own code fails or takes over two seconds, so that there is nothing to send.
    """
    deadline = Deadline()
    try:
        return _bounded(_described(value, deadline), name)
    except Failed as fault:
        raise UsageProblem(
            f"{shown(name)} cannot be described: the {type_name(value)}'s own code {fault}. Nothing was sent."
        ) from fault


def _described(value: Any, deadline: Deadline) -> str:
    """Choose the description by type."""
    cls = type(value)
    if cls is str:
        return str(value[: BUDGET + 1])
    if cls is int:
        return whole_number(value)
    if is_container(value):
        return outline(value, _TREE, deadline)
    if issubclass(cls, BaseException):
        return _exception(value, deadline)
    if issubclass(cls, type) or cls in _FUNCTIONS:
        return _source(value, deadline)
    if issubclass(cls, types.ModuleType):
        return _module(value)
    if _opaque(value):
        return f"<{type_name(value)}, not read>"
    if type_name(value) == "nbformat.notebooknode.NotebookNode" and "cells" in value:
        return _notebook(value, deadline)
    if class_attribute(value, "model_dump_json") is not None:
        return _cut(deadline.run(lambda: value.model_dump_json(indent=2)))
    if class_attribute(value, "__dataclass_fields__") is not None:
        return f"{type_name(value)} {outline(value, _TREE, deadline)}"
    if cls in (bytes, bytearray):
        return f"{glimpse(value, 400, deadline)} ({len(value):,} bytes)"
    return own_text(value, deadline, BUDGET + 1)


def _cut(text: str) -> str:
    """Return a plain string's beginning, one character more than the budget so that the cut is seen."""
    return str.__getitem__(text, slice(0, BUDGET + 1))


def _bounded(text: str, name: str) -> str:
    """Cut a text at the budget and say so."""
    if len(text) <= BUDGET:
        return text
    return f"{text[:BUDGET]}\n… (cut at {BUDGET:,} characters; attach a part of {shown(name)} for more)"


def _opaque(value: Any) -> bool:
    """Whether looking into the value would consume or use it."""
    if issubclass(type(value), _OPAQUE) or class_attribute(value, "__next__") is not None:
        return True
    if class_attribute(value, "cursor") is not None and class_attribute(value, "commit") is not None:
        return True
    return type_name(value).split(".")[0].lstrip("_") in ("socket", "ssl", "sqlite3", "mmap", "subprocess")


def _source(value: Any, deadline: Deadline) -> str:
    """Return the source of a function or class; where there is none, its signature and documentation."""

    def source() -> str:
        with contextlib.suppress(OSError, TypeError, ValueError, IndentationError):
            return inspect.getsource(inspect.unwrap(value))
        kind = "class" if inspect.isclass(value) else "def"
        try:
            signature = str(inspect.signature(value))
        except (ValueError, TypeError):
            signature = "(…)"
        doc = inspect.getdoc(value)
        head = f"{kind} {getattr(value, '__qualname__', '?')}{signature}: ..."
        return f"{head}\n\n{doc}" if isinstance(doc, str) else head

    return _cut(deadline.run(source))


def _module(value: types.ModuleType) -> str:
    """Name a module, its version, the first lines of its documentation, and what it holds."""
    inside = types.ModuleType.__getattribute__(value, "__dict__")
    doc = inside.get("__doc__")
    version = inside.get("__version__")
    public = [key for key in inside if type(key) is str and not key.startswith("_")]
    lines = [f"module {inside.get('__name__', '?')}" + (f" {version}" if type(version) is str else "")]
    if type(doc) is str and doc.strip():
        lines.append(doc.strip()[:1_000])
    names = ", ".join(sorted(public)[:300])
    lines.append(f"Holds {len(public):,} names: {names}{', …' if len(public) > 300 else ''}")
    return "\n\n".join(lines)


def _exception(error: BaseException, deadline: Deadline) -> str:
    """Return an exception's traceback, causes included, without the frames of IPython."""

    def text() -> str:
        told = traceback.TracebackException.from_exception(error, limit=-50, max_group_width=5)
        _trim(told, 0)
        return "".join(told.format())

    try:
        return _cut(deadline.run(text))
    except Failed as fault:
        # Its own __str__ may be at fault; where it happened can still be told.
        frames = "".join(traceback.format_tb(error.__traceback__, limit=-50))
        return f"{frames}{type_name(error)}: <its message {fault}>"


def _trim(told: traceback.TracebackException, depth: int) -> None:
    """Drop the frames that IPython puts before the user's, in the whole chain of causes."""
    kept = [frame for frame in told.stack if not is_internal(frame.filename)]
    told.stack[:] = kept or told.stack[-1:]
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None and depth < 50:
            _trim(other, depth + 1)


def is_internal(filename: str) -> bool:
    """Whether a frame's file is IPython's, the kernel's or ours."""
    path = filename.replace("\\", "/")
    return filename.startswith(_OURS) or "/IPython/" in path or "/ipykernel/" in path


def _notebook(notebook: Any, deadline: Deadline) -> str:
    """Write a notebook's cells one after the other, with the text of their outputs."""
    parts: list[str] = []
    left = BUDGET - 100
    cells = notebook["cells"]
    for number, cell in enumerate(cells, 1):
        kind, source = str(cell.get("cell_type", "?")), _joined(cell.get("source", ""))
        part = [f"# Cell {number} ({kind})\n{source[:left]}"]
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = output.get("text") or data.get("text/plain") or output.get("evalue", "")
            said = visible_lines(_joined(text))
            if said:
                more = "…" if len(said) > _OUTPUT else ""
                part.append(f"# Output\n{said[:_OUTPUT]}{more}")
            elif data:
                part.append(f"# Output ({', '.join(sorted(data))})")
        text = "\n".join(part)[: BUDGET - 100]
        left -= len(text) + 2
        if left >= 0:
            parts.append(text)
        else:
            parts.append(f"… ({len(cells):,} cells in all)")
            break
    return "\n\n".join(parts)


def _joined(text: Any) -> str:
    """Join what a notebook file may hold as a list of lines."""
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def visible_lines(text: str) -> str:
    """Make control characters of a text visible but keep its lines and tabs."""
    return "\n".join("\t".join(visible(piece) for piece in line.split("\t")) for line in text.split("\n"))
