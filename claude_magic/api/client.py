"""The SDK's client: built at first use, kept, and never asked for its key aloud."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import httpx2
from anthropic import Anthropic

from claude_magic.api import address, clouds, providers
from claude_magic.api.cassettes import Cassette
from claude_magic.api.catalogue import SHIPPED, Catalogue, Listed, described
from claude_magic.api.credential import (
    CUSTOM_HEADERS,
    NO_CREDENTIAL,
    Secret,
    check_custom_headers,
    checked,
    custom_headers,
    kind_and_origin,
    masked,
)
from claude_magic.api.failures import from_sdk, no_api
from claude_magic.api.stream import watch
from claude_magic.api.tape import Tape
from claude_magic.errors import ConfigProblem, Interrupted

OLDEST_SDK = (2, 11)
TIMEOUT = httpx2.Timeout(600.0, connect=15.0)

_OFFLINE = "%claude_offline"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; empty fields mean: as the SDK finds it in the environment.

    Parameters
    ----------
    chosen : str
        The provider of the setting; a local Messages API goes before it.
    """

    base_url: str = ""
    api_key: str = field(default="", repr=False)
    chosen: str = "anthropic"

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", Secret(self.api_key))

    @property
    def provider(self) -> providers.Provider:
        """Who answers."""
        return providers.ANTHROPIC if self.base_url else providers.named(self.chosen)


def _say_nothing(_: str) -> None:
    """For callers that have nobody to tell."""


def connect(
    endpoint: Endpoint, tell: Callable[[str], object] = _say_nothing, cassette: Cassette | None = None
) -> Anthropic:
    """Build the SDK's client for an endpoint. Nothing is sent.

    Parameters
    ----------
    endpoint : Endpoint
        Where requests go, and with what key.
    tell : callable
        Called with each note the user should read: one line.
    cassette : Cassette or None
        What answers in the place of the API, or records its answers.

    Raises
    ------
    ConfigProblem
        When there is no credential, or it, the address or the environment cannot be used. The line
        repeats nothing of the key.
    """
    _check_version()
    found = _found(endpoint)
    if providers.of(found) is not providers.ANTHROPIC:
        return _connect_elsewhere(found, tell, cassette)
    given = _OFFLINE if endpoint.api_key else ""
    kind, origin = kind_and_origin(found, given)
    if not kind:
        raise ConfigProblem(NO_CREDENTIAL)
    url, notes = address.corrected(found.base_url, _address_origin(found, endpoint))
    check_custom_headers(found)
    chosen: dict[str, Any] = {}
    if kind in ("API key", "auth token"):
        argument = "api_key" if kind == "API key" else "auth_token"
        chosen[argument], note = checked(Secret(getattr(found, argument)), origin)
        notes = (note, *notes) if note else notes
    http = _http(url, cassette)
    client = found.copy(base_url=str(url), http_client=http, max_retries=0, timeout=TIMEOUT, **chosen)
    for note in notes:
        tell(note)
    return client


def _connect_elsewhere(
    found: Anthropic, tell: Callable[[str], object], cassette: Cassette | None
) -> Anthropic:
    """The client of another provider than Anthropic; as `connect`."""
    check_custom_headers(found)
    client, note = clouds.authorised(found)
    provider, origin = providers.of(client), address.origin_of(client, "")
    url, notes = address.corrected(client.base_url, origin, provider)
    http = _http(url, cassette)
    connected = client.copy(base_url=url, http_client=http, max_retries=0, timeout=TIMEOUT)
    for one in (note, *notes):
        if one:
            tell(one)
    return connected


def replaying(cassette: Cassette, why: str = "") -> Anthropic:
    """A client that sends nothing and needs no credential: all its answers come from a cassette.

    Parameters
    ----------
    why : str
        Why nothing can be sent, for what is not recorded; ``""`` where nothing is to be sent.
    """
    _check_version()
    found = _found(Endpoint(cassette.api or address.DEFAULT, "replayed"))
    http = _client_of(Tape(cassette, None, why=why))
    return found.copy(http_client=http, max_retries=0, timeout=TIMEOUT)


def _check_version() -> None:
    version = tuple(int(part) for part in re.findall(r"\d+", anthropic.__version__)[:2])
    if version < OLDEST_SDK:
        oldest = ".".join(map(str, OLDEST_SDK))
        raise ConfigProblem(
            f"The package anthropic is too old ({anthropic.__version__}, {oldest} is needed): run "
            f"%pip install -U 'anthropic>={oldest}' and restart the kernel. Nothing was sent."
        )


def _found(endpoint: Endpoint) -> Anthropic:
    """What the SDK finds in the environment, as a client that cannot send."""
    if endpoint.provider is not providers.ANTHROPIC:
        return clouds.found(endpoint.provider)
    nowhere = httpx2.Client(transport=httpx2.BaseTransport())
    try:
        return Anthropic(
            base_url=endpoint.base_url or None, api_key=endpoint.api_key or None, http_client=nowhere
        )
    except httpx2.InvalidURL:
        line = (
            f"{_OFFLINE if endpoint.base_url else 'ANTHROPIC_BASE_URL'} is no address that can be used; it "
            f"needs one, such as {address.DEFAULT}."
        )
    except Exception as error:  # noqa: BLE001 - profiles and tokens on disk fail in many ways
        said = masked(str(error)) if isinstance(error, anthropic.AnthropicError) else type(error).__name__
        line = f"The credential cannot be read: {' '.join(said.split())[:300].rstrip('.')}."
    raise ConfigProblem(f"{line} Nothing was sent.")  # outside: the cause, and the key in it, is not chained


