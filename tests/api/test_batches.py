"""Message Batches at the API: bodies on disk, whole messages as events, and answers that are none."""

from __future__ import annotations

import io
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import pytest

from claude_magic import offline
from claude_magic.api import batches, providers
from claude_magic.api.events import MalformedEvent, decode
from claude_magic.api.fold import Fold
from claude_magic.api.spool import Most, Spool, asked_in, request_at
from claude_magic.api.whole import events_of
from claude_magic.citations import Numbers
from claude_magic.errors import ApiProblem, ConnectionProblem, UsageProblem
from claude_magic.values import Answer, OtherPart, TextPart, ThinkingPart, ToolUsePart, Usage

Answering = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(scope="module")
def client(local_api: offline.LocalApi) -> Iterator[anthropic.Anthropic]:
    http = anthropic.DefaultHttpxClient(trust_env=False, verify=False)
    with anthropic.Anthropic(base_url=local_api.url, api_key=local_api.token, http_client=http) as client:
        yield client


@contextmanager
def server(answer: Answering) -> Iterator[tuple[anthropic.Anthropic, list[str]]]:
    """An API that answers as the test says, a client of it, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("content-length", "0")))
            answer(self)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
    thread.start()
    http = anthropic.DefaultHttpxClient(trust_env=False, verify=False)
    url = f"http://127.0.0.1:{listening.server_port}"
    try:
        with anthropic.Anthropic(base_url=url, api_key="sk-x", http_client=http, max_retries=0) as client:
            yield client, asked
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def says(status: int, body: bytes, kind: str = "application/json") -> Answering:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


# Whole messages


def folded(events: list[Any], data: str = "") -> Fold:
    fold = Fold(Numbers(), data=data)
    for event in events:
        fold.take(event)
    return fold


TOOL = {
    "name": "add",
    "description": "adds",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
}
DOCUMENT = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "Rain fell in March. The river rose."},
    "citations": {"enabled": True},
}


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": [{"role": "user", "content": "say: grüße 😀 and more"}]},
        {"messages": [{"role": "user", "content": "add 2 and 3"}], "tools": [TOOL]},
        {
            "messages": [{"role": "user", "content": "think"}],
            "thinking": {"type": "adaptive", "display": "summarized"},
        },
        {
            "messages": [
                {"role": "user", "content": [DOCUMENT, {"type": "text", "text": "What of the river?"}]}
            ]
        },
        {
            "messages": [{"role": "user", "content": "search the web for rain"}],
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        },
        {"messages": [{"role": "user", "content": "write 200 words"}], "max_tokens": 20},
    ],
    ids=["text", "tool", "thinking", "citations", "server tool", "cut"],
)
def test_a_whole_message_folds_to_what_its_stream_does(client: anthropic.Anthropic, asked: Any) -> None:
    body = {"model": "claude-opus-5-5", "max_tokens": 2000} | asked
    whole = client.post("/v1/messages", cast_to=object, body=body)
    assert isinstance(whole, dict)
    with client.messages.with_streaming_response.create(**body, stream=True) as response:
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    streamed, made = folded(decode(lines)), folded(events_of(whole))
    assert [(one.kind, one.title, one.body) for one in made.news()] == [
        (one.kind, one.title, one.body) for one in streamed.news()
    ]
    a, b = made.answer(), streamed.answer()
    assert a.complete
    assert (a.stop_reason, a.model, a.text) == (b.stop_reason, b.model, b.text)
    assert [type(part) for part in a.parts] == [type(part) for part in b.parts]
    for one, other in zip(a.parts, b.parts, strict=True):
        if isinstance(one, TextPart):
            assert one == other
        elif isinstance(one, ThinkingPart):
            assert isinstance(other, ThinkingPart)
            assert (one.thinking, bool(one.signature)) == (other.thinking, bool(other.signature))
        elif isinstance(one, ToolUsePart):
            assert isinstance(other, ToolUsePart)
            assert (one.name, json.loads(one.input_json)) == (other.name, json.loads(other.input_json))
        elif isinstance(one, OtherPart):
            assert isinstance(other, OtherPart)
            assert one.kind == other.kind
            assert set(one.raw) == set(other.raw)
    assert (a.usage.final, a.usage.output_tokens) == (True, b.usage.output_tokens)


def test_the_batch_tier_reaches_the_usage() -> None:
    message = {
        "type": "message", "id": "msg_1", "model": "claude-opus-5-5", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hi", "citations": None}],
        "usage": {
            "input_tokens": 10, "output_tokens": 5, "service_tier": "batch",
            "cache_creation_input_tokens": 8, "cache_creation": {"ephemeral_1h_input_tokens": 8},
        },
    }  # fmt: skip
    answer = folded(events_of(message)).answer()
    assert answer == Answer(
        (TextPart("Hi"),),
        Usage(10, 5, 0, 8, 8, final=True, service_tier="batch"),
        "claude-opus-5-5", "msg_1", "end_turn", complete=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "message"},
        {"type": "message", "content": {}},
        {"type": "message", "content": ["text"]},
        {"type": "message", "content": [{"type": "text"}]},
        {"type": "message", "content": [{"type": "text", "text": 7}]},
        {"type": "message", "content": [{"type": "text", "text": "a", "citations": [1]}]},
        {"type": "message", "content": [{"type": "tool_use", "id": 1, "input": {}}]},
        {"type": "message", "content": [], "stop_reason": ["end_turn"]},
        {"type": "message", "content": [], "usage": []},
    ],
)
def test_what_is_no_message_is_malformed(message: Any) -> None:
    with pytest.raises(MalformedEvent):
        events_of(message)


# Bodies on disk


def requests(count: int, size: int = 10) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        content = [{"type": "text", "text": f"{number} " + "é" * size}]
        params = {"model": "m", "messages": [{"role": "user", "content": content}]}
        yield f"row-{number}", json.dumps(params, ensure_ascii=False, separators=(",", ":")).encode()


def test_requests_are_split_by_count_and_by_size(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Most(requests=3))
    parts = list(spool.written(requests(7)))
    assert [len(part.places) for part in parts] == [3, 3, 1]
    large = Spool(tmp_path / "spool", Most(size=1000))
    by_size = list(large.written(requests(10, size=100)))
    assert len(by_size) > 2
    assert all(spool.path(part.name).stat().st_size <= 1000 for part in by_size)
    found = []
    for part in (*parts, *by_size):
        path = spool.path(part.name)
        body = json.loads(path.read_bytes())
        assert [one["custom_id"] for one in body["requests"]] == [key for key, _ in part.places]
        with spool.open(part.name) as file:
            for key, place in reversed(part.places):
                custom_id, params = request_at(file, place)
                assert custom_id == key
                found.append(asked_in(params)[0]["text"].split()[0])
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(found) == 17
    if os.name == "posix":
        assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700


def test_a_part_is_told_before_the_next_request_is_made(tmp_path: Path) -> None:
    made = []

    def slowly() -> Iterator[tuple[str, bytes]]:
        for one in requests(5):
            made.append(one[0])
            yield one

    parts = Spool(tmp_path, Most(requests=2)).written(slowly())
    next(parts)
    assert len(made) == 3


def test_a_failure_leaves_nothing_of_its_part(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[str, bytes]]:
        yield from requests(2)
        raise UsageProblem("no")

    with pytest.raises(UsageProblem):
        list(Spool(tmp_path).written(failing()))
    with pytest.raises(UsageProblem, match="One row's request has"):
        list(Spool(tmp_path, Most(size=100)).written(requests(1, size=500)))
    with pytest.raises(ValueError, match="no custom_id"):
        list(Spool(tmp_path).written([("a b", b"{}")]))
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_the_store_opens_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    spool = Spool(tmp_path / "spool")
    for name in ("../secret.txt", "", "/etc/hosts"):
        with pytest.raises(FileNotFoundError):
            spool.open(name)
        spool.drop(name)
    assert (tmp_path / "secret.txt").exists()


# Results


def results(*lines: Any) -> list[batches.Result | None]:
    raw = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return list(batches.results(io.BytesIO(raw + b"\n")))


def test_hostile_results_are_told_in_one_plain_line() -> None:
    evil = "\x1b[31m<script>alert(1)</script>\u202e\nsk-ant-api03-" + "a" * 90 + "x" * 5000
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": evil}}
    told = results({"custom_id": "a", "result": {"type": "errored", "error": error}})[0]
    assert told is not None
    assert told.outcome == "errored"
    assert told.error.isprintable()
    assert len(told.error) < 400
    assert "sk-ant-api03-aaaa" not in told.error
    for envelope in list[Any](
        (None, 7, [], {}, {"error": 3}, {"error": {"message": 5}}, {"error": {"message": " "}})
    ):
        told = results({"custom_id": "a", "result": {"type": "errored", "error": envelope}})[0]
        assert told is not None
        assert told.error == "an error without a message"


def test_lines_that_are_no_result_are_told_as_none() -> None:
    assert results(b"", b"  ") == []
    none = (
        b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, {"custom_id": 1, "result": {"type": "expired"}},
        {"custom_id": "a"}, {"custom_id": "a", "result": {"type": ["x"]}}, {"custom_id": "a", "result": []},
        {"custom_id": "a", "result": {"type": "succeeded", "message": "Hi"}},
        {"custom_id": "a", "result": {"type": "succeeded"}},
    )  # fmt: skip
    assert results(*none) == [None] * len(none)
    strange = results({"custom_id": "a", "result": {"type": "vanished"}})[0]
    assert strange == batches.Result("a", "errored", error="an error without a message")


# Answers


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Sign in</html>",
        b"[]",
        b"{}",
        b'{"id": "../../v1/files", "processing_status": "ended"}',
        b'{"id": "msgbatch_1", "processing_status": "dancing"}',
        b"\xff",
    ],
)
def test_an_answer_that_is_no_batch_is_one_line(body: bytes) -> None:
    with (
        server(says(200, body)) as (client, _),
        pytest.raises(ConnectionProblem, match="not one of the Messages"),
    ):
        batches.retrieve(client, "msgbatch_1")


def test_odd_fields_of_a_batch_are_left_out() -> None:
    odd = {
        "id": "msgbatch_1", "processing_status": "ended", "created_at": "yesterday", "expires_at": None,
        "request_counts": {"succeeded": 3, "errored": "many", "expired": True}, "results_url": "http://evil/",
    }  # fmt: skip
    with server(says(200, json.dumps(odd).encode())) as (client, _):
        told = batches.retrieve(client, "msgbatch_1")
    assert told == batches.Batch("msgbatch_1", "ended", {"succeeded": 3}, 0.0, 0.0, fetchable=True)


def test_results_are_asked_for_at_the_api_itself_wherever_an_answer_points() -> None:
    line = json.dumps({"custom_id": "a", "result": {"type": "expired"}}).encode() + b"\n"
    with server(says(200, line, "application/x-jsonl")) as (client, asked):
        file = io.BytesIO()
        assert batches.download(client, "msgbatch_1", file) is False
    assert asked == ["/v1/messages/batches/msgbatch_1/results"]
    assert file.getvalue() == line
    for name in ("../files", "a/b", "", "a?b"):
        with pytest.raises(UsageProblem, match="no batch's id"):
            batches.retrieve(client, name)


def test_results_that_break_off_are_a_problem() -> None:
    def breaks(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b'{"custom_id"')

    with server(breaks) as (client, _), pytest.raises(ApiProblem):
        batches.download(client, "msgbatch_1", io.BytesIO())


def test_a_batch_that_is_not_there_is_told_apart() -> None:
    gone = json.dumps({"type": "error", "error": {"type": "not_found_error", "message": "Batch not found"}})
    for status, is_gone in ((404, True), (403, False), (500, False)):
        with server(says(status, gone.encode())) as (client, _), pytest.raises(ApiProblem) as caught:
            batches.retrieve(client, "msgbatch_1")
        assert batches.is_gone(caught.value) is is_gone


def test_a_body_is_sent_as_it_stands_on_disk(client: anthropic.Anthropic, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    params = {
        "model": "claude-haiku-5-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "say: x"}],
    }
    (part,) = spool.written([("a", json.dumps(params).encode())])
    told = batches.submit(client, spool.path(part.name))
    assert (told.status, told.counts["processing"], told.demo) == ("in_progress", 1, True)
    assert told.expires - told.created == pytest.approx(86_400, abs=1)
    assert told.id in [one.id for one in batches.newest(client)[0]]
    twice = b'{"custom_id":"a","params":{}}'
    path = tmp_path / "twice.json"
    path.write_bytes(b'{"requests":[%b,%b]}' % (twice, twice))
    with pytest.raises(ApiProblem, match="unique"):
        batches.submit(client, path)


@pytest.mark.parametrize("provider", providers.PROVIDERS, ids=lambda one: one.name)
def test_who_takes_no_batches_is_refused_here(provider: providers.Provider) -> None:
    if provider.name in ("anthropic", "google-cloud", "aws"):
        batches.refuse_batches(provider)
        return
    with pytest.raises(UsageProblem, match=r"takes no Message Batches.*Nothing was sent\.$"):
        batches.refuse_batches(provider)
