r"""The prompt body: sent as written, except ``{{ expression }}``.

An expression is evaluated once in the user's namespace, never again inside a value; ``\{{`` is a
literal ``{{``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from claude_magic.content.convert import blocks_of
from claude_magic.content.glimpse import glimpse
from claude_magic.content.scalars import is_missing, plainly
from claude_magic.content.texts import encoded
from claude_magic.errors import ClaudeMagicError, UsageProblem, did_you_mean
from claude_magic.values import Attaching, Block

Namespace = Mapping[str, Any]

_PLAIN = (int, float, complex, bool, type(None), list, tuple, dict, set, frozenset)
_ROW = 50
"""Elements up to which a one-dimensional array or tensor does."""
_SHORT = 2_000
"""Characters up to which a plain container stands in a sentence as its repr."""


@dataclass(frozen=True, slots=True)
class Valued:
    """An expression of a prompt, and the value it had."""

    source: str
    value: Any


def evaluated(body: str, namespace: Namespace, *, verbatim: bool = False) -> list[str | Valued]:
    """The pieces of a body, each of its expressions evaluated once.

    Parameters
    ----------
    verbatim : bool
        Whether nothing in it is evaluated.

    Raises
    ------
    UsageProblem
        For an expression that cannot be evaluated, with the nearest names. Nothing was sent.
    """
    return [
        piece if isinstance(piece, str) else Valued(piece[0], evaluate(*piece, namespace))
        for piece in ((body,) if verbatim else _pieces(body))
    ]


def has_missing(pieces: Sequence[str | Valued]) -> bool:
    """Whether one of its expressions is a value that is not there: None, NaN, NaT."""
    return any(not isinstance(piece, str) and is_missing(piece.value) for piece in pieces)


def expressions(body: str) -> list[str]:
    """What stands in ``{{ }}``.

    Raises
    ------
    UsageProblem
        For what is no expression. Nothing was sent.
    """
    return [piece[0] for piece in _pieces(body) if not isinstance(piece, str)]


def encoded_prompt(pieces: Sequence[str | Valued], how: Attaching) -> tuple[Block, ...]:
    """The content blocks of a body that was evaluated.

    Returns
    -------
    tuple of Block
        Text blocks are merged with their neighbours; other values stand at their very place.
    """
    blocks: list[Block] = []
    text: list[str] = []

    def close_text() -> None:
        joined = "".join(text)
        text.clear()
        if joined.strip():
            blocks.append(encoded(joined, ""))

    for piece in pieces:
        value = piece if isinstance(piece, str) else piece.value
        if isinstance(value, str):
            text.append(value)
            continue
        if plain := _in_sentence(value):
            text.append(plain)
            continue
        source = piece.source if isinstance(piece, Valued) else ""
        for block in blocks_of(value, source, how):
            if block.kind == "text":
                text.append(block.text)
            else:
                close_text()
                blocks.append(block)
    close_text()
    return tuple(blocks)


def _in_sentence(value: Any) -> str:
    """A scalar or a small plain container as it reads in a sentence; ``""`` for all else."""
    if type(value).__name__ in ("ndarray", "Tensor") and _is_short_row(value):
        value = value.tolist()
    value = plainly(value)
    if type(value) is str:
        return value
    if type(value) not in _PLAIN:
        return ""
    text = glimpse(value, _SHORT + 1)
    return text if len(text) <= _SHORT else ""


def _is_short_row(value: Any) -> bool:
    shape = getattr(value, "shape", None)
    return isinstance(shape, tuple) and len(shape) == 1 and shape[0] <= _ROW


def _pieces(body: str) -> Iterator[str | tuple[str, CodeType]]:
    """Split a body into plain text and compiled expressions."""
    at = 0
    while (start := body.find("{{", at)) >= 0:
        if start and body[start - 1] == "\\":
            yield body[at : start - 1] + "{{"
            at = start + 2
            continue
        yield body[at:start]
        source, code, at = _expression(body, start)
        yield source, code
    yield body[at:]


def _expression(body: str, start: int) -> tuple[str, CodeType, int]:
    """Compile the expression behind ``{{`` at ``start``; a ``}}`` may also close a dict inside it."""
    end = start
    problem = "it is not closed by }}"
    while (end := body.find("}}", end + 1)) >= 0:
        # Of }}} the last two close the expression.
        while body.startswith("}}}", end):
            end += 1
        source = body[start + 2 : end].strip()
        try:
            return source, compile(ast.parse(source, mode="eval"), "{{ }}", "eval"), end + 2
        except (SyntaxError, ValueError) as error:
            problem = str(error.args[0]) if error.args else "not an expression"
    shown = body[start : start + 40].split("\n", maxsplit=1)[0]
    raise UsageProblem(
        f"{shown!r} is no Python expression ({problem}). Write \\{{{{ for a literal {{{{. Nothing was sent."
    )


def evaluate(source: str, code: CodeType | str, namespace: Namespace) -> Any:
    """Evaluate what the user wrote, in the user's namespace.

    Raises
    ------
    UsageProblem
        When it raises; a missing name is told with the nearest ones.
    """
    run: Callable[..., Any] = eval  # the user's own code, typed into the cell
    try:
        return run(code, dict(namespace) if not isinstance(namespace, dict) else namespace)
    except ClaudeMagicError:
        raise
    except NameError as error:
        name = error.name or source
        raise UsageProblem(
            f"No kernel name {name!r}.{did_you_mean(name, namespace)} Nothing was sent."
        ) from error
    except Exception as error:  # any error of the user's expression is told in one line
        raise UsageProblem(f"{source!r} raised {type(error).__name__}: {error}. Nothing was sent.") from error
