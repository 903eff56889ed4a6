"""The providers whose clients the SDK carries: what each needs, and what it has of the API.

One row a provider; whatever else differs between them is asked of the row. Variables are named here for
messages only: the SDK reads them itself. How a client is made of a row: `claude_magic.api.clouds`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import anthropic
import httpx2
from anthropic import Anthropic

from claude_magic.api import models
from claude_magic.errors import ConfigProblem, UsageProblem
from claude_magic.values import Block

_AWS_PACKAGES = ("boto3", "botocore.eventstream")
_GOOGLE_PACKAGES = ("google.auth", "google.auth.transport.requests")
_AWS_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_GOOGLE_KEYS = "GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login"
_AWS_REGION = ("region", "no region is known: set AWS_REGION, such as us-east-1")


@dataclass(frozen=True, slots=True)
class Provider:
    """What is to be known of a provider.

    Parameters
    ----------
    name, title : str
        As the setting has it, and for people.
    client : str
        The SDK's class.
    extra : str
        The SDK's extra that brings ``packages``; ``""`` where none is needed.
    cloud : str
        ``"aws"`` and ``"google"`` for those clouds' own credentials, ``""`` for a key alone.
    key : str
        The variable of a key, ``""`` where there is none; several are tried by the SDK, in their order.
    credentials : str
        Variables that authorise requests, for messages: what stands behind "set".
    address : str
        The variable that names another address.
    where : str
        The variable that otherwise decides where requests go.
    wants : tuple of (str, str)
        A word of what the SDK says when something is not set, and what to say then.
    home : str
        A pattern of the provider's own hosts; requests to others are asked about.
    example : str
        One of them, as an address.
    ids : str
        A model id of its own kind; ``""`` where models have the ids of Anthropic's API.
    has_files, has_count, has_models, has_urls, has_diagnostics, has_batches : bool
        Whether it keeps files, counts tokens, lists models, fetches web addresses, says why the prompt cache
        was missed, and takes Message Batches.
    rewrites : bool
        Whether the SDK moves parts of the body into the path, so that it wants to be given it unjoined.
    stream_type : str
        The content type of a streamed answer.
    """

    name: str
    title: str
    client: str
    extra: str = ""
    cloud: str = ""
    key: str = ""
    credentials: str = ""
    address: str = "ANTHROPIC_BASE_URL"
    where: str = "default"
    wants: tuple[tuple[str, str], ...] = ()
    home: str = r"(?:.*\.)?anthropic\.com"
    example: str = "https://api.anthropic.com"
    ids: str = ""
    has_files: bool = True
    has_count: bool = True
    has_models: bool = True
    has_urls: bool = True
    has_diagnostics: bool = True
    has_batches: bool = field(default=True, kw_only=True)
    rewrites: bool = field(default=False, kw_only=True)
    stream_type: str = field(default="text/event-stream", kw_only=True)

    @property
    def framed(self) -> bool:
        """Whether a streamed answer comes in binary frames, which the packages of the extra read."""
        return self.stream_type != "text/event-stream"

    @property
    def packages(self) -> tuple[str, ...]:
        """The modules its extra brings."""
        return {"aws": _AWS_PACKAGES, "google": _GOOGLE_PACKAGES}.get(self.cloud, ())


ANTHROPIC = Provider(
    "anthropic", "Anthropic", "Anthropic", key="ANTHROPIC_API_KEY", credentials="a valid ANTHROPIC_API_KEY"
)
PROVIDERS: tuple[Provider, ...] = (
    ANTHROPIC,
    Provider(
        "bedrock",
        "Amazon Bedrock",
        "AnthropicBedrock",
        extra="bedrock",
        cloud="aws",
        key="AWS_BEARER_TOKEN_BEDROCK",
        credentials=f"AWS_BEARER_TOKEN_BEDROCK, or {_AWS_KEYS}",
        address="ANTHROPIC_BEDROCK_BASE_URL",
        where="AWS_REGION",
        wants=(_AWS_REGION,),
        home=r"bedrock-runtime(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com",
        example="https://bedrock-runtime.us-east-1.amazonaws.com",
        ids="us.anthropic.claude-opus-4-8",
        has_files=False,
        has_count=False,
        has_models=False,
        has_urls=False,
        has_diagnostics=False,
        has_batches=False,
        rewrites=True,
        stream_type="application/vnd.amazon.eventstream",
    ),
    Provider(
        "bedrock-mantle",
        "Amazon Bedrock (Mantle)",
        "AnthropicBedrockMantle",
        extra="bedrock",
        cloud="aws",
        key="AWS_BEARER_TOKEN_BEDROCK",
        credentials=f"AWS_BEARER_TOKEN_BEDROCK, or {_AWS_KEYS}",
        address="ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
        where="AWS_REGION",
        wants=(_AWS_REGION,),
        home=r"bedrock-mantle\.[a-z0-9-]+\.api\.aws",
        example="https://bedrock-mantle.us-east-1.api.aws/anthropic",
        ids="anthropic.claude-opus-4-8",
        has_files=False,
        has_models=False,
        has_urls=False,
        has_diagnostics=False,
        has_batches=False,
    ),
    Provider(
        "vertex",
        "Google Vertex AI",
        "AnthropicVertex",
        extra="vertex",
        cloud="google",
        credentials=_GOOGLE_KEYS,
        address="ANTHROPIC_VERTEX_BASE_URL",
        where="CLOUD_ML_REGION",
        wants=(
            ("region", "no region is known: set CLOUD_ML_REGION, such as global or us-east5"),
            ("project", "no project is known: set ANTHROPIC_VERTEX_PROJECT_ID"),
        ),
        home=r"(?:[a-z0-9-]+-)?aiplatform(?:\.[a-z]+\.rep)?\.googleapis\.com",
        example="https://aiplatform.googleapis.com/v1",
        ids="claude-sonnet-4-5@20250929",
        has_files=False,
        has_models=False,
        has_urls=False,
        has_diagnostics=False,
        has_batches=False,
        rewrites=True,
    ),
    Provider(
        "google-cloud",
        "Claude on Google Cloud",
        "AnthropicGoogleCloud",
        extra="google-cloud",
        cloud="google",
        credentials=_GOOGLE_KEYS,
        address="ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
        where="ANTHROPIC_GOOGLE_CLOUD_PROJECT",
        wants=(
            ("workspace", "no workspace is known: set ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID"),
            ("project", "no project is known: set ANTHROPIC_GOOGLE_CLOUD_PROJECT"),
        ),
        home=r"claude\.googleapis\.com",
        example="https://claude.googleapis.com",
        has_files=False,  # the SDK has the endpoint; the documentation says base64 sources only
        has_urls=False,
    ),
    Provider(
        "foundry",
        "Microsoft Foundry",
        "AnthropicFoundry",
        key="ANTHROPIC_FOUNDRY_API_KEY",
        credentials="ANTHROPIC_FOUNDRY_API_KEY",
        address="ANTHROPIC_FOUNDRY_BASE_URL",
        where="ANTHROPIC_FOUNDRY_RESOURCE",
        wants=(
            (
                "exclusive",
                "ANTHROPIC_FOUNDRY_RESOURCE and ANTHROPIC_FOUNDRY_BASE_URL are both set: take one out",
            ),
            ("credential", "no key is known: set ANTHROPIC_FOUNDRY_API_KEY"),
            ("resource", "no resource is known: set ANTHROPIC_FOUNDRY_RESOURCE to its name"),
        ),
        home=r"[a-z0-9-]+\.services\.ai\.azure\.com",
        example="https://example.services.ai.azure.com/anthropic",
        has_models=False,
        has_diagnostics=False,
        has_batches=False,
    ),
    Provider(
        "aws",
        "Claude Platform on AWS",
        "AnthropicAWS",
        extra="aws",
        cloud="aws",
        key="ANTHROPIC_AWS_API_KEY",
        credentials=f"ANTHROPIC_AWS_API_KEY, or {_AWS_KEYS}",
        address="ANTHROPIC_AWS_BASE_URL",
        where="AWS_REGION",
        wants=(
            _AWS_REGION,
            ("workspace", "no workspace is known: set ANTHROPIC_AWS_WORKSPACE_ID"),
        ),
        home=r"aws-external-anthropic\.[a-z0-9-]+\.api\.aws",
        example="https://aws-external-anthropic.us-east-1.api.aws",
    ),
)


def named(name: str) -> Provider:
    """The provider of a setting's value; Anthropic for an empty one."""
    return next((one for one in PROVIDERS if one.name == name), ANTHROPIC)


