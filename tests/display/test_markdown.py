"""Markdown as sanitised HTML, whole and while it grows."""

from __future__ import annotations

import html as entities
import re
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.token import Token

from claude_magic.display.markdown import STYLE, Growing, code_blocks, render
from claude_magic.display.parser import parse
from tests.display.test_neutral import ATTACKS, FRAGMENTS, harm


def grown(parts: list[str]) -> tuple[str, list[str]]:
    """Feed parts; return all finished HTML, and each frame as seen by the reader."""
    growing, done, frames = Growing(clock=lambda: 0.0), "", []
    for part in parts:
        growing.feed(part)
        frame = growing.draw()
        done += frame.done
        frames.append(done + frame.tail)
    last = growing.finish()
    assert last.tail == ""
    return done + last.done, frames


def words(html: str) -> str:
    return re.sub(r"\s+", " ", entities.unescape(re.sub(r"<[^>]*>", "", html)))


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("a **b** `c` ~~d~~\ne", "<p>a <strong>b</strong> <code>c</code> <s>d</s>\ne</p>\n"),
        ("a <b>c</b>", "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n"),
        ("```python\nx\n```", '<pre><code class="language-python">x\n</code></pre>\n'),
        ("```\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>\n"),
        ("```no-such:lang x\ny\n```", '<pre><code class="language-no-suchlang">y\n</code></pre>\n'),
        ("    <b>\n", "<pre><code>&lt;b&gt;\n</code></pre>\n"),
        ("$5 and $6", "<p>$5 and $6</p>\n"),
        ("$a<b$", '<p><span class="math inline">\\(a&lt;b\\)</span></p>\n'),
        ("\\(x\\)", '<p><span class="math inline">\\(x\\)</span></p>\n'),
        ("$$\na\n= b\n$$", '<p><span class="math block">\\[\na\n= b\n\\]</span></p>\n'),
        ("\\[\n# x\n\\]", '<p><span class="math block">\\[\n# x\n\\]</span></p>\n'),
        ("- $$x$$", '<ul>\n<li><span class="math block">\\[x\\]</span></li>\n</ul>\n'),
        ("a\n$$\n- b\n$$\nc", '<p>a</p>\n<p><span class="math block">\\[\n- b\n\\]</span></p>\n<p>c</p>\n'),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>\n"),
        ("[a]()", "<p>[a]()</p>\n"),
        ("2) a", '<ol start="2">\n<li>a</li>\n</ol>\n'),
    ],
)
def test_what_is_rendered(source: str, html: str) -> None:
    assert render(source) == html


def test_code_is_coloured_by_classes_that_the_style_knows() -> None:
    html = render("```python\ndef f():\n    return 'x'  # y\n```")
    names = set(re.findall(r'<span class="(\w+)">', html))
    assert {"k", "nf", "s1", "c1"} <= names
    assert all(f".claude-magic .{name}" in STYLE for name in names)


def test_a_table_is_aligned_without_style() -> None:
    assert '<th align="right">b</th>' in render("| a | b |\n|---|--:|\n| 1 | 2 |")


def test_a_link_shows_where_it_leads() -> None:
    assert render("[a](https://www.e.org/x 'T')") == (
        '<p><a href="https://www.e.org/x" target="_blank" title="https://www.e.org/x"'
        ' rel="noopener noreferrer">'
        'a</a><span class="claude-host"> (e.org)</span></p>\n'
    )
    assert "claude-host" not in render(
        "<https://e.org> [e.org/x](https://e.org/x) [a](https://e.org) (e.org)"
    )


def test_a_picture_is_a_link() -> None:
    html = render("![a **b**](http://e.org/i.png) [![c](http://e.org/j.png)](http://f.org)")
    assert "<img" not in html
    assert html.count("<a ") == 2
    assert words(html) == "🖼 a b (e.org) 🖼 c (f.org) "


@pytest.mark.parametrize("source", ATTACKS)
def test_no_frame_of_an_attack_does_anything(source: str) -> None:
    for start in ("", "> ", "- ", "text\n\n"):
        html, frames = grown(list(start + source))
        assert html == render(start + source) or "]:" in source
        assert [harm(frame) for frame in {html, *frames} if harm(frame)] == []


