"""PDFs become document blocks: counted, cut to pages, decrypted in memory, never executed.

A whole, sound, unencrypted file is sent byte for byte; its text is never extracted first. Everything
else (page ranges, encryption, a damaged structure) is written anew by pypdf in memory, and the block's
note says so.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import threading
import warnings
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pypdf
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError
from pypdf.generic import ArrayObject, DictionaryObject

from claude_magic.content.names import shown
from claude_magic.content.pages import chosen_pages, page_ranges, spans, too_large, too_many
from claude_magic.errors import ClaudeMagicError, UsageProblem
from claude_magic.values import Attaching, Block

__all__ = ["MOST_BASE64", "page_ranges", "pdf_block", "pdf_from_pypdf"]

MOST_BASE64 = 31_000_000
"""Base64 characters of one PDF: a request may have 32 MB, and the question needs some."""

_MOST_BYTES = MOST_BASE64 // 4 * 3
_PICTURE_TOKENS = 1_500
_TEXT_TOKENS = 700
"""Each page is read as a picture and as text; how much text is not known without extracting it."""

_PYPDF = threading.RLock()
"""pypdf logs what it repairs; its logger is ours alone while we hold this."""


def pdf_block(
    data: bytes, name: str, how: Attaching, pages: Sequence[tuple[int, int]] | None = None
) -> Block:
    """Make the document block of a PDF.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What the user calls it; becomes the document's title.
    how : Attaching
        ``max_pages``, ``password`` and ``cite`` are used.
    pages : sequence of (int, int), optional
        Inclusive ranges counted from 1, as `page_ranges` reads them; all pages without.

    Returns
    -------
    Block
        ``tokens`` is a rough estimate (≈) from the number of pages alone.

    Raises
    ------
    UsageProblem
        When it is no readable PDF, wants a password, has no such pages, or is over a limit; the ranges
        that would fit are named. Nothing was sent.
    """
    title = shown(name, 200)
    _refuse_other_files(data, shown(name))
    with _reading(shown(name)) as warned:
        paper = _open(data, shown(name), how.password, warned)
        if not paper.count:
            raise UsageProblem(f"{shown(name)} has no pages. Nothing was sent.")
        chosen = range(paper.count) if pages is None else chosen_pages(paper.name, paper.count, pages)
        if len(chosen) > how.max_pages:
            raise UsageProblem(too_many(paper.name, paper.count, chosen, how.max_pages))
        data, note = _whole(paper) if pages is None else _cut(paper, chosen)
        if len(data) > _MOST_BYTES:
            raise UsageProblem(too_large(paper.name, len(data), _MOST_BYTES, chosen))
    return _document(title, how, data, chosen, note, cut=pages is not None)


def pdf_from_pypdf(obj: Any, name: str, how: Attaching) -> Block:
    """Make the document block of a ``pypdf.PdfReader`` or ``PdfWriter``, which is left as it was.

    A reader is sent as the file it reads (its position is put back); a reader that the user has already
    decrypted is written anew. A writer is written to memory.

    Raises
    ------
    UsageProblem
        As `pdf_block`; also for a reader whose file is closed.
    """
    with _reading(shown(name)):
        data = _written(obj) if isinstance(obj, pypdf.PdfWriter) else _read(obj, shown(name), how.password)
    return pdf_block(data, name, how)


@dataclass(frozen=True)
class _Paper:
    """An opened PDF: its bytes, its reader, its number of pages, and what is the matter with it."""

    data: bytes
    name: str
    reader: pypdf.PdfReader
    count: int
    locked: bool
    damaged: bool


class _Stream(BytesIO):
    """A stream that shares its bytes: BytesIO copies them all when pypdf asks for their number."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._data = data

    def getbuffer(self) -> memoryview:
        """Return a read-only view; pypdf never writes into what it reads."""
        return memoryview(self._data)


