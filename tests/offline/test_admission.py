"""Who may ask: loopback Host, no Origin, the token, JSON, and no more than 32 MB."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx2
import pytest

from claude_magic.offline import LocalApi

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


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/messages/batches", "/v1/../etc/passwd", "/x%00y"])
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


def test_the_server_listens_on_the_ipv4_loopback_address_only(local_api: LocalApi) -> None:
    psutil = pytest.importorskip("psutil")
    listening = [each for each in psutil.Process(local_api.pid).net_connections() if each.status == "LISTEN"]
    assert [each.laddr.ip for each in listening] == ["127.0.0.1"]


def test_bytes_that_are_not_http_do_not_disturb_it(local_api: LocalApi, wire: httpx2.Client) -> None:
    host, port = local_api.url.removeprefix("http://").split(":")
    for junk in (
        b"\x16\x03\x01\x00",
        b"GET / HTTP/9\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert wire.get("/v1/models").status_code == 200
