"""What a program asks, as a typed line would say it; values that are no text go along by a name."""

from __future__ import annotations

import builtins
import functools
import glob
import json
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

from claude_magic.errors import UsageProblem, did_you_mean, names_in
from claude_magic.file_names import expanded
from claude_magic.flags import Line, Verbatim
from claude_magic.rows import NAMES

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
_SENT = "Nothing was sent."


def line_of(attachments: Iterable[object], asked: Mapping[str, Any], *, rows: bool = False) -> Line:
    """A question's flags, as a typed line has them; values that are no text stand in it by a name.

    Parameters
    ----------
    rows : bool
        Whether it is asked of rows: functions among the attachments are called with each.
    """
    given = _Given(_known() if rows else {})
    values: dict[str, tuple[str, ...]] = {}
    for flag, value in asked.items():
        if value is None or value is False:
            continue
        if flag == "schema":
            values[flag] = (given.named(value, value.__name__ if isinstance(value, type) else flag),)
        elif flag == "tools":
            names = [given.named(one, getattr(one, "__name__", "tool")) for one in _functions(value)]
            values |= {flag: (",".join(names),)} if names else {}
        elif flag == "extra":
            values[flag] = (_json(value),)
        elif flag in ("system", "system_message"):
            if not isinstance(value, str):
                raise UsageProblem(f"{flag}= is a str, not {type(value).__name__}. {_SENT}")
            values[flag] = (Verbatim(value),)
        elif flag == "stop" and not isinstance(value, str):
            values[flag] = tuple(map(str, value))
        else:
            values[flag] = ("",) if value is True else (str(value),)
    urls = bool(asked.get("urls"))
    attach = tuple(
        f"{given.named(one, getattr(one, '__name__', 'attachment'))}(row)"
        if rows and isinstance(one, _FUNCTIONS)
        else given.attached(one, urls=urls)
        for one in attachments
    )
    return Line(values | ({"attach": attach} if attach else {}), "", given.values)


def _functions(tools: object) -> Sequence[Callable[..., Any]]:
    listed: list[Any] = list(tools) if isinstance(tools, Iterable) else [tools]
    for one in listed:
        if not callable(one):
            raise UsageProblem(f"tools= takes functions, not a value of type {type(one).__name__}. {_SENT}")
    return listed


def _known() -> Mapping[str, object]:
    """The names that a template may mean: what is given must not stand in their place."""
    shell = get_ipython()
    kernel = {} if shell is None else shell.user_ns
    return {**vars(builtins), **kernel, **dict.fromkeys(NAMES, object())}


class _Given:
    """What a program gives that is no text, by names that read well above the answer."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self.values: dict[str, Any] = {}
        self._known = known

    def named(self, value: object, wanted: str) -> str:
        """Keep a value; return its name here."""
        name = base = wanted if wanted.isidentifier() else "attachment"
        number = 1
        while any(name in names and names[name] is not value for names in (self._known, self.values)):
            number += 1
            name = f"{base}_{number}"
        self.values[name] = value
        return name

    def attached(self, value: object, *, urls: bool) -> str:
        """What stands for an attachment behind ``-a``; nothing that could be taken for an expression."""
        if isinstance(value, os.PathLike):
            # From the root on: no name of the kernel, and no Python.
            path = str(expanded(os.fsdecode(value)).absolute())
            if path.strip() != path or "\0" in path:
                raise UsageProblem(f"{path!r}: such a file name cannot be attached; give its bytes. {_SENT}")
            if not (os.path.lexists(path) or glob.has_magic(path)):
                near = did_you_mean(Path(path).name, names_in(Path(path).parent))
                raise UsageProblem(f"{path}: no such file.{near} {_SENT}")
            return path
        if isinstance(value, str):
            if urls and value.startswith(("https://", "http://")):
                return value
            if _is_file(value):
                raise UsageProblem(
                    f"{value!r} is a text here, and the name of a file: give pathlib.Path({value!r}) for the "
                    f"file, or put the text into the prompt. {_SENT}"
                )
        return self.named(value, name_of(value))


def _is_file(text: str) -> bool:
    try:
        return len(text) < 1_000 and "\n" not in text and expanded(text).is_file()
    except (OSError, ValueError):
        return False


def name_of(value: object) -> str:
    """How a value reads above the answer: its name in the kernel, or that of its type."""
    if isinstance(value, str):
        return "text"
    shell = get_ipython()
    if shell is not None and not isinstance(value, bytes | int | float | bool | None):
        for name, known in list(shell.user_ns.items()):
            if known is value and not name.startswith("_"):
                return str(name)
    return "attachment" if isinstance(value, bytes) else type(value).__name__


def _json(extra: object) -> str:
    try:
        return json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageProblem(f"extra= holds a value that is no JSON: {error}. {_SENT}") from error
