"""Markdown turned into sanitised HTML, whole or block by block while it grows.

The text is untrusted: raw HTML shows as text, links lead to web and mail addresses only and show
where, pictures become links, formulas keep their source for the page's typesetter. Structure and
heights are those of JupyterLab's own rendering. It must not know who wrote the text, nor the page it is
shown in.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_magic.display.parser import blocks, html_of, of_code, parse
from claude_magic.display.untrusted import visible

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = [
    "STYLE",
    "CodeBlock",
    "Frame",
    "Growing",
    "code_blocks",
    "code_tokens",
    "fences",
    "render",
    "visible",
]


def render(text: str) -> str:
    """Turn untrusted Markdown into HTML that may be put into a page as it is.

    Parameters
    ----------
    text : str
        Markdown of any origin.

    Returns
    -------
    str
        Sanitised HTML.
    """
    return html_of(parse(visible(text), {}))


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block of code: the first word behind its fence in small letters, and what is in it."""

    language: str
    content: str


def fences(text: str) -> list[CodeBlock]:
    """List the fenced blocks of code, in order.

    Parameters
    ----------
    text : str
        Markdown.
    """
    if "```" not in text and "~~~" not in text:
        return []
    tokens = [token for token in code_tokens(text) if token.type == "fence"]
    return [CodeBlock(_language(token.info), token.content) for token in tokens]


def code_blocks(text: str) -> list[str]:
    """List the contents of the fenced blocks of code, in order.

    Parameters
    ----------
    text : str
        Markdown.

    Returns
    -------
    list of str
        What stands between the fences, each line with its end.
    """
    return [block.content for block in fences(text)]


def _language(info: str) -> str:
    """The language that a fence tells, in letters that mean nothing elsewhere."""
    word = (info.split() or [""])[0].lower()
    return "".join(re.findall(r"[\w+#.-]+", word))


def code_tokens(text: str) -> list[Token]:
    """List the blocks of code, fenced and indented, at any depth, without looking at the text between.

    Parameters
    ----------
    text : str
        Markdown.

    Returns
    -------
    list of Token
        The parser's tokens, with the lines they take.
    """
    return [token for token in blocks(text) if token.type in {"fence", "code_block"}]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a growing text looks like now.

    Parameters
    ----------
    done : str
        HTML of the blocks finished since the frame before.
    tail : str
        HTML of what is still open, all of it.
    """

    done: str
    tail: str


_SMALL = 2_000
"""Characters of open text that may be rendered every time."""
_LARGE = 8_000
"""Characters of whole lines from which on half a line is not shown, which would be a parse of its own."""
_SHARE = 8
"""A larger open text is rendered again when this many times its last cost has passed."""
_HIGHLIGHTED = 4_000
"""Characters of an open block of code that are highlighted while it grows."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\n]*)\n")
_OPEN_MATH = re.compile(
    r"""(?:\A|\n)[ ]{0,3}(?:
      \$\$(?=((?:(?!\$\$)[^\n`]|\n(?!\s*\n))*+\Z))
    | \\\[(?=((?:(?!\\[\[\]])[^\n`]|\n(?!\s*\n))*+\Z))
    )""",
    re.VERBOSE,
)
_CLOSED_BY_BLANK = frozenset({"paragraph_open", "heading_open", "blockquote_open", "table_open", "hr"})
_BLANK_END = re.compile(r"\n[ \t]*\n\Z")
_ONLY_MARKS = re.compile(r"[ \t]*(?:[-=+*_#>|`~:!\[\\]+|\d{1,9}[.)]?)[ \t]*\Z")


