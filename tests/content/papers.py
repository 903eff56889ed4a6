"""PDFs made for the tests: pages with text and pictures, encrypted, broken, crowded."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    StreamObject,
)


def writer_of(pages: int, picture_bytes: int = 0) -> PdfWriter:
    """A writer with this many pages, each saying its number, each with a picture of random bytes."""
    writer = PdfWriter()
    noise = random.Random(7)
    for number in range(1, pages + 1):
        page = writer.add_blank_page(width=300, height=400)
        text = DecodedStreamObject()
        text.set_data(f"BT /F1 24 Tf 20 200 Td (This is page number {number}.) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(text)
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        resources: dict[Any, Any] = {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        if picture_bytes:
            picture = StreamObject()
            picture.set_data(noise.randbytes(picture_bytes))
            picture.update(
                {
                    NameObject("/Type"): NameObject("/XObject"),
                    NameObject("/Subtype"): NameObject("/Image"),
                    NameObject("/Width"): NumberObject(picture_bytes),
                    NameObject("/Height"): NumberObject(1),
                    NameObject("/BitsPerComponent"): NumberObject(8),
                    NameObject("/ColorSpace"): NameObject("/DeviceGray"),
                }
            )
            names = DictionaryObject({NameObject("/P"): writer._add_object(picture)})
            resources[NameObject("/XObject")] = names
        page[NameObject("/Resources")] = DictionaryObject(resources)
    return writer


def bytes_of(writer: PdfWriter) -> bytes:
    """What the writer writes."""
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def pdf(pages: int = 3, picture_bytes: int = 0) -> bytes:
    """A sound PDF."""
    return bytes_of(writer_of(pages, picture_bytes))


def encrypted(algorithm: str, user: str, owner: str, pages: int = 3) -> bytes:
    """The same, encrypted: RC4-40, RC4-128, AES-128, AES-256."""
    writer = writer_of(pages)
    writer.encrypt(user_password=user, owner_password=owner, algorithm=algorithm)
    return bytes_of(writer)


def linked(pages: int = 5) -> bytes:
    """A PDF whose first page links to all others in every way a page can."""
    writer = writer_of(pages)
    first = writer.pages[0]
    annotations = ArrayObject()
    for page in writer.pages[1:]:
        place = ArrayObject([page.indirect_reference, NameObject("/Fit")])
        action = {NameObject("/S"): NameObject("/GoTo"), NameObject("/D"): place}
        for extra in ({NameObject("/Dest"): place}, {NameObject("/A"): DictionaryObject(action)}):
            link: dict[Any, Any] = {
                NameObject("/Type"): NameObject("/Annot"),
                NameObject("/Subtype"): NameObject("/Link"),
                NameObject("/Rect"): ArrayObject([FloatObject(0)] * 4),
            }
            annotations.append(writer._add_object(DictionaryObject({**link, **extra})))
    first[NameObject("/Annots")] = annotations
    first[NameObject("/AA")] = DictionaryObject({NameObject("/O"): DictionaryObject(action)})
    writer.add_outline_item(title="Last", page_number=pages - 1)
    writer.add_named_destination("end", pages - 1)
    return bytes_of(writer)
