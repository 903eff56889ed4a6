"""The prompt cache: where a request is marked for it, and why a prefix that it kept was not found again.

A mark asks the API to keep everything up to it; a later request finds the longest prefix kept. Marks
stand where the next request, or a cell that is run again, begins to differ:

1. at the end, for the turn that follows;
2. where the request before this one ended: found by its own mark, however many blocks have come since,
   as the API looks back over 20 blocks only;
3. behind the attachments of the last message, for the same cell with another prompt;
4. behind the system prompt, which other conversations share;
5. behind the first attachments of the conversation, so that they stay kept while it goes on;
6. behind the tools.

The first four that there are count. Is it worth it? A write for five minutes costs 1.25 times the input
price and a read at most 0.1 of it: a prefix that is read once with a chance of 0.25 / 0.9 = 28 % has paid,
and a conversation may pause for too long before 0.9 / 1.15 = 78 % of its turns and still cost no more than
uncached. For an hour, at twice the price, two reads pay, and 47 % of the turns may come too late.
A conversation goes on, so its end is marked; a question outside the conversation ends there, so only what
another such question could share is. Of a question asked of many rows that is what stands before the first
block that is the row's own.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator, Sequence

from claude_magic.api.request import Marks, Message, Place
from claude_magic.values import Answer, Turn

MOST = 4
"""Marks in one request."""
LIVES = {"5m": 300.0, "1h": 3600.0}
"""Seconds after its last use for which a prefix is kept."""

_HEAD = re.compile(rb'\s*\{\s*"type"\s*:\s*"(\w+)"')
_SHORT = 1000
_SYSTEM, _TOOLS = (-1, 0), (-2, 0)
_CHANGED = frozenset({"model_changed", "system_changed", "tools_changed", "messages_changed"})
_NO_HELP = frozenset({"previous_message_not_found", "unavailable", "pending"})


def marks(
    messages: Sequence[Message],
    life: str,
    *,
    system: bool = False,
    tools: bool = False,
    goes_on: bool = True,
    shared: int | None = None,
) -> Marks:
    """Where a request is to be kept.

    Parameters
    ----------
    messages : sequence of Message
        As they are sent; the last is the question.
    life : str
        ``5m``, ``1h`` or ``off``.
    system, tools : bool
        Whether the request has a system prompt, and tools.
    goes_on : bool
        Whether another request is expected to follow in the same conversation.
    shared : int or None
        Of a question that is asked of many rows: how many blocks at its beginning all of them share. What
        is a row's own is no other's, and so never marked.

    Returns
    -------
    Marks
        At most four.
    """
    if life not in LIVES:
        return Marks()
    asked = [number for number, message in enumerate(messages) if message.role == "user"]
    # More than one message of the user outside a conversation are rounds of tools, which go on too.
    ends = asked[:-3:-1] if goes_on or len(asked) > 1 else []
    if shared is None:
        attached = [_attached(messages, number) for number in asked]
    else:
        attached = [next(_backwards(messages, 0, shared - 1), None)] if shared else []
    wanted = [
        *(_end(messages, number) for number in ends),
        *attached[-1:],
        _SYSTEM if system else None,
        next(filter(None, attached), None),
        _TOOLS if tools else None,
    ]
    chosen = list(itertools.islice(dict.fromkeys(filter(None, wanted)), MOST))
    blocks = frozenset(chosen) - {_SYSTEM, _TOOLS}
    return Marks(life if chosen else "", _SYSTEM in chosen, _TOOLS in chosen, blocks)


def _end(messages: Sequence[Message], number: int) -> Place | None:
    """The last block that can be marked, up to and with this message."""
    places = (place for one in range(number, -1, -1) for place in _backwards(messages, one))
    return next(places, None)


def _attached(messages: Sequence[Message], number: int) -> Place | None:
    """The block before the prompt: the last attachment of a message that has any."""
    blocks = messages[number].blocks
    if len(blocks) < 2 or _kind(blocks[-1]) == "tool_result":
        return None
    return next(_backwards(messages, number, len(blocks) - 2), None)


def _backwards(messages: Sequence[Message], number: int, start: int | None = None) -> Iterator[Place]:
    """The places of a message that can be marked, the last first."""
    blocks = messages[number].blocks if messages[number].role != "system" else ()
    for index in range(len(blocks) - 1 if start is None else start, -1, -1):
        if _can_be_marked(blocks[index]):
            yield number, index


@functools.lru_cache(maxsize=4096)
def _can_be_marked(block: bytes) -> bool:
    """Whether the API takes a mark on a block: on all but thinking and blank text; never two on one."""
    kind = _kind(block)
    if kind in ("", "thinking", "redacted_thinking") or b'"cache_control"' in block:
        return False
    # Longer texts that are blank were left out when the request was repaired.
    return not (kind == "text" and len(block) < _SHORT and not str(_parsed(block).get("text") or "").strip())


def _kind(block: bytes) -> str:
    found = _HEAD.match(block)
    return found[1].decode() if found else str(_parsed(block).get("type") or "")


def _parsed(block: bytes) -> dict[str, object]:
    try:
        raw = json.loads(block)
    except (ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def left_by(previous: Turn, model: str, now: float) -> int:
    """The tokens that a turn has left in the prompt cache for the next one.

    Parameters
    ----------
    model : str
        The model that is asked now; a cache belongs to one.
    now : float
        Seconds since the epoch.
    """
    usage = previous.answer.usage
    life = LIVES["1h" if usage.cache_creation_1h_tokens else "5m"]
    if previous.reused or previous.model != model or now - previous.began >= life:
        return 0
    return usage.cache_read_input_tokens + usage.cache_creation_input_tokens


def missed(previous: Turn, answer: Answer, told: str, began: float, life: str) -> str:
    """Why a request has not found what the turn before it left in the cache.

    Parameters
    ----------
    previous : Turn
        The turn before it in the conversation.
    told : str
        The API's own word for the reason; ``""`` where it has found no difference, or says nothing.
    began : float
        When the request was made, in seconds since the epoch.
    life : str
        ``5m`` or ``1h``: for how long it asks to keep its prefix.

    Returns
    -------
    str
        A word such as ``system_changed`` or ``5m_passed``; ``unknown`` where the API gives no reason;
        ``""`` where nothing was missed that matters, or nothing can be said of it.
    """
    usage, before = answer.usage, previous.answer.usage
    kept = before.cache_read_input_tokens + before.cache_creation_input_tokens
    # Half of it found is no miss: a cell was run again, or an earlier turn has changed.
    if previous.reused or not usage.prompt_tokens or 2 * usage.cache_read_input_tokens >= kept:
        return ""
    if told in _CHANGED:
        return told
    if before.cache_creation_input_tokens:
        life = "1h" if before.cache_creation_1h_tokens else "5m"
    if began - previous.began >= LIVES.get(life, 0.0):
        return f"{life}_passed"
    if previous.demo or told in _NO_HELP:
        return ""
    return told or "unknown"
