"""The fold of a stream: from events to the answer as received so far.

The same fold serves live, replayed and journaled streams.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from claude_magic.api.estimate import Growing
from claude_magic.api.events import (
    BlockStart,
    BlockStop,
    CitationDelta,
    Delta,
    Event,
    MessageDelta,
    MessageStart,
    MessageStop,
    StreamError,
    Unknown,
)
from claude_magic.api.options import DATA_TOOL
from claude_magic.characters import whole
from claude_magic.citations import Numbers
from claude_magic.readable import Readable
from claude_magic.served import server_section
from claude_magic.values import (
    Answer,
    OtherPart,
    Part,
    Section,
    TextPart,
    ThinkingPart,
    ToolUsePart,
    Usage,
)


class _OpenBlock:
    """A content block that is still growing."""

    __slots__ = ("citations", "closed", "pieces", "raw", "readable", "signature")

    def __init__(self, raw: Mapping[str, Any], readable: Readable | None = None) -> None:
        self.raw = raw
        self.readable = readable
        # Of a kind that this code does not know nothing is read: it is kept as it came.
        known = raw if raw.get("type") in ("text", "thinking") else {}
        self.pieces: list[str] = [known.get("text") or known.get("thinking") or ""]
        self.signature: str = known.get("signature") or ""
        self.citations: list[Mapping[str, Any]] = list(known.get("citations") or ())
        self.closed = False

    def part(self) -> Part:
        kind = self.raw.get("type", "")
        text = "".join(self.pieces)
        match kind:
            case "text":
                return TextPart(whole(text), tuple(self.citations))
            case "thinking":
                return ThinkingPart(text, self.signature)
            case "tool_use":
                start = self.raw.get("input")
                return ToolUsePart(
                    self.raw.get("id") or "",
                    self.raw.get("name") or "",
                    text or (json.dumps(start) if start else ""),
                )
            case _:
                return OtherPart(kind, {**self.raw, "input_json": text} if text else self.raw)


class Fold:
    """The fold of a stream: feed it events in order, read the answer at any time.

    It appends to lists, so that its cost is linear however many deltas come.

    Parameters
    ----------
    numbers : Numbers
        Numbers the sources that the answer cites.
    apart : bool
        Whether text has been shown before it: its own is set apart by a blank line.
    begins : str
        What the first text goes on from: the beginning that the model was given.
    data : str
        As of `Options.data`: how the answer is data, and its JSON to be made readable. The call of the tool
        whose input is the answer is taken for text, and the end in it for an end.
    """

    def __init__(
        self, numbers: Numbers | None = None, *, apart: bool = False, begins: str = "", data: str = ""
    ) -> None:
        self._begins = begins
        self._data = data
        self._read: set[int] = set()
        self._blocks: dict[int, _OpenBlock] = {}
        self._head = Answer()
        self._stopped = False
        self._size = Growing()
        self.cache_miss = ""
        """The API's word for why its prompt cache was missed, whether it mattered or not."""
        self._news: list[Section] = []
        self._numbers = numbers or Numbers()
        self._shown = self._apart = apart

    @property
    def started(self) -> bool:
        """Whether ``message_start`` has been seen."""
        return bool(self._head.message_id or self._head.model)

    @property
    def usage(self) -> Usage:
        """The usage as far as the API has told it."""
        return self._head.usage

    @property
    def calls_are_whole(self) -> bool:
        """Whether each tool call has come with its beginning and its end."""
        return all(block.closed for block in self._blocks.values() if block.raw.get("type") == "tool_use")

    @property
    def pieces(self) -> int:
        """The size of what has come so far, text, thinking and tool input, in pieces of some six letters."""
        return self._size.pieces

    def take(self, event: Event) -> None:
        """Take in one event; what is unknown or out of place is passed over."""
        match event:
            case Delta(index, kind, text):
                self._grow(index, kind, text)
            case BlockStart(index, block):
                self._open(index, block)
            case CitationDelta(index, citation):
                if index in self._blocks:
                    self._blocks[index].citations.append(citation)
            case BlockStop(index):
                if index in self._blocks:
                    self._blocks[index].closed = True
                    self._close(index)
            case MessageStart():
                self._begin(event)
            case MessageDelta():
                self._end(event)
            case MessageStop():
                self._stopped = True
            case StreamError() | Unknown():
                pass
            case _:
                assert_never(event)

    def _begin(self, event: MessageStart) -> None:
        if not self.started:
            self.cache_miss = event.cache_miss
            self._head = replace(
                self._head,
                message_id=event.message_id,
                model=event.model,
                usage=merge(Usage(), event.usage),
                container=event.container,
            )

    def _end(self, event: MessageDelta) -> None:
        reason = event.stop_reason or self._head.stop_reason
        if reason == "tool_use" and self._read == self._calls():
            reason = "end_turn"
        self._head = replace(
            self._head,
            stop_reason=reason,
            stop_sequence=event.stop_sequence or self._head.stop_sequence,
            stop_details=event.stop_details or self._head.stop_details,
            usage=replace(merge(self._head.usage, event.usage), final=True),
            container=event.container or self._head.container,
        )

    def _calls(self) -> set[int]:
        """The blocks that are tool calls, or were before they were read as text."""
        calls = {index for index, block in self._blocks.items() if block.raw.get("type") == "tool_use"}
        return calls | self._read

    def _open(self, index: int, block: Mapping[str, Any]) -> None:
        if self._data == "tool" and block.get("type") == "tool_use" and block.get("name") == DATA_TOOL:
            self._read.add(index)
            given = block.get("input")
            block = {"type": "text", "text": json.dumps(given, ensure_ascii=False) if given else ""}
        if self._begins and block.get("type") == "text":
            block = {**block, "text": self._begins + (block.get("text") or "")}
            self._begins = ""
        self._blocks[index] = _OpenBlock(block, Readable() if self._data else None)
        if block.get("type") == "text":
            self._show_of(self._blocks[index], self._blocks[index].pieces[0])
            return
        self._apart = self._shown
        if found := server_section(block, self._use_of(block.get("tool_use_id"))):
            self._news.append(found)

    def _grow(self, index: int, kind: str, text: str) -> None:
        block = self._blocks.get(index)
        if block is None:  # its start was lost: the text still counts
            block = self._blocks[index] = _OpenBlock({"type": kind}, Readable() if self._data else None)
        if index in self._read and kind == "input_json":
            kind = "text"
        if kind == "signature":
            block.signature += text
        else:
            block.pieces.append(text)
            self._size.feed(text)
            if kind == "text":
                self._show_of(block, text)
            elif kind == "thinking":
                self._news.append(Section("thinking", text))

    def _close(self, index: int) -> None:
        block = self._blocks[index]
        if index in self._read and not any(block.pieces):
            self._grow(index, "text", "{}")  # a call without arguments
        self._show(self._numbers.mark(block.citations))
        if block.readable is not None and block.raw.get("type") == "text":
            self._show(block.readable.finish())

    def _show_of(self, block: _OpenBlock, text: str) -> None:
        self._show(text if block.readable is None else block.readable.feed(text))

    def _show(self, text: str) -> None:
        if text:
            self._news.append(Section("text", "\n\n" + text if self._apart else text))
            self._shown = True
            self._apart = False

    def _use_of(self, call: object) -> dict[str, Mapping[str, Any]]:
        """The call of a tool of the API's own that has this id, under it."""
        blocks = (block for block in self._blocks.values() if call and block.raw.get("id") == call)
        parts = (block.part() for block in blocks)
        return {str(call): part.raw for part in parts if isinstance(part, OtherPart)}

    def news(self) -> list[Section]:
        """What has come since the last call: more text, with numbers behind cited passages, and the rest.

        Text and thinking come in pieces, whatever else can be shown comes whole.
        """
        news, self._news = self._news, []
        merged: list[Section] = []
        for kind, pieces in itertools.groupby(news, lambda section: section.kind):
            if kind not in ("text", "thinking"):
                merged += pieces
                continue
            merged.append(Section(kind, "".join(piece.body for piece in pieces)))
        if merged and "\ud800" <= merged[-1].body[-1:] <= "\udbff":
            # Half a surrogate pair waits for its other half.
            last = merged.pop()
            self._news.append(Section(last.kind, last.body[-1:]))
            merged += [Section(last.kind, last.body[:-1])] if last.body[:-1] else []
        return [replace(section, body=whole(section.body)) for section in merged]

    @property
    def phase(self) -> str:
        """What the model is doing: ``waiting``, ``thinking``, ``writing`` or ``calling a tool``."""
        if not self._blocks:
            return "waiting"
        last = self._blocks[max(self._blocks)].raw.get("type", "")
        return {"thinking": "thinking", "redacted_thinking": "thinking", "text": "writing"}.get(
            last, "calling a tool"
        )

    def answer(self) -> Answer:
        """The answer as received so far."""
        parts = tuple(block.part() for _, block in sorted(self._blocks.items()))
        return replace(self._head, parts=parts, complete=self._stopped and bool(self._head.stop_reason))


