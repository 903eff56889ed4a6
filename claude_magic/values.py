"""The plain values that travel between the rooms: blocks, usage, answers, turns.

This module knows nothing: no network, no display, no storage. All values are frozen; equal content
is equal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

Stage = Literal["pending", "streaming", "complete", "interrupted", "cut", "refused", "max_tokens", "failed"]
"""How far a turn has come; every turn ends in one of the last six."""


@dataclass(frozen=True, slots=True)
class Block:
    """A content block as it is sent, encoded once.

    Parameters
    ----------
    kind : str
        The API's block type: ``"text"``, ``"image"``, ``"document"``.
    json : bytes
        The block as UTF-8 JSON, ready to be joined into a request.
    text : str
        The text of a text block, ``""`` otherwise.
    name : str
        What the user called it; ``""`` for the prompt's own text.
    note : str
        What was done to it, for people: ``"4000×3000 → 1568×1176 JPEG"``.
    size : int
        Bytes of the payload before base64.
    tokens : int
        Estimated input tokens; 0 where it was not estimated.
    pixels : tuple of (int, int)
        Width and height of an image as sent, ``(0, 0)`` otherwise.
    pages : int
        Pages of a PDF as sent, 0 otherwise.
    page_numbers : tuple of int
        Of pages cut out of a PDF: their numbers in the whole, in order.
    thumbnail : bytes
        A small JPEG or PNG (at most 96 px) to be shown beside the name.
    """

    kind: str
    json: bytes = field(repr=False)
    text: str = field(default="", repr=False)
    name: str = ""
    note: str = ""
    size: int = 0
    tokens: int = 0
    pixels: tuple[int, int] = (0, 0)
    pages: int = 0
    page_numbers: tuple[int, ...] = ()
    thumbnail: bytes = field(default=b"", repr=False)


def text_block(text: str, name: str = "", note: str = "") -> Block:
    """A text as a content block."""
    ready = json.dumps({"type": "text", "text": text}, ensure_ascii=False, separators=(",", ":"))
    return Block("text", ready.encode("utf-8", "surrogatepass"), text, name, note)


Detail = Literal["low", "standard", "full"]
"""How large pictures are sent: 768 px, 1568 px, or all the model can use (2576 px on newer ones)."""

DataView = Literal["schema", "head", "full"]
"""How much of a data frame is sent."""


@dataclass(frozen=True, slots=True)
class Attaching:
    """How values of the kernel become content blocks, for one cell.

    Parameters
    ----------
    detail : Detail
        How large pictures are sent.
    long_edge : int
        The longest side, in pixels, that the model looks at without scaling down itself.
    data : DataView or ""
        How much of a data frame is sent; ``""`` for a summary within a budget.
    cite : bool
        Whether documents are sent with citations on.
    max_pages : int
        Most PDF pages the model takes in one request.
    password : str
        For encrypted PDFs; never kept.
    """

    detail: Detail = "standard"
    long_edge: int = 1568
    data: DataView | Literal[""] = ""
    cite: bool = False
    max_pages: int = 600
    password: str = field(default="", repr=False)


AS_USUAL = Attaching()
"""Attaching with nothing said."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one reply, as the API counts them.

    ``input_tokens`` is the uncached remainder only; the whole prompt is ``prompt_tokens``.
    ``final`` is False while ``output_tokens`` is our estimate. ``web_searches`` and ``web_fetches`` were made
    by the API.
    ``service_tier`` (``"standard"``, ``"priority"``, ``"batch"``), ``speed`` (``"standard"``, ``"fast"``) and
    ``inference_geo`` (``"us"``, ``"global"``) are the API's words, ``""`` where it says none.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    thinking_tokens: int = 0
    final: bool = False
    web_searches: int = 0
    service_tier: str = ""
    speed: str = ""
    inference_geo: str = ""
    web_fetches: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the whole prompt: uncached, written to and read from the cache."""
        return self.input_tokens + self.cache_read_input_tokens + self.cache_creation_input_tokens


def total(usages: Sequence[Usage]) -> Usage:
    """Several usages as one; the API's words are those of the last that has any tokens."""
    usages = [usage for usage in usages if usage.prompt_tokens or usage.output_tokens] or usages[-1:]
    if len(usages) == 1:
        return usages[0]
    counts = [one.name for one in fields(Usage) if type(one.default) is int]
    summed = {name: sum(getattr(usage, name) for usage in usages) for name in counts}
    return replace(usages[-1], **summed)


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text block of a reply, with its citations as the API sent them."""

    text: str
    citations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ThinkingPart:
    """A thinking block; goes back to the API byte for byte, or not at all."""

    thinking: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolUsePart:
    """A tool call; ``input_json`` is the text received, which may be cut."""

    id: str
    name: str
    input_json: str


@dataclass(frozen=True, slots=True)
class OtherPart:
    """Any other block (redacted thinking, server tools, types newer than this code), kept as received."""

    kind: str
    raw: Mapping[str, Any]


Part = TextPart | ThinkingPart | ToolUsePart | OtherPart


@dataclass(frozen=True, slots=True)
class Answer:
    """What has been received of one reply.

    Parameters
    ----------
    parts : tuple of Part
        The content blocks in their order.
    stop_reason : str
        The API's word for why it ended, ``""`` while it has not.
    complete : bool
        True only once ``message_stop`` was seen and ``stop_reason`` is set.
    cache_miss : str
        A word for why the prompt cache was missed, where that mattered: ``system_changed``, ``5m_passed``.
    container : str
        The id of the container in which the API has run code for it; ``""`` where it told none.
    """

    parts: tuple[Part, ...] = ()
    usage: Usage = Usage()
    model: str = ""
    message_id: str = ""
    stop_reason: str = ""
    stop_sequence: str = ""
    stop_details: Mapping[str, Any] | None = None
    complete: bool = False
    cache_miss: str = ""
    container: str = ""

    @property
    def text(self) -> str:
        """The answer's text: neighbouring text blocks joined, others set apart by a blank line."""
        return join_text(self.parts)


