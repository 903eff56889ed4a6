"""Files uploaded once and named by id: through the real SDK, and on the bare wire beyond what it sends."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from claude_magic import offline
from claude_magic.offline.errors import ApiError
from claude_magic.offline.files import MAX_FILE, FileStore
from claude_magic.offline.multipart import read_form

from .samples import paper, picture, user
from .test_admission import refused

PNG = picture(width=40, height=30, colour="red")
PDF = paper(["A page"])


def sdk(api: offline.LocalApi) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=api.url,
        api_key=api.token,
        max_retries=0,
        timeout=30,
        http_client=anthropic.DefaultHttpxClient(trust_env=False),
        _strict_response_validation=True,
    )


@pytest.fixture
def fresh() -> Iterator[anthropic.Anthropic]:
    """The client of a server to which nothing was uploaded."""
    with offline.start(pace=0) as api, sdk(api) as client:
        yield client


def form(*parts: tuple[str, bytes], boundary: str = "mark") -> bytes:
    """The body of a form of (headers without line end, content) parts."""
    body = b"".join(
        b"--" + boundary.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    return body + b"--" + boundary.encode() + b"--\r\n"


FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"'
LIFE = 'Content-Disposition: form-data; name="expires_in_seconds"'


def send(wire: httpx2.Client, body: Any, kind: str = "multipart/form-data; boundary=mark") -> httpx2.Response:
    return wire.post("/v1/files", content=body, headers={"Content-Type": kind})


def not_downloadable(client: anthropic.Anthropic, file_id: str) -> None:
    with pytest.raises(anthropic.types.FileNotDownloadableError, match=file_id) as caught:
        client.files.download(file_id)
    assert (caught.value.status_code, caught.value.type) == (400, "invalid_request_error")
    assert caught.value.error_code == "file_not_downloadable"


def test_an_upload_is_told_of_and_never_given_out(client: anthropic.Anthropic) -> None:
    file = client.files.upload(file=("photo.png", PNG, "image/png"))
    assert (file.type, file.filename, file.mime_type, file.size_bytes) == (
        "file",
        "photo.png",
        "image/png",
        len(PNG),
    )
    assert file.expires_at is None
    assert file.downloadable is False
    assert client.files.retrieve_metadata(file.id) == file
    not_downloadable(client, file.id)


def test_every_form_of_upload_of_the_sdk_is_read(client: anthropic.Anthropic, tmp_path: Path) -> None:
    path = tmp_path / "näme with ; and “quotes”.txt"
    path.write_bytes(b"x")
    by_path = client.files.upload(file=path)
    assert (by_path.filename, by_path.mime_type) == (path.name, "text/plain")
    by_stream = client.files.upload(file=("b.bin", io.BytesIO(b"\r\n--\r\n\0\xff")))
    assert by_stream.size_bytes == 8
    assert client.files.upload(file=b"").size_bytes == 0
    beta = client.beta.files.upload(file=("c.pdf", PDF))
    assert (beta.mime_type, beta.size_bytes) == ("application/pdf", len(PDF))


def test_the_asynchronous_client_can_do_the_same(local_api: offline.LocalApi) -> None:
    async def up_and_down() -> None:
        async with anthropic.AsyncAnthropic(
            base_url=local_api.url,
            api_key=local_api.token,
            http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False),
        ) as client:
            file = await client.files.upload(file=("a.txt", b"abc"))
            with pytest.raises(anthropic.types.FileNotDownloadableError):
                await client.files.download(file.id)
            assert file.id in [each.id async for each in client.files.list(limit=1)]
            assert (await client.files.delete(file.id)).type == "file_deleted"

    asyncio.run(up_and_down())


@pytest.mark.parametrize("call", ["retrieve_metadata", "download", "delete"])
def test_a_deleted_file_is_not_found(client: anthropic.Anthropic, call: str) -> None:
    file = client.files.upload(file=("a.txt", b"abc"))
    deleted = client.files.delete(file.id)
    assert (deleted.id, deleted.type) == (file.id, "file_deleted")
    with pytest.raises(anthropic.NotFoundError, match=file.id) as caught:
        getattr(client.files, call)(file.id)
    assert caught.value.type == "not_found_error"
    assert caught.value.request_id is not None


def test_the_list_is_paged_newest_first(fresh: anthropic.Anthropic) -> None:
    assert fresh.files.list().data == []
    files = [fresh.files.upload(file=(f"{number}.txt", b"x")) for number in range(5)]
    names = [file.id for file in reversed(files)]
    assert [file.id for file in fresh.files.list()] == names
    page = fresh.files.list(limit=2)
    assert [file.id for file in page.data] == names[:2]
    assert (page.next_page or "").startswith("page_")
    # what comes and goes between two pages moves nothing
    fresh.files.upload(file=("new.txt", b"x"))
    fresh.files.delete(names[1])
    following = page.get_next_page()
    assert [file.id for file in following.data] == names[2:4]
    assert [file.id for file in fresh.files.list(limit=2, page=following.next_page)] == names[4:]
    assert not fresh.files.list(limit=5).has_next_page()


def test_files_can_be_listed_by_id(client: anthropic.Anthropic) -> None:
    files = [client.files.upload(file=("a.txt", b"x")) for _ in range(3)]
    page = client.files.list(ids=[files[2].id, "file_nought", files[0].id, files[2].id])
    assert [file.id for file in page.data] == [files[2].id, files[0].id]
    assert page.next_page is None
    with pytest.raises(anthropic.BadRequestError, match="ids"):
        client.files.list(ids=[files[0].id], limit=5)
    with pytest.raises(anthropic.BadRequestError, match="at most 100"):
        client.files.list(ids=[f"file_{number}" for number in range(101)])


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=²", "page=x", "page=page_", "page=page_é!"],
)
def test_a_listing_that_makes_no_sense_is_refused(wire: httpx2.Client, query: str) -> None:
    refused(wire.get(f"/v1/files?{query}"), 400, "invalid_request_error", query.partition("=")[0])


@pytest.mark.parametrize(
    ("given", "media_type", "filename", "kept_type"),
    [
        ("C:\\data\\../a.PNG", "", "a.PNG", "image/png"),
        ("/etc/passwd", "text/plain; charset=utf-8", "passwd", "text/plain"),
        ("a.webp", "application/octet-stream", "a.webp", "image/webp"),
        ("a.nought", "", "a.nought", "application/octet-stream"),
        ("", "application/pdf", "unnamed.pdf", "application/pdf"),
        ("folder/", "image/png", "unnamed.png", "image/png"),
        ("a.txt", "no type", "a.txt", "text/plain"),
    ],
)
def test_names_and_types_of_uploads(
    wire: httpx2.Client, given: str, media_type: str, *, filename: str, kept_type: str
) -> None:
    escaped = given.replace("\\", "\\\\")
    head = f'Content-Disposition: form-data; name="file"; filename="{escaped}"'
    head += f"\r\nContent-Type: {media_type}" if media_type else ""
    file = send(wire, form((head, b"x"))).json()
    assert (file["filename"], file["mime_type"]) == (filename, kept_type)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "boundary"),
        (b"{}", "boundary"),
        (form((FILE, b"x"))[:-8], "no end"),
        (b"--mark\r\n" + FILE.encode() + b"\r\n\r\n", "no end"),
        (b"--markX\r\n\r\n", "line end"),
        (form(("Content-Disposition: attachment; name=file", b"x")), "no name"),
        (form(("Content-Type: text/plain", b"x")), "no name"),
        (form((FILE, b"x")).replace(b"a.txt", b"\xff.txt"), "UTF-8"),
        (form(*[(LIFE, b"x")] * 30), "parts"),
        (form(), "file: Field required"),
        (form((LIFE, b"3600")), "file: Field required"),
        (form((FILE, b"x"), (FILE, b"x")), "file: Field given more than once"),
        (form((FILE, b"x"), (LIFE.replace("expires_in_seconds", "purpose"), b"x")), "purpose: Extra inputs"),
        (form((FILE.replace("a.txt", "a?.txt"), b"x")), "file.filename"),
        (form((FILE.replace("a.txt", "a" * 256), b"x")), "file.filename"),
        *(
            (form((FILE, b"x"), (LIFE, life)), "expires_in_seconds")
            for life in (b"3599", b"7776001", b"x", b"")
        ),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(wire: httpx2.Client, body: bytes, word: str) -> None:
    refused(send(wire, body), 400, "invalid_request_error", word)


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/octet-stream", "multipart/form-data"]
)
def test_only_a_form_with_its_boundary_can_be_uploaded(wire: httpx2.Client, kind: str) -> None:
    refused(send(wire, form((FILE, b"x")), kind), 400, "invalid_request_error", "Content-Type")


def test_a_form_is_admitted_to_files_only(wire: httpx2.Client) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=mark"}
    response = wire.post("/v1/messages", content=form((FILE, b"x")), headers=headers)
    refused(response, 400, "invalid_request_error", "Content-Type: application/json")


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"Host": "evil.example"}, 403, "permission_error"),
        ({"Origin": "null"}, 403, "permission_error"),
        ({"x-api-key": "wrong"}, 401, "authentication_error"),
        ({"anthropic-version": ""}, 400, "invalid_request_error"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/files"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/{}"),
        ("DELETE", "/v1/files/{}"),
        ("GET", "/v1/files/{}/content"),
    ],
)
def test_foreign_headers_are_refused_here_too(
    wire: httpx2.Client,
    client: anthropic.Anthropic,
    method: str,
    path: str,
    *,
    headers: dict[str, str],
    status: int,
    kind: str,
) -> None:
    file = client.files.upload(file=("a.txt", b"secret"))
    content = form((FILE, b"x")) if method == "POST" else None
    sent = {"Content-Type": "multipart/form-data; boundary=mark", **headers}
    refused(wire.request(method, path.format(file.id), content=content, headers=sent), status, kind, "")
    assert client.files.retrieve_metadata(file.id) == file


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/files"),
        ("DELETE", "/v1/files"),
        ("POST", "/v1/files/x"),
        ("DELETE", "/v1/files/x/content"),
        ("HEAD", "/v1/files/x/content"),
    ],
)
def test_other_methods_are_refused_here_too(wire: httpx2.Client, method: str, path: str) -> None:
    response = wire.request(method, path, headers={"Content-Type": "application/json"})
    assert response.status_code == 405


def test_a_refused_download_holds_nothing_of_the_file(
    wire: httpx2.Client, client: anthropic.Anthropic
) -> None:
    file = client.files.upload(file=("a.html", b"<script>", "text/html"))
    response = wire.get(f"/v1/files/{file.id}/content")
    refused(response, 400, "invalid_request_error", file.id)
    assert response.json()["error"]["details"] == {"error_code": "file_not_downloadable"}
    assert b"<script>" not in response.content
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_may_have_64_megabytes_and_no_byte_more(client: anthropic.Anthropic) -> None:
    largest = client.files.upload(file=("a.bin", bytes(MAX_FILE)))
    assert largest.size_bytes == MAX_FILE
    for more in (1, 1 << 20):
        with pytest.raises(anthropic.RequestTooLargeError, match=str(MAX_FILE)) as caught:
            client.files.upload(file=("a.bin", bytes(MAX_FILE + more)))
        assert caught.value.body["type"] == "error"  # type: ignore[index]
    client.files.delete(largest.id)


def test_a_file_too_large_sent_in_chunks_gets_a_413_too(wire: httpx2.Client) -> None:
    chunk = bytes(1 << 20)
    refused(send(wire, (chunk for _ in range(66))), 413, "request_too_large", str(MAX_FILE))


def test_an_expired_file_keeps_its_metadata_and_loses_its_bytes() -> None:
    with offline.start(pace=0, files_expire=0) as api, sdk(api) as client:
        file = client.files.upload(file=("a.png", PNG, "image/png"), expires_in_seconds=3600)
        assert file.expires_at is not None
        assert (file.expires_at - file.created_at).total_seconds() == 0
        assert client.files.retrieve_metadata(file.id) == file
        with pytest.raises(anthropic.types.FileExpiredError, match=file.id) as caught:
            client.files.download(file.id)
        assert (caught.value.status_code, caught.value.error_code) == (404, "file_expired")
        by_id = {"type": "image", "source": {"type": "file", "file_id": file.id}}
        with pytest.raises(anthropic.NotFoundError, match=file.id) as missing:
            client.messages.create(
                model="claude-opus-5-5",
                max_tokens=100,
                messages=[user(by_id)],  # type: ignore[list-item]
            )
        assert missing.value.type == "not_found_error"
        client.files.delete(file.id)


def test_a_file_lives_as_long_as_its_upload_asked(client: anthropic.Anthropic) -> None:
    file = client.files.upload(file=("a.txt", b"x"), expires_in_seconds=7200)
    assert file.expires_at is not None
    assert (file.expires_at - file.created_at).total_seconds() == 7200
    not_downloadable(client, file.id)  # and not expired


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_time_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(offline.LocalApiFailed, match="--files-expire"):
        offline.start(files_expire=seconds)


def test_a_server_can_lack_the_files_api() -> None:
    with offline.start(pace=0, files=False) as api, sdk(api) as client:
        for call in (
            lambda: client.files.upload(file=("a.txt", b"x")),
            client.files.list,
            lambda: client.files.retrieve_metadata("file_x"),
            lambda: client.files.download("file_x"),
            lambda: client.files.delete("file_x"),
        ):
            with pytest.raises(anthropic.NotFoundError) as caught:
                call()
            assert caught.value.type == "not_found_error"
        headers = {"x-api-key": "wrong", "anthropic-version": "2026-10-21"}
        with httpx2.Client(base_url=api.url, headers=headers, trust_env=False, timeout=30) as wire:
            refused(send(wire, form((FILE, b"x"))), 401, "authentication_error", "")
        assert client.messages.count_tokens(
            model="claude-opus-5-5", messages=[{"role": "user", "content": "Hello"}]
        )


def test_the_oldest_files_expire_when_the_store_is_full() -> None:
    now = [1000.0]
    store = FileStore(room=10, clock=lambda: now[0])
    first, second = store.add("a", "text/plain", b"12345"), store.add("b", "text/plain", b"12345")
    now[0] += 5
    third = store.add("c", "text/plain", b"123456")
    for gone in (first, second):
        assert store.find(gone.id).expires == 1005
        with pytest.raises(ApiError, match="expired"):
            store.content(gone.id)
    assert store.content(third.id)[1] == b"123456"
    assert [file["filename"] for file in store.page(9)["data"]] == ["c", "b", "a"]


def test_a_file_expires_at_its_time_and_makes_room() -> None:
    now = [1000.0]
    store = FileStore(longest=60, room=10, clock=lambda: now[0])
    short, long = store.add("a", "text/plain", b"12345", 30), store.add("b", "text/plain", b"12345", 90)
    assert (short.expires, long.expires) == (1030, 1060)
    now[0] = 1029.9
    assert store.content(short.id)[1] == b"12345"
    now[0] = 1030.0
    with pytest.raises(ApiError, match="expired"):
        store.content(short.id)
    store.add("c", "text/plain", b"12345")
    assert store.content(long.id)[1] == b"12345"


def test_a_form_survives_whatever_its_content_is() -> None:
    content = b"\r\n--mar\r\n--\r\n\r\nmark--" + base64.b64encode(PNG) + b"\r\n"
    parts = read_form(
        b"a preamble\r\n" + form((FILE, content), (LIFE, b"")), 'multipart/form-data; boundary="mark"'
    )
    assert [(part.name, part.filename, part.content) for part in parts] == [
        ("file", "a.txt", content),
        ("expires_in_seconds", "", b""),
    ]
