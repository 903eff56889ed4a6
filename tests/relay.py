"""The local API's own service behind a server that keeps every question: what goes out can be looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from claude_magic.offline import events
from claude_magic.offline.errors import ApiError
from claude_magic.offline.models import Catalogue
from claude_magic.offline.service import Service
from tests.faults import Script, Seen, refusal, streamed

Script_ = Callable[[Seen], Script | None]


@dataclass
class Relay:
    """Answers as the local API does, by its rules; ``first`` may answer in its place.

    Parameters
    ----------
    first : callable
        Returns a script to be played, or None to leave the question to the local API.
    """

    service: Service = field(default_factory=lambda: Service(Catalogue()))
    first: Script_ = lambda _: None
    answers: list[list[dict[str, Any]]] = field(default_factory=list)

    def __call__(self, seen: Seen) -> Script:
        if script := self.first(seen):
            return script
        try:
            message, answer, _ = self.service.create(json.dumps(seen.body).encode())
        except ApiError as error:
            return refusal(error.status, "invalid_request_error", error.message)
        self.answers.append(message["content"])
        return streamed(*(event.encode() for event in events.stream(message, answer)))


def blocks(body: Any, *kinds: str) -> list[dict[str, Any]]:
    """The blocks of these types in the messages of a request, without marks for the prompt cache."""
    return [
        {name: value for name, value in block.items() if name != "cache_control"}
        for message in body["messages"]
        for block in message["content"]
        if block["type"] in kinds
    ]
