"""The demo model: not Claude, and it says so. It works on what it is sent, and always answers the same.

Phrases it obeys, at the start of a text block or anywhere in the last prompt, which never means the texts
attached to it:

``say: TEXT`` or ``repeat exactly: TEXT``
    (start of a text block) answers with TEXT alone, character by character.
``N words``
    answers with N words of text in paragraphs under headings, at most 200,000.
``code``, ``python``, ``formula``, ``math``, ``table``, ``list``
    adds a sample of that kind of formatting, if the prompt is to show (write, make, …) it or nothing else.
``remember``, ``earlier``, ``what did I ask``
    lists the earlier prompts; ``my NAME is VALUE`` in one of them answers ``what is my NAME``.
``continue``, ``go on``, ``your last answer was cut off``
    (at the start) gives the rest of the answer before, where that was cut.
a tool's name
    calls that tool.
``pause``
    pauses in the middle of a search, a fetch or a run of code, where such a tool of the API is given.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from . import samples, thought
from .calls import after_pause, client_calls, server_calls
from .citing import citations
from .describe import attachments, many, quoted, tables
from .draft import Draft
from .filler import Filler
from .turns import Turn, content_blocks

if TYPE_CHECKING:
    from .media import Inspector
    from .models import Model

OPENING = "*Offline demo model, not Claude.*"

_ECHO = re.compile(r"\s*(?:say|repeat exactly):[ \t]?(.*)", re.IGNORECASE | re.DOTALL)
_WORDS = re.compile(r"(?<![\d.,])(\d{1,3}(?:,\d{3}){1,2}|\d{1,7})[ -]words?\b", re.IGNORECASE)
_MAX_WORDS = 200_000
_PAUSE = re.compile(r"\bpause\b", re.IGNORECASE)
_RECALL = re.compile(
    r"\b(remember|earlier|what (?:did|have) i (?:ask|say|said|asked)|so far)\b", re.IGNORECASE
)
_ASKED = re.compile(
    r"\bwhat(?:'s|’s| is| was) my ([\w ]{1,30}?)\s*(?:\?|$)|\b(who) am i\b", re.IGNORECASE | re.MULTILINE
)
_GO_ON = re.compile(r"\s*(?:please )?(?:continue|go on|your last answer was cut off)\b", re.IGNORECASE)
_MOST_RECALLED = 10


def answer(body: dict[str, Any], turns: tuple[Turn, ...], model: Model, inspector: Inspector) -> list[Draft]:
    """Return the whole answer to a checked request, before any limit is applied.

    Parameters
    ----------
    body
        The request.
    turns
        Its turns.
    model
        The model it names, which decides on thinking.
    inspector
        Knows the images and PDFs of the request.
    """
    last = next(turn for turn in reversed(turns) if turn.role == "user")
    if resumed := after_pause(turns):
        return [*_thinking(body, turns, last, model), *resumed]
    drafts = _thinking(body, turns, last, model)
    if _GO_ON.match(last.prompt) and (rest := _rest(body, turns, model, inspector)):
        return [*drafts, Draft("text", rest)]
    calls = client_calls(body, last)
    form = (body.get("output_config") or {}).get("format")
    if calls:
        names = " and ".join(f"`{draft.fields['name']}`" for draft in calls)
        return [*drafts, Draft("text", f"{OPENING}\n\nI call {names}."), *calls]
    if form is not None:
        value = Filler(last.prompt, form["schema"], every=True).fill()
        return [*drafts, Draft("text", json.dumps(value, ensure_ascii=False))]
    prefill = turns[-1].prompt if turns[-1].role == "assistant" else ""
    echo = _echo(last)
    if echo is not None:
        text = echo.removeprefix(prefill)
        return [*drafts, Draft("text", text)] if text else drafts
    drafts.append(Draft("text", "\n\n".join([OPENING, *_sections(body, turns, last, inspector)])))
    served = server_calls(body, last)
    if served and _PAUSE.search(last.prompt):
        return [*drafts, served[0]]  # the call; its result comes when the client goes on
    return [*drafts, *served, *citations(turns, last, inspector)]


def _rest(body: dict[str, Any], turns: tuple[Turn, ...], model: Model, inspector: Inspector) -> str:
    """Return what the answer before would have said after the point where it was cut; "" if it was whole."""
    if len(turns) < 3 or turns[-1].role != "user":
        return ""
    whole = "".join(
        draft.text for draft in answer(body, turns[:-2], model, inspector) if draft.kind == "text"
    )
    said = turns[-2].prompt
    return whole[len(said) :] if whole.startswith(said) else ""


def _echo(turn: Turn) -> str | None:
    for block in reversed(turn.of("text")):
        if found := _ECHO.fullmatch(block.text):
            return found[1]
    return None


def _thinking(body: dict[str, Any], turns: tuple[Turn, ...], last: Turn, model: Model) -> list[Draft]:
    """Return the thinking block, if the request asks for one: its text only where it is to be displayed."""
    asked = body.get("thinking") or {}
    if asked.get("type") not in {"adaptive", "enabled"}:
        return []
    shown = asked.get("display") or ("summarized" if model.shows_thinking else "omitted")
    said = (
        f"The conversation has {many(len(turns), 'turn')}. The last prompt begins "
        f"“{quoted(last.prompt, 12)}”. I am a demo and cannot reason, so I describe what I was sent."
    )
    text, hidden = (said, "") if shown == "summarized" else ("", said)
    request = hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).digest()
    return [Draft("thinking", text, {"signature": thought.sign(text, request, model.id)}, hidden)]


def _sections(body: dict[str, Any], turns: tuple[Turn, ...], last: Turn, inspector: Inspector) -> list[str]:
    """Return the paragraphs of an ordinary answer."""
    prompt = last.prompt
    if (wanted := _WORDS.search(prompt)) and (number := int(wanted[1].replace(",", ""))):
        return [samples.long_text(min(number, _MAX_WORDS))]
    asked = [turn for turn in turns if turn.role == "user" and turn.prompt.strip()]
    # What a tool has brought belongs to the question before it.
    earlier = [turn.prompt for turn in (asked if last.prompt.strip() and last not in asked else asked[:-1])]
    sections = []
    if fact := _fact(prompt, earlier):
        sections.append(fact)
    if results := _results(last):
        sections.append(results)
    if prompt.strip():
        sections.append(
            f"Your prompt has {many(len(prompt.split()), 'word')} and {many(len(prompt), 'character')}; "
            f"it begins: “{quoted(prompt, 14)}”"
        )
    system = "\n".join(block.text for block in content_blocks(body.get("system") or None, "system"))
    if system.strip():
        sections.append(f"System prompt ({many(len(system), 'character')}): “{quoted(system, 10)}”")
    if earlier:
        sections.append(_recalled(prompt, earlier))
    if lines := [*attachments(last, inspector), *tables(last)]:
        sections.append("\n".join(lines))
    return [*sections, *samples.matching(prompt)]


def _recalled(prompt: str, earlier: list[str]) -> str:
    count = many(len(earlier), "earlier prompt")
    if not _RECALL.search(prompt):
        verb = "is" if len(earlier) == 1 else "are"
        return f"There {verb} {count}; the previous one: “{quoted(earlier[-1], 10)}”"
    first = max(0, len(earlier) - _MOST_RECALLED)
    lines = [f"{number + 1}. “{quoted(earlier[number], 10)}”" for number in range(first, len(earlier))]
    return f"You asked {count}:\n\n" + "\n".join(lines)


def _fact(prompt: str, earlier: list[str]) -> str:
    """Return what an earlier prompt said of ``my X``, if this one asks for it."""
    asked = _ASKED.search(prompt)
    if asked is None:
        return ""
    name = "name" if asked[2] else asked[1].strip()
    told = re.compile(rf"\bmy {re.escape(name)} is ([^\n.,;!?]{{1,80}})", re.IGNORECASE)
    for text in reversed(earlier):
        if found := told.search(text):
            return f"Your {name} is **{found[1].strip()}**."
    return f"You have not told me your {name}."


def _results(turn: Turn) -> str:
    lines = []
    for block in turn.of("tool_result"):
        inner = content_blocks(block.value.get("content"), "")
        texts = " ".join(each.text or f"[{each.kind}]" for each in inner)
        told = "reported an error" if block.value.get("is_error") else "returned"
        lines.append(f"- The tool {told}: “{quoted(texts, 30)}”" if texts else f"- The tool {told}, no text.")
    return "\n".join(lines)