def of(client: object) -> Provider:
    """The provider a client of the SDK speaks to."""
    return next((one for one in PROVIDERS if one.client == type(client).__name__), ANTHROPIC)


def handed(client: Anthropic, body: bytes) -> dict[str, Any]:
    """A ready body as the arguments by which a client takes it."""
    return {"body": json.loads(body)} if of(client).rewrites else {"content": body}


def streamed(client: Anthropic, response: httpx2.Response) -> Iterator[str]:
    """The data of the events of a streamed answer, as they arrive."""
    if not of(client).framed:
        events = anthropic.Stream.raw_events(response)
    else:  # the client knows how frames are read; it tells it nowhere else
        events = client._make_sse_decoder().iter_bytes(response.iter_bytes())  # noqa: SLF001
    return (event.data for event in events)


def is_credential_error(error: Exception) -> bool:
    """Whether a cloud's own package, asked to authorise a request, could not."""
    if isinstance(error, RuntimeError) and str(error).startswith("Could not resolve"):
        return True  # the SDK's own word, where a credential has gone since it was looked at
    modules = [kind.__module__ for kind in type(error).__mro__]
    return any(module in ("botocore.exceptions", "google.auth.exceptions") for module in modules)


def refuse_missing(client: Anthropic, what: str) -> None:
    """Raise where a provider does not count tokens (``"count"``) or list models (``"models"``).

    Raises
    ------
    UsageProblem
        Before anything is sent.
    """
    provider = of(client)
    if what == "count" and not provider.has_count:
        raise UsageProblem(
            f"{provider.title} does not count tokens. --dry-run estimates them. Nothing was sent."
        )
    if what == "models" and not provider.has_models:
        raise UsageProblem(f"{provider.title} does not list its models. Nothing was sent.")


