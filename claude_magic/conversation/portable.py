"""Our own format of a conversation: JSON that holds each turn whole, and reads back equal.

::

    {"format": "claude_magic.conversation", "version": 1, "title": "…", "turns": [{"prompt": "…", …}]}

A turn has the fields of :class:`claude_magic.values.Turn` by their names; fields that hold their default
are left out, parts of an answer say what they are in ``part``. Bytes are ``{"json": value}`` where they
are JSON as we write it, ``{"text": "…"}`` where they are other text, else ``{"base64": "…"}``.

There is no place in it for a system prompt, tools, approvals, settings or keys, and a file that has more
than the format is refused whole.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import types
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from claude_magic.errors import StoreProblem, UsageProblem
from claude_magic.file_names import expanded
from claude_magic.values import Answer, Block, OtherPart, TextPart, ThinkingPart, ToolUsePart, Turn

FORMAT = "claude_magic.conversation"
VERSION = 1
MOST_BYTES = 1_000_000_000
"""A larger file is not read."""
MOST_TURNS = 100_000

_PARTS = {"text": TextPart, "thinking": ThinkingPart, "tool_use": ToolUsePart, "other": OtherPart}
_SENT = ("text", "image", "document")
_SAID = ("text", "thinking", "redacted_thinking", "tool_use", "server_tool_use")
_SOURCES = ("base64", "text", "content", "url", "file")


class PortableProblem(ValueError):
    """A value that the format does not have, and where; never seen by users."""


def dump(turns: Sequence[Turn], title: str) -> bytes:
    """The conversation in the format, as UTF-8.

    Raises
    ------
    PortableProblem
        For a turn that JSON cannot hold, such as one with a cost that is no number.
    """
    whole = {"format": FORMAT, "version": VERSION, "title": title, "turns": [_raw(turn) for turn in turns]}
    try:
        text = json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PortableProblem(f"a turn cannot be written as JSON ({error})") from error
    # Half of a surrogate pair stands in strings only, where \udXXX is how JSON writes it.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def import_json(path: str | os.PathLike[str]) -> tuple[Turn, ...]:
    """Read an exported conversation; what comes back equals what was exported.

    The turns are as their file says, thinking and addresses included. Of a file that may be a stranger's,
    take :func:`plain_turns` of them.

    Raises
    ------
    UsageProblem
        When there is no such file, or it is not an export, whole and in every field.
    StoreProblem
        When it cannot be read.
    """
    file = expanded(path)
    name = repr(file.name)
    try:
        if not file.is_file():
            raise UsageProblem(f"{name}: no such file. Nothing was taken in.")
        if file.stat().st_size > MOST_BYTES:
            raise UsageProblem(f"{name}: more than {MOST_BYTES // 1_000_000:,} MB. Nothing was taken in.")
        data = file.read_bytes()
    except ValueError as error:
        raise UsageProblem(f"{name}: not a path. Nothing was taken in.") from error
    except OSError as error:
        raise StoreProblem(f"{name}: cannot be read ({error.strerror}). Nothing was taken in.") from error
    try:
        return load(data)
    except PortableProblem as error:
        raise UsageProblem(f"{name}: {error}. Nothing was taken in.") from error


def load(data: bytes) -> tuple[Turn, ...]:
    """The turns of a file's bytes.

    Raises
    ------
    PortableProblem
        For anything that :func:`dump` would not write.
    """
    try:
        whole = json.loads(data, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise PortableProblem("not a JSON file, or a broken one") from error
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise PortableProblem("not a conversation that %claude_export wrote")
    version = whole.get("version")
    if type(version) is not int or version != VERSION:
        newer = type(version) is int and version > VERSION
        raise PortableProblem("written by a newer claude_magic" if newer else "of an unknown version")
    if extra := sorted(set(whole) - {"format", "version", "title", "turns"}):
        raise PortableProblem(f"it has more than a conversation: {extra[0][:40]!r}")
    raw = whole.get("turns")
    if not isinstance(raw, list) or not isinstance(whole.get("title", ""), str):
        raise PortableProblem("its turns are missing")
    if len(raw) > MOST_TURNS:
        raise PortableProblem(f"more than {MOST_TURNS:,} turns")
    try:
        return tuple(_checked(_value(Turn, one, f"turn {n}"), n) for n, one in enumerate(raw, 1))
    except RecursionError as error:
        raise PortableProblem("nested too deeply") from error


def plain_turns(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Turns of a file that may be a stranger's: prompt and answer as plain text, nothing else to be sent.

    Attachments are named in the prompt and not sent; thinking, signatures, citations, tool calls and
    addresses are gone; nothing is counted as spent. Each gets an id of its own.
    """
    return tuple(_plain(turn) for turn in turns)


def _plain(turn: Turn) -> Turn:
    names = [" ".join(block.name.split())[:200] for block in turn.blocks if block.name]
    note = f"[attached then, not taken in: {', '.join(names[:100])}]" if names else ""
    prompt = _whole("\n\n".join(text for text in (turn.prompt, note) if text.strip()))
    text = _whole(turn.text)
    return Turn(
        prompt=prompt,
        blocks=(Block("text", _compact({"type": "text", "text": prompt}), text=prompt),) if prompt else (),
        reply=_compact({"role": "assistant", "content": [{"type": "text", "text": text}]})
        if text.strip() and prompt
        else b"",
        shown=text,
        answer=Answer(
            parts=(TextPart(text),) if text else (),
            model=turn.answer.model,
            stop_reason=turn.answer.stop_reason,
            complete=turn.answer.complete,
        ),
        stage=turn.stage,
        model=turn.model,
        demo=turn.demo,
        replayed=turn.replayed,
        id=uuid.uuid4().hex,
        cell_id=turn.cell_id,
    )


