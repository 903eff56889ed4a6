"""What can be folded away in an answer: thinking, tool calls, searches; as HTML and as Markdown."""

from __future__ import annotations

import html

from claude_magic.display.markdown import Growing
from claude_magic.display.neutral import neutral
from claude_magic.display.untrusted import visible
from claude_magic.values import Section


def folded_html(section: Section) -> str:
    """A section for the live view."""
    growing = Growing()
    growing.feed(section.body)
    return _details(section.title, growing.finish().done)


def thinking_html(text: str, *, growing: bool = False) -> str:
    """Thinking for the live view: open while it grows."""
    return _details(
        "Thinking", f'<div class="claude-thinking">{html.escape(visible(text))}</div>', opened=growing
    )


def folded_markdown(section: Section) -> str:
    """A section for the saved notebook: folded where ``<details>`` is known, and readable elsewhere."""
    body = neutral(section.body).strip()
    return f"<details><summary>{_title(section.title)}</summary>\n\n{body}\n\n</details>"


def _details(title: str, body: str, *, opened: bool = False) -> str:
    return f"<details{' open' * opened}><summary>{_title(title)}</summary>{body}</details>"


def _title(title: str) -> str:
    """A title as text of HTML in which no Markdown means anything."""
    text = html.escape(visible(" ".join(title.split())))
    return "".join(f"&#{ord(one)};" if one in "\\`*_{}[]()#+-.!|~$<>" else one for one in text)
