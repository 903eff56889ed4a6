"""Clients that are slow, silent, many, or stop half way: each is dropped in time, and others are served."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from claude_magic import offline
from claude_magic.offline import LocalApi
from claude_magic.offline.guard import Limits
from claude_magic.offline.pledge import Pledge
from claude_magic.offline.server import listen

from . import raw

PATIENCE = 0.5
DROPPED = PATIENCE + 3  # a busy machine may take longer, but not without end
MB = 1 << 20

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def api() -> Iterator[LocalApi]:
    """A server that waits half a second; in the end it has nothing to complain of."""
    with offline.start(pace=0, patience=PATIENCE) as api:
        served(api)
        settled(api)
        idle = raw.open_sockets(api) if sys.platform == "linux" else 0
        yield api
        served(api)
        if sys.platform == "linux":
            assert raw.complaints(api) == ""
            assert reached(lambda: raw.open_sockets(api) <= idle), "connections were left over"


def served(api: LocalApi, within: float = 3.0) -> None:
    """An honest client gets its answer promptly."""
    begun = time.monotonic()
    with raw.connect(api) as connection:
        connection.sendall(raw.posted(api))
        assert raw.one_answer(connection)[0] == 200
    assert time.monotonic() - begun < within


def settled(api: LocalApi) -> None:
    """Wait until every connection has gone."""
    if sys.platform == "linux":
        assert reached(lambda: raw.open_sockets(api) <= 4)


def reached(condition: Callable[[], bool], within: float = raw.WAIT) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def dripped(api: LocalApi, beginning: bytes, drops: bytes) -> float:
    """Send bytes one by one, without ever a silence, and return after how long the server closed."""
    begun = time.monotonic()
    with raw.connect(api) as connection:
        connection.sendall(beginning)
        connection.settimeout(0.05)
        while time.monotonic() - begun < raw.WAIT:
            try:
                connection.sendall(drops[:1])
                if not connection.recv(4096):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    return time.monotonic() - begun


@pytest.mark.parametrize("what", ["request line", "header", "body", "chunk", "chunk size", "refused body"])
def test_a_client_that_drips_is_dropped_though_it_is_never_silent(api: LocalApi, what: str) -> None:
    line, headers = "POST /v1/messages HTTP/1.1", [*raw.admitted(api), raw.JSON]
    endless = raw.head(line, *headers, b"Transfer-Encoding: chunked")
    beginning = {
        "request line": b"GET /v1/mod",
        "header": raw.head(line, *headers)[:-2] + b"x-filler: ",
        "body": raw.posted(api, b'{"model": "', length=5000),
        "chunk": endless + b"ffff\r\n",
        "chunk size": endless,
        "refused body": raw.head(line, b"Host: evil.example", b"Content-Length: 5000"),
    }[what]
    taken = dripped(api, beginning, b"0")
    assert PATIENCE * 0.8 < taken < DROPPED


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"\x00\xff" * 500,
        b"GET / HTTP/1.1\r\nHost:",
    ],
    ids=["nothing", "a TLS hello", "garbage", "half a head"],
)
def test_a_client_that_falls_silent_is_dropped(api: LocalApi, said: bytes) -> None:
    with raw.connect(api) as connection:
        connection.sendall(said)
        assert raw.rest(connection, DROPPED) == b""


def test_a_connection_idle_after_its_answer_is_dropped(api: LocalApi) -> None:
    with raw.connect(api) as connection:
        connection.sendall(raw.posted(api))
        assert raw.one_answer(connection)[0] == 200
        assert raw.rest(connection, DROPPED) == b""


def streamed(api: LocalApi, words: int) -> bytes:
    body = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 128_000,
        "stream": True,
        "messages": [{"role": "user", "content": f"{words} words"}],
    }
    return raw.posted(api, json.dumps(body).encode())


@linux
def test_a_client_that_never_reads_its_stream_is_dropped_and_costs_little_memory(api: LocalApi) -> None:
    settled(api)
    with contextlib.ExitStack() as stack:
        deaf = [stack.enter_context(raw.connect(api, room=4096)) for _ in range(4)]
        before = raw.resident(api)
        for each in deaf:
            each.sendall(streamed(api, 80_000) + b"x" * 3 * MB)  # and it pipelines, unasked
        assert reached(lambda: raw.open_sockets(api) >= 5)
        most = before

        def gone() -> bool:
            nonlocal most
            most = max(most, raw.resident(api))
            return raw.open_sockets(api) <= 4

        assert reached(gone, 20)
        served(api)
    assert most - before < 120 * MB


def test_a_client_that_reads_slowly_but_reads_gets_its_whole_stream(api: LocalApi) -> None:
    with raw.connect(api, room=65536) as connection:
        connection.sendall(streamed(api, 50_000))
        got = bytearray()
        begun = time.monotonic()
        while not got.endswith(b"\r\n0\r\n\r\n"):
            some = connection.recv(131072)
            assert some, "the server gave up"
            got += some
            if time.monotonic() - begun < 3 * PATIENCE:
                time.sleep(PATIENCE / 10)
    assert b"event: message_stop" in got
    assert time.monotonic() - begun > 2 * PATIENCE


@pytest.mark.parametrize("kind", ["silent", "half a head", "a body that never comes", "refused"])
def test_a_crowd_of_half_open_connections_keeps_nobody_out(local_api: LocalApi, kind: str) -> None:
    # The server of the other tests, which would wait for 10 seconds and longer.
    said = {
        "silent": b"",
        "half a head": b"POST /v1/messages HTTP/1.1\r\nHost: ",
        "a body that never comes": raw.head("POST /v1/messages HTTP/1.1", b"Host: x", b"Content-Length: 9"),
        "refused": raw.head("GET / HTTP/1.1", b"Host: x"),
    }[kind]
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            for _ in range(60):
                stack.enter_context(raw.connect(local_api)).sendall(said)
            served(local_api)
        if sys.platform == "linux":
            assert raw.open_sockets(local_api) < 420
    served(local_api)


def test_the_crowd_does_not_cut_off_who_is_being_served(local_api: LocalApi) -> None:
    with (
        raw.connect(local_api, room=65536) as reader,
        raw.connect(local_api) as sender,
        contextlib.ExitStack() as stack,
    ):
        reader.sendall(streamed(local_api, 50_000))
        start = reader.recv(100)
        whole = raw.posted(local_api)
        sender.sendall(whole[:-10])
        assert b"200 OK" in start
        for _ in range(8):
            for _ in range(60):
                stack.enter_context(raw.connect(local_api))
            served(local_api)
        sender.sendall(whole[-10:])
        assert raw.one_answer(sender)[0] == 200
        end = bytearray()
        while not end.endswith(b"\r\n0\r\n\r\n"):
            end += reader.recv(65536) or pytest.fail("cut off")


@linux
def test_a_body_shorter_than_announced_leaves_nothing_behind(api: LocalApi) -> None:
    settled(api)
    before = raw.resident(api)
    for _ in range(12):
        with raw.connect(api) as connection:
            connection.sendall(raw.posted(api, b"x" * 20 * MB, length=21 * MB))
    settled(api)
    assert reached(lambda: raw.resident(api) - before < 100 * MB)
    served(api)


@pytest.mark.parametrize("goes", [True, False], ids=["the client goes", "the server drops it"])
def test_a_request_broken_off_leaves_no_task_behind(goes: bool) -> None:
    async def tasks(at_least: int, at_most: int) -> bool:
        for _ in range(500):
            if at_least <= len(asyncio.all_tasks()) <= at_most:
                return True
            await asyncio.sleep(0.01)
        return False

    async def broken_off() -> None:
        # A refused body has the time of the headers, whatever an admitted one has.
        limits = Limits(headers=60 if goes else 0.3)
        server, around = listen(
            port=0, token="t", pace=0, models=(), files=None, pledge=Pledge(), limits=limits
        )
        _, writer = await asyncio.open_connection("127.0.0.1", around.port)
        host, key = f"Host: 127.0.0.1:{around.port}".encode(), b"x-api-key: " + (b"t" if goes else b"wrong")
        headers = (host, key, b"anthropic-version: 1", raw.JSON, b"Content-Length: 9")
        writer.write(raw.head("POST /v1/messages HTTP/1.1", *headers) + b"{")
        assert await tasks(3, 9)  # this one, the connection's, the request's
        if goes:
            writer.close()
        assert await tasks(1, 1), asyncio.all_tasks()
        writer.close()
        server.stop()

    asyncio.run(broken_off())


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in chunks"])
def test_a_body_too_large_is_refused_before_it_has_been_sent(api: LocalApi, announced: bool) -> None:
    limit = 32 * MB
    with raw.connect(api) as connection:
        if announced:
            connection.sendall(raw.posted(api, b"", length=limit + 1))
        else:
            line = "POST /v1/messages HTTP/1.1"
            connection.sendall(raw.head(line, *raw.admitted(api), raw.JSON, b"Transfer-Encoding: chunked"))
            connection.sendall(f"{limit * 2:x}\r\n".encode() + bytes(limit + 1))
        status, headers, body = raw.one_answer(connection)
        assert (status, headers["connection"]) == (413, "close")
        assert str(limit) in json.loads(body)["error"]["message"]
        assert raw.rest(connection, DROPPED) == b""


@linux
def test_chunks_without_end_fill_no_memory(api: LocalApi) -> None:
    settled(api)
    before = raw.resident(api)
    line = "POST /v1/messages HTTP/1.1"
    chunk = b"100000\r\n" + bytes(MB) + b"\r\n"
    with raw.connect(api) as connection:
        connection.sendall(raw.head(line, *raw.admitted(api), raw.JSON, b"Transfer-Encoding: chunked"))
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(chunk)
        assert raw.resident(api) - before < 100 * MB
        raw.refusal(raw.rest(connection), 413)


def test_who_is_not_admitted_is_told_so_before_the_body(api: LocalApi) -> None:
    headers = [raw.JSON, *raw.admitted(api)[:1], b"x-api-key: wrong", b"Content-Length: 1000"]
    for more in ([], [b"Expect: 100-continue"]):
        with raw.connect(api) as connection:
            connection.sendall(raw.head("POST /v1/messages HTTP/1.1", *headers, *more))
            raw.refusal(raw.rest(connection, DROPPED), 401)  # and no "100 Continue" with it


def test_who_is_admitted_is_told_to_continue(api: LocalApi) -> None:
    whole = raw.posted(api, raw.BODY, b"Expect: 100-continue", b"Connection: close")
    with raw.connect(api) as connection:
        connection.sendall(whole[: -len(raw.BODY)])
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(raw.BODY)
        assert raw.parsed_head(raw.rest(connection))[0] == 200
