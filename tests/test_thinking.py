"""``--thinking`` and ``--effort`` in a real kernel: shown, folded, sent back as it came, never in the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults import FaultServer, Fin, delta, ended, opened, refusal, sse, start, streamed, text
from tests.kernels import Kernel, Ran, running_kernel
from tests.relay import Relay, blocks

THINKING = ("thinking", "redacted_thinking")


@pytest.fixture(scope="module")
def relay() -> Relay:
    return Relay()


@pytest.fixture(scope="module")
def server(relay: Relay) -> Iterator[FaultServer]:
    with FaultServer(relay) as running:
        yield running


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory, server: FaultServer) -> Iterator[list[Kernel]]:
    """Two kernels one after the other in the same notebook: the second is the first restarted."""
    data = tmp_path_factory.mktemp("data")
    (data / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            home = tmp_path_factory.mktemp(name)
            kernel = stack.enter_context(
                running_kernel(
                    home,
                    ANTHROPIC_BASE_URL=server.url,
                    ANTHROPIC_API_KEY="canary",
                    JUPYTER_DATA_DIR=str(data),
                    JPY_SESSION_NAME=str(data / "a.ipynb"),
                    CLAUDE_MAGIC_RETRIES="0",
                )
            )
            assert kernel.run("%load_ext claude_magic").status == "ok"
            started.append(kernel)
        yield started


@pytest.fixture
def kernel(kernels: list[Kernel], relay: Relay) -> Kernel:
    relay.first = lambda _: None
    return kernels[0]


def shown(ran: Ran) -> str:
    assert ran.status == "ok", ran.error
    return str((ran.updated or ran.displayed)[-1]["text/markdown"])


def ask(
    kernel: Kernel, server: FaultServer, code: str, cell_id: str | None = None, requests: int = 1
) -> tuple[str, Any]:
    """Run a cell that makes so many requests; return its Markdown and the last of them."""
    before = len(server.requests)
    markdown = shown(kernel.run(code, cell_id=cell_id, allow_stdin=False))
    assert len(server.requests) == before + requests
    return markdown, server.requests[-1].body


def thought(relay: Relay, since: int) -> list[dict[str, Any]]:
    return [block for content in relay.answers[since:] for block in content if block["type"] in THINKING]


def test_thinking_is_folded_above_the_answer_counted_and_sent_back_as_it_came(
    kernel: Kernel, server: FaultServer, relay: Relay
) -> None:
    first = len(relay.answers)
    markdown, body = ask(kernel, server, "%%claude --new --thinking\nHello <b>there</b>")
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert markdown.startswith("<details><summary>Thinking</summary>\n\nThe conversation has 1 turn.")
    assert "<b>" not in markdown
    assert "thinking)" in markdown.rsplit("\n", 1)[-1]
    assert "The conversation has" not in kernel.value("_claude.text")
    for prompt in ("second", "third", "fourth"):
        kept = thought(relay, first)
        _, body = ask(kernel, server, f"%%claude --thinking\n{prompt}")
        assert blocks(body, *THINKING) == kept
    assert len(thought(relay, first)) == 4
    # It goes back though it is not shown, and nothing is asked that was not.
    kept = thought(relay, first)
    markdown, body = ask(kernel, server, "%%claude\nand now?")
    assert blocks(body, *THINKING) == kept
    assert "thinking" not in body
    assert "<details>" not in markdown


def test_a_page_gets_it_live_and_then_folded(kernel: Kernel, server: FaultServer) -> None:
    ran = kernel.run("%%claude --new --thinking\nHello", cell_id="live")
    assert "'thought'" in str([one for one in ran.messages if one["msg_type"] == "comm_msg"])
    assert shown(ran).startswith("<details><summary>Thinking</summary>")


def test_it_goes_back_between_the_steps_of_a_turn_and_after_a_restart(
    kernel: Kernel, kernels: list[Kernel], server: FaultServer, relay: Relay
) -> None:
    first = len(relay.answers)
    for prompt in ("Pause, then search the web.", "Pause again, and search the web."):
        before = len(server.requests)
        new = "--new " if first == len(relay.answers) else ""
        code = f"%%claude {new}--thinking --web\n{prompt}"
        markdown, _ = ask(kernel, server, code, cell_id=prompt[:6], requests=2)
        paused, resumed = server.requests[before:]
        assert len(blocks(resumed.body, *THINKING)) == len(blocks(paused.body, *THINKING)) + 1
        assert resumed.messages[-1]["role"] == "assistant"
        assert markdown.count("<summary>Thinking</summary>") == 2
    kept = thought(relay, first)
    assert len(kept) == 4
    _, body = ask(kernels[1], server, "%%claude --thinking\nAnd after a restart?", cell_id="again")
    assert blocks(body, *THINKING) == kept


def test_thinking_of_another_model_stays_behind(kernel: Kernel, server: FaultServer, relay: Relay) -> None:
    first = len(relay.answers)
    ask(kernel, server, "%%claude --new --thinking\nHello")
    (of_sonnet,) = thought(relay, first)
    _, body = ask(kernel, server, "%%claude --thinking -m opus\nGo on")
    assert blocks(body, *THINKING) == []
    assert blocks(body, "text")[1]["text"].startswith("*Offline demo model")
    _, body = ask(kernel, server, "%%claude --thinking -m claude-haiku-4-5\nGo on")
    assert blocks(body, *THINKING) == []
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 8_000}
    _, body = ask(kernel, server, "%%claude --thinking\nBack again")
    assert blocks(body, *THINKING) == [of_sonnet]


def test_thinking_below_a_changed_turn_stays_behind(
    kernel: Kernel, server: FaultServer, relay: Relay
) -> None:
    ask(kernel, server, "%%claude --new --thinking\nOne", cell_id="t1")
    ask(kernel, server, "%%claude --thinking\nTwo", cell_id="t2")
    first = len(relay.answers)
    _, body = ask(kernel, server, "%%claude --thinking\nAnother one", cell_id="t1")
    _, body = ask(kernel, server, "%%claude\nThree", cell_id="t3")
    assert blocks(body, *THINKING) == thought(relay, first)[:1]
    assert len(blocks(body, "text")) == 5


def test_a_refusal_of_thinking_never_wedges_a_conversation(
    kernel: Kernel, server: FaultServer, relay: Relay
) -> None:
    ask(kernel, server, "%%claude --new --thinking\nHello")
    told = "messages.1.content.0: Invalid `signature` in `thinking` block"
    relay.first = lambda seen: (
        refusal(400, "invalid_request_error", told) if blocks(seen.body, *THINKING) else None
    )
    before = len(server.requests)
    ask(kernel, server, "%%claude\nGo on", requests=2)
    refused, taken = server.requests[before:]
    assert len(blocks(refused.body, *THINKING)) == 1
    assert blocks(taken.body, *THINKING) == []
    assert len(taken.messages) == len(refused.messages)


def test_effort_is_sent_kept_to_the_models_that_take_it_and_shown_before(
    kernel: Kernel, server: FaultServer
) -> None:
    _, body = ask(kernel, server, "%%claude --no-history --effort low\nHello")
    assert body["output_config"] == {"effort": "low"}
    before = len(server.requests)
    ran = kernel.run("%%claude --no-history -m claude-haiku-4-5 --effort low\nHello", allow_stdin=False)
    assert "takes no effort: leave --effort out, or use claude-haiku-5-5" in ran.error
    ran = kernel.run(
        "%%claude --no-history -m claude-haiku-4-5 --thinking --max-tokens 1000\nHello", allow_stdin=False
    )
    assert "thinks by a budget of at least 1,024 tokens" in ran.error
    ran = kernel.run("%%claude --dry-run --effort max --thinking --web\nHello", allow_stdin=False)
    table = ran.result + str(ran.displayed)
    for told in ("effort", "max", "type adaptive, display summarized", "web_search_20260318"):
        assert told in table
    assert len(server.requests) == before


def test_settings_hold_where_a_model_takes_them(kernel: Kernel, server: FaultServer) -> None:
    assert kernel.run("%claude_config effort=low thinking=true").status == "ok"
    try:
        _, body = ask(kernel, server, "%%claude --no-history\nHello")
        assert body["output_config"] == {"effort": "low"}
        assert body["thinking"]["type"] == "adaptive"
        _, body = ask(kernel, server, "%%claude --no-history -m claude-haiku-4-5\nHello")
        assert "output_config" not in body
        assert body["thinking"]["type"] == "enabled"
    finally:
        kernel.run("%claude_config effort='' thinking=false")


@pytest.mark.parametrize(
    ("end", "said", "raised"),
    [
        ((sse(*ended("max_tokens")),), "cut at max_tokens while it was thinking", False),
        ((Fin(),), "cut while it was thinking", True),
    ],
)
def test_an_answer_that_ends_in_its_thinking_is_kept_and_said(
    kernel: Kernel, server: FaultServer, relay: Relay, end: tuple[Any, ...], said: str, *, raised: bool
) -> None:
    ask(kernel, server, "%%claude --new\nBefore")
    begun = sse(
        start(),
        opened(type="thinking", thinking="", signature=""),
        delta("thinking_delta", thinking="Let me see"),
    )
    relay.first = lambda _: streamed(begun, *end)
    ran = kernel.run("%%claude --thinking\nHello", allow_stdin=False)
    assert (ran.status == "error") is raised
    markdown = str(ran.displayed[-1]["text/markdown"])
    assert "Let me see" in markdown
    assert said in markdown.rsplit("\n", 1)[-1]
    relay.first = lambda _: None
    _, body = ask(kernel, server, "%%claude\nAnd now?")
    assert blocks(body, *THINKING) == []
    assert blocks(body, "text")[-1]["text"] == "And now?"


def test_that_thinking_misses_the_cache_is_told(kernel: Kernel, server: FaultServer) -> None:
    ask(kernel, server, f"%%claude --new\n{'long ' * 3_000}")
    markdown, _ = ask(kernel, server, "%%claude\nGo on")
    assert "cache missed" not in markdown
    markdown, _ = ask(kernel, server, "%%claude --thinking\nGo on")
    assert "cache missed: an earlier message, or thinking, changed" in markdown


def test_text_of_the_model_stays_text(kernel: Kernel, server: FaultServer, relay: Relay) -> None:
    hostile = "</details><script>alert(1)</script>\n\n![x](https://evil.example/x.png)"
    relay.first = lambda _: streamed(
        sse(
            start(),
            opened(type="thinking", thinking="", signature=""),
            delta("thinking_delta", thinking=hostile),
            delta("signature_delta", signature="c2ln"),
            *text("Done.", index=1),
            *ended(),
        )
    )
    markdown, _ = ask(kernel, server, "%%claude --new --thinking\nHello")
    assert "<script" not in markdown
    assert markdown.count("</details>") == 1
    assert "![" not in markdown
