"""Strict structural checks of a request body, read off the SDK's own parameter types.

The types are walked here rather than handed to pydantic, which checks an ``Iterable`` only when it is read.
Each type is compiled once to a function of (value, path) that raises the 400 naming the first wrong field.
"""

from __future__ import annotations

import collections.abc
import re
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union

import typing_extensions

from .errors import ApiError, invalid

Path = tuple[str | int, ...]
Check = Callable[[Any, Path], None]

_SURROGATE = re.compile("[\ud800-\udfff]")
_WRAPPERS = (Required, NotRequired, typing_extensions.Required, typing_extensions.NotRequired)
_SEQUENCES = (collections.abc.Iterable, collections.abc.Sequence, list)
_PLAIN: dict[Any, tuple[type, str]] = {
    str: (str, "Input should be a valid string"),
    bool: (bool, "Input should be a valid boolean"),
    int: (int, "Input should be a valid integer"),
    float: (float, "Input should be a valid number"),
    types.NoneType: (types.NoneType, "Input should be null"),
}
_NAMES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "dictionary",
    list: "list",
}
_NAMES[types.NoneType] = "null"
_HEADERS_NOT_KEYS = ("user_profile_id", "workspace_id")


def check_create(body: Any) -> None:
    """Refuse a body that is not a request to create a message (ApiError 400)."""
    _create()(body, ())


def check_count(body: Any) -> None:
    """Refuse a body that is not a request to count tokens (ApiError 400)."""
    _count()(body, ())


def compile_types() -> None:
    """Import the SDK's types and compile the checks, about a second of work, before they are needed."""
    _create()
    _count()


