"""Images and PDFs made for the tests, as the content blocks a request carries."""

from __future__ import annotations

import base64
import io
from typing import Any

import pypdf
from PIL import Image
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

Json = dict[str, Any]


def picture(
    width: int = 40, height: int = 30, colour: str = "red", kind: str = "PNG", mode: str = "RGB"
) -> bytes:
    """The bytes of an image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def image_block(raw: bytes, media_type: str = "image/png") -> Json:
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(raw).decode()}
    return {"type": "image", "source": source}


def paper(pages: list[str], *, title: str = "", password: str = "") -> bytes:
    """The bytes of a PDF with one line of text on each page."""
    writer = pypdf.PdfWriter()
    for text in pages:
        page = writer.add_blank_page(300, 200)
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def pdf_block(raw: bytes, **fields: Any) -> Json:
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(raw).decode()}
    return {"type": "document", "source": source, **fields}


def text_document(text: str, **fields: Any) -> Json:
    return {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": text},
        **fields,
    }


def user(*content: Any) -> Json:
    """A user message of one string, or of blocks (a string among them becomes a text block)."""
    if len(content) == 1 and isinstance(content[0], str):
        return {"role": "user", "content": content[0]}
    blocks = [{"type": "text", "text": each} if isinstance(each, str) else each for each in content]
    return {"role": "user", "content": blocks}


def assistant(*content: Any) -> Json:
    return {**user(*content), "role": "assistant"}
