"""Clients of providers other than Anthropic: what the SDK finds for them, and with what credential.

The SDK's class is looked up when a question is asked, and what its extra brings (boto3, google-auth) is
imported then.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, cast

import anthropic
import httpx2
from anthropic import Anthropic

from claude_magic.api.credential import CUSTOM_HEADERS, Secret, checked, custom_headers, masked
from claude_magic.api.providers import Provider, of
from claude_magic.errors import ConfigProblem

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def found(provider: Provider) -> Anthropic:
    """What the SDK finds for a provider in the environment, as a client that cannot send.

    Raises
    ------
    ConfigProblem
        When its extra is not installed, or something it needs is not set.
    """
    if provider.framed:
        _check_packages(provider)
    nowhere = httpx2.Client(transport=httpx2.BaseTransport())
    try:
        made = getattr(anthropic, provider.client)(http_client=nowhere)
    except httpx2.InvalidURL:
        line = f"{provider.address} or {provider.where} makes no address that can be used"
    except Exception as error:  # noqa: BLE001 - profiles and files of clouds fail in many ways
        said = _said(error)
        line = next((what for word, what in provider.wants if word in said.lower()), f"the SDK says {said}")
    else:
        if _uses_cloud(provider, made):
            _check_packages(provider)
        if provider.name == "google-cloud" and not (made._base_url_overridden or made.workspace_id):  # noqa: SLF001
            raise _problem(provider, dict(provider.wants)["workspace"])
        return cast("Anthropic", made)
    raise _problem(provider, line)  # outside: the cause, and a key in it, is not chained


def _said(error: Exception) -> str:
    """What a foreign error says, as one short line without keys."""
    said = " ".join(masked(str(error)).split())
    return said[:200].rstrip(".") or type(error).__name__


def _problem(provider: Provider, line: str) -> ConfigProblem:
    return ConfigProblem(f"{provider.title}: {line}. Nothing was sent.")


def _check_packages(provider: Provider) -> None:
    """See that what a provider's extra brings can be imported."""
    missing = False
    try:
        for module in provider.packages:
            importlib.import_module(module)
    except ImportError:
        missing = True
    if missing:
        raise ConfigProblem(
            f"{provider.title} needs packages that are missing: run "
            f"%pip install 'anthropic[{provider.extra}]' and restart the kernel. Nothing was sent."
        )


def _uses_cloud(provider: Provider, client: Any) -> bool:
    """Whether the cloud's own credentials authorise requests, rather than a key or a custom header."""
    if provider.cloud == "google":
        return "authorization" not in {name.lower() for name in custom_headers(client)}
    return provider.cloud == "aws" and client.api_key is None


def authorised(client: Anthropic) -> tuple[Anthropic, str]:
    """A found client with its credential looked at, and a note for the user or ``""``.

    The cloud's own credentials are looked for here, which may read files and ask the machine's own cloud;
    they are asked for a token at the first request.

    Raises
    ------
    ConfigProblem
        When there is none, or it cannot be one.
    """
    provider = of(client)
    leaking = [name for name, value in custom_headers(client).items() if "sk-ant-" in value]
    if leaking:
        raise ConfigProblem(
            f"{CUSTOM_HEADERS}: {masked(leaking[0])} holds a key of Anthropic's, which would go to "
            f"{provider.title}: take it out, or %claude_config provider=anthropic. Nothing was sent."
        )
    if not _uses_cloud(provider, client):
        return _with_key(provider, client)
    try:
        if provider.cloud == "google":
            client, problem = _with_google(provider, client)
        else:
            problem = _aws_problem(provider, client)
    except Exception as error:  # noqa: BLE001 - a cloud's configuration fails in many ways
        problem = f"no credential is found ({_said(error)}): set {provider.credentials}"
    if problem:
        raise _problem(provider, problem)  # outside: the cause is not chained
    return client, ""


def _with_key(provider: Provider, client: Anthropic) -> tuple[Anthropic, str]:
    if not provider.key:  # a custom header's; then nothing but the environment tells the project
        if _project(client) is None:
            raise _problem(provider, dict(provider.wants)["project"])
        return client, ""
    key, note = checked(Secret(client.api_key or ""), provider.key)
    return client.copy(api_key=key), note


def _aws_problem(provider: Provider, client: Any) -> str:
    """What keeps AWS's own credentials from signing requests; ``""`` for nothing."""
    import boto3  # noqa: PLC0415 - only who asks through AWS has it

    session = boto3.Session(region_name=client.aws_region)
    if not session.region_name:
        return dict(provider.wants)["region"]
    if session.get_credentials() is None:
        return f"no credential is found: set {provider.credentials}"
    return ""


def _with_google(provider: Provider, client: Any) -> tuple[Anthropic, str]:
    """The client with Google's own credentials and the project they name; and what is missing, or ``""``."""
    import google.auth  # noqa: PLC0415 - only who asks through Google has it

    credentials, project = google.auth.default(scopes=[_SCOPE])
    project = _project(client) or project
    if project is None:
        return client, dict(provider.wants)["project"]
    name = "project_id" if provider.name == "vertex" else "project"
    return client.copy(credentials=credentials, **({name: project} if project else {})), ""


def _project(client: Any) -> str | None:
    """The project that is set; ``""`` where none is needed, because the whole address is set."""
    if of(client).name == "vertex":
        return cast("str | None", client.project_id)
    return cast("str | None", client._project or ("" if client._base_url_overridden else None))  # noqa: SLF001 - shown nowhere


def kind_and_origin(client: Anthropic) -> tuple[str, str]:
    """The kind of credential a provider's client uses, and the variables it comes from."""
    provider = of(client)
    if not _uses_cloud(provider, client):
        return ("API key", provider.key) if provider.key else ("custom header", CUSTOM_HEADERS)
    names = re.findall(r"[A-Z][A-Z_]{5,}", provider.credentials)
    own = ", ".join(name for name in names if name != provider.key)
    return {"aws": "AWS credentials", "google": "Google credentials"}[provider.cloud], f"{own}, …"


def describe(client: Anthropic) -> list[tuple[str, str, str, str]]:
    """The row of ``%claude_config`` that tells what authorises requests to a provider."""
    provider = of(client)
    kind, origin = kind_and_origin(client)
    means = f"How requests to {provider.title} are authorised ({provider.credentials}); never shown."
    if kind == "API key":
        try:
            checked(Secret(client.api_key or ""), origin)
        except ConfigProblem as problem:
            return [("credential", "cannot be used", origin, str(problem))]
    return [("credential", kind, origin, means)]
