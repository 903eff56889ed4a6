"""An answer as sections: every word of it once, and nothing glued to what is no text."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from claude_magic.api.events import decode
from claude_magic.api.fold import Fold
from claude_magic.citations import Numbers
from claude_magic.sections import answer_sections, joined
from claude_magic.values import Answer, OtherPart, Part, TextPart, ThinkingPart

SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}

texts = st.sampled_from(["", " ", "\n\n", "Hello", " there."]).map(TextPart)
others = st.sampled_from(
    [ThinkingPart("hm", "sig"), OtherPart("server_tool_use", SEARCH), OtherPart(str(FOUND["type"]), FOUND)]
)


def block_of(part: Part) -> dict[str, object]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ThinkingPart(thinking, signature):
            return {"type": "thinking", "thinking": thinking, "signature": signature}
        case OtherPart(_, raw):
            return dict(raw)
    raise AssertionError(part)


@given(st.lists(texts | others, max_size=8))
def test_text_stays_text_and_reads_as_it_was_drawn(parts: list[Part]) -> None:
    sections = answer_sections(Answer(tuple(parts)), Numbers(), thinking=True)
    assert "".join(joined(sections).split()) == "".join(
        "".join(part.text for part in parts if isinstance(part, TextPart)).split()
    )
    for section in sections:
        assert section.kind == "text" or "Hello" not in section.body
    live = Fold()
    for index, part in enumerate(parts):
        event = {"type": "content_block_start", "index": index, "content_block": block_of(part)}
        for one in decode([json.dumps(event)]):
            live.take(one)
    drawn = "".join(section.body for section in live.news() if section.kind == "text")
    assert drawn == joined(sections)
