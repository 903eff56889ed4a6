"""Anything that shows in a notebook attaches: the table, on the real libraries."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import IPython.display
import matplotlib.figure
import nbformat
import numpy as np
import pandas as pd
import plotly.graph_objects
import polars as pl
import pydantic
import pypdf
import pytest
from PIL import Image

from claude_magic.content import attachable, attachment_blocks, blocks_of
from claude_magic.content.crowd import in_a_crowd
from claude_magic.errors import UsageProblem
from claude_magic.values import AS_USUAL, Block


def png(size: tuple[int, int] = (40, 30), colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def pdf(pages: int = 3) -> bytes:
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def figure() -> matplotlib.figure.Figure:
    drawn = matplotlib.figure.Figure()
    drawn.add_subplot().plot([1, 3, 2])
    return drawn


class Point(pydantic.BaseModel):
    x: int
    y: int


@dataclasses.dataclass
class Station:
    name: str
    height: float


class ShowsPng:
    def _repr_png_(self) -> bytes:
        return png()


class ShowsBundle:
    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/png": base64.b64encode(png()).decode(), "text/plain": "a picture"}


class ShowsMarkdown:
    def _repr_markdown_(self) -> str:
        return "**bold**"


class SaysItself:
    def __claude_content__(self) -> list[Any]:
        return [figure(), "and a note"]


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


ROWS: list[tuple[str, Callable[[], Any], str]] = [
    ("PIL", lambda: Image.new("RGB", (50, 40)), "image"),
    ("numpy picture", lambda: np.zeros((60, 80, 3), "uint8"), "image"),
    ("matplotlib figure", figure, "image"),
    ("matplotlib axes", lambda: figure().axes[0], "image"),
    ("IPython Image", lambda: IPython.display.Image(data=png()), "image"),
    ("plotly", lambda: plotly.graph_objects.Figure(plotly.graph_objects.Scatter(y=[1, 2])), "image|text"),
    ("altair", lambda: alt.Chart(frame()).mark_point().encode(x="a", y="a"), "image|text"),
    ("png bytes", png, "image"),
    ("pdf bytes", pdf, "document"),
    ("PdfReader", lambda: pypdf.PdfReader(io.BytesIO(pdf())), "document"),
    ("PdfWriter", lambda: pypdf.PdfWriter(clone_from=io.BytesIO(pdf())), "document"),
    ("pandas frame", frame, "text"),
    ("pandas series", lambda: frame()["a"], "text"),
    ("polars frame", lambda: pl.DataFrame({"a": [1]}), "text"),
    ("text", lambda: "plain words", "text"),
    ("exception", lambda: ValueError("too high"), "text"),
    ("function", lambda: figure, "text"),
    ("notebook", lambda: nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), "text"),
    ("pydantic", lambda: Point(x=1, y=2), "text"),
    ("dataclass", lambda: Station("Oslo", 94.0), "text"),
    ("_repr_png_", ShowsPng, "image"),
    ("_repr_mimebundle_", ShowsBundle, "image"),
    ("_repr_markdown_", ShowsMarkdown, "text"),
    ("number", lambda: 42, "text"),
    ("dict", lambda: {"a": [1, 2]}, "text"),
]


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(("make", "kinds"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_every_row_of_the_table_attaches(make: Callable[[], Any], kinds: str) -> None:
    (block,) = blocks_of(make(), "value")
    assert block.kind in kinds.split("|")
    assert json.loads(block.json)["type"] == block.kind
    assert block.name == "value"


def test_torch_tensors_attach_as_pictures() -> None:
    torch = pytest.importorskip("torch", reason="an optional library, large to install")
    (block,) = blocks_of(torch.rand(3, 64, 64), "tensor")
    assert block.kind == "image"
    assert block.pixels == (64, 64)


def test_a_class_says_itself_what_is_sent() -> None:
    assert [block.kind for block in blocks_of(SaysItself(), "it")] == ["image", "text"]


def test_users_add_types_and_subclasses_are_covered() -> None:
    class Reading(float):
        pass

    class Late(Reading):
        pass

    @attachable(Reading)
    def reading(value: Reading) -> str:
        return f"{float(value)} degrees"

    assert "21.5 degrees" in blocks_of(Late(21.5), "r")[0].text


def test_a_converter_that_raises_or_never_ends_is_told() -> None:
    class Raises:
        def __claude_content__(self) -> str:
            raise RuntimeError("no")

    class Endless:
        def __claude_content__(self) -> Any:
            return Endless()

    for value, said in ((Raises(), "raised RuntimeError: no"), (Endless(), "converts to itself")):
        with pytest.raises(UsageProblem, match=said):
            blocks_of(value, "it")


def test_a_list_of_pictures_attaches_each(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(png())
    blocks = blocks_of([Image.new("RGB", (20, 20)), png(), tmp_path / "c.png"], "all")
    assert [block.kind for block in blocks] == ["image"] * 3
    assert [block.name for block in blocks] == ["all[0]", "all[1]", "all[2]"]
    assert blocks_of([1, "a"], "mixed")[0].kind == "text"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(png((41, 31)))
    (tmp_path / "photo2.png").write_bytes(png((42, 32)))
    (tmp_path / "report.pdf").write_bytes(pdf(10))
    (tmp_path / "notes.txt").write_text("one\ntwo\n", "utf-8")
    (tmp_path / "wrong.jpg").write_bytes(png())
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", "utf-8")
    (tmp_path / "folder").mkdir()
    return tmp_path


def attached(*expressions: str, urls: bool = False, **namespace: Any) -> list[Block]:
    blocks = attachment_blocks(expressions, namespace, AS_USUAL, urls=urls)
    return [block for block in blocks if block.name]


@pytest.mark.usefixtures("here")
def test_files_globs_pages_and_expressions() -> None:
    assert attached("photo.png")[0].pixels == (41, 31)
    assert attached("report.pdf[3-4,7]")[0].pages == 3
    assert "two" in attached("notes.txt")[0].text
    assert [block.name for block in attached("photo*.png")] == ["photo.png", "photo2.png"]
    assert attached("shots[1]", shots=[1, Image.new("RGB", (9, 9))])[0].pixels == (9, 9)
    assert attached("raw[2-3]", raw=pdf())[0].pages == 2
    assert attached("doc[1-2]", doc=Path("report.pdf"))[0].pages == 2
    assert "a PNG, not a JPEG" in attached("wrong.jpg")[0].note
    assert attached("drawing.svg")[0].kind == "text"
    assert "sent as its source" in attached("drawing.svg")[0].note


@pytest.mark.usefixtures("here")
def test_the_same_content_is_sent_once_and_pictures_follow_their_name() -> None:
    blocks = attachment_blocks(("photo.png", "photo.png"), {}, AS_USUAL, urls=False)
    assert [(block.kind, block.text) for block in blocks] == [("text", "photo.png:"), ("image", "")]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("phto.png", "no kernel name and no file. Did you mean 'photo.png'"),
        ("fgi", "no kernel name and no file. Did you mean 'fig'?"),
        ("*.gif", "a glob that names no file"),
        ("report.pdf[2-3", "a [ is not closed"),
        ("gfi", "Did you mean 'fig'?"),
        ("folder", "folder is a folder; name its files"),
        ("/dev/zero", "is no regular file"),
        ("pipe", "is no regular file"),
        ("empty.png", "empty"),
        ("report.pdf[11-12]", "10 pages"),
        ("notes.txt[1-2]", "no pages or frames"),
        ("1 / 0", "raised ZeroDivisionError"),
        ("https://example.com/x.png", "allow it by --urls"),
    ],
)
def test_what_cannot_be_attached_is_told_in_one_line(expression: str, said: str, here: Path) -> None:
    os.mkfifo(here / "pipe")
    (here / "empty.png").write_bytes(b"")
    with pytest.raises(UsageProblem) as caught:
        attached(expression, fig=1)
    assert said in str(caught.value)
    assert str(caught.value).endswith("Nothing was sent.")
    assert "\n" not in str(caught.value)


def test_urls_are_sent_as_urls() -> None:
    image, document = attached("https://example.com/a.png", "https://example.com/b.pdf", urls=True)
    assert json.loads(image.json) == {
        "type": "image",
        "source": {"type": "url", "url": "https://example.com/a.png"},
    }
    assert json.loads(document.json)["type"] == "document"


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]", "10.0.0.8", "192.168.1.1",
     "169.254.169.254", "[::ffff:127.0.0.1]", "intranet", "printer.local", "x.internal",
     "user:pw@example.com"],
)  # fmt: skip
def test_hosts_of_this_machine_and_network_are_refused(host: str) -> None:
    with pytest.raises(UsageProblem, match="Nothing was sent"):
        attached(f"http://{host}/x.png", urls=True)


def test_in_a_crowd_large_pictures_are_scaled_once() -> None:
    how = dataclasses.replace(AS_USUAL, detail="full", long_edge=2576)
    (large,) = blocks_of(Image.effect_noise((2576, 1000), 80), "large", how)
    (small,) = blocks_of(Image.new("RGB", (300, 200)), "small")
    assert large.pixels == (2576, 1000)
    first, second = in_a_crowd((large, small)), in_a_crowd((large, small))
    assert max(first[0].pixels) <= 2000
    assert first[0] is second[0]
    assert first[1] is small


def test_attaching_changes_nothing_of_the_users() -> None:
    array = np.arange(300 * 200 * 3, dtype="uint32").reshape(300, 200, 3).astype("uint8")
    before = array.copy()
    blocks_of(array, "array")
    assert (array == before).all()
    reader = pypdf.PdfReader(io.BytesIO(pdf()))
    blocks_of(reader, "reader")
    assert len(reader.pages) == 3
