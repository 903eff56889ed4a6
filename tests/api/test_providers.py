"""Other providers: what is sent to each and how its answer is read, over HTTP on this machine."""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import json
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import anthropic
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from claude_magic.api import address, models, providers
from claude_magic.api.catalogue import SHIPPED, fetch
from claude_magic.api.client import Endpoint, connect, describe, place
from claude_magic.api.count import count_tokens
from claude_magic.api.fold import Fold
from claude_magic.api.patience import Patience
from claude_magic.api.request import Message, Request
from claude_magic.api.stream import Stream
from claude_magic.citations import Numbers
from claude_magic.errors import (
    ApiBusy,
    ApiProblem,
    ConfigProblem,
    ConnectionProblem,
    RequestRefused,
    StreamCut,
    UsageProblem,
)
from claude_magic.evaluation import prepare
from claude_magic.question import Question
from claude_magic.settings import PROVIDERS, Settings
from claude_magic.stop import Stop
from claude_magic.values import Block
from tests.clouds import EVENTS, TEXTS, Asked, Server, frame, serving, wire

KEY = "sk-ant-canary-0123456789"
"""A key of Anthropic's, which no other provider may be sent."""
OTHERS = [one for one in providers.PROVIDERS if one is not providers.ANTHROPIC]
NAMES = [one.name for one in OTHERS]
PATIENCE = Patience(first_event=20.0, silence=20.0, retries=0)
MODELS = {
    "bedrock": "us.anthropic.claude-opus-4-8-v1:0",
    "bedrock-mantle": "anthropic.claude-opus-4-8",
    "vertex": "claude-sonnet-4-5@20250929",
}
VARIABLES: dict[str, dict[str, str]] = {
    "bedrock": {"AWS_REGION": "us-east-1", "AWS_BEARER_TOKEN_BEDROCK": "token-of-bedrock"},
    "bedrock-mantle": {"AWS_REGION": "us-east-1", "AWS_BEARER_TOKEN_BEDROCK": "token-of-mantle"},
    "vertex": {"CLOUD_ML_REGION": "global", "ANTHROPIC_VERTEX_PROJECT_ID": "my-project"},
    "google-cloud": {
        "ANTHROPIC_GOOGLE_CLOUD_PROJECT": "my-project",
        "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID": "wrkspc_1",
    },
    "foundry": {"ANTHROPIC_FOUNDRY_API_KEY": "key-of-foundry"},
    "aws": {
        "AWS_REGION": "us-east-1",
        "ANTHROPIC_AWS_API_KEY": "key-of-aws",
        "ANTHROPIC_AWS_WORKSPACE_ID": "wrkspc_1",
    },
}
AWS_KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret/of+aws"}
SIGNED_FOR = {"bedrock": "bedrock", "bedrock-mantle": "bedrock-mantle", "aws": "aws-external-anthropic"}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every credential of Anthropic's, none of anybody else; no cloud's own machine is asked."""
    import os

    own = ("ANTHROPIC_", "AWS_", "GOOGLE_", "CLOUDSDK_", "CLOUD_ML", "SSL_CERT")
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith(own):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    from anthropic.lib.aws import _auth

    _auth._get_session.cache_clear()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def google_key() -> str:
    """The key of a service account, made for these tests."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def ready(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, google_key: str) -> Server:
    """The environment that each provider needs, all pointed at the server."""
    account = tmp_path / "account.json"
    account.write_text(
        json.dumps(
            {
                "type": "service_account", "project_id": "accounts-project", "private_key_id": "1",
                "private_key": google_key, "client_email": "a@b.example", "client_id": "1",
                "token_uri": f"{server.url}/token",
            }
        ),
        encoding="utf-8",
    )  # fmt: skip
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    for one in OTHERS:
        for name, value in VARIABLES[one.name].items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(one.address, f"{server.url}/base")
    return server


