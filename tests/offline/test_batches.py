"""Message Batches through the real SDK, and on the bare wire beyond what it sends."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types.messages import MessageBatch

from claude_magic import offline
from claude_magic.offline import Pledge
from claude_magic.offline.errors import ApiError
from claude_magic.offline.spool import ranges

from . import raw
from .test_admission import refused
from .test_files import sdk

Start = Callable[[Pledge], anthropic.Anthropic]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server whose batches go as the test says."""
    with contextlib.ExitStack() as stack:

        def start(pledge: Pledge) -> anthropic.Anthropic:
            api = stack.enter_context(offline.start(pace=0, batches=pledge))
            return stack.enter_context(sdk(api))

        yield start


def item(number: int, **params: Any) -> Any:
    asked = {
        "model": "claude-haiku-5-5",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": f"say: {number}"}],
    }
    return {"custom_id": f"row-{number}", "params": asked | params}


def ended(client: anthropic.Anthropic, batch: MessageBatch) -> MessageBatch:
    end = time.monotonic() + 30
    while (now := client.messages.batches.retrieve(batch.id)).processing_status != "ended":
        counts = now.request_counts
        assert (counts.succeeded, counts.errored, counts.canceled, counts.expired) == (0, 0, 0, 0)
        assert now.results_url is None
        assert time.monotonic() < end
        time.sleep(0.05)
    return now


def outcomes(client: anthropic.Anthropic, batch: MessageBatch) -> dict[str, Any]:
    return {one.custom_id: one.result for one in client.messages.batches.results(batch.id)}


def test_a_batch_is_answered_in_an_order_of_its_own_at_its_tier(client: anthropic.Anthropic) -> None:
    batch = client.messages.batches.create(requests=[item(number) for number in range(20)])
    assert (batch.type, batch.processing_status, batch.request_counts.processing) == (
        "message_batch", "in_progress", 20,
    )  # fmt: skip
    assert (batch.expires_at - batch.created_at).total_seconds() == pytest.approx(86_400, abs=1)
    done = ended(client, batch)
    assert (done.request_counts.succeeded, done.request_counts.processing) == (20, 0)
    assert done.ended_at is not None
    results = list(client.messages.batches.results(batch.id))
    assert sorted(one.custom_id for one in results) == sorted(f"row-{number}" for number in range(20))
    assert [one.custom_id for one in results] != [f"row-{number}" for number in range(20)]
    for one in results:
        assert one.result.type == "succeeded"
        message = one.result.message
        assert isinstance(message.content[0], anthropic.types.TextBlock)
        assert message.content[0].text == one.custom_id.removeprefix("row-")
        assert (message.usage.service_tier, message.stop_reason) == ("batch", "end_turn")


def test_requests_that_are_none_are_errored_one_by_one(client: anthropic.Anthropic) -> None:
    asked = [
        item(0),
        item(1, max_tokens=-1),
        item(2, stream=True),
        item(3, model="no-model"),
        item(4, temprature=1),
    ]
    batch = client.messages.batches.create(requests=asked)
    counts = ended(client, batch).request_counts
    assert (counts.succeeded, counts.errored) == (1, 4)
    found = outcomes(client, batch)
    for number, kind, word in (
        (1, "invalid_request_error", "max_tokens"),
        (2, "invalid_request_error", "stream"),
        (3, "not_found_error", "no-model"),
        (4, "invalid_request_error", "temprature"),
    ):
        error = found[f"row-{number}"].error
        assert (error.type, error.error.type) == ("error", kind)
        assert word in error.error.message
        assert error.request_id


def test_a_canceled_batch_keeps_what_was_answered(start: Start) -> None:
    client = start(Pledge(delay=40.0))  # one a second
    batch = client.messages.batches.create(requests=[item(number) for number in range(40)])
    time.sleep(2.5)
    canceling = client.messages.batches.cancel(batch.id)
    assert canceling.processing_status == "canceling"
    assert canceling.cancel_initiated_at is not None
    counts = ended(client, batch).request_counts
    assert counts.succeeded >= 1
    assert counts.canceled >= 1
    assert counts.succeeded + counts.canceled == 40
    assert {one.type for one in outcomes(client, batch).values()} == {"succeeded", "canceled"}
    with pytest.raises(anthropic.BadRequestError, match="has ended"):
        client.messages.batches.cancel(batch.id)


def test_what_is_not_answered_in_time_expires(start: Start) -> None:
    client = start(Pledge(delay=60.0, life=0.3))
    batch = client.messages.batches.create(requests=[item(number) for number in range(10)])
    assert ended(client, batch).request_counts.expired == 10
    assert {one.type for one in outcomes(client, batch).values()} == {"expired"}


def test_a_share_comes_to_grief(start: Start) -> None:
    client = start(Pledge(delay=0.0, errored=0.25, expired=0.5))
    batch = client.messages.batches.create(requests=[item(number) for number in range(8)])
    ended(client, batch)
    found = outcomes(client, batch)
    assert sorted(one.type for one in found.values()) == ["errored"] * 2 + ["expired"] * 2 + ["succeeded"] * 4
    failed = next(one for one in found.values() if one.type == "errored")
    assert failed.error.error.type == "api_error"


def test_results_go_and_the_batch_is_told_of_still(start: Start) -> None:
    client = start(Pledge(delay=0.0, kept=2.0))
    batch = client.messages.batches.create(requests=[item(1)])
    ended(client, batch)
    end = time.monotonic() + 20
    while (gone := client.messages.batches.retrieve(batch.id)).archived_at is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert gone.processing_status == "ended"
    assert gone.archived_at is not None
    assert gone.results_url is None
    with pytest.raises(anthropic.AnthropicError, match="results_url"):
        client.messages.batches.results(batch.id)


