"""A conversation as a document: Markdown to be read, a notebook to go on with, JSON to keep.

A file is written whole or not at all. How an answer looks is the display's business, so the caller
brings the two functions that know it.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from claude_magic.conversation.portable import PortableProblem, dump, import_json, plain_turns
from claude_magic.errors import StoreProblem, UsageProblem, did_you_mean
from claude_magic.file_names import expanded
from claude_magic.values import Block, Turn

__all__ = ["Bundle", "export", "import_json", "markdown_document", "notebook_document", "plain_turns"]

Bundle = tuple[Mapping[str, Any], Mapping[str, Any]]
"""The MIME bundle of a turn and its metadata."""

_SUFFIXES = (".md", ".ipynb", ".json")
_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADING = 60
_RUN = re.compile("`+")
_MEANT = re.compile(r"[&<>$\\`*_\[\]~|@#!^{}]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_JOINERS = "\u200c\u200d"


def export(
    turns: Sequence[Turn],
    path: str | os.PathLike[str],
    *,
    title: str,
    bundle: Callable[[Turn], Bundle],
    markdown: Callable[[Turn], str],
    force: bool = False,
) -> Path:
    """Write a conversation to a file; its suffix tells how.

    Parameters
    ----------
    turns : sequence of Turn
        In their order.
    path : str or path
        A file that ends in ``.md``, ``.ipynb`` or ``.json``.
    title : str
        The document's title; any text.
    bundle : callable
        The output of a turn, as a cell shows it.
    markdown : callable
        The answer of a turn as harmless Markdown, with what was attached.
    force : bool
        Whether a file that exists is replaced.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    UsageProblem
        For another suffix, a folder that is not there, or a file that is.
    StoreProblem
        When it cannot be written. What was there before is untouched.
    """
    target = place_for(Path(path), _SUFFIXES, "a conversation", force=force)
    suffix = target.suffix.lower()
    if suffix == ".md":
        data = markdown_document(turns, title, markdown)
    elif suffix == ".ipynb":
        data = notebook_document(turns, title, bundle)
    else:
        try:
            data = dump(turns, title)
        except PortableProblem as error:
            raise StoreProblem(f"{target.name!r}: {error}. Nothing was written.") from error
    write_file(target, data)
    return target


def place_for(path: Path, suffixes: Sequence[str], what: str, *, force: bool) -> Path:
    """Where to write, with links followed.

    Parameters
    ----------
    suffixes : sequence of str
        Those that a file of this kind may have.
    what : str
        Names the kind: ``"a conversation"``.
    force : bool
        Whether a file may be there already.

    Raises
    ------
    UsageProblem
        For another suffix, a folder that is not there, or a file that is.
    StoreProblem
        When the place cannot be looked at.
    """
    name = repr(str(path))
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        known = " or ".join(filter(None, (", ".join(suffixes[:-1]), suffixes[-1])))
        raise UsageProblem(
            f"{name}: {what} is written as {known}.{did_you_mean(suffix, suffixes)} Nothing was written."
        )
    try:
        target = Path(os.path.realpath(expanded(path)))
        exists, is_folder = target.exists(), target.is_dir()
        has_parent = target.parent.is_dir()
    except ValueError as error:  # a NUL
        raise UsageProblem(f"{name}: not a path. Nothing was written.") from error
    except OSError as error:
        raise StoreProblem(f"{name}: {error.strerror}. Nothing was written.") from error
    if is_folder:
        raise UsageProblem(f"{name} is a folder. Give the name of a file in it. Nothing was written.")
    if exists and not force:
        raise UsageProblem(
            f"{name} exists. Take another name, or replace it by --force. Nothing was written."
        )
    if not has_parent:
        raise UsageProblem(f"{name}: there is no such folder. Make it first. Nothing was written.")
    return target


def write_file(target: Path, data: bytes) -> None:
    """Put a file in its place in one step: whole, or not at all.

    Raises
    ------
    StoreProblem
        When it cannot be written. What was there before is untouched.
    """
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(OSError):  # what is replaced keeps its permissions
                temporary.chmod(target.stat().st_mode & 0o777)
            temporary.replace(target)
        finally:
            # There only when something went wrong.
            temporary.unlink(missing_ok=True)
    except OSError as error:
        full = " Free some space, or choose another folder." if error.errno == errno.ENOSPC else ""
        raise StoreProblem(
            f"{target.name!r} was not written: {error.strerror}.{full} What was there is untouched."
        ) from error
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # The name survives a crash only with this; Windows and some network homes cannot, and need not.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def markdown_document(turns: Sequence[Turn], title: str, markdown: Callable[[Turn], str]) -> bytes:
    """The conversation as a Markdown document: each prompt word for word, then its answer."""
    pieces = [f"# {_inline(title) or 'Conversation'}"]
    for number, turn in enumerate(turns, 1):
        pieces += [f"## {number}. {_inline(_beginning(turn.prompt))}".rstrip()]
        if turn.prompt.strip():
            pieces += [_fenced(turn.prompt)]
        pieces += [markdown(turn).strip("\n")]
    return _encoded("\n\n".join(piece for piece in pieces if piece) + "\n")


def _beginning(text: str) -> str:
    words = " ".join(text[: 8 * _HEADING].split())
    return words if len(words) <= _HEADING else words[: _HEADING - 1] + "…"


def _inline(text: str) -> str:
    """Foreign text in one line that no Markdown reader takes for anything but text."""
    return _MEANT.sub(_harmless, _visible(" ".join(text.split())))


def _harmless(match: re.Match[str]) -> str:
    entity = f"&#{ord(match.group())};"
    # JupyterLab looks for formulas once more in the page's text: there a dollar must stand alone.
    return f"<span>{entity}</span>" if match.group() in "$\\" else entity


def _fenced(text: str) -> str:
    """Foreign text word for word, in a fence longer than any in it, at the left margin."""
    ticks = "`" * max(3, 1 + max(map(len, _RUN.findall(text)), default=0))
    body = "\n".join(_visible(line) for line in text.expandtabs(4).splitlines())
    return f"{ticks}text\n{body}\n{ticks}"


def _visible(text: str) -> str:
    """The text with a sign in place of each character that does not show."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else "\ufffd" for c in text)


