"""The prompt cache: which tokens of a request were read from it, which were written, and why it missed.

A request is a row of segments (tools, then system, then messages), each with a hash over all that stands
before it. A breakpoint stores the hash of its prefix; a later request finds the longest stored prefix again.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .tokens import Counter, without_marks
from .turns import content_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .models import Model
    from .turns import Turn

_LOOK_BACK = 20
_LIVES = {"5m": 300.0, "1h": 3600.0}  # seconds
_MAX_PREFIXES = 20_000
_MAX_REQUESTS = 500


@dataclass(frozen=True)
class Segment:
    """One tool, system block or content block: hash of the prefix up to and with it, and its tokens."""

    part: str
    prefix: bytes
    tokens: int
    total: int
    life: str | None


@dataclass(frozen=True)
class Prompt:
    """A request as the cache sees it."""

    model: str
    segments: tuple[Segment, ...]

    @property
    def tokens(self) -> int:
        """All input tokens."""
        return self.segments[-1].total if self.segments else 0

    def part(self, name: str) -> bytes:
        """Return a hash of one part (``tools`` or ``system``) alone."""
        own = [segment for segment in self.segments if segment.part == name]
        return own[-1].prefix if own else b""


@dataclass(frozen=True)
class Accounts:
    """The input side of a usage, in tokens."""

    uncached: int
    read: int = 0
    written: dict[str, int] = field(default_factory=dict)

    def usage(self) -> dict[str, Any]:
        """Return the fields as the API names them."""
        short, long = self.written.get("5m", 0), self.written.get("1h", 0)
        return {
            "input_tokens": self.uncached,
            "cache_creation_input_tokens": short + long,
            "cache_read_input_tokens": self.read,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        }


def lay_out(body: dict[str, Any], turns: tuple[Turn, ...], model: Model, counter: Counter) -> Prompt:
    """Return the segments of a request, each counted and hashed with what stands before it."""
    rows: list[tuple[str, dict[str, Any], int]] = [
        ("tools", tool, counter.tool(tool, model)) for tool in body.get("tools") or ()
    ]
    system = content_blocks(body.get("system") or None, "system")
    rows += [("system", block.value, counter.block(block.value, model)) for block in system]
    # Another kind of thinking, or another budget: what was kept of the messages is not found again.
    asked = {key: value for key, value in (body.get("thinking") or {}).items() if key != "display"}
    rows += [("thinking", asked, 0)] if asked else []
    for turn in turns:
        for index, block in enumerate(turn.blocks):
            opening = 0 if index else counter.turn_opening()
            rows.append((turn.role, block.value, opening + counter.block(block.value, model)))
    marks = [_life(value) for _, value, _ in rows]
    if body.get("cache_control"):
        _mark_last(rows, marks, body["cache_control"].get("ttl", "5m"))
    return Prompt(model.id, tuple(_chain(rows, marks)))


def _life(value: dict[str, Any]) -> str | None:
    mark = value.get("cache_control")
    if mark is None and isinstance(value.get("content"), list):
        inner = [each.get("cache_control") for each in value["content"] if isinstance(each, dict)]
        mark = next((each for each in reversed(inner) if each), None)
    return mark.get("ttl", "5m") if mark else None


def _mark_last(rows: list[tuple[str, dict[str, Any], int]], marks: list[str | None], life: str) -> None:
    for index in range(len(rows) - 1, -1, -1):
        if rows[index][1].get("type") not in {"thinking", "redacted_thinking"}:
            marks[index] = marks[index] or life
            return


def _chain(rows: list[tuple[str, dict[str, Any], int]], marks: list[str | None]) -> Iterable[Segment]:
    prefix, part_of, total = b"", "", 0
    for (part, value, tokens), life in zip(rows, marks, strict=True):
        digest = hashlib.sha256(prefix)
        digest.update(part.encode())
        digest.update(_canonical(value))
        prefix, part_of, total = digest.digest(), part, total + tokens
        yield Segment(part_of, prefix, tokens, total, life)


def _canonical(value: dict[str, Any]) -> bytes:
    plain = without_marks(value)
    if isinstance(plain.get("content"), list):
        plain["content"] = [
            without_marks(each) if isinstance(each, dict) else each for each in plain["content"]
        ]
    return json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()


class PromptCache:
    """What this server remembers of prompts; safe to share between threads.

    Parameters
    ----------
    clock
        Seconds that only grow; entries live for five minutes or an hour of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: OrderedDict[tuple[str, bytes], tuple[float, float]] = OrderedDict()
        self._requests: OrderedDict[str, Prompt] = OrderedDict()
        self._lock = threading.Lock()

    def account(self, prompt: Prompt, model: Model) -> Accounts:
        """Return what of the prompt was read and written, and remember its breakpoints."""
        marked = [index for index, segment in enumerate(prompt.segments) if segment.life]
        with self._lock:
            now = self._clock()
            read = self._longest(prompt, model, marked, now)
            written: dict[str, int] = {}
            done = read
            for index in marked:
                segment = prompt.segments[index]
                if segment.total < model.caches_from:
                    continue  # too short: silently not cached, as the API does
                life = str(segment.life)
                if segment.total > done:
                    written[life] = written.get(life, 0) + segment.total - done
                    done = segment.total
                self._keep((prompt.model, segment.prefix), now, _LIVES[life])
        return Accounts(prompt.tokens - done, read, written)

    def _longest(self, prompt: Prompt, model: Model, marked: list[int], now: float) -> int:
        """Return the tokens of the longest prefix still stored, looking back from each breakpoint."""
        for mark in reversed(marked):
            for index in range(mark, max(-1, mark - _LOOK_BACK), -1):
                segment = prompt.segments[index]
                kept = self._ends.get((prompt.model, segment.prefix))
                if kept and kept[0] > now and segment.total >= model.caches_from:
                    self._keep((prompt.model, segment.prefix), now, kept[1])
                    return segment.total
        return 0

    def _keep(self, key: tuple[str, bytes], now: float, life: float) -> None:
        life = max(life, self._ends[key][1] if key in self._ends and self._ends[key][0] > now else 0.0)
        self._ends[key] = (now + life, life)
        self._ends.move_to_end(key)
        while len(self._ends) > _MAX_PREFIXES:
            self._ends.popitem(last=False)

    def remember(self, message_id: str, prompt: Prompt) -> None:
        """Keep a request's layout under its answer's id, for `diagnose`."""
        with self._lock:
            self._requests[message_id] = prompt
            while len(self._requests) > _MAX_REQUESTS:
                self._requests.popitem(last=False)

    def diagnose(self, prompt: Prompt, previous_id: str) -> dict[str, Any] | None:
        """Return the ``diagnostics`` of a request against an earlier one; None when its prefix was kept."""
        with self._lock:
            previous = self._requests.get(previous_id)
        if previous is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        reason = _difference(previous, prompt)
        if reason is None:
            return None
        kept = 0
        for before, after in zip(previous.segments, prompt.segments, strict=False):
            if before.prefix != after.prefix or reason == "model_changed":
                break
            kept = before.total
        missed = {"type": reason, "cache_missed_input_tokens": previous.tokens - kept}
        return {"cache_miss_reason": missed}


def _difference(previous: Prompt, prompt: Prompt) -> str | None:
    if previous.model != prompt.model:
        return "model_changed"
    if previous.part("tools") != prompt.part("tools"):
        return "tools_changed"
    if previous.part("system") != prompt.part("system"):
        return "system_changed"
    reached = {segment.prefix for segment in prompt.segments}
    return None if previous.segments[-1].prefix in reached else "messages_changed"