def test_batches_are_listed_by_pages_newest_first_and_deleted(start: Start) -> None:
    client = start(Pledge(delay=0.0))
    made = [client.messages.batches.create(requests=[item(number)]).id for number in range(5)]
    page = client.messages.batches.list(limit=2)
    assert [one.id for one in page.data] == made[:2:-1]
    assert (page.has_more, page.first_id, page.last_id) == (True, made[4], made[3])
    assert [one.id for one in client.messages.batches.list(limit=2)] == made[::-1]
    before = client.messages.batches.list(limit=2, before_id=made[1])
    assert [one.id for one in before.data] == [made[3], made[2]]
    ended(client, client.messages.batches.retrieve(made[0]))
    assert client.messages.batches.delete(made[0]).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError, match=made[0]):
        client.messages.batches.retrieve(made[0])
    with pytest.raises(anthropic.BadRequestError, match="after_id"):
        client.messages.batches.list(after_id=made[0])


def test_a_batch_under_way_has_no_results_and_is_not_deleted(start: Start) -> None:
    client = start(Pledge(delay=60.0))
    batch = client.messages.batches.create(requests=[item(1)])
    with pytest.raises(anthropic.BadRequestError, match="in progress"):
        client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.BadRequestError, match="no results yet"):
        client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=httpx2.Response)


ONE = item(1)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "requests: Field required"),
        (b'{"requests": {}}', "valid list"),
        (b'{"requests": []}', "at least one"),
        (b'{"requests": [0]}', "valid dictionary"),
        (b'{"requests": [[{}]]}', "valid dictionary"),
        ({"requests": [ONE], "more": 1}, "more: Extra"),
        ({"requests": [ONE, 0]}, "valid dictionary"),
        ({"requests": [ONE, ONE]}, "unique"),
        ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
        ({"requests": [{"params": {}}]}, "requests.0.custom_id: Field required"),
        ({"requests": [{**ONE, "more": 1}]}, "requests.0.more: Extra"),
        ({"requests": [{**ONE, "custom_id": ""}]}, "requests.0.custom_id"),
        ({"requests": [{**ONE, "custom_id": "a" * 65}]}, "requests.0.custom_id"),
        ({"requests": [{**ONE, "custom_id": "a b"}]}, "requests.0.custom_id"),
        ({"requests": [{**ONE, "custom_id": 7}]}, "requests.0.custom_id"),
        ({"requests": [{**ONE, "params": []}]}, "requests.0.params"),
        (b'{"requests": [{"custom_id": "a", "params": {"x": nan}}]}', "not valid JSON"),
        (b'{"requests": [{"custom_id": "a", "params": {}} {}]}', "not valid JSON"),
        (b'{"requests": [' + b"[" * 100_000 + b"]}", "JSON"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_whole(wire: httpx2.Client, body: Any, word: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = wire.post(
        "/v1/messages/batches", content=content, headers={"Content-Type": "application/json"}
    )
    refused(response, 400, "invalid_request_error", word)


def test_unknown_batches_and_methods(wire: httpx2.Client) -> None:
    for path in ("", "/results"):
        refused(
            wire.get(f"/v1/messages/batches/msgbatch_none{path}"), 404, "not_found_error", "msgbatch_none"
        )
    refused(wire.post("/v1/messages/batches/msgbatch_none/cancel"), 404, "not_found_error", "msgbatch_none")
    refused(wire.put("/v1/messages/batches"), 405, "invalid_request_error", "PUT")


def test_one_hundred_thousand_requests_are_the_most() -> None:
    frame = b'{"requests":[' + b",".join([b"{}"] * 100_000) + b"%b]}"
    assert len(found_in(frame % b"")) == 100_000
    with pytest.raises(ApiError, match="at most 100000"):
        found_in(frame % b",{}")


def test_brackets_and_quotes_inside_texts_are_texts() -> None:
    texts = ['}]"', "\\", '\\"{[', "[{" * 50, "é\u2028😀"]
    items = [
        {"custom_id": str(number), "params": {"x": [text, {"y": text}]}} for number, text in enumerate(texts)
    ]
    for ascii_only in (True, False):
        body = json.dumps({"requests": items}, ensure_ascii=ascii_only, indent=1).encode()
        assert [json.loads(body[begin:end]) for begin, end in found_in(body)] == items


def found_in(body: bytes) -> list[tuple[int, int]]:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        return ranges(file)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_large_body_goes_to_disk_and_a_larger_one_is_refused(local_api: offline.LocalApi) -> None:
    """Nearly 100 MB of one batch: three times what any other path takes."""
    with offline.start(pace=0, batches=Pledge(delay=60)) as api, sdk(api) as client:
        client.messages.create(max_tokens=9, model="claude-haiku-5-5", messages=item(0)["params"]["messages"])
        before = raw.resident(api)
        padding = "x" * 10_000_000
        large = json.dumps({"requests": [item(number, system=padding) for number in range(9)]}).encode()
        response = httpx2.post(
            f"{api.url}/v1/messages/batches", content=io.BytesIO(large), timeout=60, trust_env=False,
            headers={
                "x-api-key": api.token, "anthropic-version": "2023-06-01", "Content-Type": "application/json",
                "Content-Length": str(len(large)),
            },
        )  # fmt: skip
        assert response.status_code == 200, response.text
        assert raw.resident(api) - before < 60_000_000
    announced = raw.head(
        "POST /v1/messages/batches HTTP/1.1", *raw.admitted(local_api), raw.JSON, b"Content-Length: 268435457"
    )
    with raw.connect(local_api) as connection:
        connection.sendall(announced)
        status, _, body = raw.one_answer(connection)
    assert status == 413
    assert b"268435456" in body
