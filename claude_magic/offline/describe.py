"""What the demo model can truly say of what it was sent: tables, images, PDFs and other documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .turns import SHAPE, Block, attached_document, content_blocks, is_label, unfold

if TYPE_CHECKING:
    from .media import Inspector
    from .turns import Turn

_MOST = 4  # images or documents described one by one
_NAMES = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "light grey": (211, 211, 211),
    "red": (255, 0, 0),
    "dark red": (139, 0, 0),
    "orange": (255, 165, 0),
    "brown": (139, 69, 19),
    "yellow": (255, 255, 0),
    "green": (0, 128, 0),
    "lime": (0, 255, 0),
    "light green": (144, 238, 144),
    "teal": (0, 128, 128),
    "cyan": (0, 255, 255),
    "blue": (0, 0, 255),
    "light blue": (135, 206, 235),
    "steel blue": (70, 130, 180),
    "navy": (0, 0, 128),
    "purple": (128, 0, 128),
    "magenta": (255, 0, 255),
    "pink": (255, 192, 203),
    "beige": (245, 245, 220),
}
_SHAPES = (
    SHAPE,
    re.compile(r"(?i)\b(?:data ?frame|shape)[^\n]{0,20}?\((\d+), ?(\d+)\)"),
)


def quoted(text: str, words: int) -> str:
    """Return the first words of a text on one line, with an ellipsis if there are more."""
    found = text.split()
    longest = 60 + 12 * words
    line = " ".join(found[:words])
    cut = len(found) > words or len(line) > longest
    return line[:longest].replace("`", "'") + (" …" if cut else "")


def many(number: int | str, noun: str) -> str:
    """Return a number with its noun, such as ``1 word`` or ``2,000 words``."""
    return f"{number} {noun}{'' if str(number) == '1' else 's'}"


def attachments(turn: Turn, inspector: Inspector) -> list[str]:
    """Return a list item for each image, document and text attached to a turn, tool results included."""
    texts = _attached(turn)
    blocks = [inner for block in turn.blocks for inner in unfold(texts.get(block.path, block))]
    images = [block for block in blocks if block.kind == "image"]
    documents = [block for block in blocks if block.kind in {"document", "search_result"}]
    lines = [f"- Image {n}: {_image(block, inspector)}" for n, block in enumerate(images[:_MOST], 1)]
    if len(images) > _MOST:
        lines.append(f"- … and {len(images) - _MOST} more images, {len(images)} in all.")
    lines += [f"- {_document(block, n, inspector)}" for n, block in enumerate(documents[:_MOST], 1)]
    if len(documents) > _MOST:
        lines.append(f"- … and {len(documents) - _MOST} more documents, {len(documents)} in all.")
    others = [block.text for block in texts.values() if block.kind == "text" and not _table_shape(block.text)]
    lines += [f"- Text: {_measured(text)}" for text in others[:_MOST]]
    if len(others) > _MOST:
        lines.append(f"- … and {len(others) - _MOST} more texts, {len(others)} in all.")
    return lines


def _attached(turn: Turn) -> dict[str, Block]:
    """Return the texts attached to a turn by their paths, those in a tag as documents; names are left out."""
    following = dict(zip((block.path for block in turn.blocks), turn.blocks[1:], strict=False))
    texts: dict[str, Block] = {}
    for block in turn.attached_texts:
        if found := attached_document(block.text):
            source = {"type": "text", "media_type": "text/plain", "data": found[1]}
            texts[block.path] = Block(block.path, {"type": "document", "source": source, "title": found[0]})
        elif not is_label(block, following.get(block.path)):
            texts[block.path] = block
    return texts


def tables(turn: Turn) -> list[str]:
    """Return a list item for each table found in a turn's texts whose shape can be told."""
    texts = [block.text for block in turn.of("text")]
    texts += [
        block.value["source"]["data"]
        for block in turn.of("document")
        if block.value["source"]["type"] == "text"
    ]
    return [f"- Table: {shape}." for shape in map(_table_shape, texts) if shape]


