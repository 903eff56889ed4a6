"""The static output: what stays in the notebook when a reply has ended.

It needs no widget, no kernel and no JavaScript. Two equal runs give equal outputs: ids and times are in
the output's metadata only.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from claude_magic.display.folds import folded_markdown
from claude_magic.display.neutral import inline, neutral
from claude_magic.display.status import final_line
from claude_magic.display.strip import attached, strip_line
from claude_magic.display.untrusted import visible
from claude_magic.values import Section, Turn

TURN = "application/vnd.claude-magic.turn+json"

Bundle = tuple[dict[str, Any], dict[str, Any]]


def bundle(turn: Turn) -> Bundle:
    """The MIME bundle of a turn and its metadata.

    Returns
    -------
    data : dict
        ``text/markdown`` (neutralised, with the status line), ``text/plain`` (the answer itself) and
        the turn's record (prompt, model, usage, stop reason).
    metadata : dict
        ``claude_magic``: what differs from run to run.
    """
    answer = turn.answer
    counted = asdict(turn.usage).items()
    usage = {name: count for name, count in counted if type(count) is int and count}
    text = turn.text
    attachments = [
        {"name": visible(block.name), "kind": block.kind, "note": visible(block.note)}
        for block in attached(turn.blocks)
    ]
    data = {
        "text/markdown": markdown(turn),
        "text/plain": visible(text or f"({final_line(turn)})"),
        TURN: {
            "version": 1,
            "prompt": turn.prompt,
            "model": visible(turn.model),
            "stage": turn.stage,
            "stop_reason": visible(answer.stop_reason),
            "usage": usage,
            **({"attachments": attachments} if attachments else {}),
            **({"demo": True} if turn.demo else {}),
            **({"replayed": visible(turn.replayed)} if turn.replayed else {}),
        },
    }
    volatile = {
        "conversation": turn.conversation,
        "turn": turn.id,
        "message_id": answer.message_id,
        "request_id": turn.request_id,
        "seconds": round(turn.seconds, 2),
    }
    return data, {"claude_magic": volatile}


def markdown(turn: Turn) -> str:
    """The answer and its status line as Markdown that is safe in any front end."""
    strip = strip_line(turn.blocks)
    pieces = [
        f"*{emphasised(strip)}*" if strip else "",
        *(section_markdown(one) for one in turn.sections or (Section("text", turn.shown),)),
        f"*{emphasised(final_line(turn))}*",
    ]
    return "\n\n".join(piece for piece in pieces if piece)


def section_markdown(section: Section) -> str:
    """A section of an answer as Markdown that is safe in any front end."""
    return neutral(section.body).rstrip() if section.kind == "text" else folded_markdown(section)


def emphasised(text: str) -> str:
    """Plain text made fit to stand between two asterisks."""
    return inline(text).replace("*", "\\*")
