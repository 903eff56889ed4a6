"""Inline Markdown made harmless: one pass over text that holds no blocks of code.

What is plain is copied; what a parser could take for a tag, a link, a picture or a formula is either
rewritten so that all parsers agree, or shown as text. It must not know of blocks, which
:mod:`claude_magic.display.neutral` has taken apart before.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from functools import lru_cache

from claude_magic.display.untrusted import Target, alone, formula_at, is_plain_address, names, target

__all__ = ["MEANT_BY_A_PARSER", "OWN_TAG", "Prose", "definitions", "entities"]

MEANT_BY_A_PARSER = re.compile(r"<[A-Za-z/!?]|\]\(|\]\[|\]:|!\[|\\\\[()\[\]]|\\(?:begin|end)\{|@@")
"""What in code would do something if a parser did not see that it is code."""
OWN_TAG = re.compile(
    r'(?:<code>|<pre><code(?: class="language-[\w+#.-]+")?>)(?:[^\W_]|&#\d{1,7};| )*+</code>(?:</pre>)?'
    r"|<span>&#\d{1,7};</span>"
)
"""The tags we write ourselves; nothing in them means anything to a parser."""
_MEANINGFUL = re.compile(r"[^\w ]|_")


def entities(code: str) -> str:
    """Write code so that no Markdown parser finds anything in it, even inside a tag."""
    return _MEANINGFUL.sub(lambda match: f"&#{ord(match.group())};", code.expandtabs(4))


_TOKEN = re.compile(
    r"`+|~{3,}|\$+|\\(?:[^\n]|\Z)|!\[|\[|\]|<(?=[A-Za-z/!?])|://|www\.|mailto:|xmpp:"
    r"|&(?:\#(?:\d{1,7}|x[0-9a-f]{1,6})|dollar|bsol|fjlig);",
    re.IGNORECASE,
)
_COUNTS = re.compile(r"\$[^$]*\$|\\[(\[]|\\begin")
"""Where a dollar is not the only thing that could be an edge of a formula."""
_IN_MATH = re.compile(r"[\\$A-Za-z]")
_BREAK = re.compile(r"\n(?=[ \t>]*(?:\n|\Z|[-+*][ \t]|\d{1,9}[.)][ \t]|\#{1,6}[ \t]|\|))")
_DESTINATION = re.compile(
    r"""\([ \t\n]{0,9}(?:<([^<>\n]{0,9000})>|((?:[^\s()<>]|\([^\s()<>]{0,999}\)){0,9000}+))
    (?:[ \t\n]{1,9}(?:"[^"\n]{0,999}"|'[^'\n]{0,999}'|\([^()\n]{0,999}\)))?[ \t\n]{0,9}\)""",
    re.VERBOSE,
)
_DEFINED = re.compile(
    r""":[ \t]*(?:\n[ \t>]*)?(?:<([^<>\n]{0,9000})>|([^\s<]\S{0,9000}))[ \t]*
    (?:(?<=[ \t])(?:"[^"\n]*"|'[^'\n]*'|\([^()\n]*\))[ \t]*)?(?=\n|\Z)""",
    re.VERBOSE,
)
_DEFINITION = re.compile(r"^[ \t>]*\[([^\[\]]{1,999})\](?=:)", re.MULTILINE)
_LONGEST_LABEL = 999
_LABEL = re.compile(r"\[([^\[\]]{0,999})\]")
_AUTOLINK = re.compile(
    r"<((?:https?://|mailto:)[^\s<>]{1,8000}|[\w.+-]{1,99}@[\w-]+(?:\.[\w-]+)+)>", re.IGNORECASE
)
_CONTAINER = " \t>*+-0123456789.):"
"""What may stand before a block: the marks of quotes and lists."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_NO_SPACE = re.compile(r"\S*")
_TAG_LIKE = re.compile(r"<(?=[A-Za-z/!?])")
_REST = re.compile(r"[ \t]*(?:\n|\Z)")
_LINE_BRACKET = re.compile(r"^(?=[ \t>]*\[)[ \t>]*\[", re.MULTILINE)
_DOUBLED = re.compile(r"(?<=\\\\)(?=[\[\](])")
_EMPTY_GROUP = "{}"
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([^{}\n]*)\}?")
_NEXT_LINE = re.compile(r"\n[^\s>]")
_TABLE_ROW = re.compile(r"[ >]*\|")
_NOT_IN_TEX = re.compile(r"`|~~~|@@\d")


def definitions(text: str) -> dict[str, Target]:
    """Collect the reference definitions that lead to a web or mail address, by label."""
    known: dict[str, Target] = {}
    if "]:" in text:
        for match in _DEFINITION.finditer(text):
            defined = _DEFINED.match(text, match.end())
            place = target(defined[1] or defined[2]) if defined else None
            if place:
                known.setdefault(_key(match[1]), place)
    return known


def _is_balanced(tex: str) -> bool:
    # What an environment begins here, some front ends would let end anywhere, even in a block of code.
    begun: list[str] = []
    for match in _ENVIRONMENT.finditer(tex):
        if match[1] == "begin":
            begun.append(match[2])
        elif not begun or begun.pop() != match[2]:
            return False
    return not begun


def _key(label: str) -> str:
    return " ".join(label.split()).casefold()


@lru_cache(maxsize=64)
def _closer(length: int) -> re.Pattern[str]:
    return re.compile(rf"(?<!`)`{{{length}}}(?!`)")


@dataclass(slots=True)
class _Open:
    """An opening bracket that may turn out to begin a link."""

    at: int
    slot: int
    picture: bool
    inner: list[tuple[int, int]] = field(default_factory=list)


class Prose:
    """One pass over text without fences: what is harmless is copied, the rest is rewritten.

    Parameters
    ----------
    text : str
        The text.
    known : dict
        Targets of reference definitions, by label.
    """

    def __init__(self, text: str, known: dict[str, Target]) -> None:
        self.text = text
        self.known = known
        self.out: list[str] = []
        self.open: list[_Open] = []
        self.around_link = 0  # so many of the open brackets have a link in them already
        self.at = 0
        self.paragraph_end = -1
        self.unclosed: set[int] = set()
        self.address_end = -1  # up to here, a formula would stand inside an address
        self.bare_end = -1
        # One alone cannot be half of a formula.
        self.dollar = alone("$") if _COUNTS.search(text) else "\\$"
        self.after_definition = -1
        self.after_formula = -1

    def run(self) -> str:
        """Return the text rewritten."""
        text, out = self.text, self.out
        while match := _TOKEN.search(text, self.at):
            start = match.start()
            if start > self.at:
                out.append(text[self.at : start])
            if start >= self.paragraph_end:
                self._next_paragraph(start)
            self.at = match.end()
            self._token(match.group(), start)
        self._forget_open()
        out.append(text[self.at :])
        return "".join(out)

    def _next_paragraph(self, start: int) -> None:
        end = _BREAK.search(self.text, start)
        self.paragraph_end = end.start() if end else len(self.text)
        self.unclosed.clear()
        self._forget_open()

    def _forget_open(self) -> None:
        # The label of a definition reaches, in some parsers, over blank lines and into a block of code.
        for begin in self.open:
            if self._begins_line(begin.at):
                self.out[begin.slot] = self.out[begin.slot].replace("[", "&#91;")
        self.open.clear()
        self.around_link = 0

    def _begins_line(self, at: int) -> bool:
        before = self.text[max(0, at - 60) : at].rstrip(_CONTAINER)
        return not before or before[-1] == "\n"

    def _token(self, found: str, start: int) -> None:
        kind = found[0]
        if kind == "`":
            self._ticks(found, start)
        elif kind in "$\\":
            if not self._math(start):
                self._no_math(found, start)
        elif found in {"[", "!["}:
            self.open.append(_Open(start, len(self.out), picture=found == "!["))
            self.out.append("[" if found == "[" else "&#33;[")
        elif kind == "]":
            self._close(start)
        elif kind == "<":
            self._less(start)
        elif kind == "&":
            self._entity(found)
        elif kind == "~":
            self.out.append("&#126;" * len(found))
        else:
            self._address(found, start)

    def _entity(self, found: str) -> None:
        plain = html.unescape(found)
        if _IN_MATH.match(plain):
            self.out.append("".join(map(alone, plain)))
        else:
            self.out.append(found)

    def _address(self, found: str, start: int) -> None:
        if found == "://":
            scheme = _SCHEME.search(self.text, max(0, start - 40), start)
            of_web = scheme is not None and scheme.group().lower() in {"http", "https"}
            if not (of_web and is_plain_address(self.text, self.at)):
                found = "&#58;//"
        elif found.lower() == "www." and not is_plain_address(self.text, start):
            found = found[:-1] + "&#46;"
        elif found.lower() == "xmpp:":
            found = found[:-1] + "&#58;"
        self.out.append(found)
        self._no_formula_here(start)

    def _no_formula_here(self, start: int, *, bare: bool = True) -> None:
        # A formula is cut out before links are found and put back inside the link's tag.
        if start >= self.address_end and (run := _NO_SPACE.match(self.text, self.at)):
            self.address_end = run.end()
        if bare:
            self.bare_end = self.address_end

    def _no_math(self, found: str, start: int) -> None:
        if found[0] == "$":
            self.out.append(("%24" if start < self.bare_end else self.dollar) * len(found))
        elif found == "\\" or found[1:].isalpha():
            starts_math = self.text.startswith(("begin", "end"), start + 1)
            self.out.append(alone("\\") if starts_math else "\\")
            self.at = start + 1
        elif found == "\\\\":
            # JupyterLab takes a doubled backslash before a bracket for a formula's edge.
            self.out.append("%5C" if start < self.bare_end else alone("\\"))
        elif found == "\\<" and _TAG_LIKE.match(self.text, start + 1):
            self.out.append("&lt;")
        elif found in {"\\`", "\\~"} or (found == "\\!" and self.text.startswith("[", self.at)):
            self.out.append(f"&#{ord(found[1])};")
        elif found == "\\$":
            self.out.append("%24" if start < self.bare_end else self.dollar)
        else:
            # A bare address is shown as it is written: its escaped bracket would be a formula's edge.
            edge = start < self.bare_end and found in {"\\[", "\\]", "\\(", "\\)"}
            self.out.append(f"%5C{found[1]}" if edge else found)
            if found == "\\]" and self.text.startswith("(", self.at):
                self.out.append("&#40;")
                self.at += 1

    def _math(self, start: int) -> bool:
        found = None if start < self.address_end else formula_at(self.text, start)
        if found is None or _NOT_IN_TEX.search(found.tex) or not _is_balanced(found.tex):
            return False
        if start == self.after_formula:
            self.out.append(" ")  # or the dollars of both would be counted together
        self.at = self.after_formula = found.end
        tex = found.tex
        for edge in ("](", "]:", "][", "!["):  # a space means nothing to TeX, but it does to Markdown
            tex = tex.replace(edge, f"{edge[0]} {edge[1]}")
        tex = _TAG_LIKE.sub("< ", tex)
        if not found.display:
            self.out.append(f"${_DOUBLED.sub(_EMPTY_GROUP, tex.strip())}$")
        elif "\n" in tex and start == self.text.rfind("\n", 0, start) + 1 and _REST.match(self.text, self.at):
            # Of several lines it is a paragraph of its own; without the blank lines not in every front end.
            before = "" if start < 2 or self.text[start - 2] == "\n" else "\n"
            after = "\n" if _NEXT_LINE.match(self.text, self.at) else ""
            tex = _LINE_BRACKET.sub("{}[", tex.strip("\n"))
            self.out.append(f"{before}$$\n{tex}\n$${after}")
        else:
            # On one line, so that all front ends see where it ends; a comment needs its line.
            tex = tex.strip() if "%" in tex else " ".join(tex.split())
            self.out.append(f"$${_LINE_BRACKET.sub('{}[', tex)}$$")
        return True

    def _less(self, start: int) -> None:
        if own := OWN_TAG.match(self.text, start):
            self.out.append(own.group())
            self.at = own.end()
            return
        link = _AUTOLINK.match(self.text, start)
        written = link[1] if link else ""
        place = target(written if ":" in written else f"mailto:{written}") if link else None
        if link is None or place is None:
            self.out.append("&lt;")
            return
        self.at = link.end()
        self.out.append(place.url if "://" in place.url else place.host)
        self._no_formula_here(start)

    def _ticks(self, ticks: str, start: int) -> None:
        length = len(ticks)
        end = None
        if length <= 64 and length not in self.unclosed:
            end = _closer(length).search(self.text, self.at, self.paragraph_end)
        if end is None:
            self.unclosed.add(length)
            self.out.append("&#96;" * length)
            return
        code = self.text[self.at : end.start()]
        self.at = end.end()
        odd = length > 2 or "\n" in code or start < self.address_end or MEANT_BY_A_PARSER.search(code)
        if odd or "$$" in code or ("$" in code and "`" in code + ticks[1:]):
            self._tag(code, start)
        else:
            self.out.append(f"{ticks}{code}{ticks}")

    def _tag(self, code: str, start: int) -> None:
        code = re.sub(r"\n[ \t>]*", " ", code)
        if code.strip() and code[0] == code[-1] == " ":
            code = code[1:-1]
        if "\\|" in code and _TABLE_ROW.match(self.text, self.text.rfind("\n", 0, start) + 1):
            code = code.replace("\\|", "|")
        written = entities(code)
        if "&" not in written:  # by this we know our own tag from one in the text
            written = f"&#{ord(code[0])};{written[1:]}"
        self.out.append(f"<code>{written}</code>")

    # --- brackets

    def _close(self, start: int) -> None:
        following = self.text[self.at : self.at + 1]
        if not self.open:
            self._broken(following)
            return
        begin = self.open.pop()
        around = len(self.open) < self.around_link
        self.around_link = min(self.around_link, len(self.open))
        if following == ":" and self._begins_line(begin.at):
            self._define(begin)
            return
        end, place = self._destination(begin, start, following)
        if place is None or (around and not begin.picture):
            self._broken(following if following == "(" else "")
            self._keep_inner(begin.inner)
        else:
            self._link(begin, place, self.text[begin.at + 1 + begin.picture : start], end)

    def _destination(self, begin: _Open, start: int, following: str) -> tuple[int, Target | None]:
        if following == "(":
            match = _DESTINATION.match(self.text, self.at)
            if match is None:
                return self.at, None
            return match.end(), target(match[1] if match[1] is not None else match[2])
        if not self.known or following == ":":
            return self.at, None
        match = _LABEL.match(self.text, self.at)
        first = begin.at + 1 + begin.picture
        label = (match[1] if match else "") or self.text[first : min(start, first + _LONGEST_LABEL)]
        return match.end() if match else self.at, self.known.get(_key(label))

    def _define(self, begin: _Open) -> None:
        match = _DEFINED.match(self.text, self.at)
        line = self.text.rfind("\n", 0, begin.at) + 1
        alone = line == self.after_definition or not self.text[self._line_before(line) : line].strip(" \t\n>")
        if match is None or not alone or target(match[1] or match[2]) is None:
            self._broken(":")
            return
        # Its uses have been written out; in some parsers, its title would reach into a block of code.
        del self.out[begin.slot :]
        self.at = match.end()
        self.after_definition = self.at + 1

    def _line_before(self, line: int) -> int:
        return self.text.rfind("\n", 0, max(0, line - 1)) + 1

    def _broken(self, following: str) -> None:
        if following == "(":
            self.out.append("]&#40;")
        elif following == ":":
            self.out.append("]&#58;")
        else:
            self.out.append("]")
            return
        self.at += 1

    def _link(self, begin: _Open, place: Target, label: str, end: int) -> None:
        for first, last in begin.inner:  # a link cannot hold a link: the inner ones stay as text
            self.out[first] = self.out[first].removeprefix("[")
            self.out[last] = ""
        if begin.picture:
            self.out[begin.slot] = "[🖼 " if label.strip() else "[🖼"
        host = f" ({place.host})"
        shown = "" if names(label, place) or self.text.startswith(host, end) else host
        self.out.append(f"]({place.url}){shown}")
        self.at = end
        self._no_formula_here(end, bare=False)
        if not begin.picture:
            self.around_link = len(self.open)
        self._keep_inner([(begin.slot, len(self.out) - 1)])

    def _keep_inner(self, inner: list[tuple[int, int]]) -> None:
        if self.open and inner:
            short, long = sorted((self.open[-1].inner, inner), key=len)
            long += short
            self.open[-1].inner = long