def request_for(name: str, **more: Any) -> Request:
    hello = Message("user", (b'{"type":"text","text":"Gr\xc3\xbc\xc3\x9fe \xf0\x9f\x99\x82"}',))
    return Request(MODELS.get(name, "claude-opus-5-5"), 100, (hello,), "Be brief.", ("END",), **more)


def asked(name: str, stop: Stop | None = None, **more: Any) -> tuple[Fold, Stream]:
    """Ask a provider as a cell does, and follow its answer to the end."""
    client = connect(Endpoint(chosen=name))
    fold = Fold(Numbers())
    try:
        with Stream(client, request_for(name, **more).body(), stop or Stop(), PATIENCE) as stream:
            for events in stream.batches():
                for event in events:
                    fold.take(event)
        return fold, stream
    finally:
        client.close()


def answering(server: Server, name: str, events: list[dict[str, Any]] | None = None) -> None:
    server.pieces = wire(name, EVENTS if events is None else events)
    server.headers = {"Content-Type": providers.named(name).stream_type, "request-id": "req_1"}
    if name == "bedrock":
        server.headers = {"Content-Type": providers.named(name).stream_type, "x-amzn-RequestId": "req_1"}


# -- the table


def test_the_table_is_the_settings_and_the_sdks() -> None:
    assert tuple(one.name for one in providers.PROVIDERS) == PROVIDERS
    extras = set(importlib.metadata.metadata("anthropic").get_all("Provides-Extra") or ())
    for one in providers.PROVIDERS:
        assert isinstance(getattr(anthropic, one.client), type)
        assert not one.extra or one.extra in extras
        assert bool(one.extra) == bool(one.packages)
        assert re.fullmatch(one.home, urllib.parse.urlsplit(one.example).hostname or "")


@pytest.mark.parametrize("one", OTHERS, ids=NAMES)
def test_the_variables_of_the_table_are_those_the_sdk_reads(one: providers.Provider) -> None:
    """A variable that a line names is one the SDK, or the cloud's own package, reads."""
    folder = Path(anthropic.__file__).parent / "lib"
    sources = "".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    told = f"{one.key} {one.credentials} {one.address} {one.where} {one.wants}"
    names = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", told))
    clouds = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS"}
    assert [name for name in names - clouds if f'"{name}"' not in sources] == []


