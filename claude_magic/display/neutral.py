"""Markdown made neutral: it looks as meant in every front end and can do nothing in any of them.

Front ends show ``text/markdown`` with raw HTML switched on, with parsers that disagree about details,
and with formulas cut out before parsing and put back after it. So nothing here relies on how the rest
is parsed: wherever it stands, no tag survives but our own ``<code>`` and ``<pre>`` around entities, no
``](`` that does not lead to a plain web or mail address, no picture, no formula that could come to
stand inside an address. Only fenced blocks at the left margin keep their content, and those are written
so that all parsers agree on where they end. Plain text passes as it is.

It must not know who wrote the text or which front end shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_magic.display.parser import blocks
from claude_magic.display.prose import MEANT_BY_A_PARSER, OWN_TAG, Prose, definitions, entities
from claude_magic.display.untrusted import Target, visible

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["inline", "neutral"]

_SPECIAL = re.compile(r"[`<$\[\]\\&]|~~~|://|www\.|xmpp:", re.IGNORECASE)
_RUN = re.compile(r"`+")
_INFO = re.compile(r"[\w+#.-]+")
_DRAWN = frozenset({"geojson", "math", "mermaid", "stl", "topojson"})
"""Languages whose code front ends draw: a diagram may load pictures and styles, a formula may hold a link."""


def neutral(text: str) -> str:
    """Make untrusted Markdown harmless wherever it is shown.

    Parameters
    ----------
    text : str
        Markdown of any origin.

    Returns
    -------
    str
        Markdown with the same look: no raw HTML, links to web and mail addresses only and with the
        host in sight, pictures as links, formulas in ``$`` and ``$$``, every fence closed.
    """
    text = visible(text)
    if not _SPECIAL.search(text):
        return text
    known = definitions(text)
    if "```" not in text and "~~~" not in text and "    " not in text and "\t" not in text:
        return _guarded(Prose(text, known).run())
    return _join(_parts(text, known))


def inline(text: str) -> str:
    """Make untrusted text harmless as one line, for a heading or a table's cell.

    Parameters
    ----------
    text : str
        Inline Markdown of any origin; line ends become spaces.

    Returns
    -------
    str
        One line of harmless Markdown.
    """
    text = " ".join(visible(text).split("\n"))
    return _guarded(Prose(text, {}).run()) if _SPECIAL.search(text) else text


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of whole lines, ready to be written; a fenced one wants blank lines around it."""

    text: str
    fenced: bool = False


def _join(parts: Iterator[_Part]) -> str:
    out: list[str] = []
    ending = "\n\n"
    after_fence = False
    for part in parts:
        # The blank line lets no paragraph, list or formula reach over the fence in any parser.
        if (part.fenced or after_fence) and not part.text.startswith("\n") and not ending.endswith("\n\n"):
            blank = "\n" if ending.endswith("\n") else "\n\n"
            out.append(blank)
        out.append(part.text)
        ending = (ending + part.text)[-2:] if len(part.text) < 2 else part.text[-2:]
        after_fence = part.fenced
    return "".join(out)


def _parts(text: str, known: dict[str, Target]) -> Iterator[_Part]:
    lines = text.split("\n")
    ends = "\n" if text.endswith("\n") else ""
    at = 0

    def upto(line: int) -> Iterator[_Part]:
        if line > at:
            tail = "\n" if line < len(lines) else ""
            yield _Part(_guarded(Prose("\n".join(lines[at:line]) + tail, known).run()))

    for token in blocks(text):
        if token.type not in {"fence", "code_block"}:
            continue
        first, last = token.map or (0, 0)
        while last > first + 1 and token.type == "code_block" and not lines[last - 1].strip():
            last -= 1
        written = _code(token, lines[first:last])
        if written is None or first < at:
            continue
        yield from upto(first)
        at = last
        is_last = at >= len(lines) or (at == len(lines) - 1 and not lines[-1])
        yield _Part(written.text + (ends if is_last else "\n"), written.fenced)
        if is_last:
            return
    yield from upto(len(lines))


