"""``--web``, ``--fetch``, ``--run-code``: what is asked for, shown of it and paid, and what goes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from claude_magic.api.models import CATALOGUE, find, unlisted
from claude_magic.api.prices import WEB_SEARCH
from claude_magic.api.server_tools import basic, definitions
from claude_magic.conversation.portable import dump, load
from claude_magic.display.folds import folded_html, folded_markdown
from claude_magic.errors import UsageProblem
from claude_magic.evaluation import prepare
from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service
from claude_magic.question import Question
from claude_magic.served import server_section
from claude_magic.values import Answer, OtherPart, TextPart
from claude_magic.wording import linked
from tests.faults import (
    FaultServer,
    Fin,
    Script,
    closed,
    delta,
    ended,
    opened,
    refusal,
    sse,
    start,
    streamed,
    text,
)
from tests.kernels import Kernel, Ran, running_kernel
from tests.relay import Relay, blocks

ALL = ("web_search", "web_fetch", "code_execution")
SERVED = (
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "bash_code_execution_tool_result",
)
QUERY = {"query": "tides"}


# --- what is asked for


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda m: m.id)
def test_every_model_is_offered_versions_that_the_api_takes(one: Any) -> None:
    tools = [json.loads(tool) for tool in definitions(ALL, one)]
    assert [tool["name"] for tool in tools] == list(ALL)
    body = {"model": one.id, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "tools": tools}
    Service(Catalogue()).create(json.dumps(body).encode())
    newest = tools[0]["type"] == "web_search_20260318"
    assert newest is not ("4-5" in one.id)
    assert (tools[0].get("allowed_callers") == ["direct"]) is newest


def test_an_exported_conversation_keeps_what_they_brought() -> None:
    sonnet = find("sonnet")
    assert sonnet is not None
    found = [
        {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "e"}
    ]
    parts = (
        OtherPart(
            "server_tool_use",
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}, "input_json": "{}"},
        ),
        OtherPart(
            "web_search_tool_result", {"type": "web_search_tool_result", "tool_use_id": "s", "content": found}
        ),
        TextPart("A."),
    )
    asked = prepare(Question("Tides?", sonnet, {}))
    turn = asked.turn(Answer(parts, stop_reason="end_turn", complete=True, container="c"), "complete")
    assert [block["type"] for block in json.loads(turn.reply)["content"]] == [
        "server_tool_use",
        "web_search_tool_result",
        "text",
    ]
    (again,) = load(dump([turn], "t"))
    assert again == turn


def test_an_unknown_model_is_offered_what_every_model_takes() -> None:
    kinds = [json.loads(tool)["type"] for tool in definitions(ALL, unlisted("claude-new-6"))]
    assert kinds == ["web_search_20250305", "web_fetch_20250910", "code_execution_20250825"]


def test_a_host_that_is_not_anthropics_has_to_say_that_it_has_them() -> None:
    sonnet = find("sonnet")
    assert sonnet is not None
    with pytest.raises(
        UsageProblem, match=r"^--fetch: .*proxy.example:8443 does not say .* Nothing was sent"
    ):
        definitions(["web_fetch"], sonnet, foreign="proxy.example:8443")
    assert definitions(["web_fetch"], replace(sonnet, web_search=True), foreign="proxy.example:8443")
    with pytest.raises(UsageProblem, match=r"has no such tool: leave --run-code out. Nothing was sent"):
        definitions(["code_execution"], replace(sonnet, code_execution=False))


def test_a_refusal_that_names_a_version_leads_to_the_basic_one() -> None:
    sonnet = find("sonnet")
    assert sonnet is not None
    tools = (b'{"name":"web_search_20260318"}', *definitions(ALL, sonnet, cite=True))
    changed = basic(tools, "tools.1: no web_fetch_20260318 here")
    assert [old == new for old, new in zip(tools, changed, strict=True)] == [True, True, False, True]
    assert json.loads(changed[2]) == {
        "type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}
    }  # fmt: skip
    assert basic(changed, "tools.1: no web_fetch_20260318 here") == changed


# --- in a kernel


@pytest.fixture(scope="module")
def relay() -> Relay:
    return Relay()


@pytest.fixture(scope="module")
def server(relay: Relay) -> Iterator[FaultServer]:
    with FaultServer(relay) as running:
        yield running


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory, server: FaultServer) -> Iterator[list[Kernel]]:
    """Two kernels in the same notebook: the second is the first restarted."""
    data = tmp_path_factory.mktemp("data")
    (data / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            kernel = stack.enter_context(
                running_kernel(
                    tmp_path_factory.mktemp(name),
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


def test_a_search_is_shown_with_its_sources_counted_and_paid(kernel: Kernel, server: FaultServer) -> None:
    markdown = shown(kernel.run("%%claude --new --web\nSearch the web for tides.", cell_id="s1"))
    (tool,) = server.requests[-1].body["tools"]
    assert {name: tool[name] for name in ("type", "name", "allowed_callers")} == {
        "type": "web_search_20260318",
        "name": "web_search",
        "allowed_callers": ["direct"],
    }
    folded, rest = markdown.split("</details>")
    assert "Searched the web&#58; Search" in folded or "Searched the web: Search" in folded
    assert "1. [Example Domain (made up by the offline demo model)](https://example.com/)" in folded
    assert "“This domain is for use in examples.” [1]" in rest
    assert "**Sources**\n\n1. [Example Domain" in rest
    assert "· 1 web search ·" in rest.rsplit("\n", 1)[-1]
    assert "Searched" not in kernel.value("_claude.text")
    ran = kernel.run(
        "from claude_magic.api.models import cost, find\n"
        "from dataclasses import replace\n"
        "usage = _claude.turn.usage\n"
        "print(_claude.turn.cost - cost(find('sonnet'), replace(usage, web_searches=0)))"
    )
    assert float(ran.stdout) == pytest.approx(WEB_SEARCH)
    told = kernel.run("%claude_usage", cell_id="u").result
    assert "The API searched the web 1 time, which is charged and in the cost" in told


def test_what_they_brought_goes_back_as_it_came_also_after_a_restart(
    kernel: Kernel, kernels: list[Kernel], server: FaultServer, relay: Relay
) -> None:
    first = len(relay.answers)
    kernel.run("%%claude --new --web --fetch --run-code\nSearch the web for tides.", cell_id="b1")
    kernel.run("%%claude --web --fetch --run-code\nRead https://example.com/tides", cell_id="b2")
    ran = kernel.run("%%claude --web --fetch --run-code\nPlease compute it.", cell_id="b3")
    markdown = shown(ran)
    assert "Ran code at the API" in markdown
    assert "```bash\npython3 -c" in markdown
    assert "made up by the offline demo model: no code was run" in markdown
    assert [tool["name"] for tool in server.requests[-1].body["tools"]] == list(ALL)
    kept = [block for content in relay.answers[first:] for block in content if block["type"] in SERVED]
    assert [block["type"] for block in kept] == [
        "server_tool_use", SERVED[1], "server_tool_use", SERVED[2], "server_tool_use", SERVED[3]
    ]  # fmt: skip
    for code, running in (
        ("%%claude\nWithout any tool", kernel),
        ("%%claude -m opus\nBy another model", kernel),
        ("%%claude --web\nAfter a restart", kernels[1]),
    ):
        shown(running.run(code, cell_id=code))
        assert blocks(server.requests[-1].body, *SERVED) == kept


@pytest.mark.parametrize(
    ("flag", "prompt"),
    [("--web", "Pause and search the web."), ("--run-code", "Pause, and compute it.")],
)
def test_a_pause_is_gone_on_with_in_the_same_turn(
    kernel: Kernel, server: FaultServer, flag: str, prompt: str
) -> None:
    before = len(server.requests)
    markdown = shown(kernel.run(f"%%claude --new {flag}\n{prompt}", cell_id=f"p{flag}"))
    asked, resumed = server.requests[before:]
    assert len(resumed.messages) == len(asked.messages) + 1 == 2
    (call,) = blocks(resumed.body, "server_tool_use")
    assert resumed.messages[-1]["content"][-1]["id"] == call["id"]
    assert ("container" in resumed.body) is (flag == "--run-code")
    assert "container" not in asked.body
    assert markdown.count("<details>") == 1
    assert "no result came" not in markdown
    assert "made up" in markdown or "made-up" in markdown
    # The container was the turn's; the next one says nothing of it, and all goes back in one piece.
    shown(kernel.run("%%claude\nAnd now?", cell_id=f"q{flag}"))
    assert "container" not in server.requests[-1].body
    assert len(blocks(server.requests[-1].body, *SERVED)) == 2


def test_a_call_whose_result_was_cut_off_is_shown_and_stays_behind(
    kernel: Kernel, server: FaultServer, relay: Relay
) -> None:
    call = [
        opened(1, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        delta("input_json_delta", 1, partial_json=json.dumps(QUERY)),
        closed(1),
    ]
    relay.first = lambda _: streamed(sse(start(), *text("I look. "), *call), Fin())
    ran = kernel.run("%%claude --new --web\nTides?", cell_id="c1")
    assert ran.status == "error"
    assert "Searched the web" in str(ran.updated)
    assert "no result came" in str(ran.updated)
    relay.first = lambda _: None
    shown(kernel.run("%%claude --web\nAnd now?", cell_id="c2"))
    assert blocks(server.requests[-1].body, *SERVED) == []
    assert [block["text"] for block in blocks(server.requests[-1].body, "text")][1] == "I look. "


def test_a_version_that_a_model_does_not_have_is_replaced_once(
    kernel: Kernel, server: FaultServer, relay: Relay
) -> None:
    def picky(seen: Any) -> Script | None:
        kind = seen.body["tools"][0]["type"]
        told = f"tools.0: 'claude-sonnet-5-5' does not support tool types: {kind}."
        return refusal(400, "invalid_request_error", told) if kind.endswith("20260318") else None

    relay.first = picky
    before = len(server.requests)
    shown(kernel.run("%%claude --no-history --web\nSearch the web.", cell_id="v"))
    kinds = [seen.body["tools"][0]["type"] for seen in server.requests[before:]]
    assert kinds == ["web_search_20260318", "web_search_20250305"]
    relay.first = lambda _: refusal(400, "invalid_request_error", "web_search_20260318 web_search_20250305")
    ran = kernel.run("%%claude --no-history --web\nSearch the web.", cell_id="v")
    assert "refused the request" in ran.error


def test_running_code_says_once_that_its_price_is_not_told(
    kernel: Kernel, kernels: list[Kernel], relay: Relay
) -> None:
    content = {
        "type": "bash_code_execution_result",
        "stdout": "42",
        "stderr": "",
        "return_code": 3,
        "content": [],
    }
    relay.first = lambda _: streamed(
        sse(
            start(),
            opened(0, type="server_tool_use", id="s1", name="bash_code_execution", input={}),
            delta("input_json_delta", 0, partial_json='{"command": "echo 42; exit 3"}'),
            closed(0),
            opened(1, type="bash_code_execution_tool_result", tool_use_id="s1", content=content),
            closed(1),
            *text("42.", index=2),
            *ended(),
        )
    )
    said = []
    for _ in range(2):
        ran = kernels[1].run("%%claude --no-history --run-code\nHow many?", cell_id="r1")
        assert "Ran code at the API · return code 3" in shown(ran)
        said.append(ran.stdout)
    assert "charged by the time of its container" in said[0]
    assert said[0].count("\n") == 1
    assert said[1] == ""


# --- what is shown of hostile results

EVIL = "</details><script>alert(1)</script>](javascript:alert(1)) ![x](https://evil.example/x.png) `a` | *b*"
RESULTS: list[tuple[str, dict[str, Any], Any]] = [
    (
        "web_search",
        {"query": EVIL},
        [
            {"type": "web_search_result", "url": "javascript:alert(1)", "title": EVIL, "page_age": EVIL},
            {
                "type": "web_search_result",
                "url": "https://a.example/) <img src=x onerror=y>",
                "title": "\n# big",
            },
            {"type": "web_search_result", "url": 7, "title": None},
            "no object",
        ],
    ),
    ("web_search", {"query": "x"}, {"type": "web_search_tool_result_error", "error_code": EVIL}),
    (
        "web_fetch",
        {"url": EVIL},
        {
            "type": "web_fetch_result",
            "url": "data:text/html,<script>",
            "content": {"type": "document", "title": EVIL, "source": {"type": "text", "data": EVIL}},
        },
    ),
    ("web_fetch", {}, {"type": "web_fetch_result", "url": None, "content": [EVIL]}),
    (
        "bash_code_execution",
        {"command": f"```\n{EVIL}"},
        {
            "type": "bash_code_execution_result",
            "stdout": f"````\n{EVIL}",
            "stderr": EVIL,
            "return_code": EVIL,
            "content": [{"type": "bash_code_execution_output", "file_id": EVIL}, 5],
        },
    ),
    (
        "code_execution",
        {"code": EVIL},
        {"type": "encrypted_code_execution_result", "encrypted_stdout": "eA=="},
    ),
    (
        "text_editor_code_execution",
        {"command": "view", "path": EVIL},
        {"type": "text_editor_code_execution_view_result", "content": EVIL},
    ),
    ("from_the_future", {"x": EVIL}, {"type": "odd", "y": EVIL}),
    ("web_search", {"query": "x"}, None),
]


@pytest.mark.parametrize(("name", "given", "content"), RESULTS)
def test_hostile_results_are_text(name: str, given: dict[str, Any], content: Any) -> None:

    uses = {"s1": {"type": "server_tool_use", "id": "s1", "name": name, "input_json": json.dumps(given)}}
    section = server_section({"type": f"{name}_tool_result", "tool_use_id": "s1", "content": content}, uses)
    assert section is not None
    markdown = folded_markdown(section)
    outside = "".join(piece for number, piece in enumerate(_split_at_fences(markdown)) if number % 2 == 0)
    assert outside.count("</details>") == 1
    assert outside.endswith("</details>")
    for evil in ("<script", "<img", "](javascript:", "](data:", "!["):
        assert evil not in outside
    shown_live = folded_html(section)
    assert shown_live.count("</details>") == 1
    for evil in ("<script", "<img", 'href="javascript:', 'href="data:'):
        assert evil not in shown_live


def test_a_title_formats_nothing() -> None:
    assert linked("*b* [x]\n# c", "https://a.example/ x") == r"[\*b\* \[x\] \# c](https://a.example/%20x)"


def _split_at_fences(markdown: str) -> list[str]:
    """What is outside of fenced blocks, and inside, in turn."""
    pieces, fence = [""], ""
    for line in markdown.splitlines(keepends=True):
        marks = line[: len(line) - len(line.lstrip("`"))]
        if len(marks) >= 3 and (not fence or (marks == fence and line.strip() == fence)):
            fence = "" if fence else marks
            pieces.append("")
        pieces[-1] += line
    assert not fence
    return pieces


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "web_search",
            {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
            "max uses",
        ),
        (
            "web_fetch",
            {"type": "web_fetch_tool_result_error", "error_code": "url_not_accessible"},
            "url not acc",
        ),
        (
            "code_execution",
            {"type": "code_execution_tool_result_error", "error_code": "unavailable"},
            "unavail",
        ),
    ],
)
def test_errors_are_told_in_words(name: str, content: Any, said: str) -> None:
    section = server_section({"type": f"{name}_tool_result", "tool_use_id": "s", "content": content}, {})
    assert section is not None
    assert f"failed: {said}" in section.title
