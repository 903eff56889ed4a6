"""Kernel functions as tools of the API: the SDK's own helper makes the schema and checks the input."""

from __future__ import annotations

import functools
import inspect
import re
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from claude_magic.api.request import encode
from claude_magic.errors import ToolProblem

NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What the API takes as the name of a tool."""
_PARAMETER = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_MOST_ERRORS = 10
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Definition:
    """A tool as the API is told of it, and the check of what it is called with.

    Parameters
    ----------
    json : bytes
        The definition as it is sent.
    description : str
        What the model reads of it.
    parameters : tuple of str
        The names of its parameters, those that may be left out with ``=`` behind.
    check : callable
        Takes the input, a JSON object; returns the arguments by position and by name. Raises ValueError,
        worded for the model, for input that the annotations do not allow.
    """

    json: bytes = field(repr=False)
    description: str
    parameters: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], tuple[list[Any], dict[str, Any]]] = field(repr=False)


def define(function: Callable[..., Any], name: str, description: str = "") -> Definition:
    """Make a function a tool; it is not called.

    Parameters
    ----------
    function : callable
        A function, bound method or other callable, its parameters annotated; sync or async.
    name : str
        The tool's name.
    description : str
        What the model is told; ``""`` for the docstring.

    Raises
    ------
    ToolProblem
        When the name or a parameter cannot be told to the API. Nothing was sent.
    """
    if not NAME.fullmatch(name):
        raise ToolProblem(
            f"Tool {name}: the API takes names of at most 128 letters A–Z, digits, _ and -. "
            'Give it one: @claude_magic.tool(name="…"). Nothing was sent.'
        )
    parameters, positional = _parameters(function, name)
    told = description or inspect.getdoc(function) or ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of defaults that are no JSON, which the schema leaves out
            helper, described = _helped(parameters, name, told, description)
        json = encode(described)
    except Exception as error:
        raise _unsupported(parameters, name, error) from error
    properties = described["input_schema"].get("properties", {})

    def check(given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        checked = _checked(helper, given)
        # What was not given is left to the function's own defaults.
        named = {key: value for key, value in checked.items() if key in given or key not in properties}
        return [named.pop(key) for key in positional if key in named], named

    return Definition(json, described["description"], tuple(map(_shown, parameters)), check)


def _parameters(
    function: Callable[..., Any], name: str
) -> tuple[tuple[inspect.Parameter, ...], tuple[str, ...]]:
    """The parameters, annotations resolved, and which of them go by position only."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ToolProblem(f"Tool {name}: Python knows no signature of it. Nothing was sent.") from error
    try:
        hints = typing.get_type_hints(_annotated(function), include_extras=True)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise ToolProblem(
            f"Tool {name}: an annotation cannot be resolved ({what}). Nothing was sent."
        ) from error
    found = [one for one in signature.parameters.values() if one.kind not in _VARIABLE]
    for one in found:
        if one.annotation is one.empty:
            raise ToolProblem(
                f"Tool {name}: its parameter {one.name} has no annotation; write {one.name}: str, for "
                "example, so that the model is told what to give. Nothing was sent."
            )
        if not _PARAMETER.fullmatch(one.name):
            raise ToolProblem(
                f"Tool {name}: the API takes only letters A–Z, digits and _ in {one.name!r}. "
                "Nothing was sent."
            )
    resolved = tuple(
        one.replace(kind=one.KEYWORD_ONLY, annotation=hints.get(one.name, one.annotation)) for one in found
    )
    return resolved, tuple(one.name for one in found if one.kind is one.POSITIONAL_ONLY)


def _annotated(function: Callable[..., Any]) -> Any:
    """Where the annotations of a callable are kept."""
    if isinstance(function, functools.partial):
        return _annotated(function.func)
    if isinstance(function, type):
        return function.__init__  # type: ignore[misc]
    plain = inspect.isroutine(function)
    return function if plain else type(function).__call__


def _helped(
    parameters: tuple[inspect.Parameter, ...], name: str, docstring: str, description: str = ""
) -> tuple[Any, dict[str, Any]]:
    """The SDK's tool over a function that only hands back what it was called with, and its definition.

    So that checking the input of a tool never runs the tool.
    """
    from anthropic import beta_tool  # noqa: PLC0415 - at first use

    def handed_back(**given: Any) -> Any:
        return given

    handed_back.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    handed_back.__annotations__ = {one.name: one.annotation for one in parameters}
    handed_back.__name__ = handed_back.__qualname__ = name
    handed_back.__doc__ = docstring
    helper = beta_tool(handed_back, name=name, description=description or None)
    return helper, dict(helper.to_dict())


def _checked(helper: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(helper.call(dict(given)))
    except ValueError as error:
        cause = error.__cause__
        listed = getattr(cause, "errors", None)
        if listed is None:
            raise
        told = listed(include_url=False, include_context=False, include_input=False)
        lines = [f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}" for one in told[:_MOST_ERRORS]]
        more = [f"and {len(told) - _MOST_ERRORS} more"] if len(told) > _MOST_ERRORS else []
        raise ValueError("; ".join(lines + more)) from None


def _unsupported(parameters: tuple[inspect.Parameter, ...], name: str, error: Exception) -> ToolProblem:
    """The line for the first parameter of which no schema can be made."""
    for one in parameters:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                encode(_helped((one.replace(default=one.empty),), name, "")[1])
        except Exception:  # noqa: BLE001 - this one it is
            kind = inspect.formatannotation(one.annotation)
            return ToolProblem(
                f"Tool {name}: no JSON schema can be made of {one.name}: {kind}. Take text, numbers, lists, "
                "a dataclass or a pydantic model. Nothing was sent."
            )
    reason = " ".join(str(error).split())[:200]
    return ToolProblem(f"Tool {name}: no JSON schema can be made of it ({reason}). Nothing was sent.")


def _shown(one: inspect.Parameter) -> str:
    return one.name if one.default is one.empty else f"{one.name}="
