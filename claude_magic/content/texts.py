"""Text in any encoding becomes a text or a document block; what is not text is refused, never guessed.

A wrong guess at an encoding is silent damage, so everything but UTF-8 and a byte order mark is said in
a note.
"""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from claude_magic.characters import sendable
from claude_magic.content.names import shown
from claude_magic.errors import UsageProblem
from claude_magic.values import Attaching, Block

MOST_TEXT = 5_000_000
"""Bytes of UTF-8 that one text may have."""

_BOMS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)

_BINARY = (
    (b"PK\x03\x04", "a ZIP archive or an Office file"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x7fELF", "a program (ELF)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (OLE)"),
    (b"\x1f\x8b\x08", "a gzip file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x93NUMPY", "a NumPy file: load it and attach the array"),
    (b"SQLite format 3\0", "an SQLite database: read a table and attach that"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\0asm", "a WebAssembly program"),
)
"""What begins like this is no text, whatever follows."""

_PICKLE = re.compile(rb"\x80[\x02-\x05](?:\x95|[}\]\[(cKXqhC\x8c\x93)])")
_DECLARED = re.compile(rb"(?:charset|encoding|coding)\s*[:=]\s*[\"']?([A-Za-z0-9_.:-]{3,20})")
_TRUSTED = re.compile(
    r"iso8859-\d+|cp125\d|cp\d{3}|koi8-[ru]|mac-[a-z]+|shift_jis(?:x0213|_2004)?|cp932|euc_(?:jp|kr)|"
    r"iso2022_(?:jp|kr)|gb2312|gbk|gb18030|big5(?:hkscs)?|tis-620|johab"
)
"""Declared encodings that are believed, by Python's name; others may be slow or no encodings at all."""

_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1b\b")) + b"\x7f"


def decode(data: bytes, name: str = "It") -> tuple[str, str]:
    """Read bytes as text.

    In this order: a byte order mark, UTF-8, UTF-16 and UTF-32 without a mark, the encoding that the
    file itself declares, Shift-JIS where it reads as Japanese, Windows-1252, Latin-1.

    Parameters
    ----------
    data : bytes
        A whole file.
    name : str
        What the user calls it, for messages.

    Returns
    -------
    (str, str)
        The text, its newlines as they were, and a note: ``""`` for UTF-8, else what it was read as.

    Raises
    ------
    UsageProblem
        For a binary file, saying which kind. Nothing was sent.
    """
    for mark, codec, label in _BOMS:
        if data.startswith(mark):
            try:
                text = data[len(mark) :].decode(codec)
            except UnicodeDecodeError:
                continue
            return text, "" if codec == "utf-8" else f"read as {label}"
    _refuse_binary(data, shown(name))
    if b"\0" in data:
        return _wide(data, shown(name))
    if len(data.translate(None, _CONTROLS)) < 0.95 * len(data):
        raise UsageProblem(f"{shown(name)} is a binary file, not text. Nothing was sent.")
    if b"\x1b$" in data and (japanese := _strictly(data, "iso2022_jp_2")) is not None:
        return japanese, "read as ISO-2022-JP"
    if (plain := _strictly(data, "utf-8")) is not None:
        return plain, ""
    return _narrow(data)


def text_attachment(text: str, name: str, how: Attaching, note: str = "") -> Block:
    r"""Make the block of a text that is a document of its own.

    Parameters
    ----------
    text : str
        The document.
    name : str
        What the user calls it.
    how : Attaching
        With ``cite``, a document block with citations on; else a text block in a ``<document>`` tag.
    note : str
        What `decode` said; put before the count of lines and characters.

    Raises
    ------
    UsageProblem
        Over 5 MB. Nothing was sent.
    """
    title = shown(name, 200)
    text = sendable(text)
    size = len(text) if text.isascii() else len(text.encode())
    if size > MOST_TEXT:
        raise UsageProblem(
            f"{shown(name)} has {size / 1e6:,.1f} MB of text; at most {MOST_TEXT / 1e6:,.0f} MB are sent: "
            "attach a slice of it, such as text[:1_000_000], or the lines that matter. Nothing was sent."
        )
    lines = text.count("\n") + (not text.endswith("\n")) if text else 0
    counted = f"{lines:,} line{'' if lines == 1 else 's'}, {len(text):,} characters"
    said = f"{note}, {counted}" if note else counted
    if not how.cite:
        end = "" if text.endswith("\n") else "\n"
        tagged = f"<document name={quoteattr(title)}>\n{text}{end}</document>"
        return encoded(tagged, title, said, size)
    source = {"type": "text", "media_type": "text/plain", "data": text}
    block = {"type": "document", "source": source, "title": title, "citations": {"enabled": True}}
    return Block("document", _json(block), name=title, note=said, size=size, tokens=tokens_of(text))


def encoded(text: str, name: str, note: str = "", size: int = 0) -> Block:
    """Make a text block with its name, note, size in bytes and estimated tokens."""
    text = sendable(text)
    body = _json({"type": "text", "text": text})
    return Block("text", body, text, name, note, size or len(body), tokens_of(text))


def tokens_of(text: str) -> int:
    """Estimate the tokens of a text (≈), at 3.3 characters each."""
    return -(-len(text) * 10 // 33)


def _json(block: Mapping[str, object]) -> bytes:
    return json.dumps(block, ensure_ascii=False, separators=(",", ":")).encode()


def _refuse_binary(data: bytes, name: str) -> None:
    """Refuse what begins like a binary format."""
    kind = next((kind for magic, kind in _BINARY if data.startswith(magic)), "")
    if not kind and _PICKLE.match(data):
        kind = "a pickle, which is never loaded"
    if not kind and b"\0" in data[:4096]:
        ambiguous = {b"MZ": "a program", b"BZh": "a bzip2 file", b"PAR1": "a Parquet file"}
        kind = next((kind for magic, kind in ambiguous.items() if data.startswith(magic)), "")
    if kind:
        raise UsageProblem(f"{name} is {kind}, not text. Nothing was sent.")


def _strictly(data: bytes, codec: str) -> str | None:
    """Decode, or return None."""
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None


def _wide(data: bytes, name: str) -> tuple[str, str]:
    """Read bytes with NULs as UTF-32 or UTF-16 without a byte order mark, if that reads as text."""
    for codec, label, width in (
        ("utf-32-le", "UTF-32", 4),
        ("utf-32-be", "UTF-32", 4),
        ("utf-16-le", "UTF-16", 2),
        ("utf-16-be", "UTF-16", 2),
    ):
        if len(data) % width == 0 and _reads(data[:8192], codec):
            text = _strictly(data, codec)
            if text is not None and "\0" not in text:
                return text, f"read as {label}"
    raise UsageProblem(f"{name} is a binary file (it has NUL bytes), not text. Nothing was sent.")


def _reads(head: bytes, codec: str) -> bool:
    """Whether the beginning is text: no unassigned or control characters, and ASCII space or letters."""
    text = head.decode(codec, "ignore")
    if not text:
        return False
    odd = sum(
        unicodedata.category(char) in ("Cn", "Co", "Cs", "Cc") and char not in "\t\n\r\f\v\b\x1b"
        for char in text
    )
    ascii_share = sum(char < "\x80" for char in text) / len(text)
    return not odd and ascii_share > 0.02


def _narrow(data: bytes) -> tuple[str, str]:
    """Read bytes that are no UTF-8 in the encoding they most likely have."""
    declared = _DECLARED.search(data[:1024])
    if declared is not None:
        try:
            codec = codecs.lookup(declared[1].decode("ascii")).name
        except LookupError:
            codec = ""
        if _TRUSTED.fullmatch(codec) and (text := _strictly(data, codec)) is not None:
            return text, f"read as {declared[1].decode('ascii')}, as it declares"
    if (mended := _mended(data)) is not None:
        return mended
    if (text := _strictly(data, "cp932")) is not None and _japanese(text):
        return text, "read as Shift-JIS"
    if (text := _strictly(data, "cp1252")) is not None:
        return text, "read as Windows-1252"
    return data.decode("latin-1"), "read as Latin-1"


def _mended(data: bytes) -> tuple[str, str] | None:
    """Read what is UTF-8 but for a few bytes, those replaced; None when it is something else."""
    text = data.decode("utf-8", "replace")
    wrong = text.count("\N{REPLACEMENT CHARACTER}") - data.count("\N{REPLACEMENT CHARACTER}".encode())
    right = sum(char > "\x7f" for char in text) - wrong
    if right <= 2 * wrong:
        return None
    return (
        text,
        f"UTF-8 with {wrong:,} wrong byte{'' if wrong == 1 else 's'}, shown as \N{REPLACEMENT CHARACTER}",
    )


def _japanese(text: str) -> bool:
    """Whether the text has enough kana among its wide characters: Latin accents never decode to them."""
    wide = [char for char in text if char > "\x7f"]
    kana = sum("\u3041" <= char <= "\u30ff" for char in wide)
    return kana > 0 and kana >= 0.1 * len(wide)
