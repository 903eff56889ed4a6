"""Tool calls of the demo model: it calls the tools whose names the prompt mentions."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

from .draft import Draft
from .filler import Filler

if TYPE_CHECKING:
    from .turns import Turn

# What the tools without a schema of their own are called with
_KNOWN_INPUTS: dict[str, dict[str, Any]] = {
    "bash": {"command": "echo hello"},
    "memory": {"command": "view", "path": "/memories"},
    "str_replace_editor": {"command": "view", "path": "."},
    "str_replace_based_edit_tool": {"command": "view", "path": "."},
}
_SEARCH = re.compile(r"\b(web|search|look up|latest|news|online)\b", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"')\]]+")


def client_calls(body: dict[str, Any], turn: Turn) -> list[Draft]:
    """Return the calls of the client's tools that this request leads to, in the order of the prompt."""
    choice = body.get("tool_choice") or {"type": "auto"}
    tools = [
        tool
        for tool in body.get("tools") or ()
        if "input_schema" in tool or tool.get("name") in _KNOWN_INPUTS
    ]
    if not tools or choice["type"] == "none":
        return []
    prompt = turn.prompt
    places = {tool["name"]: _mention(tool["name"], prompt) for tool in tools}
    named = sorted(
        (tool for tool in tools if places[tool["name"]] >= 0), key=lambda tool: places[tool["name"]]
    )
    if choice["type"] == "tool":
        named = [tool for tool in tools if tool["name"] == choice["name"]]
    elif choice["type"] == "any":
        named = named or tools[:1]
    elif turn.of("tool_result"):
        return []  # it has what it asked for
    if choice.get("disable_parallel_tool_use"):
        named = named[:1]
    return [_call(tool, prompt) for tool in named]


def server_calls(body: dict[str, Any], turn: Turn) -> list[Draft]:
    """Return a made-up web search or fetch with its result, where the tool is given and the prompt asks."""
    names = {
        tool.get("name") for tool in body.get("tools") or () if str(tool.get("type", "")).startswith("web_")
    }
    if (body.get("tool_choice") or {}).get("type") == "none" or turn.of("tool_result"):
        return []
    url = _URL.search(turn.prompt)
    if "web_fetch" in names and url:
        return _fetch(url.group())
    if "web_search" in names and _SEARCH.search(turn.prompt):
        return _search(" ".join(turn.prompt.split()[:12]))
    return []


def _mention(name: str, prompt: str) -> int:
    """Return where a prompt names a tool, as `get_time` or "get time"; -1 where it does not."""
    pattern = r"(?<![\w-])" + re.escape(name).replace("_", "[_ ]") + r"(?![\w-])"
    found = re.search(pattern, prompt, re.IGNORECASE)
    return found.start() if found else -1


def _call(tool: dict[str, Any], prompt: str) -> Draft:
    schema = tool.get("input_schema")
    if schema is None:
        value: Any = _KNOWN_INPUTS[tool["name"]]
    else:
        value = Filler(prompt, {"type": "object", **schema}, every=False).fill()
    identity = {"id": f"toolu_local_{secrets.token_hex(10)}", "name": tool["name"]}
    return Draft("tool_use", json.dumps(value, ensure_ascii=False), identity)


def _search(query: str) -> list[Draft]:
    name = f"srvtoolu_local_{secrets.token_hex(10)}"
    url, title = "https://example.com/", "Example Domain (made up by the offline demo model)"
    result = {
        "type": "web_search_result",
        "url": url,
        "title": title,
        "encrypted_content": "bG9jYWw=",
        "page_age": None,
    }
    citation = {
        "type": "web_search_result_location",
        "cited_text": "This domain is for use in examples.",
        "encrypted_index": "bG9jYWw=",
        "title": title,
        "url": url,
    }
    return [
        Draft(
            "server_tool_use",
            json.dumps({"query": query}, ensure_ascii=False),
            {"id": name, "name": "web_search"},
        ),
        Draft("whole", fields={"type": "web_search_tool_result", "tool_use_id": name, "content": [result]}),
        Draft("text", "No network was used; this result is made up: "),
        Draft("text", "“This domain is for use in examples.”", {"citations": [citation]}),
    ]


def _fetch(url: str) -> list[Draft]:
    name = f"srvtoolu_local_{secrets.token_hex(10)}"
    text = "The offline demo model does not use the network, so this page is empty."
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": text},
        "title": "Placeholder",
        "citations": None,
    }
    content = {"type": "web_fetch_result", "url": url, "content": document, "retrieved_at": None}
    return [
        Draft("server_tool_use", json.dumps({"url": url}), {"id": name, "name": "web_fetch"}),
        Draft("whole", fields={"type": "web_fetch_tool_result", "tool_use_id": name, "content": content}),
        Draft("text", "No network was used; the page's text is a placeholder."),
    ]
