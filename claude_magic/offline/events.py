"""The server-sent events of one answer, in the order in which the API sends them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .draft import Answer

_NOT_IN_DELTA = ("cache_creation", "service_tier", "inference_geo", "speed")


def stream(message: dict[str, Any], answer: Answer) -> Iterator[str]:
    """Yield each event as the text that goes over the wire.

    Parameters
    ----------
    message
        The whole message as it would be sent without streaming.
    answer
        The answer in it.
    """
    usage = message["usage"]
    begun = {
        **message,
        "content": [],
        "container": None,  # told at the end only, as the API does
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1 if answer.tokens else 0, "output_tokens_details": None},
    }
    yield event("message_start", {"message": begun})
    for index, draft in enumerate(answer.drafts):
        yield event("content_block_start", {"index": index, "content_block": draft.opening()})
        if index == 0:
            yield event("ping", {})
        # Written out rather than built and dumped: a benchmark streams 50,000 of these.
        head = f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{index},"delta":'
        for delta in draft.deltas():
            yield f"{head}{delta}}}\n\n"
        yield event("content_block_stop", {"index": index})
    ending = {
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": None,
        "container": message["container"],
    }
    final = {name: value for name, value in usage.items() if name not in _NOT_IN_DELTA}
    yield event("message_delta", {"delta": ending, "usage": final})
    yield event("message_stop", {})


def event(kind: str, data: dict[str, Any]) -> str:
    """Return one event as text."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data}, ensure_ascii=False)}\n\n"