@contextlib.contextmanager
def _reading(name: str) -> Iterator[list[str]]:
    """Use pypdf within limits and in silence; the list collects what it would have logged.

    Whatever it raises becomes one line: broken PDFs raise far more than pypdf's own errors.
    """
    logger = logging.getLogger("pypdf")
    warned: list[str] = []
    collector = logging.Handler()
    collector.emit = lambda record: warned.append(record.getMessage())  # type: ignore[method-assign]
    # pypdf 6 has fixed limits and no Configuration.
    configured = getattr(pypdf, "apply_configuration", None)
    limits = (
        configured(jbig2dec_binary=None, disable_legacy_handling=True)
        if configured is not None
        else contextlib.nullcontext()
    )
    with _PYPDF, limits, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logger.handlers, logger.propagate, logger.level
        logger.handlers, logger.propagate = [collector], False
        logger.setLevel(logging.WARNING)
        try:
            yield warned
        except ClaudeMagicError:
            raise
        except DependencyError as error:
            raise UsageProblem(
                f"{name} is encrypted with AES, which needs cryptography: "
                "pip install 'pypdf[crypto]'. Nothing was sent."
            ) from error
        except LimitReachedError as error:
            raise UsageProblem(
                f"{name} is refused as too costly to open ({error}). Nothing was sent."
            ) from error
        except Exception as error:  # any error of a broken file is told in one line
            reason = shown(str(error), 100) or type(error).__name__
            raise UsageProblem(
                f"{name} is a damaged PDF ({reason.rstrip('.')}). Nothing was sent."
            ) from error
        finally:
            logger.handlers, logger.propagate = before[0], before[1]
            logger.setLevel(before[2])


def _refuse_other_files(data: bytes, name: str) -> None:
    """Refuse what has no PDF header in its first kilobyte, saying what it is instead."""
    if not data:
        raise UsageProblem(f"{name} is empty (0 bytes). Nothing was sent.")
    head = bytes(data[:1024])
    if b"%PDF-" in head:
        return
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = ""
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        kind = "an HTML page, perhaps a saved error or sign-in page"
    elif head.startswith(b"PK\x03\x04"):
        kind = "a ZIP or Office file"
    elif head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
        kind = "an image"
    elif head.startswith(b"%!PS"):
        kind = "PostScript"
    said = f"it is {kind}" if kind else "it does not begin with %PDF-"
    raise UsageProblem(f"{name} is no PDF: {said}. Nothing was sent.")


def _open(data: bytes, name: str, password: str, warned: list[str]) -> _Paper:
    """Open a PDF, decrypt it where needed, count its pages."""
    reader = pypdf.PdfReader(_Stream(data))
    locked = reader.is_encrypted
    if locked and not _unlocked(reader, password):
        said = "another password" if password else "a password: --password"
        raise UsageProblem(f"{name} is encrypted and needs {said}. Nothing was sent.")
    count = _page_count(reader)
    return _Paper(data, name, reader, count, locked, bool(warned) or not data.startswith(b"%PDF-"))


def _page_count(reader: pypdf.PdfReader) -> int:
    """Return the number of pages from the page tree's own count, where its first level bears that out.

    Reading the whole tree costs several times as much; it is done when the count is doubtful.
    """
    tree = reader.root_object.get("/Pages")
    tree = tree.get_object() if tree is not None else None
    if isinstance(tree, DictionaryObject):
        said, kids = _resolved(tree, "/Count"), _resolved(tree, "/Kids")
        if isinstance(said, int) and isinstance(kids, ArrayObject) and kids:
            first = kids[0].get_object()
            if isinstance(first, DictionaryObject) and "/Kids" not in first:
                counted = len(kids)
            else:
                nodes = [kid.get_object() for kid in kids] if len(kids) <= 100 else []
                counts = [_resolved(node, "/Count") if "/Kids" in node else 1 for node in nodes]
                counted = sum(count if isinstance(count, int) else 0 for count in counts)
            if 0 < said == counted:
                return said
    return len(reader.pages)


def _resolved(holder: Any, key: str) -> Any:
    """Return what stands under a key, reference or not; None where nothing does."""
    found = holder.get(key) if isinstance(holder, DictionaryObject) else None
    return found.get_object() if found is not None else None


def _whole(paper: _Paper) -> tuple[bytes, str]:
    """Return the file to be sent and the note on it; the file itself, unless it is encrypted or damaged."""
    notes = ["1 page" if paper.count == 1 else f"{paper.count:,} pages"]
    data = paper.data
    if paper.locked:
        data = _written(pypdf.PdfWriter(clone_from=paper.reader))
        notes.append("decrypted")
    elif paper.damaged:
        try:
            data = _written(pypdf.PdfWriter(clone_from=paper.reader))
            notes.append("its damaged structure repaired")
        except Exception:  # noqa: BLE001  the API's own reader may cope where pypdf's writer does not
            notes.append("damaged, sent as it is")
    return data, ", ".join((*notes, *_inhabitants(paper.reader)))


