"""A reply cut at every byte: what was whole is kept to the letter, and no cut looks like success."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from anthropic import Anthropic

from claude_magic.api.client import Endpoint, connect
from claude_magic.api.fold import Fold
from claude_magic.api.patience import Patience
from claude_magic.api.stream import Stream
from claude_magic.errors import ApiProblem, ConnectionProblem, StreamCut
from claude_magic.stop import Stop
from claude_magic.values import Answer
from tests.faults import FaultServer, Script, Seen, closed, delta, ended, opened, start, streamed

CITATION = {
    "type": "page_location",
    "cited_text": "Der Median ist robust.",
    "document_index": 0,
    "document_title": "Über Mittelwerte",
    "start_page_number": 3,
    "end_page_number": 4,
}
EVENTS: list[dict[str, Any]] = [
    start(),
    {"type": "ping"},
    opened(0, type="thinking", thinking="", signature=""),
    delta("thinking_delta", 0, thinking="Naïve mean → 3·σ off; "),
    delta("thinking_delta", 0, thinking="so the médian."),
    delta("signature_delta", 0, signature="EqQBCkYIBRgCKkBf"),
    closed(0),
    opened(1),
    delta("text_delta", 1, text="The médian — 中央値 — is "),
    delta("text_delta", 1, text="robust 🙂"),
    delta("text_delta", 1, text=" and, split in two, \ud83d"),
    delta("text_delta", 1, text="\ude00, so "),
    delta("citations_delta", 1, citation=CITATION),
    closed(1),
    opened(2),
    delta("text_delta", 2, text="a single 10⁶ in it\n\n```python\nmedian([1, 2, 10**6])  # → 2\n```\n"),
    {"type": "ping"},
    delta("content_from_the_future", 2, shape="Ω"),
    delta("text_delta", 2, text="| 値 | n |\n|---|---|\n| « median » | 2 |\n\n"),
    delta("text_delta", 2, text="changes nothing.\u2028"),
    closed(2),
    *ended(),
]
THREADS = 12


def wire(event: dict[str, Any]) -> bytes:
    """An event with its characters as they are, but for halves of a pair, which only escapes can carry."""
    data = json.dumps(event, ensure_ascii=False)
    if any("\ud800" <= character <= "\udfff" for character in data):
        data = json.dumps(event)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


PIECES = [wire(event) for event in EVENTS]
RECORDED = b"".join(PIECES) + b": bye\n\n"


def whole_events(cut: int) -> int:
    """How many events stand whole before a byte."""
    end = count = 0
    for piece in PIECES:
        end += len(piece)
        if end > cut:
            break
        count += 1
    return count


def text_of(count: int) -> str:
    """The text in the first events; half a character is none."""
    text = "".join(event["delta"].get("text", "") for event in EVENTS[:count] if "delta" in event)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def play(seen: Seen) -> Script:
    return streamed(RECORDED[: seen.body["cut"]])


@pytest.fixture(scope="module")
def client() -> Iterator[Anthropic]:
    with FaultServer(choose=play) as server:
        connected = connect(Endpoint(server.url, "sk-ant-canary-0123456789"))
        yield connected
        connected.close()


def received(client: Anthropic, cut: int) -> tuple[Answer, ApiProblem | None]:
    """What is left of the reply that is cut before a byte."""
    body = json.dumps({"cut": cut, "messages": []}).encode()
    with Stream(client, body, Stop(), Patience(retries=0)) as stream:
        try:
            for _ in stream.batches():
                pass
        except ApiProblem as problem:
            return stream.refold(Fold()).answer(), problem
        return stream.refold(Fold()).answer(), None


def check(client: Anthropic, cut: int) -> str:
    """What is wrong with a reply cut before a byte; "" for nothing."""
    count = whole_events(cut)
    try:
        answer, problem = received(client, cut)
    except Exception as error:  # noqa: BLE001 - told with the byte it belongs to
        return f"byte {cut}: raises {error!r}"
    expected = None if count == len(PIECES) else StreamCut if count else ConnectionProblem
    if type(problem) is not (expected or type(None)):
        return f"byte {cut}: {problem!r}, not {expected}"
    if answer.complete is not (count == len(PIECES)):
        return f"byte {cut}: complete is {answer.complete}"
    if answer.text != text_of(count):
        return f"byte {cut}: {answer.text!r}, not {text_of(count)!r}"
    return ""


def test_a_reply_cut_at_any_byte_keeps_what_was_whole(client: Anthropic) -> None:
    assert len(RECORDED) > 3_000
    assert text_of(len(EVENTS)).endswith("changes nothing.\u2028")
    with ThreadPoolExecutor(THREADS) as pool:
        wrong = [said for said in pool.map(lambda cut: check(client, cut), range(len(RECORDED) + 1)) if said]
    assert not wrong, f"{len(wrong)} cuts:\n" + "\n".join(wrong[:20])