def _whole(text: str) -> str:
    """The text with a sign in place of each half of a surrogate pair, which no request can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _compact(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def _raw(value: Any) -> Any:
    """A value of ours as the format has it."""
    if isinstance(value, bytes):
        return _raw_bytes(value)
    if is_dataclass(value) and not isinstance(value, type):
        name = next((name for name, kind in _PARTS.items() if type(value) is kind), "")
        return ({"part": name} if name else {}) | {
            field.name: _raw(one)
            for field in fields(value)
            if (one := getattr(value, field.name)) != _default(field)
            or type(one) is not type(_default(field))
        }
    if isinstance(value, Mapping):
        return {str(name): _raw(one) for name, one in value.items()}
    return [_raw(one) for one in value] if isinstance(value, list | tuple) else value


def _raw_bytes(value: bytes) -> dict[str, Any]:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode("ascii")}
    with contextlib.suppress(ValueError, RecursionError):
        parsed = json.loads(text, parse_constant=_no_constant)
        if _compact(parsed) == value:
            return {"json": parsed}
    return {"text": text}


def _bytes(raw: Any, where: str) -> bytes:
    if isinstance(raw, dict) and len(raw) == 1:
        ((kind, value),) = raw.items()
        try:
            if kind == "json":
                return _compact(value)
            if kind == "text" and isinstance(value, str):
                return value.encode()
            if kind == "base64" and isinstance(value, str):
                return base64.b64decode(value, validate=True)
        except (ValueError, RecursionError) as error:
            raise PortableProblem(f"{where} is not readable") from error
    raise PortableProblem(f"{where} is not bytes as the format writes them")


def _default(field: Field[Any]) -> Any:
    return field.default


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_constant(text)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, raw: Any, where: str) -> Any:
    """A raw value as one of this type, exactly.

    Raises
    ------
    PortableProblem
        When it is anything else.
    """
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return raw
    if origin in (Union, types.UnionType):
        return _union(args, raw, where)
    if origin is tuple:
        return _tuple(args, raw, where)
    if kind is bytes:
        return _bytes(raw, where)
    if is_dataclass(kind):
        return _object(kind, raw, where)
    if origin is Literal:
        fits = isinstance(raw, str) and raw in args
    elif origin is not None and issubclass(origin, Mapping):
        fits = isinstance(raw, dict)
    else:
        fits = type(raw) in ((int, float) if kind is float else (kind,))
    return raw if fits else _refuse(where)


def _tuple(args: tuple[Any, ...], raw: Any, where: str) -> tuple[Any, ...]:
    endless = args[-1] is ...
    if not isinstance(raw, list) or not (endless or len(raw) == len(args)):
        _refuse(where)
    kinds = [args[0]] * len(raw) if endless else args
    return tuple(_value(kind, one, where) for kind, one in zip(kinds, raw, strict=True))


def _refuse(where: str) -> NoReturn:
    raise PortableProblem(f"{where} is not what the format has there")


def _union(args: tuple[Any, ...], raw: Any, where: str) -> Any:
    if raw is None and type(None) in args:
        return None
    kinds = [one for one in args if one is not type(None)]
    if len(kinds) == 1:
        return _value(kinds[0], raw, where)
    kind = _PARTS.get(raw["part"]) if isinstance(raw, dict) and isinstance(raw.get("part"), str) else None
    if kind is None or kind not in kinds:
        return _refuse(where)
    return _object(kind, {name: value for name, value in raw.items() if name != "part"}, where)


def _object(kind: Any, raw: Any, where: str) -> Any:
    if not isinstance(raw, dict):
        return _refuse(where)
    known = {field.name: field for field in fields(kind)}
    if extra := sorted(set(raw) - set(known)):
        raise PortableProblem(f"{where} has more than the format: {extra[0][:40]!r}")
    hints = _hints(kind)
    values = {}
    for name, field in known.items():
        if name in raw:
            values[name] = _value(hints[name], raw[name], f"{where}, {name}")
        elif field.default is MISSING:
            raise PortableProblem(f"{where} has no {name!r}")
    return kind(**values)


def _checked(turn: Turn, number: int) -> Turn:
    """A turn whose messages are a user's and an assistant's, and nothing else."""
    for block in turn.blocks:
        content = _json(block.json)
        kind = "text" if block.kind == "system" else block.kind
        if kind not in _SENT or not isinstance(content, dict) or content.get("type") != kind:
            raise PortableProblem(f"turn {number} sends a block that is no text, image or document")
        source = content.get("source", {"type": "text"})
        if not isinstance(source, dict) or source.get("type") not in _SOURCES:
            raise PortableProblem(f"turn {number} sends a block of an unknown source")
    for said in filter(None, (turn.reply, *(round_.reply for round_ in turn.rounds))):
        reply = _json(said)
        content = (
            reply.get("content") if isinstance(reply, dict) and reply.get("role") == "assistant" else None
        )
        if not isinstance(content, list) or not content or set(reply) != {"role", "content"}:
            raise PortableProblem(f"turn {number} has a reply that is no assistant's message")
        for one in content:
            named = one.get("type") if isinstance(one, dict) else None
            if not isinstance(named, str) or not (named in _SAID or named.endswith("_tool_result")):
                raise PortableProblem(
                    f"turn {number} has a reply that is more than text, thinking and tool calls"
                )
    return turn


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
