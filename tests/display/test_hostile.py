"""Hostile texts in the kernel: every form of an answer, at every intermediate frame, is neutral."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from html import unescape
from typing import Any

import pytest
from bleach._vendor import html5lib  # type: ignore[import-untyped]

from claude_magic.citations import Source
from claude_magic.conversation.export import markdown_document, notebook_document
from claude_magic.display import sources
from claude_magic.display.folds import folded_html, folded_markdown, thinking_html
from claude_magic.display.markdown import Growing, render
from claude_magic.display.neutral import inline, neutral
from claude_magic.display.preview import preview
from claude_magic.display.static import TURN, bundle, markdown
from claude_magic.display.status import Status
from claude_magic.display.strip import strip_html, strip_line
from claude_magic.display.table import Table
from claude_magic.display.terminal import TextView
from claude_magic.display.untrusted import formula_at, visible
from claude_magic.sections import call_section
from claude_magic.served import server_section
from claude_magic.stop import Stop
from claude_magic.values import Answer, Block, Call, Section, TextPart, Turn, Usage, text_block
from tests.display.hostile import HTML, NAMES, TERMINAL, payloads
from tests.display.test_neutral import PARSERS, harm, with_formulas_cut_out

CORPUS = payloads()
ALLOWED: dict[str, set[str]] = {
    "a": {"href", "title", "target", "rel"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
    "span": {"class"},
    "code": {"class"},
    **{tag: set() for tag in ("blockquote", "br", "em", "hr", "li", "p", "pre", "s", "strong", "ul")},
    **{tag: set() for tag in ("h1", "h2", "h3", "h4", "h5", "h6", "table", "tbody", "thead", "tr")},
}
TAG = re.compile(
    r"<(?:/[a-z][a-z0-9]*"
    r"|(?:blockquote|br|em|h[1-6]|hr|li|ol|p|pre|s|span|strong|table|tbody|td|th|thead|tr|ul|code)"
    r'|ol start="\d{1,9}"|t[dh] align="(?:left|right|center)"|code class="language-[\w+#.-]+"'
    r'|span class="(?:math (?:inline|block)|claude-host|\w{1,4})"'
    r'|a href="(?:https?://|mailto:)[^"<>\s]*"(?: target="_blank"| title="(?:https?://|mailto:)[^"<>\s]*"){0,2}'
    r' rel="noopener noreferrer")>'
)
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def assert_plain_html(html: str, of: object) -> None:
    """See that every tag is one of ours, letter by letter: then all parsers read the same."""
    assert "<" not in TAG.sub("", html), (of, html)
    assert not HIDDEN.search(html), (of, html)


def parsed(html: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The elements an HTML5 parser finds, with their attributes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = html5lib.parseFragment(html, namespaceHTMLElements=False)
    for node in tree.iter():
        if node is not tree:
            yield node.tag, dict(node.attrib)


def assert_allowed(html: str, of: object) -> None:
    """See what an HTML5 parser makes of it: allowed elements, attributes and schemes only."""
    for tag, attributes in parsed(html):
        assert tag in ALLOWED, (of, tag, html)
        assert set(attributes) <= ALLOWED[tag], (of, attributes)
        if tag == "a":
            assert attributes["href"].startswith(("http://", "https://", "mailto:")), (of, attributes)


def frames(parts: list[str]) -> Iterator[str]:
    """What the reader sees after each part, and at the end."""
    growing, done = Growing(clock=lambda: 0.0), ""
    for part in parts:
        growing.feed(part)
        frame = growing.draw()
        done += frame.done
        yield frame.done + frame.tail
    yield done + growing.finish().done


def test_the_corpus_is_large() -> None:
    assert sum(payload.kind in HTML for payload in CORPUS) >= 220
    assert sum(payload.kind not in HTML for payload in CORPUS) >= 45
    assert len({payload.text.replace(str(payload.number), "") for payload in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("kind", sorted({payload.kind for payload in CORPUS}))
def test_every_frame_of_every_payload_is_plain(kind: str) -> None:
    for payload in (one for one in CORPUS if one.kind == kind):
        for start in ("", "> ", "- ", "text\n\n"):
            text = start + payload.text
            size = 1 if len(text) < 400 else 41
            ways = [[text[at : at + size] for at in range(0, len(text), size)], [text]]
            if not start and size == 1:
                ways += [[text[:cut], text[cut:]] for cut in range(1, len(text))]
            seen = {frame for parts in ways for frame in frames(parts)}
            for frame in seen:
                assert_plain_html(frame, payload)


def test_an_html5_parser_agrees() -> None:
    for payload in CORPUS:
        for frame in {render(payload.text), *frames(list(payload.text)[:200])}:
            assert_allowed(frame, payload)


def test_the_markdown_of_every_payload_is_harmless_in_every_parser() -> None:
    for payload in CORPUS:
        for text in (payload.text, f"> {payload.text}\n\n- {payload.text}\n\ntext {payload.text} text"):
            written = neutral(text)
            assert not HIDDEN.search(written), payload
            for name, parse in PARSERS.items():
                if len(text) > 1_500 and name != "markdown-it":
                    continue
                assert harm(parse(written)) == [], (name, payload)
                assert harm(with_formulas_cut_out(parse, written)) == [], (name, payload)


def test_the_markdown_of_every_cut_payload_is_harmless() -> None:
    parse = PARSERS["markdown-it"]
    for payload in CORPUS:
        for cut in range(min(len(payload.text), 400)):
            written = neutral(payload.text[:cut])
            assert harm(parse(written)) == [], (payload, cut)


EDGES = re.compile(r"\$[^$]*\$|\\\(|\\\[|\\begin")


def texts_of(html: str) -> Iterator[str]:
    """The runs of text between elements, without code: where a notebook looks for formulas again."""
    for run in re.split(r"<[^>]*>", re.sub(r"<(code|pre)\b.*?</\1>", "<br>", html, flags=re.DOTALL)):
        yield run.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 and $6", "\\$5 and \\$6", "&#36;5 and &#x24;6", "&dollar;5 and &dollar;6",
        "US$5, $HOME:$PATH",
        "$5\n$6", "- $5\n- $6", "| $5 | $6 |\n|---|---|", "# $5 and $6", "[$5 $6](http://e.example)",
        "a \\\\(x\\\\) b", "a \\\\\\(x\\\\\\) b", "&#92;(x&#92;)", "&bsol;[x&bsol;]",
        "\\\\begin{align}x\\\\end{align}",
        "&#92;begin{align}x&#92;end{align}", "\\b&#101;gin{align}\\href{//e}{x}\\end{align}",
        "\\begin{align}\\href{//e.example}{x}\\end{align}", "$\\href{//e.example}{x}$ $5",
        "**$5** and **$6**", "$5/month ($60/year)", "*$5* or *$10*, ~~$12~~",
        "$HOME and $PATH", "$5–$10 (US$)",
    ],
)  # fmt: skip
def test_what_is_no_formula_stays_none_in_the_page(text: str) -> None:
    for name, parse in PARSERS.items():
        if name != "mistune with all":  # its mathematics is its own
            assert not any(EDGES.search(run) for run in texts_of(parse(neutral(text)))), (name, neutral(text))
    assert 'class="math' not in render(text)


def test_dollars_beside_a_formula_are_not_paired_with_its() -> None:
    written = neutral("It costs $5, and $x_1$ is \\(y\\), not $6")
    assert written == "It costs <span>&#36;</span>5, and $x_1$ is $y$, not <span>&#36;</span>6"


@pytest.mark.parametrize(
    "command", ["href{//e}", "url{x}", "style{x}", "class{x}", "cssId{x}", "data{x=y}", "mmlToken{mi}",
                "csname x", "includegraphics{x}", "require{x}", "htmlClass{x}", "color{url(//e)}"]
)  # fmt: skip
def test_a_formula_cannot_link_load_or_style(command: str) -> None:
    for around in ("$@$", "$$@$$", "\\(@\\)", "\\[@_1\\]", "\\begin{align}@\\end{align}"):
        text = around.replace("@", f"\\{command}{{x}}")
        assert formula_at(text, 0) is None
        assert 'class="math' not in render(text)
    assert formula_at("$\\hreflike{x} \\stylish \\database$", 0) is not None


@pytest.mark.parametrize("info", ["mermaid", "Mermaid x", "mer!maid", "math", "geojson"])
def test_code_that_front_ends_draw_stays_code(info: str) -> None:
    for text in (f"~~~{info}\nx\n~~~", f"- ~~~{info}\n  x\n  ~~~", f"> ~~~ {info}\n> x\n> ~~~"):
        assert not re.search("mermaid|math|geojson", neutral(text), re.IGNORECASE)


# --- other foreign text -------------------------------------------------------------------------------


def turn_of(text: str, name: str, **changes: Any) -> Turn:
    block = Block(
        "image", b"{}", name=name, note=name, thumbnail=b"\x89PNG" + name.encode("utf-8", "replace")
    )
    answer = Answer(
        (TextPart(text),) if text else (), Usage(5, 9, final=True), stop_reason=name, complete=True
    )
    given = {"prompt": name, "blocks": (block,), "reply": b"", "shown": text, "answer": answer}
    return Turn(**{**given, "stage": "complete", "model": name, **changes})


def assert_harmless_markdown(written: str, of: object) -> None:
    assert not HIDDEN.search(written), (of, written)
    for parse in PARSERS.values():
        assert harm(parse(written)) == [], (of, written)


def sections_of(text: str) -> list[Section]:
    """Thinking, a tool call and a search that all say this, in titles, arguments and results."""
    given = json.dumps({text: text})
    call = Call("t", text, given, (text_block(text), Block("image", b"{}", note=text)), note=text)
    broken = Call("t", text, text, (), error=True)
    use = {"id": "s", "name": text, "input": {"query": text}}
    raw = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": text, "url": text}]}
    found = server_section(raw, {"s": use})
    assert found is not None
    return [Section("thinking", text, text), call_section(call, timed=True), call_section(broken), found]


OWN_FOLD = re.compile(r"</?(?:details|summary)>")
DETAILS = re.compile(
    r'<(?:/?(?:details|summary|div)|details class="claude-fold claude-(?:call|search|thinking)"'
    r'|div class="claude-folded")>'
)


@pytest.mark.parametrize("kind", sorted({payload.kind for payload in CORPUS}))
def test_nothing_breaks_out_of_a_fold(kind: str) -> None:
    for payload in (one for one in CORPUS if one.kind == kind):
        sections = sections_of(payload.text)
        for section in sections:
            html = thinking_html(section.body) if section.kind == "thinking" else folded_html(section)
            assert html.count("<details") == html.count("</details>") == 1, (payload, html)
            assert_plain_html(DETAILS.sub("", html), payload)
            assert [tag for tag, _ in parsed(html)][:3] == ["details", "summary", "div"], (payload, html)
        written = "\n\n".join(folded_markdown(section) for section in sections)
        assert not HIDDEN.search(written), payload
        if len(written) > 8_000:
            continue
        for name, parse in PARSERS.items():
            shown = parse(written)
            tags = [match.group() for match in OWN_FOLD.finditer(shown)]
            assert tags == ["<details>", "<summary>", "</summary>", "</details>"] * len(sections), (
                name,
                payload,
            )
            titles = re.findall("<summary>.*?</summary>", shown, re.DOTALL)
            runs = [unescape(run) for one in titles for run in re.split("<[^>]*>", one)]
            assert not any(EDGES.search(run) for run in runs), (name, payload)
            shown = OWN_FOLD.sub("", shown)
            assert harm(shown) == [], (name, payload)
            shown = OWN_FOLD.sub("", with_formulas_cut_out(parse, written))
            assert harm(shown) == [], (name, payload)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_neutral_in_every_form_of_an_output(name: str) -> None:
    for text in ("x", ""):
        data, metadata = bundle(turn_of(text, name))
        assert_harmless_markdown(data["text/markdown"], name)
        assert not HIDDEN.search(data["text/plain"])
        assert not HIDDEN.search(json.dumps(data[TURN]["attachments"], ensure_ascii=False))
        assert set(data) == {"text/markdown", "text/plain", TURN}
        json.dumps([data, metadata]).encode()


@pytest.mark.parametrize("name", NAMES)
def test_names_are_neutral_in_the_strip(name: str) -> None:
    blocks = turn_of("x", name).blocks
    html = strip_html(blocks)
    assert [tag for tag, _ in parsed(html)] == ["p", "em", "img"]
    attributes = [given for _, given in parsed(html)]
    assert [set(given) for given in attributes] == [{"class"}, set(), {"alt", "src"}]
    assert attributes[2]["src"].startswith("data:image/png;base64,")
    assert not HIDDEN.search(html)
    assert not HIDDEN.search(strip_line(blocks))
    assert "\n" not in strip_line(blocks)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_neutral_in_tables(name: str) -> None:
    table = Table(("a", name), ((name, "x"), ("y", name)), title=name)
    forms = table._repr_mimebundle_()
    assert_harmless_markdown(forms["text/markdown"], name)
    assert not HIDDEN.search(forms["text/plain"])
    assert len(forms["text/markdown"].split("\n")) == 6
    shown = preview(
        model=name,
        system=name,
        history=[turn_of(name, name)],
        blocks=turn_of("x", name).blocks,
        size=5,
        total="5",
        done="no",
    )
    assert_harmless_markdown(shown._repr_mimebundle_()["text/markdown"], name)
    assert not HIDDEN.search(repr(shown))


@pytest.mark.parametrize("name", NAMES)
def test_names_are_neutral_among_sources(name: str) -> None:
    cited = sources.source_list(
        [Source(name, name, f"javascript:{name}", name), Source(name, "", name, name)]
    )
    assert_harmless_markdown(neutral(cited), name)
    assert_plain_html(render(cited), name)
    assert_harmless_markdown(inline(name), name)
    assert "\n" not in inline(name)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_neutral_in_exported_files(name: str) -> None:
    turns = [turn_of(name, name)]
    assert_harmless_markdown(markdown_document(turns, name, markdown).decode(), name)
    document = notebook_document(turns, name, bundle).decode()
    assert_harmless_markdown("".join(json.loads(document)["cells"][0]["source"]), name)


@pytest.mark.parametrize("hostile", TERMINAL)
def test_nothing_reaches_a_terminal_raw(hostile: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        view = TextView(Stop())
        turn = turn_of(hostile, hostile)
        view.begin(Status(hostile, "writing", Usage(), None, 1.0), turn.blocks)
        for character in f"a{hostile}b":
            view.draw(character, Status(hostile, hostile, Usage(), None, 1.0))
        view.end(turn)
    assert not HIDDEN.search(out.getvalue()), out.getvalue()


def test_what_is_hidden_is_what_the_tests_look_for() -> None:
    for hostile in TERMINAL:
        assert HIDDEN.search(hostile)
        assert not HIDDEN.search(visible(hostile))