class Growing:
    """Renders a text that grows: each finished block once, the open one again when it is worth it.

    A block at the outermost level is finished when a later one has begun on a whole line. The cost is
    linear in the text: an open block that has become large is rendered only when it has doubled, or
    after a pause of eight times what it cost.

    Parameters
    ----------
    clock : callable
        Seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held = ""
        self._new: list[str] = []
        self._pending = 0
        self._open = ""
        self._tail = ""
        self._known: dict[str, Any] = {}
        self._looked = 0
        self._last: list[Token] = []
        self._in_fence: re.Match[str] | None = None
        self._drawn_at = float("-inf")
        self._cost = 0.0

    def feed(self, text: str) -> None:
        """Append text.

        Parameters
        ----------
        text : str
            The next part, of any length, cut anywhere.
        """
        text = self._held + text
        # What the next part may complete: a line end of two characters, half of a surrogate pair.
        whole = len(text) - (text[-1:] == "\r" or "\ud800" <= text[-1:] <= "\udbff")
        self._held = text[whole:]
        if whole:
            self._new.append(visible(text[:whole]))
            self._pending += whole

    def draw(self) -> Frame:
        """Return what has changed since the last call."""
        now = self._clock()
        size = len(self._open) + self._pending
        due = size <= _SMALL or 2 * self._pending >= size or now - self._drawn_at >= _SHARE * self._cost
        if not self._pending or not due:
            return Frame("", self._tail)
        self._take()
        done = self._commit()
        self._tail = self._fence_tail(self._in_fence) if self._in_fence else self._text_tail()
        self._drawn_at = self._clock()
        self._cost = self._drawn_at - now
        return Frame(done, self._tail)

    def finish(self) -> Frame:
        """Return everything left as finished."""
        self._new.append(visible(self._held))
        self._held = ""
        self._take()
        done = html_of(parse(self._open, self._known))
        self._cut(len(self._open))
        self._tail = ""
        return Frame(done, "")

    def _take(self) -> None:
        self._open += "".join(self._new)
        self._new.clear()
        self._pending = 0

    def _commit(self) -> str:
        """Cut the finished blocks off the open text and return their HTML."""
        done = ""
        while True:
            if self._in_fence:
                end = self._fence_end(self._in_fence)
                if end < 0:
                    return done
                done += html_of(parse(self._open[:end], self._known))
                self._cut(end)
            whole = self._open.rfind("\n") + 1
            if whole <= self._looked:
                return done
            # Only whole lines decide: half a line may still become something else.
            tokens = parse(self._open[:whole], self._known)
            begins = [at for at, token in enumerate(tokens) if token.map and token.level == 0]
            if not begins:
                self._looked = whole
                return done
            last = tokens[begins[-1]]
            if last.type in _CLOSED_BY_BLANK and _BLANK_END.search(self._open, max(0, whole - 80), whole):
                done += html_of(tokens)
                self._cut(whole)
                return done
            done += html_of(tokens[: begins[-1]])
            self._cut(_line_start(self._open, (last.map or [0])[0]))
            self._looked = self._open.rfind("\n") + 1
            self._last = tokens[begins[-1] :]
            self._in_fence = _FENCE.match(self._open) if last.type == "fence" else None
            if self._in_fence is None:
                return done
            self._looked = self._in_fence.end()

    def _cut(self, end: int) -> None:
        self._open = self._open[end:]
        self._looked = 0
        self._in_fence = None
        self._last = []

    def _fence_end(self, fence: re.Match[str]) -> int:
        mark = fence[1]
        closer = re.compile(rf"^ {{0,3}}{mark[0]}{{{len(mark)},}}[ \t]*\n", re.MULTILINE)
        found = closer.search(self._open, self._looked)
        if found:
            return found.end()
        self._looked = max(self._looked, self._open.rfind("\n") + 1)
        return -1

    def _fence_tail(self, fence: re.Match[str]) -> str:
        shown = self._open
        cut = shown.rfind("\n") + 1
        if shown[cut:].strip() and not shown[cut:].strip().strip(fence[1][0]):
            shown = shown[:cut]  # the closing fence is being written
        if len(shown) <= _HIGHLIGHTED:
            return html_of(parse(shown, {}))
        return of_code(shown[fence.end() :], fence[2], plain=True)

    def _text_tail(self) -> str:
        shown = self._open
        cut = shown.rfind("\n") + 1
        if cut > _LARGE and self._last:
            return html_of(self._last)
        if _ONLY_MARKS.match(shown, cut):
            shown = shown[:cut]  # a list, a heading, a fence is about to begin; not yet known which
        if not shown.strip():
            return ""
        if "$$" in shown or "\\[" in shown:
            opened = _OPEN_MATH.search(shown, shown.rfind("\n\n") + 1)
            if opened and (opened[1] or opened[2] or "").strip(" \n$\\"):
                shown = shown.rstrip("$\\ \n") + ("\n\\]" if "\\[" in opened.group() else "\n$$")
        return html_of(parse(shown, {"references": dict(self._known.get("references", {}))}))


def _line_start(text: str, line: int) -> int:
    at = 0
    for _ in range(line):
        at = text.index("\n", at) + 1
    return at


# Pygments' short classes, by the colour JupyterLab's editor gives to their kind.
_COLOURS = {
    "keyword": ("k kd kn kp kr kt ow", "#008000", "bold"),
    "atom": ("bp kc", "#88f", ""),
    "number": ("m mb mf mh mi mo il", "#080", ""),
    "def": ("nf fm nc nn", "#00f", ""),
    "builtin": ("nb ne no", "#05a", ""),
    "property": ("na py", "#05a", ""),
    "tag": ("nt", "#170", ""),
    "variable": ("nv vc vg vi vm", "#05a", ""),
    "string": ("s sa sb sc dl sd s2 se sh si sx s1 ss l ld", "#ba2121", ""),
    "string-2": ("sr", "#708", ""),
    "comment": ("c ch cm cpf c1 cs", "#408080", "italic"),
    "meta": ("nd ni cp", "#a2f", ""),
    "operator": ("o", "#a2f", "bold"),
    "punctuation": ("p pm", "#05a", ""),
    "error": ("err", "#f00", ""),
}


def _style() -> str:
    rules = []
    for name, (classes, colour, how) in _COLOURS.items():
        where = ",".join(f".claude-magic .{word}" for word in classes.split())
        extra = {"bold": "font-weight:bold", "italic": "font-style:italic"}.get(how, "")
        rules.append(f"{where}{{color:var(--jp-mirror-editor-{name}-color,{colour});{extra}}}")
    return "\n".join(rules) + "\n"


STYLE = _style()
"""Colours of code for a page's style sheet, from the notebook's theme where there is one."""
