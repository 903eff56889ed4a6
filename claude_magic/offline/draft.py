"""An answer before it is sent: its blocks, cut to the limits of the request, as content and as events."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .tokens import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_INPUT_KINDS = ("tool_use", "server_tool_use")


@dataclass(frozen=True)
class Draft:
    """One content block of an answer.

    Parameters
    ----------
    kind
        ``text``, ``thinking``, ``tool_use``, ``server_tool_use``, or ``whole`` for a block sent in one event.
    text
        What streams: the text, the thinking, or the JSON of a tool's input.
    fields
        The block's other fields: citations, signature, id and name; all of them for ``whole``.
    hidden
        Thinking that is counted and not shown.
    """

    kind: str
    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    hidden: str = ""

    def block(self) -> dict[str, Any]:
        """Return the finished content block. The input of a tool cut short is an empty object."""
        if self.kind == "whole":
            return dict(self.fields)
        if self.kind in _INPUT_KINDS:
            try:
                value = json.loads(self.text)
            except ValueError:
                value = {}
            return {"type": self.kind, **self.fields, "input": value}
        return {"type": self.kind, self.kind: self.text, **self.fields}

    def opening(self) -> dict[str, Any]:
        """Return the block as ``content_block_start`` has it."""
        if self.kind == "whole":
            return dict(self.fields)
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        if self.kind in _INPUT_KINDS:
            return {"type": self.kind, **self.fields, "input": {}}
        opening: dict[str, Any] = {"type": "text", "text": ""}
        return opening | ({"citations": []} if self.fields.get("citations") else {})

    def deltas(self) -> Iterator[str]:
        """Yield the JSON of each ``delta``, in order."""
        kind, name = {
            "text": ("text_delta", "text"),
            "thinking": ("thinking_delta", "thinking"),
        }.get(self.kind, ("input_json_delta", "partial_json"))
        if self.kind in _INPUT_KINDS:
            yield f'{{"type":"{kind}","{name}":""}}'
        if self.kind != "whole":
            for piece in pieces(self.text):
                yield f'{{"type":"{kind}","{name}":{json.dumps(piece, ensure_ascii=False)}}}'
        for citation in self.fields.get("citations") or ():
            yield json.dumps({"type": "citations_delta", "citation": citation}, ensure_ascii=False)
        if self.kind == "thinking":
            yield json.dumps({"type": "signature_delta", "signature": self.fields["signature"]})


@dataclass(frozen=True)
class Answer:
    """A finished answer: its blocks, why it ended, and what it cost in tokens."""

    drafts: tuple[Draft, ...]
    stop_reason: str
    stop_sequence: str | None
    tokens: int
    thinking_tokens: int


def finish(drafts: Sequence[Draft], *, limit: int, stops: Sequence[str], density: float) -> Answer:
    """Cut an answer at its first stop sequence and at `limit` tokens.

    Parameters
    ----------
    drafts
        The whole answer.
    limit
        Most tokens, thinking among them.
    stops
        The request's stop sequences; they are looked for in text only.
    density
        Tokens per piece of the model's tokenizer.
    """
    shortened, found = _stopped(drafts, stops)
    kept, spent, complete = _limited(shortened, math.floor(limit / density + 1e-9))
    thinking = sum(_weight(draft) for draft in kept if draft.kind == "thinking")
    if not complete:
        reason, found = "max_tokens", None
    elif found is not None:
        reason = "stop_sequence"
    elif kept and kept[-1].kind == "server_tool_use":
        reason = "pause_turn"
    else:
        reason = "tool_use" if any(draft.kind == "tool_use" for draft in kept) else "end_turn"
    return Answer(tuple(kept), reason, found, math.ceil(spent * density), math.ceil(thinking * density))


def _stopped(drafts: Sequence[Draft], stops: Sequence[str]) -> tuple[list[Draft], str | None]:
    kept: list[Draft] = []
    for draft in drafts:
        places = [(draft.text.find(stop), stop) for stop in stops] if draft.kind == "text" else []
        places = sorted(place for place in places if place[0] >= 0)
        if places:
            place, stop = places[0]
            if place:
                kept.append(replace(draft, text=draft.text[:place]))
            return kept, stop
        kept.append(draft)
    return kept, None


def _weight(draft: Draft) -> int:
    if draft.kind == "whole":
        return 0  # results of server tools are the server's words, not the model's
    return len(pieces(draft.text)) + len(pieces(draft.hidden))


def _limited(drafts: Sequence[Draft], limit: int) -> tuple[list[Draft], int, bool]:
    """Return what fits into `limit` pieces, the pieces used, and whether all of it did."""
    kept: list[Draft] = []
    spent = 0
    for draft in drafts:
        weight = _weight(draft)
        if spent + weight <= limit and limit:
            kept.append(draft)
            spent += weight
            continue
        room = limit - spent
        # A thinking block cannot be cut: its signature is over all of it.
        if room > 0 and draft.kind in {"text", *_INPUT_KINDS}:
            kept.append(replace(draft, text="".join(pieces(draft.text)[:room])))
            spent += room
        return kept, spent, False
    return kept, spent, bool(limit) or not drafts