@pytest.mark.parametrize("one", OTHERS, ids=NAMES)
def test_where_the_sdk_would_go_by_itself_is_the_providers_home(
    one: providers.Provider, ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(one.address)
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_RESOURCE", "my-resource")
    client = connect(Endpoint(chosen=one.name))
    client.close()
    assert address.foreign_host(client) == ""
    assert "anthropic.com" not in str(client.base_url)
    assert client.max_retries == 0
    assert not client._client.follow_redirects
    rows = describe(None, Endpoint(chosen=one.name))
    assert rows[0][:3] == ("API", client.base_url.host, one.where)
    assert place(None, Endpoint(chosen=one.name)) == client.base_url.host
    assert not ready.questions
    monkeypatch.delenv("ANTHROPIC_FOUNDRY_RESOURCE")
    monkeypatch.setenv(one.address, "https://gateway.example/x")
    client = connect(Endpoint(chosen=one.name))
    client.close()
    assert address.foreign_host(client) == "gateway.example"
    assert describe(None, Endpoint(chosen=one.name))[0][:3] == ("API", "gateway.example", one.address)


def test_a_region_that_leads_elsewhere_is_not_the_providers_home(
    ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, variable in (("bedrock", "AWS_REGION"), ("vertex", "CLOUD_ML_REGION"), ("aws", "AWS_REGION")):
        monkeypatch.delenv(providers.named(name).address)
        monkeypatch.setenv(variable, "evil.example/x")
        client = connect(Endpoint(chosen=name))
        client.close()
        assert address.foreign_host(client).endswith("evil.example")
    assert not ready.asked


def test_the_offline_api_goes_before_every_provider(ready: Server) -> None:
    for one in OTHERS:
        endpoint = Endpoint(ready.url, "token", one.name)
        assert endpoint.provider is providers.ANTHROPIC
        client = connect(endpoint)
        client.close()
        assert type(client) is anthropic.Anthropic
        assert str(client.base_url).rstrip("/") == ready.url


def test_the_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_MAGIC_PROVIDER", "vertex")
    assert Settings().provider == "vertex"


# -- a question


PATHS = {
    "bedrock": "/base/model/us.anthropic.claude-opus-4-8-v1:0/invoke-with-response-stream",
    "vertex": "/base/projects/my-project/locations/global/publishers/anthropic/models/"
    "claude-sonnet-4-5@20250929:streamRawPredict",
}
AUTHORISED = {
    "bedrock": ("authorization", "Bearer token-of-"),
    "bedrock-mantle": ("authorization", "Bearer token-of-"),
    "vertex": ("authorization", "Bearer token-of-google"),
    "google-cloud": ("authorization", "Bearer token-of-google"),
    "foundry": ("x-api-key", "key-of-foundry"),
    "aws": ("authorization", "Bearer key-of-aws"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_question_goes_out_and_its_answer_streams_in(name: str, ready: Server) -> None:
    answering(ready, name)
    fold, stream = asked(name)
    assert fold.answer().text == "".join(TEXTS)
    assert fold.answer().usage.input_tokens == 11
    assert fold.answer().usage.output_tokens == 7
    assert stream.request_id == "req_1"
    (question,) = ready.questions
    assert urllib.parse.unquote(question.path) == PATHS.get(name, "/base/v1/messages")
    header, value = AUTHORISED[name]
    assert question.headers[header].startswith(value)
    expected = json.loads(request_for(name).body())
    sent = question.json
    if providers.named(name).rewrites:
        assert sent.pop("anthropic_version")
        del expected["model"]
    if name == "bedrock":
        del expected["stream"]
    assert sent == expected
    if not providers.named(name).rewrites:
        assert question.body == request_for(name).body()  # the very bytes


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_anthropics_credentials_goes_elsewhere(
    name: str, ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", f"{KEY}-token")
    answering(ready, name)
    asked(name)
    sent = "".join(f"{one.path} {one.headers} {one.body!r}" for one in ready.asked)
    assert KEY not in sent
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"X-Team: blue\nAuthorization: Bearer {KEY}")
    before = len(ready.asked)
    with pytest.raises(ConfigProblem, match="ANTHROPIC_CUSTOM_HEADERS: Authorization holds a key") as caught:
        asked(name)
    assert "canary" not in str(caught.value)
    assert len(ready.asked) == before


@pytest.mark.parametrize("name", SIGNED_FOR)
def test_awss_own_credentials_sign_what_arrives(
    name: str, ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(providers.named(name).key)
    monkeypatch.delenv("ANTHROPIC_AWS_API_KEY", raising=False)
    for variable, value in AWS_KEYS.items():
        monkeypatch.setenv(variable, value)
    answering(ready, name)
    fold, _ = asked(name)
    assert fold.answer().text == "".join(TEXTS)
    (question,) = ready.questions
    told = question.headers["authorization"]
    assert told == signature(question, SIGNED_FOR[name])
    assert AWS_KEYS["AWS_SECRET_ACCESS_KEY"] not in str(ready.asked)
    rows = describe(None, Endpoint(chosen=name))
    assert rows[1][1] == "AWS credentials"
    assert "canary" not in repr(rows)


def signature(question: Asked, service: str) -> str:
    """AWS's Signature Version 4 of a request that has arrived, after its public description."""
    told = question.headers["authorization"]
    names = told.split("SignedHeaders=")[1].split(",")[0]
    day, moment = question.headers["x-amz-date"][:8], question.headers["x-amz-date"]
    lines = [
        "POST",
        urllib.parse.quote(question.path, safe="/~"),
        "",
        *(f"{one}:{question.headers[one]}" for one in names.split(";")),
        "",
        names,
        hashlib.sha256(question.body).hexdigest(),
    ]
    scope = f"{day}/us-east-1/{service}/aws4_request"
    whole = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{AWS_KEYS['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signed = hmac.new(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{whole}".encode(), hashlib.sha256)
    return (
        f"AWS4-HMAC-SHA256 Credential={AWS_KEYS['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, "
        f"Signature={signed.hexdigest()}"
    )


@pytest.mark.parametrize("name", ["vertex", "google-cloud"])
def test_the_project_of_googles_credential_serves_where_none_is_set(
    name: str, ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ANTHROPIC_VERTEX_PROJECT_ID", "ANTHROPIC_GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(variable)
    monkeypatch.delenv(providers.named(name).address)
    client = connect(Endpoint(chosen=name))
    client.close()
    if name == "vertex":
        assert str(client.base_url) == "https://aiplatform.googleapis.com/v1/"
        assert client.project_id == "accounts-project"  # type: ignore[attr-defined]
    else:
        assert str(client.base_url) == (
            "https://claude.googleapis.com/v1/projects/accounts-project/locations/global/workspaces/"
            "wrkspc_1/invoke/"
        )
        rows = describe(None, Endpoint(chosen=name))  # before anything is looked up
        assert rows[0][1] == "claude.googleapis.com"


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_that_is_cut_is_told_and_what_came_is_kept(name: str, ready: Server) -> None:
    answering(ready, name)
    ready.pieces = ready.pieces[:5]
    with pytest.raises(StreamCut, match="cut before its end"):
        asked(name)


@pytest.mark.parametrize("name", NAMES)
def test_stop_ends_a_reply_that_hangs(name: str, ready: Server) -> None:
    answering(ready, name)
    ready.pieces = ready.pieces[:4]
    ready.hold.clear()
    stop = Stop()
    client = connect(Endpoint(chosen=name))
    came = []
    with Stream(client, request_for(name).body(), stop, PATIENCE) as stream:
        for events in stream.batches():
            came += events
            if stream.begun:
                stop.ask()
    assert stream.begun
    assert came
    assert stream._done.wait(20)  # the connection is shut: its thread ends, though nothing more is sent
    client.close()


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_noticed(name: str, ready: Server) -> None:
    answering(ready, name)
    ready.pieces = ready.pieces[:4]
    ready.hold.clear()
    client = connect(Endpoint(chosen=name))
    patience = Patience(first_event=20.0, silence=0.2)
    with (
        pytest.raises(StreamCut, match="Nothing more came"),
        Stream(client, request_for(name).body(), Stop(), patience) as stream,
    ):
        for _ in stream.batches():
            pass
    client.close()


def test_exceptions_in_bedrocks_stream(ready: Server) -> None:
    answering(ready, "bedrock")
    whole = ready.pieces
    for kind, begun, raised in [
        ("throttlingException", False, ApiBusy),
        ("throttlingException", True, ApiBusy),
        ("validationException", False, RequestRefused),
        ("modelStreamErrorException", True, ApiBusy),
    ]:
        headers = {
            ":exception-type": kind,
            ":content-type": "application/json",
            ":message-type": "exception",
        }
        ready.pieces = [*whole[: 5 if begun else 0], frame(headers, b'{"message": "Too many tokens"}')]
        with pytest.raises(raised, match="Too many tokens"):
            asked("bedrock")


def test_a_frame_that_is_broken_is_no_answer(ready: Server) -> None:
    answering(ready, "bedrock")
    ready.pieces[4] = ready.pieces[4][:-1] + bytes([ready.pieces[4][-1] ^ 1])
    with pytest.raises(StreamCut):
        asked("bedrock")


@pytest.mark.parametrize(
    ("name", "status", "body", "raised", "said"),
    [
        (
            "bedrock",
            403,
            {"message": "The security token is expired"},
            RequestRefused,
            "security token is exp",
        ),
        ("bedrock", 400, {"message": "The model id is invalid"}, RequestRefused, ": The model id is invalid"),
        ("bedrock", 429, {"message": "Too many requests"}, ApiBusy, "429: Too many requests"),
        ("bedrock", 503, {"Message": "Unavailable"}, ApiBusy, "503: Unavailable"),
        (
            "vertex",
            404,
            {"error": {"code": 404, "message": "no model"}},
            RequestRefused,
            "Not found: no model",
        ),
        ("vertex", 429, [{"error": {"code": 429, "message": "Quota"}}], ApiBusy, "429: Quota"),
        (
            "foundry",
            401,
            {"error": {"code": "401", "message": "No"}},
            RequestRefused,
            "ANTHROPIC_FOUNDRY_API",
        ),
        ("google-cloud", 403, {"error": {"message": "No"}}, RequestRefused, "GOOGLE_APPLICATION_CREDENTIALS"),
        (
            "aws",
            401,
            {"type": "error", "error": {"type": "authentication_error", "message": "No"}},
            RequestRefused,
            "ANTHROPIC_AWS_API_KEY",
        ),
    ],
)
def test_refusals_are_told_in_one_line(
    name: str, status: int, body: object, raised: type[ApiProblem], said: str, ready: Server
) -> None:
    ready.status, ready.pieces = status, [json.dumps(body).encode()]
    ready.headers = {"Content-Length": str(len(ready.pieces[0]))}
    with pytest.raises(raised) as caught:
        asked(name)
    line = str(caught.value)
    assert said in line
    assert "\n" not in line
    assert len(ready.questions) == 1  # the SDK does not try again by itself
    assert "set a valid ANTHROPIC_API_KEY" not in line


def test_a_key_that_an_error_repeats_is_masked(ready: Server) -> None:
    for name, secret in (("foundry", "key-of-foundry"), ("vertex", "token-of-google"), ("aws", "key-of-aws")):
        ready.status, ready.pieces = 400, [json.dumps({"error": {"message": f"no {secret}!"}}).encode()]
        ready.headers = {}
        with pytest.raises(RequestRefused, match=r"no \*\*\*!"):
            asked(name)


def test_a_credential_that_has_gone_is_told(ready: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_AWS_API_KEY")
    for variable, value in AWS_KEYS.items():
        monkeypatch.setenv(variable, value)
    client = connect(Endpoint(chosen="aws"))
    for variable in AWS_KEYS:
        monkeypatch.delenv(variable)
    with (
        pytest.raises(ConnectionProblem, match="credential cannot be used") as caught,
        Stream(client, request_for("aws").body(), Stop(), PATIENCE) as stream,
    ):
        for _ in stream.batches():
            pass
    assert "Set ANTHROPIC_AWS_API_KEY, or AWS_ACCESS_KEY_ID" in str(caught.value)
    assert not ready.asked
    client.close()


def test_a_credential_that_google_refuses_is_told(ready: Server, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    told = json.loads(account.read_text("utf-8")) | {"token_uri": f"{ready.url}/refused"}
    account.write_text(json.dumps(told), encoding="utf-8")
    ready.status, ready.pieces = 400, [b'{"error": "invalid_grant", "error_description": "Account gone"}']
    with pytest.raises(ConnectionProblem, match=r"credential cannot be used .*invalid_grant") as caught:
        asked("vertex")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(caught.value)
    assert [one.path for one in ready.asked] == ["/refused"]


# -- what is missing


@pytest.mark.parametrize(
    ("name", "without", "said"),
    [
        ("bedrock", "AWS_REGION", "no region is known: set AWS_REGION"),
        ("bedrock-mantle", "AWS_REGION", "no region is known: set AWS_REGION"),
        ("bedrock", "AWS_BEARER_TOKEN_BEDROCK", "no credential is found: set AWS_BEARER_TOKEN_BEDROCK"),
        ("bedrock-mantle", "AWS_BEARER_TOKEN_BEDROCK ANTHROPIC_AWS_API_KEY", "no credential is found"),
        ("vertex", "CLOUD_ML_REGION", "no region is known: set CLOUD_ML_REGION"),
        ("vertex", "GOOGLE_APPLICATION_CREDENTIALS", "set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud"),
        (
            "google-cloud",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud",
        ),
        ("google-cloud", "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID", "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID"),
        ("foundry", "ANTHROPIC_FOUNDRY_API_KEY", "no key is known: set ANTHROPIC_FOUNDRY_API_KEY"),
        ("foundry", "", "no resource is known: set ANTHROPIC_FOUNDRY_RESOURCE"),
        ("aws", "AWS_REGION", "no region is known: set AWS_REGION"),
        ("aws", "ANTHROPIC_AWS_WORKSPACE_ID", "no workspace is known: set ANTHROPIC_AWS_WORKSPACE_ID"),
        ("aws", "ANTHROPIC_AWS_API_KEY", "no credential is found: set ANTHROPIC_AWS_API_KEY"),
    ],
)
def test_what_is_not_set_is_named(
    name: str, without: str, said: str, ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(providers.named(name).address)
    for variable in without.split():
        monkeypatch.delenv(variable)
    with pytest.raises(ConfigProblem) as caught:
        connect(Endpoint(chosen=name))
    line = str(caught.value)
    assert said in line
    assert line.startswith(f"{providers.named(name).title}: ")
    assert line.endswith("Nothing was sent.")
    assert "\n" not in line
    assert caught.value.__context__ is None
    assert not ready.questions


@pytest.mark.parametrize("name", ["vertex", "google-cloud"])
def test_a_missing_project_is_named(
    name: str, ready: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("ANTHROPIC_VERTEX_PROJECT_ID", "ANTHROPIC_GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(variable)
    monkeypatch.delenv(providers.named(name).address)
    account = tmp_path / "account.json"
    told = json.loads(account.read_text("utf-8"))
    del told["project_id"]
    account.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ConfigProblem, match="no project is known: set ANTHROPIC_"):
        connect(Endpoint(chosen=name))
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "Authorization: Bearer other")  # of a gateway's
    with pytest.raises(ConfigProblem, match="no project is known: set ANTHROPIC_"):
        connect(Endpoint(chosen=name))
    assert not ready.asked


@pytest.mark.parametrize(
    ("name", "variable", "found", "said"),
    [
        ("foundry", "ANTHROPIC_FOUNDRY_API_KEY", "“key”", "ANTHROPIC_FOUNDRY_API_KEY has quotes"),
        ("foundry", "ANTHROPIC_FOUNDRY_API_KEY", "", "ANTHROPIC_FOUNDRY_API_KEY has no key in it"),
        ("aws", "ANTHROPIC_AWS_API_KEY", "a\nb", "ANTHROPIC_AWS_API_KEY has a line break"),
        ("bedrock", "AWS_BEARER_TOKEN_BEDROCK", "a b", "AWS_BEARER_TOKEN_BEDROCK has a blank"),
        ("bedrock", "AWS_BEARER_TOKEN_BEDROCK", "", "AWS_BEARER_TOKEN_BEDROCK has no key in it"),
        ("bedrock", "ANTHROPIC_BEDROCK_BASE_URL", "nowhere", "ANTHROPIC_BEDROCK_BASE_URL needs http://"),
        ("foundry", "ANTHROPIC_FOUNDRY_BASE_URL", "ftp://x", "neither an http:// nor an https:// address"),
        ("vertex", "ANTHROPIC_VERTEX_BASE_URL", "https://a:b@c", "holds a user name or password"),
        ("vertex", "ANTHROPIC_VERTEX_BASE_URL", "https://a\x7fb", "makes no address that can be used"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_defect(
    name: str, variable: str, found: str, said: str, ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, found)
    with pytest.raises(ConfigProblem, match=re.escape(said)):
        connect(Endpoint(chosen=name))
    assert not ready.questions


@pytest.mark.parametrize(
    ("name", "path"),
    [("foundry", "/base/v1"), ("aws", "/base/v1/messages"), ("vertex", "/base/v1"), ("bedrock", "/v1")],
)
def test_the_version_at_the_end_of_an_address(
    name: str, path: str, ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(providers.named(name).address, f"{ready.url}{path}")
    notes: list[str] = []
    client = connect(Endpoint(chosen=name), notes.append)
    client.close()
    kept = name in ("vertex", "bedrock")
    assert client.base_url.path.rstrip("/") == (path if kept else "/base")
    assert len(notes) == (0 if kept else 1)


def test_an_aws_profile_that_is_not_there(ready: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigProblem, match=r"profile \(nobody\) could not be found"):
        connect(Endpoint(chosen="bedrock"))


BLOCKED = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("boto3", "botocore", "google"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from claude_magic.api.client import Endpoint, connect, describe
from claude_magic.errors import ConfigProblem
for name in sys.argv[1:]:
    try:
        connect(Endpoint(chosen=name)).close()
        print(name, "made")
    except ConfigProblem as problem:
        print(name, problem)
        assert describe(None, Endpoint(chosen=name))[0][3] == str(problem)
"""


def without_extras(*names: str) -> dict[str, str]:
    run = subprocess.run(
        [sys.executable, "-c", BLOCKED, *names], capture_output=True, text=True, check=True, timeout=60
    )
    return dict(line.split(" ", 1) for line in run.stdout.splitlines())


def test_a_missing_extra_is_named_and_nothing_else_needs_it(
    ready: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = (
        "{} needs packages that are missing: run %pip install 'anthropic[{}]' and restart the kernel. "
        "Nothing was sent."
    )
    said = without_extras(*NAMES)
    assert said == {
        "bedrock": line.format("Amazon Bedrock", "bedrock"),
        "bedrock-mantle": "made",  # by a key
        "vertex": line.format("Google Vertex AI", "vertex"),
        "google-cloud": line.format("Claude on Google Cloud", "google-cloud"),
        "foundry": "made",
        "aws": "made",
    }
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK")
    monkeypatch.delenv("ANTHROPIC_AWS_API_KEY")
    monkeypatch.delenv("AWS_REGION")
    assert without_extras("bedrock") == {"bedrock": said["bedrock"]}
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert without_extras("bedrock-mantle", "aws") == {
        "bedrock-mantle": line.format("Amazon Bedrock (Mantle)", "bedrock"),
        "aws": line.format("Claude Platform on AWS", "aws"),
    }


def test_nothing_of_the_clouds_is_imported_for_anthropic() -> None:
    code = (
        "import sys\nfrom claude_magic.api.client import Endpoint, connect\nconnect(Endpoint()).close()\n"
        "print(*(name for name in sys.modules if name.startswith(('boto', 'google'))))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == []


# -- what providers lack


@pytest.mark.parametrize("one", OTHERS, ids=NAMES)
def test_tokens_are_counted_or_that_is_refused(one: providers.Provider, ready: Server) -> None:
    client = connect(Endpoint(chosen=one.name))
    if not one.has_count:
        with pytest.raises(UsageProblem, match="does not count tokens"):
            count_tokens(request_for(one.name), client)
        assert not ready.asked
    else:
        assert count_tokens(request_for(one.name), client) == 42
        (question,) = ready.questions
        path = "/base/v1/messages/count_tokens"
        if one.name == "vertex":
            path = f"{PATHS['vertex'].rpartition('/')[0]}/count-tokens:rawPredict"
        assert question.path == path
        assert question.json["model"] == request_for(one.name).model
        assert question.json["messages"]
    client.close()


@pytest.mark.parametrize("one", OTHERS, ids=NAMES)
def test_models_are_listed_or_that_is_refused(one: providers.Provider, ready: Server) -> None:
    client = connect(Endpoint(chosen=one.name))
    if one.has_models:
        model = {"type": "model", "id": "claude-opus-5-5", "display_name": "Opus"}
        page = {"data": [model], "has_more": False, "first_id": None, "last_id": None}
        ready.pieces = [json.dumps(page).encode()]
        ready.headers = {"Content-Length": str(len(ready.pieces[0]))}
        assert fetch(client, "h", date(2026, 11, 21)).find("claude-opus-5-5")
        assert ready.questions[0].path.startswith("/base/v1/models")
    else:
        with pytest.raises(UsageProblem, match="does not list its models"):
            fetch(client, "h", date(2026, 11, 21))
        assert not ready.asked
    client.close()


@pytest.mark.parametrize("one", providers.PROVIDERS, ids=lambda one: one.name)
def test_web_addresses_are_refused_where_nobody_fetches_them(one: providers.Provider) -> None:
    model = models.find("claude-opus-5-5")
    assert model is not None
    question = Question(
        "What is it?", model, {}, attach=("https://a.example/x.png",), urls=True, provider=one
    )
    prepared = prepare(question)
    if one.has_urls:
        assert b"https://a.example/x.png" in prepared.request(None).body()
    else:
        with pytest.raises(UsageProblem, match=r"fetches no web addresses: https://a\.example/x\.png"):
            prepared.request(None)
        plain = prepare(replace(question, attach=()))
        earlier = replace(prepared.turn(Fold(Numbers()).answer(), "complete"))
        with pytest.raises(UsageProblem, match="--new"):
            plain.at((earlier,)).request(None)


class Uploads:
    """Stands for the files of a client: notes the size above which they would go."""

    def __init__(self) -> None:
        self.above: list[int] = []

    def placed(self, blocks: tuple[Block, ...], above: int) -> tuple[Block, ...]:
        self.above.append(above)
        return blocks


@pytest.mark.parametrize("one", providers.PROVIDERS, ids=lambda one: one.name)
def test_attachments_stay_inline_where_no_files_are_kept(one: providers.Provider) -> None:
    model = models.find("claude-opus-5-5")
    assert model is not None
    uploads = Uploads()
    prepared = prepare(Question("Hello", model, {}, upload_above=1000, provider=one))
    request = prepared.request(uploads)  # type: ignore[arg-type]
    assert uploads.above == [1000 if one.has_files else 0]
    assert (request.follows is not None) == one.has_diagnostics


# -- the names of models


@pytest.mark.parametrize(
    ("provider", "name", "known"),
    [
        ("bedrock", "us.anthropic.claude-opus-4-8-v1:0", "claude-opus-4-8"),
        ("bedrock", "anthropic.claude-opus-4-8", "claude-opus-4-8"),
        ("bedrock", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("bedrock-mantle", "anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("vertex", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5-20250929"),
        ("vertex", "claude-opus-4-6", "claude-opus-4-6"),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", ""),
        ("bedrock", "anthropic.opus", ""),
        ("bedrock", "evil-anthropic-claude-opus-4-8", ""),
        ("foundry", "my-deployment", ""),
        ("foundry", "claude-opus-5-5", "claude-opus-5-5"),
    ],
)
def test_an_id_goes_through_as_written_and_is_priced_where_it_is_clear(
    provider: str, name: str, known: str
) -> None:
    found = providers.own_model(providers.named(provider), name, SHIPPED.models)
    assert found is not None
    assert found.id == name
    if known:
        model = models.find(known)
        assert model is not None
        assert (found.prices, found.window, found.line) == (model.prices, model.window, model.line)
        assert found.prices is not None
        assert found.lifecycle == "active"
    else:
        assert found.prices is None
        assert not found.limits_known


@pytest.mark.parametrize("one", providers.PROVIDERS, ids=lambda one: one.name)
def test_a_short_name_means_something_only_where_ids_are_anthropics(one: providers.Provider) -> None:
    for name in models.LINES:
        if one.ids:
            with pytest.raises(ConfigProblem, match=re.escape(f"write one such as {one.ids}")):
                providers.refuse_short(one, name)
        else:
            providers.refuse_short(one, name)
        assert providers.own_model(one, name, SHIPPED.models) is None
