"""The API's own tools at the local API: made up, paused and gone on with; versions and containers checked."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.offline.conftest import Post

CODE = [{"type": "code_execution_20260521", "name": "code_execution"}]
WEB = [{"type": "web_search_20260318", "name": "web_search"}]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return dict(response.json())


def refused(response: httpx2.Response) -> str:
    assert response.status_code == 400, response.text
    return str(response.json()["error"]["message"])


def test_nothing_is_run_and_that_is_said(post: Post) -> None:
    message = said(post(messages=[user("Compute it")], tools=CODE))
    call, result = message["content"][1:3]
    assert (call["type"], call["name"]) == ("server_tool_use", "bash_code_execution")
    assert result["content"]["stdout"] == "(made up by the offline demo model: no code was run)\n"
    assert result["tool_use_id"] == call["id"]
    assert message["container"]["id"].startswith("container_local_")
    assert said(post(messages=[user("Compute it")]))["container"] is None


@pytest.mark.parametrize("tools", [WEB, CODE])
def test_a_pause_ends_in_a_call_and_goes_on_with_its_result(post: Post, tools: list[Any]) -> None:
    asked = user("Pause, then search the web or compute it")
    paused = said(post(messages=[asked], tools=tools))
    assert paused["stop_reason"] == "pause_turn"
    call = paused["content"][-1]
    assert call["type"] == "server_tool_use"
    more = {"container": paused["container"]["id"]} if paused["container"] else {}
    whole = [asked, {"role": "assistant", "content": paused["content"]}]
    rest = said(post(messages=whole, tools=tools, **more))
    assert rest["stop_reason"] == "end_turn"
    assert rest["content"][0]["tool_use_id"] == call["id"]
    # Both together are the answer; without the second, the first is in the way of a question.
    both = [*whole, {"role": "assistant", "content": rest["content"]}, user("And now?")]
    said(post(messages=both))
    assert "has no result block" in refused(post(messages=[*whole, user("And now?")]))


def test_a_result_may_stand_behind_those_of_other_tools(post: Post) -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]}
    begun = [user("Hi"), {"role": "assistant", "content": [search, call]}, result]
    said(post(messages=begun))
    said(post(messages=[*begun, {"role": "assistant", "content": [found]}, user("Next")]))
    late = [
        *begun,
        {"role": "assistant", "content": "x"},
        user("Hm"),
        {"role": "assistant", "content": [found]},
    ]
    assert "has no result block" in refused(post(messages=[*late, user("Next")]))
    assert "must be unique" in refused(
        post(messages=[user("Hi"), {"role": "assistant", "content": [search] * 2}])
    )


def test_a_container_that_is_needed_or_unknown_is_asked_for(post: Post) -> None:
    asked = user("Pause, then compute it")
    paused = said(post(messages=[asked], tools=CODE))
    whole = [asked, {"role": "assistant", "content": paused["content"]}]
    assert "container_id is required" in refused(post(messages=whole, tools=CODE))
    assert "Container not found" in refused(post(messages=[asked], tools=CODE, container="other"))


def test_older_models_have_the_basic_versions_only(post: Post) -> None:
    old: dict[str, Any] = {"model": "claude-haiku-4-5", "messages": [user("Search the web")]}
    told = refused(post(tools=WEB, **old))
    assert told == "tools.0: 'claude-haiku-4-5' does not support tool types: web_search_20260318."
    message = said(post(tools=[{"type": "web_search_20250305", "name": "web_search"}], **old))
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 1


def test_thinking_of_another_model_is_refused(post: Post) -> None:
    asked = {"thinking": {"type": "adaptive", "display": "summarized"}}
    message = said(post(messages=[user("Hello")], **asked))
    talk = [user("Hello"), {"role": "assistant", "content": message["content"]}, user("Go on")]
    said(post(messages=talk))
    assert "Invalid `signature`" in refused(post(messages=talk, model="claude-sonnet-5-5"))
