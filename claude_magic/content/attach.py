"""What stands behind ``-a``: kernel expressions, files with page ranges, globs and web addresses."""

from __future__ import annotations

import ast
import builtins
import glob
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from claude_magic.content.convert import blocks_of
from claude_magic.content.files import Url, file_blocks
from claude_magic.content.names import shown
from claude_magic.content.payload import bytes_blocks
from claude_magic.content.template import Namespace, evaluate
from claude_magic.content.texts import encoded
from claude_magic.errors import UsageProblem, did_you_mean, names_in
from claude_magic.file_names import expanded
from claude_magic.values import Attaching, Block

MOST_FILES = 20
"""Files that one glob may name."""
_PART = re.compile(r"(.+?)\[([\d,\s–-]+)\]", re.DOTALL)


def attachment_blocks(
    expressions: Sequence[str], namespace: Namespace, how: Attaching, *, urls: bool
) -> tuple[Block, ...]:
    """The content blocks of a cell's attachments, in order, each content once.

    Pictures follow a line with their name, so that the prompt can speak of them.

    Parameters
    ----------
    expressions : sequence of str
        What stands behind each ``-a``.
    namespace : mapping
        The user's variables.
    urls : bool
        Whether the user allows the API to fetch web addresses.

    Raises
    ------
    UsageProblem
        For what cannot be found or sent, with the nearest names. Nothing was sent.
    """
    blocks: list[Block] = []
    seen: set[bytes] = set()
    for expression in expressions:
        for block in _blocks(expression.strip(), namespace, how, urls=urls):
            if block.json in seen:
                continue
            seen.add(block.json)
            if block.kind == "image":
                blocks.append(encoded(f"{shown(block.name)}:", ""))
            blocks.append(block)
    return tuple(blocks)


def mentions(expression: str, names: Collection[str]) -> bool:
    """Whether what stands behind ``-a`` is an expression with one of these names in it."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False  # a file or an address
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree))


def _blocks(expression: str, namespace: Namespace, how: Attaching, *, urls: bool) -> tuple[Block, ...]:
    if re.match(r"https?://", expression):
        if not urls:
            raise UsageProblem(
                f"{shown(expression)} would be fetched by the API: allow it by --urls, or always by "
                "%claude_config urls=True. Nothing was sent."
            )
        return blocks_of(Url(expression), expression, how)
    if expression.isidentifier() and expression in namespace:
        return blocks_of(namespace[expression], expression, how)
    if os.path.lexists(expanded(expression)):
        return file_blocks(expression, "", how)
    if match := _PART.fullmatch(expression):
        chosen = _part_of(match[1], match[2], expression, namespace, how)
        if chosen:
            return chosen
    if _is_glob(expression) and (files := _matching(expression)):
        return tuple(block for file in files for block in file_blocks(file, file, how))
    return _evaluated(expression, namespace, how)


def _part_of(
    base: str, part: str, expression: str, namespace: Namespace, how: Attaching
) -> tuple[Block, ...]:
    """Chosen pages or frames of a file, or of a value that is one; empty when ``base`` is neither."""
    if base.isidentifier() and base in namespace:
        value = namespace[base]
        if isinstance(value, bytes):
            return bytes_blocks(value, expression, how, part)
        return file_blocks(os.fspath(value), expression, how, part) if isinstance(value, os.PathLike) else ()
    if os.path.lexists(expanded(base)):
        return file_blocks(base, Path(base).name, how, part)
    return ()


def _is_glob(expression: str) -> bool:
    return glob.has_magic(expression) and not re.search(r"[(\"']", expression)


def _matching(pattern: str) -> list[str]:
    """The files a glob names, in order, at most `MOST_FILES`; links to folders and folders are left out."""
    found: list[str] = []
    for path in glob.iglob(str(expanded(pattern)), recursive=True):  # noqa: PTH207 - absolute patterns too
        if Path(path).is_file():
            found.append(path)
        if len(found) > 100 * MOST_FILES:
            break
    if len(found) > MOST_FILES:
        more = " or more" if len(found) > 100 * MOST_FILES else ""
        raise UsageProblem(
            f"{shown(pattern)} names {len(found):,}{more} files; at most {MOST_FILES} are attached at once. "
            "Nothing was sent."
        )
    return sorted(found)


def _evaluated(expression: str, namespace: Namespace, how: Attaching) -> tuple[Block, ...]:
    """The blocks of a Python expression; what is neither that nor a file is told with the nearest of both."""
    try:
        code = compile(ast.parse(expression, mode="eval"), "-a", "eval")
        names = {node.id for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)}
    except (SyntaxError, ValueError) as error:
        raise _nothing(expression, namespace) from error
    missing = sorted(name for name in names if name not in namespace and not hasattr(builtins, name))
    if missing and (_looks_like_file(expression) or expression.isidentifier()):
        raise _nothing(expression, namespace)
    value: Any = evaluate(expression, code, namespace)
    return blocks_of(value, expression, how)


def _nothing(expression: str, namespace: Namespace) -> UsageProblem:
    """The error for what is no name and no file, with the nearest of those it can have meant."""
    if expression.count("[") > expression.count("]"):
        return UsageProblem(f"-a {shown(expression)}: a [ is not closed. Nothing was sent.")
    path = expanded(expression)
    known = names_in(path.parent)
    if not _looks_like_file(expression):
        known += [name for name in namespace if not name.startswith("_")]
    what = "a glob that names no file" if _is_glob(expression) else "no kernel name and no file"
    return UsageProblem(f"-a {shown(expression)}: {what}.{did_you_mean(path.name, known)} Nothing was sent.")


def _looks_like_file(expression: str) -> bool:
    return bool(re.search(r"[/\\]|\.\w{2,5}$", expression)) and "(" not in expression
