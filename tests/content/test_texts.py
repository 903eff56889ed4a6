"""Text in any encoding arrives as it was written, or is refused by name."""

from __future__ import annotations

import codecs
import io
import json
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.content.texts import MOST_TEXT, decode, text_attachment
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching

WHOLE = st.text(st.characters(exclude_categories=["Cs"]))


def refusal(problem: pytest.ExceptionInfo[UsageProblem]) -> str:
    said = str(problem.value)
    assert said.endswith("Nothing was sent.")
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize(
    ("codec", "mark", "note"),
    [
        ("utf-8", codecs.BOM_UTF8, ""),
        ("utf-16-le", codecs.BOM_UTF16_LE, "read as UTF-16"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "read as UTF-16"),
        ("utf-32-le", codecs.BOM_UTF32_LE, "read as UTF-32"),
        ("utf-32-be", codecs.BOM_UTF32_BE, "read as UTF-32"),
    ],
)
@given(text=WHOLE)
def test_any_text_with_a_byte_order_mark_comes_back(codec: str, mark: bytes, note: str, text: str) -> None:
    if codec == "utf-16-le" and text.startswith("\0"):
        return  # the same bytes are a UTF-32 mark
    assert decode(mark + text.encode(codec)) == (text, note)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_utf8_without_control_characters_comes_back(text: str) -> None:
    if not text.startswith("\ufeff"):
        assert decode(text.encode()) == (text, "")


@pytest.mark.parametrize(
    ("text", "codec", "note"),
    [
        ("a\r\nb\rc\n", "utf-8", ""),
        ("", "utf-8", ""),
        ("name,value\r\nx,1\r\n", "utf-16-le", "read as UTF-16"),
        ("name,value\r\nx,1\r\n", "utf-16-be", "read as UTF-16"),
        ("Привет, мир. Как дела?", "utf-16-le", "read as UTF-16"),
        ("hello", "utf-32-le", "read as UTF-32"),
        ("Käse für 5 € – «naïve»", "cp1252", "read as Windows-1252"),
        ("déjà vu, été", "latin-1", "read as Windows-1252"),
        ("これはテストです。漢字もあります。", "shift_jis", "read as Shift-JIS"),
        ("これはテスト", "iso2022_jp", "read as ISO-2022-JP"),
        (
            '<?xml version="1.0" encoding="ISO-8859-2"?><a>łódź</a>',
            "iso8859-2",
            "read as ISO-8859-2, as it declares",
        ),
        ("# -*- coding: koi8-r -*-\nпривет", "koi8-r", "read as koi8-r, as it declares"),
    ],
)
def test_other_encodings_are_read_and_said(text: str, codec: str, note: str) -> None:
    assert decode(text.encode(codec)) == (text, note)


def test_nearly_utf8_is_mended_not_mistaken_for_latin() -> None:
    text, note = decode("Ünïcödé ".encode() * 5 + b"\xff end")
    assert text == "Ünïcödé " * 5 + "\N{REPLACEMENT CHARACTER} end"
    assert note == "UTF-8 with 1 wrong byte, shown as \N{REPLACEMENT CHARACTER}"


def test_a_declared_encoding_that_is_none_is_not_followed() -> None:
    assert decode(b"coding: zlib_codec \xe9t\xe9")[1] == "read as Windows-1252"
    assert decode(b"coding: unicode_escape \xe9")[1] == "read as Windows-1252"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "b")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped(), "ZIP"),
        (b"\x7fELF\x02\x01\x01", "program"),
        (pickle.dumps({"a": [1, 2]}), "pickle"),
        (pickle.dumps([1], protocol=2), "pickle"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(20), "Office"),
        (b"PAR1\0\0\0", "Parquet"),
        (b"MZ\x90\0\x03", "program"),
        (bytes(100), "NUL"),
        (bytes(range(256)) * 4, "NUL"),
        (b"text with\0one NUL", "NUL"),
        (b"\x01\x02\x03\x04" * 10, "binary"),
    ],
)
def test_binary_files_are_refused_by_what_they_are(data: bytes, said: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        decode(data, "data.txt")
    assert said in refusal(problem)
    assert str(problem.value).startswith("data.txt is ")


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        said = decode(data)[0]
    except UsageProblem as problem:
        said = str(problem)
        assert said.endswith("Nothing was sent.")
    assert isinstance(said, str)


def test_a_document_is_tagged_with_its_name_and_counted() -> None:
    block = text_attachment("one\ntwo", "notes.txt", Attaching(), "read as UTF-16")
    assert block.text == '<document name="notes.txt">\none\ntwo\n</document>'
    assert json.loads(block.json) == {"type": "text", "text": block.text}
    assert block.note == "read as UTF-16, 2 lines, 7 characters"
    assert (block.kind, block.name, block.size) == ("text", "notes.txt", 7)
    assert block.tokens > 0


def test_with_citations_it_is_a_document_block() -> None:
    block = text_attachment("one\n", 'a "b"\n.txt', Attaching(cite=True))
    assert json.loads(block.json) == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "one\n"},
        "title": 'a "b"\\n.txt',
        "citations": {"enabled": True},
    }
    assert (block.kind, block.text) == ("document", "")


def test_names_cannot_leave_their_tag() -> None:
    block = text_attachment("x", 'a"><b>\n\x1b[31m\u202e.txt', Attaching())
    head = block.text.splitlines()[0]
    assert head.count(">") == 1
    assert "\x1b" not in head
    assert "\u202e" not in head


@given(st.text())
def test_what_no_request_can_carry_is_replaced(text: str) -> None:
    for how in (Attaching(), Attaching(cite=True)):
        block = text_attachment(text, "t", how)
        json.loads(block.json.decode())
        assert b"\\u0000" not in block.json


def test_over_five_megabytes_is_refused_with_the_alternative() -> None:
    assert text_attachment("a" * MOST_TEXT, "log", Attaching()).size == MOST_TEXT
    with pytest.raises(UsageProblem) as problem:
        text_attachment("é" * MOST_TEXT, "log", Attaching())
    assert "10.0 MB" in refusal(problem)
    assert "slice" in str(problem.value)