def notebook_document(turns: Sequence[Turn], title: str, bundle: Callable[[Turn], Bundle]) -> bytes:
    """The conversation as a notebook of format 4.5: prompts as cells, answers as their outputs.

    Raises
    ------
    StoreProblem
        When a turn's bundle is not one that a notebook may hold.
    """
    import nbformat  # noqa: PLC0415 - its schema checker takes about a second to import

    taken = {"title", "load"}
    cells = [
        {
            "cell_type": "markdown",
            "id": "title",
            "metadata": {},
            "source": f"# {_inline(title) or 'Conversation'}",
        },
        _code_cell("load", "%load_ext claude_magic", []),
    ]
    for number, turn in enumerate(turns, 1):
        data, metadata = bundle(turn)
        pictures = [_output(one, {}) for block in turn.blocks if (one := _picture(block))]
        cell_id = _cell_id(turn, number, taken)
        taken.add(cell_id)
        cells.append(_code_cell(cell_id, f"%%claude\n{_body(turn)}", [*pictures, _output(data, metadata)]))
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    try:
        notebook = nbformat.from_dict(
            {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5},
        )
        nbformat.validate(notebook)
        return _encoded(nbformat.v4.writes(notebook) + "\n")
    except (nbformat.ValidationError, TypeError, ValueError, RecursionError) as error:
        first = str(error).split("\n", maxsplit=1)[0][:120]
        raise StoreProblem(
            f"The conversation makes no valid notebook ({first}). Nothing was written."
        ) from error


def _code_cell(cell_id: str, source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": {},
        "execution_count": None,
        "source": source,
        "outputs": outputs,
    }


def _output(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {"output_type": "display_data", "data": _plain(data), "metadata": _plain(metadata)}


def _cell_id(turn: Turn, number: int, taken: set[str]) -> str:
    """The id of the cell that made a turn, where it is a notebook's and free."""
    if _CELL_ID.fullmatch(turn.cell_id) and turn.cell_id not in taken:
        return turn.cell_id
    return next(one for n in range(number, number + len(taken) + 1) if (one := f"turn-{n}") not in taken)


def _body(turn: Turn) -> str:
    """The cell that asks the same again.

    ``{{`` that went out as it stands was text, not an expression, and stays text: what a stranger wrote
    is not evaluated because it was written to a file.
    """
    sent = [block.text for block in turn.blocks if block.kind == "text" and not block.name]
    literal = turn.prompt in sent
    return turn.prompt.replace("{{", "\\{{") if literal else turn.prompt


def _picture(block: Block) -> dict[str, Any] | None:
    """The output that shows an attachment's thumbnail."""
    kinds = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"))
    kind = next((mime for magic, mime in kinds if block.thumbnail.startswith(magic)), "")
    if not kind:
        return None
    name = _visible(" ".join(block.name.split()))
    return {kind: base64.b64encode(block.thumbnail).decode("ascii"), "text/plain": name}


def _plain(value: Any) -> Any:
    """A JSON value of plain dicts and lists, as nbformat wants them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _encoded(text: str) -> bytes:
    # UTF-8 has no bytes for half of a surrogate pair.
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
