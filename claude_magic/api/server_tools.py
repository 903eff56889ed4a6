"""The tools that run at the API: which version a model is offered, and their blocks in a conversation.

Sources: the vendor's tool reference (three versions of each are generally available at once; a dated type
is offered to all models that came with it or later, the first to every model) and its pages on web search,
web fetch and code execution; Python SDK 2.11.0 for the shapes. Which model takes the versions of 2026-03
and 2026-05 is in none of them by name, so a refusal that names a type is answered by the basic version.

From 2026-02 on, web tools are called by code that the model writes, unless the definition says otherwise.
It does here: what is searched and read is then all in the answer, to be shown; and no container of that
code has to be named when the turn goes on, which a streamed answer does not always tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from claude_magic.api.models import CATALOGUE, Model
from claude_magic.api.request import encode
from claude_magic.errors import UsageProblem

CALL = "server_tool_use"
"""The type of the block by which the model calls one of them."""


@dataclass(frozen=True, slots=True)
class _Versions:
    """The type of a tool for models of today, and the one for every model."""

    newest: str
    basic: str


_VERSIONS: Mapping[str, _Versions] = {
    "web_search": _Versions("web_search_20260318", "web_search_20250305"),
    "web_fetch": _Versions("web_fetch_20260318", "web_fetch_20250910"),
    "code_execution": _Versions("code_execution_20260521", "code_execution_20250825"),
}
_BASIC_ONLY = frozenset({"claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"})
"""Models for which the vendor's pages name the basic versions of the web tools only."""
FLAGS = MappingProxyType({"web_search": "--web", "web_fetch": "--fetch", "code_execution": "--run-code"})
"""The flags that offer them."""


def is_result(kind: str) -> bool:
    """Whether a block of this type is what one of the API's own tools has brought."""
    return kind.endswith("_tool_result")


def definitions(
    names: Sequence[str], model: Model, *, foreign: str = "", cite: bool = False
) -> tuple[bytes, ...]:
    """The definitions of tools, in the order of their names here, as JSON.

    Parameters
    ----------
    names : sequence of str
        Of ``web_search``, ``web_fetch``, ``code_execution``.
    foreign : str
        The host that is asked, where it is not Anthropic's.
    cite : bool
        Whether pages that are read are cited.

    Raises
    ------
    UsageProblem
        For a tool that the model is known not to have, or that the host is not known to have.
    """
    for name in names:
        _refuse(name, model, foreign)
    known = any(model.id == one.id for one in CATALOGUE)
    newest = known and not {model.id, model.dated} & _BASIC_ONLY
    return tuple(encode(_definition(name, newest=newest, cite=cite)) for name in _VERSIONS if name in names)


def basic(tools: Sequence[bytes], refusal: str) -> tuple[bytes, ...]:
    """The tools, those in their basic version whose newest one a refusal of the API names."""
    return tuple(_basic(tool, refusal) for tool in tools)


def _definition(name: str, *, newest: bool, cite: bool) -> dict[str, Any]:
    version = _VERSIONS[name]
    told: dict[str, Any] = {"type": version.newest if newest else version.basic, "name": name}
    if newest and name != "code_execution":
        told["allowed_callers"] = ["direct"]
    if cite and name == "web_fetch":
        told["citations"] = {"enabled": True}
    return told


def _basic(tool: bytes, refusal: str) -> bytes:
    for name, version in _VERSIONS.items():
        if version.newest in refusal and b'"%b"' % version.newest.encode() in tool[:80]:
            cite = "citations" in json.loads(tool)
            return encode(_definition(name, newest=False, cite=cite))
    return tool


def _refuse(name: str, model: Model, foreign: str) -> None:
    # The Models API tells nothing of web fetch: it comes with web search.
    told = model.code_execution if name == "code_execution" else model.web_search
    if told is False:
        raise UsageProblem(f"{model.id} has no such tool: leave {FLAGS[name]} out. Nothing was sent.")
    if foreign and told is None:
        raise UsageProblem(
            f"{FLAGS[name]}: a tool of Anthropic's API; {foreign} does not say that it has it. Leave it "
            "out, or see %claude_models --refresh. Nothing was sent."
        )
