"""Files named by messages: checked, described, counted and cached like the same bytes inline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from anthropic.types import FileMetadata

from .conftest import Post
from .samples import Json, assistant, image_block, paper, pdf_block, picture, text_document, user
from .test_admission import refused

PNG = picture(width=40, height=30, colour="red")
PDF = paper(["The first page of it"], title="Notes")
TEXT = "A line of the file. Another sentence.\nA second line.\n"


def image_of(file: FileMetadata | str, **fields: Any) -> Json:
    name = file if isinstance(file, str) else file.id
    return {"type": "image", "source": {"type": "file", "file_id": name}, **fields}


def document_of(file: FileMetadata | str, **fields: Any) -> Json:
    return {**image_of(file, **fields), "type": "document"}


INLINE: list[tuple[str, tuple[str, bytes, str], Callable[[Any], Json], Json]] = [
    ("image", ("a.png", PNG, "image/png"), image_of, image_block(PNG)),
    ("PDF", ("a.pdf", PDF, "application/pdf"), document_of, pdf_block(PDF)),
    ("text", ("a.txt", TEXT.encode(), "text/plain"), document_of, text_document(TEXT)),
]


@pytest.mark.parametrize(
    ("upload", "block", "inline"), [row[1:] for row in INLINE], ids=[r[0] for r in INLINE]
)
@pytest.mark.parametrize("place", ["message", "tool result"])
def test_a_file_is_described_and_counted_like_the_same_bytes_inline(
    client: anthropic.Anthropic,
    post: Post,
    upload: tuple[str, bytes, str],
    block: Callable[[Any], Json],
    inline: Json,
    *,
    place: str,
) -> None:
    def request(value: Json) -> list[Json]:
        if place == "message":
            return [user("Look", value)]
        call = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": [value]}
        return [user("Look"), assistant(call), user(result)]

    by_id = request(block(client.files.upload(file=upload)))
    answers = [post(messages=messages).json() for messages in (by_id, request(inline))]
    assert answers[0]["content"] == answers[1]["content"]
    assert answers[0]["usage"] == answers[1]["usage"]
    counts = [
        post("/v1/messages/count_tokens", max_tokens=..., messages=messages).json()
        for messages in (by_id, request(inline))
    ]
    assert counts[0] == counts[1]
    assert counts[0]["input_tokens"] == answers[0]["usage"]["input_tokens"]


def test_the_description_shows_that_the_file_was_opened(client: anthropic.Anthropic) -> None:
    photo = client.files.upload(file=("a.png", PNG, "image/png"))
    notes = client.files.upload(file=("a.pdf", PDF, "application/pdf"))
    nested = {"type": "document", "source": {"type": "content", "content": [image_of(photo)]}}
    message = client.messages.create(
        model="claude-opus-5-5",
        max_tokens=2000,
        messages=[user("Look", image_of(photo), document_of(notes), nested)],  # type: ignore[list-item]
    )
    said = message.content[0].to_dict()["text"]
    assert isinstance(said, str)
    assert said.count("PNG, 40×30 px") == 2
    assert "titled “Notes”" in said
    assert "The first page of it" in said


def test_a_file_can_be_cited(client: anthropic.Anthropic, post: Post) -> None:
    file = client.files.upload(file=("a.txt", TEXT.encode(), "text/plain"))
    asked = document_of(file, citations={"enabled": True}, title="Lines")
    content = post(messages=[user("Quote", asked)]).json()["content"]
    cited = [citation for block in content for citation in block.get("citations") or ()]
    assert cited[0]["cited_text"] == "A line of the file."
    assert cited[0]["document_title"] == "Lines"


def test_a_file_is_cached_as_one_prefix_with_the_same_bytes_inline(
    client: anthropic.Anthropic, post: Post
) -> None:
    unique = paper([f"Cached page {number}" for number in range(4)], title="Cached as a file")
    file = client.files.upload(file=("a.pdf", unique, "application/pdf"))
    again = client.files.upload(file=("b.pdf", unique, "application/pdf"))
    mark = {"cache_control": {"type": "ephemeral"}}
    usages = [
        post(messages=[user(block, "What is in it?")]).json()["usage"]
        for block in (document_of(file, **mark), document_of(again, **mark), pdf_block(unique, **mark))
    ]
    written = usages[0]["cache_creation_input_tokens"]
    assert written > 4 * 1500
    assert [usage["cache_read_input_tokens"] for usage in usages] == [0, written, written]


BAD: list[tuple[str, tuple[str, bytes, str], Callable[[Any], Json], str]] = [
    ("no image", ("a.png", b"junk", "image/png"), image_of, "Could not process image"),
    ("another format", ("a.jpg", PNG, "image/jpeg"), image_of, "does not match the provided media type"),
    ("no PDF", ("a.pdf", b"junk", "application/pdf"), document_of, "does not begin with %PDF"),
    ("nothing", ("a.pdf", b"", "application/pdf"), document_of, "empty"),
    ("a blank text", ("a.txt", b" \n", "text/plain"), document_of, "The document is empty"),
    ("a large image", ("a.png", PNG + bytes(4 << 20), "image/png"), image_of, "5 MB maximum"),
    ("no UTF-8", ("a.txt", b"\xff\xfe", "text/plain"), document_of, "file_id: The file is not UTF-8"),
    (
        "a PDF as image",
        ("a.pdf", PDF, "application/pdf"),
        image_of,
        "file_id: A file of type application/pdf",
    ),
    ("an image as document", ("a.png", PNG, "image/png"), document_of, "file_id: A file of type image/png"),
    ("a table", ("a.csv", b"a,b", "text/csv"), document_of, "file_id: A file of type text/csv"),
]


@pytest.mark.parametrize(("upload", "block", "word"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_file_that_does_not_fit_is_refused(
    client: anthropic.Anthropic,
    post: Post,
    upload: tuple[str, bytes, str],
    block: Callable[[Any], Json],
    word: str,
    *,
    path: str,
) -> None:
    file = client.files.upload(file=upload)
    limit = 100 if path == "/v1/messages" else ...
    response = post(path, max_tokens=limit, messages=[user("Look", block(file))])
    refused(response, 400, "invalid_request_error", "messages.0.content.1.source")
    refused(response, 400, "invalid_request_error", word)


def test_an_inline_image_is_refused_in_the_same_words(client: anthropic.Anthropic, post: Post) -> None:
    file = client.files.upload(file=("a.png", b"junk", "image/png"))
    errors = [
        post(messages=[user(block)]).json()["error"] for block in (image_of(file), image_block(b"junk"))
    ]
    assert errors[0] == errors[1]


@pytest.mark.parametrize("block", [image_of, document_of])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_message_that_names_a_deleted_file_is_refused(
    client: anthropic.Anthropic, post: Post, block: Callable[[Any], Json], path: str
) -> None:
    file = client.files.upload(file=("a.png", PNG, "image/png"))
    client.files.delete(file.id)
    limit = 100 if path == "/v1/messages" else ...
    for name in (file.id, "file_nought", ""):
        response = post(path, max_tokens=limit, messages=[user("Look", block(name))])
        refused(response, 404, "not_found_error", f"content.1.source.file_id: File not found: {name}")
