"""Who may ask: loopback Host, no Origin, the token, JSON, and no more than 32 MB."""

from __future__ import annotations

import gzip
import hmac
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from claude_magic.offline import LocalApi, handler
from claude_magic.offline.errors import ApiError

from . import raw

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

BODY = {"model": "claude-opus-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


def refused(response: httpx2.Response, status: int, kind: str, word: str) -> None:
    body = response.json()
    assert (response.status_code, body["error"]["type"]) == (status, kind)
    assert word in body["error"]["message"]
    assert body["type"] == "error"
    assert body["request_id"] == response.headers["request-id"]
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("headers", "status", "kind", "word"),
    [
        ({"Host": "evil.example"}, 403, "permission_error", "Host"),
        ({"Host": "127.0.0.1"}, 403, "permission_error", "Host"),
        ({"Host": "127.0.0.1.evil.example:80"}, 403, "permission_error", "Host"),
        ({"Origin": "http://127.0.0.1"}, 403, "permission_error", "Origin"),
        ({"Origin": "null"}, 403, "permission_error", "Origin"),
        ({"x-api-key": "wrong"}, 401, "authentication_error", "x-api-key"),
        ({"x-api-key": ""}, 401, "authentication_error", "x-api-key"),
        ({"Authorization": "Bearer wrong"}, 401, "authentication_error", "bearer"),
        ({"Content-Type": "text/plain"}, 400, "invalid_request_error", "Content-Type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 400, "invalid_request_error", "Content-Type"),
        ({"anthropic-version": ""}, 400, "invalid_request_error", "anthropic-version"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_request_with_foreign_headers_is_refused(
    wire: httpx2.Client, method: str, headers: dict[str, str], *, status: int, kind: str, word: str
) -> None:
    if method == "GET":
        response = wire.get("/v1/models", headers=headers)
        if "Content-Type" in headers:
            assert response.status_code == 200  # a GET has no content
        else:
            refused(response, status, kind, word)
    else:
        sent = {"Content-Type": "application/json", **headers}
        refused(wire.post("/v1/messages", content=json.dumps(BODY), headers=sent), status, kind, word)


def test_both_ways_to_give_the_token_and_every_loopback_name_are_admitted(local_api: LocalApi) -> None:
    port = local_api.url.rpartition(":")[2]
    common = {"anthropic-version": "2026-10-21"}
    with httpx2.Client(base_url=local_api.url, trust_env=False, timeout=30) as wire:
        for key in ({"x-api-key": local_api.token}, {"Authorization": f"Bearer {local_api.token}"}):
            for host in ("127.0.0.1", "localhost", "[::1]"):
                headers = {**common, **key, "Host": f"{host}:{port}"}
                assert wire.post("/v1/messages", json=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/batches", "/v1/../etc/passwd", "/x%00y"])
def test_what_is_not_there_is_a_404_in_the_apis_words(wire: httpx2.Client, path: str) -> None:
    refused(wire.get(path), 404, "not_found_error", "Not found")
    refused(wire.post(path, json={}), 404, "not_found_error", "Not found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("PUT", "/v1/messages"),
        ("DELETE", "/v1/models/claude-opus-5-5"),
        ("POST", "/v1/models"),
        ("OPTIONS", "/v1/messages"),
        ("PATCH", "/v1/messages/count_tokens"),
    ],
)
def test_other_methods_are_refused(wire: httpx2.Client, method: str, path: str) -> None:
    response = wire.request(method, path, headers={"Content-Type": "application/json"})
    refused(response, 405, "invalid_request_error", method)


def test_a_made_up_method_is_refused(wire: httpx2.Client) -> None:
    refused(wire.request("BREW", "/v1/messages"), 405, "invalid_request_error", "")


def test_a_preflight_of_a_web_page_gets_nothing(wire: httpx2.Client) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    refused(wire.options("/v1/messages", headers=headers), 403, "permission_error", "Origin")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b'"x"', b'{"a": NaN}', b'{"a": -Infinity}', b"\xff\xfe", b"[" * 100_000, b"1" * 5000],
)
def test_what_is_not_a_json_object_is_refused(wire: httpx2.Client, content: bytes) -> None:
    response = wire.post("/v1/messages", content=content, headers={"Content-Type": "application/json"})
    refused(response, 400, "invalid_request_error", "JSON")


@pytest.mark.parametrize("announced", [True, False], ids=["with its length", "in chunks"])
def test_a_body_over_32_megabytes_gets_a_413_and_not_a_broken_connection(
    wire: httpx2.Client, announced: bool
) -> None:
    large = b'{"model": "' + b"x" * (33 * 1024 * 1024) + b'"}'
    content: Any = (
        large if announced else iter([large[start : start + 65536] for start in range(0, len(large), 65536)])
    )
    response = wire.post("/v1/messages", content=content, headers={"Content-Type": "application/json"})
    refused(response, 413, "request_too_large", "33554432")


def test_a_body_of_just_under_32_megabytes_is_read(wire: httpx2.Client) -> None:
    text = "a" * (31 * 1024 * 1024)
    body = {**BODY, "metadata": {"user_id": text}}
    assert wire.post("/v1/messages", json=body).status_code == 200


def asked(api: LocalApi, line: str, *more: bytes) -> bytes:
    """The whole answer to a request that is admitted if its line and its further headers let it."""
    return raw.exchange(api, raw.head(line, *raw.admitted(api), b"Connection: close", *more))


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"\x16\x03\x01\x00\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/mod\x00els HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\na: b\r\n folded\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\nna me: b\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: <script>\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_a_400_in_the_apis_words(local_api: LocalApi, data: bytes) -> None:
    assert raw.refusal(raw.exchange(local_api, data), 400) == "The request is not valid HTTP/1.1"


@pytest.mark.parametrize(
    "framing",
    [
        [b"Content-Length: x"],
        [b"Content-Length: -1"],
        [b"Content-Length: +5"],
        [b"Content-Length: 5, 6"],
        [b"Content-Length: 5", b"Content-Length: 85"],
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: xchunked"],
    ],
)
@pytest.mark.parametrize("token", ["right", "wrong"])
def test_a_second_request_cannot_be_smuggled_in_a_body(
    local_api: LocalApi, framing: list[bytes], token: str
) -> None:
    hidden = raw.head("GET /v1/models HTTP/1.1", *raw.admitted(local_api))
    headers = [*raw.admitted(local_api), raw.JSON, *framing]
    if token == "wrong":
        headers[1] = b"x-api-key: wrong"
    answer = raw.exchange(local_api, raw.head("POST /v1/messages HTTP/1.1", *headers) + b"0\r\n\r\n" + hidden)
    raw.refusal(answer, 400 if token == "right" else 401)  # one answer, and that is all


def test_requests_behind_a_refused_one_are_not_answered(local_api: LocalApi) -> None:
    good = raw.head("GET /v1/models HTTP/1.1", *raw.admitted(local_api))
    bad = raw.head("GET /v1/models HTTP/1.1", *raw.admitted(local_api)[:1])
    with raw.connect(local_api) as connection:
        connection.sendall(good + good + bad + good)
        assert [raw.one_answer(connection)[0] for _ in range(3)] == [200, 200, 401]
        assert raw.rest(connection) == b""


@pytest.mark.parametrize("length", [b"9" * 18, b"9" * 30, b"9" * 5000])
def test_an_absurd_length_is_refused(local_api: LocalApi, length: bytes) -> None:
    answer = asked(local_api, "POST /v1/messages HTTP/1.1", raw.JSON, b"Content-Length: " + length)
    assert "33554432" in raw.refusal(answer, 413)


@pytest.mark.parametrize(
    "headers",
    [
        [b"x-filler: " + b"a" * 100_000],
        [b"a: b"] * 10_000,
        [f"x-{number}: b".encode() for number in range(10_000)],
        [b"a" * 100_000 + b": b"],
    ],
    ids=["a huge value", "10,000 alike", "10,000 different", "a huge name"],
)
def test_headers_without_measure_close_the_connection(
    local_api: LocalApi, wire: httpx2.Client, headers: list[bytes]
) -> None:
    assert asked(local_api, "GET /v1/models HTTP/1.1", *headers) == b""
    assert wire.get("/v1/models").status_code == 200


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "OPTIONS", "PUT", "BREW", "get", "X" * 2000])
def test_no_method_gets_past_the_host_and_the_token(local_api: LocalApi, method: str) -> None:
    line = f"{method} /v1/messages HTTP/1.1"
    said = raw.refusal(asked(local_api, line), 405)
    assert len(said) < 100
    raw.refusal(raw.exchange(local_api, raw.head(line, b"Host: evil.example")), 403)
    raw.refusal(raw.exchange(local_api, raw.head(line, raw.admitted(local_api)[0])), 401)