def refuse_surrogates(value: Any, path: Path = ()) -> None:
    """Refuse half of a surrogate pair anywhere in the body: it is not Unicode text (ApiError 400)."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise invalid(_dotted(path) or "body", "The string is not valid Unicode (lone surrogate)")
    elif isinstance(value, dict):
        for key, item in value.items():
            refuse_surrogates(key, path)
            refuse_surrogates(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_surrogates(item, (*path, index))


@cache
def _create() -> Check:
    # Imported here: the SDK costs about a second, and the server must listen before that.
    from anthropic.types import message_create_params as params  # noqa: PLC0415

    return _object(params.MessageCreateParamsBase, {"stream": (bool, False)})


@cache
def _count() -> Check:
    from anthropic.types import message_count_tokens_params as params  # noqa: PLC0415

    return _object(params.MessageCountTokensParams, {})


def _dotted(path: Path) -> str:
    return ".".join(str(step) for step in path)


def _wrong(path: Path, message: str) -> ApiError:
    return invalid(_dotted(path) or "body", message)


@cache
def _compiled(hint: Any) -> Check:
    origin = typing.get_origin(hint)
    if hint is object or hint is Any:
        return lambda _value, _path: None
    if origin in _WRAPPERS or origin is Annotated:
        return _compiled(typing.get_args(hint)[0])
    if typing_extensions.is_typeddict(hint):
        return _object(hint, {})
    if origin in {Literal, typing_extensions.Literal}:
        return _literal(typing.get_args(hint))
    if origin in {Union, types.UnionType}:
        return _union(_members(hint))
    if origin in _SEQUENCES:
        return _array(_compiled(typing.get_args(hint)[0]))
    if origin is dict:
        return _mapping(_compiled(typing.get_args(hint)[1]))
    if hint in _PLAIN:
        return _plain(*_PLAIN[hint])
    raise TypeError(f"no rule for the type {hint!r}")  # a new SDK brought a new kind of type


def _members(hint: Any) -> list[Any]:
    """Return the members of a union that JSON can hold: no response models, no files, no bytes."""
    members: list[Any] = []
    for member in typing.get_args(hint):
        bare = typing.get_args(member)[0] if typing.get_origin(member) is Annotated else member
        origin = typing.get_origin(bare)
        if origin in {Union, types.UnionType}:
            members += _members(bare)
        elif origin in {Literal, dict, *_SEQUENCES} or bare in _PLAIN or typing_extensions.is_typeddict(bare):
            members.append(bare)
    return members


def _plain(kind: type, message: str) -> Check:
    def check(value: Any, path: Path) -> None:
        # bool is an int to Python, but not to JSON
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise _wrong(path, message)

    return check


def _literal(values: tuple[Any, ...]) -> Check:
    expected = " or ".join(repr(value) for value in values)

    def check(value: Any, path: Path) -> None:
        if not any(value == each and type(value) is type(each) for each in values):
            raise _wrong(path, f"Input should be {expected}")

    return check


def _array(check_item: Check) -> Check:
    def check(value: Any, path: Path) -> None:
        if type(value) is not list:
            raise _wrong(path, "Input should be a valid list")
        for index, item in enumerate(value):
            check_item(item, (*path, index))

    return check


def _mapping(check_item: Check) -> Check:
    def check(value: Any, path: Path) -> None:
        if type(value) is not dict:
            raise _wrong(path, "Input should be a valid dictionary")
        for key, item in value.items():
            check_item(item, (*path, key))

    return check


def _object(typed_dict: Any, extra_fields: dict[str, tuple[Any, bool]]) -> Check:
    """Compile a TypedDict; `extra_fields` are name → (type, required) on top of its own."""
    hints = typing_extensions.get_type_hints(typed_dict, include_extras=True)
    hints = {name: hint for name, hint in hints.items() if name not in _HEADERS_NOT_KEYS}
    fields = {name: (hint, _required(typed_dict, name, hint)) for name, hint in hints.items()} | extra_fields
    needed = [name for name, (_, required) in fields.items() if required]
    open_ended = getattr(typed_dict, "__pydantic_config__", {}).get("extra") == "allow"
    checks: dict[str, Check] = {}  # filled at first use: the types refer to each other in circles

    def check(value: Any, path: Path) -> None:
        if type(value) is not dict:
            raise _wrong(path, "Input should be a valid dictionary")
        for name in needed:
            if name not in value:
                raise _wrong((*path, name), "Field required")
        for name, item in value.items():
            if name in fields:
                if name not in checks:
                    checks[name] = _compiled(fields[name][0])
                checks[name](item, (*path, name))
            elif not open_ended:
                raise _wrong((*path, name), "Extra inputs are not permitted")

    return check


def _required(typed_dict: Any, name: str, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in {Required, typing_extensions.Required}:
        return True
    if origin in {NotRequired, typing_extensions.NotRequired}:
        return False
    return name in typed_dict.__required_keys__


def _union(members: list[Any]) -> Check:
    objects = [member for member in members if typing_extensions.is_typeddict(member)]
    others = [member for member in members if not typing_extensions.is_typeddict(member)]
    check_object = _tagged(objects) if objects else None
    plain = {
        (_PLAIN[member][0] if member in _PLAIN else _container(member)): _compiled(member)
        for member in others
        if typing.get_origin(member) is not Literal
    }
    literals = [_compiled(member) for member in others if typing.get_origin(member) is Literal]
    expected = " or ".join(_NAMES[kind] for kind in ([dict] if objects else []) + list(plain))

    def check(value: Any, path: Path) -> None:
        if type(value) is dict and check_object is not None:
            return check_object(value, path)
        if type(value) in plain:
            return plain[type(value)](value, path)
        if literals and (type(value) is str or not plain):
            return literals[0](value, path)
        raise _wrong(path, f"Input should be a valid {expected}")

    return check


def _container(member: Any) -> type:
    return dict if typing.get_origin(member) is dict else list


def _tagged(members: list[Any]) -> Check:
    """Compile a union of TypedDicts told apart by their `type` or `role`."""
    if len(members) == 1:
        return _compiled(members[0])
    tag = next(name for name in ("type", "role") if all(name in each.__annotations__ for each in members))
    by_value: dict[str, list[Check]] = {}
    untagged: Check | None = None
    for member in members:
        hint = typing_extensions.get_type_hints(member, include_extras=True)[tag]
        if not _required(member, tag, hint):
            untagged = _compiled(member)
        for value in _literal_values(hint):
            by_value.setdefault(value, []).append(_compiled(member))

    def check(value: Any, path: Path) -> None:
        found = value.get(tag)
        if found is None and untagged is not None:
            return untagged(value, path)
        if tag not in value:
            raise _wrong((*path, tag), "Field required")
        candidates = by_value.get(found, []) if isinstance(found, str) else []
        if not candidates:
            expected = ", ".join(repr(name) for name in by_value)
            raise _wrong(
                (*path, tag), f"Input tag {found!r} does not match any of the expected tags: {expected}"
            )
        return _first_match(candidates, value, path)

    return check


def _first_match(candidates: list[Check], value: Any, path: Path) -> None:
    for candidate in candidates[:-1]:
        try:
            return candidate(value, path)
        except ApiError:
            continue
    return candidates[-1](value, path)


def _literal_values(hint: Any) -> list[str]:
    if typing.get_origin(hint) in {Literal, typing_extensions.Literal}:
        return [str(value) for value in typing.get_args(hint)]
    return [value for part in typing.get_args(hint) for value in _literal_values(part)]
