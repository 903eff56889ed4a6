"""What can be folded away in an answer: thinking, tool calls, searches; as HTML and as Markdown."""

from __future__ import annotations

import html

from claude_magic.display.markdown import Growing
from claude_magic.display.neutral import neutral
from claude_magic.display.untrusted import alone, visible
from claude_magic.values import Section


class Thought:
    """Thinking that grows: plain text, of which each piece is sent once."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held = ""

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._pieces)

    def more(self, text: str) -> str:
        """Append the next piece, cut anywhere; return what is to be shown of it."""
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""  # half a line end, perhaps
        piece = visible(text[: len(text) - len(self._held)])
        if not self._pieces:
            piece = piece.lstrip("\n")
        if piece:
            self._pieces.append(piece)
        return piece


def folded_html(section: Section) -> str:
    """A section for the live view."""
    growing = Growing()
    growing.feed(section.body)
    kind = "search" if section.kind == "search" else "call"
    return _details(kind, _title(section.title), growing.finish().done)


def thinking_html(text: str) -> str:
    """Thinking that has ended, for the live view; its page makes the same of the pieces it got."""
    return _details("thinking", "Thinking", html.escape(visible(text), quote=False))


def folded_markdown(section: Section) -> str:
    """A section for the saved notebook: folded where ``<details>`` is known, and readable elsewhere."""
    body = neutral(section.body).strip()
    # Notebooks look for formulas in the page's text, too.
    title = _title(section.title).replace("&#36;", alone("$")).replace("&#92;", alone("\\"))
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _details(kind: str, title: str, body: str) -> str:
    return (
        f'<details class="claude-fold claude-{kind}"><summary>{title}</summary>'
        f'<div class="claude-folded">{body}</div></details>\n'
    )


def _title(title: str) -> str:
    """A title as text of HTML in which no Markdown means anything."""
    text = html.escape(visible(" ".join(title.split())))
    return "".join(f"&#{ord(one)};" if one in "\\`*_{}[]()#+-.!|~$<>" else one for one in text)
