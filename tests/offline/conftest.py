"""The real SDK against the local API, and the bare wire for what the SDK would never send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from claude_magic.offline import LocalApi

Post = Callable[..., httpx2.Response]


@pytest.fixture(scope="session")
def client(local_api: LocalApi) -> Iterator[anthropic.Anthropic]:
    """The SDK's client, which refuses an answer that is not exactly of its types."""
    with anthropic.Anthropic(
        base_url=local_api.url,
        api_key=local_api.token,
        max_retries=0,
        timeout=30,
        http_client=anthropic.DefaultHttpxClient(trust_env=False),
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.fixture(scope="session")
def wire(local_api: LocalApi) -> Iterator[httpx2.Client]:
    """HTTP without the SDK, with the headers an admitted client sends."""
    headers = {"x-api-key": local_api.token, "anthropic-version": "2026-10-21"}
    with httpx2.Client(base_url=local_api.url, headers=headers, trust_env=False, timeout=30) as wire:
        yield wire


@pytest.fixture(scope="session")
def post(wire: httpx2.Client) -> Post:
    """Post a body to /v1/messages; what is not given is a plain request that is accepted."""

    def post(path: str = "/v1/messages", **fields: Any) -> httpx2.Response:
        body: dict[str, Any] = {
            "model": "claude-opus-5-5",
            "max_tokens": 1000,
            "messages": [{"role": "user", "content": "Hello"}],
        }
        body |= fields
        return wire.post(path, json={name: value for name, value in body.items() if value is not ...})

    return post