@pytest.mark.parametrize(
    "line",
    [
        "GET http://evil.example/v1/models HTTP/1.1",
        "GET //evil.example/v1/models HTTP/1.1",
        "GET evil.example:443 HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /v1/models%00 HTTP/1.1",
        "GET //v1/models HTTP/1.1",
        "POST //v1/messages HTTP/1.1",
        "POST /v1/messages/ HTTP/1.1",
        "POST /V1/MESSAGES HTTP/1.1",
        "POST /v1/../v1/messages HTTP/1.1",
        "POST /v1/./messages HTTP/1.1",
        "POST /v1/%6dessages HTTP/1.1",
        "POST /v1/messages;x=1 HTTP/1.1",
        "POST /v1\\messages HTTP/1.1",
        "GET /v1/files/../../etc/passwd HTTP/1.1",
        "GET /v1/files/..\\..\\etc\\passwd HTTP/1.1",
        "GET /v1/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1",
        "GET /v1/files/%2fetc%2fpasswd HTTP/1.1",
        "GET /v1/files/%252e%252e%252fetc%252fpasswd HTTP/1.1",
        "GET /v1/files/..%2f..%2fetc%2fpasswd/content HTTP/1.1",
        "DELETE /v1/files/%2fetc%2fpasswd HTTP/1.1",
        "GET /v1/models/..%2f..%2fetc%2fpasswd HTTP/1.1",
        "GET /v1/models/%e2%80%ae%00%1b]52; HTTP/1.1",
        "GET /v1/models/caf\xc3\xa9 HTTP/1.1",
        "GET /v1/models/" + "<script>" * 2000 + " HTTP/1.1",
        "GET /" + "a" * 30_000 + " HTTP/1.1",
        "GET /" + "../" * 5000 + "etc/passwd HTTP/1.1",
    ],
)
def test_odd_paths_are_a_404_and_name_no_file(local_api: LocalApi, line: str) -> None:
    answer = asked(local_api, line, raw.JSON)
    raw.refusal(answer, 404)
    assert b"root:" not in answer