def _code(token: Token, lines: list[str]) -> _Part | None:
    """Write a block of code; None for one that may be left to the scan, as text."""
    words = token.info.split()
    language = "".join(_INFO.findall(words[0])) if words else ""
    if language.lower() in _DRAWN:
        language = ""
    content = token.content if token.content.endswith("\n") or not token.content else token.content + "\n"
    if token.type == "code_block" and not (_SPECIAL.search(content) or "~" in content):
        return None
    if token.level == 0:
        longest = max(map(len, _RUN.findall(content)), default=0)
        ticks = "`" * max(3, longest + 1, len(token.markup) if token.markup.startswith("`") else 0)
        return _Part(f"{ticks}{language}\n{content}{ticks}", fenced=True)
    if token.type == "fence" and _is_simple(token, lines, language):
        return _Part("\n".join(lines))
    of_language = f' class="language-{language}"' if language else ""
    return _Part(
        f"{_prefix(token, lines[0])}<pre><code{of_language}>{entities(content.rstrip())}</code></pre>"
    )


def _is_simple(token: Token, lines: list[str], language: str) -> bool:
    """Tell whether all parsers see this nested fence alike, and it would be harmless if one did not."""
    before, mark, info = lines[0].partition(token.markup)
    return (
        len(lines) > 1
        and mark == token.markup
        and not before.strip(" >")
        and "\t" not in before
        and info.strip() == language
        and all(line.startswith(before.rstrip()) for line in lines if line.strip())
        and lines[-1].strip(" >") == token.markup
        and "$" not in token.content
        and not any(line.lstrip(" >").startswith(("```", "~~~")) for line in lines[1:-1])
        and not MEANT_BY_A_PARSER.search(token.content)
    )


def _prefix(token: Token, line: str) -> str:
    if token.type == "fence":
        return line[: line.find(token.markup)]
    first = token.content.split("\n", 1)[0]
    before = line[: len(line) - len(first)] if first and line.endswith(first) else ""
    return before.expandtabs(4)[:-4] if before else ""


# --- the guard -------------------------------------------------------------------------------------

_GUARD = re.compile(r"<(?=[A-Za-z/!?])|\]\(|!\[|(?i:(?:ftp|xmpp):(?=//|\w))")
_OWN_TARGET = re.compile(r"\]\((?:https?://|mailto:)[A-Za-z0-9\-._~/?#:@!&*+,;=%\[\]]*\)")
_BEGINS_LINE = re.compile(r"^[ \t>*+\-\d.):]*+\Z", re.MULTILINE)
_DEFINITION = re.compile(r"(^[ \t>*+\-\d.):]*+\[(?:[^\[\]\\]|\\.|\\\n)++\]):", re.MULTILINE)


def _guarded(text: str) -> str:
    """Hold what the scan promises, whatever it made of the text."""
    out: list[str] = []
    at = 0
    while match := _GUARD.search(text, at):
        out.append(text[at : match.start()])
        found = match.group()
        own = {"<": OWN_TAG, "]": _OWN_TARGET}.get(found[0])
        kept = own.match(text, match.start()) if own else None
        if kept:
            out.append(kept.group())
        elif found == "<":
            out.append("&lt;")
        elif found == "](":
            out.append("]&#40;")
        elif found == "![":
            out.append("&#33;[")
        else:
            out.append(found[:-1] + "&#58;")
        at = kept.end() if kept else match.end()
    out.append(text[at:])
    text = "".join(out) if len(out) > 1 else text
    last = text.rfind("[")
    if last > text.rfind("]") and text[last - 1 : last] != "\\":
        text = f"{text[:last]}&#91;{text[last + 1 :]}" if _BEGINS_LINE.search(text, 0, last) else text
    return _DEFINITION.sub(r"\1&#58;", text) if "]:" in text else text