def _cut(paper: _Paper, chosen: Sequence[int]) -> tuple[bytes, str]:
    """Return a PDF of the chosen pages only, without outline, scripts and embedded files, and its note."""
    writer = pypdf.PdfWriter()
    writer.append(paper.reader, pages=list(chosen), import_outline=False)
    if _clear_strangers(writer):
        # A second copy leaves behind what nothing points to any more.
        writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(BytesIO(_written(writer))))
    plural = "s" if len(chosen) > 1 else ""
    note = f"page{plural} {spans(chosen)} of {paper.count:,}"
    return _written(writer), f"{note}, decrypted" if paper.locked else note


def _clear_strangers(writer: pypdf.PdfWriter) -> bool:
    """Empty what a cut has brought along from other pages; return whether there was any.

    Actions and annotations can point at pages that were not chosen, and an XFA form holds what was
    typed into all of them.
    """
    form = _resolved(writer.root_object, "/AcroForm")
    found = isinstance(form, DictionaryObject) and form.pop("/XFA", None) is not None
    chosen = {page.indirect_reference for page in writer.pages}
    with contextlib.suppress(IndexError):
        for number in itertools.count(1):
            thing = writer.get_object(number)
            if (
                isinstance(thing, DictionaryObject)
                and thing.get("/Type") == "/Page"
                and thing.indirect_reference not in chosen
            ):
                found = True
                for key in [key for key in thing if key not in ("/Type", "/MediaBox")]:
                    del thing[key]
    return found


def _written(writer: pypdf.PdfWriter) -> bytes:
    """Return what a writer writes."""
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def _read(reader: Any, name: str, password: str) -> bytes:
    """Return the bytes behind a reader; its stream stands where it stood."""
    stream = reader.stream
    if getattr(stream, "closed", False):
        raise UsageProblem(f"The file behind {name} is closed. Nothing was sent.")
    place = stream.tell()
    try:
        stream.seek(0)
        data = bytes(stream.read())
        if reader.is_encrypted and not _unlocked(pypdf.PdfReader(BytesIO(data)), password):
            # The user's own reader may hold the key; a second look at its password would take it away.
            with contextlib.suppress(FileNotDecryptedError):
                return _written(pypdf.PdfWriter(clone_from=reader))
        return data
    finally:
        stream.seek(place)


def _unlocked(reader: pypdf.PdfReader, password: str) -> bool:
    """Whether an encrypted PDF opens with no password or with this one."""
    return any(reader.decrypt(word) for word in dict.fromkeys(("", password)))


def _inhabitants(reader: pypdf.PdfReader) -> Iterator[str]:
    """Say what else lives in a PDF, as far as its catalog tells; nothing of it is run or opened."""
    with contextlib.suppress(Exception):
        root = reader.root_object
        names = _resolved(root, "/Names")
        opened = _resolved(root, "/OpenAction")
        kinds = {str(_resolved(opened, "/S"))}
        more = _resolved(root, "/AA")
        if isinstance(more, DictionaryObject):
            kinds |= {str(_resolved(_resolved(more, key), "/S")) for key in more}
        if "/JavaScript" in kinds or _resolved(names, "/JavaScript") is not None:
            yield "contains JavaScript, not run"
        if "/Launch" in kinds:
            yield "contains a launch action, not run"
        if _resolved(names, "/EmbeddedFiles") is not None or _resolved(root, "/AF") is not None:
            yield "contains embedded files, sent inside it"


def _document(
    title: str, how: Attaching, data: bytes, chosen: Sequence[int], note: str, *, cut: bool
) -> Block:
    """Encode the block in one pass over the file: the base64 is joined, never escaped."""
    more: dict[str, object] = {"title": title}
    if cut:
        # Else the model would take the first page it sees for page 1.
        more["context"] = (
            f"An extract. Its pages are, in order, pages {spans([*chosen])} of the whole document."
        )
    if how.cite:
        more["citations"] = {"enabled": True}
    encoded = b"".join(
        (
            b'{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"',
            b2a_base64(data, newline=False),
            b'"},',
            json.dumps(more, ensure_ascii=False, separators=(",", ":")).encode()[1:],
        )
    )
    return Block(
        "document",
        encoded,
        name=title,
        note=note,
        size=len(data),
        tokens=len(chosen) * (_PICTURE_TOKENS + _TEXT_TOKENS),
        pages=len(chosen),
        page_numbers=tuple(number + 1 for number in chosen) if cut else (),
    )
