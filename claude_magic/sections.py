"""An answer as sections: its text, and what can be folded away beside it; one wording for every view."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from claude_magic.citations import Numbers
from claude_magic.served import server_section, unanswered
from claude_magic.values import Answer, Call, OtherPart, Section, TextPart, ThinkingPart, ToolUsePart
from claude_magic.wording import fenced

_BRIEF = 60


def answer_sections(
    answer: Answer,
    numbers: Numbers,
    calls: Sequence[Call] = (),
    *,
    thinking: bool = False,
    before: Mapping[str, Mapping[str, Any]] | None = None,
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
    before : mapping, optional
        Calls of the API's own tools in earlier replies of the turn, by their ids.
    """
    answered = {call.id: call for call in calls}
    uses = dict(before or {})
    sections: list[Section] = []
    apart = True
    for part in answer.parts:
        match part:
            case TextPart(text, citations):
                text += numbers.mark(citations)
                if text and not apart:
                    sections[-1] = Section("text", sections[-1].body + text)
                elif text:
                    sections.append(Section("text", text))
                apart = apart and not text
                continue
            case ThinkingPart(thought) if thinking and thought.strip():
                sections.append(Section("thinking", thought, "Thinking"))
            case ToolUsePart(id_) if id_ in answered:
                sections.append(call_section(answered[id_]))
            case OtherPart(_, raw):
                if "id" in raw:
                    uses[str(raw["id"])] = raw
                if found := server_section(raw, uses) or _without_result(raw, answer):
                    sections.append(found)
        apart = True
    return sections


def _without_result(raw: Mapping[str, Any], answer: Answer) -> Section | None:
    """A call of a tool of the API that brought nothing, and will not; None for any other block."""
    if raw.get("type") != "server_tool_use" or answer.stop_reason in ("pause_turn", "tool_use"):
        return None
    parts = (part.raw for part in answer.parts if isinstance(part, OtherPart))
    if any(part.get("tool_use_id") == raw.get("id") for part in parts):
        return None
    return unanswered(raw)


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
    parts = [f"{call.name}({brief})", ended, f"{call.seconds:.1f} s" if timed and call.seconds else ""]
    pretty = call.arguments if given is None else json.dumps(given, indent=2, ensure_ascii=False)
    told = [
        fenced(block.text) if block.kind == "text" else f"*{block.kind}* {block.note}"
        for block in call.result
    ]
    body = [*([fenced(pretty, "json"), "*Result:*"] if given != {} else []), *told]
    return Section("call", "\n\n".join(filter(None, body)), " · ".join(filter(None, parts)))


def joined(sections: Iterable[Section]) -> str:
    """The text of sections, without what is folded."""
    return "\n\n".join(section.body for section in sections if section.kind == "text")


def _arguments(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items())


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
