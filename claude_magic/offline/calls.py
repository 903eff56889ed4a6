"""Tool calls of the demo model: it calls the tools whose names the prompt mentions.

Of the API's own tools it makes up what they bring, and says so: no network is used, and nothing is run.
"""

from __future__ import annotations

import hashlib
import json
import re
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
_RUN = re.compile(r"\b(run|execute|compute|calculate|code)\b", re.IGNORECASE)
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
    return [_call(tool, prompt, _identity("toolu_local_", body, number)) for number, tool in enumerate(named)]


def server_calls(body: dict[str, Any], turn: Turn) -> list[Draft]:
    """Return a made-up call with its result, where such a tool is given and the prompt asks for it.

    The first draft is the call, the second its result.
    """
    kinds = ("web_", "code_execution_")
    names = {
        tool.get("name") for tool in body.get("tools") or () if str(tool.get("type", "")).startswith(kinds)
    }
    if (body.get("tool_choice") or {}).get("type") == "none" or turn.of("tool_result"):
        return []
    url = _URL.search(turn.prompt)
    if "web_fetch" in names and url:
        return _served(body, "web_fetch", {"url": url.group()})
    if "web_search" in names and _SEARCH.search(turn.prompt):
        return _served(body, "web_search", {"query": " ".join(turn.prompt.split()[:12])})
    if "code_execution" in names and _RUN.search(turn.prompt):
        command = f"python3 -c 'print({len(turn.prompt.split())} * 2)'"
        return _served(body, "bash_code_execution", {"command": command})
    return []


def after_pause(turns: tuple[Turn, ...]) -> list[Draft]:
    """Return the results of the calls in which the last answer paused, and what there is to say of them."""
    if turns[-1].role != "assistant":
        return []
    done = {block.value.get("tool_use_id") for block in turns[-1].blocks}
    open_calls = [one.value for one in turns[-1].of("server_tool_use") if one.value["id"] not in done]
    return [draft for call in open_calls for draft in _result(call["id"], call["name"], call["input"])]


def _identity(prefix: str, body: dict[str, Any], number: int) -> str:
    """Return an id that is the same for the same request: it stands in later prompts, and is counted."""
    asked = hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()
    return f"{prefix}{asked[:16]}{number:04}"


def _served(body: dict[str, Any], name: str, given: dict[str, Any]) -> list[Draft]:
    identity = _identity("srvtoolu_local_", body, 0)
    call = Draft("server_tool_use", json.dumps(given, ensure_ascii=False), {"id": identity, "name": name})
    return [call, *_result(identity, name, given)]


def _result(identity: str, name: str, given: dict[str, Any]) -> list[Draft]:
    if name == "web_search":
        return _search(identity)
    return _fetch(identity, str(given.get("url"))) if name == "web_fetch" else _run(identity)


def _mention(name: str, prompt: str) -> int:
    """Return where a prompt names a tool, as `get_time` or "get time"; -1 where it does not."""
    pattern = r"(?<![\w-])" + re.escape(name).replace("_", "[_ ]") + r"(?![\w-])"
    found = re.search(pattern, prompt, re.IGNORECASE)
    return found.start() if found else -1


def _call(tool: dict[str, Any], prompt: str, name: str) -> Draft:
    schema = tool.get("input_schema")
    if schema is None:
        value: Any = _KNOWN_INPUTS[tool["name"]]
    else:
        value = Filler(prompt, {"type": "object", **schema}, every=False).fill()
    identity = {"id": name, "name": tool["name"]}
    return Draft("tool_use", json.dumps(value, ensure_ascii=False), identity)


def _search(name: str) -> list[Draft]:
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
        Draft("whole", fields={"type": "web_search_tool_result", "tool_use_id": name, "content": [result]}),
        Draft("text", "No network was used; this result is made up: "),
        Draft("text", "“This domain is for use in examples.”", {"citations": [citation]}),
    ]


def _fetch(name: str, url: str) -> list[Draft]:
    text = "The offline demo model does not use the network, so this page is empty."
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": text},
        "title": "Placeholder",
        "citations": None,
    }
    content = {"type": "web_fetch_result", "url": url, "content": document, "retrieved_at": None}
    return [
        Draft("whole", fields={"type": "web_fetch_tool_result", "tool_use_id": name, "content": content}),
        Draft("text", "No network was used; the page's text is a placeholder."),
    ]


def _run(name: str) -> list[Draft]:
    content = {
        "type": "bash_code_execution_result",
        "stdout": "(made up by the offline demo model: no code was run)\n",
        "stderr": "",
        "return_code": 0,
        "content": [],
    }
    kind = "bash_code_execution_tool_result"
    return [
        Draft("whole", fields={"type": kind, "tool_use_id": name, "content": content}),
        Draft("text", "No code was run; its output is made up."),
    ]
