"""The SDK's client: built at first use, kept, and never asked for its key aloud."""

from __future__ import annotations

from dataclasses import dataclass, field

import anthropic
from anthropic import Anthropic

from claude_magic.api import models
from claude_magic.api.failures import from_sdk
from claude_magic.errors import ConfigProblem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
NO_CREDENTIAL = (
    "No credential for the API: set ANTHROPIC_API_KEY before the kernel starts, "
    "or run %claude_offline to use the local demo model. Nothing was sent."
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; empty fields mean: as the SDK finds it in the environment."""

    base_url: str = ""
    api_key: str = field(default="", repr=False)


def connect(endpoint: Endpoint) -> Anthropic:
    """Build the SDK's client for an endpoint.

    Raises
    ------
    ConfigProblem
        When there is no credential at all.
    """
    client = _client(endpoint)
    if not _credential(client):
        client.close()
        raise ConfigProblem(NO_CREDENTIAL)
    return client


def _client(endpoint: Endpoint) -> Anthropic:
    http = anthropic.DefaultHttpxClient(follow_redirects=False)
    client = Anthropic(base_url=endpoint.base_url or None, api_key=endpoint.api_key or None, http_client=http)
    if client.base_url.host in LOOPBACK:
        # A proxy of the environment must not see what is meant for this machine.
        direct = anthropic.DefaultHttpxClient(follow_redirects=False, trust_env=False)
        client = client.with_options(http_client=direct)
    return client


def _credential(client: Anthropic) -> str:
    """The kind of credential in use, ``""`` for none; never the credential."""
    if client.api_key:
        return "API key"
    if client.auth_token:
        return "auth token"
    return "profile" if client.credentials else ""


def describe(connected: Anthropic | None, endpoint: Endpoint) -> list[tuple[str, str, str, str]]:
    """Where requests go and with what kind of credential, as rows of ``%claude_config``."""
    client = connected or _client(endpoint)
    source = "%claude_offline" if endpoint.base_url else "environment"
    try:
        return [
            ("API", str(client.base_url.host), source, "The host requests go to (ANTHROPIC_BASE_URL)."),
            (
                "credential",
                _credential(client) or "none",
                source,
                "How requests are authorised (ANTHROPIC_API_KEY and others); never shown.",
            ),
        ]
    finally:
        if connected is None:
            client.close()


def resolve(name: str, client: Anthropic) -> models.Model:
    """The model a name means; a name the catalogue lacks is looked up at the API, which costs nothing.

    Raises
    ------
    ConfigProblem
        When the API does not know it either.
    ApiProblem
        When the API cannot be asked.
    """
    known = models.find(name)
    if known is not None:
        return known
    try:
        info = client.models.retrieve(name)
    except (anthropic.NotFoundError, ValueError) as error:
        raise models.unknown(name) from error
    except anthropic.APIError as error:
        raise from_sdk(error, client, "") from error
    listed = models.unlisted(info.id)
    return models.Model(
        info.id,
        info.line or "",
        None,
        info.max_input_tokens or listed.window,
        info.max_tokens or listed.max_output,
    )