PIECES = [
    "# T", "para one\nline two", "a **b** `c`", "- a\n- b\n  - c\n\n  d", "1. x\n2. y", "Title\n===",
    "```python\nx = 1\n\n# c\n```", "~~~\na\n~~~", "> q\n> r", "$$\nx^2\n$$", "***",
    "| a | b |\n|---|--:|\n| 1 | 2 |",
    "\\[\nx\n= y\n\\]", "Text:\n$$\na\n= b\n$$\nmore", "    code\n    more", "para\n- tight\n",
    "* a\n\n* b",
    "[x](http://a.b) ![i](http://c.d)", "<b>raw</b>", "```js\nunclosed", "+ c", "é😀 x", "text  \nbreak",
    "`` a\n`b` ``",
]  # fmt: skip
DOCUMENTS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["\n", "\n\n"])), max_size=7).map(
    lambda pairs: "".join(piece + end for piece, end in pairs)
)
SOUP = st.lists(st.sampled_from([text for text in FRAGMENTS if "]:" not in text]), max_size=20).map("".join)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(DOCUMENTS, SOUP.filter(lambda text: "]:" not in text)),
    st.lists(st.integers(1, 30), max_size=12),
)
def test_grown_is_as_rendered_at_once(source: str, lengths: list[int]) -> None:
    cuts = [0, *(cut for cut in accumulate(lengths) if cut < len(source)), len(source)]
    whole = render(source)
    assert grown([source[a:b] for a, b in pairwise(cuts)])[0] == whole
    html, frames = grown(list(source))
    assert html == whole
    assert all(not harm(frame) for frame in frames)


def test_finished_blocks_are_sent_once_and_the_rest_is_open() -> None:
    growing = Growing()
    growing.feed("# T\n\nfirst **one**\n\nsec")
    frame = growing.draw()
    assert (frame.done, frame.tail) == ("<h1>T</h1>\n<p>first <strong>one</strong></p>\n", "<p>sec</p>\n")
    growing.feed("ond *o")
    assert growing.draw().tail == "<p>second *o</p>\n"
    assert growing.draw().done == ""
    assert growing.finish().done == "<p>second *o</p>\n"


@pytest.mark.parametrize(
    ("source", "tail"),
    [
        ("```html\n<b>", "<pre><code"),
        ("```py\nx = 1\n``", "<pre><code"),
        ("text\n-", "<p>text</p>"),
        ("text\n```", "<p>text</p>"),
        ("$$\nx", '<p><span class="math block">'),
        ("\\[\nx = ", '<p><span class="math block">'),
        ("a **b", "<p>a **b</p>"),
        ("[a](htt", "<p>[a](htt</p>"),
    ],
)
def test_what_is_open_shows_as_what_it_becomes(source: str, tail: str) -> None:
    growing = Growing()
    growing.feed(source)
    shown = growing.draw().tail
    assert shown.startswith(tail)
    assert "``" not in shown


def test_pairs_may_come_in_halves() -> None:
    html, _ = grown(["a \ud83d", "\ude00\r", "\nb\r", "c"])
    assert html == "<p>a 😀\nb␍c</p>\n"


def test_a_large_open_block_is_rendered_when_it_has_doubled_or_after_a_pause() -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.01  # each look at the clock: a rendering costs this much
        return now

    growing = Growing(clock)
    growing.feed("word " * 1000)
    first = growing.draw().tail
    growing.feed("more " * 10)
    assert growing.draw().tail is first
    growing.feed("more " * 1000)
    second = growing.draw().tail
    assert second != first
    growing.feed("end")
    assert growing.draw().tail is second
    now += 1
    assert growing.draw().tail.endswith("end</p>\n")


def test_a_long_open_fence_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = Growing(clock=iter(range(10_000)).__next__)
    growing.feed("```python\n" + "x = '<b>'\n" * 1000)
    growing.draw()
    monkeypatch.setattr("claude_magic.display.markdown.parse", lambda *_: pytest.fail("parsed"))
    for _ in range(50):
        growing.feed("y = 1\n")
        tail = growing.draw().tail
    assert tail.startswith("<pre><code class=\"language-python\">x = '&lt;b&gt;'\n")
    assert tail.endswith("y = 1\n</code></pre>\n")


def test_the_work_is_linear_in_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0

    def counted(text: str, env: dict[str, Any]) -> list[Token]:
        nonlocal parsed
        parsed += len(text)
        return parse(text, env)

    monkeypatch.setattr("claude_magic.display.markdown.parse", counted)
    for source in ("A sentence with **some** words in it.\n\n" * 800, "- an item\n" * 3000, "word " * 6000):
        parsed = 0
        growing = Growing(clock=lambda: 0.0)
        for at in range(0, len(source), 100):
            growing.feed(source[at : at + 100])
            growing._drawn_at, growing._cost = 0.0, 1.0
            growing.draw()
        growing.finish()
        assert parsed < 12 * len(source)


def test_code_blocks_in_order() -> None:
    source = "a\n```py\nx\n```\n- b\n  ~~~\n  <y>\n\n  z\n  ~~~\n\n      no\n```\nopen"
    assert code_blocks(source) == ["x\n", "<y>\n\nz\n", "open"]
    assert code_blocks("none `x`") == []
