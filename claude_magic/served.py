"""What tools that run at the API were asked and have found, as sections of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from claude_magic.values import Section
from claude_magic.wording import fenced, linked, plain

_BRIEF = 100
_MOST_RESULTS = 50


def server_section(raw: Mapping[str, Any], uses: Mapping[str, Mapping[str, Any]]) -> Section | None:
    """What a tool of the API was asked and has found; None for a block that is no result of one.

    Parameters
    ----------
    uses : mapping
        The calls of these tools, by their ids.
    """
    kind = str(raw.get("type") or "")
    if not kind.endswith("_tool_result"):
        return None
    use = uses.get(str(raw.get("tool_use_id") or ""), {})
    given, content = _given(use), raw.get("content")
    name = str(use.get("name") or kind.removesuffix("_tool_result"))
    title, ended = _asked(name, given), _ended(content)
    body = "\n\n".join(piece for piece in (*_code(given), *_brought(content)) if piece)
    return Section("search", body or "Nothing was brought.", f"{title} · {ended}" if ended else title)


def unanswered(use: Mapping[str, Any]) -> Section:
    """A call of such a tool whose result did not come."""
    given = _given(use)
    body = "\n\n".join(_code(given)) or "The answer ended before it."
    return Section("search", body, f"{_asked(str(use.get('name') or ''), given)} · no result came")


def _given(use: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a tool was called with; nothing where that was cut."""
    given = use.get("input")
    if isinstance(use.get("input_json"), str):
        try:
            given = json.loads(use["input_json"])
        except (ValueError, RecursionError):
            given = {}
    return given if isinstance(given, dict) else {}


def _asked(name: str, given: Mapping[str, Any]) -> str:
    """What was done, in one line."""

    def told(key: str) -> str:
        text = " ".join(str(given.get(key) or "").split())
        return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 1]}…"

    match name:
        case "web_search":
            return f"Searched the web: {told('query')}" if given else "Searched the web"
        case "web_fetch":
            return f"Read a web page: {told('url')}" if given else "Read a web page"
        case "code_execution" | "bash_code_execution":
            return "Ran code at the API"
        case "text_editor_code_execution":
            return f"Files at the API: {told('command')} {told('path')}".rstrip()
        case _:
            return f"{name}({', '.join(f'{key}={told(key)}' for key in given)})"


def _ended(content: object) -> str:
    """How it ended, where not well: an error in words, a return code."""
    if not isinstance(content, dict):
        return ""
    if code := str(content.get("error_code") or ""):
        return f"failed: {code.replace('_', ' ')}"
    returned = content.get("return_code")
    return f"return code {returned}" if returned else ""


def _code(given: Mapping[str, Any]) -> Iterator[str]:
    """The code that was run, or the text that was written."""
    for key, language in (("code", "python"), ("command", "bash"), ("file_text", ""), ("new_str", "")):
        text = given.get(key)
        # The commands of the editor are words of its own.
        if isinstance(text, str) and text and not (key == "command" and "path" in given):
            yield fenced(text, language)


def _brought(content: object) -> Iterator[str]:
    """What came back, by its type; as JSON where the type is not known here."""
    if isinstance(content, list):
        yield from _found(content)
        return
    if not isinstance(content, dict):
        yield fenced(json.dumps(content, indent=2, ensure_ascii=False), "json") if content else ""
        return
    match str(content.get("type") or ""):
        case "web_fetch_result":
            yield _page(content)
        case kind if kind.endswith("code_execution_result"):
            yield from _output(content)
        case "text_editor_code_execution_view_result":
            yield fenced(str(content.get("content") or ""))
        case "text_editor_code_execution_str_replace_result":
            lines = content.get("lines")
            yield fenced("\n".join(map(str, lines)), "diff") if isinstance(lines, list) else ""
        case "text_editor_code_execution_create_result":
            yield "The file was written."
        case kind if kind.endswith("_error"):
            yield plain(str(content.get("error_message") or ""))
        case _:
            yield fenced(json.dumps(content, indent=2, ensure_ascii=False), "json")


def _found(results: Sequence[object]) -> Iterator[str]:
    """The pages that a search has found, as a list."""
    pages = [one for one in results if isinstance(one, dict)]
    lines = []
    for number, one in enumerate(pages[:_MOST_RESULTS], 1):
        url, age = str(one.get("url") or ""), str(one.get("page_age") or "")
        line = linked(str(one.get("title") or url or one.get("type") or ""), url)
        lines.append(f"{number}. {line}" + (f", {plain(age, 40)}" if age else ""))
    if len(pages) > _MOST_RESULTS:
        lines.append(f"{_MOST_RESULTS + 1}. … {len(pages) - _MOST_RESULTS:,} more")
    yield "\n".join(lines) or "Nothing was found."


def _page(content: Mapping[str, Any]) -> str:
    document = content.get("content")
    document = document if isinstance(document, dict) else {}
    source = document.get("source")
    source = source if isinstance(source, dict) else {}
    url, data = str(content.get("url") or ""), str(source.get("data") or "")
    size = f"{len(data):,} characters" if source.get("type") == "text" else source.get("media_type")
    return linked(str(document.get("title") or url), url) + (f", {plain(str(size), 40)}" if size else "")


def _output(content: Mapping[str, Any]) -> Iterator[str]:
    """What code has printed, and the files it has made."""
    if content.get("encrypted_stdout"):
        yield "Its output is encrypted: only the model can read it."
    for stream in ("stdout", "stderr"):
        if text := str(content.get(stream) or "").rstrip("\n"):
            yield f"{stream}:\n\n{fenced(text)}" if stream == "stderr" else fenced(text)
    made = content.get("content")
    files = [one for one in made if isinstance(one, dict)] if isinstance(made, list) else []
    if names := [plain(str(one["file_id"])) for one in files if one.get("file_id")]:
        yield f"Files in the Files API: {', '.join(names)}"
