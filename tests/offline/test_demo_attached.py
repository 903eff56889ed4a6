"""What the demo model takes for the prompt, for an attachment, for a wish, and for a document to cite."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message

from .samples import Json, assistant, image_block, picture, text_document, user
from .test_demo import Ask, ask, text

__all__ = ["ask"]  # the fixture

FIGURES = (
    "\n\n| column | dtype | nulls | min | median | mean | max | most frequent |\n"
    "|---|---|---|---|---|---|---|---|\n| a | int64 | 0 | 1 | 1 | 1 | 1 |  |\n"
    "\nAll rows:\n\n| a |\n|---|\n| 1 |"
)
DOCUMENT = '<document name="a &amp; b.txt">\nShow a table\nof 300 words.\n</document>'
IMAGE = image_block(picture())
CITED: Json = {"citations": {"enabled": True}}


def frame(shape: str, name: str = "df") -> str:
    return f"{name}: pandas DataFrame, {shape}{FIGURES}"


def cited(message: Message) -> list[str]:
    return [c.cited_text for b in message.content if b.type == "text" for c in b.citations or ()]


@pytest.mark.parametrize(
    "attached",
    [
        ["fig:", IMAGE],
        ["my plots/at noon.png, frame 3:", IMAGE, "fig:", IMAGE],
        [DOCUMENT],
        [DOCUMENT, text_document("Facts.")],
        [frame("100 rows × 2 columns")],
        [frame("100 rows × 2 columns"), text_document("Facts.")],
        ["lazy: polars LazyFrame, 2 columns, not computed\n\na: Int64", text_document("Facts.")],
        ['{\n  "a": 1\n}', "fig:", IMAGE],
    ],
)
def test_what_is_attached_is_no_part_of_the_prompt(ask: Ask, attached: list[Any]) -> None:
    answer = text(ask(*attached, "What is it?"))
    assert "Your prompt has 3 words and 11 characters; it begins: “What is it?”" in answer
    assert "## Part" not in answer
    assert "|:---" not in answer
    later = text(ask(messages=[user(*attached, "What is it?"), assistant("It."), user("And now?")]))
    assert "There is 1 earlier prompt; the previous one: “What is it?”" in later


def test_values_inside_a_prompt_leave_it_whole(ask: Ask) -> None:
    answer = text(ask("Compare this: ", IMAGE, "\nwith ", IMAGE, " of noon"))
    assert "Your prompt has 5 words and 26 characters; it begins: “Compare this: with of noon”" in answer
    mixed = text(ask("fig:", IMAGE, DOCUMENT, "before ", IMAGE, " after"))
    assert "it begins: “before after”" in mixed
    inline = text(ask("Look at " + frame("100 rows × 2 columns") + "\n\nand say what is odd"))
    assert "it begins: “Look at df: pandas DataFrame" in inline
    assert "- Table: 100 rows × 2 columns." in inline
    assert "it begins: “df: pandas" in text(ask(frame("100 rows × 2 columns") + "\n\nWhat is odd?"))


def test_two_messages_in_a_row_are_one_prompt(ask: Ask) -> None:
    answer = text(ask(messages=[user("My name is Ada."), user("Hello")]))
    assert "it begins: “My name is Ada. Hello”" in answer


def test_attached_texts_are_described(ask: Ask) -> None:
    answer = text(ask(DOCUMENT, "def f(x): ...\n\nDoubles x.", "fig:", IMAGE, "What?"))
    assert "- Document “a & b.txt”: 2 lines, 6 words; first line: “Show a table”." in answer
    assert "- Text: 3 lines, 5 words; first line: “def f(x): ...”." in answer
    assert "fig:" not in answer
    many = text(ask(*[f"text {n}" for n in range(6)], "What?"))
    assert "- … and 1 more texts, 5 in all." not in many
    assert "- … and 2 more texts, 6 in all." in many


@pytest.mark.parametrize(
    "shape",
    [
        "1 row × 1 column",
        "1 row × 12 columns",
        "7 rows × 1 column",
        "1,234,567 rows × 1,000 columns",
        "0 rows × 2 columns",
    ],
)
def test_a_frame_has_the_shape_that_it_states(ask: Ask, shape: str) -> None:
    for content in ([frame(shape), "What is it?"], [f"What is odd in {frame(shape)}"]):
        answer = text(ask(*content))
        assert f"- Table: {shape}." in answer
        assert answer.count("Table:") == 1


@pytest.mark.parametrize(
    "prompt",
    [
        "Is anything missing in this table?",
        "Which of these are odd?",
        "What does the function do?",
        "Show me what is wrong in this table",
        "Print the maximum of the list",
        "Is the code right? Show the fault.",
        "Thanks! Write more. Is the formula right?",
        "The table shows three rows",
        "Explain my python code",
    ],
)
def test_a_kind_of_formatting_that_is_only_spoken_of_is_not_shown(ask: Ask, prompt: str) -> None:
    answer = text(ask(prompt))
    for sample in ("```python", "$$", "|:----", "1. Read"):
        assert sample not in answer


@pytest.mark.parametrize(
    ("prompt", "samples"),
    [
        ("Show a table, a list, python code and a formula", {"```python", "$$", "|:----", "1. Read"}),
        ("Show a table, a list and a formula", {"$$", "|:----", "1. Read"}),
        ("Show some python code", {"```python"}),
        ("Show python code and a table", {"```python", "|:----"}),
        ("Write python code that plots the rain of each month.", {"```python"}),
        ("Is this right? Give me the formula.", {"$$"}),
        ("Could you draw a small table, please?", {"|:----"}),
        ("Sum it up as a list", {"1. Read"}),
        ("A table and a list, please!", {"|:----", "1. Read"}),
    ],
)
def test_the_kinds_of_formatting_that_are_asked_for_are_shown(
    ask: Ask, prompt: str, samples: set[str]
) -> None:
    answer = text(ask(prompt))
    assert {each for each in ("```python", "$$", "|:----", "1. Read") if each in answer} == samples


def test_a_document_is_cited_where_it_is_sent_and_where_it_is_named(ask: Ask) -> None:
    first = ask(text_document("Alpha.", title="facts.txt", **CITED), "What is it?")
    assert cited(first) == ["Alpha."]
    before = [
        user(text_document("Alpha.", title="facts.txt", **CITED), "What is it?"),
        {"role": "assistant", "content": first.content},
    ]
    assert cited(ask(messages=[*before, user("hello there")])) == []
    assert cited(ask(messages=[*before, user("artifacts.txts?")])) == []
    assert cited(ask(messages=[*before, user("And what says Facts.txt?")])) == ["Alpha."]
    more = ask(messages=[*before, user(text_document("Beta.", title="more", **CITED), "And this?")])
    (citation,) = [c for b in more.content if b.type == "text" for c in b.citations or ()]
    assert citation.type == "char_location"
    assert (citation.cited_text, citation.document_index) == ("Beta.", 1)