@pytest.mark.parametrize("path", ["/v1/models/%ff", "/v1/files/%c0%ae", "/v1/models?limit=%ff"])
def test_what_is_not_utf8_is_a_400(local_api: LocalApi, path: str) -> None:
    assert raw.refusal(asked(local_api, f"GET {path} HTTP/1.1"), 400) == "Bad Request"


def test_the_host_of_a_url_in_the_request_line_does_not_stand_in_for_the_header(local_api: LocalApi) -> None:
    host = raw.admitted(local_api)[0].removeprefix(b"Host: ").decode()
    headers = [b"Host: evil.example", *raw.admitted(local_api)[1:]]
    raw.refusal(raw.exchange(local_api, raw.head(f"GET http://{host}/v1/models HTTP/1.1", *headers)), 403)


@pytest.mark.parametrize("first", [True, False])
def test_two_hosts_are_refused(local_api: LocalApi, first: bool) -> None:
    headers = [b"Host: evil.example", *raw.admitted(local_api)]
    if not first:
        headers = [*headers[1:], headers[0]]
    raw.refusal(raw.exchange(local_api, raw.head("GET /v1/models HTTP/1.1", *headers)), 400)


@pytest.mark.parametrize("twice", [b"x-api-key: wrong", b"Origin: null", b"Authorization: Bearer wrong"])
def test_a_second_credential_or_origin_does_not_help(local_api: LocalApi, twice: bytes) -> None:
    answer = asked(local_api, "GET /v1/models HTTP/1.1", twice)
    raw.refusal(answer, 403 if twice.startswith(b"Origin") else 401)


