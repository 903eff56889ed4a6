"""Counting a request's tokens through the API, without asking the model."""

from __future__ import annotations

from anthropic import Anthropic
from anthropic.types import MessageTokensCount

from claude_magic.api import providers
from claude_magic.api.failures import from_sdk, no_api
from claude_magic.api.request import Request


def count_tokens(request: Request, client: Anthropic) -> int:
    """The input tokens of a request as the API counts them; costs nothing.

    Raises
    ------
    UsageProblem
        When the provider does not count. Nothing was sent.
    ApiProblem
        When the API does not answer.
    """
    providers.refuse_missing(client, "count")
    body = providers.handed(client, request.count_body())
    try:
        counted = client.post("/v1/messages/count_tokens", cast_to=MessageTokensCount, **body)
    except Exception as error:  # noqa: BLE001 - whatever the network does becomes one line
        raise from_sdk(error, client, "") from None
    if not isinstance(counted, MessageTokensCount):
        raise no_api(client)
    return counted.input_tokens