def refuse_urls(provider: Provider, blocks: Iterable[Block]) -> None:
    """Raise where web addresses are attached that a provider would not fetch.

    Raises
    ------
    UsageProblem
        Before anything is sent.
    """
    for block in () if provider.has_urls else blocks:
        if b'"type":"url"' in block.json[:200]:
            raise UsageProblem(
                f"{provider.title} fetches no web addresses: {block.name[:200]} cannot go there. Save it "
                "to a file and attach that; where it stands above in the conversation, begin another: --new. "
                "Nothing was sent."
            )


def own_model(provider: Provider, name: str, known: Iterable[models.Model]) -> models.Model | None:
    """The model of an id that a provider takes and Anthropic's list does not have; None for any other.

    What the id says clearly (``us.anthropic.claude-opus-4-8-v1:0``, ``claude-sonnet-4-5@20250929``) is the
    known model of that name, at its list price; the day it leaves is the provider's to say.
    """
    if provider.has_models or not name.strip() or name in models.LINES:
        return None
    plain = re.sub(r"^(?:[a-z]+(?:-[a-z]+)?\.)?anthropic\.|-v\d+(?::\d+)?$", "", name).replace("@", "-")
    model = next((model for model in known if model.id == plain), None)
    if model is None:
        return models.unlisted(name)
    return replace(model, id=name, lifecycle="active", retires=None, successor="")


def refuse_short(provider: Provider, name: str) -> None:
    """Raise for a line's short name where a provider has ids of its own, which nothing tells.

    Raises
    ------
    ConfigProblem
        Before anything is sent.
    """
    if provider.ids and name in models.LINES:
        raise ConfigProblem(
            f"{provider.title} has model ids of its own, and none for {name!r} is known: write one such as "
            f"{provider.ids} behind -m, or by %claude_config model=…. Nothing was sent."
        )