def test_http_1_0_is_served_if_it_says_where_it_wants_to_go(local_api: LocalApi) -> None:
    line = "GET /v1/models HTTP/1.0"
    assert raw.parsed_head(raw.exchange(local_api, raw.head(line, *raw.admitted(local_api))))[0] == 200
    raw.refusal(raw.exchange(local_api, raw.head(line, *raw.admitted(local_api)[1:])), 403)


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(bytes(50_000_000)),
        b'{"messages": ' + b"[" * 5_000_000,
        b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000,
        b'{"model": "\xed\xa0\x80"}',
        b"a=b&c=d",
    ],
    ids=["a gzip bomb", "deep lists", "deep objects", "half a character", "a form"],
)
def test_a_body_that_is_a_trap_is_refused_and_never_unpacked(local_api: LocalApi, body: bytes) -> None:
    packed = [b"Content-Encoding: gzip"] if body.startswith(b"\x1f\x8b") else []
    answer = raw.exchange(local_api, raw.posted(local_api, body, b"Connection: close", *packed))
    assert "JSON" in raw.refusal(answer, 400)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "<img src=x onerror=alert(1)>\u202e\x1b[31m" * 10_000},
        {"<script>\u2028" * 50_000: 1},
        {"messages": [{"role": "</script>" * 50_000, "content": "Hello"}]},
        {"messages": [{"role": "user", "content": [{"type": "<b>" * 50_000}]}]},
        {"tools": [{"name": "é<b>" * 50_000, "input_schema": {"type": "object"}}]},
        {"tool_choice": {"type": "tool", "name": "<b>" * 50_000}},
        {"stop_sequences": [{"<b>" * 50_000: 1}]},
    ],
)
def test_a_refusal_quotes_little_of_the_request_and_only_as_ascii(
    local_api: LocalApi, change: dict[str, Any]
) -> None:
    body = json.dumps({**BODY, **change}).encode()
    answer = raw.exchange(local_api, raw.posted(local_api, body, b"Connection: close"))
    raw.refusal(answer, 404 if "model" in change else 400)
    assert len(answer) < 15_000


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/files", "/"])
def test_a_preflight_gets_nothing_even_without_an_origin(local_api: LocalApi, path: str) -> None:
    asks = [b"Access-Control-Request-Method: POST", b"Access-Control-Request-Headers: x-api-key"]
    host = raw.admitted(local_api)[0]
    raw.refusal(raw.exchange(local_api, raw.head(f"OPTIONS {path} HTTP/1.1", host, *asks)), 401)
    raw.refusal(asked(local_api, f"OPTIONS {path} HTTP/1.1", *asks), 404 if path == "/" else 405)


@pytest.mark.parametrize(
    "kind", [b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b"text/plain"]
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/files", "/v1/messages/count_tokens"])
def test_a_form_of_a_web_page_is_refused(local_api: LocalApi, path: str, kind: bytes) -> None:
    headers = [raw.admitted(local_api)[0], b"Content-Type: " + kind, b"Content-Length: 3"]
    raw.refusal(raw.exchange(local_api, raw.head(f"POST {path} HTTP/1.1", *headers) + b"a=b"), 401)


def listening(pid: int) -> list[str]:
    """The addresses and ports the process listens on, in the kernel's notation."""
    held = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(str(each.readlink()))
        except FileNotFoundError:
            continue
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text("ascii").splitlines()[1:] if path.exists() else []:
            _, local, _, state, *rest = line.split()
            if f"socket:[{rest[5]}]" in held and (state == "0A" or table.startswith("udp")):
                found.append(local)
    return found


@linux
def test_the_server_listens_on_the_ipv4_loopback_address_only(local_api: LocalApi) -> None:
    port = int(local_api.url.rpartition(":")[2])
    assert listening(local_api.pid) == [f"0100007F:{port:04X}"]


def own_addresses() -> set[str]:
    """The machine's addresses besides loopback, as far as they can be told without sending anything."""
    found = set()
    for family, far in ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
            except OSError:
                continue
            found.add(str(probe.getsockname()[0]))
    if sys.platform == "linux":
        ran = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False)
        found |= set(ran.stdout.split())
    return {each for each in found if not each.startswith(("127.", "0.0.0.0"))}


def test_no_other_address_of_this_machine_reaches_the_server(local_api: LocalApi) -> None:
    port = int(local_api.url.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    for address in {*own_addresses(), "127.0.0.2", "::1"}:
        with pytest.raises(OSError, match=r"(?i)refused|unreachable|cannot assign|not supported"):
            socket.create_connection((address, port), timeout=5).close()


@linux
def test_the_token_is_not_where_other_processes_can_look(local_api: LocalApi) -> None:
    for name in ("cmdline", "environ"):
        assert local_api.token.encode() not in Path(f"/proc/{local_api.pid}/{name}").read_bytes()
    assert local_api.token not in " ".join(os.environ.values())


def test_the_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append({one, other})
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    request = SimpleNamespace(headers={"x-api-key": "right"}, host="localhost:1", method="GET")
    around = SimpleNamespace(port=1, token="right")
    with pytest.raises(ApiError) as refusal:
        handler.Handler._admit(SimpleNamespace(request=request, around=around))  # type: ignore[arg-type]
    assert refusal.value.status == 401
    assert compared == [{b"right"}]


@linux
def test_none_of_this_made_the_server_complain(local_api: LocalApi) -> None:
    assert raw.complaints(local_api) == ""