def merge(usage: Usage, raw: Mapping[str, Any]) -> Usage:
    """Overwrite a usage by what an event tells; fields it leaves out stand."""

    def number(value: object, old: int) -> int:
        return value if isinstance(value, int) else old

    def word(name: str, old: str) -> str:
        value = raw.get(name)
        return value if isinstance(value, str) else old

    def inner(name: str) -> Mapping[str, Any]:
        value = raw.get(name)
        return value if isinstance(value, dict) else {}

    split, details = inner("cache_creation"), inner("output_tokens_details")
    tools = inner("server_tool_use")
    return replace(
        usage,
        input_tokens=number(raw.get("input_tokens"), usage.input_tokens),
        output_tokens=number(raw.get("output_tokens"), usage.output_tokens),
        cache_read_input_tokens=number(raw.get("cache_read_input_tokens"), usage.cache_read_input_tokens),
        cache_creation_input_tokens=number(
            raw.get("cache_creation_input_tokens"), usage.cache_creation_input_tokens
        ),
        cache_creation_1h_tokens=number(
            split.get("ephemeral_1h_input_tokens"), usage.cache_creation_1h_tokens
        ),
        thinking_tokens=number(details.get("thinking_tokens"), usage.thinking_tokens),
        web_searches=number(tools.get("web_search_requests"), usage.web_searches),
        web_fetches=number(tools.get("web_fetch_requests"), usage.web_fetches),
        service_tier=word("service_tier", usage.service_tier),
        speed=word("speed", usage.speed),
        inference_geo=word("inference_geo", usage.inference_geo),
    )
