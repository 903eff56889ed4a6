"""The Markdown parser, the highlighter and the sanitiser behind the HTML of an answer.

One configured parser for the process; it is imported when the first answer is shown. It must not know
how a text grows or where its HTML goes.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

from claude_magic.display.untrusted import formula_at, names, target

if TYPE_CHECKING:
    from pygments.lexer import Lexer  # type: ignore[import-untyped]

_LONGEST_HIGHLIGHTED = 60_000
_INFO = re.compile(r"[\w+#.-]+")
_IN_ADDRESS = re.compile(r"(?:://|www\.|mailto:|xmpp:)\S*\Z", re.IGNORECASE)


def parse(text: str, env: MutableMapping[str, Any]) -> list[Token]:
    """Parse visible text; ``env`` carries the reference definitions from one part to the next."""
    env.pop("no_formula", None)
    env.pop("duplicate_refs", None)
    return _markdown().parse(text, env)


def blocks(text: str) -> list[Token]:
    """Parse the block structure only."""
    tokens: list[Token] = []
    markdown = _markdown()
    markdown.block.parse(text, markdown, {}, tokens)
    return tokens


def html_of(tokens: Sequence[Token]) -> str:
    """Render tokens and sanitise what comes out."""
    if not tokens:
        return ""
    markdown = _markdown()
    rendered = markdown.renderer.render(tokens, markdown.options, {})
    return _cleaner(frozenset(_LANGUAGE_CLASS.findall(rendered))).clean(rendered)


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    markdown.enable(["table", "strikethrough"])
    markdown.inline.ruler.before("escape", "formula", _inline_formula)
    # It may cut a paragraph only where it protects lines that Markdown would take for its own.
    markdown.block.ruler.before(
        "fence", "formula", _block_formula, {"alt": ["paragraph", "reference", "blockquote"]}
    )
    markdown.core.ruler.push("targets", _targets)
    markdown.add_render_rule("fence", _code)
    markdown.add_render_rule("code_block", _code)
    markdown.add_render_rule("formula", _formula)
    markdown.normalizeLink = _address  # type: ignore[method-assign]
    markdown.validateLink = bool  # type: ignore[method-assign, assignment]
    return markdown


# --- links and pictures


def _address(url: str) -> str:
    place = target(url)
    return place.url if place else ""


def _targets(state: StateCore) -> None:
    for token in state.tokens:
        if token.children and any(child.type in {"link_open", "image"} for child in token.children):
            token.children = _with_targets(token.children, linked=False)
        elif token.type in {"th_open", "td_open"} and (style := token.attrs.pop("style", None)):
            token.attrs["align"] = str(style).rpartition(":")[2]


def _with_targets(children: Sequence[Token], *, linked: bool) -> list[Token]:
    """Put each link's host behind it and a link in each picture's place; in a link, text only."""
    out: list[Token] = []
    begun: list[tuple[Token, int]] = []
    for at, child in enumerate(children):
        if child.type == "image":
            out += _picture(child, children[at + 1 :], linked=linked or bool(begun))
        elif child.type == "link_open":
            begun.append((child, len(out)))
            if not linked:
                out.append(child)
        elif child.type == "link_close" and begun:
            link, since = begun.pop()
            if not linked and not link.attrs.get("href"):
                out[since] = _text("[")  # an address was forgotten
                out.append(_text("]()"))
            elif not linked:
                label = "".join(token.content for token in out[since:])
                out.append(child)
                if link.markup != "autolink":
                    out += _host(link, label, children[at + 1 :])
                else:
                    link.attrs.update(target="_blank")
        else:
            out.append(child)
    return out


def _picture(image: Token, following: Sequence[Token], *, linked: bool) -> list[Token]:
    shown = _with_targets(image.children or [], linked=True)
    url = image.attrs.get("src")
    if not url:
        return [_text("!["), *shown, _text("]()")]
    shown.insert(0, _text("🖼 " if image.content.strip() else "🖼"))
    if linked:
        return shown
    link = Token("link_open", "a", 1, attrs={"href": url})
    return [link, *shown, Token("link_close", "a", -1), *_host(link, image.content, following)]


def _host(link: Token, label: str, following: Sequence[Token]) -> list[Token]:
    url = str(link.attrs.get("href", ""))
    link.attrs.pop("title", None)
    place = target(url)
    if place is None:
        return []
    link.attrs["target"] = "_blank"
    if names(label, place):
        return []
    link.attrs["title"] = url
    shown = f" ({place.host})"
    if following and following[0].type == "text" and following[0].content.startswith(shown):
        return []
    return [Token("html_inline", "", 0, content=f'<span class="claude-host">{escape(shown)}</span>')]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


# --- formulas


_CLOSERS = {"$$": "$$", "\\[": "\\]", "\\b": "\\end{"}
_LONGEST_FORMULA = 4_000


def _inline_formula(state: StateInline, silent: bool) -> bool:
    found = formula_at(state.src, state.pos) if state.src[state.pos] in "$\\" else None
    if found is None or _IN_ADDRESS.search(state.src, max(0, state.pos - 500), state.pos):
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = found.tex
        token.meta["display"] = found.display
    state.pos = found.end
    return True


def _block_formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    at = state.bMarks[start] + state.tShift[start]
    closer = _CLOSERS.get(state.src[at : at + 2])
    if closer is None or start < state.env.get("no_formula", {}).get(closer, 0):
        return False
    if state.src.find(closer, at + 2, at + _LONGEST_FORMULA) < 0:
        return False
    line, begun = start, at + 2
    while state.src.find(closer, begun, state.eMarks[line]) < 0:
        line += 1
        if line >= end or state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            # No closer up to here: nor for any line between. Keeps this linear.
            state.env.setdefault("no_formula", {})[closer] = line
            return False
        begun = state.bMarks[line]
        again = closer == "\\]" and state.src.find("\\[", begun, state.eMarks[line]) >= 0
        if again or begun - at > _LONGEST_FORMULA:
            return False
    if silent and line == start:
        return False
    source = state.getLines(start, line + 1, state.blkIndent, False).strip()
    found = formula_at(source, 0)
    if found is None or found.end != len(source):
        return False
    if not silent:
        # A paragraph of its own; the formula in it is read with the other inline text.
        state.push("paragraph_open", "p", 1).map = [start, line + 1]
        token = state.push("inline", "", 0)
        token.content, token.map, token.children = source, [start, line + 1], []
        state.push("paragraph_close", "p", -1)
        state.line = line + 1
    return True


def _formula(_renderer: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    edges, kind = ("\\[%s\\]", "block") if tokens[at].meta["display"] else ("\\(%s\\)", "inline")
    return f'<span class="math {kind}">{edges % escape(tokens[at].content, quote=False)}</span>'


# --- code


def _code(_renderer: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    return of_code(tokens[at].content, tokens[at].info)


def of_code(content: str, info: str, *, plain: bool = False) -> str:
    """Render a block of code, highlighted if its language is known and it is not very long."""
    words = info.split()
    language = "".join(_INFO.findall(words[0])) if words else ""
    lexer = None if plain or not language or len(content) > _LONGEST_HIGHLIGHTED else _lexer(language.lower())
    shown = _highlighted(content, lexer) if lexer else escape(content, quote=False)
    of_language = f' class="language-{language}"' if language else ""
    return f"<pre><code{of_language}>{shown}</code></pre>\n"


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    # Many modules, and most answers have no code.
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]  # noqa: PLC0415
    from pygments.util import ClassNotFound  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@lru_cache(maxsize=32)
def _highlighted(content: str, lexer: Lexer) -> str:
    out: list[str] = []
    run: list[str] = []
    current = ""
    for kind, value in lexer.get_tokens(content):
        name = _short(kind)
        if name != current:
            _flush(out, run, current)
            current = name
        run.append(value)
    _flush(out, run, current)
    return "".join(out)


def _flush(out: list[str], run: list[str], name: str) -> None:
    if run:
        text = escape("".join(run), quote=False)
        out.append(f'<span class="{name}">{text}</span>' if name else text)
        run.clear()


@lru_cache(maxsize=512)
def _short(kind: Any) -> str:
    while kind not in STANDARD_TYPES and kind.parent is not None:
        kind = kind.parent
    name = STANDARD_TYPES.get(kind, "")
    return "" if name in _UNCOLOURED else name


_UNCOLOURED = frozenset({"n", "w", "esc", "x", "nx"})

# --- the sanitiser

_LANGUAGE_CLASS = re.compile(r'<code class="(language-[\w+#.-]+)">')
_TAGS = frozenset(
    {
        *(
            "a",
            "blockquote",
            "br",
            "code",
            "em",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "hr",
            "li",
            "ol",
            "p",
            "pre",
            "s",
        ),
        *("span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
    }
)


@lru_cache(maxsize=128)
def _cleaner(languages: frozenset[str]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(),
        attributes={"a": {"href", "title", "target"}, "ol": {"start"}, "td": {"align"}, "th": {"align"}},
        allowed_classes={
            "span": {"math", "inline", "block", "claude-host", *_pygments_classes()},
            "code": set(languages),
        },
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer",
        strip_comments=True,
    )


@lru_cache(maxsize=1)
def _pygments_classes() -> frozenset[str]:
    return frozenset(name for name in STANDARD_TYPES.values() if name)
