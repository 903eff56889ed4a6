"""An answer as sections: its text, and what can be folded away beside it; one wording for every view."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from claude_magic.citations import Numbers
from claude_magic.values import Answer, Call, OtherPart, Section, TextPart, ThinkingPart, ToolUsePart

MOST_SHOWN = 20_000
"""Characters of a tool's arguments or result that are shown; the model gets all of them."""
_BRIEF = 60


def answer_sections(
    answer: Answer, numbers: Numbers, calls: Sequence[Call] = (), *, thinking: bool = False
) -> list[Section]:
    """One reply as sections, in its order.

    Parameters
    ----------
    numbers : Numbers
        Numbers the sources it cites.
    calls : sequence of Call
        Its tool calls that were answered.
    thinking : bool
        Whether its thinking is shown.
    """
    answered = {call.id: call for call in calls}
    uses: dict[str, Mapping[str, Any]] = {}
    sections: list[Section] = []
    apart = True
    for part in answer.parts:
        match part:
            case TextPart(text, citations):
                text += numbers.mark(citations)
                if text and not apart and sections:
                    sections[-1] = Section("text", sections[-1].body + text)
                elif text.strip():
                    sections.append(Section("text", text))
                apart = apart and not text
                continue
            case ThinkingPart(thought) if thinking and thought.strip():
                sections.append(Section("thinking", thought, "Thinking"))
            case ToolUsePart(id_) if id_ in answered:
                sections.append(call_section(answered[id_]))
            case OtherPart(_, raw):
                uses[str(raw.get("id") or "")] = raw
                if found := server_section(raw, uses):
                    sections.append(found)
        apart = True
    return sections


def call_section(call: Call, *, timed: bool = False) -> Section:
    """A tool call with its result.

    Parameters
    ----------
    timed : bool
        Whether its time is told, which differs from run to run.
    """
    given = _json(call.arguments)
    brief = " ".join(_arguments(given).split())
    brief = brief if len(brief) <= _BRIEF else f"{brief[: _BRIEF - 1]}…"
    ended = call.note or ("failed" if call.error else "")
    parts = [f"{call.name}({brief})", ended, f"{call.seconds:.1f} s" if timed else ""]
    pretty = call.arguments if given is None else json.dumps(given, indent=2, ensure_ascii=False)
    told = [
        fenced(block.text) if block.kind == "text" else f"*{block.kind}* {block.note}"
        for block in call.result
    ]
    body = [fenced(pretty, "json") if given != {} else "", *told]
    return Section("call", "\n\n".join(filter(None, body)), " · ".join(filter(None, parts)))


def server_section(raw: Mapping[str, Any], uses: Mapping[str, Mapping[str, Any]]) -> Section | None:
    """What a tool of the API was asked and has found; None for a block that is no result of one."""
    kind = str(raw.get("type") or "")
    if not kind.endswith("_tool_result"):
        return None
    use = uses.get(str(raw.get("tool_use_id") or ""), {})
    given = _json(str(use.get("input_json") or "")) or use.get("input") or {}
    name = str(use.get("name") or kind.removesuffix("_tool_result"))
    title = f"{name}({' '.join(_arguments(given).split())[:_BRIEF]})"
    return Section(
        "search", fenced(json.dumps(raw.get("content"), indent=2, ensure_ascii=False), "json"), title
    )


def joined(sections: Iterable[Section]) -> str:
    """The text of sections, without what is folded."""
    return "\n\n".join(section.body for section in sections if section.kind == "text")


def fenced(text: str, language: str = "") -> str:
    """A text as a fenced code block that it cannot end; a long one is cut."""
    if len(text) > MOST_SHOWN:
        text = f"{text[:MOST_SHOWN]}\n… {len(text) - MOST_SHOWN:,} more characters"
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _arguments(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items())


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
