"""Parameters of a request that no flag or setting names: what the SDK knows, less what we set ourselves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase

from claude_magic.errors import UsageProblem, did_you_mean
from claude_magic.values import Usage

OURS = frozenset(
    {
        "cache_control", "container", "diagnostics", "max_tokens", "messages", "model", "stop_sequences",
        "stream", "system", "tool_choice", "tools",
    }
)  # fmt: skip
"""Parameters that flags and settings of their own stand for, or that a question has no use for."""

KNOWN = frozenset(MessageCreateParamsBase.__annotations__) - OURS
"""Parameters that ``extra`` takes, in the SDK that is installed."""

_COUNTED = KNOWN & frozenset(MessageCountTokensParams.__annotations__)


def merged(texts: Iterable[str], done: str = "sent") -> str:
    """Several JSON objects as one, in one spelling: equal parameters give equal texts.

    Parameters
    ----------
    texts : iterable of str
        JSON objects, or ``""``; a later one wins, parameter by parameter.
    done : str
        What has not been done when a parameter is refused.

    Returns
    -------
    str
        A JSON object; ``""`` for no parameters.

    Raises
    ------
    UsageProblem
        For what is no JSON object, and for a parameter that is not in `KNOWN`.
    """
    parameters: dict[str, Any] = {}
    for text in texts:
        parameters |= _object(text, done) if text.strip() else {}
    for name in parameters:
        if name in OURS:
            raise UsageProblem(
                f"extra: {name} is set by claude_magic itself; %%claude? lists the flags. Nothing was {done}."
            )
        if name not in KNOWN:
            hint = did_you_mean(name, KNOWN) or f" It takes {', '.join(sorted(KNOWN))}."
            raise UsageProblem(f"extra: the SDK knows no parameter {name!r}.{hint} Nothing was {done}.")
    return json.dumps(parameters, ensure_ascii=False, sort_keys=True) if parameters else ""


def _object(text: str, done: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageProblem(
            f"""extra: {text!r} is no JSON object, such as {{"service_tier": "auto"}}. Nothing was {done}."""
        )
    return value


def parameters(extra: str) -> dict[str, Any]:
    """What goes into the body of a request."""
    return dict(json.loads(extra)) if extra else {}


def counted(extra: str) -> dict[str, Any]:
    """What goes into a request that only counts, which takes fewer parameters."""
    return {name: value for name, value in parameters(extra).items() if name in _COUNTED}


def priced(usage: Usage, extra: str) -> Usage:
    """An expected usage with the parameters that change its price."""
    told = parameters(extra)
    return replace(
        usage, speed=str(told.get("speed") or ""), inference_geo=str(told.get("inference_geo") or "")
    )