def _http(url: httpx2.URL, cassette: Cassette | None = None) -> httpx2.Client:
    """The HTTP layer for requests to one host: without redirects, and with no proxy for this machine.

    The proxy is chosen here: the SDK would take one of the environment for this machine too, whatever
    ``trust_env`` says, and fails on a network in ``NO_PROXY``.
    """
    proxy = address.proxy_for(url)
    # Nothing to certify on an unencrypted connection; a broken SSL_CERT_FILE must not stop the local server.
    plain = url.scheme == "http" and (proxy is None or proxy.url.scheme == "http")
    try:
        if not plain:
            _check_certificate_folder()
        transport = httpx2.HTTPTransport(
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True,
            proxy=proxy,
            limits=anthropic.DEFAULT_CONNECTION_LIMITS,
            socket_options=_keep_alive(),
        )
        if cassette is None:
            return _client_of(transport)
        port = None if address.is_loopback(url) else url.port
        return _client_of(
            Tape(cassette, transport if cassette.sends else None, str(url.copy_with(port=port)))
        )
    except OSError as error:  # ssl.SSLError is one
        reason = "holds no certificates" if isinstance(error, ssl.SSLError) else "cannot be read"
        line = f"The file SSL_CERT_FILE names {reason}: set it to a PEM file of certificates, or take it out"
    raise ConfigProblem(f"{line}; then restart the kernel. Nothing was sent.")


def _client_of(transport: httpx2.BaseTransport) -> httpx2.Client:
    return anthropic.DefaultHttpxClient(
        transport=transport, follow_redirects=False, timeout=TIMEOUT, event_hooks={"request": [watch]}
    )


def _keep_alive() -> list[tuple[int, int, int]]:
    """Options that keep a silent connection open for minutes, as the SDK sets them."""
    wanted = (("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5), ("TCP_KEEPIDLE", 60))
    known = [(getattr(socket, name, None), value) for name, value in wanted]  # not every system has them
    options = [(socket.IPPROTO_TCP, name, value) for name, value in known if name is not None]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *options]


def _check_certificate_folder() -> None:
    """See that ``SSL_CERT_DIR`` names a folder: the SSL library takes any name and then trusts nobody."""
    paths = ssl.get_default_verify_paths()  # knows the variables; a path that does not exist is None
    chosen_file = paths.cafile and paths.cafile != paths.openssl_cafile
    if not (chosen_file or paths.capath) and Path(paths.openssl_capath).is_dir():
        raise ConfigProblem(
            "SSL_CERT_DIR names no folder: set it to a folder of certificates, or take it out; then restart "
            "the kernel. Nothing was sent."
        )


def _address_origin(client: Anthropic, endpoint: Endpoint) -> str:
    return address.origin_of(client, _OFFLINE if endpoint.base_url else "")


def describe(connected: Anthropic | None, endpoint: Endpoint) -> list[tuple[str, str, str, str]]:
    """Where requests go and with what kind of credential, as rows of ``%claude_config``.

    What cannot be used is a row too: the table is where one looks for what is wrong.
    """
    means = "How requests are authorised (ANTHROPIC_API_KEY and others); never shown."
    try:
        client = connected or _found(endpoint)
    except ConfigProblem as problem:
        return [("API", "cannot be used", "environment", str(problem))]
    found = address.rows(client, _address_origin(client, endpoint))
    if endpoint.provider is not providers.ANTHROPIC:
        return [*found, *clouds.describe(client), *_header_rows(client)]
    kind, origin = kind_and_origin(client, _OFFLINE if endpoint.api_key else "")
    try:
        if kind in ("API key", "auth token"):
            checked(Secret(client.api_key or client.auth_token), origin)
        found.append(("credential", kind or "none", origin, means))
    except ConfigProblem as problem:
        found.append(("credential", "cannot be used", origin, str(problem)))
    return [*found, *_header_rows(client)]


def _header_rows(client: Anthropic) -> list[tuple[str, str, str, str]]:
    names = sorted(masked(name) for name in custom_headers(client))
    shown = f"{len(names)}: {', '.join(names)}"
    means = "Sent with each request; values are never shown."
    return [("headers", shown, CUSTOM_HEADERS, means)] if names else []


def look_up(name: str, client: Anthropic, known: Catalogue = SHIPPED) -> Listed:
    """What the API says of one name; asking costs nothing.

    Raises
    ------
    ConfigProblem
        When the API does not know it.
    ApiProblem
        When the API cannot be asked.
    Interrupted
        When the notebook's interrupt came meanwhile.
    """
    if not name.strip():
        raise known.unknown(name)
    problem: BaseException
    try:
        info = client.models.retrieve(name)
    except anthropic.NotFoundError:
        problem = known.unknown(name)
    except KeyboardInterrupt:  # its traceback would go through frames that hold the key
        problem = Interrupted("stopped by the notebook while the model was looked up. Nothing was asked")
    except Exception as error:  # noqa: BLE001 - what is no API raises anything
        problem = from_sdk(error, client, "")
    else:
        listed = described(info)
        if listed is not None:
            return listed
        problem = no_api(client)
    raise problem  # outside the except: what the SDK raised, with the key in its frames, is not chained


def place(connected: Anthropic | None, endpoint: Endpoint) -> str:
    """Where requests go, as ``host`` or ``host:port``; ``""`` where the address cannot be used."""
    try:
        if connected is not None:
            url = connected.base_url
        else:
            found = _found(endpoint)
            origin = _address_origin(found, endpoint)
            url, _ = address.corrected(found.base_url, origin, endpoint.provider)
    except ConfigProblem:
        return ""
    return url.netloc.decode("ascii", "replace")