def join_text(parts: tuple[Part, ...]) -> str:
    """Join the text blocks; where another block stood between two, a blank line stands for it."""
    return "".join(texts(parts, lambda part: part.text))


def texts(parts: tuple[Part, ...], text_of: Callable[[TextPart], str]) -> Iterator[str]:
    """The texts of a reply; a blank line stands for another block between two."""
    begun = apart = False
    for part in parts:
        if not isinstance(part, TextPart):
            apart = begun
            continue
        text = text_of(part)
        if text:
            yield "\n\n" + text if apart else text
            begun, apart = True, False


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of an answer as the reader sees it; all but text can be folded away.

    Parameters
    ----------
    kind : str
        ``"text"``, ``"thinking"``, ``"call"`` (of a tool), ``"search"`` (or another tool of the API).
    body : str
        Markdown, as hostile as whatever it came from.
    title : str
        One line that stands for it while it is folded; ``""`` for text.
    """

    kind: str
    body: str = field(default="", repr=False)
    title: str = ""


Leave = Literal["once", "always", "no", "unasked"]
"""What the user says of a tool call: this once; also the next time, for this tool in this kernel; no; or that
nobody was there to be asked, which is no as well."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that was answered.

    Parameters
    ----------
    id, name : str
        As the model gave them.
    arguments : str
        The JSON with which it was called.
    result : tuple of Block
        What the model was told.
    error : bool
        Whether that is told as an error: the tool failed, or was not run.
    note : str
        For people: ``"not allowed"``, ``"unknown tool"``; ``""`` where the tool has run.
    seconds : float
        How long it ran.
    """

    id: str
    name: str
    arguments: str
    result: tuple[Block, ...] = field(repr=False)
    error: bool = False
    note: str = ""
    seconds: float = field(default=0.0, repr=False)

    @property
    def text(self) -> str:
        """The texts of what the model was told."""
        return "\n".join(block.text for block in self.result if block.text)


@dataclass(frozen=True, slots=True)
class Round:
    """A step of a turn before its last: what the model said, and what it was told to go on with.

    Parameters
    ----------
    answer : Answer
        It ended in ``tool_use``, or in ``pause_turn``.
    reply : bytes
        The assistant's message as ready JSON.
    calls : tuple of Call
        The answered tool calls; none where the model had only paused.
    cost : float or None
        USD; None where no price is known.
    saved : float
        As a turn's.
    """

    answer: Answer
    reply: bytes = field(repr=False)
    calls: tuple[Call, ...] = ()
    cost: float | None = None
    saved: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what was asked, what came back, how it ended.

    Parameters
    ----------
    prompt : str
        The prompt's text, for people.
    blocks : tuple of Block
        The user's message: attachments, then the prompt.
    reply : bytes
        The assistant's message as ready JSON; empty when nothing of it can be sent back.
    shown : str
        The answer as the reader sees it: its Markdown, with numbers behind cited passages and their sources.
    cost : float or None
        USD at list prices; None where no price is known.
    saved : float
        USD that the prompt cache saved, below 0 where it cost more; 0 where no price is known.
    seconds : float
        From the cell's start to the turn's end.
    demo : bool
        Whether the offline demo model answered, not Claude, and nothing was charged.
    id : str
        A hexadecimal uuid, its own for ever.
    conversation : str
        The id of the conversation in which it was asked.
    cell_id : str
        The notebook cell that made it; ``""`` where the front end tells none.
    began : float
        Seconds since the epoch, for people; order is never taken from it.
    stale : bool
        Whether something above it has changed since it was answered.
    reused : bool
        Whether the answer was taken from the store, free of charge.
    replayed : str
        The cassette that answered, free of charge, and the answer's day; ``""`` for none.
    answer : Answer
        The last of its replies: the only one, unless there were rounds.
    rounds : tuple of Round
        What came before ``answer``: tool calls with their results, and pauses.
    sections : tuple of Section
        The answer with what can be folded in it, in order; () where ``shown`` is all there is.
    stands_for : tuple of str
        Of a summary: the ids of the turns whose place it takes, of those too that an earlier one stood for.
    """

    prompt: str
    blocks: tuple[Block, ...] = field(repr=False)
    reply: bytes = field(default=b"", repr=False)
    shown: str = field(default="", repr=False)
    answer: Answer = Answer()
    stage: Stage = "pending"
    model: str = ""
    cost: float | None = None
    seconds: float = 0.0
    request_id: str = ""
    demo: bool = False
    id: str = ""
    conversation: str = ""
    cell_id: str = ""
    began: float = 0.0
    stale: bool = False
    reused: bool = False
    replayed: str = ""
    saved: float = 0.0
    rounds: tuple[Round, ...] = ()
    sections: tuple[Section, ...] = ()
    stands_for: tuple[str, ...] = ()

    @property
    def goes_back(self) -> bool:
        """Whether something of the answer can be sent with the questions that follow."""
        return bool(self.reply) or bool(self.rounds and self.stage != "refused")

    @property
    def text(self) -> str:
        """The answer's text: that of its last reply, or of all where the last has none."""
        return self.answer.text or "\n\n".join(text for round_ in self.rounds if (text := round_.answer.text))

    @property
    def usage(self) -> Usage:
        """Tokens of all its replies."""
        return total([*(round_.answer.usage for round_ in self.rounds), self.answer.usage])
