"""JSON schemas in the dialect of structured outputs, by the SDK's own rules."""

from __future__ import annotations

from typing import Any

from anthropic import transform_schema


def for_api(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose objects are closed; what the API does not know of becomes part of descriptions.

    Raises
    ------
    ValueError
        For what has no type.
    """
    try:
        return transform_schema(schema)
    except (AssertionError, TypeError, AttributeError) as error:  # a type that JSON does not have
        raise ValueError("a part of it has a type that JSON schemas do not have") from error