def _image(block: Block, inspector: Inspector) -> str:
    source = block.value["source"]
    if source["type"] != "base64":
        return f"at `{quoted(str(source.get('url', '')), 1)}`, which this server does not fetch."
    picture = inspector.picture(source, block.path)
    frames = f", {picture.frames} frames" if picture.frames > 1 else ""
    colours = ", ".join(f"`{colour}` {colour_name(colour)}" for colour in picture.colours)
    return f"{picture.format}, {picture.width}×{picture.height} px, {picture.mode}{frames}; mostly {colours}."


def colour_name(colour: str) -> str:
    """Return the name nearest to a colour given as ``#rrggbb``."""
    rgb = tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return min(_NAMES, key=lambda name: sum((a - b) ** 2 for a, b in zip(rgb, _NAMES[name], strict=True)))


def _document(block: Block, number: int, inspector: Inspector) -> str:
    value = block.value
    title = f"“{quoted(str(value['title']), 8)}”" if value.get("title") else f"{number}"
    if block.kind == "search_result":
        return f"Search result {title} from `{quoted(value['source'], 1)}`."
    source = value["source"]
    if source["type"] == "url":
        return f"Document {title} at `{quoted(source['url'], 1)}`, which this server does not fetch."
    if source["type"] == "base64":
        return _paper(title, source, block.path, inspector)
    return f"Document {title}: {_measured(document_text(source))}"


def _measured(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    lines, words = len(text.splitlines()), len(text.split())
    return f"{many(lines, 'line')}, {many(words, 'word')}; first line: “{quoted(first, 12)}”."


def _paper(title: str, source: dict[str, Any], path: str, inspector: Inspector) -> str:
    paper = inspector.paper(source, path)
    own = f", titled “{quoted(paper.title, 8)}”" if paper.title else ""
    starts = [(number, quoted(text, 10)) for number, text in enumerate(paper.texts[:3], 1) if text.strip()]
    pages = "; ".join(f"page {number}: “{start}”" for number, start in starts) or "no text on its first pages"
    return f"PDF {title}: {many(paper.pages, 'page')}{own}; {pages}."


def document_text(source: dict[str, Any]) -> str:
    """Return the text of a ``text`` or ``content`` source."""
    if source["type"] == "text":
        return str(source["data"])
    return "\n".join(block.text for block in content_blocks(source["content"], "") if block.text)


def _table_shape(text: str) -> str:
    for pattern in _SHAPES:
        if found := pattern.search(text):
            return _shape(found[1], found[2])
    lines = [line.strip() for line in text.splitlines()]
    for index, line in enumerate(lines):
        if index and re.fullmatch(r"\|?[\s:|-]*-{2,}[\s:|-]*\|?", line) and "|" in line:
            rows = next(
                (n for n, row in enumerate(lines[index + 1 :]) if "|" not in row), len(lines) - index - 1
            )
            return _shape(rows, len(line.strip("|").split("|")))
    return _separated_shape(lines)


def _shape(rows: int | str, columns: int | str) -> str:
    return f"{many(rows, 'row')} × {many(columns, 'column')}"


def _separated_shape(lines: list[str]) -> str:
    """Return the shape of a CSV: at least three lines in a row with the same number of short cells."""
    for mark in (",", "\t", ";"):
        run: list[int] = []
        best: list[int] = []
        for line in [*lines, ""]:
            cells = line.split(mark)
            neat = len(cells) > 1 and len(line) / len(cells) < 25 and not line.endswith((".", "?", "!"))
            if neat and (not run or run[-1] == len(cells)):
                run.append(len(cells))
            else:
                best, run = max(best, run, key=len), [len(cells)] if neat else []
        if len(best) >= 3:
            return _shape(len(best) - 1, best[0])
    return ""
