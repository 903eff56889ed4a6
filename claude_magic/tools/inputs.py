"""The JSON that a tool is called with, read strictly: what is cut or no JSON never reaches a function."""

from __future__ import annotations

import json
from typing import Any

_LONGEST = 300
"""Digits of a whole number; more no other JSON parser takes either."""


def arguments(text: str) -> dict[str, Any]:
    """The object that a call's JSON says; a call without a word of JSON has no arguments.

    Raises
    ------
    ValueError
        Worded for the model: for what is no JSON, no object, or has NaN, a number too large, a name twice
        or a character that is none.
    """
    try:
        value = json.loads(
            text or "{}",
            parse_constant=_no_constant,
            parse_int=_whole,
            parse_float=_real,
            object_pairs_hook=_once,
        )
    except RecursionError:
        raise ValueError("the input is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the input is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"the input has to be a JSON object, not {type(value).__name__}")  # noqa: TRY004
    return value


def canonical(given: dict[str, Any]) -> str:
    """Arguments as the JSON that is shown and kept: what it says is what runs.

    Raises
    ------
    ValueError
        For half a character, which no request can carry back.
    """
    try:
        text = json.dumps(given, ensure_ascii=False, allow_nan=False)
        text.encode()
    except RecursionError:
        raise ValueError("the input is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("the input has half a character (a lone surrogate)") from None
    return text


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST:
        raise ValueError(f"a number has {len(digits):,} digits; at most {_LONGEST} are taken")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return value
