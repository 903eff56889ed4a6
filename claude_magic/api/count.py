"""Counting a request's tokens through the API, without asking the model."""

from __future__ import annotations

import anthropic
from anthropic import Anthropic
from anthropic.types import MessageTokensCount

from claude_magic.api.failures import from_sdk
from claude_magic.api.request import Request


def count_tokens(request: Request, client: Anthropic) -> int:
    """The input tokens of a request as the API counts them; costs nothing.

    Raises
    ------
    ApiProblem
        When the API does not answer.
    """
    try:
        counted = client.post(
            "/v1/messages/count_tokens", cast_to=MessageTokensCount, content=request.count_body()
        )
    except anthropic.AnthropicError as error:
        raise from_sdk(error, client, "") from error
    return counted.input_tokens
