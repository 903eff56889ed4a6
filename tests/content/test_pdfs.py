"""PDFs: sent whole as they are, cut, decrypted, or refused in one line."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from io import BytesIO
from typing import Any

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from claude_magic.content.pdfs import MOST_BASE64, page_ranges, pdf_block, pdf_from_pypdf
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block
from tests.content import papers

HOW = Attaching()


def sent(block: Block) -> bytes:
    """The PDF inside a block."""
    return base64.b64decode(json.loads(block.json)["source"]["data"], validate=True)


def texts(data: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(BytesIO(data)).pages]


def refused(data: bytes, how: Attaching = HOW, pages: list[tuple[int, int]] | None = None) -> str:
    with pytest.raises(UsageProblem) as problem:
        pdf_block(data, "report.pdf", how, pages)
    said = str(problem.value)
    assert said.endswith("Nothing was sent.")
    assert len(said.splitlines()) == 1
    assert "report.pdf" in said
    return said


@pytest.mark.parametrize("count", [1, 3, 100])
def test_a_sound_file_is_sent_byte_for_byte(count: int) -> None:
    data = papers.pdf(count)
    block = pdf_block(data, "report.pdf", HOW)
    assert json.loads(block.json) == {
        "type": "document",
        "source": {
            "type": "base64",
            "media_type": "application/pdf",
            "data": base64.b64encode(data).decode(),
        },
        "title": "report.pdf",
    }
    assert (block.kind, block.pages, block.size, block.thumbnail) == ("document", count, len(data), b"")
    assert block.note == ("1 page" if count == 1 else f"{count} pages")
    assert block.tokens >= 1_500 * count


def test_citations_and_titles() -> None:
    block = pdf_block(papers.pdf(1), 'a "b"\n\u202ec.pdf', Attaching(cite=True))
    sent_block = json.loads(block.json)
    assert sent_block["citations"] == {"enabled": True}
    assert sent_block["title"] == 'a "b"\\n\\u202ec.pdf'
    assert len(json.loads(pdf_block(papers.pdf(1), "x" * 9_000, HOW).json)["title"]) <= 200


@pytest.mark.parametrize(
    ("ranges", "pages", "note"),
    [
        ("[3-7]", [3, 4, 5, 6, 7], "pages 3–7 of 12"),
        ("[1,4-6]", [1, 4, 5, 6], "pages 1, 4–6 of 12"),
        ("[2]", [2], "page 2 of 12"),
        ("11-", [11, 12], "pages 11–12 of 12"),
        ("5,1-2,5", [5, 1, 2], "pages 5, 1–2 of 12"),
        ("[ 3 – 4 ]", [3, 4], "pages 3–4 of 12"),
    ],
)
def test_ranges_are_cut_out(ranges: str, pages: list[int], note: str) -> None:
    block = pdf_block(papers.pdf(12), "report.pdf", HOW, page_ranges(ranges))
    assert texts(sent(block)) == [f"This is page number {number}." for number in pages]
    assert (block.note, block.pages) == (note, len(pages))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("[-3]", "first pages or the last"),
        ("[3:7]", "dash"),
        ("[0]", "counted from 1"),
        ("[0-3]", "counted from 1"),
        ("[7-3]", "did you mean 3-7"),
        ("[]", "[3-7]"),
        ("[a]", "[3-7]"),
        ("[1,,2]", "[3-7]"),
        ("[1-2-3]", "[3-7]"),
        ("[٣]", "[3-7]"),
        (f"[{'9' * 5000}]", "[3-7]"),
        ("[1\n]x", "[3-7]"),
    ],
)
def test_what_is_no_range_is_told(typed: str, said: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        page_ranges(typed)
    assert said in str(problem.value)
    assert str(problem.value).endswith("Nothing was sent.")
    assert len(str(problem.value)) < 200


@given(st.lists(st.tuples(st.integers(1, 999), st.integers(0, 999)), min_size=1))
def test_written_ranges_are_read_back(ranges: list[tuple[int, int]]) -> None:
    proper = [(first, first + more) for first, more in ranges]
    assert page_ranges(",".join(f"{first}-{last}" for first, last in proper)) == proper


def test_pages_beyond_the_end_are_refused() -> None:
    assert "has 3 pages, so not [2-9]" in refused(papers.pdf(3), pages=[(2, 9)])
    assert "has 1 page, so not [4-]" in refused(papers.pdf(1), pages=page_ranges("4-"))


@pytest.mark.parametrize("page", [1, 3])
def test_a_cut_holds_nothing_of_other_pages(page: int) -> None:
    data = papers.linked(5)
    assert b"page number 5." in data
    cut = sent(pdf_block(data, "report.pdf", HOW, [(page, page)]))
    assert [number for number in range(1, 6) if b"page number %d." % number in cut] == [page]
    assert texts(cut) == [f"This is page number {page}."]


def test_a_cut_leaves_the_whole_form_behind() -> None:
    writer = papers.writer_of(3)
    form = DecodedStreamObject()
    form.set_data(b"typed into all pages")
    packets = ArrayObject([TextStringObject("datasets"), writer._add_object(form)])
    fields = {NameObject("/Fields"): ArrayObject(), NameObject("/XFA"): writer._add_object(packets)}
    writer.root_object[NameObject("/AcroForm")] = DictionaryObject(fields)
    data = papers.bytes_of(writer)
    assert b"typed into" in data
    assert b"typed into" not in sent(pdf_block(data, "report.pdf", HOW, [(1, 1)]))


ALGORITHMS = ["RC4-40", "RC4-128", "AES-128", "AES-256"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_file_with_only_an_owner_password_is_rewritten(algorithm: str) -> None:
    data = papers.encrypted(algorithm, "", "owner")
    for how in (HOW, Attaching(password="whatever")):
        block = pdf_block(data, "report.pdf", how)
        assert block.note == "3 pages, decrypted"
        assert not pypdf.PdfReader(BytesIO(sent(block))).is_encrypted
        assert texts(sent(block))[2] == "This is page number 3."
    assert texts(sent(pdf_block(data, "report.pdf", HOW, [(2, 2)]))) == ["This is page number 2."]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_user_password_is_asked_for_and_taken(algorithm: str) -> None:
    data = papers.encrypted(algorithm, "user", "owner")
    assert "--password" in refused(data)
    assert "another password" in refused(data, Attaching(password="wrong"))
    for password in ("user", "owner"):
        block = pdf_block(data, "report.pdf", Attaching(password=password))
        assert texts(sent(block))[0] == "This is page number 1."
        assert password not in repr(block)


@pytest.mark.parametrize("algorithm", ["AES-128", "AES-256"])
def test_without_cryptography_the_extra_is_named(algorithm: str) -> None:
    code = (
        "import sys\n"
        "sys.modules['cryptography'] = sys.modules['Crypto'] = None\n"
        "from claude_magic.content.pdfs import pdf_block\n"
        "from claude_magic.values import Attaching\n"
        "try:\n"
        "    pdf_block(sys.stdin.buffer.read(), 'report.pdf', Attaching())\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    data = papers.encrypted(algorithm, "", "owner")
    run = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=True, timeout=60
    )
    assert run.stdout.decode().strip() == (
        "UsageProblem report.pdf is encrypted with AES, which needs cryptography: "
        "pip install 'pypdf[crypto]'. Nothing was sent."
    )
    assert run.stderr == b""


def test_more_pages_than_the_model_takes_are_refused_with_ranges() -> None:
    said = refused(papers.pdf(601))
    assert said == (
        "report.pdf has 601 pages; at most 600 fit: report.pdf[1-600], report.pdf[601]. Nothing was sent."
    )
    assert pdf_block(papers.pdf(600), "report.pdf", HOW).pages == 600
    assert "report.pdf[1-100], report.pdf[101-120]" in refused(papers.pdf(120), Attaching(max_pages=100))
    assert "[5-6], report.pdf[7-8], report.pdf[9-10], …" in refused(
        papers.pdf(12), Attaching(max_pages=2), [(5, 12)]
    )


def test_over_the_request_size_is_refused_with_parts_that_fit() -> None:
    data = papers.pdf(40, 1_000_000)
    said = refused(data)
    assert "has 40.0 MB; at most 23.2 MB fit" in said
    assert "report.pdf[1-20], report.pdf[21-40]" in said
    block = pdf_block(data, "report.pdf", HOW, [(1, 20)])
    assert len(json.loads(block.json)["source"]["data"]) <= MOST_BASE64
    assert "has 30.0 MB" in refused(data, pages=[(1, 30)])
    assert "smaller images" in refused(papers.pdf(1, 24_000_000))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty (0 bytes)"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page"),
        (b"\xef\xbb\xbf\n  <HTML>404", "HTML page"),
        (b"PK\x03\x04 docx", "ZIP or Office"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (b"plain words", "does not begin with %PDF-"),
        (b" " * 5_000 + b"%PDF-1.4", "does not begin with %PDF-"),
        (b"%PDF-1.7", "damaged PDF"),
        (b"%PDF-1.7\n%%EOF\n", "damaged PDF"),
        (b"%PDF-1.7\n" + bytes(100_000), "damaged PDF"),
    ],
)
def test_what_is_no_pdf_is_refused_by_what_it_is(data: bytes, said: str) -> None:
    assert said in refused(data)


def test_no_pages() -> None:
    assert refused(papers.pdf(0)) == "report.pdf has no pages. Nothing was sent."
    assert "no pages" in refused(papers.pdf(0), pages=[(1, 1)])


def test_a_broken_structure_is_repaired_and_said() -> None:
    whole = papers.pdf(3)
    table = whole.rindex(b"\nxref\n")
    broken = [
        b"junk in front\n" + whole,
        whole[:table] + b"\nXREF\n" + whole[table + 6 :],
        whole.replace(b"startxref\n", b"startxref\n9"),
    ]
    for data in broken:
        block = pdf_block(data, "report.pdf", HOW)
        assert block.note == "3 pages, its damaged structure repaired"
        assert texts(sent(block)) == [f"This is page number {number}." for number in (1, 2, 3)]


def test_truncated_anywhere_it_is_read_or_refused_in_one_line() -> None:
    whole = papers.pdf(3)
    outcomes = set()
    for end in range(1, len(whole), 37):
        try:
            outcomes.add(pdf_block(whole[:end], "report.pdf", HOW).pages)
        except UsageProblem:
            refused(whole[:end])
            outcomes.add(-1)
    assert -1 in outcomes
    assert outcomes <= {-1, 1, 2, 3}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bytes_never_raise_anything_else(data: st.DataObject) -> None:
    whole = bytearray(papers.linked(3))
    for place in data.draw(st.lists(st.integers(8, len(whole) - 1), min_size=1, max_size=12)):
        whole[place] = data.draw(st.integers(0, 255))
    for pages in (None, [(1, 1)]):
        try:
            said = json.loads(pdf_block(bytes(whole), "report.pdf", HOW, pages).json)["type"]
        except UsageProblem as problem:
            said = str(problem).rsplit(". ", maxsplit=1)[-1]
        assert said in ("document", "Nothing was sent.")


def test_a_lying_page_count_is_not_believed() -> None:
    writer = papers.writer_of(3)
    tree: Any = writer.root_object["/Pages"]
    for lie in (NumberObject(1), NumberObject(-5), NumberObject(10**9), TextStringObject("3")):
        tree.get_object()[NameObject("/Count")] = lie
        assert pdf_block(papers.bytes_of(writer), "report.pdf", HOW).pages == 3


def test_a_tree_that_bites_its_tail_is_refused() -> None:
    writer = papers.writer_of(1)
    tree: Any = writer.root_object["/Pages"]
    tree.get_object()[NameObject("/Kids")].append(writer.root_object.raw_get("/Pages"))
    assert "damaged" in refused(papers.bytes_of(writer))


def test_bombs_are_refused_by_pypdfs_limits() -> None:
    from pypdf.errors import LimitReachedError

    whole = papers.pdf(3)
    table = whole.rindex(b"0 14\n") if b"0 14\n" in whole else whole.rindex(b"\nxref\n0 ") + 6
    end = whole.index(b"\n", table)
    bomb = whole[:table] + b"0 999999999" + whole[end:]
    with pytest.raises(LimitReachedError):
        pypdf.PdfReader(BytesIO(bomb))
    assert "too costly to open" in refused(bomb)


def test_what_lives_in_a_pdf_is_said_and_never_run() -> None:
    writer = papers.writer_of(1)
    script = {
        NameObject("/S"): NameObject("/JavaScript"),
        NameObject("/JS"): TextStringObject("app.alert(1)"),
    }
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(script)
    writer.add_attachment("data.txt", b"hello")
    block = pdf_block(papers.bytes_of(writer), "report.pdf", HOW)
    assert block.note == "1 page, contains JavaScript, not run, contains embedded files, sent inside it"
    launch = {NameObject("/S"): NameObject("/Launch"), NameObject("/F"): TextStringObject("/bin/true")}
    other = papers.writer_of(1)
    other.root_object[NameObject("/OpenAction")] = DictionaryObject(launch)
    note = pdf_block(papers.bytes_of(other), "report.pdf", HOW).note
    assert note == "1 page, contains a launch action, not run"


def test_an_ordinary_opening_view_is_no_news() -> None:
    writer = papers.writer_of(2)
    place = ArrayObject([writer.pages[0].indirect_reference, NameObject("/Fit")])
    writer.root_object[NameObject("/OpenAction")] = place
    assert pdf_block(papers.bytes_of(writer), "report.pdf", HOW).note == "2 pages"


def test_pypdf_says_nothing_into_the_cell(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    logger = logging.getLogger("pypdf")
    before = (list(logger.handlers), logger.propagate, logger.level)
    pdf_block(b"junk\n" + papers.pdf(2), "report.pdf", HOW)
    refused(papers.pdf(2)[:700])
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert len(recwarn) == 0
    assert (list(logger.handlers), logger.propagate, logger.level) == before


def test_a_reader_is_sent_as_its_file_and_stays_where_it_was() -> None:
    data = papers.pdf(3)
    stream = BytesIO(data)
    reader = pypdf.PdfReader(stream)
    stream.seek(77)
    block = pdf_from_pypdf(reader, "reader", HOW)
    assert sent(block) == data
    assert stream.tell() == 77
    assert len(reader.pages) == 3


def test_a_reader_that_the_user_decrypted_needs_no_password_again() -> None:
    reader = pypdf.PdfReader(BytesIO(papers.encrypted("AES-256", "user", "owner")), password="user")
    block = pdf_from_pypdf(reader, "reader", HOW)
    assert texts(sent(block))[1] == "This is page number 2."
    assert reader.pages[0].extract_text() == "This is page number 1."


def test_a_closed_reader_is_refused() -> None:
    stream = BytesIO(papers.pdf(1))
    reader = pypdf.PdfReader(stream)
    stream.close()
    with pytest.raises(UsageProblem, match=r"closed\. Nothing was sent\.$"):
        pdf_from_pypdf(reader, "reader", HOW)


def test_a_writer_is_written_to_memory_and_not_changed() -> None:
    writer = papers.writer_of(3)
    before = papers.bytes_of(writer)
    block = pdf_from_pypdf(writer, "writer", HOW)
    assert sent(block) == before
    assert papers.bytes_of(writer) == before
    writer.add_blank_page(100, 100)
    assert pdf_from_pypdf(writer, "writer", HOW).pages == 4
