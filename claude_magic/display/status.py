"""The status line: model, tokens, cost, time; one wording for every view."""

from __future__ import annotations

import math
from dataclasses import dataclass

from claude_magic.display.untrusted import visible
from claude_magic.values import ThinkingPart, Turn, Usage

STAGES = {
    "interrupted": "stopped, the answer is partial",
    "cut": "cut, the answer is partial",
    "refused": "the model declined",
    "max_tokens": "cut at max_tokens",
    "failed": "failed",
}
"""What is said of a turn that did not end by itself."""
THINKING = {
    "interrupted": "stopped while it was thinking",
    "cut": "cut while it was thinking",
    "max_tokens": "cut at max_tokens while it was thinking: allow more, or lower --effort",
}
"""What is said of one whose last block is thinking."""

MISSES = {
    "model_changed": "the model changed",
    "system_changed": "the system prompt changed",
    "tools_changed": "the tools changed",
    "messages_changed": "an earlier message, or thinking, changed",
    "5m_passed": "5 minutes had passed",
    "1h_passed": "an hour had passed",
    "unknown": "the API gives no reason",
}
"""What is said of a prompt cache that was missed."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why the reply is waited for, and for how long yet.

    Parameters
    ----------
    what : str
        ``overloaded (529)``, ``no answer yet``.
    then : str
        What comes after it: ``try 2 of 5``, ``times out``.
    left : float
        Seconds until then.
    """

    what: str
    then: str
    left: float

    def __str__(self) -> str:
        return f"{self.what}, {self.then} in {math.ceil(self.left)} s"


@dataclass(frozen=True, slots=True)
class Status:
    """What the status line tells while a reply is under way.

    Parameters
    ----------
    phase : str
        ``waiting``, ``thinking``, ``writing``, ``calling a tool``.
    usage : Usage
        ``output_tokens`` is an estimate unless ``usage.final``.
    cost : float or None
        USD so far; None where no price is known.
    seconds : float
        Since the cell began.
    rate : float or None
        Output tokens per second, None until it means something.
    window : int
        Tokens the model can take in all, 0 for unknown.
    wait : Wait or None
        Set while something holds the reply up.
    taken : int
        Tokens of the context window that are taken.
    """

    model: str
    phase: str
    usage: Usage
    cost: float | None
    seconds: float
    rate: float | None = None
    window: int = 0
    wait: Wait | None = None
    taken: int = 0


def live_line(status: Status) -> str:
    """The line while the reply is under way."""
    parts = [status.model, *_tokens(status.usage)]
    if status.usage.output_tokens and status.cost is not None:
        parts.append(money(status.cost))
    if share := context_share(status.taken, status.window):
        parts.append(share)
    speed = f" at {status.rate:.0f}/s" if status.rate is not None else ""
    parts.append(f"{status.seconds:.0f} s{speed}")
    if status.wait is not None:
        parts.append(str(status.wait))
    elif status.phase != "writing":
        parts.append(f"{status.phase}…")
    return visible(" · ".join(parts))


def final_line(turn: Turn) -> str:
    """The line of a turn that has ended; without times, so that equal runs give equal outputs."""
    parts = [turn.model, *_tokens(turn.usage, turn.saved)]
    free = turn.reused or (turn.replayed and not turn.cost)
    if turn.cost is not None and turn.usage.output_tokens and not free:
        parts.append(money(turn.cost) + (" at list price" if turn.demo else ""))
    missed = turn.answer.cache_miss
    if missed and not (turn.reused or turn.replayed):
        parts.append(f"cache missed: {MISSES.get(missed, missed.replace('_', ' '))}")
    if wording := ended_how(turn):
        parts += filter(None, (wording, next_step(turn)))
    if turn.reused:
        parts.append("reused from the store, free")
    if turn.replayed:
        parts.append(f"replayed from {turn.replayed}")
    if turn.demo:
        parts.append("offline demo, not Claude")
    return visible(" · ".join(parts))


def ended_how(turn: Turn) -> str:
    """What is said of a turn that did not end by itself, ``""`` for one that did."""
    if turn.stage == "interrupted" and not turn.answer.parts:
        return "stopped before an answer"
    if turn.answer.stop_reason == "model_context_window_exceeded":
        return "cut: the context window is full"
    if turn.stage in THINKING and turn.answer.parts and isinstance(turn.answer.parts[-1], ThinkingPart):
        return THINKING[turn.stage]
    return STAGES.get(turn.stage, "")


def next_step(turn: Turn) -> str:
    """How to get the rest of an answer that was stopped or cut, where there is a way."""
    if turn.stage not in ("interrupted", "max_tokens", "cut") or not (turn.goes_back and turn.conversation):
        return ""
    if turn.stands_for:  # half a summary stands in no conversation
        return ""
    if turn.answer.stop_reason == "model_context_window_exceeded":
        return ""
    return "%claude --continue goes on"


def context_share(taken: int, window: int) -> str:
    """How much of the context window is taken, from one percent on."""
    percent = 100 * taken // window if window else 0
    return f"{percent} % of context" if percent else ""


def _tokens(usage: Usage, saved: float = 0.0) -> list[str]:
    parts = []
    if usage.prompt_tokens:
        cached = f"{usage.cache_read_input_tokens:,} cached" if usage.cache_read_input_tokens else ""
        if cached and saved >= WORTH_SAYING:
            cached += f", saved {money(saved)}"
        parts.append(f"{usage.prompt_tokens:,} in" + (f" ({cached})" if cached else ""))
    if usage.output_tokens:
        about = "" if usage.final else "≈"
        thought = f" ({usage.thinking_tokens:,} thinking)" if usage.thinking_tokens else ""
        parts.append(f"{about}{usage.output_tokens:,} out{thought}")
    if usage.web_searches:
        parts.append(f"{usage.web_searches:,} web search{'es' if usage.web_searches > 1 else ''}")
    return parts


WORTH_SAYING = 0.0001
"""USD from which it is told what the prompt cache saved."""


def money(usd: float) -> str:
    """An amount with as many digits as say something: ``$1.25``, ``$0.0123``, ``<$0.0001``."""
    if usd >= 1:
        return f"${usd:,.2f}"
    if usd >= 0.0001:
        return f"${usd:.4f}"
    return "<$0.0001" if usd > 0 else "$0"


def about(usd: float) -> str:
    """An estimated amount: ``≈$1.25``, ``<$0.0001``."""
    told = money(usd)
    return told if told.startswith("<") else f"≈{told}"
