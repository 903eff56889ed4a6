"""``%claude_models`` and the words about models that leave, in a real kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from claude_magic.api.models import find
from claude_magic.errors import UsageProblem
from claude_magic.offline import LocalApi
from claude_magic.prepared import Prepared
from claude_magic.question import Question
from claude_magic.values import Block
from tests.conversation.made import a_turn, text_block
from tests.kernels import Kernel, running_kernel


def rows(table: str) -> dict[str, str]:
    """The rows of the table by the id in them."""
    return {found[0]: line for line in table.splitlines() if (found := re.search(r"claude-[\w-]+", line))}


def test_without_a_credential_the_shipped_table_is_shown(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%load_ext claude_magic")
    ran = fresh_kernel.run("%claude_models")
    assert ran.status == "ok", ran.error
    title, head, *_ = ran.result.splitlines()
    assert title.startswith("List prices of 2026-11-21, USD per million tokens.")
    assert "from the vendor's documentation" in title
    assert "--refresh asks the API" in title
    assert " ".join(head.split()) == "-m model context max out $ in $ out $ cached thinks takes"
    found = rows(ran.result)
    assert re.sub(" +", " ", found["claude-opus-5-5"]).startswith(
        "opus claude-opus-5-5 1M 128K $4 $20 $0.20 always images PDF schema"
    )
    assert "all prices ×5 when the prompt has more than 100K" in found["claude-haiku-5-5"]
    assert "no published price" in found["claude-fable-5-2"]
    assert found["claude-sonnet-4-5"].endswith("→ claude-sonnet-5-5")
    assert "prefill" in found["claude-haiku-4-5"]
    assert "prefill" not in found["claude-haiku-5-5"]
    assert "claude-opus-4-20250514" not in found
    every = rows(fresh_kernel.run("%claude_models --all").result)
    assert "retired 2026-06-15 → claude-opus-5-5" in every["claude-opus-4-20250514"]
    assert set(found) < set(every)


def test_one_model_is_shown_whole(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%load_ext claude_magic")
    shown = fresh_kernel.run("%claude_models haiku").result
    for part in (
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        "1,000,000 tokens",
        "medium unless said otherwise",
        "takes adaptive, disabled",
        "prompt up to 100K",
        "$0.10 in, $0.50 out, $0.01 cache read, $0.125 cache write for 5 min, $0.20 for 1 h",
        "$0.50 in, $2.50 out, $0.05 cache read, $0.625 cache write for 5 min, $1 for 1 h",
        "$0.25 in, $1.25 out",
        "$0.55 in, $2.75 out",
        "$10 per 1,000",
    ):
        assert part in shown, part
    assert "fast mode" not in shown
    assert "fast mode" in fresh_kernel.run("%claude_models claude-opus-5").result
    ran = fresh_kernel.run("%claude_models claude-opus-5.5")
    assert "No model 'claude-opus-5.5'. Did you mean 'claude-opus-5-5'" in ran.error
    assert "No credential" in fresh_kernel.run("%claude_models --refresh").error
    assert "no flag --al" in fresh_kernel.run("%claude_models --al").error
    assert "--refresh" in json.dumps(fresh_kernel.run("%claude_models?").payload)


def test_the_list_of_the_api_is_kept_across_kernels(tmp_path: Path, local_api: LocalApi) -> None:
    environment = {"ANTHROPIC_BASE_URL": local_api.url, "ANTHROPIC_API_KEY": local_api.token}
    host = local_api.url.removeprefix("http://")
    with running_kernel(tmp_path, **environment) as kernel:
        kernel.run("%load_ext claude_magic")
        assert "from the vendor's documentation" in kernel.run("%claude_models").result
        assert f"as {host} listed them on" in kernel.run("%claude_models --refresh").result
        assert local_api.token not in kernel.run("%claude_models --all").result
    (tmp_path / "kernel.json").unlink(missing_ok=True)
    with running_kernel(tmp_path, **environment) as kernel:
        kernel.run("%load_ext claude_magic")
        title = kernel.run("%claude_models").result.splitlines()[0]
        assert re.search(rf"as {re.escape(host)} listed them on \d{{4}}-\d\d-\d\d \(today\)\.", title)
        # A question for a known model asks nothing more: the list stays of its day.
        kernel.run("%claude say: hello", allow_stdin=False)
        assert kernel.run("%claude_models").result.splitlines()[0] == title


def test_of_a_model_that_leaves_it_is_told_once(kernel: Kernel) -> None:
    said = re.compile(
        r"claude-sonnet-4-5 (retires (in \d+ days|tomorrow|today) \(2026-11-30\)|was to retire on 2026-11-30)"
        r"; its successor is claude-sonnet-5-5\. "
        r"%claude_compare -m claude-sonnet-4-5 -m claude-sonnet-5-5 tells what would change\.\n"
    )
    ran = kernel.run("%claude --no-history -m claude-sonnet-4-5 say: still here", allow_stdin=False)
    assert ran.status == "ok", ran.error
    assert said.fullmatch(ran.stdout), ran.stdout
    assert [content["name"] for content in ran.of("stream")] == ["stderr"]
    ran = kernel.run("%claude --no-history -m claude-sonnet-4-5 say: again", allow_stdin=False)
    assert (ran.status, ran.stdout) == ("ok", "")
    ran = kernel.run("%claude --no-history say: fine", allow_stdin=False)
    assert (ran.status, ran.stdout) == ("ok", "")


def test_a_retired_model_is_told_and_the_api_decides(kernel: Kernel) -> None:
    ran = kernel.run("%claude --no-history -m claude-opus-4-20250514 hi", allow_stdin=False)
    assert ran.stdout == (
        "claude-opus-4-20250514 was retired on 2026-06-15; its successor is claude-opus-5-5. "
        "The API is asked all the same.\n"
    )
    assert ran.status == "error"
    assert "claude-opus-4-20250514" in ran.error


def test_more_tokens_than_a_model_gives(kernel: Kernel) -> None:
    ran = kernel.run("%claude --no-history -m claude-haiku-4-5 --max-tokens 100_000 hi", allow_stdin=False)
    assert ran.displayed == []
    assert ran.error.endswith(
        "claude-haiku-4-5 answers with at most 64,000 tokens, not 100,000: use --max-tokens 64000, or use "
        "claude-haiku-5-5. Nothing was sent."
    )
    kernel.run("%claude_config max_tokens=100000")
    ran = kernel.run("%claude --no-history -m claude-haiku-4-5 say: lowered", allow_stdin=False)
    assert ran.status == "ok", ran.error
    assert (
        ran.stdout == "claude-haiku-4-5 answers with at most 64,000 tokens: max_tokens is lowered to that.\n"
    )
    kernel.run("%claude_config max_tokens=16000")


def test_pictures_and_pages_are_counted_over_the_whole_conversation() -> None:
    paper = Block("document", b'{"type":"document","source":{"type":"text","data":"x"}}', pages=60)
    small, large = find("claude-haiku-4-5"), find("haiku")
    assert small is not None
    assert large is not None
    blocks = (paper, text_block("what is new?"))
    history = (a_turn("what is this?", blocks=(paper, text_block("what is this?"))),)
    assert Prepared(Question("x", small, {}), blocks).request(None)
    assert Prepared(Question("x", large, {}), blocks, history=history).request(None)
    with pytest.raises(UsageProblem) as caught:
        Prepared(Question("x", small, {}), blocks, history=history).request(None)
    assert str(caught.value) == (
        "120 PDF pages in this conversation; claude-haiku-4-5 takes 100: begin a new one with --new, "
        "or use claude-haiku-5-5. Nothing was sent."
    )
