"""Another provider in a notebook: chosen, shown, asked, left; the offline API goes before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_magic import offline
from tests.clouds import EVENTS, TEXTS, Server, serving, wire
from tests.kernels import Kernel, running_kernel

MODEL = "us.anthropic.claude-opus-4-8-v1:0"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.pieces = wire("bedrock", EVENTS)
        running.headers = {"Content-Type": "application/vnd.amazon.eventstream"}
        yield running


@pytest.fixture
def notebook(server: Server, local_api: offline.LocalApi, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with credentials of Anthropic's, here the local API, and of Amazon Bedrock's."""
    environment = {
        "ANTHROPIC_BASE_URL": local_api.url,
        "ANTHROPIC_API_KEY": local_api.token,
        "AWS_REGION": "us-east-1",
        "AWS_BEARER_TOKEN_BEDROCK": "token-of-bedrock",
        "ANTHROPIC_BEDROCK_BASE_URL": server.url,
    }
    with running_kernel(tmp_path, **environment) as running:
        assert running.run("%load_ext claude_magic").status == "ok"
        yield running


def test_a_provider_is_chosen_asked_and_left(notebook: Kernel, server: Server) -> None:
    def asked(line: str = "Hello") -> str:
        ran = notebook.run(f"r = %claude {line}")
        assert ran.status == "ok", ran.error
        return notebook.value("r.text")

    assert "demo" in asked()
    notebook.run("%claude_config provider=bedrock")
    refused = notebook.run("%%claude\nHello")
    assert "Amazon Bedrock has model ids of its own, and none for 'sonnet' is known" in refused.error
    assert "Nothing was sent." in refused.error
    notebook.run(f"%claude_config model={MODEL}")
    assert asked() == repr("".join(TEXTS))
    assert float(notebook.value("r.cost")) == pytest.approx((11 * 5 + 7 * 25) / 1e6)  # of Opus 4.8
    assert len(server.asked) == 1
    assert "demo" in str(server.asked[0].json["messages"])  # the conversation goes on there
    table = notebook.run("%claude_config").result
    assert server.url.removeprefix("http://") in table
    for told in ("ANTHROPIC_BEDROCK_BASE_URL", "AWS_BEARER_TOKEN_BEDROCK", "API key"):
        assert told in table
    assert "token-of-bedrock" not in table
    counted = notebook.run("%claude_count Hello")
    assert "Amazon Bedrock does not count tokens" in counted.error
    listed = notebook.run("%claude_models --refresh")
    assert "Amazon Bedrock does not list its models" in listed.error
    assert notebook.run("%claude_models").status == "ok"
    shown = notebook.run("%%claude --dry-run --no-history\nHello")
    assert MODEL in shown.result + repr(shown.displayed), shown.error

    notebook.run("%claude_offline")  # goes before the setting while it is on
    assert "demo" in asked("-m haiku Hello")
    notebook.run("%claude_offline --off")
    assert asked() == repr("".join(TEXTS))
    assert len(server.asked) == 2

    notebook.run("%claude_config provider=anthropic model=haiku")
    assert "demo" in asked()
    assert len(server.asked) == 2
    bad = notebook.run("%claude_config provider=bedrok")
    assert "'bedrok' is no value for provider" in bad.error
